//! Batched evaluation: a function compiled to a tape of instructions that sweep over many samples at a time.
//!
//! All values live in one slice of memory, addressed by offset, so that a caller can let a tape read and write the
//! buffers of a larger program without copies. Samples ("lanes") of one scalar are contiguous.

use super::build::{Node, NodeId};
use super::function::Function;
use super::op::Op;
use super::real::Real;

/// Lanes handled per inner loop; the number of lanes of a run is a multiple of it.
const BLOCK: usize = 16;

/// Most lanes of one run: long enough to hide the cost of decoding an instruction, short enough to stay in L1.
pub const CHUNK: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operand {
    Input(u32),
    Output(u32),
    Constant(u32),
    Register(u32),
}

#[derive(Clone, Debug)]
struct Instruction {
    op: Op,
    args: [Operand; 3],
    out: Operand,
}

/// A function as a linear sequence of instructions with registers reused after their last read.
#[derive(Clone, Debug)]
pub struct Tape {
    instructions: Vec<Instruction>,
    constants: Vec<f64>,
    registers: usize,
    inputs: usize,
    outputs: usize,
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
    /// Compiles a function.
    pub fn compile(f: &Function) -> Tape {
        let nodes = f.nodes();
        let mut last_use = vec![0usize; nodes.len()];
        for (index, node) in nodes.iter().enumerate() {
            for a in node.args() {
                last_use[a.index()] = index;
            }
        }
        // The first output that a node feeds is its home; further ones are copies.
        let mut home: Vec<Option<u32>> = vec![None; nodes.len()];
        for (position, o) in f.outputs().iter().enumerate() {
            if matches!(nodes[o.index()], Node::Apply(..)) {
                home[o.index()].get_or_insert(position as u32);
            }
        }
        let mut tape = Tape {
            instructions: Vec::new(),
            constants: Vec::new(),
            registers: 0,
            inputs: f.inputs(),
            outputs: f.outputs().len(),
        };
        let mut free: Vec<u32> = Vec::new();
        let mut place: Vec<Operand> = Vec::with_capacity(nodes.len());
        for (index, node) in nodes.iter().enumerate() {
            let operand = match *node {
                Node::Const(bits) => tape.constant(f64::from_bits(bits)),
                Node::Input(i) => Operand::Input(i),
                Node::Apply(op, _) => {
                    let mut args = [Operand::Input(0); 3];
                    for (slot, a) in args.iter_mut().zip(node.args()) {
                        *slot = place[a.index()];
                    }
                    let out = match home[index] {
                        Some(position) => Operand::Output(position),
                        None => Operand::Register(free.pop().unwrap_or_else(|| {
                            tape.registers += 1;
                            tape.registers as u32 - 1
                        })),
                    };
                    tape.instructions.push(Instruction { op, args, out });
                    // Freed after the result has its place: an instruction never writes over its own arguments.
                    release(node.args(), index, &last_use, &place, &mut free);
                    out
                }
            };
            place.push(operand);
        }
        for (position, o) in f.outputs().iter().enumerate() {
            let out = Operand::Output(position as u32);
            if place[o.index()] != out {
                let args = [place[o.index()], Operand::Input(0), Operand::Input(0)];
                tape.instructions.push(Instruction { op: Op::StopGrad, args, out });
            }
        }
        tape
    }

    fn constant(&mut self, value: f64) -> Operand {
        let known = self.constants.iter().position(|c| c.to_bits() == value.to_bits());
        let index = known.unwrap_or_else(|| {
            self.constants.push(value);
            self.constants.len() - 1
        });
        Operand::Constant(index as u32)
    }

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

    /// Writes the constants at `offset`, each repeated over [`CHUNK`] lanes.
    pub fn write_constants<T: Real>(&self, memory: &mut [T], offset: usize) {
        for (i, &c) in self.constants.iter().enumerate() {
            memory[offset + i * CHUNK..offset + (i + 1) * CHUNK].fill(T::from_f64(c));
        }
    }

    /// Runs the tape over the lanes of `place`, with the widest vectors that the processor has.
    pub fn run<T: Real>(&self, memory: &mut [T], place: Place) {
        pulp::Arch::new().dispatch(Run { tape: self, memory, place });
    }

