//! ⟨A x, y⟩ = ⟨x, Aᵀ y⟩ for every linear operator on cells, through the public face of the device.
//!
//! A `map` model applies A once. With targets y₀ its loss is mean (A x − y₀)², so the derivative with respect to x is
//! 2/N Aᵀ r with r = A x − y₀, and ⟨A v, r⟩ must be N/2 ⟨v, derivative⟩ for any v.

use crate::common::model;
use crate::{BOUNDARIES, toml};
use greybox::device::{Device, Job, Trajectories, Wanted, cpu::Cpu};
use greybox::model::Model;
use greybox::program::Weights;
use greybox::rng::{Purpose, Stream};

fn check(name: &str, model: &Model) {
    let stream = Stream::new(3, Purpose::Simulation);
    let n = model.state_len();
    let random = |step: u32, count: usize| -> Vec<f64> {
        (0..count as u32).map(|i| 2.0 * stream.uniform(i, step) - 1.0).collect()
    };
    let (x, v, target) = (random(0, n), random(1, n), random(2, n));
    let weights = Weights { members: 1, values: random(3, model.weights.per_member()) };
    let device = Cpu::<f64>::new(model, 1 << 26);
    let run = |start: &[f64]| -> (Vec<f64>, Vec<f64>) {
        let mut trajectories = Trajectories::from_states(1, 1, start.to_vec());
        trajectories.targets = Some(target.clone());
        let rows = trajectories.rows();
        let job = Job::new(&trajectories, &rows, &[], &weights, &model.objective);
        let gradient = device.gradient(&job, Wanted { weights: false, inputs: true }).unwrap();
        (device.simulate(&job).unwrap().predictions, gradient.start)
    };
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (image, derivative) = run(&x);
    let residual: Vec<f64> = image.iter().zip(&target).map(|(a, y)| a - y).collect();
    let (forward, reverse) = (dot(&run(&v).0, &residual), n as f64 / 2.0 * dot(&v, &derivative));
    let scale: f64 = residual.iter().map(|r| r.abs()).sum::<f64>() * image.iter().fold(0.0f64, |m, a| m.max(a.abs()));
    assert!(scale > 0.0 && forward != 0.0, "{name}: nothing was compared");
    assert!((forward - reverse).abs() <= 1e-12 * scale, "{name}: {forward} and {reverse}");
}

#[test]
fn every_stencil_and_boundary() {
    let sizes = ["[3, 3]", "[3, 7]", "[9, 4]", "[33, 40]", "[3]", "[50]"];
    for (size, boundary) in sizes.iter().flat_map(|s| BOUNDARIES.map(|b| (s, b))) {
        for member in ["left", "right", "laplacian", "dx", "up", "down", "dy"] {
            if !size.contains(',') && ["up", "down", "dy"].contains(&member) {
                continue;
            }
            let wgsl = format!(
                "struct State {{ u: f32, v: f32 }}
                 fn physics(s: State, near: Near) -> State {{ return State(near.{member}.v, near.{member}.u); }}"
            );
            check(&format!("{member} on {size}, {boundary}"), &model(&toml(size, boundary, "map", 1.0, ""), &wgsl));
        }
    }
}

#[test]
fn every_convolution_and_padding() {
    let wgsl = |channels: usize| {
        let members: Vec<String> = (0..channels).map(|i| format!("c{i}: f32")).collect();
        let results: Vec<String> = (0..channels).map(|i| format!("g[{i}]")).collect();
        format!(
            "struct State {{ {} }}\nfn physics(s: State) -> State {{ return s; }}
             fn rhs(g: array<f32, {channels}>) -> State {{ return State({}); }}",
            members.join(", "),
            results.join(", ")
        )
    };
    // One layer without bias is linear; channels reach every block of the product and its remainders.
    for channels in [1, 2, 3, 9, 13] {
        for (size, boundary) in
            ["[3, 3]", "[5, 8]", "[17, 31]", "[3]", "[40]"].iter().flat_map(|s| BOUNDARIES.map(|b| (s, b)))
        {
            let net = format!("[net.g]\nkind = \"conv\"\nbias = false\npadding = \"{boundary}\"\n");
            // The grid's own boundary must not matter.
            let model = model(&toml(size, "zero", "map", 1.0, &net), &wgsl(channels));
            check(&format!("{channels} channels on {size}, {boundary}"), &model);
        }
    }
}
