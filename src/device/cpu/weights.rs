//! Weights as the products want to read them, and their gradients as the products want to add to them.

use super::LANES;
use super::correlate::Dots;
use super::matrix::{Add, Initial, Left, PANEL, Product, Transpose, pack, packed_len};
use crate::graph::Vector;
use crate::program::{WeightId, WeightTable};

/// Columns of a gradient buffer are padded to this, so that the products need no edge cases.
const PAD: usize = 32;

/// Most parts of a waiting outer product: more would leave the cache, fewer would read the gradient more often.
const PARTS: usize = 4;

/// One member's weights in the device's precision, matrices packed in both orientations.
pub struct WeightValues<T> {
    sizes: Vec<[usize; 2]>,
    biases: Vec<Vec<T>>,
    panels: Vec<[Vec<T>; 2]>,
}

impl<T: Vector> WeightValues<T> {
    /// Converts and packs `values`, one member of `table`.
    pub fn new(table: &WeightTable, values: &[f64]) -> Self {
        let mut out = WeightValues { sizes: Vec::new(), biases: Vec::new(), panels: Vec::new() };
        for shape in table.shapes() {
            let values: Vec<T> =
                values[shape.offset..shape.offset + shape.len()].iter().map(|v| T::from_f64(*v)).collect();
            let (rows, columns) = (shape.rows, shape.columns);
            let mut panels = [Vec::new(), Vec::new()];
            let taps = shape.taps();
            if taps > 1 {
                // The transpose of a kernel correlates from outputs to inputs.
                let (outs, ins) = (rows, columns / taps);
                let turned: Vec<T> = (0..ins)
                    .flat_map(|i| (0..outs).flat_map(move |o| (0..taps).map(move |t| (o * ins + i) * taps + t)))
                    .map(|place| values[place])
                    .collect();
                pack(&values, [outs, columns], [columns, 1], &mut panels[0]);
                pack(&turned, [ins, outs * taps], [outs * taps, 1], &mut panels[1]);
            } else if !shape.bias {
                panels = [(rows, columns), (columns, rows)].map(|(r, k)| Vec::with_capacity(packed_len(r, k)));
                pack(&values, [rows, columns], [columns, 1], &mut panels[0]);
                pack(&values, [columns, rows], [1, columns], &mut panels[1]);
            }
            out.sizes.push([rows, columns]);
            out.panels.push(panels);
            out.biases.push(if shape.bias { values } else { Vec::new() });
        }
        out
    }

    /// Rows and columns of a matrix or of its transpose.
    pub fn size(&self, id: WeightId, transposed: bool) -> [usize; 2] {
        let [rows, columns] = self.sizes[id.0 as usize];
        if transposed { [columns, rows] } else { [rows, columns] }
    }

    /// The values of a bias.
    pub fn bias(&self, id: WeightId) -> &[T] {
        &self.biases[id.0 as usize]
    }

    /// y = W x, or Wᵀ x, for a single vector.
    pub fn multiply(&self, id: WeightId, transposed: bool, bias: Option<WeightId>, x: &[T], y: &mut [T]) {
        if let Some(bias) = bias {
            y.copy_from_slice(self.bias(bias));
        } else {
            y.fill(T::ZERO);
        }
        pulp::Arch::new().dispatch(MatrixVector { panels: self.panels(id, transposed), x, y });
    }

    /// The panels of a matrix or of its transpose.
    pub fn panels(&self, id: WeightId, transposed: bool) -> &[T] {
        &self.panels[id.0 as usize][transposed as usize]
    }
}

/// Gradients of one member's weights, matrix columns padded, biases still in lanes. Outer products wait until [`PARTS`] of them can be added
/// at once: the gradient of a matrix is larger than the operands of one.
#[derive(Clone, Debug)]
pub struct WeightGradient<T> {
    matrices: Vec<Waiting<T>>,
}

#[derive(Clone, Debug)]
struct Waiting<T> {
    rows: usize,
    stride: usize,
    sums: Vec<T>,
    parts: usize,
    /// Cotangents, `[parts, rows, LANES]`.
    left: Vec<T>,
    /// Transposed inputs, `[parts · LANES, stride]`.
    right: Vec<T>,
}

