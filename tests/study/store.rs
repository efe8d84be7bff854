//! Landscapes in files: what is written is what is computed in memory, whatever chunks, parts and interruptions there are.

use super::{decay, over};
use crate::common::{Case, model};
use greybox::device::{Start, cpu::Cpu};
use greybox::model::Model;
use greybox::study::{
    Axis, Contents, Filled, Landscape, LandscapeError, LandscapeStore, Part, Sweep, Whole, identity, landscape,
    quantity_names, verify,
};
use std::path::Path;

/// Explodes where k is large, unless it starts at 0. Its parameters have names that a landscape needs as well.
fn explosive() -> Model {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[theta]\nrmse = { bounds = [0.0, 1.0] }\nFailures = { bounds = [0.5, 2.0] }\n\
                [solver]\nmethod = \"euler\"\ndt = 1.0\n";
    let wgsl = "struct State { x: f32 }\nstruct Theta { rmse: f32, Failures: f32 }\n\
                fn physics(s: State, theta: Theta) -> State { return State(theta.rmse * s.x * s.x * theta.Failures); }";
    model(toml, wgsl)
}

fn create(
    path: &Path,
    sweep: &Sweep,
    axes: &[Axis],
    base: &[f64],
    chunk: usize,
) -> Result<LandscapeStore, LandscapeError> {
    let model = sweep.device.model();
    let (quantities, identity) = (quantity_names(&model.objective, &[]), identity(sweep, axes, base));
    LandscapeStore::create(path, Contents { title: "", model, axes, base, quantities, chunk, identity })
}

fn fill(store: &LandscapeStore, sweep: &Sweep, base: &[f64], part: Part) -> Filled {
    store.fill(sweep, (&sweep.device.model().objective, &[]), base, part, |_| true).unwrap()
}

#[track_caller]
fn same(found: &Landscape, expected: &Landscape) {
    let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<u64>>();
    assert_eq!(found.axes, expected.axes);
    assert_eq!(found.failures, expected.failures);
    assert_eq!(found.first_failure, expected.first_failure);
    assert_eq!(found.quantities.len(), expected.quantities.len());
    for ((name, found), (other, expected)) in found.quantities.iter().zip(&expected.quantities) {
        assert_eq!(name, other);
        assert_eq!(bits(found), bits(expected), "{name}");
    }
}

#[test]
fn files_hold_what_memory_would_whatever_the_chunks() {
    let model = explosive();
    let mut case = Case::random(&model, 3, 12, 4, 1.0);
    case.trajectories.start = Start::States(vec![0.0, -0.01, 0.5]);
    let device = Cpu::<f32>::new(&model, 1 << 26);
    let sweep = over(&device, &case, &[0, 0, 1], 1 << 20);
    let axes: Vec<Axis> = [7, 5].iter().enumerate().map(|(i, n)| Axis::across(&model, i, *n)).collect();
    let expected = landscape(&sweep, &model.objective, &[], axes.clone(), &[0.0, 0.0]).unwrap();
    let failed = expected.failures.iter().filter(|f| **f > 0.0).count();
    assert!(failed > 5 && failed < 30 && expected.first_failure.is_some(), "{failed}");
    for chunk in [1, 4, 15, 1000] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l.zarr");
        let store = create(&path, &sweep, &axes, &[0.0, 0.0], chunk).unwrap();
        let all = store.chunks().count();
        // In two parts, the second one first, then what is left: nothing.
        let second = fill(&store, &sweep, &[0.0, 0.0], Part { index: 1, of: 2 });
        assert_eq!(second, Filled { computed: all / 2, kept: 0, all: all / 2 });
        assert!(matches!(store.load(&[0.0, 0.0], 100), Err(LandscapeError::Incomplete { .. })));
        fill(&store, &sweep, &[0.0, 0.0], Part { index: 0, of: 2 });
        assert_eq!(fill(&store, &sweep, &[0.0, 0.0], Part::ALL), Filled { computed: 0, kept: all, all });
        same(&store.load(&[0.0, 0.0], 100).unwrap(), &expected);
        let (opened, found) = verify(&path).unwrap();
        assert!(found.is_complete() && found.finished == all && found.failed == failed, "{found:?}");
        same(&opened.load(&[0.0, 0.0], 100).unwrap(), &expected);
        // Names that parameters have taken.
        for array in ["rmse", "rmse_", "Failures", "failures_", "objective", "mean_correction_squared"] {
            assert!(path.join(array).join("zarr.json").is_file(), "{array}");
        }
    }
}

