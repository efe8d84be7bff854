//! What a training run leaves beside its checkpoint: weights of all members and a table of them. And how it is stopped.

use super::Failure;
use super::folder::write_json;
use crate::model::{Model, save_weights};
use crate::store;
use crate::train::{TrainConfig, Trained};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// True once Ctrl-C was pressed; a second time ends the program at once. A handler that cannot be set leaves the default
/// behaviour.
pub fn stop_at_interrupt() -> &'static AtomicBool {
    static STOP: AtomicBool = AtomicBool::new(false);
    static HANDLER: OnceLock<()> = OnceLock::new();
    HANDLER.get_or_init(|| {
        let _ = ctrlc::set_handler(|| {
            if STOP.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
            eprintln!("\nstopping after this epoch or chunk; press Ctrl-C again to stop at once");
        });
    });
    &STOP
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
    save_weights(&folder.join("weights.safetensors"), table, &trained.last, trained.first(), double)?;
    save_weights(&folder.join("best.safetensors"), table, &trained.best, trained.first(), double)?;
    if trained.members.len() == 1 {
        return Ok(());
    }
    let inner = folder.join("members");
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
    write_json(&folder.join("members.json"), &rows)
}
