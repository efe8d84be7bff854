//! Programs evaluated for one sample, operation by operation.

use super::number::{Held, Number};
use crate::graph::{Function, Node, Op};
use crate::program::{Boundary, Grid, Operation, Over, Program, View};

fn evaluate_function<N: Number>(f: &Function, inputs: &[N], held: &mut Held) -> Vec<N> {
    let mut values: Vec<N> = Vec::with_capacity(f.nodes().len());
    for node in f.nodes() {
        let value = match node {
            Node::Const(bits) => N::constant(f64::from_bits(*bits)),
            Node::Input(i) => inputs[*i as usize],
            Node::Apply(op, _) => {
                let mut args = [N::default(); 3];
                for (slot, a) in args.iter_mut().zip(node.args()) {
                    *slot = values[a.index()];
                }
                if *op == Op::StopGrad { held.pass(args[0]) } else { N::apply(*op, args) }
            }
        };
        values.push(value);
    }
    f.outputs().iter().map(|o| values[o.index()]).collect()
}

/// a + b
pub(super) fn add<N: Number>(a: N, b: N) -> N {
    N::apply(Op::Add, [a, b, N::default()])
}

/// a · b
pub(super) fn mul<N: Number>(a: N, b: N) -> N {
    N::apply(Op::Mul, [a, b, N::default()])
}

