//! Differentiating programs: the reverse sweep as more operations of the same language.

use super::build::Builder;
use super::operation::{Operation, Over, Program, Value, View};
use super::recompute::recompute;
use crate::graph::{self, Function};
use std::sync::Arc;

/// A program followed by its reverse sweep.
#[derive(Clone, Debug)]
pub struct Differentiated {
    /// Ports: the primal ports, then one cotangent port per primal output. Outputs: the primal outputs, then the
    /// cotangents of the wanted ports. `Outer` sinks hold the gradients of the weights.
    pub program: Program,
    /// The first `forward` values are the primal program, unchanged.
    pub forward: usize,
}

/// Differentiates a program in reverse mode with respect to the ports marked in `wanted` and, if `weights`, to weights.
pub fn vjp(program: &Program, wanted: &[bool], weights: bool) -> Differentiated {
    assert_eq!(wanted.len(), program.ports.len(), "one mark per port");
    let forward = program.values.len();
    let mut builder = Builder::resume(program);
    let mut seeds = Vec::new();
    for (i, output) in program.outputs.iter().enumerate() {
        let seed = builder.port(&format!("cotangent_{i}"), output.width, output.field);
        seeds.push((*output, seed));
    }
    let targets: Vec<View> = port_views(program).into_iter().zip(wanted).filter(|(_, w)| **w).map(|(v, _)| v).collect();
    let cotangents = sweep(&mut builder, 0..forward, &seeds, &targets, weights);
    let mut outputs: Vec<View> = program.outputs.iter().copied().chain(cotangents).collect();
    builder.values = recompute(std::mem::take(&mut builder.values), forward, 0, &mut outputs);
    Differentiated { program: builder.finish(outputs), forward }
}

fn port_views(program: &Program) -> Vec<View> {
    let mut views = vec![None; program.ports.len()];
    for (i, value) in program.values.iter().enumerate() {
        if let Operation::Input(port) = value.operation {
            views[port] =
                Some(View { value: super::ValueId(i as u32), start: 0, width: value.width, field: value.field });
        }
    }
    views.into_iter().map(|v| v.expect("every port has its input operation")).collect()
}

/// Appends the reverse sweep over `range` to a builder: `seeds` pairs views with their cotangents; returns the cotangent
/// of each target (zeros where nothing depends on it). With `weights`, sinks for the weight gradients are added.
///
/// This is also how a `gradient` network is built: a sweep inside the right-hand side.
pub fn sweep(
    builder: &mut Builder,
    range: std::ops::Range<usize>,
    seeds: &[(View, View)],
    targets: &[View],
    weights: bool,
) -> Vec<View> {
    let active = active_values(&builder.values[range.clone()], range.start, targets, weights);
    let mut pieces: Vec<Vec<(usize, View)>> = vec![Vec::new(); range.end];
    for (view, cotangent) in seeds {
        pieces[view.value.index()].push((view.start, *cotangent));
    }
    for index in range.clone().rev() {
        if !active[index - range.start] || pieces[index].is_empty() {
            continue;
        }
        let Value { operation, width, field } = builder.values[index].clone();
        if matches!(operation, Operation::Input(_) | Operation::Constant(_)) {
            continue;
        }
        let own = View { value: super::ValueId(index as u32), start: 0, width, field };
        let cotangent = gather(builder, own, &pieces[index]);
        let is_active = |view: &View| match view.value.index().checked_sub(range.start) {
            Some(index) => active[index],
            None => targets.iter().any(|t| t.value == view.value),
        };
        // What a map reads in every cell alike collects the cotangents of all cells.
        let collect = |builder: &mut Builder, view: View, cotangent: View| match view.field == cotangent.field {
            true => cotangent,
            false => builder.sum(cotangent),
        };
        let mut give = |view: View, cotangent: View| pieces[view.value.index()].push((view.start, cotangent));
        match operation {
            Operation::Map { function, arguments, over } => {
                let wanted: Vec<bool> = arguments.iter().map(is_active).collect();
                match over {
                    Over::Sample | Over::Cell => {
                        let (result, widths) =
                            reverse_map(builder, (&function, over), &arguments, &wanted, own, cotangent);
                        let mut start = 0;
                        for (argument, width) in arguments.iter().zip(widths) {
                            if width > 0 {
                                let part = collect(builder, *argument, result.slice(start, width));
                                give(*argument, part);
                                start += width;
                            }
                        }
                    }
                    Over::Component => {
                        for (position, argument) in arguments.iter().enumerate() {
                            if wanted[position] {
                                let result = reverse_each(builder, &function, &arguments, position, own, cotangent);
                                let result = collect(builder, *argument, result);
                                give(*argument, result);
                            }
                        }
                    }
                }
            }
            Operation::Affine { weight, bias, x } => {
                if weights {
                    builder.outer(weight, bias, cotangent, x, None);
                }
                if is_active(&x) {
                    let result = builder.affine_transposed(weight, x.width, cotangent);
                    give(x, result);
                }
            }
            Operation::Conv { weight, bias, x, padding } => {
                if weights {
                    builder.outer(weight, bias, cotangent, x, Some(padding));
                }
                if is_active(&x) {
                    let result = builder.conv_transposed(weight, x.width, cotangent, padding);
                    give(x, result);
                }
            }
            Operation::ConvT { weight, y, padding } => {
                if weights {
                    builder.outer(weight, None, y, cotangent, Some(padding));
                }
                if is_active(&y) {
                    let result = builder.conv(weight, None, y.width, cotangent, padding);
                    give(y, result);
                }
            }
            Operation::Stencil { stencil, transposed, x } => {
                let result = builder.stencil(stencil, !transposed, cotangent);
                give(x, result);
            }
            Operation::Sum(x) => {
                let result = builder.broadcast(cotangent);
                give(x, result);
            }
            Operation::AffineT { weight, y } => {
                if weights {
                    builder.outer(weight, None, y, cotangent, None);
                }
                if is_active(&y) {
                    let result = builder.affine(weight, None, y.width, cotangent);
                    give(y, result);
                }
            }
            Operation::Concat(parts) => {
                let mut start = 0;
                for part in parts {
                    if is_active(&part) {
                        give(part, cotangent.slice(start, part.width));
                    }
                    start += part.width;
                }
            }
            Operation::Outer { .. } => unreachable!("weights are differentiated once: a sink has no cotangent"),
            Operation::Input(_) | Operation::Constant(_) => unreachable!("leaves were skipped"),
        }
    }
    targets.iter().map(|t| gather(builder, *t, &pieces[t.value.index()])).collect()
}

