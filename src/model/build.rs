//! The programs of a model, built from the functions of its text and its networks.

use super::compose::argument_width;
use super::encode;
use super::network::{Network, NetworkKind};
use super::objective::Objective;
use super::observable::{Count, Observable, RELATIVE_FLOOR};
use super::penalty::QuadraticPrior;
use super::rollouts::Rollouts;
use super::sensitivity::sensitivity;
use crate::graph::{Function, Graph, NodeId, Op};
use crate::physics::{Lowered, Module, Role};
use crate::program::{Builder, Grid, Program, Stencil, View, joint_function, without_unused};
use std::collections::HashMap;

/// Numbers of components, and the grid if states are fields.
#[derive(Clone, Copy)]
pub(super) struct Sizes<'a> {
    pub state: usize,
    pub theta: usize,
    pub latent: usize,
    pub inputs: usize,
    pub outputs: usize,
    /// Frames of the observed window.
    pub frames: usize,
    pub grid: Option<&'a Grid>,
}

/// What the programs of a model are built from.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub module: &'a Module,
    pub networks: &'a [Network],
    pub sizes: Sizes<'a>,
    pub rollouts: Rollouts,
    pub objective: &'a Objective,
    /// True if the model has no time.
    pub is_static: bool,
}

impl Parts<'_> {
    /// The networks that rhs, or fields, take.
    pub fn in_rhs(&self) -> Vec<&Network> {
        let taken = |lowered, network: &Network| argument_width(lowered, &network.name).is_some();
        let module = self.module;
        let enter = self.networks.iter().filter(|n| n.encodes.is_none());
        match module.rhs() {
            Some(rhs) => enter.filter(|n| taken(Some(rhs), n) || taken(module.fields(), n)).collect(),
            None => enter.filter(|n| !taken(module.observe(), n)).collect(),
        }
    }
}

/// What the argument of a role consists of, in order.
type Argument = (Role, Vec<Piece>);

/// A view, or a stencil of one that is built only where a function uses it.
#[derive(Clone, Copy)]
enum Piece {
    View(View),
    Stencil(Stencil, View),
}

impl Piece {
    fn width(&self) -> usize {
        match self {
            Piece::View(view) | Piece::Stencil(_, view) => view.width,
        }
    }
}

/// The nodes of every argument that a function may take.
#[derive(Clone)]
pub(super) struct Scope<'a> {
    arguments: Vec<(&'a Role, Vec<NodeId>)>,
}

impl Scope<'_> {
    /// Nodes of a role; none if it is not there.
    pub fn nodes(&self, role: &Role) -> &[NodeId] {
        self.arguments.iter().find(|(r, _)| *r == role).map_or(&[], |(_, nodes)| nodes)
    }

    pub fn call(&self, g: &mut Graph, lowered: &Lowered) -> Vec<NodeId> {
        self.call_function(g, lowered, &lowered.function)
    }

    /// Calls a variant of a lowered function with the same arguments.
    pub fn call_function(&self, g: &mut Graph, lowered: &Lowered, function: &Function) -> Vec<NodeId> {
        let mut args = Vec::new();
        for argument in &lowered.arguments {
            let nodes = self.nodes(&argument.role);
            assert_eq!(nodes.len(), argument.width, "argument {:?}", argument.role);
            args.extend_from_slice(nodes);
        }
        g.inline(function, &args)
    }

    /// Calls a function with another value of physics.
    fn set_physics(&mut self, nodes: Vec<NodeId>) {
        self.arguments.retain(|(role, _)| **role != Role::Physics);
        self.arguments.push((&Role::Physics, nodes));
    }
}

/// A program in the making and what its functions may take.
pub(super) struct Composer<'a> {
    pub builder: Builder,
    sizes: Sizes<'a>,
    arguments: Vec<Argument>,
    stencils: HashMap<(Stencil, View), View>,
}

impl<'a> Composer<'a> {
    /// Declares ports; those marked are fields on a grid. The port of θ holds latents behind the parameters.
    pub fn new(sizes: Sizes<'a>, ports: &[(Role, &str, usize, bool)]) -> Self {
        let mut composer =
            Composer { builder: Builder::new(sizes.grid), sizes, arguments: Vec::new(), stencils: HashMap::new() };
        let on_grid = sizes.grid.is_some();
        for (role, name, width, field) in ports {
            let view = composer.builder.port(name, *width, *field && on_grid);
            match role {
                Role::Theta if *width > sizes.theta => {
                    composer.add(Role::Theta, view.slice(0, sizes.theta));
                    composer.add(Role::Latent, view.slice(sizes.theta, width - sizes.theta));
                }
                role => composer.add(role.clone(), view),
            }
        }
        composer
    }

