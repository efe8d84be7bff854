//! WGSL of the layer schedule: the kernels of `shaders/kernels/layer` with what they share, and printed maps.

use super::command::{KernelName, Map};
use super::layout::Layout;
use super::plan::OUTER_DEPTH;
use crate::device::gpu::source::{self, FINITE, LINE_BUDGET, Source};
use crate::graph::{library, wgsl};
use crate::program::Over;
use std::fmt::Write;

const LAYER: &str = include_str!("../../../../shaders/lib/layer.wgsl");
const NEIGHBOURS: &str = include_str!("../../../../shaders/lib/neighbours.wgsl");

macro_rules! kernel {
    ($name:literal) => {
        include_str!(concat!("../../../../shaders/kernels/layer/", $name, ".wgsl"))
    };
}

/// The text of a kernel.
pub fn source(layout: &Layout, name: KernelName) -> Result<Source, String> {
    let (entry, parts): (&str, &[&str]) = match name {
        KernelName::Product => ("product", &[NEIGHBOURS, kernel!("product")]),
        KernelName::Outer => ("outer", &[NEIGHBOURS, kernel!("outer")]),
        KernelName::Stencil => ("stencil", &[NEIGHBOURS, kernel!("stencil")]),
        KernelName::Sum => ("sum_cells", &[kernel!("sum")]),
        KernelName::Combine => ("combine", &[kernel!("combine")]),
        KernelName::Fill => ("fill", &[kernel!("fill")]),
        KernelName::Load => ("load", &[kernel!("load")]),
        KernelName::Begin => ("begin", &[kernel!("begin")]),
        KernelName::Prepare => ("prepare", &[kernel!("prepare")]),
        KernelName::Observables => ("observables", &[kernel!("observables")]),
        KernelName::Check => ("check", &[FINITE, kernel!("check")]),
        KernelName::Residuals => ("residuals", &[FINITE, kernel!("residuals")]),
        KernelName::Mismatch => ("mismatch", &[FINITE, kernel!("mismatch")]),
        KernelName::Targets => ("targets", &[FINITE, kernel!("targets")]),
        KernelName::Seed => ("seed", &[kernel!("seed")]),
        KernelName::Reduce => return Ok(source::gradient()),
        KernelName::Map(index) => return map(index, &layout.maps[index]),
    };
    let depth = match name {
        KernelName::Product => Some(layout.product_depth()),
        KernelName::Outer => Some(OUTER_DEPTH),
        _ => None,
    };
    let sizes = depth.map_or(String::new(), |d| format!("const TAPS = {}u;\nconst DEPTH = {d}u;\n", layout.taps));
    Ok(Source { name: entry.to_string(), text: [&[sizes.as_str(), LAYER], parts].concat().join("\n") })
}

/// A map: a thread for every sample, cell or component.
fn map(index: usize, map: &Map) -> Result<Source, String> {
    let name = format!("map_{index}");
    let each = if map.field { "params.cells" } else { "1u" };
    let (what, threads) = match map.over {
        Over::Sample => ("sample", format!("params.samples * {each}")),
        Over::Cell => ("cell", format!("params.samples * {each}")),
        Over::Component => ("component", format!("params.samples * {each} * word(1u)")),
    };
    let mut text = format!("// A function, once per {what}.\n{LAYER}\n");
    let _ = write!(
        text,
        "@compute @workgroup_size(64)\n\
         fn {name}(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {{\n    \
         let index = linear(group) * 64u + thread;\n    if (index >= {threads}) {{\n        return;\n    }}\n"
    );
    // A lane is a sample, or a cell of one; components are as far apart as all lanes.
    if map.over == Over::Component {
        let _ = writeln!(text, "    let lanes = params.samples * {each};\n    let lane = index % lanes;");
        let _ = writeln!(text, "    let component = index / lanes;");
    } else {
        text += "    let lane = index;\n";
    }
    let _ = writeln!(text, "    let distance = params.stride * {each};");
    let used = map.function.used_inputs();
    let mut names = Vec::new();
    let mut loads = String::new();
    let mut sample_used = false;
    for (argument, (width, field)) in map.arguments.iter().enumerate() {
        // What is no field is the same in all cells of a sample.
        let (place, step) = match (field, map.field) {
            (false, true) => ("sample", "params.stride"),
            _ => ("lane", "distance"),
        };
        let any = used[names.len()..names.len() + width].contains(&true);
        if any {
            sample_used |= place == "sample";
            let first = match map.over {
                Over::Component => format!("component * {step} + {place}"),
                Over::Sample | Over::Cell => place.to_string(),
            };
            let _ = writeln!(loads, "    let a{argument} = at(word({}u)) + {first};", 2 + argument);
        }
        for component in 0..*width {
            let name = format!("x{argument}_{component}");
            if used[names.len()] {
                let _ = match component {
                    0 => writeln!(loads, "    let {name} = arena[a{argument}];"),
                    _ => writeln!(loads, "    let {name} = arena[a{argument} + {component}u * {step}];"),
                };
            }
            names.push(name);
        }
    }
    if sample_used {
        text += "    let sample = lane / params.cells;\n";
    }
    text += &loads;
    let body = wgsl::body(&map.function, &names, "v", "    ")?;
    text += &body.statements;
    let first = if map.over == Over::Component { "component * distance + lane" } else { "lane" };
    let _ = writeln!(text, "    let y = at(word(0u)) + {first};");
    for (i, expression) in body.outputs.iter().enumerate() {
        let _ = match i {
            0 => writeln!(text, "    arena[y] = {expression};"),
            _ => writeln!(text, "    arena[y + {i}u * distance] = {expression};"),
        };
    }
    text += "}\n";
    let library = library(&text);
    if !library.is_empty() {
        text = text + "\n" + &library;
    }
    let lines = text.lines().count();
    if lines > LINE_BUDGET {
        return Err(format!("the {name} kernel has {lines} lines, more than the budget of {LINE_BUDGET}"));
    }
    Ok(Source { name, text })
}
