//! What the arguments of the recognised functions mean, and what these functions must return.

use super::error::Fault;
use super::record::{find, type_name};
use super::source::{NEAR, NEAR_FIELDS, Source};
use naga::{ArraySize, Function, Handle, Scalar, Span, Type, TypeInner};

/// What an argument of a recognised function receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// The state s.
    State,
    /// The value f of `physics`.
    Physics,
    /// The parameters θ.
    Theta,
    /// The measured inputs.
    Input,
    /// The time t.
    Time,
    /// An observation y.
    Observation,
    /// The output of the network of this name.
    Network(String),
    /// The states around a grid cell.
    Near,
    /// The value of `fields` in this cell.
    Fields,
    /// The values of `fields` around a grid cell.
    NearFields,
    /// What an encoder made of the observed window.
    Latent,
    /// The observed window: the frames that an encoder sees, one observation after the other.
    Window,
    /// Added to the value of every call of `physics`: zero, but one can differentiate with respect to it.
    Perturbation,
}

/// One argument of a recognised function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// What it receives.
    pub role: Role,
    /// How many scalars it has.
    pub width: usize,
}

/// The recognised functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Physics,
    Features,
    Fields,
    Rhs,
    Observe,
    Initial,
    Control,
}

impl Kind {
    /// What its arguments may be, in words.
    fn allowed(self) -> &'static str {
        match self {
            Kind::Physics => "a State, Theta, Input or Near of any name, and `t: f32`",
            Kind::Features => {
                "a State, Theta, Input, Latent or Near of any name, `t: f32`, and `f: State` for the value of physics; of a \
                 network that encodes an `array<Output, FRAMES>`, Input and `t: f32`"
            }
            Kind::Rhs => {
                "a State, Theta, Input, Latent, Near, Fields or NearFields of any name, `t: f32`, `f: State` for the value \
                 of physics, and for each network an `array<f32, K>` of its name"
            }
            Kind::Fields | Kind::Observe => {
                "a State, Theta, Input, Latent or Near of any name, `t: f32`, `f: State` for the value of physics, and for \
                 each network an `array<f32, K>` of its name"
            }
            Kind::Initial => {
                "an Output (a State, if Output is not declared), Theta, Input or Latent of any name, and `t: f32`"
            }
            Kind::Control => "a State or Theta of any name, and `t: f32`",
        }
    }

    /// True if it may receive the role.
    fn takes(self, role: &Role) -> bool {
        match role {
            Role::Time | Role::Theta => true,
            Role::State => self != Kind::Initial,
            Role::Input => self != Kind::Control,
            Role::Near => !matches!(self, Kind::Initial | Kind::Control),
            Role::Physics => matches!(self, Kind::Features | Kind::Fields | Kind::Rhs | Kind::Observe),
            Role::Network(_) => matches!(self, Kind::Fields | Kind::Rhs | Kind::Observe),
            Role::Fields | Role::NearFields => self == Kind::Rhs,
            Role::Observation => self == Kind::Initial,
            Role::Latent => !matches!(self, Kind::Physics | Kind::Control),
            Role::Window => self == Kind::Features,
            Role::Perturbation => false,
        }
    }
}

/// The struct types with a meaning.
pub(super) struct Types {
    pub state: Handle<Type>,
    pub theta: Option<Handle<Type>>,
    pub input: Option<Handle<Type>>,
    pub output: Option<Handle<Type>>,
    pub fields: Option<Handle<Type>>,
    pub latent: Option<Handle<Type>>,
    near: Option<Handle<Type>>,
    near_fields: Option<Handle<Type>>,
}

impl Types {
    /// Finds them by name.
    pub fn find(source: &Source) -> Result<Types, Fault> {
        let state = find(source, "State").ok_or_else(|| Fault::new(Span::UNDEFINED, "`State` is not a struct"))?;
        let by_name = |name| find(source, name);
        Ok(Types {
            state,
            theta: by_name("Theta"),
            input: by_name("Input"),
            output: by_name("Output"),
            fields: by_name("Fields"),
            latent: by_name("Latent"),
            near: by_name(NEAR),
            near_fields: by_name(NEAR_FIELDS),
        })
    }
}

/// The role of every argument in order.
pub(super) fn roles(
    source: &Source,
    types: &Types,
    networks: &[String],
    kind: Kind,
    function: &Function,
) -> Result<Vec<Role>, Fault> {
    let name = function.name.as_deref().unwrap_or("");
    let mut found: Vec<Role> = Vec::new();
    for (i, argument) in function.arguments.iter().enumerate() {
        let own = argument.name.as_deref().unwrap_or("");
        let span = argument_span(function, i);
        let role = role(source, types, networks, kind, own, argument.ty).filter(|role| kind.takes(role));
        let Some(role) = role else {
            let ty = type_name(&source.module, argument.ty);
            let fault = Fault::new(span, format!("`{name}` cannot take the argument `{own}: {ty}`"));
            return Err(fault.help(remedy(kind, networks, own, &ty)));
        };
        if found.contains(&role) {
            let fault = Fault::new(span, format!("`{name}` takes two arguments with the meaning of `{own}`"));
            return Err(fault.help(format!("its arguments may be {}, each at most once", kind.allowed())));
        }
        found.push(role);
    }
    Ok(found)
}

