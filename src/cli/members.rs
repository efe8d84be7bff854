//! What a training run leaves beside its checkpoint: weights of all members and a table of them.

use super::Failure;
use super::folder::write_json;
use crate::model::{Model, save_weights};
use crate::store;
use crate::train::{TrainConfig, Trained};
use std::io::ErrorKind;
use std::path::Path;

/// Files of a population.
const MEMBERS: [&str; 2] = ["members.json", "members"];

/// Removes what [`save_members`] has left of a population.
fn remove_members(folder: &Path) -> Result<(), store::WriteError> {
    for path in MEMBERS.map(|name| folder.join(name)) {
        let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        match removed {
            Err(reason) if reason.kind() != ErrorKind::NotFound => return Err(store::WriteError::write(&path, reason)),
            _ => {}
        }
    }
    Ok(())
}

/// Writes the last and the best weights of the first member that did not diverge, and of a population `members.json` and
/// `members/NNN.safetensors`: the weights that the study uses of each member.
pub fn save_members(
    folder: &Path,
    model: &Model,
    config: &TrainConfig,
    trained: &Trained,
    double: bool,
) -> Result<(), Failure> {
    let table = &model.weights;
    // Of a run before, that may have had more.
    remove_members(folder)?;
    save_weights(&folder.join("weights.safetensors"), table, &trained.last, trained.first(), double)?;
    save_weights(&folder.join("best.safetensors"), table, &trained.best, trained.first(), double)?;
    if trained.members.len() == 1 {
        return Ok(());
    }
    let [list, inner] = MEMBERS.map(|name| folder.join(name));
    store::make_folder(&inner)?;
    let (weights, theta) = match config.keep_best {
        true => (&trained.best, &trained.best_theta),
        false => (&trained.last, &trained.theta),
    };
    let p = model.theta.len();
    let mut rows = Vec::new();
    for (m, member) in config.population.members(config.seed, model).iter().enumerate() {
        save_weights(&inner.join(format!("{m:03}.safetensors")), table, weights, m, double)?;
        let named = |values: &mut dyn Iterator<Item = (usize, f64)>| -> serde_json::Map<String, serde_json::Value> {
            values.map(|(i, value)| (model.theta[i].clone(), value.into())).collect()
        };
        let own = theta.get(m * p..(m + 1) * p).unwrap_or(&[]);
        rows.push(serde_json::json!({
            "member": m, "seed": member.seed, "penalties": member.factor,
            "held": named(&mut member.held.iter().copied()),
            "theta": named(&mut own.iter().copied().enumerate()),
            "metrics": trained.metrics(m), "diverged": trained.members[m].diverged(),
        }));
    }
    write_json(&list, &rows)
}
