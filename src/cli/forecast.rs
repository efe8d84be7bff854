//! Forecasts of a study: run, written down, drawn.

use super::Failure;
use super::figures::Results;
use super::folder::write_json;
use super::pipeline::Pipeline;
use crate::program::Weights;
use crate::report::{Draw, Figure, LineFigure, Plot, Section, Series, Size, Table, number};
use crate::study::{Drift, Forecast};
use std::time::Instant;

impl Pipeline {
    /// Integrates the models of `[forecast]` with the trained weights at θ and writes `forecasts.json`.
    pub fn forecasts(&mut self, weights: &Weights, theta: &[f64]) -> Result<Vec<Forecast>, Failure> {
        let Some(config) = self.study.forecast.as_ref() else { return Ok(Vec::new()) };
        let start = Instant::now();
        let mut forecasts = Vec::new();
        for forecaster in &self.forecasters {
            let device = self.arguments.device.open(&forecaster.model)?;
            forecasts.push(config.run(forecaster, device.as_ref(), (&self.model, weights), theta)?);
            self.note_recoveries(Some(&*device));
        }
        let drift = |d: &Drift| serde_json::json!({ "output": d.name, "mean_square": d.mean_square, "scale": d.scale, "largest": d.largest });
        let rows: Vec<serde_json::Value> = forecasts
            .iter()
            .map(|f| {
                let drifts: Vec<serde_json::Value> = f.drifts.iter().map(drift).collect();
                serde_json::json!({ "model": f.name, "failures": f.failures, "conserved": drifts })
            })
            .collect();
        write_json(&self.out.join("forecasts.json"), &rows)?;
        self.timings.push(("forecast".into(), start.elapsed().as_secs_f64()));
        Ok(forecasts)
    }
}

/// `forecast MODEL OUTPUT = MEAN SQUARE DEVIATION` on stdout, a line for each.
pub fn print_forecasts(forecasts: &[Forecast]) {
    for (forecast, drift) in forecasts.iter().flat_map(|f| f.drifts.iter().map(move |d| (f, d))) {
        println!("forecast {} {} = {:.4e}", forecast.name, drift.name, drift.mean_square);
    }
}

/// One sentence for each conserved quantity: who keeps it best, and by how much.
pub fn remarks(forecasts: &[Forecast]) -> Vec<String> {
    let count = forecasts.first().map_or(0, |f| f.drifts.len());
    (0..count).filter_map(|i| remark(forecasts, i)).collect()
}

fn remark(forecasts: &[Forecast], quantity: usize) -> Option<String> {
    let mut ranked: Vec<(&str, &Drift)> = forecasts.iter().map(|f| (f.name.as_str(), &f.drifts[quantity])).collect();
    ranked.sort_by(|a, b| a.1.mean_square.total_cmp(&b.1.mean_square));
    let ((best, least), rest) = ranked.split_first()?;
    let others: Vec<String> = rest
        .iter()
        .map(|(name, d)| {
            let times = d.mean_square / least.mean_square;
            format!("{} with {name} ({} times as much)", number(d.mean_square), number(times))
        })
        .collect();
    let first =
        format!("along forecasts the mean square error of {} is {} with {best}", least.name, number(least.mean_square));
    Some([vec![first], others].concat().join(", "))
}

/// What the true system keeps, along the forecasts.
pub fn section(pipeline: &Pipeline, results: &Results) -> Result<Option<Section>, Failure> {
    let forecasts = &results.forecasts;
    let Some(first) = forecasts.first() else { return Ok(None) };
    let starts = first.states.len() / (first.time.len() * pipeline.forecasters[0].model.state_len().max(1));
    let mut figures = vec![drifts(pipeline, forecasts)?];
    figures.extend(paths(pipeline, forecasts)?);
    let rows = forecasts.iter().flat_map(|f| f.drifts.iter().enumerate().map(move |(i, d)| row(forecasts, f, i, d)));
    let head =
        ["model", "quantity", "mean square error", "mean square", "largest error", "times the least", "failures"];
    Ok(Some(Section {
        heading: "Forecasts".into(),
        text: vec![format!(
            "Every model is integrated from the same {starts} starts over {} units of time. The true system keeps {}: any \
             change along a forecast is an error. Its mean square is taken over starts and times, infinite where a \
             forecast leaves the finite numbers.",
            number(first.time.last().copied().unwrap_or(0.0)),
            first.drifts.iter().map(|d| d.name.as_str()).collect::<Vec<_>>().join(", "),
        )],
        figures,
        table: Some(Table { head: head.map(String::from).to_vec(), rows: rows.collect() }),
        ..Section::default()
    }))
}

