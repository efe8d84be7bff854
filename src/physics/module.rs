//! The recognised structs and functions of a text.

use super::error::{Fault, PhysicsError};
use super::lower;
use super::record::{self, Record};
use super::signature::{self, Argument, Kind, Role, Types};
use super::source::{self, Source};
use crate::graph::Function;
use naga::{Handle, Span};

/// Stack of the thread that parses: naga and the lowering recurse over the nesting of the user's text.
const STACK_BYTES: usize = 64 << 20;

/// What the study says that the text's meaning depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Names of the networks.
    pub networks: Vec<String>,
    /// Members of `Near` if the study has a `[grid]`, which provides it.
    pub near: Option<Vec<&'static str>>,
    /// Whether features and rhs are also wanted with [`Role::Perturbation`] as their last argument.
    pub perturbed: bool,
}

/// A function of the text as a scalar graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Lowered {
    /// The graph; its inputs are the flattened arguments one after the other.
    pub function: Function,
    /// The arguments in the order declared.
    pub arguments: Vec<Argument>,
    /// Number of scalars that it returns.
    pub outputs: usize,
}

/// A parsed text with its recognised structs and functions.
#[derive(Clone, Debug, PartialEq)]
pub struct Module {
    /// Members of `State`.
    pub state: Record,
    /// Members of `Theta`, if declared.
    pub theta: Option<Record>,
    /// Members of `Input`, if declared.
    pub input: Option<Record>,
    /// Members of `Output`, if declared; without it the state is observed.
    pub output: Option<Record>,
    /// Members of `Fields`, if declared.
    pub field_record: Option<Record>,
    /// Members of `Latent`, if declared.
    pub latent: Option<Record>,
    physics: Lowered,
    features: Vec<(String, Lowered)>,
    fields: Option<Lowered>,
    rhs: Option<Lowered>,
    observe: Option<Lowered>,
    initial: Option<Lowered>,
    control: Option<Lowered>,
    perturbed: Option<Perturbed>,
}

/// Features and rhs in which something is added to the value of every call of `physics`.
#[derive(Clone, Debug, PartialEq)]
pub struct Perturbed {
    features: Vec<(String, Lowered)>,
    rhs: Option<Lowered>,
}

impl Perturbed {
    /// What the network of this name sees, if the text says so.
    pub fn features(&self, network: &str) -> Option<&Lowered> {
        named(&self.features, network)
    }

    /// How networks enter ds/dt, if the text says so.
    pub fn rhs(&self) -> Option<&Lowered> {
        self.rhs.as_ref()
    }
}

fn named<'a>(list: &'a [(String, Lowered)], network: &str) -> Option<&'a Lowered> {
    list.iter().find(|(name, _)| name == network).map(|(_, lowered)| lowered)
}

impl Module {
    /// Parses a text, checks it and lowers its functions. `file_name` is used in messages only.
    pub fn parse(file_name: &str, text: &str, context: &Context) -> Result<Module, PhysicsError> {
        let work = || build(text, context);
        let joined = std::thread::scope(|scope| {
            let worker = std::thread::Builder::new().name("physics".into()).stack_size(STACK_BYTES);
            match worker.spawn_scoped(scope, work) {
                Ok(handle) => handle.join(),
                Err(error) => Ok(Err(Fault::new(Span::UNDEFINED, format!("no thread to parse the text: {error}")))),
            }
        });
        let result = joined.unwrap_or_else(|_| {
            Err(Fault::new(Span::UNDEFINED, "the WGSL front end failed on this text")
                .help("please report the text as a bug; simplify what was changed last"))
        });
        result.map_err(|fault| fault.locate(file_name, text))
    }

    /// f, the known part of ds/dt.
    pub fn physics(&self) -> &Lowered {
        &self.physics
    }

    /// What the network of this name sees, if the text says so.
    pub fn features(&self, network: &str) -> Option<&Lowered> {
        named(&self.features, network)
    }

    /// Features and rhs with a perturbation of physics, if the context asked for them.
    pub fn perturbed(&self) -> Option<&Perturbed> {
        self.perturbed.as_ref()
    }

    /// How networks enter ds/dt, if the text says so.
    pub fn rhs(&self) -> Option<&Lowered> {
        self.rhs.as_ref()
    }

    /// Quantities of a cell whose neighbours `rhs` receives, if the text says so.
    pub fn fields(&self) -> Option<&Lowered> {
        self.fields.as_ref()
    }

    /// The observed quantities, if the text says so.
    pub fn observe(&self) -> Option<&Lowered> {
        self.observe.as_ref()
    }

    /// The initial state from the first observation, if the text says so.
    pub fn initial(&self) -> Option<&Lowered> {
        self.initial.as_ref()
    }

    /// The inputs of simulated data, if the text says so.
    pub fn control(&self) -> Option<&Lowered> {
        self.control.as_ref()
    }

    /// The members of what is observed: `Output`, or the state.
    pub fn observed(&self) -> &Record {
        self.output.as_ref().unwrap_or(&self.state)
    }
}

