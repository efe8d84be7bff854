//! The report's part on identifiability: profiles, regions, a table, verdicts.

use super::Failure;
use super::figures::Results;
use super::identify_words::verdicts;
use super::landscape_figures::{label, parameter};
use super::pipeline::Pipeline;
use crate::model::{Scale, ThetaSpec};
use crate::report::{
    Draw, Figure, HeatAxis, LineFigure, Mark, MarkKind, PairFigure, Plot, PointMark, Region, Section, Series, Size,
    Table, contours, number,
};
use crate::study::{Identifiability, Identified, Profile};

/// Half a page wide.
const HALF: Size = Size { width: 560, height: 330 };
/// Half a page wide, and about square.
const SQUARE: Size = Size { width: 560, height: 460 };
/// Most figures of profiles and of pairs on the page; the rest is in the file.
const MOST: usize = 12;
/// χ²₂(0.95): what the quadratic form of two parameters reaches on the rim of their 95 % region.
const CHI_SQUARED: f64 = 5.991_464_547_107_98;
/// Points along each axis of the field whose contour is the rim.
const FINE: usize = 121;
/// A criterion's axis is logarithmic where its profile spans more than this factor.
const SPAN: f64 = 30.0;

/// The sections; none without results.
pub fn sections(pipeline: &Pipeline, results: &Results) -> Result<Vec<Section>, Failure> {
    let Some(found) = &results.identifiability else { return Ok(Vec::new()) };
    let mut figures = pair_figures(pipeline, found)?;
    figures.extend(profile_figures(pipeline, found)?);
    let explained = format!(
        "Each profile takes a criterion over one parameter while all others are put where the criterion is least. Where it \
         stays below the 95 % limit, the parameter may lie: for the prediction error the limit is the likelihood ratio's with \
         {} independent observations, for a penalty it comes from the spread of its rise between resamples of episodes. Bias \
         is counted in half-widths of the interval, from the truth where it is known, else from the perfect correction g.",
        number(found.entries)
    );
    Ok(vec![
        Section {
            heading: "Identifiability".into(),
            text: vec![explained],
            pairs: figures.len() > 1,
            figures,
            table: Some(table(pipeline, found)),
        },
        Section { heading: "Verdict".into(), text: verdicts(pipeline, found), ..Section::default() },
    ])
}

fn marks(found: &Identifiability, criterion: &Identified, j: usize) -> Vec<Mark> {
    let index = found.free[j];
    let mut marks = Vec::new();
    for bias in criterion.biases.iter().filter(|b| b.parameter == index) {
        let kind = if bias.against == "truth" { MarkKind::Truth } else { MarkKind::Oracle };
        marks.push(Mark::new(bias.against.clone(), bias.reference, kind));
    }
    marks.push(Mark::new("estimate", criterion.theta[index], MarkKind::Estimate));
    marks
}

fn profile_figures(pipeline: &Pipeline, found: &Identifiability) -> Result<Vec<Figure>, Failure> {
    let mut figures = Vec::new();
    for (c, criterion) in found.criteria.iter().enumerate() {
        for (j, profile) in criterion.profiles.iter().enumerate() {
            if figures.len() == MOST {
                return Ok(figures);
            }
            let name = &pipeline.model.theta[profile.parameter];
            let figure = profile_figure(pipeline, found, (criterion, profile), j);
            let path = pipeline.out.join(format!("profile-{}-{name}.svg", file_name(&found.criteria[c].criterion)));
            let caption = format!("{} over {name}, all other parameters at their best.", criterion.criterion);
            figures.push(Figure { caption, svg: figure.save(&path)? });
        }
    }
    Ok(figures)
}