/// Values through which a target or a weight reaches later values.
fn active_values(values: &[Value], first: usize, targets: &[View], weights: bool) -> Vec<bool> {
    let mut active = vec![false; values.len()];
    for (i, value) in values.iter().enumerate() {
        let target = targets.iter().any(|t| t.value.index() == first + i);
        let product = matches!(
            value.operation,
            Operation::Affine { .. } | Operation::AffineT { .. } | Operation::Conv { .. } | Operation::ConvT { .. }
        );
        let weighted = weights && product;
        let reads = value.operation.reads();
        active[i] = target
            || weighted
            || reads.iter().any(|v| match v.value.index().checked_sub(first) {
                Some(index) => active[index],
                None => targets.iter().any(|t| t.value == v.value),
            });
    }
    active
}

/// The cotangent of a view of a value from the pieces that the value's views received.
fn gather(builder: &mut Builder, of: View, pieces: &[(usize, View)]) -> View {
    let View { start, width, field, .. } = of;
    let touching = |(first, view): &&(usize, View)| *first < start + width && start < first + view.width;
    let pieces: Vec<(usize, View)> = pieces.iter().filter(touching).copied().collect();
    match pieces[..] {
        [] => builder.constant(vec![0.0; width], field),
        [(first, one)] if first <= start && start + width <= first + one.width => one.slice(start - first, width),
        // Pieces that all cover the range are added component by component: no text or tape that grows with the width.
        [(first, one), ref others @ ..]
            if pieces.iter().all(|(first, view)| *first <= start && start + width <= first + view.width) =>
        {
            let add = Arc::new(Function::build(2, |g, x| vec![g.add(x[0], x[1])]));
            others.iter().fold(one.slice(start - first, width), |sum, (first, other)| {
                builder.each(add.clone(), &[sum, other.slice(start - first, width)])
            })
        }
        _ => {
            let views: Vec<View> = pieces.iter().map(|(_, v)| *v).collect();
            builder.map_with(&views, |g, parts| {
                (start..start + width)
                    .map(|component| {
                        let covering = pieces.iter().zip(parts).filter_map(|((start, view), nodes)| {
                            component
                                .checked_sub(*start)
                                .filter(|offset| *offset < view.width)
                                .map(|offset| nodes[offset])
                        });
                        let terms: Vec<_> = covering.collect();
                        g.sum(&terms)
                    })
                    .collect()
            })
        }
    }
}

/// The reverse of a map over samples or cells: one map that yields the cotangents of all wanted arguments, joined.
fn reverse_map(
    builder: &mut Builder,
    (function, over): (&Function, Over),
    arguments: &[View],
    wanted: &[bool],
    own: View,
    cotangent: View,
) -> (View, Vec<usize>) {
    let marks: Vec<bool> = arguments.iter().zip(wanted).flat_map(|(a, w)| std::iter::repeat_n(*w, a.width)).collect();
    let reverse = graph::vjp(function, &marks).function;
    let views: Vec<View> = arguments.iter().copied().chain([own, cotangent]).collect();
    let (reverse, views) = without_unused(&reverse, &views);
    let result = builder.map_over(reverse, &views, over);
    (result, arguments.iter().zip(wanted).map(|(a, w)| if *w { a.width } else { 0 }).collect())
}

/// The reverse of a component-wise map with respect to one argument.
fn reverse_each(
    builder: &mut Builder,
    function: &Function,
    arguments: &[View],
    position: usize,
    own: View,
    cotangent: View,
) -> View {
    let marks: Vec<bool> = (0..arguments.len()).map(|i| i == position).collect();
    let reverse = graph::vjp(function, &marks).function;
    let views: Vec<View> = arguments.iter().copied().chain([own, cotangent]).collect();
    let used = reverse.used_inputs();
    let mut positions = vec![0; reverse.inputs()];
    let mut kept = Vec::new();
    for (i, view) in views.iter().enumerate() {
        if used[i] {
            positions[i] = kept.len();
            kept.push(*view);
        }
    }
    if kept.is_empty() {
        return builder.constant(vec![0.0; own.width], own.field);
    }
    let reverse = reverse.with_inputs(kept.len(), &positions);
    builder.each(Arc::new(reverse), &kept)
}

/// A function and its arguments without the views of which it uses no component, so that nothing is kept in
/// memory for them.
pub fn without_unused(function: &Function, views: &[View]) -> (Function, Vec<View>) {
    let used = function.used_inputs();
    let mut positions = vec![0; function.inputs()];
    let (mut kept, mut inputs, mut start) = (Vec::new(), 0, 0);
    for view in views {
        if used[start..start + view.width].contains(&true) {
            for component in 0..view.width {
                positions[start + component] = inputs + component;
            }
            inputs += view.width;
            kept.push(*view);
        }
        start += view.width;
    }
    (function.with_inputs(inputs, &positions), kept)
}
