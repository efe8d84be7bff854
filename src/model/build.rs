//! The programs of a model, built from the functions of its text and its networks.

use super::compose::argument_width;
use super::network::{Network, NetworkKind};
use super::objective::StageObservable;
use crate::graph::{Function, Graph, NodeId, Op};
use crate::physics::{Lowered, Module, Role};
use crate::program::{Builder, Grid, Program, Stencil, View, joint_function, without_unused};
use std::collections::HashMap;

/// Numbers of components, and the grid if states are fields.
#[derive(Clone, Copy)]
pub(super) struct Sizes<'a> {
    pub state: usize,
    pub theta: usize,
    pub inputs: usize,
    pub grid: Option<&'a Grid>,
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
struct Scope<'a> {
    arguments: Vec<(&'a Role, Vec<NodeId>)>,
}

impl Scope<'_> {
    /// Nodes of a role; none if it is not there.
    fn nodes(&self, role: &Role) -> &[NodeId] {
        self.arguments.iter().find(|(r, _)| *r == role).map_or(&[], |(_, nodes)| nodes)
    }

    fn call(&self, g: &mut Graph, lowered: &Lowered) -> Vec<NodeId> {
        let mut args = Vec::new();
        for argument in &lowered.arguments {
            let nodes = self.nodes(&argument.role);
            assert_eq!(nodes.len(), argument.width, "argument {:?}", argument.role);
            args.extend_from_slice(nodes);
        }
        g.inline(&lowered.function, &args)
    }

    /// Calls a function with another value of physics.
    fn set_physics(&mut self, nodes: Vec<NodeId>) {
        self.arguments.retain(|(role, _)| **role != Role::Physics);
        self.arguments.push((&Role::Physics, nodes));
    }
}

/// A program in the making and what its functions may take.
struct Composer<'a> {
    builder: Builder,
    sizes: Sizes<'a>,
    arguments: Vec<Argument>,
    stencils: HashMap<(Stencil, View), View>,
}

impl<'a> Composer<'a> {
    /// Declares ports; those marked are fields on a grid.
    fn new(sizes: Sizes<'a>, ports: &[(Role, &str, usize, bool)]) -> Self {
        let mut builder = Builder::new(sizes.grid);
        let on_grid = sizes.grid.is_some();
        let arguments = ports
            .iter()
            .map(|(role, name, width, field)| {
                (role.clone(), vec![Piece::View(builder.port(name, *width, *field && on_grid))])
            })
            .collect();
        let mut composer = Composer { builder, sizes, arguments, stencils: HashMap::new() };
        if let (Some(state), true) = (composer.view(&Role::State), on_grid) {
            composer.add_near(Role::Near, state);
        }
        composer
    }

    /// Ports of evolve, physics and observe programs.
    fn of_state(sizes: Sizes<'a>) -> Self {
        let ports = [
            (Role::State, "state", sizes.state, true),
            (Role::Theta, "theta", sizes.theta, false),
            (Role::Input, "input", sizes.inputs, false),
            (Role::Time, "time", 1, false),
        ];
        Composer::new(sizes, &ports)
    }

    fn view(&self, role: &Role) -> Option<View> {
        self.arguments.iter().find(|(r, _)| r == role).and_then(|(_, pieces)| match pieces[..] {
            [Piece::View(view)] => Some(view),
            _ => None,
        })
    }

    fn add(&mut self, role: Role, view: View) {
        self.arguments.push((role, vec![Piece::View(view)]));
    }

    fn add_near(&mut self, role: Role, of: View) {
        let dimensions = self.sizes.grid.map_or(0, |g| g.dimensions);
        let pieces = Stencil::of(dimensions).into_iter().map(|stencil| Piece::Stencil(stencil, of)).collect();
        self.arguments.push((role, pieces));
    }

    /// The function of everything there is that `body` computes.
    fn function(&self, body: impl FnOnce(&mut Graph, Scope) -> Vec<NodeId>) -> Function {
        let widths: Vec<usize> = self.arguments.iter().map(|(_, p)| p.iter().map(Piece::width).sum()).collect();
        joint_function(&widths, |g, parts| {
            let roles = self.arguments.iter().map(|(role, _)| role);
            body(g, Scope { arguments: roles.zip(parts.iter().map(|p| p.to_vec())).collect() })
        })
    }

