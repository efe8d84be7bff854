//! Batched evaluation: a function compiled to a tape of instructions (by `compile`) that sweep over many samples at a time.
//!
//! All values live in one slice of memory, addressed by offset, so that a caller can let a tape read and write the
//! buffers of a larger program without copies. Samples ("lanes") of one scalar are contiguous.

use super::op::Op;
use super::sweep::{BLOCK, choose, choose_product, step};
use super::vector::Vector;

/// Most lanes of one run: long enough to hide the cost of decoding an instruction, short enough to stay in L1.
pub const CHUNK: usize = 512;

/// Where an instruction reads or writes: one of these rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operand {
    Input(u32),
    Output(u32),
    Constant(u32),
    Register(u32),
}

/// What one instruction does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Action {
    /// An operator.
    Apply(Op),
    /// `select(a < b, c, d)`: the branch of an activation in one sweep instead of two.
    Choose,
    /// `select(a < b, c, d · e)`: leaky relu, or its derivative, in one sweep instead of three.
    ChooseProduct,
}

/// A sweep over all lanes.
#[derive(Clone, Debug)]
pub(super) struct Instruction {
    pub(super) action: Action,
    pub(super) args: [Operand; 5],
    pub(super) out: Operand,
}

impl Instruction {
    /// Whether the bound of a comparison and the value (or factor) of its other side are constants, as in relu and leaky relu.
    #[inline(always)]
    fn has_fixed_side(&self) -> bool {
        matches!((self.args[0], self.args[3]), (Operand::Constant(_), Operand::Constant(_)))
    }
}

/// A function as a linear sequence of instructions with registers reused after their last read.
#[derive(Clone, Debug)]
pub struct Tape {
    pub(super) instructions: Vec<Instruction>,
    pub(super) constants: Vec<f64>,
    pub(super) registers: usize,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

/// `select(bound < gate, value, other side)`: relu and leaky relu, whose gate is the value itself, and their derivatives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rectifier {
    /// What the gate must exceed.
    pub bound: f64,
    /// Input that is compared.
    pub gate: usize,
    /// Input that passes.
    pub value: usize,
    /// The result elsewhere.
    pub below: Below,
}

/// What a rectifier yields where its gate is not open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Below {
    /// A constant.
    Constant(f64),
    /// The value times a factor.
    Scaled(f64),
}

/// Where a run of a tape finds its values.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Offset of each input's first lane.
    pub inputs: &'a [usize],
    /// Offset of each output's first lane. Outputs must not overlap inputs or each other.
    pub outputs: &'a [usize],
    /// Offset of the constants, laid out by [`Tape::write_constants`].
    pub constants: usize,
    /// Offset of scratch space for [`Tape::registers`] × lanes values.
    pub registers: usize,
    /// Number of lanes: a multiple of 16, at most [`CHUNK`].
    pub lanes: usize,
}

/// Memory of a batched run.
pub type Memory<T> = Vec<T>;

impl Tape {
    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Number of scratch registers, each as long as the lanes of a run.
    pub fn registers(&self) -> usize {
        self.registers
    }

    /// Number of constants; each takes [`CHUNK`] values of memory.
    pub fn constants(&self) -> usize {
        self.constants.len()
    }

    /// Number of instructions.
    pub fn instructions(&self) -> usize {
        self.instructions.len()
    }

    /// The rectifier that the tape is, if it is one.
    pub fn rectifier(&self) -> Option<Rectifier> {
        let [instruction] = self.instructions.as_slice() else { return None };
        let Operand::Output(0) = instruction.out else { return None };
        let [Operand::Constant(bound), Operand::Input(gate), Operand::Input(value), Operand::Constant(other), last] =
            instruction.args
        else {
            return None;
        };
        let other = self.constants[other as usize];
        let below = match instruction.action {
            Action::Choose => Below::Constant(other),
            Action::ChooseProduct if last == Operand::Input(value) => Below::Scaled(other),
            _ => return None,
        };
        Some(Rectifier { bound: self.constants[bound as usize], gate: gate as usize, value: value as usize, below })
    }

