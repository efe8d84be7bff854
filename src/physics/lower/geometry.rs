//! WGSL's builtin functions on whole vectors and matrices.
//!
//! Lengths have derivative 0 at the zero vector: the root is taken of 1 there, so that nothing infinite arises even in
//! the branch that is not taken.

use super::{Lowerer, Scalars};
use crate::graph::{NodeId, Op};
use crate::physics::error::Fault;
use naga::{MathFunction, TypeInner};

impl Lowerer<'_> {
    /// A call of a geometric builtin; `inner` is the type of the first argument.
    pub fn geometry(&mut self, fun: MathFunction, inner: &TypeInner, args: &[Scalars]) -> Result<Vec<NodeId>, Fault> {
        use MathFunction as M;
        let a: &[NodeId] = &args[0];
        let b: &[NodeId] = args.get(1).map_or(&[], |v| v);
        let c: &[NodeId] = args.get(2).map_or(&[], |v| v);
        Ok(match fun {
            M::Dot => vec![self.dot(a, b)],
            M::Length => vec![self.length(a)],
            M::Distance => {
                let difference = self.each(a, b, Op::Sub);
                vec![self.length(&difference)]
            }
            M::Normalize => {
                let square = self.dot(a, a);
                let zero = self.graph.constant(0.0);
                let (positive, safe) = self.positive(square);
                let inverse = self.graph.unary(Op::InverseSqrt, safe);
                let inverse = self.graph.select(positive, inverse, zero);
                self.scale(a, inverse)
            }
            M::Cross => match (a, b) {
                (&[ax, ay, az], &[bx, by, bz]) => {
                    vec![self.minor(ay, az, by, bz), self.minor(az, ax, bz, bx), self.minor(ax, ay, bx, by)]
                }
                _ => return Err(self.fault("cross needs vectors of three components")),
            },
            M::FaceForward => {
                let dot = self.dot(b, c);
                let zero = self.graph.constant(0.0);
                let keeps = self.graph.less(dot, zero);
                let mut result = Vec::new();
                for &v in a {
                    let negated = self.graph.neg(v);
                    result.push(self.graph.select(keeps, v, negated));
                }
                result
            }
            M::Reflect => {
                let dot = self.dot(b, a);
                let two = self.graph.constant(2.0);
                let factor = self.graph.mul(two, dot);
                let shift = self.scale(b, factor);
                self.each(a, &shift, Op::Sub)
            }
            M::Refract => match c {
                &[ratio] => self.refract(a, b, ratio),
                _ => return Err(self.fault("refract needs a ratio")),
            },
            M::Transpose => match inner {
                TypeInner::Matrix { columns, rows, .. } => {
                    let (columns, rows) = (*columns as usize, *rows as usize);
                    (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))).map(|(r, c)| a[c * rows + r]).collect()
                }
                _ => return Err(self.fault("transpose needs a matrix")),
            },
            M::Determinant => match inner {
                TypeInner::Matrix { columns, rows, .. } if columns == rows => {
                    let all: Vec<usize> = (0..*rows as usize).collect();
                    vec![self.determinant(a, *rows as usize, &all)]
                }
                _ => return Err(self.fault("determinant needs a square matrix")),
            },
            _ => return Err(self.fault("this builtin is not geometric")),
        })
    }

    fn each(&mut self, a: &[NodeId], b: &[NodeId], op: Op) -> Vec<NodeId> {
        a.iter().zip(b).map(|(&x, &y)| self.graph.binary(op, x, y)).collect()
    }

    fn scale(&mut self, a: &[NodeId], factor: NodeId) -> Vec<NodeId> {
        a.iter().map(|&x| self.graph.mul(x, factor)).collect()
    }

    fn dot(&mut self, a: &[NodeId], b: &[NodeId]) -> NodeId {
        let products = self.each(a, b, Op::Mul);
        self.graph.sum(&products)
    }

    /// Whether a square is positive, and the square or else 1.
    fn positive(&mut self, square: NodeId) -> (NodeId, NodeId) {
        let (zero, one) = (self.graph.constant(0.0), self.graph.constant(1.0));
        let positive = self.graph.less(zero, square);
        (positive, self.graph.select(positive, square, one))
    }

    /// Square root with value and derivative 0 where the square is not positive.
    fn root(&mut self, square: NodeId) -> NodeId {
        let (positive, safe) = self.positive(square);
        let root = self.graph.unary(Op::Sqrt, safe);
        let zero = self.graph.constant(0.0);
        self.graph.select(positive, root, zero)
    }

    fn length(&mut self, a: &[NodeId]) -> NodeId {
        if let [only] = a {
            return self.graph.unary(Op::Abs, *only);
        }
        let square = self.dot(a, a);
        self.root(square)
    }

    /// a·d − b·c
    fn minor(&mut self, a: NodeId, b: NodeId, c: NodeId, d: NodeId) -> NodeId {
        let (first, second) = (self.graph.mul(a, d), self.graph.mul(b, c));
        self.graph.sub(first, second)
    }

    fn refract(&mut self, a: &[NodeId], normal: &[NodeId], ratio: NodeId) -> Vec<NodeId> {
        let dot = self.dot(normal, a);
        let (zero, one) = (self.graph.constant(0.0), self.graph.constant(1.0));
        let g = &mut self.graph;
        let cosine = g.mul(dot, dot);
        let sine = g.sub(one, cosine);
        let square = g.mul(ratio, ratio);
        let loss = g.mul(square, sine);
        let k = g.sub(one, loss);
        let passes = g.less_equal(zero, k);
        let root = self.root(k);
        let along = self.graph.mul(ratio, dot);
        let factor = self.graph.add(along, root);
        let (bent, shift) = (self.scale(a, ratio), self.scale(normal, factor));
        let passed = self.each(&bent, &shift, Op::Sub);
        passed.iter().map(|&v| self.graph.select(passes, v, zero)).collect()
    }

    /// Determinant of the last columns of a matrix and the named rows, along the first of these columns.
    fn determinant(&mut self, matrix: &[NodeId], size: usize, rows: &[usize]) -> NodeId {
        let column = size - rows.len();
        if let [row] = rows {
            return matrix[column * size + row];
        }
        let mut total = self.graph.constant(0.0);
        for (i, &row) in rows.iter().enumerate() {
            let rest: Vec<usize> = rows.iter().copied().filter(|&r| r != row).collect();
            let minor = self.determinant(matrix, size, &rest);
            let term = self.graph.mul(matrix[column * size + row], minor);
            total = if i % 2 == 0 { self.graph.add(total, term) } else { self.graph.sub(total, term) };
        }
        total
    }
}
