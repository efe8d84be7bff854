//! The phase behind the estimates: what the study's criteria, and the prediction error, identify.

use super::Failure;
use super::folder::write_json;
use super::pipeline::Pipeline;
use crate::program::Weights;
use crate::study::{
    Criterion, Estimate, EstimateConfig, Identifiability, Known, Landscape, Sweep, agreement, estimate,
    estimate_members, identify, independent_entries, thin, trajectories,
};
use std::time::Instant;

impl Pipeline {
    /// What every criterion identifies, and the prediction error alone, for comparison, where the study does not minimise
    /// it. `None` without free parameters, and on large fields unless `estimate.profile` is true. Writes
    /// `identifiability.json`.
    pub fn identifiability(
        &mut self,
        weights: &Weights,
        estimates: &[Estimate],
        oracles: &[Option<Vec<f64>>],
        landscape: Option<&Landscape>,
    ) -> Result<Option<Identifiability>, Failure> {
        let config = &self.study.estimate;
        if estimates.is_empty() || !self.has_boxes() || !config.wants_profile(self.model.cells()) {
            return Ok(None);
        }
        let start = Instant::now();
        let (windows, most) = (self.test_windows(), self.most_trajectories());
        let (chosen, block) =
            thin(&trajectories(windows, &self.prepared.dataset.residual_scale), &windows.blocks(), most);
        let sweep = Sweep::new(self.device.as_ref(), weights, &chosen, &block);
        let (mut criteria, mut estimates) = (self.study.criteria(&self.model)?, estimates.to_vec());
        let is_loss =
            |c: &Criterion| c.objective.loss_weight > 0.0 && c.objective.penalties.iter().all(|p| p.weight == 0.0);
        if !criteria.iter().any(is_loss) {
            let loss = Criterion { name: "loss".into(), objective: self.model.objective.reweighted(1.0, |_, _| 0.0) };
            let found = estimate(&sweep, std::slice::from_ref(&loss), config, self.seed())?;
            // A loss that is finite nowhere says nothing.
            if found.iter().all(|e| e.value.is_finite()) {
                criteria.push(loss);
                estimates.extend(found);
            }
        }
        let entries = independent_entries(windows, most);
        let known = Known { estimates: &estimates, oracles, landscape, entries };
        let mut found = identify(&sweep, &criteria, &known, config, self.seed())?;
        if weights.members > 1 {
            let config = EstimateConfig { bootstrap: 0, ..config.clone() };
            found.members = agreement(&estimate_members(&sweep, &criteria, &config, self.seed())?, &found.free);
        }
        write_json(&self.out.join("identifiability.json"), &found)?;
        self.timings.push(("identifiability".into(), start.elapsed().as_secs_f64()));
        Ok(Some(found))
    }
}
