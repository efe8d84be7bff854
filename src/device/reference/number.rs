//! Numbers of the reference: f64, and values with a derivative in one direction.

use crate::graph::{Function, Op};

/// A value and its derivative in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Dual {
    /// Value.
    pub value: f64,
    /// Derivative.
    pub slope: f64,
}

/// A number of the reference.
pub trait Number: Copy + Default {
    /// A constant.
    fn constant(value: f64) -> Self;
    /// The value without derivative.
    fn value(self) -> f64;
    /// The derivative that it carries; 0 if it carries none.
    fn slope(self) -> f64;
    /// An operator applied.
    fn apply(op: Op, args: [Self; 3]) -> Self;
}

impl Number for f64 {
    fn constant(value: f64) -> f64 {
        value
    }
    fn value(self) -> f64 {
        self
    }
    fn slope(self) -> f64 {
        0.0
    }
    fn apply(op: Op, args: [f64; 3]) -> f64 {
        (op.row().eval)(args)
    }
}

impl Number for Dual {
    fn constant(value: f64) -> Dual {
        Dual { value, slope: 0.0 }
    }
    fn value(self) -> f64 {
        self.value
    }
    fn slope(self) -> f64 {
        self.slope
    }
    fn apply(op: Op, args: [Dual; 3]) -> Dual {
        let value = (op.row().eval)(args.map(|a| a.value));
        let slope = match op {
            Op::Select => {
                if args[0].value != 0.0 {
                    args[1].slope
                } else {
                    args[2].slope
                }
            }
            _ => partials(op, args.map(|a| a.value))
                .iter()
                .zip(args)
                // A zero derivative stays zero, whatever the partial.
                .map(|(partial, a)| if a.slope == 0.0 { 0.0 } else { partial * a.slope })
                .sum(),
        };
        Dual { value, slope }
    }
}

/// Numerical partials of an operator, from the rules of the operator table.
fn partials(op: Op, args: [f64; 3]) -> [f64; 3] {
    let arity = op.row().arity;
    let mut present = [false; 3];
    let function = Function::build(3, |g, ids| {
        let result = g.apply(op, &ids[..arity]);
        let rules = (op.row().partials)(g, [ids[0], ids[1], ids[2]], result);
        let zero = g.constant(0.0);
        present = rules.map(|r| r.is_some());
        rules.map(|r| r.unwrap_or(zero)).to_vec()
    });
    let values = function.eval(&args);
    [values[0], values[1], values[2]]
}

/// Values of stop-gradients in the order of evaluation: recorded at one point, then held at others, so that finite
/// differences see what differentiation sees.
#[derive(Clone, Debug, Default)]
pub struct Held {
    values: Vec<f64>,
    position: Option<usize>,
}

impl Held {
    /// Replays the recorded values from the start.
    pub fn replay(&self) -> Held {
        Held { values: self.values.clone(), position: Some(0) }
    }

    /// A stop-gradient of `x`.
    pub(super) fn pass<N: Number>(&mut self, x: N) -> N {
        match &mut self.position {
            None => {
                self.values.push(x.value());
                N::constant(x.value())
            }
            Some(position) => {
                *position += 1;
                N::constant(self.values[*position - 1])
            }
        }
    }
}
