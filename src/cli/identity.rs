//! What tells a training run from others: everything that its bits depend on but for the device.

use super::pipeline::Pipeline;
use crate::device::{Start, Trajectories};
use crate::store::Checksum;

/// The tables of a study that describe its model.
const MODEL: [&str; 7] = ["model", "theta", "net", "solver", "penalty", "grid", "encode"];

impl Pipeline {
    /// The identity of a training of this study with a model of this text, as checksums with names: of the model's tables,
    /// the WGSL, `[train]`, the data, and of further keys, such as `estimate.windows`.
    pub(super) fn identity(&self, source: &str, further: &[&str]) -> String {
        let of = |keys: &[&str], more: &[&str]| {
            let mut sum = Checksum::new();
            keys.iter().for_each(|key| sum.add(self.text_of(key).as_bytes()));
            more.iter().for_each(|text| sum.add(text.as_bytes()));
            sum.digits()
        };
        let mut parts = vec![
            format!("model={}", of(&MODEL, &[])),
            format!("physics={}", of(&[], &[source])),
            format!("train={}", of(&["train"], &[&self.seed().to_string()])),
            format!("data={}", of(&["data"], &[&self.data_checksum()])),
        ];
        parts.extend(further.iter().map(|key| format!("{key}={}", of(&[key], &[]))));
        parts.join(" ")
    }

    /// A table or value of the study as text that does not depend on how it is written; empty where there is none.
    fn text_of(&self, key: &str) -> String {
        let mut keys = key.split('.');
        let first = keys.next().and_then(|key| self.study.tables.get(key));
        let found = keys.fold(first, |table, key| table?.get(key));
        found.map_or(String::new(), toml::Value::to_string)
    }

    /// Of simulated data their truth and which windows train, validate and test, as their numbers may differ in the last bit
    /// from processor to processor; of others the numbers.
    fn data_checksum(&self) -> String {
        let mut sum = Checksum::new();
        let prepared = &self.prepared;
        match &prepared.truth {
            Some(truth) => {
                sum.add(truth.model.source.as_bytes());
                let data = &prepared.dataset;
                for windows in [&data.train, &data.validation, &data.test] {
                    let places = windows.episode.iter().chain(&windows.start);
                    sum.add_numbers(&places.map(|place| f64::from(*place)).collect::<Vec<_>>());
                }
            }
            None => [&prepared.train, &prepared.validation, &prepared.test].iter().for_each(|t| add(&mut sum, t)),
        }
        sum.digits()
    }
}

fn add(sum: &mut Checksum, trajectories: &Trajectories) {
    let (Start::States(start) | Start::Observations(start)) = &trajectories.start;
    let targets = trajectories.targets.as_deref().unwrap_or(&[]);
    [start, &trajectories.inputs, &trajectories.t0, targets].iter().for_each(|numbers| sum.add_numbers(numbers));
}
