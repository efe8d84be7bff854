//! The reference itself, which judges the devices, against the goldens.

use crate::common::{Tolerance, assert_close};
use greybox::data::npz::Arrays;
use greybox::device::reference::{Held, Point, objective};
use greybox::device::{Job, Trajectories};
use greybox::model::{Model, load_weights};
use greybox::study::Study;
use std::path::Path;

#[test]
fn objective_of_the_goldens() {
    for name in ["reaction_diffusion", "advection", "grid_mixed"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        let study = Study::open(&folder.join("model.toml"), false).unwrap_or_else(|e| panic!("{e}"));
        let model = Model::load(study.spec, &folder).unwrap_or_else(|e| panic!("{e}"));
        let weights = load_weights(&folder.join("weights.safetensors"), &model.weights).unwrap();
        let input = Arrays::read(&folder.join("in.npz")).unwrap();
        let expected = Arrays::read(&folder.join("expected.npz")).unwrap();
        let (s0, y) = (input.get("s0").unwrap(), input.get("y").unwrap());
        let mut trajectories = Trajectories::from_states(s0.shape[0], y.shape[1], s0.values.clone());
        trajectories.targets = Some(y.values.clone());
        let (rows, theta) = (trajectories.rows(), input.get("theta").unwrap().values.clone());
        let job = Job::new(&trajectories, &rows, &theta, &weights, &model.objective);
        job.check(&model).unwrap();
        let (terms, _) = objective(&model, &job, &Point::of(&job, &model), &mut Held::default());
        let tolerance = Tolerance { relative: 1e-12, absolute: 0.0 };
        assert_close(name, &[terms.objective], &expected.get("objective").unwrap().values, tolerance);
        assert_close(name, &[terms.loss.unwrap()], &expected.get("loss").unwrap().values, tolerance);
    }
}
