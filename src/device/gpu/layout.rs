//! The layout of a model on an adapter: its programs linked, rows assigned, weights packed, the table that kernels read.
//!
//! Pure functions of the model and of limits; nothing here talks to an adapter.

use super::link::{Fixed, Linked, Place, Step, link};
use super::source::{Schedule, Shape};
use crate::graph::Function;
use crate::model::{Interpolation, Model};
use crate::program::{Program, vjp};
use crate::solve::{Tableau, tableau};
use std::sync::Arc;

/// Words of the table before the steps: eight for each program.
pub const HEADER: usize = 24;
/// Words of one program in the header.
pub const PROGRAM_WORDS: usize = 8;
const BLOCK_WORDS: usize = 9;
const PART_WORDS: usize = 3;

/// Positions of the programs in the header.
pub const PROGRAMS: [&str; 3] = ["evolve", "observe", "encode"];

/// Rows that the drivers own. The forward and the reverse kernel agree up to `port`.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// θ.
    pub theta: usize,
    /// Measured inputs.
    pub input: usize,
    /// Time.
    pub time: usize,
    /// Port 0 (forward), or the cotangent of output 0 (reverse).
    pub port: usize,
    /// Forward: the state. Reverse: its cotangent, then that of θ.
    pub state: usize,
    /// Forward: rates of the stages. Reverse: cotangents of their states.
    pub stages: usize,
    /// Reverse: cotangents of the stage observables.
    pub observables: usize,
    /// First free row of the forward and of the reverse kernel.
    pub free: [usize; 2],
}

/// Functions that one kernel prints.
#[derive(Clone, Debug, Default)]
pub struct Printed {
    /// The maps: program, function, inputs, first row of the outputs.
    pub maps: Vec<(usize, Arc<Function>, Vec<Place>, usize)>,
    /// Functions of one output.
    pub functions: Vec<Arc<Function>>,
}

/// Offsets of packed weights, in vectors of four.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed {
    pub(super) plain: usize,
    pub(super) transposed: usize,
}

/// A model laid out for kernels.
pub struct Layout {
    /// States, parameters, inputs, outputs.
    pub sizes: [usize; 4],
    /// The scheme.
    pub tableau: Tableau,
    /// Steps per interval.
    pub substeps: usize,
    /// Whether inputs are held.
    pub held: bool,
    /// Driver rows.
    pub rows: Rows,
    /// The linked programs: evolve, observe, encode.
    pub programs: [Linked; 3],
    /// Functions of the forward and of the reverse kernel.
    pub printed: [Printed; 2],
    /// The table: header, steps, constants, tableau.
    pub table: Vec<u32>,
    /// Offset of the tableau in the table: a by rows, b, c.
    pub tableau_at: usize,
    /// Where each canonical weight stands in the packed buffer; `u32::MAX` for nowhere.
    pub places: Vec<[u32; 2]>,
    /// Values of the packed buffer.
    pub packed: usize,
    /// The products of weight gradients: blocks, then their parts.
    pub blocks: Vec<u32>,
    /// Number of blocks.
    pub block_count: usize,
}

impl Layout {
    /// Lays a model out.
    pub fn new(model: &Model) -> Layout {
        let sizes = [model.integrated(), model.theta.len(), model.inputs.len(), model.outputs.len()];
        let tableau = tableau(model.spec.solver.method);
        let rows = driver_rows(sizes, tableau.stages());
        let ports = vec![rows.port, rows.theta, rows.input, rows.time];
        let fixed = |cotangents: Vec<usize>| Fixed { ports: ports.clone(), cotangents, free: rows.free };
        let linked = |program: &Program, wanted: [bool; 4], fixed: Fixed| {
            link(&vjp(program, &wanted, true), program.outputs.len(), &fixed)
        };
        let both = [true, true, false, false];
        let programs = [
            linked(&model.evolve, both, fixed(vec![rows.port, rows.observables])),
            linked(&model.observe, both, fixed(vec![rows.port])),
            model.encode.as_ref().map_or(Linked::default(), |encode| {
                linked(encode, [false, true, false, false], fixed(vec![rows.port]))
            }),
        ];
        let (packed, places, packed_size) = pack(model);
        let mut layout = Layout {
            sizes,
            substeps: model.spec.solver.substeps,
            held: model.spec.model.inputs == Interpolation::Hold,
            rows,
            printed: Default::default(),
            table: vec![0; HEADER],
            tableau_at: 0,
            places,
            packed: packed_size,
            blocks: Vec::new(),
            block_count: 0,
            programs,
            tableau,
        };
        layout.write_table(&packed);
        layout.write_blocks(model);
        layout
    }

    /// Work rows of the forward and of the reverse kernel.
    pub fn work_rows(&self) -> [usize; 2] {
        [0, 1].map(|part| self.programs.iter().map(|p| p.work[part]).max().unwrap_or(0).max(self.rows.free[part]))
    }

    /// Frame rows of one interval, and those of the encode call before all intervals.
    pub fn frame_rows(&self) -> (usize, usize) {
        let evolve = self.tableau.stages() * self.substeps * self.programs[0].frame;
        (evolve + self.programs[1].frame, self.programs[2].frame)
    }