    /// Ports of evolve, physics and observe programs, with the states of `rollouts`; returns these too. None of them is
    /// entered yet.
    fn of_states(sizes: Sizes<'a>, rollouts: usize) -> (Self, Vec<View>) {
        let ports = [
            (Role::State, "state", sizes.state * rollouts, true),
            (Role::Theta, "theta", sizes.theta + sizes.latent, false),
            (Role::Input, "input", sizes.inputs, false),
            (Role::Time, "time", 1, false),
        ];
        let composer = Composer::new(sizes, &ports);
        let all = composer.view(&Role::State).expect("a port");
        let states = (0..rollouts).map(|i| all.slice(i * sizes.state, sizes.state)).collect();
        (composer, states)
    }

    /// Lets functions see a state, and forgets what was computed from another.
    fn enter(&mut self, state: View) {
        let stays = |role: &Role| matches!(role, Role::Theta | Role::Latent | Role::Input | Role::Time);
        self.arguments.retain(|(role, _)| stays(role));
        self.add(Role::State, state);
        if self.sizes.grid.is_some() {
            self.add_near(Role::Near, state);
        }
    }

    /// Puts a view in the place of what a role had.
    pub fn replace(&mut self, role: Role, view: View) {
        self.arguments.retain(|(r, _)| *r != role);
        self.add(role, view);
    }

    /// Takes away the values of networks.
    pub fn forget_networks(&mut self) {
        self.arguments.retain(|(role, _)| !matches!(role, Role::Network(_)));
    }

    pub fn view(&self, role: &Role) -> Option<View> {
        self.arguments.iter().find(|(r, _)| r == role).and_then(|(_, pieces)| match pieces[..] {
            [Piece::View(view)] => Some(view),
            _ => None,
        })
    }

    pub fn add(&mut self, role: Role, view: View) {
        self.arguments.push((role, vec![Piece::View(view)]));
    }

    fn add_near(&mut self, role: Role, of: View) {
        let dimensions = self.sizes.grid.map_or(0, |g| g.dimensions);
        let pieces = Stencil::of(dimensions).into_iter().map(|stencil| Piece::Stencil(stencil, of)).collect();
        self.arguments.push((role, pieces));
    }

    /// The function of everything there is that `body` computes.
    pub fn function(&self, body: impl FnOnce(&mut Graph, Scope) -> Vec<NodeId>) -> Function {
        let widths: Vec<usize> = self.arguments.iter().map(|(_, p)| p.iter().map(Piece::width).sum()).collect();
        joint_function(&widths, |g, parts| {
            let roles = self.arguments.iter().map(|(role, _)| role);
            body(g, Scope { arguments: roles.zip(parts.iter().map(|p| p.to_vec())).collect() })
        })
    }

    /// Applies such a function; on a grid in every cell.
    pub fn apply(&mut self, function: Function) -> View {
        let pieces: Vec<Piece> = self.arguments.iter().flat_map(|(_, pieces)| pieces).copied().collect();
        if self.sizes.grid.is_none() {
            let views: Vec<View> = self.arguments.iter().filter_map(|(role, _)| self.view(role)).collect();
            return self.builder.map(function, &views);
        }
        let used = function.used_inputs();
        let mut start = 0;
        let mut views = Vec::with_capacity(pieces.len());
        for piece in &pieces {
            let wanted = used[start..start + piece.width()].contains(&true);
            start += piece.width();
            views.push(match *piece {
                Piece::View(view) => view,
                Piece::Stencil(stencil, of) if wanted => match self.stencils.get(&(stencil, of)) {
                    Some(view) => *view,
                    None => {
                        let view = self.builder.stencil(stencil, false, of);
                        self.stencils.insert((stencil, of), view);
                        view
                    }
                },
                // Stands in for a stencil that nobody reads, and goes with the unused views.
                Piece::Stencil(_, of) => of,
            });
        }
        let (function, views) = without_unused(&function, &views);
        self.builder.map_cells(function, &views)
    }

