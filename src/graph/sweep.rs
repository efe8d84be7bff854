//! The inner loops of tapes: one operator over all lanes at a time, in vectors.

use super::op::Op;
use super::real::Real;
use super::vector::Vector;
use pulp::Simd;

/// Lanes of a block; the number of lanes of a run is a multiple of it, and it is a multiple of the lanes of a vector.
pub(super) const BLOCK: usize = 16;

/// Memory split at an instruction's result, which overlaps none of its arguments: slices without bounds checks inside.
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
    fn argument(&self, offset: usize) -> &'a [T] {
        let lanes = self.out.len();
        if offset < self.start {
            &self.before[offset..offset + lanes]
        } else {
            let offset = offset - self.start - lanes;
            &self.after[offset..offset + lanes]
        }
    }
}

/// An expression of vectors over all lanes. A macro, because closures keep the instruction set of their surroundings and
/// would be called rather than inlined.
macro_rules! vectors {
    ($simd:ident, $memory:ident, $out:ident, $lanes:ident, [$($x:ident = $at:expr),+] => $result:expr) => {{
        let split = Split::new($memory, $out, $lanes);
        let count = T::vectors::<S>(split.out).len();
        // As long as the result, which spares checks of the index.
        $(let $x = &T::vectors::<S>(split.argument($at))[..count];)+
        for (lane, out) in T::vectors_mut::<S>(split.out).iter_mut().enumerate() {
            $(let $x = $x[lane];)+
            *out = $result;
        }
    }};
}

/// A function of numbers over all lanes, for what vectors have no instruction for. Blocks are copied to locals before the
/// arithmetic, which is what the compiler needs to use whole vectors.
#[inline(always)]
fn sweep<T: Real>(memory: &mut [T], a: usize, out: usize, lanes: usize, f: impl Fn(T) -> T) {
    let split = Split::new(memory, out, lanes);
    let a: &[[T; BLOCK]] = split.argument(a).as_chunks().0;
    for (out, a) in split.out.as_chunks_mut::<BLOCK>().0.iter_mut().zip(a) {
        let mut x = *a;
        for x in &mut x {
            *x = f(*x);
        }
        *out = x;
    }
}

/// The same of two numbers.
#[inline(always)]
fn sweep2<T: Real>(memory: &mut [T], [a, b, _]: [usize; 3], out: usize, lanes: usize, f: impl Fn(T, T) -> T) {
    let split = Split::new(memory, out, lanes);
    let (a, b): (&[[T; BLOCK]], &[[T; BLOCK]]) = (split.argument(a).as_chunks().0, split.argument(b).as_chunks().0);
    for ((out, a), b) in split.out.as_chunks_mut::<BLOCK>().0.iter_mut().zip(a).zip(b) {
        let (mut x, y) = (*a, *b);
        for (x, y) in x.iter_mut().zip(y) {
            *x = f(*x, y);
        }
        *out = x;
    }
}

/// `select(a < b, c, d)` over all lanes. `FIXED`: a and d are constants, the same in all lanes, and are read once.
#[inline(always)]
pub(super) fn choose<S: Simd, T: Vector, const FIXED: bool>(
    simd: S,
    memory: &mut [T],
    [a, b, c, d]: [usize; 4],
    out: usize,
    lanes: usize,
) {
    if FIXED {
        let (bound, other) = (T::splat(simd, memory[a]), T::splat(simd, memory[d]));
        vectors!(simd, memory, out, lanes, [b = b, c = c] => T::choose(simd, T::less(simd, bound, b), c, other));
    } else {
        vectors!(simd, memory, out, lanes, [a = a, b = b, c = c, d = d] => {
            T::choose(simd, T::less(simd, a, b), c, d)
        });
    }
}

