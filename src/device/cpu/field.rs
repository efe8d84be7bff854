//! Operations on the planes of one sample: correlations, the gradients of their kernels, sums.

use super::correlate::Correlate;
use super::matrix::PANEL;
use super::plane::Planes;
use super::step::{Factors, Linked, Step};
use super::weights::{WeightGradient, WeightValues};
use crate::graph::{Real, Vector};
use crate::program::{Boundary, WeightId};

/// Padded planes, results in the pitch of padded planes, and where rows of products start.
#[derive(Default)]
pub struct Scratch<T> {
    padded: Vec<T>,
    /// Zero outside of the cells, whoever used it last.
    spread: Vec<T>,
    result: Vec<T>,
    factors: Vec<T>,
    offsets: Vec<usize>,
    rows: Vec<usize>,
}

/// Numbers of scratch that a linked program needs, at most.
pub fn scratch_size(linked: &Linked) -> usize {
    let Some(planes) = &linked.planes else { return 0 };
    // Channels padded and spread, and numbers of results.
    let mut most = [0; 3];
    for step in &linked.steps {
        let needs = match step {
            Step::Correlate { factors: Factors::Stencil { .. }, .. } => [1, 1, planes.rimmed],
            Step::Correlate { transposed: false, channels, .. } => [channels[0], 0, channels[1] * planes.positions],
            Step::Correlate { channels, .. } => [0, channels[0], channels[1] * planes.rimmed],
            Step::Kernel { channels, .. } => [channels[0], channels[1], 0],
            _ => [0; 3],
        };
        most = std::array::from_fn(|i| most[i].max(needs[i]));
    }
    most[0] * planes.padded + most[1] * planes.spread + most[2]
}

/// Operands of a correlation: channels read and written, what lies beyond the rim, first numbers in memory.
#[derive(Clone, Copy)]
pub struct Call {
    /// Channels of x and y.
    pub channels: [usize; 2],
    /// Beyond the rim.
    pub boundary: Boundary,
    /// First number of x.
    pub x: usize,
    /// First number of y.
    pub y: usize,
}

/// y = the correlation of x, or the transpose of one.
pub fn correlate<T: Vector>(
    linked: &Linked,
    factors: &Factors,
    transposed: bool,
    call: Call,
    weights: &WeightValues<T>,
    memory: &mut [T],
    scratch: &mut Scratch<T>,
) {
    let planes = linked.planes.as_ref().expect("a field has planes");
    match factors {
        Factors::Kernel { weight, bias } => {
            let distance = scratch.prepare(planes, transposed, call, memory);
            offsets(&mut scratch.offsets, call.channels[0], distance, &linked.kernel[transposed as usize]);
            let initial = bias.map(|id| weights.bias(id));
            scratch.run(planes, transposed, weights.panels(*weight, transposed), call.channels[1], initial);
            scratch.store(planes, transposed, call, memory);
        }
        Factors::Stencil { factors, offsets } => {
            let mut panel = std::mem::take(&mut scratch.factors);
            panel.clear();
            panel.resize(factors.len() * PANEL, T::ZERO);
            for (column, factor) in panel.chunks_exact_mut(PANEL).zip(factors) {
                column[0] = T::from_f64(*factor);
            }
            scratch.offsets.clear();
            scratch.offsets.extend(offsets);
            for channel in 0..call.channels[0] {
                let shift = channel * planes.stride;
                let one = Call { channels: [1, 1], x: call.x + shift, y: call.y + shift, ..call };
                scratch.prepare(planes, transposed, one, memory);
                scratch.run(planes, transposed, &panel, 1, None);
                scratch.store(planes, transposed, one, memory);
            }
            scratch.factors = panel;
        }
    }
}

impl<T: Vector> Scratch<T> {
    /// Pads x, or spreads it for a transpose; returns the distance of its planes.
    fn prepare(&mut self, planes: &Planes, transposed: bool, call: Call, memory: &[T]) -> usize {
        match transposed {
            true => self.spread(planes, call.x, call.channels[0], memory),
            false => self.pad(planes, call.x, call.channels[0], call.boundary, memory),
        }
    }

    fn pad(&mut self, planes: &Planes, x: usize, channels: usize, boundary: Boundary, memory: &[T]) -> usize {
        grow(&mut self.padded, channels * planes.padded);
        for (channel, to) in self.padded.chunks_exact_mut(planes.padded).take(channels).enumerate() {
            let start = x + channel * planes.stride;
            planes.pad(&memory[start..start + planes.cells()], boundary, to);
        }
        planes.padded
    }

