//! Episodes: recordings with equal steps, ready to be cut into windows.

use std::path::Path;

use super::config::{Columns, DataConfig};
use super::error::{DataError, present};
use super::layout::{Selection, select};
use super::source::files;
use super::table::Table;

/// One recording.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Episode {
    /// The file's name without its ending, and `/NUMBER` (from 0) where the file holds several.
    pub name: String,
    /// Observations `[len, outputs × cells]`; NaN where not observed. On a grid the cells of an output are neighbours:
    /// `[len, outputs, cells]`.
    pub outputs: Vec<f64>,
    /// Inputs `[len, inputs]`.
    pub inputs: Vec<f64>,
    /// Times `[len]`, equally spaced, where a time column is given.
    pub time: Option<Vec<f64>>,
    /// Number of steps.
    pub len: usize,
    /// How many steps of the recording come before the first one used.
    pub first_step: usize,
    /// Number of outputs.
    pub output_count: usize,
    /// Grid cells per output; 1 where there is no grid.
    pub cells: usize,
    /// Number of inputs.
    pub input_count: usize,
}

impl Episode {
    /// Numbers observed per step: outputs × cells.
    pub fn output_width(&self) -> usize {
        self.output_count * self.cells
    }

    /// Every row as an episode of its own, named `NAME, row N` (from 0).
    pub fn rows(&self) -> Vec<Episode> {
        let (k, m) = (self.output_width(), self.input_count);
        let row = |i: usize| Episode {
            name: format!("{}, row {}", self.name, self.first_step + i),
            outputs: self.outputs[i * k..(i + 1) * k].to_vec(),
            inputs: self.inputs[i * m..(i + 1) * m].to_vec(),
            time: self.time.as_ref().map(|time| vec![time[i]]),
            len: 1,
            first_step: self.first_step + i,
            ..*self
        };
        (0..self.len).map(row).collect()
    }
}

/// Reads the episodes a study asks for. `base` is the folder of the study; `override_path` is `--data`. The names are
/// the flattened members of the model's outputs and inputs, in order; `grid` is the shape of one output on a grid,
/// `[rows, columns]` or `[cells]`, and empty where outputs are numbers.
pub fn load(
    config: &DataConfig,
    base: &Path,
    override_path: Option<&Path>,
    output_names: &[String],
    input_names: &[String],
    grid: &[usize],
) -> Result<Vec<Episode>, DataError> {
    config.validate(override_path.is_some())?;
    check_names(config, output_names, input_names)?;
    let mut episodes = Vec::new();
    for path in files(config, base, override_path)? {
        let table = Table::read(&path, config.delimiter)?;
        let mut selection = select(&table, config, output_names, input_names, grid)?;
        convert_units(config, &mut selection, output_names, input_names);
        let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        for (index, rows) in selection.episodes.iter().enumerate() {
            let several = selection.episodes.len() > 1;
            let name = if several { format!("{stem}/{index}") } else { stem.clone() };
            let (width, inputs) = (output_names.len() * selection.cells, input_names.len());
            let mut episode = Episode {
                name,
                outputs: selection.outputs[rows.start * width..rows.end * width].to_vec(),
                inputs: selection.inputs[rows.start * inputs..rows.end * inputs].to_vec(),
                time: selection.time.as_ref().map(|time| time[rows.clone()].to_vec()),
                len: rows.len(),
                first_step: 0,
                output_count: output_names.len(),
                cells: selection.cells,
                input_count: inputs,
            };
            prepare(config, &mut episode, input_names)?;
            episodes.push(episode);
        }
    }
    common_spacing(&episodes)?;
    Ok(episodes)
}

/// The spacing of times that all episodes share; `None` without times.
pub fn common_spacing(episodes: &[Episode]) -> Result<Option<f64>, DataError> {
    let mut common: Option<(f64, &str)> = None;
    for episode in episodes {
        let Some(spacing) = episode.spacing()? else { continue };
        match common {
            None => common = Some((spacing, &episode.name)),
            Some((first, name)) if !episode.same_spacing(spacing, first) => {
                let problem = format!("times are {spacing:.6} apart, but {first:.6} in {name}");
                let remedy = "set resample = SPACING to bring all episodes to one spacing";
                return Err(DataError::values(&episode.name, problem, remedy));
            }
            Some(_) => {}
        }
    }
    Ok(common.map(|(spacing, _)| spacing))
}

/// The order is part of the configuration's meaning; see [`DataConfig`].
fn prepare(config: &DataConfig, episode: &mut Episode, input_names: &[String]) -> Result<(), DataError> {
    if config.drop_missing {
        episode.drop_missing(config.resample.is_some())?;
    }
    episode.check_times()?;
    if let Some(spacing) = config.resample {
        episode.resample(spacing)?;
    }
    if let Some(steps) = config.steps {
        episode.keep_steps(steps)?;
    }
    episode.check_inputs(input_names)
}

/// Refuses names in the configuration that no member has, before a file is read.
fn check_names(config: &DataConfig, output_names: &[String], input_names: &[String]) -> Result<(), DataError> {
    for (key, columns, names) in [("outputs", &config.outputs, output_names), ("inputs", &config.inputs, input_names)] {
        let unknown = match columns {
            Some(Columns::Members(map)) => map.keys().find(|name| !names.contains(name)),
            Some(Columns::Whole(array)) if names.is_empty() => Some(array),
            _ => None,
        };
        if let Some(name) = unknown {
            let problem = format!("\"{name}\" is given, which the model does not have");
            let remedy = present(&format!("model's {key}"), name, names.iter().map(String::as_str));
            return Err(DataError::config(key, problem, remedy));
        }
    }
    let known = || output_names.iter().chain(input_names).chain(&config.time);
    for (key, table) in [("scale", &config.scale), ("offset", &config.offset)] {
        if let Some(name) = table.keys().find(|name| !known().any(|known| known == *name)) {
            let problem = format!("\"{name}\" is no output, input or time column");
            let remedy = present("names", name, known().map(String::as_str));
            return Err(DataError::config(key, problem, remedy));
        }
    }
    Ok(())
}

fn convert_units(config: &DataConfig, selection: &mut Selection, output_names: &[String], input_names: &[String]) {
    let conversion = |name: &String| {
        let scale = config.scale.get(name).copied().unwrap_or(1.0);
        (scale, config.offset.get(name).copied().unwrap_or(0.0))
    };
    let convert = |names: &[String], cells: usize, values: &mut [f64]| {
        let conversions: Vec<(f64, f64)> = names.iter().map(conversion).collect();
        for (index, value) in values.iter_mut().enumerate() {
            let (scale, offset) = conversions[index / cells % names.len()];
            *value = *value * scale + offset;
        }
    };
    convert(output_names, selection.cells, &mut selection.outputs);
    convert(input_names, 1, &mut selection.inputs);
    if let (Some(name), Some(time)) = (&config.time, &mut selection.time) {
        convert(std::slice::from_ref(name), 1, time);
    }
}