    /// Adds physics, and the networks with what they see.
    fn add_networks(&mut self, parts: &Parts, networks: &[&Network]) {
        let module = parts.module;
        let (in_cells, per_sample): (Vec<&Network>, Vec<&Network>) =
            networks.iter().partition(|n| self.sizes.grid.is_none_or(|grid| n.cells == grid.cells()));
        // One map for physics and all features: they share subexpressions such as the sine of an angle.
        let joint = self.function(|g, mut scope| {
            let physics = scope.call(g, module.physics());
            let mut outputs = physics.clone();
            scope.set_physics(physics);
            for network in &in_cells {
                outputs.extend(features(g, &scope, module, network, parts.is_static));
            }
            outputs
        });
        let joint = self.apply(joint);
        let mut start = self.sizes.state;
        self.add(Role::Physics, joint.slice(0, start));
        let mut built = Vec::new();
        for network in in_cells {
            let seen = joint.slice(start, network.sizes[0]);
            start += network.sizes[0];
            built.push((network, network.build(&mut self.builder, seen)));
        }
        for network in per_sample {
            let seen = self.sample_features(module, network);
            built.push((network, network.build(&mut self.builder, seen)));
        }
        for (network, view) in built {
            self.add(Role::Network(network.name.clone()), view);
        }
    }

    /// What a network sees that is evaluated once per sample on a grid: θ, inputs and time.
    fn sample_features(&mut self, module: &Module, network: &Network) -> View {
        let roles = [Role::Theta, Role::Latent, Role::Input, Role::Time];
        let present: Vec<&Role> = roles.iter().filter(|role| self.view(role).is_some()).collect();
        let views: Vec<View> = present.iter().filter_map(|role| self.view(role)).collect();
        self.builder.map_with(&views, |g, parts| {
            let found = roles.iter().filter(|role| present.contains(role));
            let scope = Scope { arguments: found.zip(parts.iter().map(|p| p.to_vec())).collect() };
            match module.features(&network.name) {
                Some(features) => scope.call(g, features),
                None => [scope.nodes(&Role::Input), scope.nodes(&Role::Theta)].concat(),
            }
        })
    }
}

/// What a network sees: what the text says, or state, inputs, θ, latents and stopgrad f; a conv the state.
fn features(g: &mut Graph, scope: &Scope, module: &Module, network: &Network, is_static: bool) -> Vec<NodeId> {
    if let Some(features) = module.features(&network.name) {
        return scope.call(g, features);
    }
    if network.kind == NetworkKind::Conv {
        return scope.nodes(&Role::State).to_vec();
    }
    let mut seen = default_features(scope, is_static);
    for f in scope.nodes(&Role::Physics) {
        seen.push(g.unary(Op::StopGrad, *f));
    }
    seen
}

/// What a network sees unless the text says it, without the value of physics behind it.
pub(super) fn default_features(scope: &Scope, is_static: bool) -> Vec<NodeId> {
    // Without time there is no state before physics has been evaluated.
    let first = if is_static { &[][..] } else { scope.nodes(&Role::State) };
    let others = [Role::Input, Role::Theta, Role::Latent].map(|role| scope.nodes(&role).to_vec()).concat();
    [first, &others].concat()
}

/// f, g := rhs − f and the state in one sample or cell.
struct Rates<'a> {
    rate: Vec<NodeId>,
    physics: Vec<NodeId>,
    correction: Vec<NodeId>,
    state: Vec<NodeId>,
    graph: &'a mut Graph,
}

impl Rates<'_> {
    fn dot(&mut self, a: &[NodeId], b: &[NodeId]) -> NodeId {
        let terms: Vec<NodeId> = a.iter().zip(b).map(|(x, y)| self.graph.mul(*x, *y)).collect();
        self.graph.sum(&terms)
    }

    /// An observable that follows from the rates.
    fn observable(&mut self, observable: Observable) -> NodeId {
        let (f, c, s) = (self.physics.clone(), self.correction.clone(), self.state.clone());
        match observable {
            Observable::CorrectionSquared | Observable::CorrectionAtData => self.dot(&c, &c),
            Observable::Product => self.dot(&f, &c),
            Observable::PhysicsSquared => self.dot(&f, &f),
            Observable::RelativeCorrection | Observable::RelativeAtData => {
                let (square, size) = (self.dot(&c, &c), self.dot(&s, &s));
                let root = self.graph.unary(Op::Sqrt, size);
                let (floor, zero) = (self.graph.constant(RELATIVE_FLOOR), self.graph.constant(0.0));
                // The root has no derivative at 0, where the floor is all there is.
                let positive = self.graph.less(zero, size);
                let root = self.graph.select(positive, root, zero);
                let norm = self.graph.add(root, floor);
                let norm = self.graph.mul(norm, norm);
                self.graph.div(square, norm)
            }
            Observable::IdentityDistance => {
                let apart: Vec<NodeId> = c.iter().zip(&s).map(|(x, y)| self.graph.sub(*x, *y)).collect();
                self.dot(&apart, &apart)
            }
            other => unreachable!("{other:?} does not follow from rates"),
        }
    }
}

