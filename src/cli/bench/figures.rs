//! Figures of a benchmark: time over batch, over the width of the hidden layers, over the points of a landscape.

use super::arguments::Phase;
use super::lines::{Entry, Line};
use crate::cli::Failure;
use crate::report::{Band, Draw, LineFigure, Plot, Series, Size};
use std::path::Path;

/// What the horizontal axis of a figure shows of a line.
type Horizontal<'a> = &'a dyn Fn(&Line) -> Option<usize>;

/// Draws whatever has at least two places on its horizontal axis, a file per workload; says where on stdout, or on stderr
/// where stdout carries JSON.
pub fn draw(entries: &[Entry], folder: &Path, json: bool) -> Result<(), Failure> {
    let lines: Vec<&Line> = entries.iter().filter_map(Entry::timed).filter(|line| line.workload != "peak").collect();
    let mut names: Vec<&str> = Vec::new();
    for line in &lines {
        if !names.contains(&line.workload.as_str()) {
            names.push(&line.workload);
        }
    }
    let mut drawn = 0;
    for name in names {
        let own: Vec<&Line> = lines.iter().copied().filter(|line| line.workload == name).collect();
        let file = Path::new(name).file_stem().map_or("study".into(), |stem| stem.to_string_lossy().into_owned());
        for (kind, label, figure) in [
            ("batch", "trajectories in a batch", over_batch(&own)),
            ("hidden", "width of the hidden layers", over_hidden(&own)),
            ("points", "values of θ in a landscape", over_points(&own)),
        ] {
            let figure = LineFigure {
                title: format!("{name}: median time over {label}"),
                x_label: label.into(),
                log_x: true,
                size: Size { width: 900, height: 130 + 230 * figure.len() as u32 },
                plots: figure,
                ..LineFigure::default()
            };
            if figure.plots.is_empty() {
                continue;
            }
            let path = folder.join(format!("{file}-{kind}.svg"));
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

const OF_BATCHES: [Phase; 3] = [Phase::Forward, Phase::Gradient, Phase::TrainStep];

fn over_batch(lines: &[&Line]) -> Vec<Plot> {
    plots(lines, &OF_BATCHES, &|line| Some(line.batch), &|line| widths(line))
}

fn over_hidden(lines: &[&Line]) -> Vec<Plot> {
    let phases = [&OF_BATCHES[..], &[Phase::Landscape]].concat();
    let widest = |line: &Line| line.hidden.iter().flatten().max().copied();
    plots(lines, &phases, &widest, &|line| match line.points {
        Some(points) => format!("{points} points"),
        None => format!("batch {}", line.batch),
    })
}

fn over_points(lines: &[&Line]) -> Vec<Plot> {
    plots(lines, &[Phase::Landscape], &|line| line.points, &|line| widths(line))
}

fn widths(line: &Line) -> String {
    let layers = |layers: &Vec<usize>| layers.iter().map(ToString::to_string).collect::<Vec<String>>().join(",");
    line.hidden.iter().map(layers).collect::<Vec<String>>().join(" and ")
}

/// A plot per phase: the median over the horizontal axis with the quartiles as a band, a series per device and `other`, what
/// else tells lines apart. Nothing where all lines lie at one place.
fn plots(lines: &[&Line], phases: &[Phase], horizontal: Horizontal, other: &dyn Fn(&Line) -> String) -> Vec<Plot> {
    let mut places: Vec<usize> = lines.iter().filter_map(|line| horizontal(line)).collect();
    places.sort_unstable();
    places.dedup();
    let several = |key: &dyn Fn(&Line) -> String| lines.iter().any(|line| key(line) != key(lines[0]));
    let tells = several(other);
    let name = |line: &Line| match tells {
        true => format!("{}, {}", line.target, other(line)),
        false => line.target.clone(),
    };
    let mut plots = Vec::new();
    for phase in phases {
        let mut own: Vec<&Line> = lines.iter().copied().filter(|line| line.phase == phase.name()).collect();
        own.sort_by_key(|line| horizontal(line));
        let mut names: Vec<String> = Vec::new();
        for line in &own {
            if !names.contains(&name(line)) {
                names.push(name(line));
            }
        }
        let mut plot = Plot { label: format!("{}, ms", phase.name()), log: true, ..Plot::default() };
        for series in names {
            let own: Vec<&&Line> = own.iter().filter(|line| name(line) == series).collect();
            let x: Vec<f64> = own.iter().filter_map(|line| horizontal(line)).map(|place| place as f64).collect();
            let of = |value: fn(&Line) -> f64| own.iter().map(|line| value(line)).collect::<Vec<f64>>();
            let (low, high) = (of(|line| line.spread.ms_q1), of(|line| line.spread.ms_q3));
            plot.bands.push(Band { name: String::new(), x: x.clone(), low, high });
            plot.series.push(Series::new(series, x, of(|line| line.spread.ms)));
        }
        let longest = plot.series.iter().map(|series| series.x.len()).max().unwrap_or(0);
        if longest > 1 && places.len() > 1 {
            plots.push(plot);
        }
    }
    plots
}
