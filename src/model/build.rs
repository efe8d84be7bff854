//! The evolve and physics programs of a model, and the control program of a truth.

use super::composer::{Composer, Parts, Sizes};
use super::observable::Observable;
use super::penalty::QuadraticPrior;
use super::sensitivity::sensitivity;
use crate::graph::NodeId;
use crate::physics::{Lowered, Module, Role};
use crate::program::{Builder, Program, View};

pub(super) fn evolve(parts: &Parts, theta: &[String]) -> Program {
    let Parts { module, sizes, rollouts, objective, is_static, .. } = *parts;
    let (mut composer, states) = Composer::of_states(sizes, rollouts.count());
    let wanted = &objective.observables.stages;
    let of_rates = |o: &&Observable| !matches!(o, Observable::Sensitivity | Observable::Prior(_));
    let local: Vec<Observable> = wanted.iter().filter(of_rates).copied().collect();
    composer.enter(states[0]);
    let result = composer.rates(parts, |mut rates| {
        let observables: Vec<NodeId> = local.iter().map(|o| rates.observable(*o)).collect();
        rates.rate.into_iter().chain(observables).collect()
    });
    let mut rate = result.slice(0, sizes.state);
    let mut observables = composer.summed(result.slice(sizes.state, local.len()));
    if local.len() < wanted.len() {
        let found: Vec<View> = wanted
            .iter()
            .map(|observable| match observable {
                Observable::Sensitivity => sensitivity(&mut composer, module, &parts.in_rhs(), is_static),
                Observable::Prior(position) => {
                    let prior = &objective.priors[*position as usize];
                    let index = theta.iter().position(|name| *name == prior.theta).expect("checked before");
                    let theta = composer.view(&Role::Theta).expect("a port").slice(index, 1);
                    quadratic(&mut composer.builder, theta, prior)
                }
                _ => observables.slice(local.iter().position(|o| o == observable).expect("one of them"), 1),
            })
            .collect();
        observables = composer.builder.concat(&found);
    }
    let mut rates = vec![rate];
    if let Some(position) = rollouts.of_physics() {
        composer.enter(states[position]);
        let function = composer.function(|g, scope| scope.call(g, module.physics()));
        rates.push(composer.apply(function));
    }
    if let Some(position) = rollouts.of_network() {
        composer.enter(states[position]);
        rates.push(composer.rates(parts, |rates| rates.correction));
    }
    if rates.len() > 1 {
        rate = composer.builder.concat(&rates);
    }
    composer.builder.finish(vec![rate, observables])
}

/// ((θ − mean) / deviation)²
fn quadratic(builder: &mut Builder, theta: View, prior: &QuadraticPrior) -> View {
    builder.map_with(&[theta], |g, parts| {
        let (mean, factor) = (g.constant(prior.mean), g.constant(1.0 / prior.deviation));
        let away = g.sub(parts[0][0], mean);
        let away = g.mul(away, factor);
        vec![g.mul(away, away)]
    })
}
pub(super) fn physics(module: &Module, sizes: Sizes) -> Program {
    // Physics does not see latents.
    let (mut composer, states) = Composer::of_states(Sizes { latent: 0, ..sizes }, 1);
    composer.enter(states[0]);
    let function = composer.function(|g, scope| scope.call(g, module.physics()));
    let physics = composer.apply(function);
    composer.builder.finish(vec![physics])
}
/// The inputs of a truth model from its state.
pub(super) fn control(control: &Lowered, sizes: Sizes) -> Program {
    let ports = [
        (Role::State, "state", sizes.state, false),
        (Role::Theta, "theta", sizes.theta, false),
        (Role::Time, "time", 1, false),
    ];
    let mut composer = Composer::new(sizes, &ports);
    let function = composer.function(|g, scope| scope.call(g, control));
    let input = composer.apply(function);
    composer.builder.finish(vec![input])
}