/// `select(a < b, c, d · e)` over all lanes, `FIXED` as in [`choose`].
#[inline(always)]
pub(super) fn choose_product<S: Simd, T: Vector, const FIXED: bool>(
    simd: S,
    memory: &mut [T],
    [a, b, c, d, e]: [usize; 5],
    out: usize,
    lanes: usize,
) {
    if FIXED {
        let (bound, slope) = (T::splat(simd, memory[a]), T::splat(simd, memory[d]));
        vectors!(simd, memory, out, lanes, [b = b, c = c, e = e] => {
            T::choose(simd, T::less(simd, bound, b), c, T::product(simd, slope, e))
        });
    } else {
        vectors!(simd, memory, out, lanes, [a = a, b = b, c = c, d = d, e = e] => {
            T::choose(simd, T::less(simd, a, b), c, T::product(simd, d, e))
        });
    }
}

/// One operator over all lanes: the vectorised mirror of [`TABLE`](super::op::TABLE), compared with it in tests.
#[inline(always)]
pub(super) fn step<S: Simd, T: Vector>(simd: S, op: Op, m: &mut [T], args: [usize; 3], out: usize, n: usize) {
    let [a, b, c] = args;
    let (zero, one) = (T::splat(simd, T::ZERO), T::splat(simd, T::ONE));
    macro_rules! unary {
        ($x:ident => $result:expr) => {
            vectors!(simd, m, out, n, [$x = a] => $result)
        };
    }
    macro_rules! binary {
        ($x:ident, $y:ident => $result:expr) => {
            vectors!(simd, m, out, n, [$x = a, $y = b] => $result)
        };
    }
    // 1 or 0; what is not 0 is true, NaN too.
    macro_rules! truth {
        ($mask:expr) => {
            T::choose(simd, $mask, one, zero)
        };
    }
    match op {
        Op::Add => binary!(x, y => T::sum(simd, x, y)),
        Op::Sub => binary!(x, y => T::difference(simd, x, y)),
        Op::Mul => binary!(x, y => T::product(simd, x, y)),
        Op::Div => binary!(x, y => T::quotient(simd, x, y)),
        Op::Rem => sweep2(m, args, out, n, |a, b| a % b),
        Op::Min => binary!(x, y => T::choose(simd, T::less(simd, y, x), y, x)),
        Op::Max => binary!(x, y => T::choose(simd, T::less(simd, x, y), y, x)),
        Op::Pow => sweep2(m, args, out, n, |a, b| a.pow(b)),
        Op::Atan2 => sweep2(m, args, out, n, |a, b| a.atan2(b)),
        Op::Neg => unary!(x => T::negate(simd, x)),
        Op::Abs => unary!(x => T::absolute(simd, x)),
        Op::Sign => unary!(x => T::difference(simd, truth!(T::less(simd, zero, x)), truth!(T::less(simd, x, zero)))),
        Op::Floor => sweep(m, a, out, n, |a| a.floor()),
        Op::Ceil => sweep(m, a, out, n, |a| a.ceil()),
        Op::Round => sweep(m, a, out, n, |a| a.round()),
        Op::Trunc => sweep(m, a, out, n, |a| a.trunc()),
        Op::Sqrt => unary!(x => T::root(simd, x)),
        Op::InverseSqrt => unary!(x => T::quotient(simd, one, T::root(simd, x))),
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
        Op::StopGrad => unary!(x => x),
        Op::Less => binary!(x, y => truth!(T::less(simd, x, y))),
        Op::LessEqual => binary!(x, y => truth!(T::at_most(simd, x, y))),
        Op::Equal => binary!(x, y => truth!(T::equal(simd, x, y))),
        Op::And => {
            binary!(x, y => T::choose(simd, T::equal(simd, x, zero), zero, T::choose(simd, T::equal(simd, y, zero), zero, one)))
        }
        Op::Or => {
            binary!(x, y => T::choose(simd, T::equal(simd, x, zero), T::choose(simd, T::equal(simd, y, zero), zero, one), one))
        }
        Op::Not => unary!(x => truth!(T::equal(simd, x, zero))),
        Op::Select => {
            vectors!(simd, m, out, n, [x = a, y = b, z = c] => T::choose(simd, T::equal(simd, x, zero), z, y))
        }
    }
}
