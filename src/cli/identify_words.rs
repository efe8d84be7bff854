//! Identifiability in plain sentences.

use super::pipeline::Pipeline;
use crate::report::number;
use crate::study::{Agreement, Bias, Direction, Identifiability, Identified, Profile};

/// An interval that covers more of the box than this does not identify a parameter.
const SHARE: f64 = 0.5;
/// A bootstrap interval so many times the likelihood's says that residuals depend on each other.
const WIDER: f64 = 2.0;

/// Verdicts: for each parameter who identifies it, then for each criterion what it leaves open.
pub fn verdicts(pipeline: &Pipeline, found: &Identifiability) -> Vec<String> {
    let parameters = (0..found.free.len()).map(|j| of_parameter(found, j));
    let criteria = found.criteria.iter().map(|c| of_criterion(pipeline, found, c));
    parameters.chain(criteria).chain(members(pipeline, &found.members)).collect()
}

/// The 95 % interval of a parameter that stands in the table: the profile's, else the bootstrap's.
pub fn interval(criterion: &Identified, j: usize) -> Option<(f64, f64)> {
    criterion.profiles[j].interval.or(criterion.bootstrap.as_ref().map(|ends| ends[j]))
}

/// The criterion as the prediction error, or by name.
fn who(criterion: &Identified) -> String {
    if criterion.is_loss { "prediction error alone".into() } else { criterion.criterion.clone() }
}

/// Whether a criterion settles a parameter.
fn settles(criterion: &Identified, j: usize) -> bool {
    let profile = &criterion.profiles[j];
    let inside = !criterion.edges.contains(&profile.parameter) && profile.open == [false; 2];
    inside && profile.interval.is_some() && profile.share < SHARE
}

fn of_parameter(found: &Identifiability, j: usize) -> String {
    let name = &found.parameters[j];
    let value = |c: &Identified| {
        let ends =
            interval(c, j).map_or(String::new(), |(low, high)| format!(", 95 % {} … {}", number(low), number(high)));
        format!("{} ({}{ends})", who(c), number(c.theta[found.free[j]]))
    };
    let (yes, no): (Vec<&Identified>, Vec<&Identified>) = found.criteria.iter().partition(|c| settles(c, j));
    let yes: Vec<String> = yes.into_iter().map(value).collect();
    // Criteria that say the same are named together.
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for criterion in no {
        let says = leaves(criterion, j);
        match groups.iter_mut().find(|(known, _)| *known == says) {
            Some((_, names)) => names.push(who(criterion)),
            None => groups.push((says, vec![who(criterion)])),
        }
    }
    let no: Vec<String> = groups.iter().map(|(says, names)| says.replace("WHO", &list(names))).collect();
    let first = match yes.is_empty() {
        true => format!("{name} is identified by none of the criteria"),
        false => format!("{name} is identified by {}", list(&yes)),
    };
    if no.is_empty() { format!("{first}.") } else { format!("{first}. It {}.", no.join("; it ")) }
}

/// What a criterion that does not settle a parameter says about it; `WHO` stands for the criterion.
fn leaves(criterion: &Identified, j: usize) -> String {
    let profile = &criterion.profiles[j];
    let Some((low, high)) = profile.interval else {
        return "cannot be judged by WHO, for want of a second episode".into();
    };
    if criterion.edges.contains(&profile.parameter) {
        return "is pressed against an end of its box by WHO: those minima may lie outside".into();
    }
    match profile.open {
        [true, true] => "may have any value in its box by WHO".into(),
        [false, true] => format!("is only said to be above {} by WHO", number(low)),
        [true, false] => format!("is only said to be below {} by WHO", number(high)),
        _ => format!("keeps {:.0} % of its box by WHO", 100.0 * profile.share),
    }
}