/// Evaluates a program without sinks for one sample; `weight(id, index)` reads a weight. Values hold `[component, cell]`.
pub(super) fn evaluate<N: Number>(
    program: &Program,
    inputs: &[&[N]],
    weight: &dyn Fn(u32, usize) -> N,
    held: &mut Held,
) -> Vec<Vec<N>> {
    let mut values: Vec<Vec<N>> = Vec::with_capacity(program.values.len());
    let view = |values: &[Vec<N>], v: &View| {
        let cells = program.cells(v.field);
        values[v.value.index()][v.start * cells..(v.start + v.width) * cells].to_vec()
    };
    for value in &program.values {
        let cells = program.cells(value.field);
        // One component of an argument in one cell; what is no field is the same in all cells.
        let at = |parts: &[Vec<N>], arguments: &[View], argument: usize, component: usize, cell: usize| match arguments
            [argument]
            .field
        {
            true => parts[argument][component * cells + cell],
            false => parts[argument][component],
        };
        let by_cell = |rows: Vec<Vec<N>>| -> Vec<N> {
            (0..value.width).flat_map(|component| rows.iter().map(move |row| row[component])).collect()
        };
        let result = match &value.operation {
            Operation::Input(port) => inputs[*port].to_vec(),
            Operation::Constant(c) => c.iter().flat_map(|v| vec![N::constant(*v); cells]).collect(),
            Operation::Map { function, arguments, over: Over::Sample | Over::Cell } => {
                let parts: Vec<Vec<N>> = arguments.iter().map(|a| view(&values, a)).collect();
                let joined = |cell: usize| -> Vec<N> {
                    let components = arguments.iter().enumerate().flat_map(|(a, v)| (0..v.width).map(move |c| (a, c)));
                    components.map(|(a, c)| at(&parts, arguments, a, c, cell)).collect()
                };
                by_cell((0..cells).map(|cell| evaluate_function(function, &joined(cell), held)).collect())
            }
            Operation::Map { function, arguments, over: Over::Component } => {
                let parts: Vec<Vec<N>> = arguments.iter().map(|a| view(&values, a)).collect();
                let joined = |component: usize, cell: usize| -> Vec<N> {
                    (0..arguments.len()).map(|a| at(&parts, arguments, a, component, cell)).collect()
                };
                let places = (0..value.width).flat_map(|component| (0..cells).map(move |cell| (component, cell)));
                places
                    .flat_map(|(component, cell)| evaluate_function(function, &joined(component, cell), held))
                    .collect()
            }
            Operation::Affine { weight: w, bias, x } => {
                let columns = x.width;
                let x = view(&values, x);
                let places = (0..value.width).flat_map(|row| (0..cells).map(move |cell| (row, cell)));
                places
                    .map(|(row, cell)| {
                        let start = bias.map_or(N::default(), |b| weight(b.0, row));
                        (0..columns)
                            .fold(start, |sum, c| add(sum, mul(weight(w.0, row * columns + c), x[c * cells + cell])))
                    })
                    .collect()
            }
            Operation::AffineT { weight: w, y } => {
                let rows = y.width;
                let y = view(&values, y);
                let places = (0..value.width).flat_map(|column| (0..cells).map(move |cell| (column, cell)));
                places
                    .map(|(column, cell)| {
                        let factor = |r: usize| weight(w.0, r * value.width + column);
                        (0..rows).fold(N::default(), |sum, r| add(sum, mul(factor(r), y[r * cells + cell])))
                    })
                    .collect()
            }
            Operation::Conv { weight: w, bias, x, padding } => {
                let terms = kernel_terms(grid_of(program), *padding);
                let (taps, channels) = (grid_of(program).offsets().len(), x.width);
                let x = view(&values, x);
                let mut y: Vec<N> = (0..value.width)
                    .flat_map(|out| vec![bias.map_or(N::default(), |b| weight(b.0, out)); cells])
                    .collect();
                for (out, channel) in (0..value.width).flat_map(|o| (0..channels).map(move |c| (o, c))) {
                    for (tap, cell, seen) in &terms {
                        let factor = weight(w.0, (out * channels + channel) * taps + tap);
                        let place = out * cells + cell;
                        y[place] = add(y[place], mul(factor, x[channel * cells + seen]));
                    }
                }
                y
            }
            Operation::ConvT { weight: w, y, padding } => {
                let terms = kernel_terms(grid_of(program), *padding);
                let (taps, channels, outs) = (grid_of(program).offsets().len(), value.width, y.width);
                let y = view(&values, y);
                let mut x = vec![N::default(); channels * cells];
                for (out, channel) in (0..outs).flat_map(|o| (0..channels).map(move |c| (o, c))) {
                    for (tap, cell, seen) in &terms {
                        let factor = weight(w.0, (out * channels + channel) * taps + tap);
                        let place = channel * cells + seen;
                        x[place] = add(x[place], mul(factor, y[out * cells + cell]));
                    }
                }
                x
            }
            Operation::Stencil { stencil, transposed, x } => {
                let grid = grid_of(program);
                let x = view(&values, x);
                let mut y = vec![N::default(); x.len()];
                for (channel, tap) in (0..value.width).flat_map(|c| stencil.taps(grid).into_iter().map(move |t| (c, t)))
                {
                    for cell in 0..cells {
                        let Some(seen) = grid.neighbour(cell, tap.row, tap.column, grid.boundary) else { continue };
                        let (from, to) = if *transposed { (cell, seen) } else { (seen, cell) };
                        let place = channel * cells + to;
                        y[place] = add(y[place], mul(N::constant(tap.factor), x[channel * cells + from]));
                    }
                }
                y
            }
            Operation::Sum(x) => {
                let cells = program.cells(true);
                view(&values, x).chunks(cells).map(|row| row.iter().copied().fold(N::default(), add)).collect()
            }
            Operation::Concat(parts) => parts.iter().flat_map(|p| view(&values, p)).collect(),
            Operation::Outer { .. } => Vec::new(),
        };
        values.push(result);
    }
    program.outputs.iter().map(|o| view(&values, o)).collect()
}

fn grid_of(program: &Program) -> &Grid {
    program.grid.as_ref().expect("operations on cells need a grid")
}

/// (index of the kernel, cell, cell that it sees) for all that lies inside.
fn kernel_terms(grid: &Grid, padding: Boundary) -> Vec<(usize, usize, usize)> {
    let offsets = grid.offsets().into_iter().enumerate();
    offsets
        .flat_map(|(tap, (row, column))| {
            (0..grid.cells()).filter_map(move |cell| Some((tap, cell, grid.neighbour(cell, row, column, padding)?)))
        })
        .collect()
}

/// Evaluates a program without weights; `arguments` are its ports joined.
pub fn evaluate_plain(program: &Program, arguments: &[f64]) -> Vec<f64> {
    let mut ports = Vec::with_capacity(program.ports.len());
    let mut rest = arguments;
    for port in &program.ports {
        let (part, tail) = rest.split_at(port.width * program.cells(port.field));
        ports.push(part);
        rest = tail;
    }
    evaluate(program, &ports, &|_, _| 0.0, &mut Held::default()).concat()
}
