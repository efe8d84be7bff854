//! The report of a study: figures drawn, statements made, page written.

use super::Failure;
use super::baseline_figures::baseline_section;
use super::baselines::Baseline;
use super::film::films;
use super::landscape_figures::{landscape_figures, statements};
use super::pipeline::Pipeline;
use super::retrain::Retrained;
use super::row_figures::rows;
use crate::data::config::SplitBy;
use crate::device::Job;
use crate::program::Weights;
use crate::report::{
    Draw, EstimateRow, Example, Figure, Report, Section, Table, Trace, TrainingCurve, Trajectories as TrajectoryFigure,
    number,
};
use crate::study::{Estimate, Forecast, Identifiability, Landscape, is_trained, trajectories};
use crate::train::Trained;
use std::path::PathBuf;

/// Everything a report shows.
pub struct Results {
    /// Training.
    pub trained: Trained,
    /// The weights used.
    pub weights: Weights,
    /// Estimates, the first being the answer.
    pub estimates: Vec<Estimate>,
    /// Oracle of each estimate.
    pub oracles: Vec<Option<Vec<f64>>>,
    /// The landscape.
    pub landscape: Option<Landscape>,
    /// Forecasts.
    pub forecasts: Vec<Forecast>,
    /// What the hybrid model is compared with.
    pub baselines: Option<Vec<Baseline>>,
    /// What is identified.
    pub identifiability: Option<Identifiability>,
    /// The landscape with a network for each θ.
    pub retrained: Option<Retrained>,
}

/// Writes figures and `report.html`; returns its path.
pub fn write_report(pipeline: &Pipeline, results: &Results) -> Result<PathBuf, Failure> {
    let study = &pipeline.study;
    let mut sections = super::identify_figures::sections(pipeline, results)?;
    let mut remarks = Vec::new();
    if let Some(landscape) = &results.landscape {
        remarks = statements(pipeline, landscape, &results.estimates, &results.oracles);
        let figures = landscape_figures(pipeline, landscape, &results.estimates, &results.oracles)?;
        sections.push(Section {
            heading: "Landscape".into(),
            text: vec![
                "Every point is a full evaluation of the test windows with the network frozen. Points where a \
                 trajectory left the finite numbers are left out."
                    .into(),
            ],
            // Matrices of slices take the whole width.
            pairs: figures.len() > 1 && landscape.axes.len() <= 2,
            figures: figures.into_iter().map(|(_, figure)| figure).collect(),
            table: None,
        });
    }
    if let Some(retrained) = &results.retrained {
        sections.push(retrained.section(pipeline)?);
    }
    // Single rows are no paths: those of a static model are shown where nothing integrates it.
    match &pipeline.model.grid {
        _ if pipeline.model.is_static() && !results.forecasts.is_empty() => {}
        _ if pipeline.model.is_static() => sections.push(rows(pipeline, results)?),
        Some(grid) => sections.push(films(pipeline, results, [grid.rows, grid.columns])?),
        None => sections.push(predictions(pipeline, results)?),
    }
    sections.extend(super::forecast::section(pipeline, results)?);
    remarks.extend(super::forecast::remarks(&results.forecasts));
    remarks.extend(recoveries(pipeline, results));
    if let Some(baselines) = &results.baselines {
        sections.push(baseline_section(pipeline, baselines)?);
    }
    sections.push(training(pipeline, results)?);
    let report = Report {
        title: title(pipeline),
        question: study.study.question.clone(),
        answer: answer(pipeline, results),
        remarks,
        sections,
        sources: sources(pipeline),
        config: study.text.clone(),
        timings: pipeline.timings.clone(),
        facts: facts(pipeline),
    };
    let path = pipeline.out.join("report.html");
    report.save(&path)?;
    Ok(path)
}

/// The WGSL of the model and of the forecasts.
fn sources(pipeline: &Pipeline) -> Vec<(String, String)> {
    let model = std::iter::once(&pipeline.model);
    let all = model.chain(pipeline.forecasters.iter().map(|f| &f.model));
    all.map(|m| (m.spec.model.physics.display().to_string(), m.source.clone())).collect()
}

fn title(pipeline: &Pipeline) -> String {
    let given = &pipeline.study.study.title;
    if given.is_empty() { pipeline.study.path.display().to_string() } else { given.clone() }
}

