//! How a model runs on an adapter: its schedule and, where whole segments are fused, the trajectories of a workgroup.

use super::layout::Layout;
use super::plan;
use super::source::{Schedule, Shape};
use crate::model::Model;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};

/// Hidden layers up to this width run in the lane schedule where nothing was measured and nothing is asked for.
const LANE_WIDTH: usize = 16;

/// Fewest trajectories of a workgroup.
const FEWEST: usize = 4;

/// A schedule, with the most trajectories of a workgroup; `None` for as many as fit. Written `tile` or `tile 4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Choice {
    /// The schedule.
    pub schedule: Schedule,
    /// Most trajectories of a workgroup.
    pub most: Option<usize>,
}

impl From<Schedule> for Choice {
    fn from(schedule: Schedule) -> Choice {
        Choice { schedule, most: None }
    }
}

impl From<Choice> for String {
    fn from(choice: Choice) -> String {
        choice.to_string()
    }
}

impl TryFrom<String> for Choice {
    type Error = String;

    fn try_from(text: String) -> Result<Choice, String> {
        Choice::parse(&text).ok_or_else(|| format!("`{text}` is no schedule"))
    }
}

impl Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.most {
            None => f.write_str(self.schedule.name()),
            Some(most) => write!(f, "{} {most}", self.schedule.name()),
        }
    }
}

impl Choice {
    /// Reads what was written; `None` if it is no choice.
    pub fn parse(text: &str) -> Option<Choice> {
        let (name, most) = match text.split_once(' ') {
            None => (text, None),
            Some((name, most)) => (name, Some(most.parse().ok().filter(|most| *most >= FEWEST)?)),
        };
        let schedule = Schedule::ALL.into_iter().find(|s| s.name() == name)?;
        Some(Choice { schedule, most })
    }

    /// By the widths of the networks: layer for grids, lane for narrow layers, else tile.
    pub fn by_width(model: &Model) -> Choice {
        let widest = model.networks.iter().flat_map(|n| n.sizes.iter().copied()).max().unwrap_or(0);
        Choice::from(match &model.grid {
            Some(_) => Schedule::Layer,
            None if widest <= LANE_WIDTH => Schedule::Lane,
            None => Schedule::Tile,
        })
    }
}

/// What a model may be run by, that of the widths first, others in the order in which they are likely to be good. `software`
/// adapters spend much on barriers, which the lane schedule has none of.
pub fn candidates(model: &Model, memory: usize, software: bool) -> Vec<Choice> {
    let first = Choice::by_width(model);
    if model.grid.is_some() {
        return vec![first];
    }
    let mut all = vec![first];
    if software {
        all.push(Schedule::Lane.into());
    }
    let tile = plan::shape(Schedule::Tile, Layout::new(model).work_rows().into_iter().max().unwrap_or(0), None, memory);
    all.push(Schedule::Tile.into());
    if let Ok(shape) = tile
        && shape.samples > FEWEST
    {
        // More workgroups for small batches.
        all.push(Choice { schedule: Schedule::Tile, most: Some(shape.samples / 2) });
    }
    all.extend([Schedule::Lane, Schedule::Layer].map(Choice::from));
    let mut distinct: Vec<Choice> = Vec::new();
    for choice in all {
        if !distinct.contains(&choice) && (choice.schedule == Schedule::Layer || lay_out(model, choice, memory).is_ok())
        {
            distinct.push(choice);
        }
    }
    distinct
}

/// A model laid out for a choice.
pub enum LaidOut {
    /// For the lane or the tile schedule.
    Fused(Box<FusedLayout>),
    /// For the layer schedule, whose layout needs no limits.
    Layer,
}

/// A fused schedule and the workgroups of the forward and the adjoint kernel.
pub struct FusedLayout {
    /// Rows and tables.
    pub layout: Layout,
    /// Lane or tile.
    pub schedule: Schedule,
    /// Workgroups.
    pub shapes: [Shape; 2],
}

/// Lays a model out for a choice, or for that by the widths: layer where a workgroup's memory is too small for it. Says what
/// was chosen and why. An error is a message and a remedy.
pub fn lay_out_wanted(
    model: &Model,
    wanted: Option<Choice>,
    memory: usize,
) -> Result<(LaidOut, Choice, &'static str), (String, &'static str)> {
    if let Some(choice) = wanted {
        return Ok((lay_out(model, choice, memory)?, choice, "asked for"));
    }
    let choice = Choice::by_width(model);
    let reason = if model.grid.is_some() { "for grids" } else { "by the widths of the networks" };
    Ok(match lay_out(model, choice, memory) {
        Ok(laid_out) => (laid_out, choice, reason),
        Err(_) => (LaidOut::Layer, Schedule::Layer.into(), "others need more workgroup memory"),
    })
}

fn lay_out(model: &Model, choice: Choice, memory: usize) -> Result<LaidOut, (String, &'static str)> {
    let schedule = choice.schedule;
    match (&model.grid, schedule) {
        (_, Schedule::Layer) => return Ok(LaidOut::Layer),
        (Some(_), other) => {
            let message = format!("the {} schedule runs models without grids", other.name());
            return Err((message, "remove --schedule, or use --schedule layer"));
        }
        (None, _) => {}
    }
    let layout = Layout::new(model);
    let [forward, reverse] = layout.work_rows().map(|rows| plan::shape(schedule, rows, choice.most, memory));
    let remedy = "use --schedule layer, fewer states or narrower layers, or --device cpu";
    let shapes = [forward.map_err(|message| (message, remedy))?, reverse.map_err(|message| (message, remedy))?];
    Ok(LaidOut::Fused(Box::new(FusedLayout { layout, schedule, shapes })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_as_they_are_written() {
        for schedule in Schedule::ALL {
            for most in [None, Some(4), Some(16)] {
                let choice = Choice { schedule, most };
                assert_eq!(Choice::parse(&choice.to_string()), Some(choice));
            }
        }
        for text in ["", "tiles", "tile four", "tile 0", "tile 4 4"] {
            assert_eq!(Choice::parse(text), None, "{text}");
        }
    }
}
