//! Training without the penalties that are only reported.
//!
//! A penalty of weight 0 costs nothing where its observables are there anyway. Reduced rollouts, Jacobians or pairs of
//! points are not: training runs a model without them, whose weights are those of the full one.

use super::Failure;
use super::pipeline::Pipeline;
use crate::device::Device;
use crate::model::{Model, Penalty};
use crate::train::Trained;

/// A model for training.
pub struct Lean {
    /// The device with the model.
    pub device: Box<dyn Device>,
}

fn counts(penalty: &Penalty) -> bool {
    penalty.weight > 0.0 || penalty.code().is_some()
}

impl Lean {
    /// `None` where every penalty is trained, or comes for free.
    pub fn open(pipeline: &Pipeline) -> Result<Option<Lean>, Failure> {
        let places = places(&pipeline.model);
        if places.len() == pipeline.model.objective.penalties.len() {
            return Ok(None);
        }
        let mut spec = pipeline.model.spec.clone();
        spec.penalties = places.iter().map(|place| spec.penalties[*place].clone()).collect();
        let file = spec.model.physics.display().to_string();
        let model = Model::compile(spec, &file, &pipeline.model.source)?;
        Ok(Some(Lean { device: pipeline.open_device(&model)? }))
    }
}

fn places(model: &Model) -> Vec<usize> {
    (0..model.objective.penalties.len()).filter(|i| counts(&model.objective.penalties[*i])).collect()
}

/// The history with a place for every penalty of the study, NaN for those that training left out.
pub fn with_all_penalties(model: &Model, mut trained: Trained) -> Trained {
    let places = places(model);
    for metrics in &mut trained.history {
        let mut all = vec![f64::NAN; model.objective.penalties.len()];
        for (place, value) in places.iter().zip(&metrics.penalties) {
            all[*place] = *value;
        }
        metrics.penalties = all;
    }
    trained
}
