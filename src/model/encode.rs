//! The encode program: from the observed window to the initial state and, through networks, to θ and latents.

use super::compose::argument_width;
use super::composer::{Composer, Parts, Sizes};
use super::error::ModelError;
use super::network::Encodes;
use super::spec::{Method, ModelSpec, Seen};
use super::theta_spec::{Scale, ThetaSpec};
use crate::graph::{Graph, NodeId, Op};
use crate::physics::{Module, Role};
use crate::program::{Program, View};

/// Width of what a network encodes.
pub(super) fn width(encodes: Encodes, spec: &ModelSpec, module: &Module, sizes: Sizes) -> usize {
    match encodes {
        Encodes::Latent => sizes.latent,
        Encodes::State => sizes.state,
        Encodes::Theta => {
            let names = module.theta.as_ref().map_or(&[][..], |r| &r.names);
            names.iter().filter(|name| spec.theta.get(*name).is_some_and(is_free)).count()
        }
    }
}

/// True if a parameter is made by a network that encodes θ.
fn is_free(spec: &ThetaSpec) -> bool {
    spec.fixed.is_none() && spec.bounds.is_some()
}

/// Refuses encoders that cannot be, and models without time that look at a state.
pub(super) fn check(spec: &ModelSpec, module: &Module, sizes: Sizes) -> Result<(), ModelError> {
    let encoders: Vec<_> = spec.nets.iter().filter_map(|(name, net)| Some((name, net.encodes?))).collect();
    let refuse = |key: String, message: String, remedy: &str| Err(ModelError::setting(key, message, remedy));
    let sees = |name: &str, role: fn(&Role) -> bool| {
        module.features(name).is_some_and(|f| f.arguments.iter().any(|a| role(&a.role)))
    };
    for (position, (name, encodes)) in encoders.iter().enumerate() {
        let key = format!("net.{name}.encodes");
        if encoders[..position].iter().any(|(_, other)| other == encodes) {
            return refuse(key, "a second network encodes the same".into(), "let one network encode each");
        }
        if width(*encodes, spec, module, sizes) == 0 {
            let (message, remedy) = match encodes {
                Encodes::Latent => ("the WGSL has no struct Latent", "declare struct Latent { NAME: f32, … }"),
                _ => ("no parameter is free", "give [theta.NAME] bounds = [low, high]"),
            };
            return refuse(key, message.into(), remedy);
        }
        let taken = [module.rhs(), module.fields(), module.observe()];
        if taken.into_iter().any(|lowered| argument_width(lowered, name).is_some()) {
            let message = format!("an encoder is no argument of rhs, fields or observe, which take `{name}`");
            return refuse(key, message, "let them take a Latent, or remove encodes");
        }
        let late = |role: &Role| !matches!(role, Role::Window | Role::Input | Role::Time);
        if sees(name, late) {
            let message = format!("features_{name} takes more than what comes before the rollout");
            return refuse(key, message, "let it take array<Output, FRAMES>, Input and `t` only");
        }
        let found = module.features(name).and_then(|f| f.arguments.iter().find(|a| a.role == Role::Window));
        if let Some(argument) = found.filter(|a| a.width != sizes.frames * sizes.outputs) {
            let frames = argument.width / sizes.outputs.max(1);
            let message = format!("features_{name} takes {frames} frames, encode.frames is {}", sizes.frames);
            return refuse("encode.frames".into(), message, "make them equal");
        }
        if spec.solver.method == Method::Static {
            return refuse(key, "a static model has no window to encode".into(), "remove the network");
        }
    }
    let others = spec.nets.iter().filter(|(_, net)| net.encodes.is_none());
    for (name, _) in others {
        if sees(name, |role| *role == Role::Window) {
            let message = format!("features_{name} takes a window, but the network does not encode");
            return refuse(format!("net.{name}"), message, "add encodes = \"latent\", \"theta\" or \"state\"");
        }
    }
    if sizes.latent > 0 && !encoders.iter().any(|(_, e)| *e == Encodes::Latent) {
        let message = "the WGSL declares Latent, but no network makes it".to_string();
        return refuse("net".into(), message, "add a [net.NAME] with encodes = \"latent\"");
    }
    if spec.encode.is_some() && encoders.is_empty() {
        return refuse("encode".into(), "no network encodes".into(), "remove [encode], or add a network with encodes");
    }
    if spec.solver.method == Method::Static {
        let functions = [("physics", Some(module.physics())), ("rhs", module.rhs())];
        for (name, lowered) in functions {
            if lowered.is_some_and(|l| l.arguments.iter().any(|a| a.role == Role::State)) {
                let message = format!("a static model has no state before `{name}` is evaluated");
                return refuse("solver.method".into(), message, "let it take Input, Theta and `f: State`");
            }
        }
    }
    Ok(())
}

