//! Conversions between number types.

use super::Lowerer;
use super::arithmetic::wrap;
use crate::graph::{NodeId, Op};
use crate::physics::error::Fault;
use naga::ScalarKind;

/// 2³²: what wrapping between i32 and u32 adds.
const MODULUS: f64 = 4_294_967_296.0;

impl Lowerer<'_> {
    /// `f32(x)`, `i32(x)`, `u32(x)`, `bool(x)` on each scalar.
    pub fn convert(
        &mut self,
        from: Option<ScalarKind>,
        to: ScalarKind,
        width: Option<u8>,
        value: &[NodeId],
    ) -> Result<Vec<NodeId>, Fault> {
        let from = from.ok_or_else(|| self.fault("this value cannot be converted"))?;
        match width {
            None if from != to => return Err(self.unsupported("bitcast is", "convert the value with f32(...)")),
            Some(width) if to != ScalarKind::Bool && width != 4 => {
                return Err(self.unsupported("a number of this size is", "use f32, i32 or u32"));
            }
            _ => {}
        }
        Ok(value.iter().map(|&v| self.convert_scalar(from, to, v)).collect())
    }

    fn convert_scalar(&mut self, from: ScalarKind, to: ScalarKind, v: NodeId) -> NodeId {
        use ScalarKind as K;
        let known = self.graph.value(v);
        match (from, to) {
            (from, to) if from == to => v,
            (K::Bool, _) => {
                let (one, zero) = (self.graph.constant(1.0), self.graph.constant(0.0));
                self.graph.select(v, one, zero)
            }
            (_, K::Bool) => {
                let zero = self.graph.constant(0.0);
                let is_zero = self.graph.binary(Op::Equal, v, zero);
                self.graph.not(is_zero)
            }
            (K::Sint | K::Uint | K::AbstractInt, K::Float) => match known {
                Some(value) => self.graph.constant(f64::from(value as f32)),
                None => v,
            },
            (K::Float | K::AbstractFloat, K::Sint) => match known {
                Some(value) => self.graph.constant(f64::from(value as i32)),
                None => self.graph.unary(Op::Trunc, v),
            },
            (K::Float | K::AbstractFloat, K::Uint) => match known {
                Some(value) => self.graph.constant(f64::from(value as u32)),
                None => {
                    let whole = self.graph.unary(Op::Trunc, v);
                    let zero = self.graph.constant(0.0);
                    self.graph.binary(Op::Max, whole, zero)
                }
            },
            (_, K::Sint | K::Uint) => match known {
                Some(value) => self.graph.constant(wrap(value as i64, to)),
                None => self.rewrap(to, v),
            },
            _ => v,
        }
    }

    /// A run-time integer between i32 and u32.
    fn rewrap(&mut self, to: ScalarKind, v: NodeId) -> NodeId {
        if to == ScalarKind::Uint {
            let (zero, modulus) = (self.graph.constant(0.0), self.graph.constant(MODULUS));
            let negative = self.graph.less(v, zero);
            let wrapped = self.graph.add(v, modulus);
            self.graph.select(negative, wrapped, v)
        } else {
            let (half, modulus) = (self.graph.constant(MODULUS / 2.0), self.graph.constant(MODULUS));
            let large = self.graph.less_equal(half, v);
            let wrapped = self.graph.sub(v, modulus);
            self.graph.select(large, wrapped, v)
        }
    }
}