impl Composer<'_> {
    /// Adds networks and fields at the entered state and applies a function of the rates there.
    fn rates(&mut self, parts: &Parts, body: impl Fn(Rates) -> Vec<NodeId>) -> View {
        let (module, in_rhs) = (parts.module, parts.in_rhs());
        self.add_networks(parts, &in_rhs);
        if let Some(fields) = module.fields() {
            let function = self.function(|g, scope| scope.call(g, fields));
            let values = self.apply(function);
            self.add(Role::Fields, values);
            self.add_near(Role::NearFields, values);
        }
        let of = |g: &mut Graph, scope: Scope, again: bool| {
            let (rate, physics) = rate(g, &scope, module, &in_rhs, again);
            let correction = rate.iter().zip(&physics).map(|(r, f)| g.sub(*r, *f)).collect();
            let state = if parts.is_static { rate.clone() } else { scope.nodes(&Role::State).to_vec() };
            body(Rates { rate, physics, correction, state, graph: g })
        };
        let again = self.function(|g, scope| of(g, scope, true));
        let given = self.function(|g, scope| of(g, scope, false));
        // Physics is computed again beside rhs only where rhs computes it anyway: then rhs − physics simplifies to the
        // correction itself, without cancellation.
        let shared = again.operations() <= given.operations() + module.physics().function.operations() / 2;
        self.apply(if shared { again } else { given })
    }

    /// The sum over the cells of a field, what is none as it is.
    fn summed(&mut self, view: View) -> View {
        if view.field { self.builder.sum(view) } else { view }
    }

    /// The prediction at a state.
    fn prediction(&mut self, parts: &Parts, state: View) -> View {
        self.enter(state);
        let Some(observe) = parts.module.observe() else { return state };
        let used: Vec<&Network> =
            parts.networks.iter().filter(|n| argument_width(Some(observe), &n.name).is_some()).collect();
        self.add_networks(parts, &used);
        if observe.arguments.iter().all(|a| a.role != Role::Physics) {
            self.arguments.retain(|(role, _)| *role != Role::Physics);
        }
        let function = self.function(|g, scope| scope.call(g, observe));
        self.apply(function)
    }
}

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

/// ds/dt and the value of physics beside it.
fn rate(
    g: &mut Graph,
    scope: &Scope,
    module: &Module,
    networks: &[&Network],
    physics_again: bool,
) -> (Vec<NodeId>, Vec<NodeId>) {
    let mut scope = scope.clone();
    if physics_again {
        let physics = scope.call(g, module.physics());
        scope.set_physics(physics);
    }
    let physics = scope.nodes(&Role::Physics).to_vec();
    let rate = match (module.rhs(), networks.first()) {
        (Some(rhs), _) => scope.call(g, rhs),
        (None, Some(network)) => {
            let correction = scope.nodes(&Role::Network(network.name.clone()));
            physics.iter().zip(correction).map(|(f, c)| g.add(*f, *c)).collect()
        }
        (None, None) => physics.clone(),
    };
    (rate, physics)
}

pub(super) fn physics(module: &Module, sizes: Sizes) -> Program {
    // Physics does not see latents.
    let (mut composer, states) = Composer::of_states(Sizes { latent: 0, ..sizes }, 1);
    composer.enter(states[0]);
    let function = composer.function(|g, scope| scope.call(g, module.physics()));
    let physics = composer.apply(function);
    composer.builder.finish(vec![physics])
}

