//! Composition: what TOML and WGSL declare is checked against each other and becomes a model.

use super::build;
use super::compiled::Model;
use super::composer::{Parts, Sizes};
use super::encode;
use super::error::ModelError;
use super::grid_spec::GridSpec;
use super::limits::{MOST_STATE, MOST_WEIGHTS, MOST_WIDTH, too_large};
use super::net_spec::NetSpec;
use super::network::{Network, NetworkKind, Scope};
use super::objective::Objective;
use super::observable::{Count, Observable};
use super::observe;
use super::rollouts::Rollouts;
use super::spec::{Method, ModelSpec};
use super::theta_spec::ThetaSpec;
use crate::physics::{Context, Lowered, Module, Role};
use crate::program::{Grid, Stencil, WeightTable};
use std::path::Path;

impl Model {
    /// Compiles a model. `base` is the folder that `spec.model.physics` is relative to.
    pub fn load(spec: ModelSpec, base: &Path) -> Result<Model, ModelError> {
        let path = base.join(&spec.model.physics);
        let source =
            std::fs::read_to_string(&path).map_err(|reason| ModelError::File { path: path.clone(), reason })?;
        Model::compile(spec, &spec_file_name(&path), &source)
    }

    /// Compiles a model from WGSL text; `file` names it in messages.
    pub fn compile(spec: ModelSpec, file: &str, source: &str) -> Result<Model, ModelError> {
        spec.check()?;
        let grid = spec.grid.as_ref().map(GridSpec::grid).transpose()?;
        let near = grid.as_ref().map(|g| Stencil::of(g.dimensions).into_iter().map(Stencil::name).collect());
        let networks = spec.nets.keys().cloned().collect();
        let perturbed = spec.penalties.iter().any(|p| p.kind == "sensitivity");
        let context = Context { networks, near, perturbed };
        let module = Module::parse(file, source, &context).map_err(Box::new)?;
        let names = |record: Option<&crate::physics::Record>| record.map_or(Vec::new(), |r| r.names.clone());
        let state = names(Some(&module.state));
        let theta = names(module.theta.as_ref());
        let inputs = names(module.input.as_ref());
        let outputs = module.output.as_ref().map_or(state.clone(), |r| r.names.clone());
        if module.observe().is_none() && outputs != state {
            let message = "`struct Output` without `fn observe`: the state has other members";
            let remedy = "write fn observe(s: State, ...) -> Output, or remove the struct to observe the state";
            return Err(ModelError::setting("model.physics", message, remedy));
        }
        check_theta(&spec, &theta)?;
        let latent = names(module.latent.as_ref());
        let objective = Objective::new(&spec.penalties, [state.len(), outputs.len()])?;
        check_objective(&objective, &theta, grid.is_some())?;
        let rollouts = Rollouts::of(&objective);
        let window = spec.encode.unwrap_or_default();
        let sizes = Sizes {
            state: state.len(),
            theta: theta.len(),
            latent: latent.len(),
            inputs: inputs.len(),
            outputs: outputs.len(),
            frames: window.frames,
            grid: grid.as_ref(),
        };
        check_sizes(sizes)?;
        encode::check(&spec, &module, sizes)?;
        let at_data = objective.observables.observations.iter().any(|o| o.count() == Count::Complete);
        if at_data && !encode::has_initial(&module, (&state, &outputs)) {
            return Err(ModelError::setting(
                "penalty.at",
                "the state cannot be had from an observation",
                "add fn initial(y: Output) -> State to the WGSL, or use at = \"path\"",
            ));
        }
        if grid.is_some() && module.control().is_some() {
            let message = "`control` computes inputs from the state, and a field has no single one";
            return Err(ModelError::setting("grid", message, "remove `fn control`, or the [grid] section"));
        }
        if module.fields().is_some() && module.rhs().is_none() {
            let message = "`fn fields` without `fn rhs`: nobody takes the fields";
            return Err(ModelError::setting(
                "model.physics",
                message,
                "write fn rhs(around: NearFields, ...) -> State",
            ));
        }
        let mut weights = WeightTable::default();
        let networks = declare_networks(&spec, &module, sizes, &mut weights)?;
        let enter: Vec<&Network> = networks.iter().filter(|n| n.encodes.is_none()).collect();
        if module.rhs().is_none() && enter.len() > 1 && !used_by_observe_only(&module, &enter) {
            let list: Vec<&str> = enter.iter().map(|n| n.name.as_str()).collect();
            return Err(ModelError::setting(
                "net",
                format!("several networks ({}) but no fn rhs that says how they enter", list.join(", ")),
                "write fn rhs(s: State, …, NAME: array<f32, K>, …) -> State",
            ));
        }
        let is_static = spec.solver.method == Method::Static;
        let parts = Parts { module: &module, networks: &networks, sizes, rollouts, objective: &objective, is_static };
        let evolve = build::evolve(&parts, &theta);
        let physics = build::physics(&module, sizes);
        let observe = observe::observe(&parts, (&state, &outputs));
        let thetas: Vec<ThetaSpec> =
            theta.iter().map(|name| spec.theta.get(name).cloned().unwrap_or_default()).collect();
        let encode = match spec.solver.method {
            // Nothing comes before the only row.
            Method::Static => None,
            _ => encode::program(&parts, (&state, &outputs), &thetas, window.sees),
        };
        let control = module.control().map(|control| build::control(control, sizes));
        let source = source.to_string();
        Ok(Model {
            spec,
            source,
            state,
            theta,
            latent,
            inputs,
            outputs,
            grid,
            networks,
            weights,
            rollouts,
            evolve,
            physics,
            observe,
            encode,
            window,
            control,
            objective,
        })
    }
}

