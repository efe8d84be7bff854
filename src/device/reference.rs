//! The reference: programs and rollouts written as plainly as possible, one sample after another, on two number types.
//!
//! f64 gives values and, with stop-gradients held, finite differences; [`Dual`] gives forward-mode derivatives. It shares
//! the programs with the devices, but neither their memory plans nor their reverse pass, so it judges both.

use super::batch::{Job, Start};
use crate::graph::{Function, Node, Op};
use crate::model::{Model, ObjectiveTerms, Sums, ports};
use crate::program::{Grid, Operation, Over, Program, View};
use crate::solve::tableau;

/// A value and its derivative in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Dual {
    /// Value.
    pub value: f64,
    /// Derivative.
    pub slope: f64,
}

/// A number of the reference.
pub trait Number: Copy + Default {
    /// A constant.
    fn constant(value: f64) -> Self;
    /// The value without derivative.
    fn value(self) -> f64;
    /// The derivative that it carries; 0 if it carries none.
    fn slope(self) -> f64;
    /// An operator applied.
    fn apply(op: Op, args: [Self; 3]) -> Self;
}

impl Number for f64 {
    fn constant(value: f64) -> f64 {
        value
    }
    fn value(self) -> f64 {
        self
    }
    fn slope(self) -> f64 {
        0.0
    }
    fn apply(op: Op, args: [f64; 3]) -> f64 {
        (op.row().eval)(args)
    }
}

impl Number for Dual {
    fn constant(value: f64) -> Dual {
        Dual { value, slope: 0.0 }
    }
    fn value(self) -> f64 {
        self.value
    }
    fn slope(self) -> f64 {
        self.slope
    }
    fn apply(op: Op, args: [Dual; 3]) -> Dual {
        let value = (op.row().eval)(args.map(|a| a.value));
        let slope = match op {
            Op::Select => {
                if args[0].value != 0.0 {
                    args[1].slope
                } else {
                    args[2].slope
                }
            }
            _ => partials(op, args.map(|a| a.value))
                .iter()
                .zip(args)
                // A zero derivative stays zero, whatever the partial.
                .map(|(partial, a)| if a.slope == 0.0 { 0.0 } else { partial * a.slope })
                .sum(),
        };
        Dual { value, slope }
    }
}

/// Numerical partials of an operator, from the rules of the operator table.
fn partials(op: Op, args: [f64; 3]) -> [f64; 3] {
    let arity = op.row().arity;
    let mut present = [false; 3];
    let function = Function::build(3, |g, ids| {
        let result = g.apply(op, &ids[..arity]);
        let rules = (op.row().partials)(g, [ids[0], ids[1], ids[2]], result);
        let zero = g.constant(0.0);
        present = rules.map(|r| r.is_some());
        rules.map(|r| r.unwrap_or(zero)).to_vec()
    });
    let values = function.eval(&args);
    [values[0], values[1], values[2]]
}

/// Values of stop-gradients in the order of evaluation: recorded at one point, then held at others, so that finite
/// differences see what differentiation sees.
#[derive(Clone, Debug, Default)]
pub struct Held {
    values: Vec<f64>,
    position: Option<usize>,
}

impl Held {
    /// Replays the recorded values from the start.
    pub fn replay(&self) -> Held {
        Held { values: self.values.clone(), position: Some(0) }
    }

    fn pass<N: Number>(&mut self, x: N) -> N {
        match &mut self.position {
            None => {
                self.values.push(x.value());
                N::constant(x.value())
            }
            Some(position) => {
                *position += 1;
                N::constant(self.values[*position - 1])
            }
        }
    }
}

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

fn add<N: Number>(a: N, b: N) -> N {
    N::apply(Op::Add, [a, b, N::default()])
}

fn mul<N: Number>(a: N, b: N) -> N {
    N::apply(Op::Mul, [a, b, N::default()])
}