impl<T: Vector> WeightGradient<T> {
    /// All zeros.
    pub fn new(table: &WeightTable) -> Self {
        let matrices = table.shapes().iter().map(|shape| {
            let stride = if shape.bias { LANES } else { shape.columns.next_multiple_of(PAD) };
            let parts = if shape.bias { 0 } else { PARTS };
            Waiting {
                rows: shape.rows,
                stride,
                sums: vec![T::ZERO; shape.rows * stride],
                parts: 0,
                left: vec![T::ZERO; parts * shape.rows * LANES],
                // Padding columns may hold anything: they only reach padding columns of the sums.
                right: vec![T::ZERO; parts * LANES * stride],
            }
        });
        WeightGradient { matrices: matrices.collect() }
    }

    /// The same with all sums zero and nothing waiting.
    pub fn cleared(mut self) -> Self {
        for waiting in &mut self.matrices {
            waiting.sums.fill(T::ZERO);
            waiting.parts = 0;
        }
        self
    }

    /// Adds y xᵀ, summed over the lanes: `y` and `x` are rows of lanes.
    pub fn add_outer(&mut self, id: WeightId, y: &[T], x: &[T]) {
        let waiting = &mut self.matrices[id.0 as usize];
        let (part, stride) = (waiting.parts, waiting.stride);
        waiting.left[part * y.len()..(part + 1) * y.len()].copy_from_slice(y);
        let to = &mut waiting.right[part * LANES * stride..(part + 1) * LANES * stride];
        pulp::Arch::new().dispatch(Transpose { from: x, to, stride });
        waiting.parts += 1;
        if waiting.parts == PARTS {
            waiting.flush();
        }
    }

    /// Adds y xᵀ of a single sample.
    pub fn add_single(&mut self, id: WeightId, y: &[T], x: &[T]) {
        let waiting = &mut self.matrices[id.0 as usize];
        for (row, y) in waiting.sums.chunks_exact_mut(waiting.stride).zip(y) {
            pulp::Arch::new().dispatch(Scaled { factor: *y, from: x, to: &mut row[..x.len()] });
        }
    }

    /// Adds Σ_q y(row_r + q) · x(offset_k + q), q < length.
    pub fn add_dots(&mut self, id: WeightId, y: (&[T], &[usize]), x: (&[T], &[usize]), length: usize) {
        let Waiting { sums, stride, .. } = &mut self.matrices[id.0 as usize];
        let (stride, g) = (*stride, sums.as_mut_slice());
        let dots = Dots { y: y.0, rows: y.1, x: x.0, offsets: x.1, length, g, stride };
        pulp::Arch::new().dispatch(dots);
    }

    /// Adds one number to each element of a bias.
    pub fn add_to_bias(&mut self, id: WeightId, values: impl Iterator<Item = T>) {
        let waiting = &mut self.matrices[id.0 as usize];
        for (row, value) in waiting.sums.chunks_exact_mut(waiting.stride).zip(values) {
            row[0] += value;
        }
    }

    /// Adds y, summed over the lanes, to a bias.
    pub fn add_bias(&mut self, id: WeightId, y: &[T]) {
        pulp::Arch::new().dispatch(Add { from: y, to: &mut self.matrices[id.0 as usize].sums });
    }

    /// Adds the gradient to unpadded f64 values.
    pub fn add_to(&mut self, table: &WeightTable, sums: &mut [f64]) {
        for (shape, waiting) in table.shapes().iter().zip(&mut self.matrices) {
            waiting.flush();
            let to = &mut sums[shape.offset..shape.offset + shape.len()];
            if shape.bias {
                for (sum, lanes) in to.iter_mut().zip(waiting.sums.chunks_exact(LANES)) {
                    *sum += lanes.iter().map(|v| v.to_f64()).sum::<f64>();
                }
                continue;
            }
            for (row, padded) in
                to.chunks_exact_mut(shape.columns.max(1)).zip(waiting.sums.chunks_exact(waiting.stride))
            {
                for (sum, value) in row.iter_mut().zip(padded) {
                    *sum += value.to_f64();
                }
            }
        }
    }
}

