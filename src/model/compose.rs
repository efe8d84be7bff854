//! Composition: physics, features, networks and rhs become the three programs of a model.

use super::error::ModelError;
use super::network::{Network, NetworkKind};
use super::objective::{Objective, StageObservable};
use super::spec::ModelSpec;
use crate::graph::{Function, Graph, NodeId, Op};
use crate::physics::{Context, Lowered, Module, Role};
use crate::program::{Builder, Program, View, WeightTable};
use std::path::Path;

/// A compiled model.
#[derive(Clone, Debug)]
pub struct Model {
    /// The TOML's model part.
    pub spec: ModelSpec,
    /// The WGSL text, for reports.
    pub source: String,
    /// Names of the state's components.
    pub state: Vec<String>,
    /// Names of the parameters.
    pub theta: Vec<String>,
    /// Names of the measured inputs.
    pub inputs: Vec<String>,
    /// Names of the observed quantities.
    pub outputs: Vec<String>,
    /// The networks, by name.
    pub networks: Vec<Network>,
    /// Names and shapes of all weights.
    pub weights: WeightTable,
    /// Ports state, theta, input, time; outputs ds/dt (or the next state) and the stage observables in the order of
    /// [`StageObservable::ALL`].
    pub evolve: Program,
    /// Ports state, theta, input, time; output f, the known part of ds/dt.
    pub physics: Program,
    /// Ports state, theta, input, time; output the prediction.
    pub observe: Program,
    /// Ports observation, theta, input, time; output the initial state. `None` if the state cannot be had from an observation.
    pub encode: Option<Program>,
    /// `control` of a truth model: ports state, theta, time; output the input.
    pub control: Option<Program>,
    /// Loss and penalties.
    pub objective: Objective,
}

/// Positions of the ports of evolve and observe programs.
pub mod ports {
    /// The state.
    pub const STATE: usize = 0;
    /// The parameters.
    pub const THETA: usize = 1;
    /// The measured inputs at this time.
    pub const INPUT: usize = 2;
    /// Time.
    pub const TIME: usize = 3;
}

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
        let context = Context { networks: spec.nets.keys().cloned().collect(), grid: false };
        let module = Module::parse(file, source, &context).map_err(Box::new)?;
        let names = |record: Option<&crate::physics::Record>| record.map_or(Vec::new(), |r| r.names.clone());
        let state = names(Some(&module.state));
        let theta = names(module.theta.as_ref());
        let inputs = names(module.input.as_ref());
        let outputs = module.output.as_ref().map_or(state.clone(), |r| r.names.clone());
        check_theta(&spec, &theta)?;
        let objective = Objective::new(&spec.penalties)?;
        let sizes = Sizes { state: state.len(), theta: theta.len(), inputs: inputs.len() };
        let mut weights = WeightTable::default();
        let networks = declare_networks(&spec, &module, sizes, &mut weights)?;
        if module.rhs().is_none() && networks.len() > 1 && !used_by_observe_only(&module, &networks) {
            let list: Vec<&str> = networks.iter().map(|n| n.name.as_str()).collect();
            return Err(ModelError::setting(
                "net",
                format!("several networks ({}) but no fn rhs that says how they enter", list.join(", ")),
                "write fn rhs(s: State, …, NAME: array<f32, K>, …) -> State",
            ));
        }
        let evolve = build_evolve(&module, &networks, sizes);
        let front = build_front(&module, &[], sizes);
        let physics = front.builder.finish(vec![front.physics]);
        let observe = build_observe(&module, &networks, sizes);
        let encode = build_encode(&module, &state, &outputs, sizes);
        let control = module.control().map(|control| build_control(control, sizes));
        let source = source.to_string();
        Ok(Model {
            spec,
            source,
            state,
            theta,
            inputs,
            outputs,
            networks,
            weights,
            evolve,
            physics,
            observe,
            encode,
            control,
            objective,
        })
    }

    /// The box of every parameter, fixed ones with equal ends, in the order of Theta.
    pub fn theta_spec(&self, index: usize) -> super::ThetaSpec {
        self.spec.theta.get(&self.theta[index]).cloned().unwrap_or_default()
    }

    /// Multiply–adds of one evaluation of all networks.
    pub fn multiply_adds(&self) -> usize {
        self.networks.iter().map(Network::multiply_adds).sum()
    }
}

fn spec_file_name(path: &Path) -> String {
    path.display().to_string()
}