fn answer(pipeline: &Pipeline, results: &Results) -> Vec<EstimateRow> {
    let row = |estimate: &Estimate, oracle: &Option<Vec<f64>>, i: usize| EstimateRow {
        name: pipeline.model.theta[i].clone(),
        unit: pipeline.model.theta_spec(i).unit,
        value: estimate.theta[i],
        interval: estimate.interval.as_ref().map(|v| v[i]),
        truth: pipeline.model.theta_spec(i).truth,
        oracle: oracle.as_ref().map(|o| o[i]),
        method: match is_trained(estimate) {
            true => format!("{}: {}", estimate.criterion, estimate.method),
            false => format!("argmin of {}, {}", estimate.criterion, estimate.method),
        },
        note: None,
    };
    let pairs = results.estimates.iter().zip(&results.oracles);
    pairs.flat_map(|(e, o)| pipeline.free().into_iter().map(move |i| row(e, o, i))).collect()
}

/// Predicted and observed trajectories of a few test windows, with the spread over θ.
fn predictions(pipeline: &Pipeline, results: &Results) -> Result<Section, Failure> {
    let windows = pipeline.test_windows();
    let all = trajectories(windows, &pipeline.prepared.dataset.residual_scale);
    let examples = 4.min(all.count);
    let rows: Vec<u32> = (0..examples).map(|i| (i * all.count / examples) as u32).collect();
    let p = pipeline.model.theta.len();
    let spread = 9;
    let middle: Vec<f64> = (0..p).map(|i| pipeline.model.theta_spec(i).at(0.5)).collect();
    let estimate = results.estimates.first().map_or(middle, |e| e.theta.clone());
    // The first value of θ is the estimate; the others run along the diagonal of the box, where there is one.
    let along = |i: usize, unit: f64| {
        let value = pipeline.model.theta_spec(i).at(unit);
        if value.is_finite() { value } else { estimate[i] }
    };
    let thetas: Vec<Vec<f64>> = (0..=spread)
        .map(|s| match s {
            0 => estimate.clone(),
            _ => (0..p).map(|i| along(i, (s - 1) as f64 / (spread - 1) as f64)).collect(),
        })
        .collect();
    let repeated: Vec<u32> = thetas.iter().flat_map(|_| rows.clone()).collect();
    let theta: Vec<f64> = thetas.iter().flat_map(|t| std::iter::repeat_n(t.clone(), examples).flatten()).collect();
    let job = Job::new(&all, &repeated, &theta, &results.weights, &pipeline.model.objective);
    let rollout = pipeline.device.simulate(&job)?;
    let (t, k, dt) = (all.steps, pipeline.model.outputs.len(), pipeline.study.spec.solver.dt);
    let example = |e: usize| {
        let row = rows[e] as usize;
        let start = |o: usize| windows.initial(row).get(o).copied().unwrap_or(f64::NAN);
        let trace = |o: usize| {
            let run = |s: usize| -> Vec<f64> {
                let steps = (0..t).map(|j| rollout.predictions[((s * examples + e) * t + j) * k + o]);
                std::iter::once(start(o)).chain(steps).collect()
            };
            let observed = (0..t).map(|j| all.targets.as_ref().map_or(f64::NAN, |y| y[(row * t + j) * k + o]));
            let runs: Vec<Vec<f64>> = (0..=spread).map(run).collect();
            let extreme = |pick: fn(f64, f64) -> f64| {
                (0..=t).map(|j| runs.iter().map(|r| r[j]).reduce(pick).unwrap_or(f64::NAN)).collect()
            };
            Trace {
                observed: std::iter::once(start(o)).chain(observed).collect(),
                predicted: runs[0].clone(),
                spread: Some((extreme(f64::min), extreme(f64::max))),
            }
        };
        let t0 = all.t0.get(row).copied().unwrap_or(0.0);
        Example {
            name: format!("test window {row}"),
            time: (0..=t).map(|j| t0 + j as f64 * dt).collect(),
            traces: (0..k).map(trace).collect(),
        }
    };
    let figure = TrajectoryFigure {
        time_label: "time".into(),
        outputs: pipeline.model.outputs.clone(),
        examples: (0..examples).map(example).collect(),
    };
    let svg = figure.save(&pipeline.out.join("predictions.svg"))?;
    let caption =
        "Observed test windows, prediction at the estimate, and its spread over the box of the parameters.".into();
    Ok(Section { heading: "Predictions".into(), figures: vec![Figure { caption, svg }], ..Section::default() })
}

