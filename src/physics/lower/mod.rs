//! Lowering: symbolic execution of naga IR on graph nodes.
//!
//! Values are flat lists of scalar nodes in declaration order (matrices by columns), so vectors, structs and arrays cost
//! nothing. Memory is a list of local variables. Where control flow divides on a condition that is not known, both sides
//! run on copies of the memory and the results are joined by selects; early returns, breaks and continues leave a copy
//! with its condition, joined where the flow meets again. Nothing is ever stored under a mask, so values that are known
//! (loop counters above all) stay known behind a data-dependent `break`.

mod arithmetic;
mod builtin;
mod control;
mod convert;
mod expression;
mod geometry;
mod join;
mod memory;
mod types;

use super::error::Fault;
use super::source::{PHYSICS, STOPGRAD, Source};
use crate::graph::{self, Graph, Node, NodeId};
use control::Exit;
use memory::Value;
use naga::valid::FunctionInfo;
use naga::{Expression, Handle, Span};
use std::collections::HashMap;
use std::rc::Rc;
use types::Layouts;

/// The most operator nodes that one function may build.
pub const NODE_BUDGET: usize = 20_000;

/// The most statements and expressions executed for one function: stops nested loops and call trees that build nothing.
const STEP_LIMIT: usize = 4_000_000;

/// The deepest nesting of calls.
const CALL_DEPTH: usize = 64;

/// The largest value in scalars.
const WIDTH_LIMIT: usize = 65_536;

/// Scalars of a value.
type Scalars = Rc<[NodeId]>;

/// Lowers a function; returns it with the widths of its arguments. `perturbation` more inputs follow these, which are added
/// to the value of every call of `physics` inside the function.
pub(super) fn lower(
    source: &Source,
    handle: Handle<naga::Function>,
    perturbation: usize,
) -> Result<(graph::Function, Vec<usize>), Fault> {
    let function = &source.module.functions[handle];
    let name = function.name.as_deref().unwrap_or("");
    let mut lowerer = Lowerer {
        source,
        layouts: Layouts::new(&source.module),
        graph: Graph::new(),
        memory: Vec::new(),
        flags: Vec::new(),
        constants: HashMap::new(),
        watches: Vec::new(),
        depth: 0,
        steps: 0,
        counted: 0,
        operations: 0,
        name,
        span: source.declarations.function(name),
        perturbation: Vec::new(),
    };
    let widths: Vec<usize> = function.arguments.iter().map(|a| lowerer.layouts.width(a.ty)).collect();
    let mut inputs = 0;
    let mut arguments = Vec::new();
    for &width in &widths {
        lowerer.check_width(width)?;
        arguments.push(Value::Data((inputs..inputs + width).map(|i| lowerer.graph.input(i)).collect()));
        inputs += width;
    }
    lowerer.perturbation = (inputs..inputs + perturbation).map(|i| lowerer.graph.input(i)).collect();
    let outputs = lowerer.call(handle, arguments)?;
    let outputs = outputs.ok_or_else(|| Fault::new(lowerer.span, format!("`{name}` returns nothing")))?;
    Ok((graph::Function::new(&lowerer.graph, inputs + perturbation, &outputs), widths))
}

/// A loop being executed.
struct Watch {
    span: Span,
    iterations: usize,
    /// True once the loop passed a test of its end whose outcome was known.
    known_test: bool,
}

/// The state of lowering one function.
struct Lowerer<'a> {
    source: &'a Source,
    layouts: Layouts,
    graph: Graph,
    /// Local variables of all frames.
    memory: Vec<Rc<Vec<NodeId>>>,
    /// Which scalars of a variable are booleans; `None` if none is.
    flags: Vec<Option<Rc<[bool]>>>,
    constants: HashMap<Handle<naga::Constant>, Scalars>,
    watches: Vec<Watch>,
    depth: usize,
    steps: usize,
    counted: usize,
    operations: usize,
    name: &'a str,
    /// The place being executed, for errors.
    span: Span,
    /// Added to the value of every call of `physics`.
    perturbation: Vec<NodeId>,
}

/// One call of a function.
struct Frame<'a> {
    function: &'a naga::Function,
    info: &'a FunctionInfo,
    arguments: Vec<Value>,
    values: Vec<Option<Value>>,
    /// Position of the first local variable in the memory.
    base: usize,
    /// Position of the first loop of this call among those being executed.
    watches: usize,
    /// Condition under which the flow has not left the innermost loop or switch by break or continue. Conditions of
    /// branches are not part of it (joining takes care of them), nor are returns: what has returned is never seen again.
    alive: NodeId,
    /// False if no flow can reach the current place.
    reachable: bool,
    returns: Vec<Exit>,
    breaks: Vec<Exit>,
    continues: Vec<Exit>,
}

