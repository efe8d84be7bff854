//! Linking: from a program to steps over one flat memory.
//!
//! Every scalar of a value is a row of [`LANES`] samples, every channel of a field a row of cells of one sample. Rows lie in
//! one of two spaces: *work*, shared by all stages and reused once a value has been read for the last time, and *frame*,
//! which holds what the reverse part of a differentiated program reads from the forward part; a rollout keeps one frame
//! per stage.

use super::LANES;
use super::plane::Planes;
use super::step::{Address, Factors, Gated, Input, Linked, Step};
use crate::device::pool::Pool;
use crate::graph::{CHUNK, Rectifier, Tape};
use crate::program::{Operation, Over, Program, Value, View, WeightTable};
use std::collections::HashMap;
use std::sync::Arc;

/// Whether the map at `index` is a rectifier of the product before it, which nothing else reads: then the product can
/// apply it while its sums are in registers.
fn is_epilogue(program: &Program, index: usize, rectifier: Rectifier) -> bool {
    let (product, value) = (&program.values[index - 1], &program.values[index]);
    let Operation::Map { arguments, over: Over::Component, .. } = &value.operation else { return false };
    let is_product = |view: &View| view.value.index() + 1 == index;
    let readers = |value: &Value| value.operation.reads().iter().filter(|view| is_product(view)).count();
    let rows = program.grid.is_none() || product.field;
    let whole = |view: &View| view.start == 0 && view.width == product.width && view.field == product.field;
    matches!(product.operation, Operation::Affine { .. } | Operation::AffineT { .. })
        && rows
        && is_product(&arguments[rectifier.value])
        && whole(&arguments[rectifier.value])
        && (rectifier.gate == rectifier.value || !is_product(&arguments[rectifier.gate]))
        && arguments[rectifier.gate].field == product.field
        && !product.operation.reads().iter().any(|view| view.value == arguments[rectifier.gate].value)
        && program.values.iter().map(readers).sum::<usize>() == readers(value)
        && !program.outputs.iter().any(is_product)
}