fn training(pipeline: &Pipeline, results: &Results) -> Result<Section, Failure> {
    let history = &results.trained.history;
    let penalties = pipeline.model.objective.penalties.iter().enumerate().map(|(i, p)| {
        let values: Vec<f64> = history.iter().map(|m| m.penalties.get(i).copied().unwrap_or(f64::NAN)).collect();
        (p.name.clone(), values)
    });
    let validation: Vec<f64> = history.iter().map(|m| m.validation.unwrap_or(f64::NAN)).collect();
    let curve = TrainingCurve {
        epoch: history.iter().map(|m| m.epoch as f64).collect(),
        loss: history.iter().map(|m| m.loss).collect(),
        penalties: penalties.collect(),
        validation: if validation.iter().any(|v| v.is_finite()) { validation } else { Vec::new() },
        rate: history.iter().map(|m| m.rate).collect(),
    };
    let svg = curve.save(&pipeline.out.join("training.svg"))?;
    let theta = match pipeline.free().is_empty() {
        true => "",
        false if results.trained.theta.is_empty() => " with θ drawn from its prior",
        false => " with θ trained beside the weights",
    };
    let members = match results.trained.members.len() {
        1 => String::new(),
        count => format!(" Means over {count} members."),
    };
    let caption = format!("Loss{theta}, penalties without their weights, learning rate.{members}");
    let table = history.last().map(|m| Table {
        head: vec!["epoch".into(), "loss".into(), "validation".into(), "gradient norm".into(), "trajectories/s".into()],
        rows: vec![vec![
            m.epoch.to_string(),
            number(m.loss),
            m.validation.map_or("–".into(), number),
            number(m.gradient_norm),
            number(m.trajectories_per_s),
        ]],
    });
    let figures = vec![Figure { caption, svg }];
    Ok(Section { heading: "Training".into(), text: left_out(results), figures, table, ..Section::default() })
}

/// Breakdowns of devices that the run has survived, in training and elsewhere.
fn recoveries(pipeline: &Pipeline, results: &Results) -> Vec<String> {
    let mut all: Vec<String> = results.trained.history.iter().flat_map(|m| m.recoveries.clone()).collect();
    // Training may have had these devices too.
    let mut known = all.clone();
    for recovery in pipeline.all_recoveries() {
        match known.iter().position(|other| *other == recovery) {
            Some(place) => drop(known.swap_remove(place)),
            None => all.push(recovery),
        }
    }
    all.into_iter().map(|recovery| format!("{recovery}.")).collect()
}

/// Trajectories that training left out, in words.
fn left_out(results: &Results) -> Vec<String> {
    let history = &results.trained.history;
    let Some((epoch, first)) = history.iter().find_map(|m| Some((m.epoch, m.failure.as_ref()?))) else {
        return Vec::new();
    };
    let failed: usize = history.iter().map(|m| m.failed).sum();
    let unseen: usize = history.iter().map(|m| m.validation_failed).sum();
    vec![format!(
        "{failed} times a trajectory left the finite numbers in a step, {unseen} times in a validation; they were left out, as \
         train.failures says. The first one, in epoch {epoch}: {first}."
    )]
}

fn facts(pipeline: &Pipeline) -> Vec<(String, String)> {
    let data = &pipeline.prepared;
    let a = &pipeline.arguments;
    let source = match (&a.data, pipeline.study.data.as_ref().and_then(|d| d.simulate.as_ref())) {
        (Some(path), _) => {
            path.file_name().map_or("given with --data".into(), |n| format!("{} (given with --data)", n.display()))
        }
        (None, Some(simulate)) => format!("simulated, {} episodes, seed {}", simulate.episodes, simulate.seed),
        (None, None) => "as [data] says".into(),
    };
    vec![
        ("version".into(), format!("greybox {}", env!("CARGO_PKG_VERSION"))),
        ("device".into(), pipeline.device.description()),
        ("seed".into(), pipeline.study.train.as_ref().map_or(0, |t| t.seed).to_string()),
        ("setting".into(), if a.full { "published (--full)".into() } else { "default".into() }),
        ("--set".into(), if a.settings.is_empty() { "none".into() } else { a.settings.join(", ") }),
        ("data".into(), source),
        (
            "windows".into(),
            format!("{} training, {} validation, {} test", data.train.count, data.validation.count, data.test.count),
        ),
        ("split".into(), split(pipeline).into()),
        ("weights".into(), pipeline.model.weights.per_member().to_string()),
    ]
}

/// What the split shares out, in words.
fn split(pipeline: &Pipeline) -> &'static str {
    let Some(data) = &pipeline.study.data else { return "none" };
    match data.split.by {
        _ if data.split.file.is_some() => "episodes, as a file says",
        Some(SplitBy::Windows) => {
            "windows, shuffled: test windows share frames with training windows, so that this is no test of forecasts"
        }
        Some(SplitBy::Time) => "time: the last part of every episode tests, and no window crosses the boundary",
        None if pipeline.prepared.dataset.episodes.len() < 3 => {
            "time: the last part of every episode tests, and no window crosses the boundary"
        }
        _ => "episodes",
    }
}