/// Evaluates a program without sinks for one sample; `weight(id, index)` reads a weight. Values hold `[component, cell]`.
fn evaluate<N: Number>(
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
fn kernel_terms(grid: &Grid, padding: crate::program::Boundary) -> Vec<(usize, usize, usize)> {
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

/// What a rollout depends on, in the reference's numbers.
#[derive(Clone, Debug)]
pub struct Point<N> {
    /// Weights of one member.
    pub weights: Vec<N>,
    /// θ `[samples, p]`
    pub theta: Vec<N>,
    /// Initial states `[samples, n]`.
    pub start: Vec<N>,
}

impl Point<f64> {
    /// The point of a job with one member. Without given states, `start` is empty.
    pub fn of(job: &Job, model: &Model) -> Point<f64> {
        let n = model.integrated_len();
        let start = match &job.trajectories.start {
            Start::States(states) => {
                job.rows.iter().flat_map(|r| states[*r as usize * n..(*r as usize + 1) * n].to_vec()).collect()
            }
            // They follow from the window.
            Start::Observations(_) => Vec::new(),
        };
        Point { weights: job.weights.member(0).to_vec(), theta: job.theta.to_vec(), start }
    }

    /// The point with a direction.
    pub fn along(&self, direction: &Point<f64>) -> Point<Dual> {
        let join = |a: &[f64], b: &[f64]| {
            a.iter().zip(b).map(|(value, slope)| Dual { value: *value, slope: *slope }).collect()
        };
        Point {
            weights: join(&self.weights, &direction.weights),
            theta: join(&self.theta, &direction.theta),
            start: join(&self.start, &direction.start),
        }
    }

    /// The point moved by `step` times a direction.
    pub fn moved(&self, direction: &Point<f64>, step: f64) -> Point<f64> {
        let go = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, d)| x + step * d).collect();
        Point {
            weights: go(&self.weights, &direction.weights),
            theta: go(&self.theta, &direction.theta),
            start: go(&self.start, &direction.start),
        }
    }
}