/// y += A x with A in panels.
struct MatrixVector<'a, T> {
    panels: &'a [T],
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Vector> pulp::WithSimd for MatrixVector<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let depth = self.x.len();
        for (panel, y) in self.panels.chunks_exact(PANEL * depth).zip(self.y.chunks_mut(PANEL)) {
            // Two sums per row, so that additions do not wait for each other.
            let mut sums = [[T::ZERO; PANEL]; 2];
            for (k, (a, x)) in panel.as_chunks::<PANEL>().0.iter().zip(self.x).enumerate() {
                for (sum, a) in sums[k % 2].iter_mut().zip(a) {
                    *sum = a.mul_add(*x, *sum);
                }
            }
            for (r, y) in y.iter_mut().enumerate() {
                *y += sums[0][r] + sums[1][r];
            }
        }
    }
}

/// to += factor · from
struct Scaled<'a, T> {
    factor: T,
    from: &'a [T],
    to: &'a mut [T],
}

impl<T: Vector> pulp::WithSimd for Scaled<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        for (to, from) in self.to.iter_mut().zip(self.from) {
            *to = self.factor.mul_add(*from, *to);
        }
    }
}

impl<T: Vector> Waiting<T> {
    fn flush(&mut self) {
        if self.parts > 0 {
            pulp::Arch::new().dispatch(Product {
                a: Left::Samples(&self.left),
                b: &self.right,
                c: &mut self.sums,
                rows: self.rows,
                depth: self.parts * LANES,
                columns: self.stride,
                initial: Initial::Accumulate,
                gate: None,
            });
            self.parts = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Odd sizes reach every block size and the padding.
    #[test]
    fn products_with_packed_weights_and_waiting_outer_products_are_plain_sums() {
        for (rows, columns) in [(1, 1), (3, 5), (8, 33), (13, 7), (22, 40)] {
            let mut table = WeightTable::default();
            let weight = table.add("net.0.weight".into(), rows, columns, false);
            let bias = table.add("net.0.bias".into(), rows, 1, true);
            let number = |i: usize| ((i * 37 + 11) % 101) as f64 / 16.0 - 3.0;
            let values: Vec<f64> = (0..table.per_member()).map(number).collect();
            let packed = WeightValues::<f64>::new(&table, &values);
            let lanes = |width: usize, seed: usize| (0..width * LANES).map(|i| number(i + seed)).collect::<Vec<f64>>();
            for transposed in [false, true] {
                let (m, k) = if transposed { (columns, rows) } else { (rows, columns) };
                let x = lanes(k, 5);
                let mut y = vec![f64::NAN; m * LANES];
                let initial = (!transposed).then(|| packed.bias(bias));
                pulp::Arch::new().dispatch(Product {
                    a: Left::Panels(packed.panels(weight, transposed)),
                    b: &x,
                    c: &mut y,
                    rows: m,
                    depth: k,
                    columns: LANES,
                    initial: Initial::Rows(initial),
                    gate: None,
                });
                for (i, found) in y.iter().enumerate() {
                    let (row, lane) = (i / LANES, i % LANES);
                    let w = |j: usize| values[if transposed { j * columns + row } else { row * columns + j }];
                    // The numbers are multiples of 1/16 and small: every order of summation is exact.
                    let sum: f64 = (0..k).map(|j| w(j) * x[j * LANES + lane]).sum();
                    assert_eq!(*found, sum + if transposed { 0.0 } else { values[rows * columns + row] });
                }
            }
            let mut gradient = WeightGradient::<f64>::new(&table);
            let mut expected = vec![0.0; table.per_member()];
            for part in 0..PARTS + 2 {
                let (y, x) = (lanes(rows, part), lanes(columns, 3 * part + 1));
                gradient.add_outer(weight, &y, &x);
                gradient.add_bias(bias, &y);
                for (i, sum) in expected.iter_mut().enumerate() {
                    let product = |l: usize| match i < rows * columns {
                        true => y[i / columns * LANES + l] * x[i % columns * LANES + l],
                        false => y[(i - rows * columns) * LANES + l],
                    };
                    *sum += (0..LANES).map(product).sum::<f64>();
                }
            }
            let mut found = vec![0.0; table.per_member()];
            gradient.add_to(&table, &mut found);
            assert_eq!(found, expected, "{rows} x {columns}");
        }
    }
}
