//! Random formulas as recipes: followed by the graph builder, and independently of it by plain f64 arithmetic.

use super::*;
use greybox::graph::op::TABLE;
use greybox::rng::{Purpose, Stream};

/// A formula as a list of steps. A step has a kind and three places among the inputs and earlier steps.
#[derive(Clone, Debug)]
pub struct Recipe {
    pub inputs: usize,
    pub steps: Vec<(usize, [u8; 3])>,
}

/// One kind per operator, and the shapes of [`special`].
pub const KINDS: usize = TABLE.len() + 11;

/// What a recipe is followed in.
pub trait Algebra {
    type Value: Copy;
    fn constant(&mut self, value: f64) -> Self::Value;
    fn apply(&mut self, op: Op, args: &[Self::Value]) -> Self::Value;
}

impl Algebra for Graph {
    type Value = NodeId;
    fn constant(&mut self, value: f64) -> NodeId {
        Graph::constant(self, value)
    }
    fn apply(&mut self, op: Op, args: &[NodeId]) -> NodeId {
        Graph::apply(self, op, args)
    }
}

impl Recipe {
    /// The values of all steps, after the inputs.
    fn follow<A: Algebra>(&self, a: &mut A, inputs: &[A::Value]) -> Vec<A::Value> {
        let mut pool = inputs.to_vec();
        for &(kind, places) in &self.steps {
            let args = places.map(|p| pool[usize::from(p) % pool.len()]);
            let value = match TABLE.get(kind) {
                Some(row) => guarded(a, row.op, args),
                None => special(a, kind - TABLE.len(), args, places[2]),
            };
            pool.push(value);
        }
        pool
    }

    /// Last step, last but one, and one from the middle.
    pub fn outputs<A: Algebra>(&self, a: &mut A, inputs: &[A::Value]) -> Vec<A::Value> {
        let pool = self.follow(a, inputs);
        let n = pool.len();
        vec![pool[n - 1], pool[n - 2], pool[n / 2]]
    }

    /// The recipe as a function.
    pub fn function(&self) -> Function {
        Function::build(self.inputs, |g, ids| self.outputs(g, ids))
    }
}

/// `k + x²`
fn above<A: Algebra>(a: &mut A, k: f64, x: A::Value) -> A::Value {
    let (k, square) = (a.constant(k), a.apply(Op::Mul, &[x, x]));
    a.apply(Op::Add, &[k, square])
}

/// `k tanh x`
fn within<A: Algebra>(a: &mut A, k: f64, x: A::Value) -> A::Value {
    let (k, tanh) = (a.constant(k), a.apply(Op::Tanh, &[x]));
    a.apply(Op::Mul, &[k, tanh])
}

/// An operator on arguments brought into its domain; a boolean becomes a choice between two numbers.
fn guarded<A: Algebra>(a: &mut A, op: Op, [x, y, z]: [A::Value; 3]) -> A::Value {
    let args = match op {
        Op::Div | Op::Rem => [x, above(a, 1.5, y), z],
        Op::Atan2 => [x, above(a, 0.5, y), z],
        Op::Pow => [above(a, 0.5, x), within(a, 1.5, y), z],
        Op::Sqrt | Op::InverseSqrt | Op::Log | Op::Log2 => [above(a, 0.25, x), y, z],
        Op::Acosh => [above(a, 1.5, x), y, z],
        Op::Exp | Op::Exp2 | Op::Sinh | Op::Cosh | Op::Tan => [within(a, 1.25, x), y, z],
        Op::Asin | Op::Acos | Op::Atanh => [within(a, 0.875, x), y, z],
        Op::And | Op::Or => [a.apply(Op::Less, &[x, y]), a.apply(Op::LessEqual, &[y, z]), z],
        Op::Not => [a.apply(Op::Equal, &[x, y]), y, z],
        Op::Select => [a.apply(Op::Less, &[x, y]), y, z],
        _ => [x, y, z],
    };
    let value = a.apply(op, &args[..op.row().arity]);
    if op.is_boolean() { a.apply(Op::Select, &[value, x, z]) } else { value }
}