impl<'a> Lowerer<'a> {
    /// An error at the current place.
    fn fault(&self, message: impl Into<String>) -> Fault {
        Fault::new(self.span, message)
    }

    /// An error about a construct that has no meaning here.
    fn unsupported(&self, what: &str, remedy: &str) -> Fault {
        self.fault(format!("{what} not supported in physics")).help(remedy)
    }

    /// Counts work and checks the limits.
    fn charge(&mut self, steps: usize) -> Result<(), Fault> {
        self.steps += steps;
        let new = &self.graph.nodes()[self.counted..];
        self.operations += new.iter().filter(|node| matches!(node, Node::Apply(..))).count();
        self.counted = self.graph.len();
        if self.operations <= NODE_BUDGET && self.steps <= STEP_LIMIT {
            return Ok(());
        }
        if let Some(watch) = self.watches.iter().find(|w| !w.known_test && w.iterations > 1) {
            return Err(data_dependent(watch.span));
        }
        let fault = if self.operations > NODE_BUDGET {
            let message =
                format!("`{}` needs more than {NODE_BUDGET} operations ({} so far)", self.name, self.operations);
            self.fault(message)
        } else {
            self.fault(format!("`{}` takes more than {STEP_LIMIT} steps to unroll", self.name))
        };
        Err(fault.help("loops are unrolled and calls are inlined: use fewer rounds, shorter tables or fewer calls"))
    }

    /// Executes a call; returns what the function returns.
    fn call(&mut self, handle: Handle<naga::Function>, arguments: Vec<Value>) -> Result<Option<Scalars>, Fault> {
        let source = self.source;
        let function = &source.module.functions[handle];
        let name = function.name.as_deref().unwrap_or("");
        if let (STOPGRAD, [Value::Data(scalars)]) = (name, arguments.as_slice()) {
            return Ok(Some(scalars.iter().map(|&s| self.graph.unary(graph::Op::StopGrad, s)).collect()));
        }
        if self.depth >= CALL_DEPTH {
            return Err(self.fault(format!("calls nest deeper than {CALL_DEPTH}")).help("merge some helper functions"));
        }
        let base = self.memory.len();
        let mut frame = Frame {
            function,
            info: &source.info[handle],
            arguments,
            values: vec![None; function.expressions.len()],
            base,
            watches: self.watches.len(),
            alive: self.graph.boolean(true),
            reachable: true,
            returns: Vec::new(),
            breaks: Vec::new(),
            continues: Vec::new(),
        };
        let caller = self.span;
        self.charge(1 + function.expressions.len() / 8)?;
        for (local, variable) in function.local_variables.iter() {
            self.span = function.local_variables.get_span(local);
            let inner = &source.module.types[variable.ty].inner;
            let zeros = self.zeros(inner)?;
            self.memory.push(Rc::new(zeros.to_vec()));
            self.flags.push(self.layouts.flags(&source.module, inner));
        }
        for (local, variable) in function.local_variables.iter() {
            if let Some(init) = variable.init {
                let value = self.scalars(&frame, init)?;
                self.memory[base + local.index()] = Rc::new(value.to_vec());
            }
        }
        self.depth += 1;
        self.block(&mut frame, &function.body)?;
        self.depth -= 1;
        self.span = caller;
        if frame.reachable {
            self.leave(&mut frame, None);
        }
        let flags = function.result.as_ref().and_then(|result| {
            let inner = &source.module.types[result.ty].inner;
            self.layouts.flags(&source.module, inner)
        });
        let Some((memory, value)) = self.join_exits(frame.returns, flags.as_deref()) else {
            return Err(self.fault(format!("`{name}` never returns")).help("let every path end in `return`"));
        };
        self.memory = memory;
        self.flags.truncate(base);
        if value.is_none() && function.result.is_some() {
            return Err(self.fault(format!("`{name}` may end without a value")).help("let every path end in `return`"));
        }
        if let (PHYSICS, Some(scalars), false) = (name, &value, self.perturbation.is_empty()) {
            let moved = scalars.iter().zip(&self.perturbation).map(|(value, by)| self.graph.add(*value, *by));
            return Ok(Some(moved.collect()));
        }
        Ok(value)
    }

    /// The type of an expression.
    fn inner(&self, frame: &Frame<'a>, handle: Handle<Expression>) -> &'a naga::TypeInner {
        frame.info[handle].ty.inner_with(&self.source.module.types)
    }
}

/// The error of a loop whose end depends on the data.
fn data_dependent(span: Span) -> Fault {
    Fault::new(span, "how often this loop runs depends on the data")
        .help("give it a fixed number of rounds and leave it early, for example `for (var i = 0; i < 20; i++) { if (done) { break; } ... }`")
}
