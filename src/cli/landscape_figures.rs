//! The landscape of a study in figures and in words.

use super::Failure;
use super::pipeline::Pipeline;
use super::slice_figures::slice_matrices;
use crate::report::{
    Colours, Draw, Figure, HeatAxis, HeatMap, Ingredient, Landscape as LandscapeFigure, Mark, MarkKind, PointMark,
    Size, ZeroSet, number,
};
use crate::study::{Axis, Estimate, Landscape, PENALTIES};
use std::path::PathBuf;

/// Half a page wide, so that two heat maps stand side by side.
const HEAT_MAP: Size = Size { width: 560, height: 460 };

/// The signed mean ⟨f, g⟩, whose zeros are where orthogonality is least.
pub(super) const PRODUCT: &str = "mean/physics_times_correction";

/// Draws a landscape: stacked lines over one parameter, heat maps over two, slices over more. Returns paths and figures.
pub fn landscape_figures(
    pipeline: &Pipeline,
    landscape: &Landscape,
    estimates: &[Estimate],
    oracles: &[Option<Vec<f64>>],
) -> Result<Vec<(PathBuf, Figure)>, Failure> {
    if landscape.axes.len() > 2 {
        return slice_matrices(pipeline, landscape, estimates, oracles);
    }
    // More would not be seen, and would be held several times over.
    let most = if landscape.axes.len() == 1 { 2001 } else { 201 };
    let shown = landscape.thinned(most);
    match shown.axes.as_slice() {
        [axis] => Ok(vec![lines(pipeline, &shown, axis, estimates, oracles)?]),
        [rows, columns] => heat_maps(pipeline, &shown, [rows, columns], estimates, oracles),
        _ => Ok(Vec::new()),
    }
}

fn lines(
    pipeline: &Pipeline,
    landscape: &Landscape,
    axis: &Axis,
    estimates: &[Estimate],
    oracles: &[Option<Vec<f64>>],
) -> Result<(PathBuf, Figure), Failure> {
    let mut marks = Vec::new();
    if let Some(truth) = pipeline.model.theta_spec(axis.index).truth {
        marks.push(Mark::new("truth", truth, MarkKind::Truth));
    }
    if let Some(Some(oracle)) = oracles.first() {
        marks.push(Mark::new("perfect correction", oracle[axis.index], MarkKind::Oracle));
    }
    if let Some(estimate) = estimates.first() {
        marks.push(Mark::new("estimate", estimate.theta[axis.index], MarkKind::Estimate));
    }
    let ingredients = shown(pipeline, landscape).map(|(name, values)| Ingredient {
        label: label(pipeline, name),
        values: values.clone(),
        from_zero: name == "rmse",
        ..Ingredient::default()
    });
    let figure = LandscapeFigure {
        parameter: parameter(pipeline, axis.index),
        theta: axis.values.clone(),
        ingredients: ingredients.collect(),
        marks,
        interval: estimates.first().and_then(|e| e.interval.as_ref().map(|v| v[axis.index])),
        ..LandscapeFigure::default()
    };
    let path = pipeline.out.join("landscape.svg");
    let svg = figure.save(&path)?;
    let caption = format!("Prediction error, objective, penalties and their ingredients over {}.", axis.name);
    Ok((path, Figure { caption, svg }))
}

