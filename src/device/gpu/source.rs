//! WGSL of the kernels: hand-written drivers of `shaders/kernels` with their holes filled, and the model's printed functions.

use super::layout::{HEADER, Layout, PROGRAM_WORDS, PROGRAMS, Printed, Products};
use super::link::Place;
use super::plan;
use crate::graph::{Function, library, wgsl};
use crate::model::Model;
use std::collections::HashSet;
use std::fmt::Write;

/// How rollouts are spread over threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Schedule {
    /// A thread per trajectory.
    Lane,
    /// A workgroup per few trajectories, products shared.
    Tile,
    /// A dispatch per operation over all trajectories: grids, and layers of any width.
    Layer,
}

impl Schedule {
    /// All of them.
    pub const ALL: [Schedule; 3] = [Schedule::Lane, Schedule::Tile, Schedule::Layer];

    /// Name in options and messages.
    pub fn name(self) -> &'static str {
        match self {
            Schedule::Lane => "lane",
            Schedule::Tile => "tile",
            Schedule::Layer => "layer",
        }
    }
}

/// Trajectories and threads of a workgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Trajectories.
    pub samples: usize,
    /// Threads, a multiple of the trajectories.
    pub threads: usize,
}

/// One kernel's text; the entry point has its name.
#[derive(Clone, Debug)]
pub struct Source {
    /// Name of the kernel and of its entry point.
    pub name: String,
    /// WGSL.
    pub text: String,
}

/// Lines of a kernel above which drivers would compile for minutes.
pub const LINE_BUDGET: usize = 25_000;

pub const PARAMS: &str = include_str!("../../../shaders/lib/params.wgsl");
pub const FINITE: &str = include_str!("../../../shaders/lib/finite.wgsl");
const RANDOM: &str = include_str!("../../../shaders/lib/random.wgsl");
const MEMORY: &str = include_str!("../../../shaders/kernels/memory.wgsl");
const STEPS: &str = include_str!("../../../shaders/kernels/steps.wgsl");
const AFFINE: [&str; 2] = [
    include_str!("../../../shaders/kernels/affine_lane.wgsl"),
    include_str!("../../../shaders/kernels/affine_tile.wgsl"),
];
const DRIVERS: [(&str, &str); 2] = [
    ("forward", include_str!("../../../shaders/kernels/forward.wgsl")),
    ("adjoint", include_str!("../../../shaders/kernels/adjoint.wgsl")),
];
const CONTRACT: &str = include_str!("../../../shaders/kernels/contract.wgsl");
const GRADIENT: &str = include_str!("../../../shaders/kernels/gradient.wgsl");
const DRAW: &str = include_str!("../../../shaders/kernels/draw.wgsl");
const FUNCTIONAL: &str = include_str!("../../../shaders/kernels/functional.wgsl");
const ADAMW: &str = include_str!("../../../shaders/kernels/adamw.wgsl");

/// The forward (part 0) or the adjoint (part 1) kernel.
pub fn rollout(
    model: &Model,
    layout: &Layout,
    schedule: Schedule,
    shape: Shape,
    part: usize,
) -> Result<Source, String> {
    let (name, driver) = DRIVERS[part];
    let functions = functions(model, layout, part)?;
    let constants = constants(layout, part, shape);
    let affine = AFFINE[usize::from(schedule != Schedule::Lane)];
    let about = format!(
        "// {name}, {} schedule: {} trajectories and {} threads per workgroup.\n{}",
        schedule.name(),
        shape.samples,
        shape.threads,
        counts(&layout.products(part, schedule, shape))
    );
    let body = [&about, &constants, PARAMS, FINITE, MEMORY, STEPS, affine, driver, &functions].join("\n");
    let text = body.clone() + "\n" + &library(&functions);
    let lines = text.lines().count();
    if lines > LINE_BUDGET {
        return Err(format!("the {name} kernel has {lines} lines, more than the budget of {LINE_BUDGET}"));
    }
    Ok(Source { name: name.into(), text })
}