    #[inline(always)]
    fn sweep_all<T: Real>(&self, memory: &mut [T], place: Place) {
        debug_assert!(place.lanes.is_multiple_of(BLOCK) && place.lanes <= CHUNK);
        let address = |o: Operand| match o {
            Operand::Input(i) => place.inputs[i as usize],
            Operand::Output(i) => place.outputs[i as usize],
            Operand::Constant(i) => place.constants + i as usize * CHUNK,
            Operand::Register(i) => place.registers + i as usize * place.lanes,
        };
        for instruction in &self.instructions {
            let arity = instruction.op.row().arity;
            let mut args = [0usize; 3];
            for (slot, &a) in args.iter_mut().zip(&instruction.args[..arity]) {
                *slot = address(a);
            }
            step(instruction.op, memory, args, address(instruction.out), place.lanes);
        }
    }

    /// Evaluates columns of samples: `inputs[i]` holds every sample's value of input i. A convenience for small jobs.
    pub fn eval_columns<T: Real>(&self, inputs: &[&[T]], samples: usize) -> Vec<Vec<T>> {
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

impl<T: Real> pulp::WithSimd for Run<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        self.tape.sweep_all(self.memory, self.place);
    }
}

fn release(args: &[NodeId], index: usize, last_use: &[usize], place: &[Operand], free: &mut Vec<u32>) {
    for (position, a) in args.iter().enumerate() {
        let first_mention = !args[..position].contains(a);
        if let (Operand::Register(r), true) = (place[a.index()], first_mention && last_use[a.index()] == index) {
            free.push(r);
        }
    }
}

/// Memory split at an instruction's result, which overlaps none of its arguments: slices without bounds checks inside.
/// Blocks are copied to locals before the arithmetic, which is what the compiler needs to use whole vectors.
struct Split<'a, T> {
    before: &'a [T],
    out: &'a mut [T],
    after: &'a [T],
    start: usize,
}

impl<'a, T> Split<'a, T> {
    #[inline(always)]
    fn new(memory: &'a mut [T], start: usize, lanes: usize) -> Self {
        let (before, rest) = memory.split_at_mut(start);
        let (out, after) = rest.split_at_mut(lanes);
        Split { before, out, after, start }
    }

    #[inline(always)]
    fn argument(&self, offset: usize) -> &'a [[T; BLOCK]] {
        let lanes = self.out.len();
        let row = if offset < self.start {
            &self.before[offset..offset + lanes]
        } else {
            let offset = offset - self.start - lanes;
            &self.after[offset..offset + lanes]
        };
        row.as_chunks().0
    }

    #[inline(always)]
    fn blocks(self) -> &'a mut [[T; BLOCK]] {
        self.out.as_chunks_mut().0
    }
}

#[inline(always)]
fn sweep<T: Real>(memory: &mut [T], a: usize, out: usize, lanes: usize, f: impl Fn(T) -> T) {
    let split = Split::new(memory, out, lanes);
    let a = split.argument(a);
    for (out, a) in split.blocks().iter_mut().zip(a) {
        let mut x = *a;
        for x in &mut x {
            *x = f(*x);
        }
        *out = x;
    }
}

#[inline(always)]
fn sweep2<T: Real>(memory: &mut [T], [a, b, _]: [usize; 3], out: usize, lanes: usize, f: impl Fn(T, T) -> T) {
    let split = Split::new(memory, out, lanes);
    let (a, b) = (split.argument(a), split.argument(b));
    for ((out, a), b) in split.blocks().iter_mut().zip(a).zip(b) {
        let (mut x, y) = (*a, *b);
        for (x, y) in x.iter_mut().zip(y) {
            *x = f(*x, y);
        }
        *out = x;
    }
}

#[inline(always)]
fn sweep3<T: Real>(memory: &mut [T], [a, b, c]: [usize; 3], out: usize, lanes: usize, f: impl Fn(T, T, T) -> T) {
    let split = Split::new(memory, out, lanes);
    let (a, b, c) = (split.argument(a), split.argument(b), split.argument(c));
    for (((out, a), b), c) in split.blocks().iter_mut().zip(a).zip(b).zip(c) {
        let (mut x, y, z) = (*a, *b, *c);
        for (i, x) in x.iter_mut().enumerate() {
            *x = f(*x, y[i], z[i]);
        }
        *out = x;
    }
}

