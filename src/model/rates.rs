//! f, g and the right-hand side at a state, what observables make of them, and predictions.

use super::compose::argument_width;
use super::composer::{Composer, Parts, Scope};
use super::network::Network;
use super::observable::{Observable, RELATIVE_FLOOR};
use crate::graph::{Graph, NodeId, Op};
use crate::physics::{Module, Role};
use crate::program::View;

/// f, g := rhs − f and the state in one sample or cell.
pub(super) struct Rates<'a> {
    pub rate: Vec<NodeId>,
    pub physics: Vec<NodeId>,
    pub correction: Vec<NodeId>,
    state: Vec<NodeId>,
    graph: &'a mut Graph,
}

impl Rates<'_> {
    fn dot(&mut self, a: &[NodeId], b: &[NodeId]) -> NodeId {
        let terms: Vec<NodeId> = a.iter().zip(b).map(|(x, y)| self.graph.mul(*x, *y)).collect();
        self.graph.sum(&terms)
    }

    /// An observable that follows from the rates.
    pub fn observable(&mut self, observable: Observable) -> NodeId {
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
    pub fn rates(&mut self, parts: &Parts, body: impl Fn(Rates) -> Vec<NodeId>) -> View {
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
    pub fn summed(&mut self, view: View) -> View {
        if view.field { self.builder.sum(view) } else { view }
    }

    /// The prediction at a state.
    pub fn prediction(&mut self, parts: &Parts, state: View) -> View {
        self.enter(state);
        let Some(observe) = parts.module.observe() else { return state };
        let used: Vec<&Network> =
            parts.networks.iter().filter(|n| argument_width(Some(observe), &n.name).is_some()).collect();
        self.add_networks(parts, &used);
        if observe.arguments.iter().all(|a| a.role != Role::Physics) {
            self.forget(&Role::Physics);
        }
        let function = self.function(|g, scope| scope.call(g, observe));
        self.apply(function)
    }
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
