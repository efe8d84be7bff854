//! Sweeps: the sums of a data set at many values of θ, in chunks within a memory budget.

use crate::device::{DEFAULT_BUDGET, Device, DeviceError, Job, Start, Status, StatusCode, Trajectories};
use crate::model::{Objective, ObjectiveTerms, Sums};
use crate::program::Weights;

/// What is minimised over θ: the objective's loss and penalties with weights of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct Criterion {
    /// Name in reports.
    pub name: String,
    /// Weights of loss and penalties.
    pub objective: Objective,
}

/// Sums at one value of θ, per block of trajectories.
#[derive(Clone, Debug, PartialEq)]
pub struct PointSums {
    /// One entry per block, in the order of the blocks.
    pub blocks: Vec<Sums>,
    /// What each penalty of the model that is made of pairs measures; it does not follow a resampling of blocks.
    pub pairs: Vec<f64>,
    /// Trajectories that left the finite numbers.
    pub failures: usize,
    /// The first of them and its step.
    pub first_failure: Option<(usize, u32)>,
}

impl PointSums {
    /// The sum of all blocks.
    pub fn total(&self) -> Sums {
        let mut total = Sums::default();
        for block in &self.blocks {
            total.add(block, 1.0);
        }
        total
    }

    /// Objective terms over blocks counted `multiplicity` times.
    pub fn terms(&self, objective: &Objective, multiplicity: impl Fn(usize) -> f64) -> ObjectiveTerms {
        let mut total = Sums::default();
        for (i, block) in self.blocks.iter().enumerate() {
            total.add(block, multiplicity(i));
        }
        objective.terms(&total, &self.pairs)
    }
}

/// A sweep over a data set.
pub struct Sweep<'a> {
    /// The device with the model.
    pub device: &'a dyn Device,
    /// Frozen weights.
    pub weights: &'a Weights,
    /// The trajectories.
    pub trajectories: &'a Trajectories,
    /// Block of each trajectory (its episode), `0..blocks`.
    pub block: &'a [u32],
    /// Number of blocks.
    pub blocks: usize,
    /// Most bytes of results held at a time.
    pub budget: usize,
}

impl<'a> Sweep<'a> {
    /// A sweep with frozen weights; `block` gives each trajectory its block, numbered from 0.
    pub fn new(
        device: &'a dyn Device,
        weights: &'a Weights,
        trajectories: &'a Trajectories,
        block: &'a [u32],
    ) -> Sweep<'a> {
        let blocks = block.iter().max().map_or(0, |last| *last as usize + 1);
        Sweep { device, weights, trajectories, block, blocks, budget: DEFAULT_BUDGET / 8 }
    }
}

/// Runs all trajectories at every θ that `points` yields and hands the sums to `receive`, in order. Memory is bounded by
/// the budget, whatever the number of points.
pub fn sweep(
    sweep: &Sweep,
    points: impl Iterator<Item = Vec<f64>>,
    mut receive: impl FnMut(usize, &[f64], PointSums) -> bool,
) -> Result<(), DeviceError> {
    let n = sweep.trajectories.count;
    let p = sweep.device.model().theta.len();
    // Per sample: its θ and row, sums and status.
    let bytes = (p * 8 + 4 + size_of::<Sums>() + 8) * n;
    let chunk = (sweep.budget / bytes.max(1)).clamp(1, 65_536);
    let objective = Objective { loss_weight: 1.0, ..Objective::default() };
    let mut points = points.enumerate().peekable();
    while points.peek().is_some() {
        let part: Vec<(usize, Vec<f64>)> = points.by_ref().take(chunk).collect();
        let rows: Vec<u32> = part.iter().flat_map(|_| 0..n as u32).collect();
        let theta: Vec<f64> = part.iter().flat_map(|(_, t)| t.iter().copied().cycle().take(n * p)).collect();
        // Only the sums of samples are read, so that all points share one group, whose tiles and workgroups are full; but
        // pairs are made of the points of a group.
        let measured = &sweep.device.model().objective;
        let groups = if measured.needs_points() { part.len() } else { 1 };
        let job =
            Job { groups, hold_theta: true, ..Job::new(sweep.trajectories, &rows, &theta, sweep.weights, &objective) };
        let evaluation = sweep.device.evaluate(&job)?;
        for (g, (index, point)) in part.iter().enumerate() {
            let mut blocks = vec![Sums::default(); sweep.blocks];
            for (i, sums) in evaluation.sums[g * n..(g + 1) * n].iter().enumerate() {
                blocks[sweep.block[i] as usize].add(sums, 1.0);
            }
            let status = &evaluation.status[g * n..(g + 1) * n];
            let failed = |s: &&Status| s.code != StatusCode::Ok;
            let failures = status.iter().filter(failed).count();
            let first_failure = status.iter().enumerate().find(|(_, s)| failed(s)).map(|(i, s)| (i, s.step));
            let pairs = evaluation.points.get(g).map_or(Vec::new(), |points| measured.pair_values(points));
            if !receive(*index, point, PointSums { blocks, pairs, failures, first_failure }) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Which of `count` trajectories are kept where at most `most` are used.
pub(super) fn kept(count: usize, most: usize) -> Vec<usize> {
    if count <= most { (0..count).collect() } else { (0..most).map(|i| i * count / most).collect() }
}

/// At most `most` trajectories, evenly chosen, with their blocks renumbered from 0.
pub fn thin(all: &Trajectories, episode: &[u32], most: usize) -> (Trajectories, Vec<u32>) {
    let n = all.count;
    let kept = kept(n, most);
    let pick = |values: &[f64]| -> Vec<f64> {
        let width = values.len() / n.max(1);
        kept.iter().flat_map(|i| values[i * width..(i + 1) * width].iter().copied()).collect()
    };
    let mut known: Vec<u32> = Vec::new();
    let block = kept
        .iter()
        .map(|i| {
            let position = known.iter().position(|e| *e == episode[*i]);
            position.unwrap_or_else(|| {
                known.push(episode[*i]);
                known.len() - 1
            }) as u32
        })
        .collect();
    let start = match &all.start {
        Start::States(s) => Start::States(pick(s)),
        Start::Observations(s) => Start::Observations(pick(s)),
    };
    let targets = all.targets.as_ref().map(|t| pick(t));
    let (inputs, t0) = (pick(&all.inputs), pick(&all.t0));
    (Trajectories { count: kept.len(), start, inputs, t0, targets, ..all.clone() }, block)
}
