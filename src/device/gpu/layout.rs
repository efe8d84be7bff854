//! The layout of a model on an adapter: its programs linked, rows assigned, weights packed, the table that kernels read.
//!
//! Pure functions of the model and of limits; nothing here talks to an adapter.

use super::link::{Fixed, Linked, Place, Step, link};
use crate::graph::Function;
use crate::model::{Interpolation, Model};
use crate::program::{Program, WeightId, vjp};
use crate::solve::{Tableau, tableau};
use std::sync::Arc;

/// Words of the table before the steps: eight for each program.
pub const HEADER: usize = 24;
/// Words of one program in the header.
pub const PROGRAM_WORDS: usize = 8;
const STEP_WORDS: usize = 8;
const IN_FRAME: u32 = 1 << 31;

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
    /// Program, and the maps' function, inputs, output and saved row.
    pub maps: Vec<(usize, Arc<Function>, Vec<Place>, usize, Option<usize>)>,
    /// Functions of one output.
    pub functions: Vec<Arc<Function>>,
}

/// Offsets of packed weights, in vectors of four.
#[derive(Clone, Copy, Debug)]
struct Packed {
    plain: usize,
    transposed: usize,
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
        let sizes = [model.state.len(), model.theta.len(), model.inputs.len(), model.outputs.len()];
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
        layout.write_table(model, &packed);
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

    fn write_table(&mut self, model: &Model, packed: &[Packed]) {
        let programs = std::mem::take(&mut self.programs);
        let count: usize = programs.iter().flat_map(|p| &p.steps).map(Vec::len).sum();
        let mut constants: Vec<u32> = Vec::new();
        let constants_at = HEADER + count * STEP_WORDS;
        let mut next = 0;
        for (index, program) in programs.iter().enumerate() {
            let header = index * PROGRAM_WORDS;
            self.table[header] = next;
            for (part, steps) in program.steps.iter().enumerate() {
                for step in steps {
                    let words = self.encode(model, packed, index, part, step, constants_at, &mut constants);
                    self.table.extend(words);
                }
                next += steps.len() as u32;
                self.table[header + 1 + part] = next;
            }
            for (slot, row) in program.outputs.iter().take(2).enumerate() {
                self.table[header + 3 + slot] = *row as u32;
            }
            // Encode yields the cotangent of θ only.
            let first = if index == 2 { 6 } else { 5 };
            for (slot, row) in program.cotangents.iter().take(2).enumerate() {
                self.table[header + first + slot] = *row as u32;
            }
        }
        self.table.extend(constants);
        self.tableau_at = self.table.len();
        let stages = self.tableau.stages();
        let t = &self.tableau;
        let entry = |row: &Vec<f64>, j: usize| row.get(j).copied().unwrap_or(0.0);
        let numbers: Vec<f64> =
            t.a.iter().flat_map(|row| (0..stages).map(|j| entry(row, j)).collect::<Vec<_>>()).chain(t.b.clone()).chain(t.c.clone()).collect();
        self.table.extend(numbers.iter().map(|x| (*x as f32).to_bits()));
        self.programs = programs;
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of a table in the making")]
    fn encode(
        &mut self,
        model: &Model,
        packed: &[Packed],
        program: usize,
        part: usize,
        step: &Step,
        constants_at: usize,
        constants: &mut Vec<u32>,
    ) -> [u32; STEP_WORDS] {
        let saved = |save: &Option<usize>| save.map_or(0, |row| row as u32 + 1);
        let place = |place: &Place| match place {
            Place::Work(row) => *row as u32,
            Place::Frame(row) => *row as u32 | IN_FRAME,
        };
        match step {
            Step::Map { function, inputs, output, save } => {
                let maps = &mut self.printed[part].maps;
                maps.push((program, function.clone(), inputs.clone(), *output, *save));
                [0, maps.len() as u32 - 1, *output as u32, saved(save), 0, 0, 0, 0]
            }
            Step::Each { function, inputs, output, save, rows } => {
                let functions = &mut self.printed[part].functions;
                let index = functions.iter().position(|f| f == function).unwrap_or_else(|| {
                    functions.push(function.clone());
                    functions.len() - 1
                });
                let argument = |i: usize| place(inputs.get(i).unwrap_or(&inputs[0]));
                let arguments = [argument(0), argument(1), argument(2)];
                let [x, y, z] = arguments;
                [1, index as u32, *output as u32, saved(save), *rows as u32, x, y, z]
            }
            Step::Affine { weight, bias, transposed, x, output, save } => {
                let (shape, at) = (model.weights.shape(*weight), packed[weight.0 as usize]);
                let (rows, depth, matrix) = match transposed {
                    false => (shape.rows, shape.columns, at.plain),
                    true => (shape.columns, shape.rows, at.transposed),
                };
                let bias = bias.map_or(0, |b: WeightId| packed[b.0 as usize].plain as u32 + 1);
                [2, bias, *output as u32, saved(save), rows as u32, *x as u32, depth as u32, matrix as u32]
            }
            Step::Copy { from, output, save, rows } => {
                [3, 0, *output as u32, saved(save), *rows as u32, place(from), 0, 0]
            }
            Step::Fill { values, output, save } => {
                let at = constants_at + constants.len();
                constants.extend(values.iter().map(|v| (*v as f32).to_bits()));
                [4, 0, *output as u32, saved(save), values.len() as u32, at as u32, 0, 0]
            }
        }
    }

    /// Blocks of 32 × 32 entries of every weight's gradient, each with the products that contribute to it.
    fn write_blocks(&mut self, model: &Model) {
        const BLOCK_WORDS: usize = 9;
        const PART_WORDS: usize = 3;
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