/// Everything from text to lowered functions.
fn build(text: &str, context: &Context) -> Result<Module, Fault> {
    let source = source::parse(text, context.near.as_deref())?;
    let types = Types::find(&source)?;
    let flat = |ty: Option<Handle<naga::Type>>| ty.map(|ty| record::flatten(&source, ty)).transpose();
    let state = record::flatten(&source, types.state)?;
    let (theta, input, output) = (flat(types.theta)?, flat(types.input)?, flat(types.output)?);
    let field_record = flat(types.fields)?;
    let lower = Lowering { source: &source, types: &types, networks: &context.networks, perturbation: 0 };
    let perturbed = match context.perturbed {
        true => {
            let lower = Lowering { perturbation: state.names.len(), ..lower };
            Some(Perturbed { features: lower.features()?, rhs: lower.optional("rhs", Kind::Rhs)? })
        }
        false => None,
    };
    let physics = lower
        .optional("physics", Kind::Physics)?
        .ok_or_else(|| Fault::new(Span::UNDEFINED, "there is no `fn physics`"))?;
    if let (Some(own), None) = (source.declarations.functions.get("fields"), &context.near) {
        return Err(Fault::new(own.name, "`fields` exists only on grids")
            .help("add a [grid] section to the study, or name this function differently"));
    }
    let fields = lower.optional("fields", Kind::Fields)?;
    if let (Some(_), None) = (types.fields, &fields) {
        let span = source.declarations.structs.get("Fields").map_or(Span::UNDEFINED, |d| d.name);
        return Err(Fault::new(span, "`struct Fields` without `fn fields`")
            .help("write fn fields(s: State, ...) -> Fields, or remove the struct"));
    }
    Ok(Module {
        state,
        theta,
        input,
        output,
        field_record,
        latent: flat(types.latent)?,
        physics,
        features: lower.features()?,
        fields,
        rhs: lower.optional("rhs", Kind::Rhs)?,
        observe: lower.optional("observe", Kind::Observe)?,
        initial: lower.optional("initial", Kind::Initial)?,
        control: lower.optional("control", Kind::Control)?,
        perturbed,
    })
}

/// What lowering a recognised function needs.
struct Lowering<'a> {
    source: &'a Source,
    types: &'a Types,
    networks: &'a [String],
    /// Width of the perturbation of physics; 0 without one.
    perturbation: usize,
}

impl Lowering<'_> {
    /// Lowers the function of a name, if there is one.
    fn optional(&self, name: &str, kind: Kind) -> Result<Option<Lowered>, Fault> {
        let module = &self.source.module;
        let found = module.functions.iter().find(|(_, f)| f.name.as_deref() == Some(name));
        let Some((handle, function)) = found else { return Ok(None) };
        signature::check_result(self.source, self.types, kind, function)?;
        let roles = signature::roles(self.source, self.types, self.networks, kind, function)?;
        let (function, widths) = lower::lower(self.source, handle, self.perturbation)?;
        let outputs = function.outputs().len();
        let join = |(role, width): (Role, usize)| Argument { role, width };
        let mut arguments: Vec<Argument> = roles.into_iter().zip(widths).map(join).collect();
        if self.perturbation > 0 {
            arguments.push(Argument { role: Role::Perturbation, width: self.perturbation });
        }
        Ok(Some(Lowered { function, arguments, outputs }))
    }

    /// Lowers `features` and `features_NAME`.
    fn features(&self) -> Result<Vec<(String, Lowered)>, Fault> {
        let mut found = Vec::new();
        let declarations = &self.source.declarations;
        if let Some(plain) = declarations.functions.get("features") {
            match self.networks {
                [] => {
                    // Checked all the same, so that its errors show while the study is written.
                    self.optional("features", Kind::Features)?;
                }
                [only] => {
                    if let Some(both) = declarations.functions.get(&format!("features_{only}")) {
                        return Err(Fault::new(
                            both.name,
                            format!("both `features` and `features_{only}` are defined"),
                        )
                        .help("keep one of them: with one network they mean the same"));
                    }
                    found.extend(self.optional("features", Kind::Features)?.map(|lowered| (only.clone(), lowered)));
                }
                several => {
                    let names: Vec<String> = several.iter().map(|n| format!("`features_{n}`")).collect();
                    return Err(Fault::new(plain.name, "`features` does not say which of several networks it is for")
                        .help(format!("name it after its network: {}", names.join(", "))));
                }
            }
        }
        for (_, function) in self.source.module.functions.iter() {
            let name = function.name.as_deref().unwrap_or("");
            let Some(network) = name.strip_prefix("features_") else { continue };
            if !self.networks.iter().any(|n| n == network) {
                let fault = Fault::new(declarations.function(name), format!("there is no network `{network}`"));
                return Err(match signature::nearest(network, self.networks) {
                    Some(near) => fault.help(format!("did you mean `features_{near}`?")),
                    None if self.networks.is_empty() => {
                        fault.help("this study has no networks; name helper functions differently")
                    }
                    None => fault.help(format!("networks of this study: {}", self.networks.join(", "))),
                });
            }
            found.extend(self.optional(name, Kind::Features)?.map(|lowered| (network.to_string(), lowered)));
        }
        Ok(found)
    }
}
