//! What can be drawn of a landscape over many axes: slices through a point, profiles along an axis.

use super::landscape::Landscape;

impl Landscape {
    /// Length of each axis and how far apart its neighbours lie in the arrays.
    fn strides(&self) -> Vec<(usize, usize)> {
        let mut stride = 1;
        let mut strides: Vec<(usize, usize)> = Vec::with_capacity(self.axes.len());
        for axis in self.axes.iter().rev() {
            strides.push((axis.values.len(), stride));
            stride *= axis.values.len();
        }
        strides.reverse();
        strides
    }

    /// Position of the grid point nearest to `theta`, which gives all parameters; outside of the grid, at its border.
    pub fn nearest(&self, theta: &[f64]) -> usize {
        let along = self.axes.iter().zip(self.strides()).map(|(axis, (size, stride))| {
            let distance = |i: &usize| (axis.values[*i] - theta[axis.index]).abs();
            let nearest = (0..size).min_by(|a, b| distance(a).total_cmp(&distance(b)));
            nearest.unwrap_or(0) * stride
        });
        along.sum()
    }

    /// A quantity over two axes (by their places in [`Landscape::axes`], which differ) through a position, row-major: a row
    /// for each value of `axes[0]`, a column for each of `axes[1]`.
    pub fn slice(&self, name: &str, axes: [usize; 2], through: usize) -> Option<Vec<f64>> {
        let values = self.quantity(name)?;
        let strides = self.strides();
        let [rows, columns] = axes.map(|axis| strides[axis]);
        let base = [rows, columns].iter().fold(through, |base, (size, stride)| base - through / stride % size * stride);
        let row = |r: usize| (0..columns.0).map(move |c| values[base + r * rows.1 + c * columns.1]);
        Some((0..rows.0).flat_map(row).collect())
    }

    /// For each value of an axis (by its place in [`Landscape::axes`]) the least of a quantity over all others; NaN where none
    /// is finite. On a grid this lies above the true profile, by less the finer the grid.
    pub fn profile(&self, name: &str, axis: usize) -> Option<Vec<f64>> {
        let values = self.quantity(name)?;
        let (size, stride) = self.strides()[axis];
        let mut least = vec![f64::NAN; size];
        for (position, value) in values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
            let least = &mut least[position / stride % size];
            // The least of NaN and a number is the number.
            *least = least.min(*value);
        }
        Some(least)
    }
}
