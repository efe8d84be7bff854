//! Operators on scalars, vectors and matrices.
//!
//! Integers are exact and wrap while they are known. Run-time integers are whole numbers held in floats.

use super::Lowerer;
use crate::graph::{NodeId, Op};
use crate::physics::error::Fault;
use naga::{BinaryOperator, ScalarKind, TypeInner, UnaryOperator};

/// Values of an integer type after wrapping, as its exact number.
pub(super) fn wrap(value: i64, kind: ScalarKind) -> f64 {
    if kind == ScalarKind::Uint { f64::from(value as u32) } else { f64::from(value as i32) }
}

/// True for i32 and u32.
pub(super) fn is_integer(kind: Option<ScalarKind>) -> bool {
    matches!(kind, Some(ScalarKind::Sint | ScalarKind::Uint | ScalarKind::AbstractInt))
}

impl Lowerer<'_> {
    /// A prefix operator on each scalar.
    pub fn unary_operator(
        &mut self,
        op: UnaryOperator,
        kind: Option<ScalarKind>,
        value: &[NodeId],
    ) -> Result<Vec<NodeId>, Fault> {
        let mut results = Vec::with_capacity(value.len());
        for &a in value {
            let known = self.graph.value(a).filter(|_| is_integer(kind)).zip(kind);
            results.push(match (op, known) {
                (UnaryOperator::LogicalNot, _) => self.graph.not(a),
                (UnaryOperator::Negate, Some((v, kind))) => self.graph.constant(wrap((v as i64).wrapping_neg(), kind)),
                (UnaryOperator::Negate, None) => self.graph.neg(a),
                (UnaryOperator::BitwiseNot, Some((v, kind))) => self.graph.constant(wrap(!(v as i64), kind)),
                (UnaryOperator::BitwiseNot, None) => return Err(self.run_time_bits()),
            });
        }
        Ok(results)
    }

    fn run_time_bits(&self) -> Fault {
        self.unsupported("a bit operation on a run-time integer is", "use arithmetic: *, /, % and floor")
    }

    /// An infix operator on values of given types.
    pub fn binary_operator(
        &mut self,
        op: BinaryOperator,
        left: (&TypeInner, &[NodeId]),
        right: (&TypeInner, &[NodeId]),
    ) -> Result<Vec<NodeId>, Fault> {
        let is_group = |t: &TypeInner| matches!(t, TypeInner::Matrix { .. } | TypeInner::Vector { .. });
        let is_matrix = |t: &TypeInner| matches!(t, TypeInner::Matrix { .. });
        if op == BinaryOperator::Multiply
            && (is_matrix(left.0) || is_matrix(right.0))
            && is_group(left.0)
            && is_group(right.0)
        {
            return self.matrix_product(left, right);
        }
        let kind = super::types::scalar_kind(left.0);
        let count = left.1.len().max(right.1.len());
        let mut results = Vec::with_capacity(count);
        for i in 0..count {
            // A single scalar goes with every component of the other side.
            let a = if left.1.len() == 1 { left.1[0] } else { left.1[i] };
            let b = if right.1.len() == 1 { right.1[0] } else { right.1[i] };
            results.push(self.scalar_operator(op, kind, a, b)?);
        }
        Ok(results)
    }

    fn scalar_operator(
        &mut self,
        op: BinaryOperator,
        kind: Option<ScalarKind>,
        a: NodeId,
        b: NodeId,
    ) -> Result<NodeId, Fault> {
        use BinaryOperator as B;
        let integer = is_integer(kind);
        if let (true, Some(kind), Some(x), Some(y)) = (integer, kind, self.graph.value(a), self.graph.value(b))
            && let Some(result) = known_integers(op, x as i64, y as i64)
        {
            return Ok(self.graph.constant(wrap(result, kind)));
        }
        let boolean = kind == Some(ScalarKind::Bool);
        Ok(match op {
            B::Add => self.graph.add(a, b),
            B::Subtract => self.graph.sub(a, b),
            B::Multiply => self.graph.mul(a, b),
            B::Divide if integer => {
                let quotient = self.graph.div(a, b);
                self.graph.unary(Op::Trunc, quotient)
            }
            B::Divide => self.graph.div(a, b),
            B::Modulo => self.graph.binary(Op::Rem, a, b),
            B::Equal if boolean => self.same(a, b),
            B::NotEqual if boolean => {
                let same = self.same(a, b);
                self.graph.not(same)
            }
            B::Equal => self.graph.binary(Op::Equal, a, b),
            B::NotEqual => {
                let equal = self.graph.binary(Op::Equal, a, b);
                self.graph.not(equal)
            }
            B::Less => self.graph.less(a, b),
            B::LessEqual => self.graph.less_equal(a, b),
            B::Greater => self.graph.less(b, a),
            B::GreaterEqual => self.graph.less_equal(b, a),
            B::LogicalAnd => self.and(a, b),
            B::LogicalOr => self.or(a, b),
            B::And if boolean => self.and(a, b),
            B::InclusiveOr if boolean => self.or(a, b),
            B::ExclusiveOr if boolean => {
                let same = self.same(a, b);
                self.graph.not(same)
            }
            B::And | B::ExclusiveOr | B::InclusiveOr | B::ShiftLeft | B::ShiftRight => return Err(self.run_time_bits()),
        })
    }

    /// Equality of booleans, as logic.
    fn same(&mut self, a: NodeId, b: NodeId) -> NodeId {
        let negated = self.graph.not(b);
        self.pick(a, b, negated, true)
    }

    /// matrix · vector, vector · matrix and matrix · matrix; matrices are stored by columns.
    fn matrix_product(
        &mut self,
        left: (&TypeInner, &[NodeId]),
        right: (&TypeInner, &[NodeId]),
    ) -> Result<Vec<NodeId>, Fault> {
        // A vector is a row on the left and a column on the right.
        let shape = |t: &TypeInner, is_left: bool| match t {
            TypeInner::Matrix { columns, rows, .. } => Some((*rows as usize, *columns as usize)),
            TypeInner::Vector { size, .. } if is_left => Some((1, *size as usize)),
            TypeInner::Vector { size, .. } => Some((*size as usize, 1)),
            _ => None,
        };
        let (Some((rows, inner)), Some((inner_right, columns))) = (shape(left.0, true), shape(right.0, false)) else {
            return Err(self.fault("these values cannot be multiplied"));
        };
        if inner != inner_right {
            return Err(self.fault("these shapes cannot be multiplied"));
        }
        let mut product = Vec::with_capacity(rows * columns);
        for column in 0..columns {
            for row in 0..rows {
                let mut terms = Vec::with_capacity(inner);
                for k in 0..inner {
                    terms.push(self.graph.mul(left.1[k * rows + row], right.1[column * inner + k]));
                }
                product.push(self.graph.sum(&terms));
            }
        }
        Ok(product)
    }
}

/// Integer operators on known values, before wrapping. Division by zero follows WGSL: a / 0 = a, a % 0 = 0.
fn known_integers(op: BinaryOperator, a: i64, b: i64) -> Option<i64> {
    use BinaryOperator as B;
    Some(match op {
        B::Add => a.wrapping_add(b),
        B::Subtract => a.wrapping_sub(b),
        B::Multiply => a.wrapping_mul(b),
        B::Divide => a.checked_div(b).unwrap_or(a),
        B::Modulo => a.checked_rem(b).unwrap_or(0),
        B::And => a & b,
        B::InclusiveOr => a | b,
        B::ExclusiveOr => a ^ b,
        B::ShiftLeft => a.wrapping_shl((b & 31) as u32),
        B::ShiftRight => a >> (b & 31),
        _ => return None,
    })
}
