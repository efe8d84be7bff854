//! The layout of a model on an adapter: its programs linked, rows assigned, weights packed, the table that kernels read.
//!
//! Pure functions of the model and of limits; nothing here talks to an adapter.

use super::link::{Fixed, Linked, Place, QUAD, Step, link, padded};
use super::source::{Schedule, Shape};
use crate::graph::Function;
use crate::model::{Interpolation, Model, ports};
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
    /// The observation and the weights of its entries, where the observe program reads them.
    pub target: usize,
    /// Port 0 (forward), or the cotangent of output 0 (reverse).
    pub port: usize,
    /// Forward: the state. Reverse: its cotangent, then that of θ.
    pub state: usize,
    /// Forward: rates of the stages. Reverse: cotangents of their states.
    pub stages: usize,
    /// Reverse: cotangents of the observables, those of stages first.
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

/// What a trajectory needs of a kernel's product loop, to be compared with what a compiler makes of the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Products {
    /// Multiply-adds of the model.
    pub needed: usize,
    /// Rounds of the loop, summed over the threads that serve the trajectory.
    pub rounds: usize,
    /// Multiply-adds of a round.
    pub per_round: usize,
}

/// A model laid out for kernels.
pub struct Layout {
    /// Integrated states, parameters of a sample, inputs, outputs.
    pub sizes: [usize; 4],
    /// Numbers that programs take for θ: the parameters, with latents behind them.
    pub parameters: usize,
    /// Whether encode makes them.
    pub makes: bool,
    /// Numbers of the observed window that encode takes.
    pub window: usize,
    /// Observables of stages and of observations.
    pub observables: [usize; 2],
    /// Whether observe takes the observation and the weights of its entries.
    pub sees_targets: bool,
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
    /// Rows and columns of a block.
    pub block: usize,
}

impl Layout {
    /// Lays a model out.
    pub fn new(model: &Model) -> Layout {
        let sizes = [model.integrated(), model.theta.len(), model.inputs.len(), model.outputs.len()];
        let tableau = tableau(model.spec.solver.method);
        let lists = &model.objective.observables;
        let observables = [lists.stages.len(), lists.observations.len()];
        let sees_targets = model.observe.ports.len() > ports::TARGET;
        let (parameters, window) = (model.parameters(), model.window_len());
        let rows = driver_rows(sizes, parameters, window, observables, sees_targets, tableau.stages());
        let port_rows = [rows.port, rows.theta, rows.input, rows.time, rows.target, rows.target + sizes[3]];
        let linked = |program: &Program, wanted: &[usize], cotangents: Vec<usize>| {
            let marks: Vec<bool> = (0..program.ports.len()).map(|port| wanted.contains(&port)).collect();
            let fixed = Fixed { ports: port_rows[..marks.len()].to_vec(), cotangents, free: rows.free };
            link(&vjp(program, &marks, true), program.outputs.len(), &fixed)
        };
        let both = [ports::STATE, ports::THETA];
        let programs = [
            linked(&model.evolve, &both, vec![rows.port, rows.observables]),
            linked(&model.observe, &both, vec![rows.port, rows.observables + observables[0]]),
            model.encode.as_ref().map_or(Linked::default(), |encode| {
                // What reached the parameters goes on to the networks that made them from where it was gathered.
                linked(encode, &[ports::THETA], vec![rows.port, rows.state + sizes[0]])
            }),
        ];
        let (packed, places, packed_size) = pack(model);
        let mut layout = Layout {
            sizes,
            parameters,
            makes: model.makes_parameters(),
            window,
            observables,
            sees_targets,
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
            block: 0,
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

    /// Numbers of a seed: of a squared residual, then of each observable.
    pub fn seed_width(&self) -> usize {
        1 + self.observables.iter().sum::<usize>()
    }

    /// Rows of results before the cotangents: status, squared error, present entries, observables.
    pub fn sum_rows(&self) -> usize {
        2 + self.seed_width()
    }

    /// Rows of results: sums, cotangents of state and parameters, and the parameters if they are made.
    pub fn result_rows(&self) -> usize {
        let made = if self.makes { self.parameters } else { 0 };
        self.sum_rows() + self.sizes[0] + self.parameters + made
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
                Step::Map { function, save, .. } => save.map_or(0, |_| function.outputs().len().div_ceil(QUAD)),
                // A copy may begin within a quad.
                Step::Each { rows, .. } | Step::Copy { rows, .. } => (rows.div_ceil(QUAD) + 1).div_ceil(lanes) * 5,
                Step::Fill { values, .. } => values.len().div_ceil(QUAD).div_ceil(lanes),
                Step::Affine { rows, depth, .. } => {
                    let blocks = rows.div_ceil(QUAD);
                    let units = match schedule {
                        Schedule::Lane => blocks,
                        _ => (blocks * shape.samples / 4).div_ceil(shape.threads),
                    };
                    units * (depth / QUAD + depth % QUAD + 1)
                }
            };
            program.steps[part].iter().map(|s| step(s) + 1).sum()
        };
        let ([n, _, m, k], p) = (self.sizes, self.parameters);
        let stages = self.tableau.stages();
        // States times later or earlier stages, in prepare and finish.
        let driver = 2 * n * (stages + 2) + p + m + 2 * k + self.window + self.sum_rows() + 8;
        let calls = stages * self.substeps;
        calls * (steps(&self.programs[0]) + driver) + steps(&self.programs[1]) + driver
    }