fn profile_figure(
    pipeline: &Pipeline,
    found: &Identifiability,
    (criterion, profile): (&Identified, &Profile),
    j: usize,
) -> LineFigure {
    let spec = pipeline.model.theta_spec(profile.parameter);
    let x: Vec<f64> = profile.points.iter().map(|p| p.theta[profile.parameter]).collect();
    let finite = |value: f64| if value.is_finite() { value } else { f64::NAN };
    // The prediction error is shown as RMSE, in the unit of the residuals.
    let shown = |value: f64| finite(if criterion.is_loss { value.sqrt() } else { value });
    let y: Vec<f64> = profile.points.iter().map(|p| shown(p.value)).collect();
    let limit: Vec<f64> = profile.points.iter().map(|p| shown(p.limit)).collect();
    let (low, high) = y.iter().filter(|v| v.is_finite()).fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
    let log = low > 0.0 && high > SPAN * low;
    // The limit rises with the distance; above the profile's top it would only flatten the curve.
    let limit: Vec<f64> = limit.into_iter().map(|v| if v <= high { v } else { f64::NAN }).collect();
    let mut series = vec![Series::new("profile", x.clone(), y)];
    if limit.iter().any(|v| v.is_finite()) {
        series.push(Series::new("95 % limit", x, limit));
    }
    let penalty = pipeline.model.objective.penalties.iter().any(|p| p.name == criterion.criterion);
    let label = match (criterion.is_loss, penalty) {
        (true, _) => label(pipeline, "rmse"),
        (_, true) => label(pipeline, &format!("penalty/{}", criterion.criterion)),
        _ => label(pipeline, &criterion.criterion),
    };
    LineFigure {
        title: format!("Profile of {} over {}", criterion.criterion, found.parameters[j]),
        x_label: parameter(pipeline, profile.parameter),
        log_x: spec.scale == Scale::Log,
        plots: vec![Plot { label, series, log, ..Plot::default() }],
        marks: marks(found, criterion, j),
        interval: profile.interval,
        size: HALF,
    }
}

/// For each pair of parameters what the criteria leave open.
fn pair_figures(pipeline: &Pipeline, found: &Identifiability) -> Result<Vec<Figure>, Failure> {
    let n = found.free.len();
    let pairs: Vec<[usize; 2]> = (0..n).flat_map(|b| (0..b).map(move |a| [b, a])).take(MOST / 2).collect();
    let mut figures = Vec::new();
    for [a, b] in pairs {
        let indices = [a, b].map(|j| found.free[j]);
        let specs = indices.map(|i| pipeline.model.theta_spec(i));
        let axis = |k: usize| HeatAxis {
            label: parameter(pipeline, indices[k]),
            values: Vec::new(),
            log: specs[k].scale == Scale::Log,
        };
        let mut marks = Vec::new();
        if let [Some(x), Some(y)] = specs.each_ref().map(|s| s.truth) {
            marks.push(PointMark::new("truth", x, y, MarkKind::Truth));
        }
        for (i, criterion) in found.criteria.iter().enumerate() {
            let [x, y] = indices.map(|i| criterion.theta[i]);
            let kind = if i == 0 { MarkKind::Estimate } else { MarkKind::Alternative };
            marks.push(PointMark::new(format!("by {}", criterion.criterion), x, y, kind));
        }
        let regions = found.criteria.iter().map(|criterion| Region {
            name: criterion.criterion.clone(),
            outline: ellipse(criterion, [a, b], indices, &specs),
            paths: [a, b].map(|j| inside(&criterion.profiles[j], indices)).to_vec(),
        });
        let [x, y] = indices.map(|i| pipeline.model.theta[i].clone());
        let title = format!("95 % regions of {x} and {y}");
        let figure = PairFigure {
            title: title.clone(),
            x: axis(0),
            y: axis(1),
            regions: regions.collect(),
            marks,
            size: SQUARE,
        };
        let shown = format!("regions-{x}-{y}");
        let path = pipeline.out.join(format!("{shown}.svg"));
        let caption = format!(
            "{title} by each criterion: the ellipse of its curvature, where it has one, and thin lines along the profiles as \
             far as they stay below the limit."
        );
        figures.push(Figure { caption, svg: figure.save(&path)? });
        // An ellipse that is a dot among the others is shown on its own.
        for (i, region) in figure.regions.iter().enumerate().filter(|(_, r)| is_small(r, &specs)) {
            let closer = PairFigure {
                title: format!("{title} by {}", region.name),
                regions: vec![region.clone()],
                marks: vec![figure.marks[figure.marks.len() - found.criteria.len() + i].clone()],
                ..figure.clone()
            };
            let path = pipeline.out.join(format!("{shown}-{}.svg", file_name(&region.name)));
            let caption = format!("The region by {} alone, closer.", region.name);
            figures.push(Figure { caption, svg: closer.save(&path)? });
        }
    }
    Ok(figures)
}