fn spec_file_name(path: &Path) -> String {
    path.display().to_string()
}

/// Refuses penalties that this model cannot have.
fn check_objective(objective: &Objective, theta: &[String], on_grid: bool) -> Result<(), ModelError> {
    if let Some(prior) = objective.priors.iter().find(|p| !theta.contains(&p.theta)) {
        return Err(ModelError::setting(
            "penalty.theta",
            format!("a prior on `{}`, which is no member of Theta", prior.theta),
            format!("use one of {}", theta.join(", ")),
        ));
    }
    let remedy = "use another penalty, or remove the [grid] section";
    if on_grid && objective.needs_points() {
        let message = "dependence and independence compare vectors of one sample, not fields";
        return Err(ModelError::setting("penalty.kind", message, remedy));
    }
    if on_grid && objective.observables.stages.contains(&Observable::Sensitivity) {
        let message = "sensitivity needs the Jacobian of one sample, that of a field is too large";
        return Err(ModelError::setting("penalty.kind", message, remedy));
    }
    Ok(())
}

fn check_theta(spec: &ModelSpec, theta: &[String]) -> Result<(), ModelError> {
    for name in spec.theta.keys() {
        if !theta.contains(name) {
            let nearest =
                theta.iter().max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
            let hint = nearest.map_or("the WGSL has no struct Theta".into(), |n| format!("did you mean `{n}`?"));
            return Err(ModelError::setting(
                format!("theta.{name}"),
                format!("struct Theta has no member `{name}`; {hint}"),
                format!("members of Theta: {}", theta.join(", ")),
            ));
        }
    }
    Ok(())
}

/// Refuses states and windows that nothing could hold.
fn check_sizes(sizes: Sizes) -> Result<(), ModelError> {
    let cells = sizes.grid.map_or(1, Grid::cells);
    for (key, components) in [("State", sizes.state), ("Output", sizes.outputs)] {
        if let Some((message, remedy)) = too_large(&[(components, "components"), (cells, "cells")], MOST_STATE) {
            return Err(ModelError::setting(format!("struct {key}"), message, remedy));
        }
    }
    // One frame is what there is without encoders.
    let window = too_large(&[(sizes.frames, "frames"), (sizes.outputs, "outputs")], MOST_WIDTH);
    match window.filter(|_| sizes.frames > 1) {
        Some((message, remedy)) => Err(ModelError::setting("encode.frames", message, remedy)),
        None => Ok(()),
    }
}