fn row(forecasts: &[Forecast], forecast: &Forecast, quantity: usize, drift: &Drift) -> Vec<String> {
    let least = forecasts.iter().map(|f| f.drifts[quantity].mean_square).fold(f64::INFINITY, f64::min);
    vec![
        forecast.name.clone(),
        drift.name.clone(),
        number(drift.mean_square),
        number(drift.scale),
        number(drift.largest),
        number(drift.mean_square / least),
        forecast.failures.to_string(),
    ]
}

/// Over time: each quantity from the first start, and the root mean square error over all starts.
fn drifts(pipeline: &Pipeline, forecasts: &[Forecast]) -> Result<Figure, Failure> {
    let quantities = forecasts.first().map_or(0, |f| f.drifts.len());
    let line = |of: &dyn Fn(&[f64], usize) -> Vec<f64>, i: usize| -> Vec<Series> {
        let series = |f: &Forecast| Series::new(f.name.clone(), f.time.clone(), of(&f.drifts[i].values, f.time.len()));
        forecasts.iter().map(series).collect()
    };
    let one = |values: &[f64], frames: usize| values[..frames].to_vec();
    let plots = (0..quantities).flat_map(|i| {
        let name = &forecasts[0].drifts[i].name;
        let value = Plot {
            label: format!("{name} from the first start"),
            series: line(&one, i),
            from_zero: true,
            ..Plot::default()
        };
        let error = Plot {
            label: format!("root mean square error of {name}, all starts"),
            series: line(&root_mean_square, i),
            log: true,
            ..Plot::default()
        };
        [value, error]
    });
    let plots: Vec<Plot> = plots.collect();
    let figure = LineFigure {
        title: "What the true system keeps, along forecasts".into(),
        x_label: "time".into(),
        size: Size { width: 900, height: 60 + 220 * plots.len() as u32 },
        plots,
        ..LineFigure::default()
    };
    let svg = figure.save(&pipeline.out.join("conserved.svg"))?;
    let caption = "What the true system keeps, along forecasts: from the first start, where a level line is right, and its \
                   root mean square error over all starts.";
    Ok(Figure { caption: caption.into(), svg })
}

/// Root mean square deviation from the first frame, over starts, of values `[starts, frames]`.
fn root_mean_square(values: &[f64], frames: usize) -> Vec<f64> {
    let starts = values.len() / frames.max(1);
    let square = |k: usize| values.chunks(frames).map(|path| (path[k] - path[0]).powi(2)).sum::<f64>();
    (0..frames).map(|k| (square(k) / starts.max(1) as f64).sqrt()).collect()
}

/// The first start's path in the plane of the first two states, model by model.
fn paths(pipeline: &Pipeline, forecasts: &[Forecast]) -> Result<Option<Figure>, Failure> {
    let names = &pipeline.forecasters[0].model.state;
    let [horizontal, vertical, ..] = names.as_slice() else { return Ok(None) };
    let n = names.len();
    let path = |f: &Forecast| {
        let of = |member: usize| f.states.chunks(n).take(f.time.len()).map(|s| s[member]).collect::<Vec<f64>>();
        Series::new(f.name.clone(), of(0), of(1))
    };
    let figure = LineFigure {
        title: format!("Path of {horizontal} and {vertical}"),
        x_label: horizontal.clone(),
        size: Size { width: 560, height: 560 },
        plots: vec![Plot { label: vertical.clone(), series: forecasts.iter().map(path).collect(), ..Plot::default() }],
        ..LineFigure::default()
    };
    let svg = figure.save(&pipeline.out.join("paths.svg"))?;
    let caption = format!(
        "Path of {horizontal} and {vertical} from the first start; that of the true system is closed if it swings."
    );
    Ok(Some(Figure { caption, svg }))
}