    /// Loop iterations that one thread of the forward (0) or the adjoint (1) kernel takes per interval, at most.
    pub fn iterations(&self, part: usize, schedule: Schedule, shape: Shape) -> usize {
        let lanes = shape.threads / shape.samples;
        let steps = |program: &Linked| -> usize {
            let step = |step: &Step| match step {
                Step::Map { function, save, .. } => save.map_or(0, |_| function.outputs().len()),
                Step::Each { rows, .. } | Step::Copy { rows, .. } => rows.div_ceil(lanes),
                Step::Fill { values, .. } => values.len().div_ceil(lanes),
                Step::Affine { rows, depth, .. } => match schedule {
                    Schedule::Lane => rows.div_ceil(4) * (depth + 1),
                    _ => (rows.div_ceil(4) * shape.samples / 4).div_ceil(shape.threads) * (depth + 1),
                },
            };
            program.steps[part].iter().map(|s| step(s) + 1).sum()
        };
        let [n, p, m, k] = self.sizes;
        let stages = self.tableau.stages();
        // States times later or earlier stages, in prepare and finish.
        let driver = 2 * n * (stages + 2) + p + m + k + 8;
        let calls = stages * self.substeps;
        calls * (steps(&self.programs[0]) + driver) + steps(&self.programs[1]) + driver
    }

    /// Frame rows that the contraction reads per call of evolve, block by block.
    pub fn contracted_rows(&self) -> usize {
        let blocks = self.blocks.chunks_exact(BLOCK_WORDS).take(self.block_count);
        let rows = blocks.map(|b| (b[2] - b[4]).min(32) + (b[3].saturating_sub(b[5])).min(32));
        rows.map(|rows| rows as usize).sum()
    }

    /// Blocks of 32 × 32 entries of every weight's gradient, each with the products that contribute to it.
    fn write_blocks(&mut self, model: &Model) {
        let mut blocks: Vec<[u32; BLOCK_WORDS]> = Vec::new();
        let mut parts: Vec<[u32; PART_WORDS]> = Vec::new();
        for (id, shape) in model.weights.shapes().iter().enumerate().filter(|(_, s)| !s.bias) {
            let first = parts.len();
            let mut bias = 0;
            // Products with a bias first: only they add to its gradient, by the column behind the last.
            let mut own: Vec<(usize, super::link::OuterProduct)> = Vec::new();
            for (program, linked) in self.programs.iter().enumerate() {
                own.extend(linked.products.iter().filter(|p| p.weight.0 as usize == id).map(|p| (program, *p)));
            }
            own.sort_by_key(|(_, p)| p.bias.is_none());
            for (program, product) in &own {
                parts.push([product.y as u32, product.x as u32, *program as u32]);
                if let Some(b) = product.bias {
                    bias = model.weights.shape(b).offset as u32 + 1;
                }
            }
            if own.is_empty() {
                continue;
            }
            let with_bias = own.iter().filter(|(_, p)| p.bias.is_some()).count();
            let columns = shape.columns + usize::from(bias != 0);
            for row in (0..shape.rows).step_by(32) {
                for column in (0..columns).step_by(32) {
                    blocks.push([
                        shape.offset as u32,
                        bias,
                        shape.rows as u32,
                        shape.columns as u32,
                        row as u32,
                        column as u32,
                        first as u32,
                        parts.len() as u32,
                        (first + with_bias) as u32,
                    ]);
                }
            }
        }
        self.block_count = blocks.len();
        // Parts are addressed in units of their own size, from the start of the buffer.
        let parts_at = (blocks.len() * BLOCK_WORDS).div_ceil(PART_WORDS);
        for block in &mut blocks {
            for word in &mut block[6..9] {
                *word += parts_at as u32;
            }
        }
        self.blocks = blocks.concat();
        self.blocks.resize(parts_at * PART_WORDS, 0);
        self.blocks.extend(parts.concat());
    }
}

fn driver_rows([n, p, m, k]: [usize; 4], stages: usize) -> Rows {
    let (theta, input) = (0, p);
    let time = input + m;
    let port = time + 1;
    let state = port + n.max(k);
    // The reverse kernel keeps the cotangents of state and θ side by side.
    let (forward_stages, reverse_stages) = (state + n, state + n + p);
    let stages_at = forward_stages.max(reverse_stages);
    let observables = stages_at + stages * n;
    Rows { theta, input, time, port, state, stages: stages_at, observables, free: [observables, observables + 3] }
}

/// Packs every matrix twice, plain and transposed, by columns of four-row vectors, and every bias once.
fn pack(model: &Model) -> (Vec<Packed>, Vec<[u32; 2]>, usize) {
    let mut top = 0;
    let mut take = |vectors: usize| {
        top += vectors;
        top - vectors
    };
    let mut packed = Vec::new();
    let mut places = vec![[u32::MAX; 2]; model.weights.per_member()];
    for shape in model.weights.shapes() {
        let (rows, columns) = (shape.rows, shape.columns);
        let plain = take(columns * rows.div_ceil(4));
        let transposed = if shape.bias { 0 } else { take(rows * columns.div_ceil(4)) };
        for r in 0..rows {
            for c in 0..columns {
                let place = &mut places[shape.offset + r * columns + c];
                place[0] = (4 * (plain + c * rows.div_ceil(4)) + r) as u32;
                if !shape.bias {
                    place[1] = (4 * (transposed + r * columns.div_ceil(4)) + c) as u32;
                }
            }
        }
        packed.push(Packed { plain, transposed });
    }
    (packed, places, 4 * top)
}