#[derive(Clone, Copy)]
struct Sizes {
    state: usize,
    theta: usize,
    inputs: usize,
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

/// The width of a network's argument in a function, if it takes it.
fn argument_width(lowered: Option<&Lowered>, net: &str) -> Option<usize> {
    lowered?.arguments.iter().find(|a| matches!(&a.role, Role::Network(n) if n == net)).map(|a| a.width)
}

fn used_by_observe_only(module: &Module, networks: &[Network]) -> bool {
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
        let widths = [argument_width(module.rhs(), name), argument_width(module.observe(), name)];
        let outputs = match widths {
            [Some(a), Some(b)] if a != b => {
                return Err(ModelError::setting(
                    format!("net.{name}"),
                    format!("rhs takes array<f32, {a}> and observe array<f32, {b}>"),
                    "use one width",
                ));
            }
            [Some(width), _] | [None, Some(width)] => width,
            [None, None] if module.rhs().is_none() => sizes.state,
            [None, None] => {
                return Err(ModelError::setting(
                    format!("net.{name}"),
                    "neither rhs nor observe takes this network",
                    format!("add an argument `{name}: array<f32, K>` to rhs, or remove the network"),
                ));
            }
        };
        let inputs =
            module.features(name).map_or(2 * sizes.state + sizes.inputs + sizes.theta, |f| f.function.outputs().len());
        if net.kind == NetworkKind::Gradient && inputs != outputs {
            return Err(ModelError::setting(
                format!("net.{name}"),
                format!("the gradient of a scalar of {inputs} features has {inputs} components, not {outputs}"),
                format!("take `{name}: array<f32, {inputs}>`, or give {outputs} features"),
            ));
        }
        networks.push(Network::declare(table, name, net, inputs, outputs));
    }
    Ok(networks)
}

/// Nodes of everything a lowered function may take.
struct Scope<'a> {
    state: &'a [NodeId],
    theta: &'a [NodeId],
    input: &'a [NodeId],
    time: &'a [NodeId],
    physics: &'a [NodeId],
    observation: &'a [NodeId],
    networks: Vec<(&'a str, &'a [NodeId])>,
}