/// Shapes that simplification and masking are about.
fn special<A: Algebra>(a: &mut A, kind: usize, [x, y, z]: [A::Value; 3], choice: u8) -> A::Value {
    let zero = a.constant(0.0);
    let positive = a.apply(Op::Less, &[zero, x]);
    match kind {
        0 => a.constant([0.0, 1.0, -1.0, 2.0, 0.5, -3.0, 0.25, -0.0][usize::from(choice) % 8]),
        // Not finite, or infinitely steep, in the untaken side only.
        1 => {
            let root = a.apply(Op::Sqrt, &[x]);
            a.apply(Op::Select, &[positive, root, y])
        }
        2 => {
            let log = a.apply(Op::Log, &[x]);
            let product = a.apply(Op::Mul, &[log, y]);
            a.apply(Op::Select, &[positive, product, y])
        }
        3 => {
            let (size, small) = (a.apply(Op::Abs, &[x]), a.constant(0.125));
            let apart = a.apply(Op::Less, &[small, size]);
            let ratio = a.apply(Op::Div, &[y, x]);
            a.apply(Op::Select, &[apart, ratio, z])
        }
        // The condition reads the guarded value itself.
        4 => {
            let (root, half) = (a.apply(Op::Sqrt, &[x]), a.constant(0.5));
            let large = a.apply(Op::Less, &[half, root]);
            a.apply(Op::Select, &[large, root, y])
        }
        5 => {
            let sum = a.apply(Op::Add, &[x, y]);
            let sum = a.apply(Op::Sub, &[sum, z]);
            a.apply(Op::Sub, &[sum, x])
        }
        6 => {
            let negative = a.apply(Op::Not, &[positive]);
            let inner = a.apply(Op::Select, &[positive, y, z]);
            let outer = a.apply(Op::Select, &[negative, z, inner]);
            a.apply(Op::Select, &[positive, outer, y])
        }
        7 => {
            let base = above(a, 0.5, x);
            let exponent = a.constant([0.0, 1.0, 2.0, 3.0, 0.5, -1.0, 2.5][usize::from(choice) % 7]);
            a.apply(Op::Pow, &[base, exponent])
        }
        8 => {
            let minus = a.apply(Op::Neg, &[x]);
            let sum = a.apply(Op::Add, &[minus, y]);
            a.apply(Op::Neg, &[sum])
        }
        9 => {
            let factor = a.constant([0.0, 1.0, -1.0, 0.5][usize::from(choice) % 4]);
            a.apply(Op::Mul, &[x, factor])
        }
        // (p ∧ q) ∨ (p ∧ ¬q) with a branch under each.
        _ => {
            let q = a.apply(Op::Less, &[y, z]);
            let not = a.apply(Op::Not, &[q]);
            let (both, one) = (a.apply(Op::And, &[positive, q]), a.apply(Op::And, &[positive, not]));
            let root = a.apply(Op::Sqrt, &[x]);
            let first = a.apply(Op::Select, &[both, root, y]);
            let second = a.apply(Op::Select, &[one, root, first]);
            let any = a.apply(Op::Or, &[both, one]);
            a.apply(Op::Select, &[any, second, z])
        }
    }
}

/// Plain arithmetic: the table's meanings and nothing else. It notes on which side of every kink the point lies, can
/// disturb every result, and can hold the values of stop-gradients.
#[derive(Default)]
pub struct Numbers {
    /// Relative disturbance of every operation that rounds, and which disturbance.
    pub noise: f64,
    pub seed: u64,
    /// Values for the stop-gradients, in order; their own if empty.
    pub held: Vec<f64>,
    pub stopped: Vec<f64>,
    /// Side of every kink met, in order.
    pub sides: Vec<u64>,
    pub largest: f64,
    pub operations: u32,
}

impl Algebra for Numbers {
    type Value = f64;
    fn constant(&mut self, value: f64) -> f64 {
        value
    }
    fn apply(&mut self, op: Op, args: &[f64]) -> f64 {
        let mut full = [0.0; 3];
        full[..args.len()].copy_from_slice(args);
        let [a, b, _] = full;
        let value = (op.row().eval)(full);
        let side = match op {
            Op::StopGrad => {
                self.stopped.push(value);
                return self.held.get(self.stopped.len() - 1).copied().unwrap_or(value);
            }
            Op::Min | Op::Max => f64::from(u8::from(a < b)) - f64::from(u8::from(b < a)),
            Op::Abs => (Op::Sign.row().eval)(full),
            Op::Rem => (a / b).trunc(),
            Op::Select => f64::from(u8::from(a != 0.0)),
            _ if op.is_flat() => value,
            // Sides that are not taken may be NaN; where they matter the value itself is not finite.
            _ => 0.0,
        };
        self.sides.push((side + 0.0).to_bits());
        if value.is_finite() {
            self.largest = self.largest.max(value.abs());
        }
        self.operations += 1;
        let exact = op.is_flat() || matches!(op, Op::Min | Op::Max | Op::Abs | Op::Neg | Op::Select);
        if exact || self.noise == 0.0 {
            return value;
        }
        let uniform = Stream::new(self.seed, Purpose::Noise).uniform(self.operations, 0);
        value * (1.0 + self.noise * (2.0 * uniform - 1.0))
    }
}
