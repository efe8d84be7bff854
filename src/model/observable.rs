//! Observables: scalars that stages and observations contribute to sums, from which penalties are made.

/// A scalar that every stage evaluation or every observation contributes. f is physics, g := rhs − physics; squares and
/// products are summed over components and cells.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Observable {
    /// Stage: ‖g‖²
    CorrectionSquared,
    /// Stage: ⟨f, g⟩
    Product,
    /// Stage: ‖f‖²
    PhysicsSquared,
    /// Stage: ‖g‖² / (‖s‖ + ε)², on grids per cell
    RelativeCorrection,
    /// Stage: ‖g − s‖²
    IdentityDistance,
    /// Stage: ‖∂rhs/∂f‖² / n, the squared Frobenius norm per component
    Sensitivity,
    /// Stage: ((θ − mean) / deviation)² of the prior of this position
    Prior(u8),
    /// Observation: 1 if the frame is complete, on grids the share of complete cells
    CompleteFrames,
    /// Observation: ‖g‖² at the state that the data gives, where the frame is complete
    CorrectionAtData,
    /// Observation: ‖g‖² / (‖s‖ + ε)² at the state that the data gives, where the frame is complete
    RelativeAtData,
    /// Observation: ‖y − y_f‖² over present entries, y_f being predicted by physics alone
    PhysicsResidual,
    /// Observation: ‖ŷ − y_f‖²
    FromPhysics,
    /// Observation: ‖ŷ − y_g‖², y_g being predicted by the correction alone
    FromNetwork,
}

/// What the sum of an observable is divided by to make its mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Count {
    /// Stage evaluations.
    Stages,
    /// Entries of observations, present or not.
    Entries,
    /// Entries that are present.
    Present,
    /// Frames without a missing entry.
    Complete,
}

/// ε of norms relative to the state.
pub const RELATIVE_FLOOR: f64 = 1e-5;

/// Most different observables of a model.
pub const MOST_OBSERVABLES: usize = 12;

impl Observable {
    /// Those that every model has, the first of each list of stage observables.
    pub const BASE: [Observable; 3] = [Observable::CorrectionSquared, Observable::Product, Observable::PhysicsSquared];

    /// True if observations contribute it, false if stages do.
    pub fn of_observation(self) -> bool {
        self.count() != Count::Stages
    }

    /// What its mean is taken over.
    pub fn count(self) -> Count {
        match self {
            Observable::CorrectionSquared
            | Observable::Product
            | Observable::PhysicsSquared
            | Observable::RelativeCorrection
            | Observable::IdentityDistance
            | Observable::Sensitivity
            | Observable::Prior(_) => Count::Stages,
            Observable::CompleteFrames | Observable::FromPhysics | Observable::FromNetwork => Count::Entries,
            Observable::CorrectionAtData | Observable::RelativeAtData => Count::Complete,
            Observable::PhysicsResidual => Count::Present,
        }
    }

    /// Name in tables and landscapes.
    pub fn name(self) -> &'static str {
        match self {
            Observable::CorrectionSquared => "correction_squared",
            Observable::Product => "physics_times_correction",
            Observable::PhysicsSquared => "physics_squared",
            Observable::RelativeCorrection => "relative_correction",
            Observable::IdentityDistance => "identity_distance",
            Observable::Sensitivity => "sensitivity",
            Observable::Prior(_) => "prior",
            Observable::CompleteFrames => "complete_frames",
            Observable::CorrectionAtData => "correction_at_data",
            Observable::RelativeAtData => "relative_correction_at_data",
            Observable::PhysicsResidual => "residual_of_physics",
            Observable::FromPhysics => "distance_from_physics",
            Observable::FromNetwork => "distance_from_network",
        }
    }
}

/// The observables of a model and the place of each among the sums: those of stages first, then those of observations.
#[derive(Clone, Debug, PartialEq)]
pub struct Observables {
    /// In the order in which evolve programs yield them; the first three are [`Observable::BASE`].
    pub stages: Vec<Observable>,
    /// In the order in which observe programs yield them.
    pub observations: Vec<Observable>,
}

impl Default for Observables {
    fn default() -> Self {
        Observables { stages: Observable::BASE.to_vec(), observations: Vec::new() }
    }
}

impl Observables {
    /// Adds an observable unless it is there.
    pub(super) fn require(&mut self, observable: Observable) {
        let list = if observable.of_observation() { &mut self.observations } else { &mut self.stages };
        if !list.contains(&observable) {
            list.push(observable);
        }
        if observable.count() == Count::Complete {
            self.require(Observable::CompleteFrames);
        }
    }

    /// Number of observables.
    pub fn len(&self) -> usize {
        self.stages.len() + self.observations.len()
    }

    /// Never: three are always there.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Place of an observable among the sums.
    pub fn place(&self, observable: Observable) -> Option<usize> {
        self.stages.iter().chain(&self.observations).position(|o| *o == observable)
    }
}

/// Sums over a group of samples, each sample multiplied by its weight.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// Σ of squared residuals over present entries.
    pub squared_error: f64,
    /// Number of present entries.
    pub present: f64,
    /// Σ of each observable, in the order of [`Observables`].
    pub observables: [f64; MOST_OBSERVABLES],
    /// Number of stage evaluations.
    pub stage_count: f64,
    /// Number of entries of observations, present or not.
    pub entries: f64,
}

impl Sums {
    /// Adds another group, `weight` times.
    pub fn add(&mut self, other: &Sums, weight: f64) {
        self.squared_error += weight * other.squared_error;
        self.present += weight * other.present;
        self.stage_count += weight * other.stage_count;
        self.entries += weight * other.entries;
        for (a, b) in self.observables.iter_mut().zip(other.observables) {
            *a += weight * b;
        }
    }

    /// Means of the base observables over the stages; 0 without stages.
    pub fn means(&self) -> [f64; 3] {
        std::array::from_fn(|i| if self.stage_count > 0.0 { self.observables[i] / self.stage_count } else { 0.0 })
    }

    /// The number that the mean of an observable is taken over.
    pub(super) fn count(&self, count: Count, observables: &Observables) -> f64 {
        match count {
            Count::Stages => self.stage_count,
            Count::Entries => self.entries,
            Count::Present => self.present,
            Count::Complete => {
                observables.place(Observable::CompleteFrames).map_or(0.0, |place| self.observables[place])
            }
        }
    }
}

/// Derivatives of the objective with respect to every contribution.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seeds {
    /// d objective / d (one squared residual).
    pub squared_error: f64,
    /// d objective / d (one contribution to an observable), in the order of [`Observables`].
    pub observables: [f64; MOST_OBSERVABLES],
    /// d objective / d (coordinates of the points that pairs are made of), `[points, width]`; empty without such penalties.
    pub points: Vec<f64>,
}
