//! Predictions of fields as film strips.

use super::Failure;
use super::figures::Results;
use super::pipeline::Pipeline;
use crate::device::{Job, Start, describe_failures};
use crate::report::{Draw, Figure, FilmStrip, Section};
use crate::study::trajectories;

/// Pictures of a film strip.
const PICTURES: usize = 6;

/// The first test sample, observed and predicted at the estimate: a film strip for each output.
pub fn films(pipeline: &Pipeline, results: &Results, size: [usize; 2]) -> Result<Section, Failure> {
    let model = &pipeline.model;
    let all = trajectories(pipeline.test_windows(), &pipeline.prepared.dataset.residual_scale);
    let middle: Vec<f64> = (0..model.theta.len()).map(|i| model.theta_spec(i).at(0.5)).collect();
    let theta = results.estimates.first().map_or(middle, |e| e.theta.clone());
    let job = Job::new(&all, &[0], &theta, &results.weights, &model.objective);
    let rollout = pipeline.device.simulate(&job)?;
    let (k, cells, steps) = (model.output_len(), model.cells(), all.steps);
    let first = match &all.start {
        Start::Observations(values) | Start::States(values) => &values[..k],
    };
    let targets = all.targets.as_deref().unwrap_or(&[]);
    let frame = |values: &[f64], step: usize, output: usize| -> Vec<f64> {
        let frame = if step == 0 { Some(first) } else { values.get((step - 1) * k..step * k) };
        frame.map_or(vec![f64::NAN; cells], |frame| frame[output * cells..(output + 1) * cells].to_vec())
    };
    // All times make the picture of a line of cells; of a plane some are chosen.
    let pictures = if size[0] == 1 { steps + 1 } else { PICTURES.min(steps + 1) };
    let chosen: Vec<usize> = (0..pictures).map(|i| i * steps / (pictures - 1).max(1)).collect();
    let t0 = all.t0.first().copied().unwrap_or(0.0);
    let figure = |output: usize| -> Result<Figure, Failure> {
        let name = &model.outputs[output];
        let film = FilmStrip {
            title: format!("Observed and predicted {name}"),
            label: name.clone(),
            size,
            times: chosen.iter().map(|step| t0 + *step as f64 * model.spec.solver.dt).collect(),
            observed: chosen.iter().map(|step| frame(targets, *step, output)).collect(),
            predicted: chosen.iter().map(|step| frame(&rollout.predictions, *step, output)).collect(),
        };
        let svg = film.save(&pipeline.out.join(format!("predictions-{name}.svg")))?;
        Ok(Figure { caption: format!("{name} of test sample 0, predicted at the estimate."), svg })
    };
    let mut text = describe_failures(model, &job, &rollout.evaluation.status, 1);
    text.iter_mut().for_each(|line| *line = format!("The prediction diverged: {line}; it is grey from there on."));
    let figures = (0..model.outputs.len()).map(figure).collect::<Result<_, _>>()?;
    Ok(Section { heading: "Predictions".into(), text, figures, ..Section::default() })
}
