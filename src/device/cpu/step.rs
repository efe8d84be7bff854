//! A linked program: steps over rows and planes of one flat memory, and where they lie.

use super::plane::Planes;
use crate::graph::{Rectifier, Tape};
use crate::program::{Boundary, WeightId};

/// A row, in elements: relative to the work space or to a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Address {
    /// True in a frame, false in work.
    pub frame: bool,
    /// Offset in elements.
    pub offset: usize,
}

impl Address {
    /// The row behind so many rows of a length.
    pub fn row(self, row: usize, length: usize) -> Address {
        Address { offset: self.offset + row * length, ..self }
    }

    /// The position in memory, given where the frame starts.
    #[inline(always)]
    pub fn at(self, frame: usize) -> usize {
        if self.frame { frame + self.offset } else { self.offset }
    }
}

/// One step of a linked program. Fields are planes of one sample.
#[derive(Debug)]
pub enum Step {
    /// A tape over the lanes of single rows.
    Map { tape: usize, inputs: Vec<Address>, outputs: Vec<Address> },
    /// A tape over the cells of planes.
    Cells { tape: usize, inputs: Vec<Input>, outputs: Vec<Address> },
    /// A tape over so many contiguous numbers.
    Each { tape: usize, inputs: Vec<Address>, output: Address, length: usize },
    /// y = W x + b, or y = Wᵀ x, on rows or planes, through a gate if there is one.
    Affine {
        weight: WeightId,
        bias: Option<WeightId>,
        transposed: bool,
        x: Address,
        y: Address,
        field: bool,
        gate: Option<Gated>,
    },
    /// Gradient of W += y xᵀ over rows or planes.
    Outer { weight: WeightId, bias: Option<WeightId>, y: Address, x: Address, field: bool },
    /// Cross-correlation of planes, or its transpose.
    Correlate { factors: Factors, transposed: bool, channels: [usize; 2], boundary: Boundary, x: Address, y: Address },
    /// Gradient of a kernel.
    Kernel {
        weight: WeightId,
        bias: Option<WeightId>,
        channels: [usize; 2],
        boundary: Boundary,
        y: Address,
        x: Address,
    },
    /// Sums of planes over their cells.
    Sum { channels: usize, x: Address, y: Address },
    /// Copies so many numbers.
    Copy { from: Address, to: Address, length: usize },
}

/// A rectifier in the epilogue of a product.
#[derive(Clone, Copy, Debug)]
pub struct Gated {
    /// What it is.
    pub rectifier: Rectifier,
    /// Its gate, laid out as the result; nothing if that is the product itself.
    pub gate: Option<Address>,
}

/// What a tape over cells reads: a plane, or a number that is the same in every cell.
#[derive(Clone, Copy, Debug)]
pub struct Input {
    /// Where.
    pub address: Address,
    /// True for a plane.
    pub field: bool,
}

/// The factors of a correlation, and what its sums start from.
#[derive(Debug)]
pub enum Factors {
    /// A kernel of a network between all channels.
    Kernel {
        /// The kernel.
        weight: WeightId,
        /// The bias, if any.
        bias: Option<WeightId>,
    },
    /// The terms of a stencil on every channel alone: factors, and distances in padded planes.
    Stencil {
        /// Factors.
        factors: Vec<f64>,
        /// Distances.
        offsets: Vec<usize>,
    },
}

/// A linked program and its memory plan, all sizes in elements.
#[derive(Debug)]
pub struct Linked {
    /// Steps; the first `forward` are the forward part.
    pub steps: Vec<Step>,
    /// Number of steps of the forward part.
    pub forward: usize,
    /// The tapes of the maps.
    pub tapes: Vec<Tape>,
    /// Offset of each tape's constants.
    pub constants: Vec<usize>,
    /// Offset of the scratch registers.
    pub registers: usize,
    /// Offset of the rows in which numbers are repeated that are the same in every cell.
    pub broadcast: usize,
    /// Lanes that hold constant values.
    pub fills: Vec<(usize, f64)>,
    /// Elements of the work space, constants and registers included.
    pub work: usize,
    /// Elements of one frame.
    pub frame: usize,
    /// First row of each port.
    pub ports: Vec<Address>,
    /// Rows of each output.
    pub outputs: Vec<Vec<Address>>,
    /// Planes of fields; then a tile holds one sample.
    pub planes: Option<Planes>,
    /// Distances in padded planes of a kernel's places, and in spread planes.
    pub kernel: [Vec<usize>; 2],
}