fn heat_maps(
    pipeline: &Pipeline,
    landscape: &Landscape,
    [rows, columns]: [&Axis; 2],
    estimates: &[Estimate],
    oracles: &[Option<Vec<f64>>],
) -> Result<Vec<(PathBuf, Figure)>, Failure> {
    let mut marks = Vec::new();
    let truth = [rows, columns].map(|a| pipeline.model.theta_spec(a.index).truth);
    if let [Some(y), Some(x)] = truth {
        marks.push(PointMark::new("truth", x, y, MarkKind::Truth));
    }
    for (estimate, oracle) in estimates.iter().zip(oracles) {
        if let Some(oracle) = oracle {
            let label = format!("perfect correction by {}", estimate.criterion);
            marks.push(PointMark::new(label, oracle[columns.index], oracle[rows.index], MarkKind::Oracle));
        }
    }
    for (i, estimate) in estimates.iter().enumerate() {
        let (x, y) = (estimate.theta[columns.index], estimate.theta[rows.index]);
        let kind = if i == 0 { MarkKind::Estimate } else { MarkKind::Alternative };
        marks.push(PointMark::new(format!("by {}", estimate.criterion), x, y, kind));
    }
    let draw = |(name, values): &(String, Vec<f64>)| {
        let (label, signed) = (label(pipeline, name), name == PRODUCT);
        let map = HeatMap {
            title: format!("{label} over {} and {}", columns.name, rows.name),
            x: HeatAxis::new(parameter(pipeline, columns.index), &columns.values),
            y: HeatAxis::new(parameter(pipeline, rows.index), &rows.values),
            values: values.clone(),
            colours: if signed { Colours::Diverging } else { Colours::Sequential },
            log: !signed && is_wide(values),
            zero: (signed && changes_sign(values))
                .then(|| ZeroSet { label: format!("{label} = 0"), values: values.clone() }),
            label,
            marks: marks.clone(),
            size: HEAT_MAP,
            ..HeatMap::default()
        };
        let path = pipeline.out.join(format!("landscape-{}.svg", name.replace('/', "-").replace(" + ", "-and-")));
        let svg = map.save(&path)?;
        Ok((path, Figure { caption: map.title, svg }))
    };
    // ‖f‖² does not depend on the network; only balance makes it worth a map.
    let balance = pipeline.model.objective.penalties.iter().any(|p| p.kind.ends_with("balance"));
    shown(pipeline, landscape).filter(|(name, _)| balance || name != "mean/physics_squared").map(draw).collect()
}

/// Values that span more than this factor are shown by their logarithm: one far corner of the box would else have all colours.
const WIDE: f64 = 50.0;

/// Whether positive values span more than a factor that colours can show.
pub(super) fn is_wide(values: &[f64]) -> bool {
    let finite = values.iter().filter(|v| v.is_finite());
    let (least, most) = finite.fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
    least > 0.0 && most > WIDE * least
}

fn changes_sign(values: &[f64]) -> bool {
    values.iter().any(|v| *v < 0.0) && values.iter().any(|v| *v > 0.0)
}

/// The quantities worth a figure: an objective without weights repeats the error, E‖g‖² repeats least_action.
pub(super) fn shown<'a>(pipeline: &Pipeline, landscape: &'a Landscape) -> impl Iterator<Item = &'a (String, Vec<f64>)> {
    let penalties = &pipeline.model.objective.penalties;
    let unweighted = penalties.iter().all(|p| p.weight == 0.0);
    let acted = penalties.iter().any(|p| p.kind == "least_action");
    landscape.quantities.iter().filter(move |(name, values)| match name.as_str() {
        "objective" => !unweighted,
        "mean/correction_squared" => !acted,
        // A parabola that needs no map.
        prior if penalties.iter().any(|p| p.kind == "prior" && prior == format!("penalty/{}", p.name)) => false,
        _ => values.iter().any(|v| v.is_finite()),
    })
}

/// A parameter with its unit.
pub(super) fn parameter(pipeline: &Pipeline, index: usize) -> String {
    let name = &pipeline.model.theta[index];
    pipeline.model.theta_spec(index).unit.map_or(name.clone(), |u| format!("{name} ({u})"))
}

/// A quantity as a reader knows it: penalties with their formula, f being physics and g the correction.
pub(super) fn label(pipeline: &Pipeline, quantity: &str) -> String {
    let formula = |kind: &str| match kind {
        "least_action" => Some("E‖g‖²"),
        "orthogonality" => Some("|E⟨f, g⟩|"),
        "balance" => Some("|E‖f‖² − E‖g‖²|"),
        _ => None,
    };
    let penalty = |name: &str| {
        let kind = pipeline.model.objective.penalties.iter().find(|p| p.name == name)?.kind.as_str();
        Some(match kind.strip_prefix("log_") {
            Some(kind) => format!("{name}, ln {}", formula(kind)?),
            None => format!("{name}, {}", formula(kind)?),
        })
    };
    match (quantity, quantity.strip_prefix("penalty/")) {
        (_, Some(name)) => penalty(name).unwrap_or_else(|| name.to_string()),
        ("rmse", _) => "RMSE".into(),
        (PENALTIES, _) => "R, weighted sum of penalties".into(),
        ("mean/correction_squared", _) => "E‖g‖²".into(),
        (PRODUCT, _) => "E⟨f, g⟩".into(),
        ("mean/physics_squared", _) => "E‖f‖²".into(),
        (other, _) => other.into(),
    }
}

