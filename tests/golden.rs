//! The contract: independent float64 results for states, predictions, objective and derivatives.

mod common;
use common::{Tolerance, assert_close};
use greybox::data::npz::Arrays;
use greybox::device::{Device, Job, Start, Trajectories, Wanted, cpu::Cpu};
use greybox::model::{Model, load_weights};
use greybox::study::Study;
use std::path::Path;

fn check(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let study = Study::open(&folder.join("model.toml"), false).unwrap_or_else(|e| panic!("{e}"));
    let model = Model::load(study.spec, &folder).unwrap_or_else(|e| panic!("{e}"));
    let weights = load_weights(&folder.join("weights.safetensors"), &model.weights).unwrap_or_else(|e| panic!("{e}"));
    let input = Arrays::read(&folder.join("in.npz")).unwrap_or_else(|e| panic!("{e}"));
    let expected = Arrays::read(&folder.join("expected.npz")).unwrap_or_else(|e| panic!("{e}"));
    let values = |name: &str| input.get(name).map(|a| a.values.clone());
    let y = input.get("y").expect("observations");
    let trajectories = Trajectories {
        count: y.shape[0],
        steps: y.shape[1],
        start: Start::States(values("s0").expect("initial states")),
        inputs: values("u").unwrap_or_default(),
        t0: Vec::new(),
        times: None,
        targets: Some(y.values.clone()),
        residual_scale: None,
    };
    let rows: Vec<u32> = (0..trajectories.count as u32).collect();
    let theta = values("theta").expect("parameters");
    let job = Job::new(&trajectories, &rows, &theta, &weights, &model.objective);
    let devices: [(Box<dyn Device>, f64); 2] =
        [(Box::new(Cpu::<f64>::new(&model, 1 << 28)), 1e-9), (Box::new(Cpu::<f32>::new(&model, 1 << 28)), 2e-4)];
    for (device, relative) in devices {
        let rollout = device.simulate(&job).unwrap_or_else(|e| panic!("{e}"));
        let gradient = device.gradient(&job, Wanted { weights: true, inputs: true }).unwrap_or_else(|e| panic!("{e}"));
        let terms = &rollout.evaluation.terms[0];
        let mut checked = 0;
        for (array, expectation) in expected.iter() {
            let found: Vec<f64> = match array {
                "states" => rollout.states.clone(),
                "y_hat" => rollout.predictions.clone(),
                "loss" => vec![terms.loss.expect("a loss")],
                "objective" => vec![terms.objective],
                "grad_s0" => gradient.start.clone(),
                "grad_theta" => gradient.theta.clone(),
                other => match (other.strip_prefix("grad/"), other.strip_prefix("penalty/")) {
                    (Some(weight), _) => {
                        let shape = model.weights.shapes().iter().find(|s| s.name == weight).expect("a known weight");
                        gradient.weights[shape.offset..shape.offset + shape.len()].to_vec()
                    }
                    (_, Some(kind)) => {
                        let i = model.objective.penalties.iter().position(|p| p.name == kind).expect("a known penalty");
                        vec![terms.penalties[i]]
                    }
                    _ => panic!("unknown array {other}"),
                },
            };
            let label = format!("{name}/{array} on {}", device.description());
            assert_close(&label, &found, &expectation.values, Tolerance { relative, absolute: 0.0 });
            checked += 1;
        }
        assert!(checked >= 8, "{name}: only {checked} arrays");
    }
}

#[test]
fn pendulum() {
    check("pendulum");
}

#[test]
fn lotka_volterra() {
    check("lotka_volterra");
}

#[test]
fn hamiltonian() {
    check("hamiltonian");
}

#[test]
fn driven_oscillator() {
    check("driven_oscillator");
}

#[test]
fn held_input() {
    check("held_input");
}

#[test]
fn queue_map() {
    check("queue_map");
}

#[test]
fn reaction_diffusion() {
    check("reaction_diffusion");
}

#[test]
fn advection() {
    check("advection");
}

#[test]
fn grid_mixed() {
    check("grid_mixed");
}
