//! Rows of numbers: lanes of samples, or the cells of one sample, and how they get into and out of linked memory.

use super::LANES;
use super::plane::Planes;
use super::step::Address;
use crate::graph::Real;

/// One row of lanes.
pub type Row<T> = [T; LANES];

/// Rows of states and observations: lanes of samples, or the cells of one sample.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// Numbers per row.
    pub length: usize,
    /// Cells; 0 where the places of a row are samples.
    cells: usize,
}

impl Rows {
    /// The rows of a model's states.
    pub fn of(planes: Option<&Planes>) -> Rows {
        planes.map_or(Rows { length: LANES, cells: 0 }, |p| Rows { length: p.stride, cells: p.cells() })
    }

    /// Samples per row.
    pub fn samples(self) -> usize {
        if self.cells == 0 { LANES } else { 1 }
    }

    /// Places of a row that hold something.
    pub fn places(self) -> usize {
        if self.cells == 0 { LANES } else { self.cells }
    }

    /// Lane of the sample, and number inside its array, of a place of a component's row.
    pub fn entry(self, component: usize, place: usize) -> (usize, usize) {
        if self.cells == 0 { (place, component) } else { (0, component * self.cells + place) }
    }

    /// All numbers of a sample in the order of its array.
    pub fn array<T: Real>(self, rows: &[T], lane: usize) -> impl Iterator<Item = f64> + '_ {
        rows.chunks_exact(self.length).flat_map(move |row| {
            match self.cells {
                0 => row[lane..=lane].iter(),
                cells => row[..cells].iter(),
            }
            .map(|v| v.to_f64())
        })
    }
}

pub fn row_of<T: Real>(rows: &[T], row: usize) -> Row<T> {
    let mut out = [T::ZERO; LANES];
    out.copy_from_slice(&rows[row * LANES..(row + 1) * LANES]);
    out
}

pub fn write_row<T: Real>(memory: &mut [T], port: Address, frame: usize, row: usize, values: &Row<T>) {
    let start = port.at(frame) + row * LANES;
    memory[start..start + LANES].copy_from_slice(values);
}

pub fn write_rows<T: Real>(memory: &mut [T], port: Address, frame: usize, values: &[T]) {
    let start = port.at(frame);
    memory[start..start + values.len()].copy_from_slice(values);
}

pub fn read_rows<T: Real>(memory: &[T], rows: &[Address], frame: usize, length: usize, to: &mut [T]) {
    for (row, address) in to.chunks_exact_mut(length).zip(rows) {
        row.copy_from_slice(&memory[address.at(frame)..][..length]);
    }
}

pub fn add_rows<T: Real>(memory: &[T], rows: &[Address], frame: usize, length: usize, to: &mut [T]) {
    for (row, address) in to.chunks_exact_mut(length).zip(rows) {
        for (sum, value) in row.iter_mut().zip(&memory[address.at(frame)..][..length]) {
            *sum += *value;
        }
    }
}

/// Records the first interval at which a sample's part of `values` was not finite.
pub fn mark<T: Real>(failed: &mut [Option<u32>; LANES], values: &[T], rows: Rows, interval: usize) {
    for row in values.chunks_exact(rows.length) {
        for (place, value) in row.iter().enumerate().take(rows.places()) {
            if !value.is_finite() {
                failed[rows.entry(0, place).0].get_or_insert(interval as u32);
            }
        }
    }
}