fn of_criterion(pipeline: &Pipeline, found: &Identifiability, c: &Identified) -> String {
    let mut sentences = vec![format!("By {} —", who(c))];
    let names = |indices: &[usize]| list(&indices.iter().map(|i| pipeline.model.theta[*i].clone()).collect::<Vec<_>>());
    if !c.edges.is_empty() {
        let verb = if c.edges.len() == 1 { "lies" } else { "lie" };
        sentences.push(format!("{} {verb} at the end of the box.", names(&c.edges)));
    }
    let flat: Vec<&Direction> = c.flat().collect();
    for direction in &flat {
        sentences.push(match direction.named.len() {
            1 => format!("{} can change without a trace.", names(&direction.named)),
            _ => format!("{} trade off along {}.", names(&direction.named), direction.words),
        });
    }
    // One parameter has no directions.
    if flat.is_empty() && c.directions.len() > 1 {
        sentences.push(no_flat(&c.directions));
    }
    if c.curvature.kinked && c.directions.len() > 1 {
        sentences.push("A single equation for several parameters is least along a line, not at a point.".into());
    }
    sentences.extend(c.minima.iter().map(|minimum| {
        let at = found.free.iter().zip(&found.parameters);
        let at = at.map(|(i, name)| format!("{name} = {}", number(minimum.theta[*i]))).collect::<Vec<_>>().join(", ");
        format!("There is another minimum at {at}, to which {:.0} % of the landscape descend.", 100.0 * minimum.basin)
    }));
    for (profile, name) in c.profiles.iter().zip(&found.parameters).filter(|(p, _)| p.again) {
        sentences.push(format!(
            "Elsewhere in the box of {name}, outside of {}, the criterion falls below its limit again.",
            profile.interval.map_or("its interval".into(), |(low, high)| format!("{} … {}", number(low), number(high)))
        ));
    }
    sentences.extend(dependent(c));
    sentences.extend(c.biases.iter().map(|bias| against(pipeline, bias)));
    if sentences.len() == 1 {
        sentences.push("one minimum.".into());
    }
    sentences.join(" ")
}

fn no_flat(directions: &[Direction]) -> String {
    let weakest = directions
        .iter()
        .filter(|d| d.deviation.is_some())
        .max_by(|a, b| a.deviation.partial_cmp(&b.deviation).unwrap_or(std::cmp::Ordering::Equal));
    match weakest.and_then(|d| Some((d, d.deviation?))) {
        Some((weakest, deviation)) => format!(
            "No direction is flat; the least certain one is {} (± {} % of the box).",
            weakest.words,
            number((1000.0 * 1.96 * deviation).round() / 10.0)
        ),
        None => "No direction is flat.".into(),
    }
}

/// Where the bootstrap over episodes is much wider than the likelihood, residuals are not independent.
fn dependent(c: &Identified) -> Option<String> {
    let bootstrap = c.bootstrap.as_ref().filter(|_| c.is_loss)?;
    let wider = |(profile, ends): (&Profile, &(f64, f64))| {
        let (low, high) = profile.interval?;
        (high > low).then(|| (ends.1 - ends.0) / (high - low))
    };
    let most = c.profiles.iter().zip(bootstrap).filter_map(wider).fold(0.0, f64::max);
    (most > WIDER).then(|| {
        format!(
            "The bootstrap over episodes is up to {} times as wide as the profile: residuals within an episode depend on \
             each other, believe the bootstrap.",
            number((most * 10.0).round() / 10.0)
        )
    })
}

fn against(pipeline: &Pipeline, bias: &Bias) -> String {
    let name = &pipeline.model.theta[bias.parameter];
    let place = match bias.halves {
        Some(halves) if halves.abs() <= 1.0 => "inside the interval".into(),
        Some(halves) => {
            format!("outside, {} half-widths of the interval away", number((halves.abs() * 10.0).round() / 10.0))
        }
        None => format!("{} away", number(bias.difference.abs())),
    };
    let reference = match bias.against.as_str() {
        "truth" => "the truth".to_string(),
        other => format!("that of a {other}"),
    };
    format!("{name}: {reference}, {}, lies {place}.", number(bias.reference))
}

/// How far the members of a population agree.
fn members(pipeline: &Pipeline, all: &[Agreement]) -> Option<String> {
    let count = all.first()?.estimates.len();
    let one = |a: &Agreement| {
        let (name, (low, high)) = (&pipeline.model.theta[a.parameter], a.range);
        let (mean, deviation) = (number(a.mean), number(a.deviation));
        format!("{name} by {} {mean} ± {deviation} ({} … {})", a.criterion, number(low), number(high))
    };
    Some(format!("Over {count} members: {}.", all.iter().map(one).collect::<Vec<_>>().join("; ")))
}

/// `a`, `a and b`, `a, b and c`.
fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
