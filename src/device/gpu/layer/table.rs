//! The table that kernels read: places and sizes of every step, written as the commands are made.

use super::command::{Command, Commands, KernelName, Map, Size};
use super::layout::THREADS;
use super::link::{Argument, Linked, Place, Step};
use crate::graph::Function;
use crate::model::Model;
use crate::program::{Boundary, Grid, Over, Program};
use std::sync::Arc;

/// A table in the making.
pub struct Writer<'a> {
    model: &'a Model,
    /// The table.
    pub table: Vec<u32>,
    /// The printed maps.
    pub maps: Vec<Map>,
    /// The constants' places, first words in the table, numbers and cells.
    pub fills: Vec<(Place, u32, usize, usize)>,
}

impl<'a> Writer<'a> {
    /// An empty table.
    pub fn new(model: &'a Model) -> Writer<'a> {
        Writer { model, table: Vec::new(), maps: Vec::new(), fills: Vec::new() }
    }

    /// Writes the steps of a program; returns the commands that run them.
    pub fn commands(&mut self, program: &Program, linked: Linked) -> Commands {
        for fill in &linked.fills {
            let at = self.table.len() as u32;
            self.table.extend(fill.values.iter().map(|v| (*v as f32).to_bits()));
            self.fills.push((fill.output, at, fill.values.len() * fill.cells, fill.cells));
        }
        let parts = linked.steps.each_ref().map(|steps| steps.iter().map(|step| self.command(program, step)).collect());
        Commands { parts, linked, own: [program.ports.len(), program.outputs.len()] }
    }

    fn command(&mut self, program: &Program, step: &Step) -> Command {
        let at = self.table.len() as u32;
        let command = |kernel, size, flops: usize| Command::Step { kernel, step: at, size, flops: flops as f64 };
        match step {
            Step::Map { function, over, arguments, output, width, field } => {
                let map = self.map(function, *over, arguments, *field);
                self.table.extend([output.word(), *width as u32]);
                self.table.extend(arguments.iter().map(|a| a.place.word()));
                let threads = program.cells(*field) * if *over == Over::Component { *width } else { 1 };
                let traffic = arguments.iter().map(|a| a.width).sum::<usize>() + width;
                command(KernelName::Map(map), Size::Threads(threads), threads * (function.operations() + traffic))
            }
            Step::Product { weight, bias, transposed, padding, x, channels, output, rows, field } => {
                let (taps, lanes) = (self.taps(*padding), program.cells(*field));
                // Few rows make flat blocks: four rows of 256 lanes, up to 32 rows of 32.
                let quads = rows.div_ceil(4).next_power_of_two().min(8);
                self.table.extend([
                    output.word(),
                    x.word(),
                    self.model.weights.shape(*weight).offset as u32,
                    bias.map_or(0, |b| self.model.weights.shape(b).offset as u32 + 1),
                    *rows as u32,
                    *channels as u32,
                    taps as u32,
                    boundary(*padding) << 1 | u32::from(*transposed),
                    u32::from(*field),
                    quads as u32,
                ]);
                let size = Size::Tiles { lanes, width: 4 * THREADS / quads, blocks: rows.div_ceil(4 * quads) };
                command(KernelName::Product, size, 2 * rows * channels * taps * lanes)
            }
            Step::Outer { weight, bias, padding, y, x, field } => {
                let (taps, shape) = (self.taps(*padding), self.model.weights.shape(*weight));
                // Few rows make flat blocks: 8 x 128, 16 x 64 or 32 x 32.
                let quads = shape.rows.div_ceil(4).next_power_of_two().clamp(2, 8);
                self.table.extend([
                    y.word(),
                    x.word(),
                    shape.offset as u32,
                    bias.map_or(0, |b| self.model.weights.shape(b).offset as u32 + 1),
                    shape.rows as u32,
                    (shape.columns / taps) as u32,
                    taps as u32,
                    boundary(*padding),
                    u32::from(*field),
                    quads as u32,
                ]);
                let blocks = shape.rows.div_ceil(4 * quads) * shape.columns.div_ceil(4 * THREADS / quads);
                let size = Size::Blocks(blocks);
                command(KernelName::Outer, size, 2 * shape.len() * program.cells(*field))
            }
            Step::Stencil { stencil, transposed, x, output, width } => {
                let grid = self.grid();
                let taps = stencil.taps(grid);
                let words = [*width as u32, taps.len() as u32, u32::from(*transposed), boundary(Some(grid.boundary))];
                self.table.extend([output.word(), x.word()].into_iter().chain(words));
                for tap in &taps {
                    self.table.extend([tap.row as i32 as u32, tap.column as i32 as u32, (tap.factor as f32).to_bits()]);
                }
                let threads = width * grid.cells();
                command(KernelName::Stencil, Size::Threads(threads), 8 * taps.len() * threads)
            }
            Step::Sum { x, output, width } => {
                self.table.extend([output.word(), x.word(), *width as u32]);
                command(KernelName::Sum, Size::Groups(*width), width * program.cells(true))
            }
            Step::Copy { from, output, scalars } => Command::Copy { from: *from, output: *output, scalars: *scalars },
        }
    }

    /// Weights per channel: those of a convolution, or one.
    fn taps(&self, padding: Option<Boundary>) -> usize {
        padding.map_or(1, |_| self.grid().offsets().len())
    }

    fn grid(&self) -> &'a Grid {
        self.model.grid.as_ref().expect("operations on cells need a grid")
    }

    fn map(&mut self, function: &Arc<Function>, over: Over, arguments: &[Argument], field: bool) -> usize {
        let arguments: Vec<(usize, bool)> = match over {
            // The width of a component-wise map is data.
            Over::Component => arguments.iter().map(|a| (1, a.field)).collect(),
            Over::Sample | Over::Cell => arguments.iter().map(|a| (a.width, a.field)).collect(),
        };
        let same =
            |m: &Map| m.over == over && m.field == field && m.arguments == arguments && *m.function == **function;
        self.maps.iter().position(same).unwrap_or_else(|| {
            self.maps.push(Map { function: function.clone(), over, arguments, field });
            self.maps.len() - 1
        })
    }
}

/// As kernels read it.
fn boundary(padding: Option<Boundary>) -> u32 {
    match padding {
        None | Some(Boundary::Replicate) => 0,
        Some(Boundary::Periodic) => 1,
        Some(Boundary::Zero) => 2,
    }
}
