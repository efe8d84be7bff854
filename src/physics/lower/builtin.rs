//! WGSL's builtin functions that work on each component.

use super::arithmetic::{is_integer, wrap};
use super::types::scalar_kind;
use super::{Lowerer, Scalars};
use crate::graph::{NodeId, Op};
use crate::physics::error::Fault;
use naga::{MathFunction, ScalarKind, TypeInner};

impl Lowerer<'_> {
    /// A call of a builtin; `inner` is the type of the first argument.
    pub fn builtin(&mut self, fun: MathFunction, inner: &TypeInner, args: &[Scalars]) -> Result<Vec<NodeId>, Fault> {
        use MathFunction as M;
        let kind = scalar_kind(inner);
        match fun {
            M::Dot
            | M::Cross
            | M::Distance
            | M::Length
            | M::Normalize
            | M::FaceForward
            | M::Reflect
            | M::Refract
            | M::Transpose
            | M::Determinant => return self.geometry(fun, inner, args),
            M::Modf | M::Frexp => return self.parts_of(fun, &args[0]),
            _ => {}
        }
        if args.len() < fun.argument_count() {
            return Err(self.fault("this call lacks arguments"));
        }
        let count = args.iter().map(|a| a.len()).max().unwrap_or(0);
        let mut results = Vec::with_capacity(count);
        for i in 0..count {
            // Scalars go with every component: mix(vec, vec, f32).
            let of = |n: usize| {
                let list = args.get(n).unwrap_or(&args[0]);
                if list.len() == 1 { list[0] } else { list[i] }
            };
            let mut result = self.component(fun, kind, of(0), of(1), of(2))?;
            if let (true, Some(kind), Some(value)) = (is_integer(kind), kind, self.graph.value(result)) {
                result = self.graph.constant(wrap(value as i64, kind));
            }
            results.push(result);
        }
        Ok(results)
    }

    fn component(
        &mut self,
        fun: MathFunction,
        kind: Option<ScalarKind>,
        a: NodeId,
        b: NodeId,
        c: NodeId,
    ) -> Result<NodeId, Fault> {
        use MathFunction as M;
        if let Some(op) = direct(fun) {
            let args = [a, b];
            return Ok(self.graph.apply(op, &args[..op.row().arity]));
        }
        let (zero, one) = (self.graph.constant(0.0), self.graph.constant(1.0));
        let g = &mut self.graph;
        Ok(match fun {
            M::Abs if kind == Some(ScalarKind::Uint) => a,
            M::Abs => g.unary(Op::Abs, a),
            M::Clamp => clamp(self, a, b, c),
            M::Saturate => clamp(self, a, zero, one),
            M::Radians => {
                let factor = g.constant(std::f64::consts::PI / 180.0);
                g.mul(a, factor)
            }
            M::Degrees => {
                let factor = g.constant(180.0 / std::f64::consts::PI);
                g.mul(a, factor)
            }
            M::Fract => {
                let floor = g.unary(Op::Floor, a);
                g.sub(a, floor)
            }
            M::Fma => {
                let product = g.mul(a, b);
                g.add(product, c)
            }
            M::Mix => {
                let rest = g.sub(one, c);
                let first = g.mul(a, rest);
                let second = g.mul(b, c);
                g.add(first, second)
            }
            M::Step => {
                let reached = g.less_equal(a, b);
                g.select(reached, one, zero)
            }
            M::SmoothStep => {
                let (distance, range) = (g.sub(c, a), g.sub(b, a));
                let ratio = g.div(distance, range);
                let t = clamp(self, ratio, zero, one);
                let (two, three) = (self.graph.constant(2.0), self.graph.constant(3.0));
                let g = &mut self.graph;
                let double = g.mul(two, t);
                let factor = g.sub(three, double);
                let square = g.mul(t, t);
                g.mul(square, factor)
            }
            M::Ldexp => {
                let scale = g.unary(Op::Exp2, b);
                g.mul(a, scale)
            }
            M::QuantizeToF16 => return Err(self.unsupported("quantizeToF16 is", "use the value as it is")),
            _ => {
                return Err(self.unsupported("a builtin on bits or packed values is", "use arithmetic on f32 values"));
            }
        })
    }

    /// `modf` and `frexp`: all fractional parts, then all whole parts or exponents.
    fn parts_of(&mut self, fun: MathFunction, value: &[NodeId]) -> Result<Vec<NodeId>, Fault> {
        let mut first = Vec::new();
        let mut second = Vec::new();
        for &v in value {
            let (a, b) = if fun == MathFunction::Modf {
                let whole = self.graph.unary(Op::Trunc, v);
                (self.graph.sub(v, whole), whole)
            } else {
                self.frexp(v)
            };
            first.push(a);
            second.push(b);
        }
        first.extend(second);
        Ok(first)
    }

    /// v = fraction · 2^exponent with ½ ≤ |fraction| < 1; zeros for zero.
    fn frexp(&mut self, v: NodeId) -> (NodeId, NodeId) {
        let g = &mut self.graph;
        let [zero, half, one, two] = [0.0, 0.5, 1.0, 2.0].map(|c| g.constant(c));
        let size = g.unary(Op::Abs, v);
        let nonzero = g.less(zero, size);
        let safe = g.select(nonzero, size, one);
        let log = g.unary(Op::Log2, safe);
        let floor = g.unary(Op::Floor, log);
        let exponent = g.add(floor, one);
        let negated = g.neg(exponent);
        let scale = g.unary(Op::Exp2, negated);
        let fraction = g.mul(v, scale);
        // The logarithm may be rounded across a power of two: one correction either way.
        let size = g.unary(Op::Abs, fraction);
        let (large, small) = (g.less_equal(one, size), g.less(size, half));
        let (halved, doubled) = (g.mul(fraction, half), g.mul(fraction, two));
        let (up, down) = (g.add(exponent, one), g.sub(exponent, one));
        let low = g.select(small, doubled, fraction);
        let fraction = g.select(large, halved, low);
        let low = g.select(small, down, exponent);
        let exponent = g.select(large, up, low);
        (g.select(nonzero, fraction, zero), g.select(nonzero, exponent, zero))
    }
}