/// Plain statements drawn from the numbers.
pub fn statements(
    pipeline: &Pipeline,
    landscape: &Landscape,
    estimates: &[Estimate],
    oracles: &[Option<Vec<f64>>],
) -> Vec<String> {
    let mut out = Vec::new();
    out.extend(prediction_error(pipeline, landscape));
    let free = pipeline.free();
    for (estimate, oracle) in estimates.iter().zip(oracles) {
        let at_edge = |i: &&usize| {
            let [low, high] = pipeline.model.theta_spec(**i).range();
            (estimate.theta[**i] - low).min(high - estimate.theta[**i]) < 1e-6 * (high - low)
        };
        let names: Vec<&str> = free.iter().filter(at_edge).map(|i| pipeline.model.theta[*i].as_str()).collect();
        if !names.is_empty() {
            out.push(format!(
                "By {}, the estimate of {} lies at the edge of the box: the minimum may be outside.",
                estimate.criterion,
                names.join(" and ")
            ));
        }
        for &i in &free {
            if let Some(share) = estimate.share_of_box(&pipeline.model.theta_spec(i), i).filter(|share| *share > 0.5) {
                out.push(format!(
                    "{} by {}: the interval covers {:.0} % of the box. Other trajectories of the same kind would put the \
                     estimate elsewhere: data and network do not settle it; longer training or more of both may.",
                    pipeline.model.theta[i],
                    estimate.criterion,
                    100.0 * share
                ));
            }
            if let Some(oracle) = oracle.as_ref().map(|o| o[i]) {
                let beside = match estimate.interval.as_ref().map(|v| v[i]) {
                    Some((low, high)) => {
                        let place = if (low..=high).contains(&oracle) { "inside" } else { "outside" };
                        format!("{place} the interval [{}, {}]", number(low), number(high))
                    }
                    None => format!("the estimate is {}", number(estimate.theta[i])),
                };
                out.push(format!(
                    "{} by {}: a perfect correction would give {}, {beside}.",
                    pipeline.model.theta[i],
                    estimate.criterion,
                    number(oracle)
                ));
            }
        }
    }
    out.extend(divergence(pipeline, landscape));
    out
}

/// How many points are left out, and the first of them.
fn divergence(pipeline: &Pipeline, landscape: &Landscape) -> Option<String> {
    let counts = landscape.counts();
    let first = landscape.first_failure.as_ref()?;
    let theta = pipeline.model.theta.iter().zip(&first.theta).map(|(name, v)| format!("{name} = {}", number(*v)));
    Some(format!(
        "At {} of {} points of the landscape a trajectory diverged; they are left out. The first one: at {}, test \
         sample {}, step {}.",
        counts.failed,
        counts.points,
        theta.collect::<Vec<_>>().join(", "),
        first.sample,
        first.step
    ))
}

/// Where the prediction error is least, how far it rises, and what it is at the truth.
fn prediction_error(pipeline: &Pipeline, landscape: &Landscape) -> Option<String> {
    let rmse = landscape.quantity("rmse")?;
    let position = landscape.minimum("rmse")?;
    let (low, high) = (rmse[position], rmse.iter().copied().filter(|v| v.is_finite()).fold(0.0, f64::max));
    let at = |values: Vec<f64>| {
        let pairs = landscape.axes.iter().zip(values).map(|(a, v)| format!("{} = {}", a.name, number(v)));
        pairs.collect::<Vec<_>>().join(", ")
    };
    let percent = 100.0 * (high / low - 1.0);
    let verdict = match percent < 50.0 {
        true => "prediction alone hardly identifies the parameters",
        false => "prediction alone prefers these values",
    };
    let truth = at_truth(pipeline, landscape)
        .filter(|i| *i != position && rmse[*i].is_finite())
        .map_or(String::new(), |i| format!(" At the truth it is {}.", number(rmse[i])));
    Some(format!(
        "RMSE is least at {}, where it is {}, and rises to {} in the box (+{percent:.0} %): {verdict}.{truth}",
        at(landscape.at(position)),
        number(low),
        number(high)
    ))
}

/// The grid point nearest to the truth, where the truth of every axis is known and inside.
fn at_truth(pipeline: &Pipeline, landscape: &Landscape) -> Option<usize> {
    let mut position = 0;
    for axis in &landscape.axes {
        let spec = pipeline.model.theta_spec(axis.index);
        let unit = spec.unit(spec.truth?);
        if !(0.0..=1.0).contains(&unit) {
            return None;
        }
        let distance = |i: &usize| (spec.unit(axis.values[*i]) - unit).abs();
        let nearest = (0..axis.values.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
        position = position * axis.values.len() + nearest;
    }
    Some(position)
}
