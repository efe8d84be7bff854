//! Landscapes: every value is what one evaluation at that point gives, whatever the memory.

use super::{decay, directly, over};
use crate::common::{Case, model};
use greybox::device::{Device, cpu::Cpu};
use greybox::model::Model;
use greybox::study::{Axis, Landscape, landscape};

fn oscillator() -> Model {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[theta]\nc = { bounds = [0.0, 1.0] }\nk = { bounds = [0.5, 2.0] }\n\
                [net.g]\nkind = \"mlp\"\nhidden = [4]\n[solver]\nmethod = \"rk38\"\ndt = 0.1\n\
                [[penalty]]\nkind = \"balance\"\nweight = 0.1\n[[penalty]]\nkind = \"log_orthogonality\"\nweight = 0.01\n";
    let wgsl = "struct State { x: f32, v: f32 }\nstruct Theta { c: f32, k: f32 }\n\
                fn physics(s: State, theta: Theta) -> State { return State(s.v, -theta.k * s.x - theta.c * s.v); }";
    model(toml, wgsl)
}

fn axis(index: usize, name: &str, values: &[f64]) -> Axis {
    Axis { index, name: name.into(), values: values.to_vec() }
}

fn bits(landscape: &Landscape) -> Vec<(String, Vec<u64>)> {
    let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect();
    landscape.quantities.iter().map(|(name, values)| (name.clone(), bits(values))).collect()
}

fn every_value_is_a_direct_one(model: &Model, device: &dyn Device) {
    let case = Case::random(model, 40, 4, 2, 1.0);
    // With a block for every trajectory the sums are added in the order of one evaluation.
    let block: Vec<u32> = (0..40).collect();
    let (ks, cs) = ([0.5, 0.8, 1.1, 1.4, 2.0], [0.0, 0.5, 0.9]);
    // k comes first on the grid although it comes second in θ.
    let axes = || vec![axis(1, "k", &ks), axis(0, "c", &cs)];
    let make = |budget| landscape(&over(device, &case, &block, budget), &model.objective, axes(), &[9.0, 9.0]).unwrap();
    let whole = make(1 << 30);
    // One point at a time, a few, all at once.
    for budget in [0, 30_000, 100_000] {
        assert_eq!(bits(&make(budget)), bits(&whole), "budget {budget}");
    }
    let names: Vec<&str> = whole.quantities.iter().map(|(name, _)| name.as_str()).collect();
    let penalties = ["penalties", "penalty/balance", "penalty/log_orthogonality"];
    assert_eq!(names[..2], ["rmse", "objective"]);
    assert_eq!((&names[2..5], names[5]), (&penalties[..], "mean/correction_squared"));
    let alone = model.objective.penalties_alone().unwrap();
    for (i, k) in ks.iter().enumerate() {
        for (j, c) in cs.iter().enumerate() {
            let terms = directly(device, &case, &model.objective, &[*c, *k]).terms.remove(0);
            let sum: f64 = terms.penalties.iter().zip(&alone.penalties).map(|(value, p)| p.weight * value).sum();
            let first = [terms.loss.unwrap().sqrt(), terms.objective, sum];
            let direct = first.into_iter().chain(terms.penalties).chain(terms.means);
            for ((name, values), direct) in whole.quantities.iter().zip(direct) {
                assert_eq!(values[i * 3 + j].to_bits(), direct.to_bits(), "{name} at k = {k}, c = {c}");
            }
        }
    }
    assert_eq!(whole.failures, [0.0; 15]);
    let rmse = whole.quantity("rmse").unwrap();
    let least = whole.minimum("rmse").unwrap();
    assert!(rmse.iter().all(|v| *v >= rmse[least]) && rmse.iter().any(|v| *v > rmse[least]));
    assert!(whole.quantity("nothing").is_none() && whole.minimum("nothing").is_none());
}

#[test]
fn values_are_those_of_single_evaluations_bit_for_bit() {
    let model = oscillator();
    every_value_is_a_direct_one(&model, &Cpu::<f32>::new(&model, 1 << 26));
    every_value_is_a_direct_one(&model, &Cpu::<f64>::new(&model, 1 << 26));
}