    /// Applies such a function; on a grid in every cell.
    fn apply(&mut self, function: Function) -> View {
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
    fn add_networks(&mut self, module: &Module, networks: &[&Network]) {
        let (in_cells, per_sample): (Vec<&Network>, Vec<&Network>) =
            networks.iter().partition(|n| self.sizes.grid.is_none_or(|grid| n.cells == grid.cells()));
        // One map for physics and all features: they share subexpressions such as the sine of an angle.
        let joint = self.function(|g, mut scope| {
            let physics = scope.call(g, module.physics());
            let mut outputs = physics.clone();
            scope.set_physics(physics);
            for network in &in_cells {
                outputs.extend(features(g, &scope, module, network));
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
        let roles = [Role::Theta, Role::Input, Role::Time];
        let views: Vec<View> = roles.iter().filter_map(|role| self.view(role)).collect();
        self.builder.map_with(&views, |g, parts| {
            let scope = Scope { arguments: roles.iter().zip(parts.iter().map(|p| p.to_vec())).collect() };
            match module.features(&network.name) {
                Some(features) => scope.call(g, features),
                None => [scope.nodes(&Role::Input), scope.nodes(&Role::Theta)].concat(),
            }
        })
    }
}

/// What a network sees: what the text says, or state, inputs, θ and stopgrad f; a conv the state.
fn features(g: &mut Graph, scope: &Scope, module: &Module, network: &Network) -> Vec<NodeId> {
    if let Some(features) = module.features(&network.name) {
        return scope.call(g, features);
    }
    if network.kind == NetworkKind::Conv {
        return scope.nodes(&Role::State).to_vec();
    }
    let mut seen = [Role::State, Role::Input, Role::Theta].map(|role| scope.nodes(&role).to_vec()).concat();
    for f in scope.nodes(&Role::Physics) {
        seen.push(g.unary(Op::StopGrad, *f));
    }
    seen
}

pub(super) fn evolve(module: &Module, networks: &[Network], sizes: Sizes) -> Program {
    let taken = |lowered, network: &Network| argument_width(lowered, &network.name).is_some();
    let in_rhs: Vec<&Network> = match module.rhs() {
        Some(rhs) => networks.iter().filter(|n| taken(Some(rhs), n) || taken(module.fields(), n)).collect(),
        None => networks.iter().filter(|n| !taken(module.observe(), n)).collect(),
    };
    let mut composer = Composer::of_state(sizes);
    composer.add_networks(module, &in_rhs);
    if let Some(fields) = module.fields() {
        let function = composer.function(|g, scope| scope.call(g, fields));
        let values = composer.apply(function);
        composer.add(Role::Fields, values);
        composer.add_near(Role::NearFields, values);
    }
    let again = composer.function(|g, scope| rate(g, scope, module, &in_rhs, true));
    let given = composer.function(|g, scope| rate(g, scope, module, &in_rhs, false));
    // Physics is computed again beside rhs only where rhs computes it anyway: then rhs − physics simplifies to the
    // correction itself, without cancellation.
    let shared = again.operations() <= given.operations() + module.physics().function.operations() / 2;
    let result = composer.apply(if shared { again } else { given });
    let (rate, observables) = (result.slice(0, sizes.state), result.slice(sizes.state, StageObservable::ALL.len()));
    let observables = if observables.field { composer.builder.sum(observables) } else { observables };
    composer.builder.finish(vec![rate, observables])
}

/// ds/dt and the stage observables.
fn rate(g: &mut Graph, mut scope: Scope, module: &Module, networks: &[&Network], physics_again: bool) -> Vec<NodeId> {
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
    let correction: Vec<NodeId> = rate.iter().zip(&physics).map(|(r, f)| g.sub(*r, *f)).collect();
    let dot = |g: &mut Graph, a: &[NodeId], b: &[NodeId]| {
        let terms: Vec<NodeId> = a.iter().zip(b).map(|(x, y)| g.mul(*x, *y)).collect();
        g.sum(&terms)
    };
    let observables = [dot(g, &correction, &correction), dot(g, &physics, &correction), dot(g, &physics, &physics)];
    rate.into_iter().chain(observables).collect()
}

pub(super) fn physics(module: &Module, sizes: Sizes) -> Program {
    let mut composer = Composer::of_state(sizes);
    let function = composer.function(|g, scope| scope.call(g, module.physics()));
    let physics = composer.apply(function);
    composer.builder.finish(vec![physics])
}

pub(super) fn observe(module: &Module, networks: &[Network], sizes: Sizes) -> Program {
    let mut composer = Composer::of_state(sizes);
    let Some(observe) = module.observe() else {
        let state = composer.view(&Role::State).expect("a port");
        return composer.builder.finish(vec![state]);
    };
    let used: Vec<&Network> = networks.iter().filter(|n| argument_width(Some(observe), &n.name).is_some()).collect();
    composer.add_networks(module, &used);
    if observe.arguments.iter().all(|a| a.role != Role::Physics) {
        composer.arguments.retain(|(role, _)| *role != Role::Physics);
    }
    let function = composer.function(|g, scope| scope.call(g, observe));
    let y = composer.apply(function);
    composer.builder.finish(vec![y])
}

/// From an observation to the initial state; `None` if the text does not say how and the names do not match.
pub(super) fn encode(module: &Module, state: &[String], outputs: &[String], sizes: Sizes) -> Option<Program> {
    let ports = [
        (Role::Observation, "observation", outputs.len(), true),
        (Role::Theta, "theta", sizes.theta, false),
        (Role::Input, "input", sizes.inputs, false),
        (Role::Time, "time", 1, false),
    ];
    let mut composer = Composer::new(sizes, &ports);
    let initial = match module.initial() {
        Some(initial) => {
            let function = composer.function(|g, scope| scope.call(g, initial));
            composer.apply(function)
        }
        None => {
            let observation = composer.view(&Role::Observation)?;
            let positions: Vec<usize> =
                state.iter().map(|name| outputs.iter().position(|o| o == name)).collect::<Option<_>>()?;
            let parts: Vec<View> = positions.iter().map(|p| observation.slice(*p, 1)).collect();
            composer.builder.concat(&parts)
        }
    };
    Some(composer.builder.finish(vec![initial]))
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