#[test]
fn a_large_landscape_is_held_in_part_with_what_is_least() {
    let model = decay();
    let axes = vec![Axis::across(&model, 0, 1001)];
    let least = 333;
    let value = |i: usize| (i as f64 - least as f64).abs() + if i == 998 { 1e4 } else { 0.0 };
    let whole = Landscape {
        quantities: vec![("rmse".into(), (0..1001).map(value).collect())],
        failures: (0..1001).map(|i| f64::from(u8::from(i % 100 == 7))).collect(),
        first_failure: None,
        whole: None,
        axes: axes.clone(),
    };
    let folder = tempfile::tempdir().unwrap();
    let (identity, quantities) = (Default::default(), vec!["rmse".to_string()]);
    let contents = Contents { title: "", model: &model, axes: &axes, base: &[0.0], quantities, chunk: 64, identity };
    let store = LandscapeStore::create(&folder.path().join("l.zarr"), contents).unwrap();
    store.write(&whole).unwrap();
    assert_eq!(store.load(&[0.0], 1001).unwrap().quantities, whole.quantities);
    let part = store.load(&[0.0], 50).unwrap();
    assert!(part.failures.len() <= 50 && part.failures.len() >= 25, "{}", part.failures.len());
    assert_eq!(part.whole, Some(Whole { points: 1001, failed: 10 }));
    assert_eq!(part.counts(), part.thinned(5).counts());
    let ends = [part.axes[0].values[0], *part.axes[0].values.last().unwrap()];
    assert_eq!(ends, [axes[0].values[0], axes[0].values[1000]]);
    assert!(part.axes[0].values.windows(2).all(|w| w[0] < w[1]));
    let at = part.minimum("rmse").unwrap();
    assert_eq!((part.at(at)[0], part.quantity("rmse").unwrap()[at]), (axes[0].values[least], 0.0));
    assert!(part.quantity("rmse").unwrap().contains(&value(998)), "the largest value is kept too");
    for (theta, found) in part.axes[0].values.iter().zip(part.quantity("rmse").unwrap()) {
        let place = axes[0].values.iter().position(|v| v == theta).unwrap();
        assert_eq!(*found, value(place));
    }
}

#[test]
fn what_a_landscape_was_computed_from_tells_it_from_others() {
    let model = decay();
    let case = Case::random(&model, 4, 3, 2, 1.0);
    let device = Cpu::<f64>::new(&model, 1 << 26);
    let block = [0, 0, 1, 1];
    let sweep = over(&device, &case, &block, 1 << 20);
    let axes = vec![Axis::across(&model, 0, 9)];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("l.zarr");
    create(&path, &sweep, &axes, &[0.0], 4).unwrap();
    // The value of a parameter that varies does not matter.
    create(&path, &sweep, &axes, &[1.0], 4).unwrap();
    let refused = |sweep: &Sweep, axes: &[Axis], chunk: usize, part: &str| {
        let error = create(&path, sweep, axes, &[0.0], chunk).err().expect("this is another landscape");
        let text = error.to_string();
        assert!(matches!(error, LandscapeError::Foreign { .. }), "{text}");
        assert!(text.contains(&format!("differs in {part}")) && text.contains("help: "), "{text}");
    };
    refused(&sweep, &[Axis::across(&model, 0, 10)], 4, "axes");
    refused(&sweep, &axes, 2, "the size of chunks");
    let weights = greybox::program::Weights { members: 1, values: vec![0.5; case.weights.values.len()] };
    refused(&Sweep { weights: &weights, ..over(&device, &case, &block, 0) }, &axes, 4, "weights");
    refused(&over(&device, &case, &[0, 1, 1, 1], 0), &axes, 4, "data");
    let single = Cpu::<f32>::new(&model, 1 << 26);
    refused(&over(&single, &case, &block, 0), &axes, 4, "arithmetic");
    let other = crate::common::model(
        "[model]\nphysics = \"t.wgsl\"\n[theta.k]\nbounds = [-1.0, 2.0]\n[solver]\nmethod = \"rk4\"\ndt = 0.2\n",
        "struct State { x: f32 }\nstruct Theta { k: f32 }\nfn physics(s: State, theta: Theta) -> State { return State(theta.k); }",
    );
    let other = Cpu::<f64>::new(&other, 1 << 26);
    refused(&over(&other, &case, &block, 0), &axes, 4, "model");
}

#[test]
fn what_is_no_landscape_is_refused_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |text: Option<&str>, part: &str| {
        let path = folder.path().join("l.zarr");
        std::fs::create_dir_all(&path).unwrap();
        text.inspect(|text| std::fs::write(path.join("zarr.json"), text).unwrap());
        let error = verify(&path).err().expect("this is no landscape").to_string();
        assert!(error.contains(part) && error.contains("zarr.json") && error.contains("help: "), "{error}");
    };
    refused(None, "No such file");
    refused(Some("{"), "no JSON");
    refused(Some("{\"zarr_format\": 3, \"node_type\": \"group\"}"), "does not describe");
    refused(Some("{\"attributes\": {\"greybox\": {\"layout\": 99}}}"), "its layout is 99");
    refused(Some("{\"attributes\": {\"greybox\": {\"layout\": 1}}}"), "missing field");
    let nonsense = "{\"attributes\": {\"greybox\": {\"layout\": 1, \"axes\": [], \"quantities\": [], \"failures\": [\"a\", \
                    \"b\", \"c\"], \"chunk\": [], \"fixed\": {}, \"identity\": {}}}}";
    refused(Some(nonsense), "do not fit");
}
