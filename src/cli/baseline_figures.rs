//! The report's section on baselines: errors by step as a figure, by output as a table.

use super::Failure;
use super::baselines::{Baseline, failed, median, short};
use super::pipeline::Pipeline;
use crate::model::{Encodes, Seen};
use crate::report::{Band, Draw, Figure, LineFigure, Plot, Section, Series, Size, Table, number};
use crate::study::ForecastError;

/// Outputs that have a plot of their own.
const MOST_PLOTS: usize = 4;

/// The section.
pub fn baseline_section(pipeline: &Pipeline, all: &[Baseline]) -> Result<Section, Failure> {
    let outputs = &pipeline.model.outputs;
    let windows = pipeline.test_windows();
    let several = all.iter().any(|b| b.members.len() > 1);
    let mut head = vec!["forecast".to_string()];
    head.extend(outputs.iter().cloned());
    head.extend(["all".to_string(), "of persistence".into(), "theta".into()]);
    let reference = all.iter().find(|b| b.name == "persistence").map(|b| b.members[0].overall);
    let row = |b: &Baseline| {
        let mut cells = vec![b.name.to_string()];
        cells.extend((0..outputs.len()).map(|o| short(&b.members, |e| e.outputs[o])));
        cells.push(short(&b.members, |e| e.overall));
        cells.push(reference.map_or("–".into(), |r| format!("{:.0} %", 100.0 * middle(&b.members, |e| e.overall) / r)));
        cells.push(b.how.clone() + &failed(b));
        cells
    };
    let table = Table { head, rows: all.iter().map(row).collect() };
    let mut text = vec![format!(
        "Root mean square errors on {} test windows over {} steps: of each output in the units of the data, of all in the \
         units of the loss.{}",
        windows.count,
        windows.horizon,
        if several { " Of several members the median and, in brackets, the least and largest." } else { "" }
    )];
    text.extend(verdict(all));
    let sees_all = pipeline.model.window.sees == Seen::Whole
        && pipeline.model.networks.iter().any(|n| matches!(n.encodes, Some(Encodes::Latent | Encodes::Theta)));
    if sees_all {
        let note = "Encoders see the very frames that are then predicted: hybrid and network reconstruct these windows, they \
                    do not forecast them, and their errors must not be compared with those of physics and persistence.";
        text.push(note.into());
    }
    let figure = by_step(pipeline, all);
    let svg = figure.save(&pipeline.out.join("baselines.svg"))?;
    let caption = "Root mean square error by step of the forecast.".into();
    Ok(Section {
        heading: "Baselines".into(),
        text,
        figures: vec![Figure { caption, svg }],
        table: Some(table),
        ..Section::default()
    })
}

/// The median over members.
fn middle(members: &[ForecastError], of: impl Fn(&ForecastError) -> f64) -> f64 {
    let mut all: Vec<f64> = members.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    median(&all)
}

/// Whether the hybrid is better than the best of the others, in words.
fn verdict(all: &[Baseline]) -> Option<String> {
    let (hybrid, others) = all.split_first()?;
    let error = |b: &Baseline| middle(&b.members, |e| e.overall);
    let best = others.iter().filter(|b| error(b).is_finite()).min_by(|a, b| error(a).total_cmp(&error(b)))?;
    let (own, other) = (error(hybrid), error(best));
    let change = 100.0 * (own / other - 1.0);
    let how = if change < 0.0 { "below" } else { "above" };
    Some(format!(
        "The error of the hybrid, {}, lies {:.0} % {how} that of the best baseline, {} ({}).",
        number(own),
        change.abs(),
        best.name,
        number(other)
    ))
}

/// A plot per output, of the first few where there are many; a line per forecast, a band where it has several members.
fn by_step(pipeline: &Pipeline, all: &[Baseline]) -> LineFigure {
    let outputs = &pipeline.model.outputs;
    let shown = outputs.len().min(MOST_PLOTS);
    let steps: Vec<f64> = (1..=pipeline.test_windows().horizon).map(|j| j as f64).collect();
    let over = |b: &Baseline, o: usize, pick: &dyn Fn(&[f64]) -> f64| -> Vec<f64> {
        let at = |j: usize| {
            let mut values: Vec<f64> = b.members.iter().map(|e| e.steps[o][j]).collect();
            values.sort_by(f64::total_cmp);
            pick(&values)
        };
        (0..steps.len()).map(at).collect()
    };
    let plot = |o: usize| Plot {
        label: format!("RMSE of {}", outputs[o]),
        series: all.iter().map(|b| Series::new(b.name, steps.clone(), over(b, o, &median))).collect(),
        bands: all
            .iter()
            .map(|b| match b.members.len() {
                0 | 1 => Band::default(),
                _ => Band {
                    name: String::new(),
                    x: steps.clone(),
                    low: over(b, o, &|v| v[0]),
                    high: over(b, o, &|v| v[v.len() - 1]),
                },
            })
            .collect(),
        from_zero: true,
        ..Plot::default()
    };
    LineFigure {
        title: "Errors of forecasts by step".into(),
        x_label: "step".into(),
        plots: (0..shown).map(plot).collect(),
        size: Size { width: 900, height: 140 + 210 * shown as u32 },
        ..LineFigure::default()
    }
}
