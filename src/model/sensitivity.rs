//! ∂rhs/∂f as a part of the right-hand side's program.

use super::composer::{Composer, Scope, default_features};
use super::network::{Network, NetworkKind};
use crate::graph::{Graph, NodeId};
use crate::physics::{Lowered, Module, Role};
use crate::program::{View, sweep};

/// ‖∂rhs/∂f‖² / n at the entered state, n being the number of components.
///
/// Something that is zero is added to the value of physics wherever it is used: in every call of `physics` inside features
/// and rhs, and in the f that they receive. The Jacobian with respect to it is taken by reverse sweeps, one per component
/// of the rate, with stop-gradients opened; being made of program operations it is differentiated like all the rest.
pub(super) fn sensitivity(composer: &mut Composer, module: &Module, networks: &[&Network], is_static: bool) -> View {
    let physics = composer.view(&Role::Physics).expect("physics was evaluated");
    let components = physics.width;
    let perturbation = composer.builder.constant(vec![0.0; components], false);
    let start = composer.builder.len();
    let moved = composer.builder.map_with(&[physics, perturbation], |g, parts| {
        parts[0].iter().zip(parts[1]).map(|(f, by)| g.add(*f, *by)).collect()
    });
    composer.replace(Role::Physics, moved);
    composer.add(Role::Perturbation, perturbation);
    composer.forget_networks();
    let variants = module.perturbed();
    let call = |g: &mut Graph, scope: &Scope, lowered: &Lowered| -> Vec<NodeId> {
        scope.call_function(g, lowered, &lowered.function.opened())
    };
    for network in networks {
        let function = composer.function(|g, scope| match variants.and_then(|v| v.features(&network.name)) {
            Some(features) => call(g, &scope, features),
            None if network.kind == NetworkKind::Conv => scope.nodes(&Role::State).to_vec(),
            None => [default_features(&scope, is_static), scope.nodes(&Role::Physics).to_vec()].concat(),
        });
        let seen = composer.apply(function);
        let output = network.build(&mut composer.builder, seen);
        composer.add(Role::Network(network.name.clone()), output);
    }
    let function = composer.function(|g, scope| match (variants.and_then(|v| v.rhs()), networks.first()) {
        (Some(rhs), _) => call(g, &scope, rhs),
        (None, Some(network)) => {
            let correction = scope.nodes(&Role::Network(network.name.clone()));
            scope.nodes(&Role::Physics).iter().zip(correction).map(|(f, c)| g.add(*f, *c)).collect()
        }
        (None, None) => scope.nodes(&Role::Physics).to_vec(),
    });
    let rate = composer.apply(function);
    let end = composer.builder.len();
    let one = composer.builder.constant(vec![1.0], false);
    let rows: Vec<View> = (0..components)
        .map(|i| sweep(&mut composer.builder, start..end, &[(rate.slice(i, 1), one)], &[perturbation], false)[0])
        .collect();
    composer.builder.map_with(&rows, |g, parts| {
        let squares: Vec<NodeId> = parts.iter().flat_map(|row| row.iter()).map(|x| g.mul(*x, *x)).collect();
        let (sum, share) = (g.sum(&squares), g.constant(1.0 / components as f64));
        vec![g.mul(sum, share)]
    })
}