/// Whether a region has an outline, smaller than a fifth of the box.
fn is_small(region: &Region, specs: &[ThetaSpec; 2]) -> bool {
    let reach = |k: usize| {
        let units = region.outline.iter().flatten().map(|p| specs[k].unit([p.0, p.1][k]));
        units.fold((f64::MAX, f64::MIN), |(low, high), u| (low.min(u), high.max(u)))
    };
    !region.outline.is_empty() && (0..2).all(|k| reach(k).1 - reach(k).0 < 0.2)
}

/// The part of a profile below its limit, in the plane of two parameters.
fn inside(profile: &Profile, [x, y]: [usize; 2]) -> Vec<(f64, f64)> {
    let points = profile.points.iter().filter(|p| p.value <= p.limit);
    points.map(|p| (p.theta[x], p.theta[y])).collect()
}

/// The rim of the 95 % region of two parameters as the covariance has it, as far as it lies in the box.
fn ellipse(
    criterion: &Identified,
    [a, b]: [usize; 2],
    indices: [usize; 2],
    specs: &[ThetaSpec; 2],
) -> Vec<Vec<(f64, f64)>> {
    let Some(covariance) = &criterion.covariance else { return Vec::new() };
    let m = &covariance.matrix;
    let determinant = m[a][a] * m[b][b] - m[a][b] * m[a][b];
    if determinant.is_nan() || determinant <= 0.0 {
        return Vec::new();
    }
    let centre = [0, 1].map(|k| specs[k].unit(criterion.theta[indices[k]]));
    let grid = [0, 1].map(|k| {
        let reach = 1.05 * (CHI_SQUARED * m[[a, b][k]][[a, b][k]]).sqrt();
        let (low, high) = ((centre[k] - reach).max(0.0), (centre[k] + reach).min(1.0));
        (0..FINE).map(|i| low + (high - low) * i as f64 / (FINE - 1) as f64).collect::<Vec<f64>>()
    });
    let form = |y: f64, x: f64| {
        let (u, v) = (x - centre[0], y - centre[1]);
        (m[b][b] * u * u - 2.0 * m[a][b] * u * v + m[a][a] * v * v) / determinant
    };
    let values: Vec<f64> = grid[1].iter().flat_map(|y| grid[0].iter().map(move |x| form(*y, *x))).collect();
    let lines = contours(&grid[0], &grid[1], &values, CHI_SQUARED);
    lines.iter().map(|line| line.iter().map(|(x, y)| (specs[0].at(*x), specs[1].at(*y))).collect()).collect()
}

fn table(pipeline: &Pipeline, found: &Identifiability) -> Table {
    let range = |ends: Option<(f64, f64)>| {
        ends.map_or("–".to_string(), |(low, high)| format!("{} … {}", number(low), number(high)))
    };
    let row = |c: &Identified, j: usize| {
        let index = found.free[j];
        let known = |against: &str| c.biases.iter().find(|b| b.parameter == index && b.against == against);
        let reference = |against: &str| known(against).map_or("–".into(), |b| number(b.reference));
        let bias = known("truth").or(known("perfect correction")).and_then(|b| b.halves);
        let edge = if c.edges.contains(&index) { " (edge)" } else { "" };
        vec![
            c.criterion.clone(),
            pipeline.model.theta[index].clone(),
            format!("{}{edge}", number(c.theta[index])),
            range(c.profiles[j].interval),
            range(c.bootstrap.as_ref().map(|ends| ends[j])),
            range(c.parabolic.as_ref().filter(|_| edge.is_empty()).map(|ends| ends[j])),
            reference("truth"),
            reference("perfect correction"),
            bias.map_or("–".into(), |halves| number((halves * 100.0).round() / 100.0)),
        ]
    };
    let rows = found.criteria.iter().flat_map(|c| (0..found.free.len()).map(move |j| row(c, j)));
    Table {
        head: [
            "criterion",
            "parameter",
            "minimum",
            "profile, 95 %",
            "bootstrap",
            "curvature",
            "truth",
            "perfect g",
            "bias",
        ]
        .map(String::from)
        .to_vec(),
        rows: rows.collect(),
    }
}

/// A name that can be part of a file's.
fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || c == '_' || c == '-' { c } else { '-' }).collect()
}
