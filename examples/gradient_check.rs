//! The exact reverse of a rollout against central differences, in double precision.
//!
//!     cargo run --release --example gradient_check

use greybox::device::{self, Job, Precision, Request, Trajectories, Wanted};
use greybox::model::initialise;
use greybox::program::Weights;
use greybox::study::Study;

const WGSL: &str = "
struct State { x: f32, v: f32 }
struct Theta { stiffness: f32, damping: f32 }

fn physics(s: State, theta: Theta) -> State {
    return State(s.v, -theta.stiffness * s.x - theta.damping * s.v);
}

// Without this the network would also see stopgrad(physics), whose derivative differences cannot leave out.
fn features(s: State) -> array<f32, 2> {
    return array<f32, 2>(s.x, s.v);
}";

const TOML: &str = r#"
model.physics = "oscillator.wgsl"
net.g = { kind = "mlp", hidden = [16, 16], activation = "tanh" }
solver = { method = "rk4", dt = 0.1 }
penalty = [{ kind = "orthogonality", weight = 0.1 }]
"#;

fn main() -> anyhow::Result<()> {
    let model = TOML.parse::<Study>()?.compile(WGSL)?;
    let device = device::open(&Request::new("cpu", Precision::F64), &model)?;

    // Two trajectories of 20 steps, each with parameters of its own; the observations stay at zero.
    let (starts, theta) = (vec![1.0, 0.0, -0.5, 0.7], vec![2.0, 0.3, 1.5, 0.1]);
    let targets = Some(vec![0.0; 2 * 20 * 2]);
    let weights = initialise(&model.weights, &model.networks, 1, 0);

    // The objective and its derivatives as functions of one vector: weights, then θ, then initial states.
    let point = [weights.values.clone(), theta, starts].concat();
    let (w, t) = (weights.values.len(), weights.values.len() + 4);
    let differentiate = |point: &[f64]| -> anyhow::Result<(f64, Vec<f64>)> {
        let from = Trajectories::from_states(2, 20, point[t..].to_vec());
        let trajectories = Trajectories { targets: targets.clone(), ..from };
        let weights = Weights { members: 1, values: point[..w].to_vec() };
        let job = Job::new(&trajectories, &[0, 1], &point[w..t], &weights, &model.objective);
        let gradient = device.gradient(&job, Wanted { weights: true, inputs: true })?;
        let slopes = [gradient.weights, gradient.theta, gradient.start].concat();
        Ok((gradient.evaluation.terms[0].objective, slopes))
    };

    let (_, exact) = differentiate(&point)?;
    for (name, range) in [("weights", 0..w), ("theta", w..t), ("start", t..point.len())] {
        let (mut largest, mut error) = (0.0f64, 0.0f64);
        for i in range.clone() {
            let shifted = |by: f64| [&point[..i], &[point[i] + by], &point[i + 1..]].concat();
            let h = 1e-5;
            let slope = (differentiate(&shifted(h))?.0 - differentiate(&shifted(-h))?.0) / (2.0 * h);
            (largest, error) = (largest.max(slope.abs()), error.max((slope - exact[i]).abs()));
        }
        println!("{name:>8}: {:3} derivatives up to {largest:.3e}, largest error {error:.1e}", range.len());
    }
    Ok(())
}