    /// The products of a call of evolve in the forward (0) or the adjoint (1) kernel.
    pub fn products(&self, part: usize, schedule: Schedule, shape: Shape) -> Products {
        let mut products =
            Products { needed: 0, rounds: 0, per_round: [64, 16][usize::from(schedule == Schedule::Lane)] };
        for step in &self.programs[0].steps[part] {
            if let Step::Affine { rows, depth, .. } = step {
                products.needed += rows * depth;
                let lanes = match schedule {
                    Schedule::Lane => rows.div_ceil(QUAD),
                    // Threads without a block wait for the others.
                    _ => (rows.div_ceil(QUAD) * shape.samples / 4).next_multiple_of(shape.threads) / shape.samples,
                };
                products.rounds += lanes * (depth / QUAD);
            }
        }
        products
    }

    /// The contraction's products of a sample and call of evolve.
    pub fn contracted(&self) -> Products {
        let blocks = self.blocks.chunks_exact(BLOCK_WORDS).take(self.block_count);
        let mut products = Products { needed: 0, rounds: 0, per_round: self.block * self.block / 64 };
        for block in blocks {
            let parts = self.blocks.chunks_exact(PART_WORDS).take(block[7] as usize).skip(block[6] as usize);
            let calls = parts.filter(|part| part[2] == 0).count();
            let within = |whole: u32, first: u32| (whole - first).min(self.block as u32) as usize;
            products.needed += calls * within(block[2], block[4]) * within(block[3], block[5]);
            products.rounds += calls * 64;
        }
        products
    }

    /// Frame rows that the contraction reads per call of evolve, block by block.
    pub fn contracted_rows(&self) -> usize {
        let blocks = self.blocks.chunks_exact(BLOCK_WORDS).take(self.block_count);
        let most = self.block as u32;
        let rows = blocks.map(|b| (b[2] - b[4]).min(most) + (b[3] - b[5]).min(most));
        rows.map(|rows| rows as usize).sum()
    }

    /// Blocks of entries of every weight's gradient, each with the products that contribute to it.
    fn write_blocks(&mut self, model: &Model) {
        let mut blocks: Vec<[u32; BLOCK_WORDS]> = Vec::new();
        let mut parts: Vec<[u32; PART_WORDS]> = Vec::new();
        let matrices = || model.weights.shapes().iter().filter(|s| !s.bias);
        self.block = block(matrices().map(|s| (s.rows, s.columns)));
        for (id, shape) in model.weights.shapes().iter().enumerate().filter(|(_, s)| !s.bias) {
            let first = parts.len();
            let mut bias = 0;
            // Products with a bias first: only they add to its gradient.
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
            for row in (0..shape.rows).step_by(self.block) {
                for column in (0..shape.columns).step_by(self.block) {
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

/// Rows and columns of the blocks in which the gradients of matrices are computed: 64, a thread's 64 entries then read 16
/// numbers a sample, or 32 where blocks of 64 would for the most part be empty.
fn block(matrices: impl Iterator<Item = (usize, usize)>) -> usize {
    let (mut entries, mut computed) = (0, 0);
    for (rows, columns) in matrices {
        entries += rows * columns;
        computed += rows.next_multiple_of(64) * columns.next_multiple_of(64);
    }
    if 2 * entries > computed { 64 } else { 32 }
}

fn driver_rows(
    [n, _, m, k]: [usize; 4],
    p: usize,
    window: usize,
    observables: [usize; 2],
    sees_targets: bool,
    stages: usize,
) -> Rows {
    let (theta, input) = (0, p);
    let time = input + m;
    let target = time + 1;
    let port = padded(target + if sees_targets { 2 * k } else { 0 });
    let state = port + n.max(k).max(window);
    // The reverse kernel keeps the cotangents of state and θ side by side.
    let stages_at = state + n + p;
    let end = stages_at + stages * n;
    let free = [padded(end), padded(end + observables.iter().sum::<usize>())];
    Rows { theta, input, time, target, port, state, stages: stages_at, observables: end, free }
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