#[test]
fn parameters_that_do_not_vary_keep_their_base() {
    let model = oscillator();
    let case = Case::random(&model, 8, 3, 2, 1.0);
    let device = Cpu::<f64>::new(&model, 1 << 26);
    let block: Vec<u32> = (0..8).collect();
    let sweep = over(&device, &case, &block, 1 << 20);
    let found = landscape(&sweep, &model.objective, vec![axis(1, "k", &[0.7, 1.3])], &[0.25, 9.0]).unwrap();
    let direct = [0.7, 1.3].map(|k| directly(&device, &case, &model.objective, &[0.25, k]).terms[0].objective);
    assert_eq!(found.quantity("objective").unwrap(), direct);
}

#[test]
fn points_that_diverge_hold_nan_and_a_count() {
    let toml =
        "[model]\nphysics = \"t.wgsl\"\n[theta.k]\nbounds = [0.0, 9.0]\n[solver]\nmethod = \"euler\"\ndt = 1.0\n";
    let wgsl = "struct State { x: f32 }\nstruct Theta { k: f32 }\n\
                fn physics(s: State, theta: Theta) -> State { return State(theta.k * s.x * s.x); }";
    let model = model(toml, wgsl);
    let mut case = Case::random(&model, 3, 12, 4, 1.0);
    // From 0 and −0.01 nothing explodes; from 0.5 it does unless k = 0.
    case.trajectories.start = greybox::device::Start::States(vec![0.0, -0.01, 0.5]);
    let device = Cpu::<f32>::new(&model, 1 << 26);
    let axes = vec![axis(0, "k", &[0.0, 8.0, 9.0])];
    let found = landscape(&over(&device, &case, &[0, 0, 0], 1 << 20), &model.objective, axes, &[0.0]).unwrap();
    assert_eq!(found.failures, [0.0, 1.0, 1.0]);
    let rmse = found.quantity("rmse").unwrap();
    assert!(rmse[0].is_finite() && rmse[1].is_nan() && rmse[2].is_nan(), "{rmse:?}");
    assert_eq!(found.minimum("rmse"), Some(0));
}

/// Rows that the data lack are left out of the mean, as everywhere.
#[test]
fn without_observations_there_is_no_rmse_but_there_are_penalties() {
    let model = decay();
    let mut case = Case::random(&model, 5, 3, 2, 1.0);
    case.trajectories.targets = None;
    let device = Cpu::<f64>::new(&model, 1 << 26);
    let axes = vec![axis(0, "k", &[0.0, 1.0])];
    let found = landscape(&over(&device, &case, &[0; 5], 1 << 20), &model.objective, axes, &[0.0]).unwrap();
    assert!(found.quantity("rmse").unwrap().iter().all(|v| v.is_nan()));
    assert_eq!(found.minimum("rmse"), None);
    assert!(found.quantity("penalty/least_action").unwrap().iter().all(|v| v.is_finite() && *v > 0.0));
}

#[test]
fn a_thinned_landscape_keeps_ends_and_values_in_place() {
    let axis = |index: usize, count: usize| Axis {
        index,
        name: format!("p{index}"),
        values: (0..count).map(|i| i as f64).collect(),
    };
    let (rows, columns) = (axis(0, 11), axis(1, 4));
    let value = |r: f64, c: f64| 100.0 * r + c;
    let grid = |rows: &Axis, columns: &Axis| -> Vec<f64> {
        rows.values.iter().flat_map(|r| columns.values.iter().map(move |c| value(*r, *c))).collect()
    };
    let values = grid(&rows, &columns);
    let whole = Landscape {
        quantities: vec![("rmse".into(), values.clone())],
        failures: values,
        axes: vec![rows, columns],
        first_failure: None,
    };
    let thin = whole.thinned(6);
    assert_eq!(thin.axes[0].values, [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
    assert_eq!(thin.axes[1].values, [0.0, 1.0, 2.0, 3.0], "a short axis stays");
    assert_eq!(thin.quantity("rmse").unwrap(), grid(&thin.axes[0], &thin.axes[1]));
    assert_eq!(thin.failures, thin.quantity("rmse").unwrap());
    assert_eq!(whole.thinned(100), whole);
}
