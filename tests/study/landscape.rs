//! Landscapes: every value is what one evaluation at that point gives, whatever the memory.

use super::{decay, directly, over};
use crate::common::{Case, model};
use greybox::device::{Device, DeviceError, Evaluation, Gradient, Job, Rollout, Wanted, cpu::Cpu};
use greybox::model::Model;
use greybox::study::{Axis, Landscape, Study, landscape};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    let make =
        |budget| landscape(&over(device, &case, &block, budget), &model.objective, &[], axes(), &[9.0, 9.0]).unwrap();
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
    let found = landscape(&sweep, &model.objective, &[], vec![axis(1, "k", &[0.7, 1.3])], &[0.25, 9.0]).unwrap();
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
    let found = landscape(&over(&device, &case, &[0, 0, 0], 1 << 20), &model.objective, &[], axes, &[0.0]).unwrap();
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
    let found = landscape(&over(&device, &case, &[0; 5], 1 << 20), &model.objective, &[], axes, &[0.0]).unwrap();
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
        whole: None,
    };
    let thin = whole.thinned(6);
    assert_eq!(thin.axes[0].values, [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
    assert_eq!(thin.axes[1].values, [0.0, 1.0, 2.0, 3.0], "a short axis stays");
    assert_eq!(thin.quantity("rmse").unwrap(), grid(&thin.axes[0], &thin.axes[1]));
    assert_eq!(thin.failures, thin.quantity("rmse").unwrap());
    assert_eq!(whole.thinned(100), whole);
}

/// The predators and prey with four free parameters that lie beside this file.
fn four_rates(set: &[&str]) -> Result<Vec<Axis>, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/study/predator-prey");
    let settings: Vec<String> = set.iter().map(|s| s.to_string()).collect();
    let study = Study::open_with(&path, false, &settings).map_err(|e| e.to_string())?;
    study.axes(&study.model().unwrap()).map_err(|e| e.to_string())
}

#[test]
fn axes_and_points_are_those_asked_for() {
    let sizes = |set: &[&str]| -> Vec<(String, usize)> {
        four_rates(set).unwrap().into_iter().map(|axis| (axis.name, axis.values.len())).collect()
    };
    let named = |all: &[(&str, usize)]| all.iter().map(|(n, p)| (n.to_string(), *p)).collect::<Vec<_>>();
    assert_eq!(sizes(&[]), named(&[("birth", 11), ("hunting", 11), ("growth", 11), ("death", 11)]));
    let two = "landscape.axes=[\"death\", \"birth\"]";
    assert_eq!(sizes(&[two, "landscape.points=[3, 5]"]), named(&[("death", 3), ("birth", 5)]));
    assert_eq!(sizes(&[two, "landscape.points={ birth = 4 }"]), named(&[("death", 21), ("birth", 4)]));
    let one = "landscape.axes=[\"growth\"]";
    assert_eq!(sizes(&[one, "landscape.points={}"]), named(&[("growth", 101)]));
    let refused = |set: &[&str], parts: &[&str]| {
        let message = four_rates(set).unwrap_err();
        assert_eq!(message.matches("help: ").count(), 1, "{message}");
        parts.iter().for_each(|part| assert!(message.contains(part), "`{part}` is not in {message}"));
    };
    refused(&[two, "landscape.points=[3]"], &["landscape.points: 1 numbers for 2 axes", "death, birth"]);
    refused(&[two, "landscape.points={ growth = 3 }"], &["`growth` is no axis", "death, birth"]);
    refused(&[two, "landscape.points=1"], &["1 on an axis", "at least 2"]);
    refused(&["landscape.points=600"], &["600 × 600 × 600 × 600", "fewer points"]);
    refused(&["landscape.points=[10000000000, 10000000000, 10000000000, 2]"], &["fewer points"]);
    refused(&["landscape.points=\"many\""], &["expected a whole number, a list of one per axis"]);
    refused(&["landscape.axes=[\"birth\", \"death\", \"birth\"]"], &["names birth twice"]);
}

/// A device that notes how many samples its largest job had.
struct Watched<'a>(&'a dyn Device, AtomicUsize);

