//! What a landscape was computed from: two stores with the same identity hold the same numbers, up to what adapters make of
//! the last digits.

use crate::device::{Start, Trajectories};
use crate::model::Model;
use crate::store::Checksum;
use crate::study::landscape::Axis;
use crate::study::sweep::Sweep;
use std::collections::BTreeMap;

/// What tells landscapes apart, by name: checksums, and in words what can be said in words.
pub type Identity = BTreeMap<String, String>;

/// The identity of a landscape around `base`, the values of the parameters that do not vary.
pub fn identity(setting: &Sweep, axes: &[Axis], base: &[f64]) -> Identity {
    let model = setting.device.model();
    // A device computes in its own precision. Adapters differ in the last digits, and may share a landscape all the same: who
    // spreads it over machines cannot choose.
    let device = setting.device.description();
    let arithmetic = device.split(',').next().unwrap_or_default();
    let arithmetic = if arithmetic.starts_with("cpu") { arithmetic } else { "gpu f32" };
    let parts = [
        ("arithmetic", arithmetic.to_string()),
        ("axes", of_axes(axes)),
        ("data", of_data(setting.trajectories, setting.block)),
        ("model", of_model(model)),
        ("other parameters", of_others(model, axes, base)),
        ("version of greybox", env!("CARGO_PKG_VERSION").to_string()),
        ("weights", of_numbers(&[&setting.weights.values])),
    ];
    parts.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

fn of_numbers(parts: &[&[f64]]) -> String {
    let mut checksum = Checksum::new();
    parts.iter().for_each(|part| checksum.add_numbers(part));
    checksum.digits()
}

fn of_axes(axes: &[Axis]) -> String {
    let axis = |a: &Axis| format!("{} {} {}", a.name, a.values.len(), of_numbers(&[&a.values]));
    axes.iter().map(axis).collect::<Vec<_>>().join(", ")
}

fn of_model(model: &Model) -> String {
    let mut checksum = Checksum::new();
    checksum.add(model.source.as_bytes());
    checksum.add(format!("{:?}", model.spec).as_bytes());
    checksum.digits()
}

fn of_data(data: &Trajectories, block: &[u32]) -> String {
    let (Start::States(start) | Start::Observations(start)) = &data.start;
    let none = Vec::new();
    let optional = [&data.times, &data.targets, &data.residual_scale].map(|part| part.as_ref().unwrap_or(&none));
    let blocks: Vec<f64> = block.iter().map(|b| f64::from(*b)).collect();
    of_numbers(&[start, &data.inputs, &data.t0, optional[0], optional[1], optional[2], &blocks])
}

/// Parameters that do not vary, which may be estimates.
fn of_others(model: &Model, axes: &[Axis], base: &[f64]) -> String {
    let fixed = fixed(model, axes, base);
    fixed.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(", ")
}

/// Parameters that are no axis, with their values.
pub(super) fn fixed(model: &Model, axes: &[Axis], base: &[f64]) -> BTreeMap<String, f64> {
    let varies = |i: usize| axes.iter().any(|axis| axis.index == i);
    let others = model.theta.iter().zip(base).enumerate().filter(|(i, _)| !varies(*i));
    others.map(|(_, (name, value))| (name.clone(), *value)).collect()
}
