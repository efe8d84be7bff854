//! Simulate a system written in WGSL: neither network nor data, only a table of trajectories.
//!
//!     cargo run --release --example simulate

use greybox::device::{self, Job, Precision, Request, Trajectories};
use greybox::program::Weights;
use greybox::study::Study;

const WGSL: &str = "
struct State { angle: f32, velocity: f32 }
struct Theta { gravity: f32, friction: f32 }

fn physics(s: State, theta: Theta) -> State {
    return State(s.velocity, -theta.gravity * sin(s.angle) - theta.friction * s.velocity);
}";

const TOML: &str = r#"
model.physics = "pendulum.wgsl"
solver = { method = "rk4", dt = 0.25, substeps = 10 }
"#;

fn main() -> anyhow::Result<()> {
    let model = TOML.parse::<Study>()?.compile(WGSL)?;
    let device = device::open(&Request::new("cpu", Precision::F64), &model)?;

    // Three pendulums are let go at one radian: on the Earth, on the Moon, and in honey. Arrays are flat and row-major.
    let starts = [1.0, 0.0].repeat(3);
    let theta = [9.81, 0.0, 1.62, 0.0, 9.81, 6.0];

    let trajectories = Trajectories::from_states(3, 12, starts);
    let (rows, weights) = (trajectories.rows(), Weights::zeros(&model.weights, 1));
    let rollout = device.simulate(&Job::new(&trajectories, &rows, &theta, &weights, &model.objective))?;

    println!("time (s)    earth     moon    honey   (angle in radians)");
    for k in 0..=trajectories.steps {
        let angle = |pendulum: usize| rollout.states[(pendulum * (trajectories.steps + 1) + k) * model.state.len()];
        println!("{:8.2} {:8.4} {:8.4} {:8.4}", 0.25 * k as f64, angle(0), angle(1), angle(2));
    }
    Ok(())
}
