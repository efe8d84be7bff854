//! How well do ten noisy recordings identify two parameters? The prediction error over a grid of both, as a heat map.
//!
//!     cargo run --release --example landscape

use greybox::device::{self, Job, Precision, Request, Trajectories};
use greybox::program::Weights;
use greybox::report::{Draw, HeatAxis, HeatMap, MarkKind, PointMark, Size};
use greybox::rng::{Purpose, Stream};
use greybox::study::{Axis, Study, Sweep, landscape};

const WGSL: &str = "
struct State { x: f32, v: f32 }
struct Theta { stiffness: f32, damping: f32 }

fn physics(s: State, theta: Theta) -> State {
    return State(s.v, -theta.stiffness * s.x - theta.damping * s.v);
}";

const TOML: &str = r#"
model.physics = "oscillator.wgsl"
theta.stiffness.bounds = [1.0, 3.0]
theta.damping.bounds = [0.0, 1.0]
solver = { method = "rk4", dt = 0.2, substeps = 2 }
"#;

fn main() -> anyhow::Result<()> {
    let model = TOML.parse::<Study>()?.compile(WGSL)?;
    let device = device::open(&Request::new("cpu", Precision::F64), &model)?;
    let weights = Weights::zeros(&model.weights, 1);

    // Ten recordings of the truth, with noise.
    let (truth, noise) = ([2.0, 0.3], Stream::new(0, Purpose::Noise));
    let starts = (0..20).map(|i| noise.normal(i, 0)).collect();
    let mut recordings = Trajectories::from_states(10, 25, starts);
    let rows = recordings.rows();
    let everywhere = truth.repeat(10);
    let exact = device.simulate(&Job::new(&recordings, &rows, &everywhere, &weights, &model.objective))?.predictions;
    recordings.targets = Some(exact.iter().zip(0..).map(|(y, i)| y + 0.1 * noise.normal(i, 1)).collect());

    // Each recording is a block of its own; all of them run at every point of the grid.
    let sweep = Sweep::new(device.as_ref(), &weights, &recordings, &rows);
    let axes = vec![Axis::across(&model, 0, 41), Axis::across(&model, 1, 41)];
    let found = landscape(&sweep, &model.objective, &[], axes, &truth)?;
    let best = found.at(found.minimum("rmse").unwrap_or(0));
    println!("least error at stiffness {:.3}, damping {:.3}; truth {:?}", best[0], best[1], truth);

    let axis = |i: usize| HeatAxis::new(&found.axes[i].name, &found.axes[i].values);
    let figure = HeatMap {
        title: "Prediction error of a damped oscillator".into(),
        x: axis(1),
        y: axis(0),
        label: "RMSE".into(),
        values: found.quantity("rmse").unwrap_or_default().to_vec(),
        marks: vec![
            PointMark::new("truth", truth[1], truth[0], MarkKind::Truth),
            PointMark::new("least error", best[1], best[0], MarkKind::Estimate),
        ],
        size: Size { width: 900, height: 560 },
        ..HeatMap::default()
    };
    let path = std::env::temp_dir().join("landscape.svg");
    figure.save(&path)?;
    println!("{}", path.display());
    Ok(())
}