/// The initial state that an observation gives: by `initial`, or by equal names.
pub(super) fn initial(
    composer: &mut Composer,
    module: &Module,
    (state, outputs): (&[String], &[String]),
    observation: View,
) -> Option<View> {
    composer.replace(Role::Observation, observation);
    if let Some(initial) = module.initial() {
        let function = composer.function(|g, scope| scope.call(g, initial));
        return Some(composer.apply(function));
    }
    let positions: Vec<usize> =
        state.iter().map(|name| outputs.iter().position(|o| o == name)).collect::<Option<_>>()?;
    let parts: Vec<View> = positions.iter().map(|p| observation.slice(*p, 1)).collect();
    Some(composer.builder.concat(&parts))
}

/// True if an observation gives the initial state.
pub(super) fn has_initial(module: &Module, (state, outputs): (&[String], &[String])) -> bool {
    module.initial().is_some() || state.iter().all(|name| outputs.contains(name))
}

/// From the observed window to the initial state of all rollouts, θ and latents; `None` if nothing says how.
pub(super) fn program(
    parts: &Parts,
    names: (&[String], &[String]),
    thetas: &[ThetaSpec],
    sees: Seen,
) -> Option<Program> {
    let (sizes, module) = (parts.sizes, parts.module);
    let ports = [
        (Role::Window, "observation", sizes.frames * sizes.outputs, true),
        (Role::Theta, "theta", sizes.theta, false),
        (Role::Input, "input", sizes.inputs, false),
        (Role::Time, "time", 1, false),
    ];
    let mut composer = Composer::new(sizes, &ports);
    let window = composer.view(&Role::Window)?;
    let mut theta = composer.view(&Role::Theta)?;
    let mut correction = None;
    let encoders = parts.networks.iter().filter_map(|network| Some((network, network.encodes?)));
    let mut latent = None;
    for (network, encodes) in encoders.clone() {
        let function = composer.function(|g, scope| match module.features(&network.name) {
            Some(features) => scope.call(g, features),
            None => [scope.nodes(&Role::Window), scope.nodes(&Role::Input)].concat(),
        });
        let seen = composer.apply(function);
        let made = network.build(&mut composer.builder, seen);
        match encodes {
            Encodes::Latent => latent = Some(made),
            Encodes::State => correction = Some(made),
            Encodes::Theta => {
                theta = composer.builder.map_with(&[theta, made], |g, nodes| boxed(g, nodes[0], nodes[1], thetas));
            }
        }
    }
    composer.replace(Role::Theta, theta);
    if let Some(latent) = latent {
        composer.add(Role::Latent, latent);
    }
    let frame = match sees {
        Seen::Past => (sizes.frames - 1) * sizes.outputs,
        Seen::Whole => 0,
    };
    let given = initial(&mut composer, module, names, window.slice(frame, sizes.outputs));
    let start = match (given, correction) {
        (Some(given), Some(by)) => composer
            .builder
            .map_with(&[given, by], |g, nodes| nodes[0].iter().zip(nodes[1]).map(|(s, c)| g.add(*s, *c)).collect()),
        (given, by) => given.or(by)?,
    };
    let start = composer.builder.concat(&vec![start; parts.rollouts.count()]);
    let mut outputs = vec![start];
    if encoders.count() > 0 {
        let made: Vec<View> = [Some(theta), latent].into_iter().flatten().filter(|v| v.width > 0).collect();
        if !made.is_empty() {
            outputs.push(composer.builder.concat(&made));
        }
    }
    Some(composer.builder.finish(outputs))
}

/// Given parameters, the free ones replaced by raw numbers brought into their boxes by the logistic function.
fn boxed(g: &mut Graph, given: &[NodeId], raw: &[NodeId], thetas: &[ThetaSpec]) -> Vec<NodeId> {
    let mut raw = raw.iter();
    let mut place = |(given, spec): (&NodeId, &ThetaSpec)| {
        let Some(raw) = is_free(spec).then(|| raw.next()).flatten() else { return *given };
        let [low, high] = match spec.scale {
            Scale::Linear => spec.range(),
            Scale::Log => spec.range().map(f64::ln),
        };
        let share = g.unary(Op::Sigmoid, *raw);
        let (low, size) = (g.constant(low), g.constant(high - low));
        let inside = g.mul(share, size);
        let inside = g.add(low, inside);
        if spec.scale == Scale::Log { g.unary(Op::Exp, inside) } else { inside }
    };
    given.iter().zip(thetas).map(&mut place).collect()
}
