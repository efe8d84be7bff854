//! Rollouts: the model, and reduced models that are integrated beside it from the same start.

use super::objective::Objective;
use super::observable::Observable;
use super::pairs::Between;

/// Which reduced models a model integrates beside itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rollouts {
    /// ds/dt = f: physics alone.
    pub physics: bool,
    /// ds/dt = g = rhs − f: the correction alone.
    pub network: bool,
}

impl Rollouts {
    /// Those that the penalties of an objective ask for.
    pub(super) fn of(objective: &Objective) -> Rollouts {
        let observed = &objective.observables.observations;
        let predictions = |p: &super::Penalty| p.pairs().is_some_and(|p| p.between == Between::Predictions);
        Rollouts {
            physics: observed.iter().any(|o| matches!(o, Observable::PhysicsResidual | Observable::FromPhysics))
                || objective.penalties.iter().any(predictions),
            network: observed.contains(&Observable::FromNetwork),
        }
    }

    /// Number of states that are integrated.
    pub fn count(self) -> usize {
        1 + usize::from(self.physics) + usize::from(self.network)
    }

    /// Position of physics alone among them.
    pub(super) fn of_physics(self) -> Option<usize> {
        self.physics.then_some(1)
    }

    /// Position of the correction alone among them.
    pub(super) fn of_network(self) -> Option<usize> {
        self.network.then_some(self.count() - 1)
    }
}
