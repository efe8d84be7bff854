//! Predictions of static models: observed rows against predicted ones.

use super::Failure;
use super::figures::Results;
use super::pipeline::Pipeline;
use crate::device::Job;
use crate::report::{Draw, Example, Figure, Section, Trace, Trajectories as TrajectoryFigure};
use crate::study::trajectories;

/// Values of θ along the diagonal of the box.
const SPREAD: usize = 9;

/// Observations and predictions over the only input, or observations over predictions where there are more.
pub fn rows(pipeline: &Pipeline, results: &Results) -> Result<Section, Failure> {
    let model = &pipeline.model;
    let all = trajectories(pipeline.test_windows(), &pipeline.prepared.dataset.residual_scale);
    let (n, k, m) = (all.count, model.outputs.len(), model.inputs.len());
    let spec = |i: usize| model.theta_spec(i);
    let middle = || (0..model.theta.len()).map(|i| spec(i).at(0.5)).collect::<Vec<f64>>();
    let estimate = results.estimates.first().map_or_else(middle, |e| e.theta.clone());
    let along = |s: usize, i: usize| {
        let value = spec(i).at(s as f64 / (SPREAD - 1) as f64);
        if value.is_finite() { value } else { estimate[i] }
    };
    let diagonal = (0..SPREAD).map(|s| (0..estimate.len()).map(|i| along(s, i)).collect());
    let thetas: Vec<Vec<f64>> = std::iter::once(estimate.clone()).chain(diagonal).collect();
    let rows: Vec<u32> = thetas.iter().flat_map(|_| 0..n as u32).collect();
    let theta: Vec<f64> = thetas.iter().flat_map(|t| t.repeat(n)).collect();
    let job = Job::new(&all, &rows, &theta, &results.weights, &model.objective);
    let predicted = pipeline.device.simulate(&job)?.predictions;
    let targets = all.targets.clone().unwrap_or_default();
    let trace = |order: &[usize], o: usize| {
        let run = |s: usize| order.iter().map(move |row| (s * n + row) * k + o).collect::<Vec<usize>>();
        let runs: Vec<Vec<f64>> = (0..=SPREAD).map(|s| run(s).iter().map(|i| predicted[*i]).collect()).collect();
        let extreme = |pick: fn(f64, f64) -> f64| {
            (0..n).map(|j| runs.iter().map(|r| r[j]).reduce(pick).unwrap_or(f64::NAN)).collect()
        };
        Trace {
            observed: order.iter().map(|row| targets[row * k + o]).collect(),
            predicted: runs[0].clone(),
            spread: Some((extreme(f64::min), extreme(f64::max))),
        }
    };
    let sorted = |value: &dyn Fn(usize) -> f64| {
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|a, b| value(*a).total_cmp(&value(*b)));
        order
    };
    let (figure, caption) = if m == 1 {
        let input = |row: usize| all.inputs[2 * row + 1];
        let order = sorted(&input);
        let example = Example {
            name: format!("{n} rows"),
            time: order.iter().map(|row| input(*row)).collect(),
            traces: (0..k).map(|o| trace(&order, o)).collect(),
        };
        let figure = TrajectoryFigure {
            time_label: model.inputs[0].clone(),
            outputs: model.outputs.clone(),
            examples: vec![example],
        };
        (figure, "Observed rows, prediction at the estimate, and its spread over the box of the parameters.")
    } else {
        let example = |o: usize| {
            let order = sorted(&|row| predicted[row * k + o]);
            // The line is the diagonal: what is predicted, over itself.
            let trace = Trace { spread: None, ..trace(&order, o) };
            Example { name: model.outputs[o].clone(), time: trace.predicted.clone(), traces: vec![trace] }
        };
        let figure = TrajectoryFigure {
            time_label: "predicted".into(),
            outputs: vec!["observed".into()],
            examples: (0..k).map(example).collect(),
        };
        (figure, "Observed rows over what is predicted at the estimate; on the line both are the same.")
    };
    let svg = figure.save(&pipeline.out.join("predictions.svg"))?;
    let figures = vec![Figure { caption: caption.into(), svg }];
    Ok(Section { heading: "Predictions".into(), figures, ..Section::default() })
}