/// The line that `scripts/isa-report` reads.
fn counts(products: &Products) -> String {
    let Products { needed, rounds, per_round } = products;
    format!("// Per trajectory and stage: {needed} multiply-adds in {rounds} rounds of {per_round}.\n")
}

/// The kernel of weight gradients.
pub fn contract(layout: &Layout) -> Source {
    let sizes = format!("const BLOCK = {}u;\nconst DEPTH = {}u;\n", layout.block, plan::CONTRACTION_DEPTH);
    Source {
        name: "contract".into(),
        text: [&counts(&layout.contracted()), &frames(layout), &sizes, PARAMS, CONTRACT].join("\n"),
    }
}

/// The reduction of partial gradients.
pub fn gradient() -> Source {
    Source { name: "reduce_gradient".into(), text: [PARAMS, FINITE, GRADIENT].join("\n") }
}

/// The draw of a batch.
pub fn draw(layout: &Layout) -> Source {
    let parameters = format!("const PARAMETERS = {}u;\n", layout.sizes[1]);
    let text = [&parameters, PARAMS, RANDOM, DRAW].join("\n");
    let library = library(&text);
    Source { name: "draw_batch".into(), text: text + "\n" + &library }
}

/// The objective's functional.
pub fn functional(layout: &Layout) -> Source {
    let text = [&frames(layout), PARAMS, FINITE, FUNCTIONAL].join("\n");
    let library = library(&text);
    Source { name: "functional".into(), text: text + "\n" + &library }
}

/// The optimiser.
pub fn adamw() -> Source {
    Source { name: "adamw".into(), text: [PARAMS, FINITE, ADAMW].join("\n") }
}

fn frames(layout: &Layout) -> String {
    let [evolve, observe, encode] = [0, 1, 2].map(|i| layout.programs[i].frame);
    format!(
        "const STAGES = {}u;\nconst SUBSTEPS = {}u;\nconst EVOLVE_FRAME = {evolve}u;\nconst OBSERVE_FRAME = {observe}u;\nconst ENCODE_FRAME = {encode}u;\n",
        layout.tableau.stages(),
        layout.substeps
    )
}

fn constants(layout: &Layout, part: usize, shape: Shape) -> String {
    let [n, p, m, k] = layout.sizes;
    let rows = &layout.rows;
    let mut numbers = vec![
        ("SAMPLES", shape.samples),
        ("THREADS", shape.threads),
        ("WORK_ROWS", layout.work_rows()[part]),
        ("STATES", n),
        ("PARAMETERS", layout.parameters),
        ("GIVEN", p),
        ("INPUTS", m),
        ("OUTPUTS", k),
        ("WINDOW", layout.window),
        ("STAGE_OBSERVABLES", layout.observables[0]),
        ("OBSERVABLES", layout.observables[0] + layout.observables[1]),
        ("HEADER", HEADER),
        ("PROGRAM_WORDS", PROGRAM_WORDS),
        ("TABLEAU", layout.tableau_at),
        ("NUMBERS", layout.table.len()),
        ("ROW_THETA", rows.theta),
        ("ROW_INPUT", rows.input),
        ("ROW_TIME", rows.time),
        ("ROW_TARGET", rows.target),
        ("ROW_PORT", rows.port),
    ];
    match part {
        0 => numbers.extend([("ROW_STATE", rows.state), ("ROW_RATES", rows.stages)]),
        _ => numbers.extend([
            ("ROW_COTANGENT", rows.state),
            ("ROW_STAGES", rows.stages),
            ("ROW_OBSERVABLES", rows.observables),
        ]),
    }
    let mut text = frames(layout);
    for (name, value) in numbers {
        let _ = writeln!(text, "const {name} = {value}u;");
    }
    for (name, value) in [
        ("IS_MAP", layout.tableau.map),
        ("HELD", layout.held),
        ("MAKES", layout.makes),
        ("SEES_TARGETS", layout.sees_targets),
    ] {
        let _ = writeln!(text, "const {name} = {value};");
    }
    text
}