impl<'a> Scope<'a> {
    /// The scope of ports state, theta, input, time.
    fn of(parts: &[&'a [NodeId]]) -> Scope<'a> {
        Scope {
            state: parts[0],
            theta: parts[1],
            input: parts[2],
            time: parts[3],
            physics: &[],
            observation: &[],
            networks: Vec::new(),
        }
    }

    fn call(&self, g: &mut Graph, lowered: &Lowered) -> Vec<NodeId> {
        let mut args = Vec::new();
        for argument in &lowered.arguments {
            let nodes: &[NodeId] = match &argument.role {
                Role::State => self.state,
                Role::Theta => self.theta,
                Role::Input => self.input,
                Role::Time => self.time,
                Role::Physics => self.physics,
                Role::Observation => self.observation,
                Role::Network(name) => self.networks.iter().find(|(n, _)| n == name).map_or(&[], |(_, nodes)| nodes),
                Role::Near => &[],
            };
            assert_eq!(nodes.len(), argument.width, "argument {:?}", argument.role);
            args.extend_from_slice(nodes);
        }
        g.inline(&lowered.function, &args)
    }
}

/// Ports, physics and features, and the networks: what evolve and observe share.
struct Front {
    builder: Builder,
    ports: [View; 4],
    physics: View,
    networks: Vec<View>,
}

fn build_front(module: &Module, networks: &[&Network], sizes: Sizes) -> Front {
    let mut builder = Builder::new();
    let ports = [
        builder.port("state", sizes.state),
        builder.port("theta", sizes.theta),
        builder.port("input", sizes.inputs),
        builder.port("time", 1),
    ];
    // One map for physics and all features: they share subexpressions such as the sine of an angle.
    let joint = builder.map_with(&ports, |g, parts| {
        let mut scope = Scope::of(parts);
        let physics = scope.call(g, module.physics());
        let mut outputs = physics.clone();
        scope.physics = &physics;
        for network in networks {
            match module.features(&network.name) {
                Some(features) => outputs.extend(scope.call(g, features)),
                None => {
                    outputs.extend(scope.state.iter().chain(scope.input).chain(scope.theta));
                    for f in &physics {
                        let stopped = g.unary(Op::StopGrad, *f);
                        outputs.push(stopped);
                    }
                }
            }
        }
        outputs
    });
    let physics = joint.slice(0, sizes.state);
    let mut start = sizes.state;
    let networks = networks
        .iter()
        .map(|network| {
            let features = joint.slice(start, network.sizes[0]);
            start += network.sizes[0];
            network.build(&mut builder, features)
        })
        .collect();
    Front { builder, ports, physics, networks }
}

fn build_evolve(module: &Module, networks: &[Network], sizes: Sizes) -> Program {
    let in_rhs: Vec<&Network> = match module.rhs() {
        Some(rhs) => networks.iter().filter(|n| argument_width(Some(rhs), &n.name).is_some()).collect(),
        None => networks.iter().filter(|n| argument_width(module.observe(), &n.name).is_none()).collect(),
    };
    let Front { mut builder, ports, physics, networks: values } = build_front(module, &in_rhs, sizes);
    let mut arguments: Vec<View> = ports.to_vec();
    arguments.push(physics);
    arguments.extend(&values);
    let widths: Vec<usize> = arguments.iter().map(|a| a.width).collect();
    let again = rate_function(module, &in_rhs, &widths, true);
    let given = rate_function(module, &in_rhs, &widths, false);
    // Physics is computed again beside rhs only where rhs computes it anyway: then rhs − physics simplifies to the
    // correction itself, without cancellation.
    let shared = again.operations() <= given.operations() + module.physics().function.operations() / 2;
    let result = builder.map(if shared { again } else { given }, &arguments);
    let outputs = vec![result.slice(0, sizes.state), result.slice(sizes.state, StageObservable::ALL.len())];
    builder.finish(outputs)
}

/// (state, theta, input, time, physics, networks…) to ds/dt and the stage observables.
fn rate_function(module: &Module, networks: &[&Network], widths: &[usize], physics_again: bool) -> Function {
    Function::build(widths.iter().sum(), |g, ids| {
        let mut parts = Vec::new();
        let mut rest = ids;
        for width in widths {
            let (part, tail) = rest.split_at(*width);
            parts.push(part);
            rest = tail;
        }
        let mut scope = Scope::of(&parts);
        let computed = if physics_again { scope.call(g, module.physics()) } else { parts[4].to_vec() };
        scope.physics = &computed;
        scope.networks = networks.iter().map(|n| n.name.as_str()).zip(parts[5..].iter().copied()).collect();
        let rate = match (module.rhs(), parts.get(5)) {
            (Some(rhs), _) => scope.call(g, rhs),
            (None, Some(correction)) => computed.iter().zip(correction.iter()).map(|(f, c)| g.add(*f, *c)).collect(),
            (None, None) => computed.clone(),
        };
        let correction: Vec<NodeId> = rate.iter().zip(&computed).map(|(r, f)| g.sub(*r, *f)).collect();
        let dot = |g: &mut Graph, a: &[NodeId], b: &[NodeId]| {
            let terms: Vec<NodeId> = a.iter().zip(b).map(|(x, y)| g.mul(*x, *y)).collect();
            g.sum(&terms)
        };
        let observables =
            [dot(g, &correction, &correction), dot(g, &computed, &correction), dot(g, &computed, &computed)];
        rate.into_iter().chain(observables).collect()
    })
}

fn build_observe(module: &Module, networks: &[Network], sizes: Sizes) -> Program {
    let used: Vec<&Network> = networks.iter().filter(|n| argument_width(module.observe(), &n.name).is_some()).collect();
    let Some(observe) = module.observe() else {
        let mut builder = Builder::new();
        let state = builder.port("state", sizes.state);
        builder.port("theta", sizes.theta);
        builder.port("input", sizes.inputs);
        builder.port("time", 1);
        return builder.finish(vec![state]);
    };
    let needs_physics = observe.arguments.iter().any(|a| a.role == Role::Physics);
    let mut front = build_front(module, &used, sizes);
    let mut arguments: Vec<View> = front.ports.to_vec();
    if needs_physics {
        arguments.push(front.physics);
    }
    let first_network = arguments.len();
    arguments.extend(&front.networks);
    let y = front.builder.map_with(&arguments, |g, parts| {
        let mut scope = Scope::of(parts);
        if needs_physics {
            scope.physics = parts[4];
        }
        scope.networks = used.iter().map(|n| n.name.as_str()).zip(parts[first_network..].iter().copied()).collect();
        scope.call(g, observe)
    });
    front.builder.finish(vec![y])
}

fn build_encode(module: &Module, state: &[String], outputs: &[String], sizes: Sizes) -> Option<Program> {
    let mut builder = Builder::new();
    let observation = builder.port("observation", outputs.len());
    let theta = builder.port("theta", sizes.theta);
    let input = builder.port("input", sizes.inputs);
    let time = builder.port("time", 1);
    let initial = match module.initial() {
        Some(initial) => builder.map_with(&[observation, theta, input, time], |g, parts| {
            let scope = Scope {
                state: &[],
                theta: parts[1],
                input: parts[2],
                time: parts[3],
                physics: &[],
                observation: parts[0],
                networks: Vec::new(),
            };
            scope.call(g, initial)
        }),
        None => {
            let positions: Vec<usize> =
                state.iter().map(|name| outputs.iter().position(|o| o == name)).collect::<Option<_>>()?;
            let parts: Vec<View> = positions.iter().map(|p| observation.slice(*p, 1)).collect();
            builder.concat(&parts)
        }
    };
    Some(builder.finish(vec![initial]))
}

fn build_control(control: &Lowered, sizes: Sizes) -> Program {
    let mut builder = Builder::new();
    let state = builder.port("state", sizes.state);
    let theta = builder.port("theta", sizes.theta);
    let time = builder.port("time", 1);
    let input = builder.map_with(&[state, theta, time], |g, parts| {
        let scope = Scope {
            state: parts[0],
            theta: parts[1],
            input: &[],
            time: parts[2],
            physics: &[],
            observation: &[],
            networks: Vec::new(),
        };
        scope.call(g, control)
    });
    builder.finish(vec![input])
}