/// Links a program whose first `forward` values are its forward part; `pinned` ports keep their rows in the work space
/// because they do not change from stage to stage.
pub fn link(program: &Program, forward: usize, pinned: &[usize], table: &WeightTable) -> Linked {
    let count = program.values.len();
    let planes = program.grid.as_ref().map(Planes::new);
    let length = |field: bool| if field { planes.as_ref().map_or(LANES, |p| p.stride) } else { LANES };
    let offsets = program.grid.as_ref().map_or(Vec::new(), |grid| grid.offsets());
    // The last step that reads each value; outputs live to the end of the part that makes them.
    let mut last = (0..count).collect::<Vec<usize>>();
    let mut saved = vec![false; count];
    for (index, value) in program.values.iter().enumerate() {
        for view in value.operation.reads() {
            last[view.value.index()] = index;
            saved[view.value.index()] |= view.value.index() < forward && index >= forward;
        }
    }
    for output in &program.outputs {
        let index = output.value.index();
        last[index] = last[index].max(if index < forward { forward - 1 } else { count });
    }
    let mut tapes: Vec<Tape> = Vec::new();
    let mut known: HashMap<*const crate::graph::Function, usize> = HashMap::new();
    for value in &program.values {
        if let Operation::Map { function, .. } = &value.operation {
            known.entry(Arc::as_ptr(function)).or_insert_with(|| {
                tapes.push(Tape::compile(function));
                tapes.len() - 1
            });
        }
    }
    let rectified: Vec<Option<Rectifier>> = (0..count)
        .map(|index| match &program.values[index].operation {
            Operation::Map { function, .. } if index > 0 && index != forward => {
                tapes[known[&Arc::as_ptr(function)]].rectifier().filter(|r| is_epilogue(program, index, *r))
            }
            _ => None,
        })
        .collect();
    for index in (1..count).filter(|index| rectified[*index].is_some()) {
        // What the product reads must not be written over by the rectifier's result.
        for view in program.values[index - 1].operation.reads() {
            last[view.value.index()] = last[view.value.index()].max(index);
        }
    }
    let mut top = 0;
    let constants = tapes
        .iter()
        .map(|tape| {
            let offset = top;
            top += tape.constants() * CHUNK;
            offset
        })
        .collect();
    let registers = top;
    top += tapes.iter().map(Tape::registers).max().unwrap_or(0) * CHUNK;
    let broadcast = top;
    let scalars = |value: &Value| match &value.operation {
        Operation::Map { arguments, .. } if value.field => arguments.iter().filter(|a| !a.field).map(|a| a.width).sum(),
        _ => 0,
    };
    top += program.values.iter().map(scalars).max().unwrap_or(0) * CHUNK;
    let mut pool = Pool::new(top);
    let mut frame = 0;
    let mut place: Vec<Address> = Vec::with_capacity(count);
    let mut release: Vec<Vec<(usize, usize)>> = vec![Vec::new(); count + 1];
    let mut linked = Linked {
        steps: Vec::new(),
        forward: 0,
        tapes,
        constants,
        registers,
        broadcast,
        fills: Vec::new(),
        work: 0,
        frame: 0,
        ports: vec![Address { frame: false, offset: 0 }; program.ports.len()],
        outputs: Vec::new(),
        kernel: [false, true].map(|transposed| {
            let distance = |(row, column): &(isize, isize)| Some(planes.as_ref()?.offset(*row, *column, transposed));
            offsets.iter().filter_map(distance).collect()
        }),
        planes: planes.clone(),
    };
    for (index, value) in program.values.iter().enumerate() {
        if index == forward {
            linked.forward = linked.steps.len();
        }
        let own = length(value.field);
        let size = value.width * own;
        if rectified.get(index + 1).is_some_and(Option::is_some) {
            // Its rectifier computes it.
            place.push(Address { frame: false, offset: 0 });
            continue;
        }
        let is_pinned = match &value.operation {
            Operation::Constant(_) => true,
            // Ports of the reverse part are the cotangents, written just before it runs.
            Operation::Input(port) => index >= forward || pinned.contains(port) || !saved[index],
            _ => false,
        };
        let address = if is_pinned {
            Address { frame: false, offset: pool.reserve(size) }
        } else if saved[index] {
            frame += size;
            Address { frame: true, offset: frame - size }
        } else {
            let offset = pool.take(size);
            release[last[index].min(count)].push((offset, size));
            Address { frame: false, offset }
        };
        let at = |view: &View, place: &[Address]| place[view.value.index()].row(view.start, length(view.field));
        let component = |view: &View, i: usize, place: &[Address]| at(view, place).row(i, length(view.field));
        let affine = |operation: &Operation, field: bool, gate: Option<Gated>, place: &[Address]| {
            let (weight, bias, transposed, x) = match operation {
                Operation::Affine { weight, bias, x } => (*weight, *bias, false, at(x, place)),
                Operation::AffineT { weight, y } => (*weight, None, true, at(y, place)),
                _ => unreachable!("only products with weights are linked here"),
            };
            Step::Affine { weight, bias, transposed, x, y: address, field, gate }
        };
        match &value.operation {
            Operation::Input(port) => linked.ports[*port] = address,
            Operation::Constant(values) => {
                let rows = values.iter().enumerate();
                linked.fills.extend(rows.flat_map(|(i, v)| {
                    let first = address.row(i, own).offset;
                    (first..first + own).step_by(LANES).map(|offset| (offset, *v))
                }));
            }
            Operation::Map { arguments, .. } if rectified[index].is_some() => {
                linked.steps.extend(rectified[index].map(|rectifier| {
                    let gate = (rectifier.gate != rectifier.value).then(|| at(&arguments[rectifier.gate], &place));
                    let product = &program.values[index - 1];
                    affine(&product.operation, product.field, Some(Gated { rectifier, gate }), &place)
                }));
            }
            Operation::Map { function, arguments, over } => {
                let tape = known[&Arc::as_ptr(function)];
                let mixed = value.field && arguments.iter().any(|a| !a.field);
                let cell = |view: &View, i: usize| Input { address: component(view, i, &place), field: view.field };
                match over {
                    Over::Sample => {
                        let rows = arguments.iter().flat_map(|a| (0..a.width).map(|i| component(a, i, &place)));
                        let inputs = rows.collect();
                        let outputs = (0..value.width).map(|i| address.row(i, own)).collect();
                        linked.steps.push(Step::Map { tape, inputs, outputs });
                    }
                    Over::Cell => {
                        let inputs = arguments.iter().flat_map(|a| (0..a.width).map(|i| cell(a, i))).collect();
                        let outputs = (0..value.width).map(|i| address.row(i, own)).collect();
                        linked.steps.push(Step::Cells { tape, inputs, outputs });
                    }
                    Over::Component if mixed => linked.steps.extend((0..value.width).map(|i| {
                        let inputs = arguments.iter().map(|a| cell(a, i)).collect();
                        Step::Cells { tape, inputs, outputs: vec![address.row(i, own)] }
                    })),
                    Over::Component => {
                        let inputs = arguments.iter().map(|a| at(a, &place)).collect();
                        linked.steps.push(Step::Each { tape, inputs, output: address, length: size });
                    }
                }
            }
            Operation::Affine { .. } | Operation::AffineT { .. } => {
                linked.steps.push(affine(&value.operation, value.field, None, &place));
            }
            Operation::Outer { weight, bias, y, x, padding } => {
                let (weight, bias, field, channels) = (*weight, *bias, y.field, [x.width, y.width]);
                let (y, x) = (at(y, &place), at(x, &place));
                debug_assert!(!table.shape(weight).is_empty());
                linked.steps.push(match *padding {
                    Some(boundary) => Step::Kernel { weight, bias, channels, boundary, y, x },
                    None => Step::Outer { weight, bias, y, x, field },
                });
            }
            Operation::Conv { weight, bias, x, padding } => {
                let factors = Factors::Kernel { weight: *weight, bias: *bias };
                let (channels, boundary, x) = ([x.width, value.width], *padding, at(x, &place));
                linked.steps.push(Step::Correlate { factors, transposed: false, channels, boundary, x, y: address });
            }
            Operation::ConvT { weight, y, padding } => {
                let factors = Factors::Kernel { weight: *weight, bias: None };
                let (channels, boundary, x) = ([y.width, value.width], *padding, at(y, &place));
                linked.steps.push(Step::Correlate { factors, transposed: true, channels, boundary, x, y: address });
            }
            Operation::Stencil { stencil, transposed, x } => {
                let (grid, planes) = program.grid.as_ref().zip(planes.as_ref()).expect("a field has a grid");
                let taps = stencil.taps(grid);
                let offsets = taps.iter().map(|t| planes.offset(t.row, t.column, *transposed)).collect();
                let factors = Factors::Stencil { factors: taps.iter().map(|t| t.factor).collect(), offsets };
                let (channels, boundary, x) = ([x.width; 2], grid.boundary, at(x, &place));
                let transposed = *transposed;
                linked.steps.push(Step::Correlate { factors, transposed, channels, boundary, x, y: address });
            }
            Operation::Sum(x) => linked.steps.push(Step::Sum { channels: x.width, x: at(x, &place), y: address }),
            Operation::Concat(parts) => {
                let mut row = 0;
                for part in parts {
                    let (from, to) = (at(part, &place), address.row(row, own));
                    linked.steps.push(Step::Copy { from, to, length: part.width * own });
                    row += part.width;
                }
            }
        }
        place.push(address);
        for (offset, size) in release[index].drain(..) {
            pool.give(offset, size);
        }
    }
    if forward >= count {
        linked.forward = linked.steps.len();
    }
    linked.outputs = program
        .outputs
        .iter()
        .map(|view| {
            let first = place[view.value.index()];
            (0..view.width).map(|i| first.row(view.start + i, length(view.field))).collect()
        })
        .collect();
    linked.work = pool.top();
    linked.frame = frame;
    linked
}
