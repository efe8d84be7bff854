//! Box coordinates of the free parameters, and values and slopes of a criterion at many points of the box in one job.

use super::sweep::{Criterion, Sweep};
use crate::device::{DeviceError, Job, StatusCode, Wanted};
use crate::model::{Model, ThetaSpec};

/// Most samples of one job: what a point holds in memory is a few numbers per sample.
const SAMPLES: usize = 1 << 16;

/// The free parameters of a model, each from 0 to 1 along its scale.
#[derive(Clone, Debug)]
pub(super) struct Coordinates {
    /// Specifications of all parameters.
    pub specs: Vec<ThetaSpec>,
    /// Indices of the free ones, in θ.
    pub free: Vec<usize>,
}

/// A criterion at a point of the box.
#[derive(Clone, Debug)]
pub(super) struct Slope {
    /// Value; infinite where it is no number or a trajectory failed.
    pub value: f64,
    /// Derivatives with respect to the box coordinates; 0 where they are not finite.
    pub gradient: Vec<f64>,
}

impl Coordinates {
    /// Those of a model.
    pub fn of(model: &Model) -> Coordinates {
        let specs: Vec<ThetaSpec> = (0..model.theta.len()).map(|i| model.theta_spec(i)).collect();
        let free = (0..specs.len()).filter(|i| specs[*i].range()[0] < specs[*i].range()[1]).collect();
        Coordinates { specs, free }
    }

    /// Number of free parameters.
    pub fn len(&self) -> usize {
        self.free.len()
    }

    /// θ at a point of the box, fixed parameters included.
    pub fn theta(&self, unit: &[f64]) -> Vec<f64> {
        let mut theta: Vec<f64> = self.specs.iter().map(|s| s.at(0.5)).collect();
        for (i, u) in self.free.iter().zip(unit) {
            theta[*i] = self.specs[*i].at(*u);
        }
        theta
    }

    /// The point of the box at θ.
    pub fn unit(&self, theta: &[f64]) -> Vec<f64> {
        self.free.iter().map(|i| self.specs[*i].unit(theta[*i])).collect()
    }

    /// Values and slopes of a criterion at many points, each a group of a job, in chunks of bounded size. `multiplicity`
    /// gives each point how often each block counts; `None` for once.
    pub fn slopes(
        &self,
        setting: &Sweep,
        criterion: &Criterion,
        points: &[Vec<f64>],
        multiplicity: Option<&[Vec<f64>]>,
    ) -> Result<Vec<Slope>, DeviceError> {
        let per_job = (SAMPLES / setting.trajectories.count.max(1)).max(1);
        let mut all = Vec::with_capacity(points.len());
        for (chunk, part) in points.chunks(per_job).enumerate() {
            let counted = multiplicity.map(|m| &m[chunk * per_job..chunk * per_job + part.len()]);
            all.extend(self.one_job(setting, criterion, part, counted)?);
        }
        Ok(all)
    }

    fn one_job(
        &self,
        setting: &Sweep,
        criterion: &Criterion,
        points: &[Vec<f64>],
        multiplicity: Option<&[Vec<f64>]>,
    ) -> Result<Vec<Slope>, DeviceError> {
        let (n, p) = (setting.trajectories.count, self.specs.len());
        let rows: Vec<u32> = points.iter().flat_map(|_| 0..n as u32).collect();
        let thetas: Vec<Vec<f64>> = points.iter().map(|u| self.theta(u)).collect();
        let theta: Vec<f64> = thetas.iter().flat_map(|t| t.iter().copied().cycle().take(n * p)).collect();
        let counts: Option<Vec<f64>> =
            multiplicity.map(|m| m.iter().flat_map(|m| setting.block.iter().map(|block| m[*block as usize])).collect());
        let job = Job {
            multiplicity: counts.as_deref(),
            groups: points.len(),
            hold_theta: true,
            ..Job::new(setting.trajectories, &rows, &theta, setting.weights, &criterion.objective)
        };
        let gradient = setting.device.gradient(&job, Wanted { weights: false, inputs: true })?;
        let slope = |g: usize| {
            let value = gradient.evaluation.terms[g].objective;
            // A penalty may be finite where states are not: what is left of a trajectory that failed does not count.
            let failed =
                gradient.evaluation.status[g * n..(g + 1) * n].iter().any(|s| s.code == StatusCode::NonFiniteState);
            let along = |i: &usize| {
                let sum: f64 = (g * n..(g + 1) * n).map(|s| gradient.theta[s * p + i]).sum();
                let slope = sum * self.specs[*i].slope(thetas[g][*i]);
                if slope.is_finite() { slope } else { 0.0 }
            };
            Slope {
                value: if failed || value.is_nan() { f64::INFINITY } else { value },
                gradient: self.free.iter().map(along).collect(),
            }
        };
        Ok((0..points.len()).map(slope).collect())
    }
}
