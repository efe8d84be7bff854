//! The table that rollout kernels read: programs, steps, constants, tableau, as 32-bit words.

use super::layout::{HEADER, Layout, PROGRAM_WORDS, Packed};
use super::link::{Place, Step, padded};
use crate::program::WeightId;

const STEP_WORDS: usize = 8;
const IN_FRAME: u32 = 1 << 31;

impl Layout {
    /// Writes header, steps and numbers, and gathers the functions that kernels print.
    pub(super) fn write_table(&mut self, packed: &[Packed]) {
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
                    let words = self.encode(packed, index, part, step, constants_at, &mut constants);
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
            t.a.iter()
                .flat_map(|row| (0..stages).map(|j| entry(row, j)).collect::<Vec<_>>())
                .chain(t.b.clone())
                .chain(t.c.clone())
                .collect();
        self.table.extend(numbers.iter().map(|x| (*x as f32).to_bits()));
        self.programs = programs;
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of a table in the making")]
    fn encode(
        &mut self,
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
                maps.push((program, function.clone(), inputs.clone(), *output));
                [0, maps.len() as u32 - 1, *output as u32, saved(save), function.outputs().len() as u32, 0, 0, 0]
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
            Step::Affine { weight, bias, transposed, rows, depth, x, output, save } => {
                let at = packed[weight.0 as usize];
                let matrix = if *transposed { at.transposed } else { at.plain };
                let bias = bias.map_or(0, |b: WeightId| packed[b.0 as usize].plain as u32 + 1);
                [2, bias, *output as u32, saved(save), *rows as u32, *x as u32, *depth as u32, matrix as u32]
            }
            Step::Copy { from, output, save, rows } => {
                [3, 0, *output as u32, saved(save), *rows as u32, place(from), 0, 0]
            }
            Step::Fill { values, output, save } => {
                let at = constants_at + constants.len();
                constants.extend(values.iter().map(|v| (*v as f32).to_bits()));
                constants.resize(padded(constants.len()), 0);
                [4, 0, *output as u32, saved(save), values.len() as u32, at as u32, 0, 0]
            }
        }
    }
}