/// The width of a network's argument in a function, if it takes it.
pub(super) fn argument_width(lowered: Option<&Lowered>, net: &str) -> Option<usize> {
    lowered?.arguments.iter().find(|a| matches!(&a.role, Role::Network(n) if n == net)).map(|a| a.width)
}

fn used_by_observe_only(module: &Module, networks: &[&Network]) -> bool {
    networks.iter().all(|n| argument_width(module.observe(), &n.name).is_some())
}

fn declare_networks(
    spec: &ModelSpec,
    module: &Module,
    sizes: Sizes,
    table: &mut WeightTable,
) -> Result<Vec<Network>, ModelError> {
    let mut networks = Vec::new();
    for (name, net) in &spec.nets {
        let takers = [("rhs", module.rhs()), ("fields", module.fields()), ("observe", module.observe())];
        let widths: Vec<(&str, usize)> =
            takers.iter().filter_map(|(taker, lowered)| Some((*taker, argument_width(*lowered, name)?))).collect();
        if let Some(pair) = widths.windows(2).find(|pair| pair[0].1 != pair[1].1) {
            let [(first, a), (second, b)] = [pair[0], pair[1]];
            return Err(ModelError::setting(
                format!("net.{name}"),
                format!("{first} takes array<f32, {a}> and {second} array<f32, {b}>"),
                "use one width",
            ));
        }
        let encoded = net.encodes.map(|encodes| encode::width(encodes, spec, module, sizes));
        let outputs = match widths.first() {
            _ if encoded.is_some() => encoded.unwrap_or(0),
            Some((_, width)) => *width,
            None if module.rhs().is_none() => sizes.state,
            None => {
                return Err(ModelError::setting(
                    format!("net.{name}"),
                    "neither rhs nor observe takes this network",
                    format!("add an argument `{name}: array<f32, K>` to rhs, or remove the network"),
                ));
            }
        };
        if net.scope == Some(Scope::Sample) {
            check_sample_scope(name, module.features(name))?;
        }
        let inputs =
            module.features(name).map_or_else(|| sizes.default_features(spec, net), |f| f.function.outputs().len());
        if net.kind == NetworkKind::Gradient && inputs != outputs {
            return Err(ModelError::setting(
                format!("net.{name}"),
                format!("the gradient of a scalar of {inputs} features has {inputs} components, not {outputs}"),
                format!("take `{name}: array<f32, {inputs}>`, or give {outputs} features"),
            ));
        }
        networks.push(Network::declare(table, (name, net), inputs, outputs, sizes.grid));
        // Widths are below 2^16, so that the numbers of a network cannot overflow.
        if table.per_member() > MOST_WEIGHTS {
            let message = format!("{} weights are more than {MOST_WEIGHTS}", table.per_member());
            return Err(ModelError::setting(format!("net.{name}"), message, "use fewer or narrower layers"));
        }
    }
    Ok(networks)
}

/// What a network that is evaluated once per sample sees must not differ from cell to cell.
fn check_sample_scope(name: &str, features: Option<&Lowered>) -> Result<(), ModelError> {
    let differs = |role: &Role| matches!(role, Role::State | Role::Physics | Role::Near);
    match features.is_some_and(|f| f.arguments.iter().any(|a| differs(&a.role))) {
        true => Err(ModelError::setting(
            format!("net.{name}.scope"),
            format!("evaluated once per sample, but features_{name} takes the state of a cell"),
            "let its features take Theta, Input and `t` only, or use scope = \"cell\"",
        )),
        false => Ok(()),
    }
}

impl Sizes<'_> {
    /// Width of what a network sees unless the text says it: state, inputs, θ and f; a conv the state's channels; with
    /// scope `sample` inputs and θ; an encoder the window and the inputs; without time nobody sees the state.
    fn default_features(&self, spec: &ModelSpec, net: &NetSpec) -> usize {
        match (net.kind, net.scope) {
            _ if net.encodes.is_some() => self.frames * self.outputs + self.inputs,
            _ if spec.solver.method == Method::Static => self.state + self.inputs + self.theta + self.latent,
            (NetworkKind::Conv, _) => self.state,
            (_, Some(Scope::Sample)) => self.inputs + self.theta,
            _ => 2 * self.state + self.inputs + self.theta + self.latent,
        }
    }
}