    /// Writes the constants at `offset`, each repeated over [`CHUNK`] lanes.
    pub fn write_constants<T: Vector>(&self, memory: &mut [T], offset: usize) {
        for (i, &c) in self.constants.iter().enumerate() {
            memory[offset + i * CHUNK..offset + (i + 1) * CHUNK].fill(T::from_f64(c));
        }
    }

    /// Runs the tape over the lanes of `place`, with the widest vectors that the processor has.
    pub fn run<T: Vector>(&self, memory: &mut [T], place: Place) {
        pulp::Arch::new().dispatch(Run { tape: self, memory, place });
    }

    #[inline(always)]
    fn sweep_all<S: pulp::Simd, T: Vector>(&self, simd: S, memory: &mut [T], place: Place) {
        debug_assert!(place.lanes.is_multiple_of(BLOCK) && place.lanes <= CHUNK);
        let address = |o: Operand| match o {
            Operand::Input(i) => place.inputs[i as usize],
            Operand::Output(i) => place.outputs[i as usize],
            Operand::Constant(i) => place.constants + i as usize * CHUNK,
            Operand::Register(i) => place.registers + i as usize * place.lanes,
        };
        for instruction in &self.instructions {
            let arity = match instruction.action {
                Action::Apply(op) => op.row().arity,
                Action::Choose => 4,
                Action::ChooseProduct => 5,
            };
            let mut args = [0usize; 5];
            for (slot, &a) in args.iter_mut().zip(&instruction.args[..arity]) {
                *slot = address(a);
            }
            let out = address(instruction.out);
            match instruction.action {
                Action::Apply(op) => step(simd, op, memory, [args[0], args[1], args[2]], out, place.lanes),
                Action::Choose => {
                    let args = [args[0], args[1], args[2], args[3]];
                    match instruction.has_fixed_side() {
                        true => choose::<S, T, true>(simd, memory, args, out, place.lanes),
                        false => choose::<S, T, false>(simd, memory, args, out, place.lanes),
                    }
                }
                Action::ChooseProduct => match instruction.has_fixed_side() {
                    true => choose_product::<S, T, true>(simd, memory, args, out, place.lanes),
                    false => choose_product::<S, T, false>(simd, memory, args, out, place.lanes),
                },
            }
        }
    }

    /// Evaluates columns of samples: `inputs[i]` holds every sample's value of input i. A convenience for small jobs.
    pub fn eval_columns<T: Vector>(&self, inputs: &[&[T]], samples: usize) -> Vec<Vec<T>> {
        assert_eq!(inputs.len(), self.inputs, "number of inputs");
        let rows = self.inputs + self.outputs + self.registers;
        let mut memory: Memory<T> = vec![T::ZERO; (rows + self.constants.len()) * CHUNK];
        let offsets: Vec<usize> = (0..rows).map(|r| r * CHUNK).collect();
        let (input_rows, rest) = offsets.split_at(self.inputs);
        self.write_constants(&mut memory, rows * CHUNK);
        let mut outputs = vec![Vec::with_capacity(samples); self.outputs];
        for start in (0..samples).step_by(CHUNK) {
            let count = CHUNK.min(samples - start);
            for (row, column) in input_rows.iter().zip(inputs) {
                memory[*row..row + count].copy_from_slice(&column[start..start + count]);
            }
            let lanes = count.next_multiple_of(BLOCK);
            let registers = (self.inputs + self.outputs) * CHUNK;
            let place =
                Place { inputs: input_rows, outputs: &rest[..self.outputs], constants: rows * CHUNK, registers, lanes };
            self.run(&mut memory, place);
            for (output, row) in outputs.iter_mut().zip(&rest[..self.outputs]) {
                output.extend_from_slice(&memory[*row..row + count]);
            }
        }
        outputs
    }
}

/// A run as something that pulp compiles for every instruction set. A plain closure would not do: its body is not inlined
/// into the specialised function and keeps the narrow vectors of the baseline.
struct Run<'a, T> {
    tape: &'a Tape,
    memory: &'a mut [T],
    place: Place<'a>,
}

impl<T: Vector> pulp::WithSimd for Run<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        self.tape.sweep_all(simd, self.memory, self.place);
    }
}
