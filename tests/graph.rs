//! The scalar graph: every operator, derivatives in both modes, simplification, batches, and printing.

#[path = "graph/batches.rs"]
mod batches;
#[path = "graph/branches.rs"]
mod branches;
mod common;
#[path = "graph/kinks.rs"]
mod kinks;
#[path = "graph/library.rs"]
mod library;
#[path = "graph/operators.rs"]
mod operators;
#[path = "graph/printing.rs"]
mod printing;
#[path = "graph/random.rs"]
mod random;
#[path = "graph/recipe.rs"]
mod recipe;
#[path = "graph/rewrites.rs"]
mod rewrites;

use common::{Tolerance, assert_close, compare};
use greybox::graph::{Function, Graph, NodeId, Op, Tape, Vector, jvp, library, vjp};

/// What f64 arithmetic in another order may change.
const ROUNDING: Tolerance = Tolerance { relative: 1e-12, absolute: 0.0 };

/// Which arguments of an operator are conditions.
fn conditions(op: Op) -> [bool; 3] {
    match op {
        Op::And | Op::Or | Op::Not => [true, true, false],
        Op::Select => [true, false, false],
        _ => [false; 3],
    }
}

/// An operator as a function of numbers: a condition is `0 < input`.
fn operator(op: Op) -> Function {
    let arity = op.row().arity;
    Function::build(arity, |g, inputs| {
        let zero = g.constant(0.0);
        let mut args = inputs.to_vec();
        for (arg, condition) in args.iter_mut().zip(conditions(op)) {
            if condition {
                *arg = g.less(zero, *arg);
            }
        }
        vec![g.apply(op, &args)]
    })
}

/// Cotangents of the inputs as a function of inputs and cotangents of the outputs, primal outputs computed inside.
fn pulled(f: &Function) -> Function {
    let (n, m) = (f.inputs(), f.outputs().len());
    let reverse = vjp(f, &vec![true; n]).function;
    Function::build(n + m, |g, ids| {
        let outputs = g.inline(f, &ids[..n]);
        let args = [&ids[..n], &outputs, &ids[n..]].concat();
        g.inline(&reverse, &args)
    })
}

/// `Jᵀ v` at x, in reverse mode.
fn pull(f: &Function, x: &[f64], v: &[f64]) -> Vec<f64> {
    pulled(f).eval(&[x, v].concat())
}

/// `J u` at x, in forward mode.
fn push(f: &Function, x: &[f64], u: &[f64]) -> Vec<f64> {
    jvp(f).eval(&[x, u].concat()).split_off(f.outputs().len())
}

/// `x + h u`
fn moved(x: &[f64], u: &[f64], h: f64) -> Vec<f64> {
    x.iter().zip(u).map(|(x, u)| x + h * u).collect()
}

/// Central differences of fourth order along u.
fn differences(f: impl Fn(&[f64]) -> Vec<f64>, x: &[f64], u: &[f64], h: f64) -> Vec<f64> {
    let [a, b, c, d] = [1.0, -1.0, 2.0, -2.0].map(|k| f(&moved(x, u, k * h)));
    (0..a.len()).map(|i| (8.0 * (a[i] - b[i]) - (c[i] - d[i])) / (12.0 * h)).collect()
}

/// The value of a batch of one, as f64.
fn batch<T: Vector>(f: &Function, x: &[f64]) -> Vec<f64> {
    let columns: Vec<[T; 1]> = x.iter().map(|&x| [T::from_f64(x)]).collect();
    let columns: Vec<&[T]> = columns.iter().map(|c| c.as_slice()).collect();
    Tape::compile(f).eval_columns(&columns, 1).iter().map(|column| column[0].to_f64()).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// The i-th unit vector.
fn unit(n: usize, i: usize) -> Vec<f64> {
    (0..n).map(|k| if k == i { 1.0 } else { 0.0 }).collect()
}

/// All tuples of `arity` values.
fn tuples(values: &[f64], arity: usize) -> Vec<Vec<f64>> {
    let mut all = vec![Vec::new()];
    for _ in 0..arity {
        all = all.iter().flat_map(|head| values.iter().map(move |v| [head.as_slice(), &[*v]].concat())).collect();
    }
    all
}