/// The objective of a job with one group at a point: its terms, and its derivative if the numbers carry one.
pub fn objective<N: Number>(model: &Model, job: &Job, point: &Point<N>, held: &mut Held) -> (ObjectiveTerms, f64) {
    let grid = job.grid(model).expect("a checked job");
    let scheme = tableau(model.spec.solver.method);
    let t = job.trajectories;
    let (n, p, m, k) = (model.integrated_len(), model.theta.len(), model.inputs.len(), model.output_len());
    let layout = &model.objective.points;
    let candidates = job.samples() * t.steps;
    let mut points: Vec<N> = Vec::new();
    let weight = |id: u32, index: usize| point.weights[model.weights.shapes()[id as usize].offset + index];
    let mut sums = Sums::default();
    let mut slopes = Sums::default();
    let mut record = |x: N, target: &dyn Fn(&mut Sums) -> &mut f64, times: f64| {
        *target(&mut sums) += times * x.value();
        *target(&mut slopes) += times * x.slope();
    };
    let stage_observables = model.objective.observables.stages.len();
    let mut counts = (0.0, 0.0, 0.0);
    for sample in 0..job.samples() {
        let row = job.rows[sample] as usize;
        let t0 = t.t0.get(row).copied().unwrap_or(0.0);
        let theta = &point.theta[sample * p..(sample + 1) * p];
        let times = job.multiplicity(sample);
        let input = |interval: usize, left: f64, right: f64| -> Vec<N> {
            (0..m)
                .map(|i| {
                    let at = |k: usize| t.inputs[(row * (t.steps + 1) + k) * m + i];
                    N::constant(if right == 0.0 {
                        left * at(interval)
                    } else {
                        left * at(interval) + right * at(interval + 1)
                    })
                })
                .collect()
        };
        let (mut state, encoded) = match (&t.start, &model.encode) {
            (Start::Observations(windows), Some(encode)) => {
                let width = model.window_len();
                let seen: Vec<N> = windows[row * width..(row + 1) * width].iter().map(|v| N::constant(*v)).collect();
                let time = [N::constant(t0)];
                let mut out = evaluate(encode, &[&seen, theta, &input(0, 1.0, 0.0), &time], &weight, held);
                let made = (out.len() > 1).then(|| out.swap_remove(1));
                (out.swap_remove(0), made)
            }
            _ => (point.start[sample * n..(sample + 1) * n].to_vec(), None),
        };
        let theta = encoded.as_deref().unwrap_or(theta);
        for interval in 0..grid.intervals() {
            let h = N::constant(grid.step_length(interval));
            for substep in 0..grid.substeps() {
                let mut rates: Vec<Vec<N>> = Vec::new();
                for stage in 0..scheme.stages() {
                    let mut at = state.clone();
                    for (a, rate) in scheme.a[stage].iter().zip(&rates) {
                        for (x, r) in at.iter_mut().zip(rate) {
                            *x = add(*x, mul(mul(h, N::constant(*a)), *r));
                        }
                    }
                    let w = grid.input_weights(model.spec.model.inputs, substep, scheme.c[stage]);
                    let u = input(interval, w.left, w.right);
                    let time = [N::constant(t0 + grid.stage(interval, substep, scheme.c[stage]))];
                    let inputs: [&[N]; 4] = [&at, theta, &u, &time];
                    let mut out = evaluate(&model.evolve, &inputs, &weight, held);
                    for (i, value) in out[1].iter().enumerate() {
                        record(*value, &|s| &mut s.observables[i], times);
                    }
                    counts.1 += times;
                    rates.push(out.swap_remove(0));
                }
                if scheme.map {
                    state = rates.swap_remove(0);
                } else {
                    for (b, rate) in scheme.b.iter().zip(&rates) {
                        for (x, r) in state.iter_mut().zip(rate) {
                            *x = add(*x, mul(mul(h, N::constant(*b)), *r));
                        }
                    }
                }
            }
            counts.2 += times * k as f64;
            let entry = |i: usize| {
                let target = t.targets.as_ref().map_or(f64::NAN, |y| y[(row * t.steps + interval) * k + i]);
                let scale = t.residual_scale.as_ref().map_or(1.0, |s| s[i / model.cells()]);
                (!target.is_nan()).then_some((target, 1.0 / scale))
            };
            let u = input(interval + 1, 1.0, 0.0);
            let time = [N::constant(t0 + grid.observation(interval + 1))];
            let mut inputs: Vec<&[N]> = vec![&[]; 4];
            inputs[ports::STATE] = &state;
            inputs[ports::THETA] = theta;
            inputs[ports::INPUT] = &u;
            inputs[ports::TIME] = &time;
            let entries: Vec<(f64, f64)> = (0..k).map(|i| entry(i).unwrap_or_default()).collect();
            let target: Vec<N> = entries.iter().map(|(target, _)| N::constant(*target)).collect();
            let present: Vec<N> = entries.iter().map(|(_, weight)| N::constant(*weight)).collect();
            if model.observe.ports.len() > inputs.len() {
                inputs.extend([&target[..], &present[..]]);
            }
            let y = evaluate(&model.observe, &inputs, &weight, held);
            for (i, y) in y[0].iter().enumerate() {
                if let Some((target, weight)) = entry(i) {
                    let residual = mul(add(*y, N::constant(-target)), N::constant(weight));
                    record(mul(residual, residual), &|s| &mut s.squared_error, times);
                    counts.0 += times;
                }
            }
            if let Some(output) = model.observables_output() {
                for (i, value) in y[output].iter().enumerate() {
                    record(*value, &|s| &mut s.observables[stage_observables + i], times);
                }
            }
            if let (Some(output), Some(_)) =
                (model.points_output(), layout.place(sample * t.steps + interval, candidates))
            {
                points.extend(&y[output]);
            }
        }
    }
    sums.present = counts.0;
    sums.stage_count = counts.1;
    sums.entries = counts.2;
    let coordinates: Vec<f64> = points.iter().map(|x| x.value()).collect();
    let (terms, seeds) = job.objective.evaluate(&sums, &coordinates);
    let mut derivative = seeds.squared_error * slopes.squared_error;
    for (seed, slope) in seeds.observables.iter().zip(slopes.observables) {
        derivative += seed * slope;
    }
    for (seed, point) in seeds.points.iter().zip(&points) {
        derivative += seed * point.slope();
    }
    (terms, derivative)
}