fn remedy(kind: Kind, networks: &[String], own: &str, ty: &str) -> String {
    let mut remedy = format!("its arguments may be {}", kind.allowed());
    if ty.starts_with("array<") && matches!(kind, Kind::Fields | Kind::Rhs | Kind::Observe) {
        match nearest(own, networks) {
            Some(near) => remedy.push_str(&format!("; did you mean the network `{near}`?")),
            None if networks.is_empty() => remedy.push_str("; this study has no networks"),
            None => remedy.push_str(&format!("; networks of this study: {}", networks.join(", "))),
        }
    }
    remedy
}

fn role(source: &Source, types: &Types, networks: &[String], kind: Kind, name: &str, ty: Handle<Type>) -> Option<Role> {
    let is = |candidate: Option<Handle<Type>>| candidate == Some(ty);
    if ty == types.state {
        // Without an Output the observation has the type of the state.
        return Some(match kind {
            Kind::Initial if types.output.is_none() => Role::Observation,
            _ if name == "f" => Role::Physics,
            _ => Role::State,
        });
    }
    if is(types.theta) {
        return Some(Role::Theta);
    }
    if is(types.input) {
        return Some(Role::Input);
    }
    if is(types.output) {
        return Some(Role::Observation);
    }
    if is(types.latent) {
        return Some(Role::Latent);
    }
    if is(types.near) {
        return Some(Role::Near);
    }
    if is(types.fields) {
        return Some(Role::Fields);
    }
    if is(types.near_fields) {
        return Some(Role::NearFields);
    }
    match source.module.types[ty].inner {
        TypeInner::Scalar(Scalar::F32) if name == "t" => Some(Role::Time),
        TypeInner::Array { base, size: ArraySize::Constant(_), .. } if base == types.output.unwrap_or(types.state) => {
            Some(Role::Window)
        }
        TypeInner::Array { base, size: ArraySize::Constant(_), .. }
            if source.module.types[base].inner == TypeInner::Scalar(Scalar::F32)
                && networks.iter().any(|n| n == name) =>
        {
            Some(Role::Network(name.to_string()))
        }
        _ => None,
    }
}

/// Checks the return type.
pub(super) fn check_result(source: &Source, types: &Types, kind: Kind, function: &Function) -> Result<(), Fault> {
    let name = function.name.as_deref().unwrap_or("");
    let result = function.result.as_ref().map(|r| r.ty);
    let is_features = |ty: Handle<Type>| match source.module.types[ty].inner {
        TypeInner::Scalar(s) | TypeInner::Vector { scalar: s, .. } => s == Scalar::F32,
        TypeInner::Array { base, size: ArraySize::Constant(_), .. } => {
            source.module.types[base].inner == TypeInner::Scalar(Scalar::F32)
        }
        _ => false,
    };
    let (fits, expected) = match kind {
        Kind::Physics | Kind::Rhs | Kind::Initial => (result == Some(types.state), "State"),
        Kind::Observe => match types.output {
            Some(output) => (result == Some(output), "Output"),
            None => (result == Some(types.state), "State"),
        },
        Kind::Fields => (result.is_some() && result == types.fields, "Fields"),
        Kind::Control => (result.is_some() && result == types.input, "Input"),
        Kind::Features => (result.is_some_and(is_features), "array<f32, N> (or f32, or a vector of f32)"),
    };
    if fits {
        return Ok(());
    }
    let declared = source.declarations.functions.get(name);
    let span = declared.map_or(Span::UNDEFINED, |d| d.result.unwrap_or(d.name));
    let fault = Fault::new(span, format!("`{name}` must return {expected}"));
    Err(match kind {
        Kind::Fields if types.fields.is_none() => fault.help("declare `struct Fields`, which `fields` computes"),
        Kind::Control if types.input.is_none() => fault.help("declare `struct Input`, which `control` computes"),
        _ => fault.help(format!("declare it as `fn {name}(...) -> {}`", expected.split(" (").next().unwrap_or(""))),
    })
}

/// Where an argument stands.
pub(super) fn argument_span(function: &Function, position: usize) -> Span {
    let found = function
        .expressions
        .iter()
        .find(|(_, e)| matches!(e, naga::Expression::FunctionArgument(i) if *i as usize == position));
    found.map_or(Span::UNDEFINED, |(handle, _)| function.expressions.get_span(handle))
}

/// The candidate that is spelled most like a name, if any is close.
pub(super) fn nearest<'a>(name: &str, candidates: &'a [String]) -> Option<&'a str> {
    let score = |c: &String| strsim::jaro_winkler(name, c);
    let best = candidates.iter().max_by(|a, b| score(a).total_cmp(&score(b)))?;
    (score(best) > 0.6).then_some(best.as_str())
}