/// One instruction over all lanes: the vectorised mirror of [`TABLE`](super::op::TABLE), compared with it in tests.
#[inline(always)]
fn step<T: Real>(op: Op, m: &mut [T], args: [usize; 3], out: usize, n: usize) {
    let a = args[0];
    let zero = T::ZERO;
    match op {
        Op::Add => sweep2(m, args, out, n, |a, b| a + b),
        Op::Sub => sweep2(m, args, out, n, |a, b| a - b),
        Op::Mul => sweep2(m, args, out, n, |a, b| a * b),
        Op::Div => sweep2(m, args, out, n, |a, b| a / b),
        Op::Rem => sweep2(m, args, out, n, |a, b| a % b),
        Op::Min => sweep2(m, args, out, n, |a, b| if b < a { b } else { a }),
        Op::Max => sweep2(m, args, out, n, |a, b| if a < b { b } else { a }),
        Op::Pow => sweep2(m, args, out, n, |a, b| a.pow(b)),
        Op::Atan2 => sweep2(m, args, out, n, |a, b| a.atan2(b)),
        Op::Neg => sweep(m, a, out, n, |a| -a),
        Op::Abs => sweep(m, a, out, n, |a| a.abs()),
        Op::Sign => sweep(m, a, out, n, |a| T::truth(a > zero) - T::truth(a < zero)),
        Op::Floor => sweep(m, a, out, n, |a| a.floor()),
        Op::Ceil => sweep(m, a, out, n, |a| a.ceil()),
        Op::Round => sweep(m, a, out, n, |a| a.round()),
        Op::Trunc => sweep(m, a, out, n, |a| a.trunc()),
        Op::Sqrt => sweep(m, a, out, n, |a| a.sqrt()),
        Op::InverseSqrt => sweep(m, a, out, n, |a| T::ONE / a.sqrt()),
        Op::Exp => sweep(m, a, out, n, |a| a.exp()),
        Op::Exp2 => sweep(m, a, out, n, |a| a.exp2()),
        Op::Log => sweep(m, a, out, n, |a| a.log()),
        Op::Log2 => sweep(m, a, out, n, |a| a.log2()),
        Op::Sin => sweep(m, a, out, n, |a| a.sin()),
        Op::Cos => sweep(m, a, out, n, |a| a.cos()),
        Op::Tan => sweep(m, a, out, n, |a| a.tan()),
        Op::Asin => sweep(m, a, out, n, |a| a.asin()),
        Op::Acos => sweep(m, a, out, n, |a| a.acos()),
        Op::Atan => sweep(m, a, out, n, |a| a.atan()),
        Op::Sinh => sweep(m, a, out, n, |a| a.sinh()),
        Op::Cosh => sweep(m, a, out, n, |a| a.cosh()),
        Op::Tanh => sweep(m, a, out, n, |a| a.tanh()),
        Op::Asinh => sweep(m, a, out, n, |a| a.asinh()),
        Op::Acosh => sweep(m, a, out, n, |a| a.acosh()),
        Op::Atanh => sweep(m, a, out, n, |a| a.atanh()),
        Op::Sigmoid => sweep(m, a, out, n, |a| a.sigmoid()),
        Op::Softplus => sweep(m, a, out, n, |a| a.softplus()),
        Op::StopGrad => sweep(m, a, out, n, |a| a),
        Op::Less => sweep2(m, args, out, n, |a, b| T::truth(a < b)),
        Op::LessEqual => sweep2(m, args, out, n, |a, b| T::truth(a <= b)),
        Op::Equal => sweep2(m, args, out, n, |a, b| T::truth(a == b)),
        Op::And => sweep2(m, args, out, n, |a, b| T::truth(a != zero && b != zero)),
        Op::Or => sweep2(m, args, out, n, |a, b| T::truth(a != zero || b != zero)),
        Op::Not => sweep(m, a, out, n, |a| T::truth(a == zero)),
        Op::Select => sweep3(m, args, out, n, |c, a, b| if c != zero { a } else { b }),
    }
}
