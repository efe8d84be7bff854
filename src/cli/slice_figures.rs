//! The landscape over three or more parameters: a matrix of slices for each quantity.

use super::Failure;
use super::landscape_figures::{PRODUCT, label, parameter, shown};
use super::pipeline::Pipeline;
use crate::model::Scale;
use crate::report::{Draw, Figure, HeatAxis, MarkKind, SliceMatrix, SpaceMark, number};
use crate::study::{Estimate, Landscape};
use std::path::PathBuf;

/// Values that span more than this factor are shown by their logarithm: one far corner of the box would else have all colours.
const WIDE: f64 = 50.0;

/// Draws a matrix of slices for each quantity, through the grid point nearest to the first estimate, or where the quantity is
/// least if there is none. Returns paths and figures.
pub fn slice_matrices(
    pipeline: &Pipeline,
    landscape: &Landscape,
    estimates: &[Estimate],
    oracles: &[Option<Vec<f64>>],
) -> Result<Vec<(PathBuf, Figure)>, Failure> {
    let axes: Vec<HeatAxis> = landscape
        .axes
        .iter()
        .map(|axis| HeatAxis {
            log: pipeline.model.theta_spec(axis.index).scale == Scale::Log,
            ..HeatAxis::new(parameter(pipeline, axis.index), &axis.values)
        })
        .collect();
    let marks = marks(pipeline, landscape, estimates, oracles);
    // A profile of a signed mean says nothing: its least value is not where it vanishes.
    let signed = |name: &str| name == PRODUCT;
    let balance = pipeline.model.objective.penalties.iter().any(|p| p.kind.ends_with("balance"));
    let mut figures = Vec::new();
    for (name, values) in shown(pipeline, landscape).filter(|(name, _)| !signed(name)) {
        let (Some(least), true) = (landscape.minimum(name), balance || name != "mean/physics_squared") else {
            continue;
        };
        let (through, what) = match estimates.first() {
            Some(estimate) => (landscape.nearest(&estimate.theta), "the grid point nearest to the estimate"),
            None => (least, "the least value"),
        };
        let pairs = (0..axes.len()).flat_map(|row| (0..row).map(move |column| [row, column]));
        let slices: Vec<Vec<f64>> = pairs.filter_map(|pair| landscape.slice(name, pair, through)).collect();
        let at: Vec<String> = landscape
            .axes
            .iter()
            .zip(landscape.at(through))
            .map(|(a, v)| format!("{} = {}", a.name, number(v)))
            .collect();
        let label = label(pipeline, name);
        let finite = slices.iter().flatten().filter(|v| v.is_finite());
        let largest = finite.fold(0.0f64, |most, value| most.max(value.abs()));
        let figure = SliceMatrix {
            title: format!(
                "{label} over {}",
                landscape.axes.iter().map(|a| a.name.as_str()).collect::<Vec<_>>().join(", ")
            ),
            log: values[least] > 0.0 && largest > WIDE * values[least],
            axes: axes.clone(),
            slices,
            profiles: (0..axes.len()).filter_map(|axis| landscape.profile(name, axis)).collect(),
            through: format!("Below the diagonal: slices through {what}. On it: least over the other parameters."),
            marks: marks.clone(),
            label,
        };
        let path = pipeline.out.join(format!("landscape-{}.svg", name.replace('/', "-")));
        let svg = figure.save(&path)?;
        let caption = format!(
            "{}. Slices through {what}, {}; on the diagonal the least over the other parameters.",
            figure.title,
            at.join(", ")
        );
        figures.push((path, Figure { caption, svg }));
    }
    Ok(figures)
}

/// Truth, oracles and estimates in the space of the axes. The truth may be known for some parameters only.
fn marks(
    pipeline: &Pipeline,
    landscape: &Landscape,
    estimates: &[Estimate],
    oracles: &[Option<Vec<f64>>],
) -> Vec<SpaceMark> {
    let on_axes = |theta: &[f64]| landscape.axes.iter().map(|axis| theta[axis.index]).collect::<Vec<f64>>();
    let truth: Vec<f64> =
        (0..pipeline.model.theta.len()).map(|i| pipeline.model.theta_spec(i).truth.unwrap_or(f64::NAN)).collect();
    let mut marks = vec![SpaceMark::new("truth", on_axes(&truth), MarkKind::Truth)];
    for (estimate, oracle) in estimates.iter().zip(oracles) {
        if let Some(oracle) = oracle {
            let label = format!("perfect correction by {}", estimate.criterion);
            marks.push(SpaceMark::new(label, on_axes(oracle), MarkKind::Oracle));
        }
    }
    for (i, estimate) in estimates.iter().enumerate() {
        let kind = if i == 0 { MarkKind::Estimate } else { MarkKind::Alternative };
        marks.push(SpaceMark::new(format!("by {}", estimate.criterion), on_axes(&estimate.theta), kind));
    }
    marks
}
