//! The text that naga sees: the user's text with the engine's declarations behind it, parsed and validated.

use super::bounds;
use super::diagnose;
use super::error::Fault;
use super::scan::Declarations;
use naga::Span;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};

/// A validated module and what the text says about places.
pub(super) struct Source {
    pub module: naga::Module,
    pub info: ModuleInfo,
    pub declarations: Declarations,
}

/// The intrinsic that stops gradients: an identity as far as WGSL is concerned.
pub(super) const STOPGRAD: &str = "stopgrad";

/// The function of the known part of ds/dt.
pub(super) const PHYSICS: &str = "physics";

/// What a cell sees of the states, and of the `Fields`, around it.
pub(super) const NEAR: &str = "Near";
pub(super) const NEAR_FIELDS: &str = "NearFields";

/// Parses the user's text with the engine's declarations appended, so that the user's line numbers stay.
/// `near` lists the members of `Near` on a grid.
pub(super) fn parse(text: &str, near: Option<&[&str]>) -> Result<Source, Fault> {
    bounds::check(text)?;
    let grid = near.is_some();
    let declarations = Declarations::scan(text);
    if let Some(own) = declarations.functions.get(STOPGRAD) {
        return Err(Fault::new(own.name, "`stopgrad` is an intrinsic of the engine and cannot be defined")
            .help("remove this function: `stopgrad(x: f32) -> f32` is always there"));
    }
    for name in [NEAR, NEAR_FIELDS] {
        if let Some(own) = declarations.structs.get(name) {
            return Err(Fault::new(own.name, format!("`{name}` is provided by the engine and cannot be defined"))
                .help(format!("remove this struct; studies with a [grid] always have `{name}`")));
        }
    }
    if !declarations.structs.contains_key("State") {
        return Err(Fault::new(Span::UNDEFINED, "there is no `struct State`")
            .help("declare what evolves in time, for example `struct State { angle: f32, velocity: f32 }`"));
    }
    if !declarations.functions.contains_key(PHYSICS) {
        return Err(Fault::new(Span::UNDEFINED, "there is no `fn physics`")
            .help("write the known part of ds/dt, for example `fn physics(s: State, theta: Theta, t: f32) -> State`"));
    }
    let mut full = format!("{text}\nfn {STOPGRAD}(x: f32) -> f32 {{ return x; }}\n");
    for (name, of) in [(NEAR, "State"), (NEAR_FIELDS, "Fields")] {
        if let (Some(members), true, true) = (near, declarations.mentions(name), declarations.structs.contains_key(of))
        {
            let members: Vec<String> = members.iter().map(|member| format!("{member}: {of}")).collect();
            full.push_str(&format!("struct {name} {{ {} }}\n", members.join(", ")));
        }
    }
    let module = naga::front::wgsl::parse_str(&full).map_err(|error| diagnose::parsing(&error, text, grid))?;
    refuse_globals(&module, &declarations)?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::empty())
        .validate(&module)
        .map_err(|error| diagnose::validation(&error, &module, &declarations, text))?;
    Ok(Source { module, info, declarations })
}

/// Modules of functions only: everything that lives on a device is the engine's.
fn refuse_globals(module: &naga::Module, declarations: &Declarations) -> Result<(), Fault> {
    if let Some((handle, variable)) = module.global_variables.iter().next() {
        let name = variable.name.as_deref().unwrap_or("variable");
        let span = module.global_variables.get_span(handle);
        return Err(Fault::new(span, format!("the module-scope variable `{name}` is not supported"))
            .help("use `const` for a fixed value or table; pass what changes as a member of Theta, Input or State"));
    }
    if let Some((handle, constant)) = module.overrides.iter().next() {
        let name = constant.name.as_deref().unwrap_or("override");
        let span = module.overrides.get_span(handle);
        return Err(Fault::new(span, format!("the override `{name}` is not supported"))
            .help("use `const` for a fixed value, or a member of Theta for one to identify"));
    }
    if let Some(entry) = module.entry_points.first() {
        return Err(Fault::new(declarations.function(&entry.name), format!("`{}` is an entry point", entry.name))
            .help("remove its attribute: entry points are the engine's"));
    }
    Ok(())
}