/// The printed functions of a kernel and the two switches that call them.
fn functions(model: &Model, layout: &Layout, part: usize) -> Result<String, String> {
    let printed = &layout.printed[part];
    let names = Names::new(model, layout, part);
    let mut text = String::new();
    let mut cases = String::new();
    for (index, (program, function, inputs, output)) in printed.maps.iter().enumerate() {
        let side = ["", ", reverse"][part];
        let _ = writeln!(
            text,
            "// {}{side}: rows {output} to {}.",
            PROGRAMS[*program],
            output + function.outputs().len() - 1
        );
        let spelled: Vec<String> = inputs.iter().map(|place| names.of(*program, *place)).collect();
        text += &map(&format!("map_{index}"), function, inputs, &spelled, *output)?;
        let _ = writeln!(cases, "        case {index}u: {{ map_{index}(); }}");
    }
    let _ = writeln!(text, "fn map(index: u32) {{\n    switch index {{\n{cases}        default: {{}}\n    }}\n}}\n");
    text += &each(printed)?;
    Ok(text)
}

fn map(name: &str, function: &Function, inputs: &[Place], names: &[String], output: usize) -> Result<String, String> {
    let mut text = format!("fn {name}() {{\n");
    let mut known = HashSet::new();
    for ((place, name), used) in inputs.iter().zip(names).zip(function.used_inputs()) {
        if used && known.insert(name) {
            let _ = match place {
                Place::Work(row) => writeln!(text, "    let {name} = fetch({row}u);"),
                Place::Frame(row) => writeln!(text, "    let {name} = framed({row}u);"),
            };
        }
    }
    let body = wgsl::body(function, names, "v", "    ")?;
    text += &body.statements;
    for (i, expression) in body.outputs.iter().enumerate() {
        let _ = writeln!(text, "    put({}u, {expression});", output + i);
    }
    Ok(text + "}\n\n")
}

fn each(printed: &Printed) -> Result<String, String> {
    let (mut text, mut cases) = (String::new(), String::new());
    for (index, function) in printed.functions.iter().enumerate() {
        let arguments: Vec<String> = ["a", "b", "c"][..function.inputs()].iter().map(|a| a.to_string()).collect();
        let body = wgsl::body(function, &arguments, "v", "    ")?;
        let parameters: Vec<String> = arguments.iter().map(|a| format!("{a}: f32")).collect();
        let _ = writeln!(
            text,
            "fn each_{index}({}) -> f32 {{\n{}    return {};\n}}\n",
            parameters.join(", "),
            body.statements,
            body.outputs[0]
        );
        let _ = writeln!(cases, "        case {index}u: {{ return each_{index}({}); }}", arguments.join(", "));
    }
    let _ = writeln!(
        text,
        "fn each(index: u32, a: f32, b: f32, c: f32) -> f32 {{\n    switch index {{\n{cases}        default: {{ return a; }}\n    }}\n}}\n"
    );
    Ok(text)
}

/// Names of rows: what the user called them, where they are ports.
struct Names {
    ports: Vec<(usize, String)>,
    shared: usize,
}

impl Names {
    fn new(model: &Model, layout: &Layout, part: usize) -> Names {
        let rows = &layout.rows;
        let mut ports = vec![(rows.time, "t".to_string())];
        let mut add = |first: usize, kind: &str, names: &[String]| {
            for (i, name) in names.iter().enumerate() {
                let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
                ports.push((first + i, format!("{kind}_{i}_{plain}")));
            }
        };
        add(rows.theta, "theta", &model.theta);
        add(rows.theta + model.theta.len(), "latent", &model.latent);
        add(rows.input, "u", &model.inputs);
        let shared = 1 + model.parameters() + model.inputs.len();
        if part == 0 {
            add(rows.port, "s", &model.state);
        }
        Names { ports, shared }
    }

    /// `program` 2, encode, has an observation at port 0 and not the state.
    fn of(&self, program: usize, place: Place) -> String {
        let ports = if program == 2 { &self.ports[..self.shared] } else { &self.ports };
        match place {
            Place::Work(row) => match ports.iter().find(|(port, _)| *port == row) {
                Some((_, name)) => name.clone(),
                None => format!("w{row}"),
            },
            Place::Frame(row) => format!("f{row}"),
        }
    }
}