/// min(max(x, low), high), with x first: a tie gives the whole partial to x.
fn clamp(lowerer: &mut Lowerer<'_>, x: NodeId, low: NodeId, high: NodeId) -> NodeId {
    let raised = lowerer.graph.binary(Op::Max, x, low);
    lowerer.graph.binary(Op::Min, raised, high)
}

/// Builtins that are operators of the graph.
fn direct(fun: MathFunction) -> Option<Op> {
    use MathFunction as M;
    Some(match fun {
        M::Min => Op::Min,
        M::Max => Op::Max,
        M::Cos => Op::Cos,
        M::Cosh => Op::Cosh,
        M::Sin => Op::Sin,
        M::Sinh => Op::Sinh,
        M::Tan => Op::Tan,
        M::Tanh => Op::Tanh,
        M::Acos => Op::Acos,
        M::Asin => Op::Asin,
        M::Atan => Op::Atan,
        M::Atan2 => Op::Atan2,
        M::Asinh => Op::Asinh,
        M::Acosh => Op::Acosh,
        M::Atanh => Op::Atanh,
        M::Ceil => Op::Ceil,
        M::Floor => Op::Floor,
        M::Round => Op::Round,
        M::Trunc => Op::Trunc,
        M::Exp => Op::Exp,
        M::Exp2 => Op::Exp2,
        M::Log => Op::Log,
        M::Log2 => Op::Log2,
        M::Pow => Op::Pow,
        M::Sign => Op::Sign,
        M::Sqrt => Op::Sqrt,
        M::InverseSqrt => Op::InverseSqrt,
        _ => return None,
    })
}