impl Device for Watched<'_> {
    fn description(&self) -> String {
        self.0.description()
    }
    fn model(&self) -> &Model {
        self.0.model()
    }
    fn simulate(&self, job: &Job) -> Result<Rollout, DeviceError> {
        self.0.simulate(job)
    }
    fn evaluate(&self, job: &Job) -> Result<Evaluation, DeviceError> {
        self.1.fetch_max(job.samples(), Ordering::SeqCst);
        self.0.evaluate(job)
    }
    fn gradient(&self, job: &Job, wanted: Wanted) -> Result<Gradient, DeviceError> {
        self.0.gradient(job, wanted)
    }
}

/// What a sweep holds at a time is bounded by its budget, whatever the number of points, and what it finds is the same.
#[test]
fn many_points_stream_through_jobs_of_bounded_size() {
    let model = oscillator();
    let case = Case::random(&model, 5, 2, 3, 1.0);
    let cpu = Cpu::<f32>::new(&model, 1 << 26);
    let block: Vec<u32> = (0..5).collect();
    let share = |points: usize| (0..points).map(|i| i as f64 / points as f64).collect::<Vec<f64>>();
    let largest = |points: usize| {
        let device = Watched(&cpu, AtomicUsize::new(0));
        let axes = vec![axis(0, "c", &share(points)), axis(1, "k", &share(points))];
        let found = landscape(&over(&device, &case, &block, 60_000), &model.objective, &[], axes, &[0.0, 0.0]).unwrap();
        (device.1.into_inner(), found)
    };
    let ((few, _), (many, found)) = (largest(40), largest(80));
    assert_eq!(few, many);
    assert!(many % 5 == 0 && many * size_of::<greybox::model::Sums>() <= 60_000 && many < 80 * 80 * 5, "{many}");
    // A tile holds trajectories of several points; each is as if it had been alone.
    for position in [0, 17, 3_333, 6_399] {
        let theta = found.at(position);
        let terms = directly(&cpu, &case, &model.objective, &theta).terms.remove(0);
        assert_eq!(found.quantity("objective").unwrap()[position].to_bits(), terms.objective.to_bits());
    }
}

#[test]
fn slices_and_profiles_pick_from_any_axes() {
    let sizes = [3, 4, 2, 5];
    let axes: Vec<Axis> = sizes
        .iter()
        .enumerate()
        .map(|(i, n)| axis(i, &format!("p{i}"), &(0..*n).map(|v| v as f64).collect::<Vec<_>>()))
        .collect();
    let count: usize = sizes.iter().product();
    let mut found =
        Landscape { axes, quantities: vec![], failures: vec![0.0; count], first_failure: None, whole: None };
    let value = |at: &[f64]| 1000.0 * at[0] + 100.0 * at[1] + 10.0 * at[2] + at[3];
    found.quantities = vec![("rmse".into(), (0..count).map(|i| value(&found.at(i))).collect())];
    let through = found.nearest(&[1.4, 9.0, 0.2, 2.6]);
    assert_eq!(found.at(through), [1.0, 3.0, 0.0, 3.0]);
    let slice = found.slice("rmse", [3, 1], through).unwrap();
    let direct: Vec<f64> =
        (0..5).flat_map(|r| (0..4).map(move |c| value(&[1.0, f64::from(c), 0.0, f64::from(r)]))).collect();
    assert_eq!(slice, direct);
    assert_eq!(found.profile("rmse", 1).unwrap(), [0.0, 100.0, 200.0, 300.0]);
    // Points that failed are passed over; where all failed there is nothing.
    let (inside, nowhere) = (found.nearest(&[0.0, 2.0, 0.0, 0.0]), |at: &[f64]| at[1] == 3.0);
    let holes: Vec<usize> = (0..count).filter(|i| *i == inside || nowhere(&found.at(*i))).collect();
    holes.iter().for_each(|i| found.quantities[0].1[*i] = f64::NAN);
    let profile = found.profile("rmse", 1).unwrap();
    assert!(profile[..3] == [0.0, 100.0, 201.0] && profile[3].is_nan(), "{profile:?}");
    let minima = found.minima("rmse").unwrap();
    assert_eq!(minima.minima.iter().map(|m| m.position).collect::<Vec<_>>(), [0]);
    assert!(found.minima("nothing").is_none() && found.slice("nothing", [0, 1], 0).is_none());
}
