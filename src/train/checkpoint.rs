//! Checkpoint files: weights, moments, counters and history, written so that a crash leaves the old one.

use super::metrics::EpochMetrics;
use super::optimiser::AdamW;
use super::state::{Checkpoint, MemberState};
use crate::program::Weights;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Most steps of an optimiser: whole numbers beyond are not exact in f64.
const MOST_OPTIMISER_STEPS: u64 = 1 << 53;

/// Why a checkpoint could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system refused.
    #[error("{path}: {reason}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: std::io::Error,
    },
    /// The content is not a checkpoint.
    #[error("{path}: not a checkpoint of this program: {message}\nhelp: delete it to train from the start", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

impl Checkpoint {
    /// Writes the checkpoint beside `path` and renames it.
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        let content = |message: String| CheckpointError::Content { path: path.into(), message };
        let arrays: [(&str, &Vec<f64>); 8] = [
            ("weights", &self.weights.values),
            ("best", &self.best.values),
            ("first_moment", &self.optimiser.first),
            ("second_moment", &self.optimiser.second),
            ("theta", &self.theta),
            ("best_theta", &self.best_theta),
            ("theta_first_moment", &self.theta_optimiser.first),
            ("theta_second_moment", &self.theta_optimiser.second),
        ];
        let bytes: Vec<(&str, usize, Vec<u8>)> =
            arrays.iter().map(|(n, v)| (*n, v.len(), v.iter().flat_map(|x| x.to_le_bytes()).collect())).collect();
        let mut views = Vec::new();
        for (name, count, data) in &bytes {
            let view = TensorView::new(Dtype::F64, vec![*count], data).map_err(|e| content(e.to_string()))?;
            views.push((*name, view));
        }
        let history = serde_json::to_string(&self.history).map_err(|e| content(e.to_string()))?;
        let members = serde_json::to_string(&self.members).map_err(|e| content(e.to_string()))?;
        let facts = HashMap::from([
            ("study".to_string(), self.study.clone()),
            ("epoch".to_string(), self.epoch.to_string()),
            ("steps".to_string(), self.optimiser.steps.to_string()),
            ("theta_steps".to_string(), self.theta_optimiser.steps.to_string()),
            ("single".to_string(), self.optimiser.single.to_string()),
            ("members".to_string(), members),
            ("history".to_string(), history),
        ]);
        let file = safetensors::serialize(views, Some(facts)).map_err(|e| content(e.to_string()))?;
        let failed = |reason| CheckpointError::File { path: path.into(), reason };
        let beside = path.with_extension("part");
        std::fs::write(&beside, file).map_err(failed)?;
        std::fs::rename(&beside, path).map_err(failed)
    }

    /// Reads a checkpoint; `None` if there is none.
    pub fn load(path: &Path) -> Result<Option<Checkpoint>, CheckpointError> {
        if !path.exists() {
            return Ok(None);
        }
        let bytes = std::fs::read(path).map_err(|reason| CheckpointError::File { path: path.into(), reason })?;
        let content = |message: String| CheckpointError::Content { path: path.into(), message };
        let file = SafeTensors::deserialize(&bytes).map_err(|e| content(e.to_string()))?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| content(e.to_string()))?;
        let facts = header.metadata().clone().unwrap_or_default();
        let fact = |name: &str| facts.get(name).cloned().ok_or_else(|| content(format!("no `{name}`")));
        let number = |name: &str| fact(name)?.parse::<u64>().map_err(|e| content(format!("{name}: {e}")));
        let array = |name: &str| -> Result<Vec<f64>, CheckpointError> {
            let tensor = file.tensor(name).map_err(|e| content(e.to_string()))?;
            if tensor.dtype() != Dtype::F64 {
                return Err(content(format!("`{name}` is stored as {:?}", tensor.dtype())));
            }
            let chunks = tensor.data().chunks_exact(8);
            Ok(chunks.map(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]])).collect())
        };
        let history: Vec<EpochMetrics> = serde_json::from_str(&fact("history")?).map_err(|e| content(e.to_string()))?;
        // Checkpoints of version 0.1.0 hold one member without a θ of its own.
        let members: Vec<MemberState> = match facts.get("members") {
            Some(text) => serde_json::from_str(text).map_err(|e| content(e.to_string()))?,
            None => vec![MemberState::after(&history)],
        };
        let of_theta = |name: &str| if facts.contains_key("members") { array(name) } else { Ok(Vec::new()) };
        let weights = |name: &str| Ok(Weights { members: members.len(), values: array(name)? });
        let single = fact("single")? == "true";
        let read = Checkpoint {
            study: fact("study")?,
            epoch: number("epoch")? as usize,
            weights: weights("weights")?,
            best: weights("best")?,
            optimiser: AdamW {
                first: array("first_moment")?,
                second: array("second_moment")?,
                steps: number("steps")?,
                single,
            },
            theta: of_theta("theta")?,
            best_theta: of_theta("best_theta")?,
            theta_optimiser: AdamW {
                first: of_theta("theta_first_moment")?,
                second: of_theta("theta_second_moment")?,
                steps: if facts.contains_key("members") { number("theta_steps")? } else { 0 },
                single,
            },
            members,
            history,
        };
        match read.disagreement() {
            Some(problem) => Err(content(problem)),
            None => Ok(Some(read)),
        }
    }

    /// What of it contradicts the rest.
    fn disagreement(&self) -> Option<String> {
        let alike = |name: &str, count: usize, of: &str, other: usize| {
            (count != other).then(|| format!("{name} has {count} entries, {of} {other}"))
        };
        let (weights, theta) = (self.weights.values.len(), self.theta.len());
        let members = self.members.len();
        if members == 0 || !weights.is_multiple_of(members) || !theta.is_multiple_of(members) {
            return Some(format!("{weights} weights and {theta} parameters of {members} members"));
        }
        if let Some((best, _)) = self.members.iter().filter_map(|m| m.best).find(|(best, _)| *best > self.epoch) {
            return Some(format!("the best epoch is {best}, the last {}", self.epoch));
        }
        let steps = self.optimiser.steps.max(self.theta_optimiser.steps);
        if steps > MOST_OPTIMISER_STEPS {
            return Some(format!("{steps} steps"));
        }
        alike("best", self.best.values.len(), "weights", weights)
            .or_else(|| alike("first_moment", self.optimiser.first.len(), "weights", weights))
            .or_else(|| alike("second_moment", self.optimiser.second.len(), "weights", weights))
            .or_else(|| alike("best_theta", self.best_theta.len(), "theta", theta))
            .or_else(|| alike("theta_first_moment", self.theta_optimiser.first.len(), "theta", theta))
            .or_else(|| alike("theta_second_moment", self.theta_optimiser.second.len(), "theta", theta))
            .or_else(|| alike("history", self.history.len(), "epoch", self.epoch))
    }
}
