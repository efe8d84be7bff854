//! Your own physics in ten lines of WGSL, completed by a network: a falling ball whose air drag nobody wrote down.
//!
//!     cargo run --release --example own_physics

use greybox::device::{self, Job, Precision, Request, Trajectories};
use greybox::study::Study;
use greybox::train::{TrainConfig, Training};

const WGSL: &str = "
struct State { speed: f32 }
struct Theta { gravity: f32 }

fn physics(s: State, theta: Theta) -> State {
    return State(theta.gravity);
}

fn features(s: State, theta: Theta) -> array<f32, 2> {
    return array<f32, 2>(0.1 * s.speed, theta.gravity - 9.81);
}";

const TOML: &str = r#"
model.physics = "ball.wgsl"
theta.gravity.bounds = [9.0, 10.6]
net.drag = { kind = "mlp", hidden = [16, 16], activation = "tanh" }
solver = { method = "rk4", dt = 0.1 }
"#;

/// The measured speed: drag grows with its square, so that the ball approaches 20 m/s.
fn measured(start: f64, time: f64) -> f64 {
    20.0 * (9.81 / 20.0 * time + (start / 20.0).atanh()).tanh()
}

fn main() -> anyhow::Result<()> {
    let model = TOML.parse::<Study>()?.compile(WGSL)?;
    let device = device::open(&Request::new("cpu", Precision::F32), &model)?;

    // 64 recordings of one second, thrown down at up to 19 m/s.
    let starts: Vec<f64> = (0..64).map(|i| 0.3 * i as f64).collect();
    let speeds = starts.iter().flat_map(|start| (1..=10).map(|k| measured(*start, 0.1 * k as f64)));
    let targets = Some(speeds.collect());
    let recordings = Trajectories { targets, ..Trajectories::from_states(64, 10, starts) };

    // Every step draws gravity from its bounds: the network learns the drag that fits each value.
    let config =
        TrainConfig { epochs: 400, batch: 16, rate: [1e-2, 1e-4], weight_decay: 0.0, ..TrainConfig::default() };
    let training = Training {
        device: device.as_ref(),
        config: &config,
        objective: &model.objective,
        train: &recordings,
        validation: None,
        single: true,
        checkpoint: None,
    };
    let trained = training.run(|metrics| {
        if metrics.epoch == 1 || metrics.epoch % 50 == 0 {
            println!("epoch {:3}: loss {:.2e}", metrics.epoch, metrics.loss);
        }
        true
    })?;

    // Where the recordings never went: three seconds from rest.
    let fall = Trajectories::from_states(1, 30, vec![0.0]);
    let rollout = device.simulate(&Job::new(&fall, &[0], &[9.81], &trained.last, &model.objective))?;
    for k in [10, 20, 30] {
        println!("after {} s: {:.3} m/s, measured {:.3} m/s", k / 10, rollout.states[k], measured(0.0, 0.1 * k as f64));
    }
    Ok(())
}
