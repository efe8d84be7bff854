//! The inner loops of tapes: one operator over all lanes at a time, in vectors.

use super::op::Op;
use super::real::Real;

/// Lanes handled per inner loop; the number of lanes of a run is a multiple of it.
pub(super) const BLOCK: usize = 16;

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

/// `select(a < b, c, d)` over all lanes.
#[inline(always)]
pub(super) fn choose<T: Real>(memory: &mut [T], [a, b, c, d]: [usize; 4], out: usize, lanes: usize) {
    let split = Split::new(memory, out, lanes);
    let (a, b, c, d) = (split.argument(a), split.argument(b), split.argument(c), split.argument(d));
    for ((((out, a), b), c), d) in split.blocks().iter_mut().zip(a).zip(b).zip(c).zip(d) {
        let (mut x, y, z, w) = (*a, *b, *c, *d);
        for (i, x) in x.iter_mut().enumerate() {
            *x = if *x < y[i] { z[i] } else { w[i] };
        }
        *out = x;
    }
}

/// `select(a < b, c, d · e)` over all lanes.
#[inline(always)]
pub(super) fn choose_product<T: Real>(memory: &mut [T], [a, b, c, d, e]: [usize; 5], out: usize, lanes: usize) {
    let split = Split::new(memory, out, lanes);
    let (a, b, c) = (split.argument(a), split.argument(b), split.argument(c));
    let (d, e) = (split.argument(d), split.argument(e));
    for (((((out, a), b), c), d), e) in split.blocks().iter_mut().zip(a).zip(b).zip(c).zip(d).zip(e) {
        let (mut x, y, z, w, v) = (*a, *b, *c, *d, *e);
        for (i, x) in x.iter_mut().enumerate() {
            *x = if *x < y[i] { z[i] } else { w[i] * v[i] };
        }
        *out = x;
    }
}

/// One operator over all lanes: the vectorised mirror of [`TABLE`](super::op::TABLE), compared with it in tests.
#[inline(always)]
pub(super) fn step<T: Real>(op: Op, m: &mut [T], args: [usize; 3], out: usize, n: usize) {
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
