//! Programs in the making: what the functions of a text may take, and networks with what they see.

use super::compose::argument_width;
use super::network::{Network, NetworkKind};
use super::objective::Objective;
use super::rollouts::Rollouts;
use crate::graph::{Function, Graph, NodeId, Op};
use crate::physics::{Lowered, Module, Role};
use crate::program::{Builder, Grid, Stencil, View, joint_function, without_unused};
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
    pub fn set_physics(&mut self, nodes: Vec<NodeId>) {
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
    pub fn of_states(sizes: Sizes<'a>, rollouts: usize) -> (Self, Vec<View>) {
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
    pub fn enter(&mut self, state: View) {
        let stays = |role: &Role| matches!(role, Role::Theta | Role::Latent | Role::Input | Role::Time);
        self.arguments.retain(|(role, _)| stays(role));
        self.add(Role::State, state);
        if self.sizes.grid.is_some() {
            self.add_near(Role::Near, state);
        }
    }

    /// Takes away what a role has.
    pub fn forget(&mut self, role: &Role) {
        self.arguments.retain(|(r, _)| r != role);
    }

    /// Puts a view in the place of what a role had.
    pub fn replace(&mut self, role: Role, view: View) {
        self.forget(&role);
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

    pub fn add_near(&mut self, role: Role, of: View) {
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
    pub fn add_networks(&mut self, parts: &Parts, networks: &[&Network]) {
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