/// The prediction and, where penalties read observations, their observables and points.
pub(super) fn observe(parts: &Parts, names: (&[String], &[String])) -> Program {
    let Parts { sizes, rollouts, objective, .. } = *parts;
    let (mut composer, states) = Composer::of_states(sizes, rollouts.count());
    let y = composer.prediction(parts, states[0]);
    let wanted = &objective.observables.observations;
    if wanted.is_empty() && !objective.needs_points() {
        return composer.builder.finish(vec![y]);
    }
    let on_grid = sizes.grid.is_some();
    let [target, present] = ["target", "present"].map(|name| composer.builder.port(name, sizes.outputs, on_grid));
    let of_physics = rollouts.of_physics().map(|position| composer.prediction(parts, states[position]));
    let of_network = rollouts.of_network().map(|position| composer.prediction(parts, states[position]));
    let mut outputs = vec![y];
    if !wanted.is_empty() {
        let at_data: Vec<Observable> = wanted.iter().filter(|o| o.count() == Count::Complete).copied().collect();
        let corrections = (!at_data.is_empty()).then(|| {
            let state = encode::initial(&mut composer, parts.module, names, target).expect("checked before");
            composer.enter(state);
            composer.rates(parts, |mut rates| at_data.iter().map(|o| rates.observable(*o)).collect())
        });
        let cells = sizes.grid.map_or(1, Grid::cells) as f64;
        let found: Vec<View> = wanted
            .iter()
            .map(|observable| {
                let b = &mut composer.builder;
                let local = match (observable, of_physics, of_network, corrections) {
                    (Observable::CompleteFrames, ..) => complete(b, present, None, 1.0 / cells),
                    (Observable::PhysicsResidual, Some(other), ..) => weighted_distance(b, target, other, present),
                    (Observable::FromPhysics, Some(other), ..) => distance(b, y, other),
                    (Observable::FromNetwork, _, Some(other), _) => distance(b, y, other),
                    (_, _, _, Some(all)) => {
                        let place = at_data.iter().position(|o| o == observable).expect("one of them");
                        complete(b, present, Some(all.slice(place, 1)), 1.0)
                    }
                    (other, ..) => unreachable!("{other:?} is no observable of observations"),
                };
                composer.summed(local)
            })
            .collect();
        outputs.push(composer.builder.concat(&found));
    }
    if objective.needs_points() {
        let mut coordinates = Vec::new();
        if objective.points.correction > 0 {
            composer.enter(states[0]);
            coordinates
                .push(composer.rates(parts, |rates| rates.physics.into_iter().chain(rates.correction).collect()));
        }
        if objective.points.predictions > 0 {
            coordinates.extend([Some(y), of_physics].into_iter().flatten());
        }
        outputs.push(composer.builder.concat(&coordinates));
    }
    composer.builder.finish(outputs)
}

/// `value`, or `otherwise` where it is not given, in frames or cells of which every entry is present; else 0.
fn complete(builder: &mut Builder, present: View, value: Option<View>, otherwise: f64) -> View {
    let arguments: Vec<View> = std::iter::once(present).chain(value).collect();
    builder.map_with(&arguments, |g, parts| {
        let zero = g.constant(0.0);
        let mut result = if parts.len() > 1 { parts[1][0] } else { g.constant(otherwise) };
        for weight in parts[0] {
            let there = g.less(zero, *weight);
            result = g.select(there, result, zero);
        }
        vec![result]
    })
}

/// ‖a − b‖²
fn distance(builder: &mut Builder, a: View, b: View) -> View {
    builder.map_with(&[a, b], |g, parts| {
        let terms: Vec<NodeId> = parts[0]
            .iter()
            .zip(parts[1])
            .map(|(x, y)| {
                let apart = g.sub(*x, *y);
                g.mul(apart, apart)
            })
            .collect();
        vec![g.sum(&terms)]
    })
}

/// Σ (w (a − b))² over entries with a weight.
fn weighted_distance(builder: &mut Builder, a: View, b: View, weight: View) -> View {
    builder.map_with(&[a, b, weight], |g, parts| {
        let zero = g.constant(0.0);
        let terms: Vec<NodeId> = (0..parts[0].len())
            .map(|i| {
                let apart = g.sub(parts[0][i], parts[1][i]);
                let scaled = g.mul(apart, parts[2][i]);
                let square = g.mul(scaled, scaled);
                let there = g.less(zero, parts[2][i]);
                g.select(there, square, zero)
            })
            .collect();
        vec![g.sum(&terms)]
    })
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