    fn spread(&mut self, planes: &Planes, x: usize, channels: usize, memory: &[T]) -> usize {
        grow(&mut self.spread, channels * planes.spread);
        for (channel, to) in self.spread.chunks_exact_mut(planes.spread).take(channels).enumerate() {
            let start = x + channel * planes.stride;
            planes.spread(&memory[start..start + planes.cells()], to);
        }
        planes.spread
    }

    fn run(&mut self, planes: &Planes, transposed: bool, a: &[T], rows: usize, initial: Option<&[T]>) {
        let columns = if transposed { planes.rimmed } else { planes.positions };
        let b = if transposed { &self.spread } else { &self.padded };
        grow(&mut self.result, rows * columns);
        let c = &mut self.result[..rows * columns];
        pulp::Arch::new().dispatch(Correlate { a, b, offsets: &self.offsets, c, rows, columns, initial });
    }

    fn store(&mut self, planes: &Planes, transposed: bool, call: Call, memory: &mut [T]) {
        let columns = if transposed { planes.rimmed } else { planes.positions };
        for (channel, from) in self.result.chunks_exact_mut(columns).take(call.channels[1]).enumerate() {
            let start = call.y + channel * planes.stride;
            let to = &mut memory[start..start + planes.cells()];
            match transposed {
                true => planes.fold(from, call.boundary, to),
                false => planes.unpad(from, to),
            }
        }
    }
}

/// Gradient of a kernel and its bias: x of the channels read, y the cotangent of those written.
pub fn kernel<T: Vector>(
    linked: &Linked,
    (weight, bias): (WeightId, Option<WeightId>),
    call: Call,
    memory: &[T],
    gradient: &mut WeightGradient<T>,
    scratch: &mut Scratch<T>,
) {
    let planes = linked.planes.as_ref().expect("a field has planes");
    let [ins, outs] = call.channels;
    let distance = scratch.pad(planes, call.x, ins, call.boundary, memory);
    offsets(&mut scratch.offsets, ins, distance, &linked.kernel[0]);
    let distance = scratch.spread(planes, call.y, outs, memory);
    offsets(&mut scratch.rows, outs, distance, &[planes.spread_start()]);
    let (y, x) = ((&scratch.spread[..], &scratch.rows[..]), (&scratch.padded[..], &scratch.offsets[..]));
    gradient.add_dots(weight, y, x, planes.positions);
    if let Some(bias) = bias {
        gradient.add_to_bias(bias, sums(planes, memory, call.y, outs));
    }
}

/// Gradient of a matrix that is applied in every cell; operands are first numbers and channels.
pub fn outer<T: Vector>(
    planes: &Planes,
    memory: &[T],
    (y, rows): (usize, usize),
    (x, columns): (usize, usize),
    (weight, bias): (WeightId, Option<WeightId>),
    gradient: &mut WeightGradient<T>,
    scratch: &mut Scratch<T>,
) {
    offsets(&mut scratch.rows, rows, planes.stride, &[y]);
    offsets(&mut scratch.offsets, columns, planes.stride, &[x]);
    gradient.add_dots(weight, (memory, &scratch.rows), (memory, &scratch.offsets), planes.cells());
    if let Some(bias) = bias {
        gradient.add_to_bias(bias, sums(planes, memory, y, rows));
    }
}

fn sums<T: Real>(planes: &Planes, memory: &[T], start: usize, channels: usize) -> impl Iterator<Item = T> {
    (0..channels).map(move |channel| sum(&memory[start + channel * planes.stride..][..planes.cells()]))
}

/// The sum of a plane: 32 partial sums, which are added in a fixed order.
pub fn sum<T: Real>(cells: &[T]) -> T {
    let mut partial = [T::ZERO; 32];
    let (blocks, rest) = cells.as_chunks::<32>();
    for block in blocks {
        for (sum, value) in partial.iter_mut().zip(block) {
            *sum += *value;
        }
    }
    for (sum, value) in partial.iter_mut().zip(rest) {
        *sum += *value;
    }
    partial.iter().fold(T::ZERO, |sum, value| sum + *value)
}

/// The places of every channel, one channel after the other.
fn offsets(to: &mut Vec<usize>, channels: usize, distance: usize, places: &[usize]) {
    to.clear();
    to.extend((0..channels).flat_map(|channel| places.iter().map(move |place| channel * distance + place)));
}

/// New memory is zero; what is there stays.
fn grow<T: Real>(memory: &mut Vec<T>, size: usize) {
    if memory.len() < size {
        memory.resize(size, T::ZERO);
    }
}
