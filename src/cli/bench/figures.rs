//! Figures of a benchmark: time over batch, over the width of the hidden layers, over the points of a landscape.

use super::arguments::Phase;
use super::lines::{Entry, Line};
use crate::cli::Failure;
use crate::report::{Band, Draw, LineFigure, Plot, Series, Size};
use std::path::Path;

/// What the horizontal axis of a figure shows of a line.
type Horizontal<'a> = &'a dyn Fn(&Line) -> Option<usize>;

/// Draws, for every workload, time over batch and over the points of a landscape for each choice of hidden layers, and time over
/// the width of these layers: whatever has two places on its horizontal axis. Says where on stdout, or on stderr where
/// stdout carries JSON.
pub fn draw(entries: &[Entry], folder: &Path, json: bool) -> Result<(), Failure> {
    let lines: Vec<&Line> = entries.iter().filter_map(Entry::timed).filter(|line| line.workload != "peak").collect();
    let mut drawn = 0;
    for own in groups(&lines, |line| line.workload.clone()) {
        let name = own[0].workload.as_str();
        let file = Path::new(name).file_stem().map_or("study".into(), |stem| stem.to_string_lossy().into_owned());
        let alike = groups(&own, layers);
        let several = alike.len() > 1;
        let mut figures =
            vec![(format!("{file}-hidden"), "width of the hidden layers", name.to_string(), over_hidden(&own))];
        for same in &alike {
            let layers = layers(same[0]);
            let file =
                if several { format!("{file}-{}", layers.replace(',', "x").replace(' ', "")) } else { file.clone() };
            let title = format!("{name}, hidden layers {layers}");
            figures.push((format!("{file}-batch"), "trajectories in a batch", title.clone(), over_batch(same)));
            figures.push((format!("{file}-points"), "values of θ in a landscape", title, over_points(same)));
        }
        for (file, label, title, plots) in figures.into_iter().filter(|(.., plots)| !plots.is_empty()) {
            let figure = LineFigure {
                title: format!("{title}: median time over {label}"),
                x_label: label.into(),
                log_x: true,
                size: Size { width: 900, height: 130 + 210 * plots.len() as u32 },
                plots,
                ..LineFigure::default()
            };
            let path = folder.join(format!("{file}.svg"));
            figure.save(&path)?;
            drawn += 1;
            match json {
                true => eprintln!("{}", path.display()),
                false => println!("{}", path.display()),
            }
        }
    }
    if drawn == 0 {
        eprintln!("no figure: give several numbers to --batch or --points, or several layers to --hidden");
    }
    Ok(())
}

/// Lines by a key, in the order in which keys occur first.
fn groups<'a, K: PartialEq>(lines: &[&'a Line], key: impl Fn(&Line) -> K) -> Vec<Vec<&'a Line>> {
    let mut groups: Vec<(K, Vec<&Line>)> = Vec::new();
    for &line in lines {
        let key = key(line);
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, group)) => group.push(line),
            None => groups.push((key, vec![line])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// Hidden layers in words: `128,128`, of several networks with "and" between.
fn layers(line: &Line) -> String {
    let layers = |layers: &Vec<usize>| layers.iter().map(ToString::to_string).collect::<Vec<String>>().join(",");
    line.hidden.iter().map(layers).collect::<Vec<String>>().join(" and ")
}

const OF_BATCHES: [Phase; 3] = [Phase::Forward, Phase::Gradient, Phase::TrainStep];

fn over_batch(lines: &[&Line]) -> Vec<Plot> {
    let mut plots = Vec::new();
    for phase in OF_BATCHES {
        plots.extend(plot(lines, phase, phase.name().into(), &|line| Some(line.batch)));
    }
    named_once(plots)
}

fn over_points(lines: &[&Line]) -> Vec<Plot> {
    plot(lines, Phase::Landscape, Phase::Landscape.name().into(), &|line| line.points).into_iter().collect()
}

/// Of the batch, and the landscape, that most widths and devices were timed with; of several the largest.
fn over_hidden(lines: &[&Line]) -> Vec<Plot> {
    let mut plots = Vec::new();
    let amount = |line: &Line| line.points.unwrap_or(line.batch);
    for phase in [&OF_BATCHES[..], &[Phase::Landscape]].concat() {
        let own: Vec<&Line> = lines.iter().copied().filter(|line| line.phase == phase.name()).collect();
        let most = groups(&own, amount).into_iter().max_by_key(|same| (same.len(), amount(same[0])));
        let Some(same) = most else { continue };
        let unit = if phase == Phase::Landscape { "points" } else { "trajectories" };
        let label = format!("{} of {} {unit}", phase.name(), amount(same[0]));
        plots.extend(plot(&same, phase, label, &|line| line.hidden.iter().flatten().max().copied()));
    }
    named_once(plots)
}

/// The median of a phase over the horizontal axis with the quartiles as a band, a series per device. Nothing where no device
/// has two places.
fn plot(lines: &[&Line], phase: Phase, label: String, horizontal: Horizontal) -> Option<Plot> {
    let mut own: Vec<&Line> = lines.iter().copied().filter(|line| line.phase == phase.name()).collect();
    own.sort_by_key(|line| horizontal(line));
    let mut plot = Plot { label: format!("{label}, ms"), log: true, ..Plot::default() };
    let mut longest = 0;
    // Devices in the order of the command, which places do not change.
    for target in groups(lines, |line| line.target.clone()).iter().map(|group| &group[0].target) {
        let own: Vec<&&Line> = own.iter().filter(|line| line.target == *target && horizontal(line).is_some()).collect();
        let of = |value: &dyn Fn(&Line) -> f64| own.iter().map(|line| value(line)).collect::<Vec<f64>>();
        let x = of(&|line| horizontal(line).unwrap_or(0) as f64);
        let (low, high) = (of(&|line| line.spread.ms_q1), of(&|line| line.spread.ms_q3));
        longest = longest.max(distinct(&x));
        plot.bands.push(Band { name: String::new(), x: x.clone(), low, high });
        plot.series.push(Series::new(target.clone(), x, of(&|line| line.spread.ms)));
    }
    (longest > 1).then_some(plot)
}

/// How many different numbers there are among increasing ones.
fn distinct(increasing: &[f64]) -> usize {
    increasing.chunk_by(|a, b| a == b).count()
}

/// The first plot's legend is that of all.
fn named_once(mut plots: Vec<Plot>) -> Vec<Plot> {
    for series in plots.iter_mut().skip(1).flat_map(|plot| &mut plot.series) {
        series.name.clear();
    }
    plots
}
