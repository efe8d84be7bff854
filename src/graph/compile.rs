//! From a function to a tape: which instructions, and which values share a register.

use super::batch::{Action, Instruction, Operand, Tape};
use super::build::{Node, NodeId};
use super::function::Function;
use super::op::Op;

impl Tape {
    /// Compiles a function.
    pub fn compile(f: &Function) -> Tape {
        let nodes = f.nodes();
        let inlined = inlined_in_selects(f);
        // What an instruction reads: a select reads the operands of a comparison and of a product that are made there.
        let reads = |node: &Node| -> Vec<NodeId> {
            match *node {
                Node::Apply(Op::Select, [condition, then, otherwise]) if inlined[condition.index()] => {
                    let product = inlined[otherwise.index()].then(|| nodes[otherwise.index()].args());
                    let compared = nodes[condition.index()].args().iter().chain([&then]);
                    compared.chain(product.unwrap_or(&[otherwise])).copied().collect()
                }
                _ => node.args().to_vec(),
            }
        };
        let mut last_use = vec![0usize; nodes.len()];
        for (index, node) in nodes.iter().enumerate().filter(|(index, _)| !inlined[*index]) {
            for a in reads(node) {
                last_use[a.index()] = index;
            }
        }
        // The first output that a node feeds is its home; further ones are copies.
        let mut home: Vec<Option<u32>> = vec![None; nodes.len()];
        for (position, o) in f.outputs().iter().enumerate() {
            if matches!(nodes[o.index()], Node::Apply(..)) {
                home[o.index()].get_or_insert(position as u32);
            }
        }
        let mut tape = Tape {
            instructions: Vec::new(),
            constants: Vec::new(),
            registers: 0,
            inputs: f.inputs(),
            outputs: f.outputs().len(),
        };
        let mut free: Vec<u32> = Vec::new();
        let mut place: Vec<Operand> = Vec::with_capacity(nodes.len());
        for (index, node) in nodes.iter().enumerate() {
            let operand = match *node {
                Node::Const(bits) => tape.constant(f64::from_bits(bits)),
                Node::Input(i) => Operand::Input(i),
                // Never read: the selects compute it.
                Node::Apply(..) if inlined[index] => Operand::Input(0),
                Node::Apply(op, _) => {
                    let read = reads(node);
                    let mut args = [Operand::Input(0); 5];
                    for (slot, a) in args.iter_mut().zip(&read) {
                        *slot = place[a.index()];
                    }
                    // A constant factor comes first, where the sweep expects it.
                    if read.len() == 5 && matches!(args[4], Operand::Constant(_)) {
                        args.swap(3, 4);
                    }
                    let action = match read.len() {
                        4 => Action::Choose,
                        5 => Action::ChooseProduct,
                        _ => Action::Apply(op),
                    };
                    let out = match home[index] {
                        Some(position) => Operand::Output(position),
                        None => Operand::Register(free.pop().unwrap_or_else(|| {
                            tape.registers += 1;
                            tape.registers as u32 - 1
                        })),
                    };
                    tape.instructions.push(Instruction { action, args, out });
                    // Freed after the result has its place: an instruction never writes over its own arguments.
                    release(&read, index, &last_use, &place, &mut free);
                    out
                }
            };
            place.push(operand);
        }
        for (position, o) in f.outputs().iter().enumerate() {
            let out = Operand::Output(position as u32);
            if place[o.index()] != out {
                let mut args = [Operand::Input(0); 5];
                args[0] = place[o.index()];
                tape.instructions.push(Instruction { action: Action::Apply(Op::StopGrad), args, out });
            }
        }
        tape
    }

    fn constant(&mut self, value: f64) -> Operand {
        let known = self.constants.iter().position(|c| c.to_bits() == value.to_bits());
        let index = known.unwrap_or_else(|| {
            self.constants.push(value);
            self.constants.len() - 1
        });
        Operand::Constant(index as u32)
    }
}

/// Frees the registers of arguments that are read here for the last time.
fn release(args: &[NodeId], index: usize, last_use: &[usize], place: &[Operand], free: &mut Vec<u32>) {
    for (position, a) in args.iter().enumerate() {
        let first_mention = !args[..position].contains(a);
        if let (Operand::Register(r), true) = (place[a.index()], first_mention && last_use[a.index()] == index) {
            free.push(r);
        }
    }
}

/// What selects compute themselves: comparisons `a < b` that nothing but selects read as their condition, and products that
/// nothing but such selects read as the other side.
fn inlined_in_selects(f: &Function) -> Vec<bool> {
    let nodes = f.nodes();
    let is = |node: &Node, wanted: Op| matches!(node, Node::Apply(op, _) if *op == wanted);
    let mut inlined: Vec<bool> = nodes.iter().map(|node| is(node, Op::Less)).collect();
    let mut products: Vec<bool> = nodes.iter().map(|node| is(node, Op::Mul)).collect();
    for node in nodes {
        for a in &node.args()[usize::from(is(node, Op::Select))..] {
            inlined[a.index()] = false;
        }
    }
    for o in f.outputs() {
        inlined[o.index()] = false;
        products[o.index()] = false;
    }
    let mut read = vec![false; nodes.len()];
    for node in nodes {
        let computes = is(node, Op::Select) && inlined[node.args()[0].index()];
        for (place, a) in node.args().iter().enumerate() {
            products[a.index()] &= computes && place == 2;
            read[a.index()] = true;
        }
    }
    // A product that nothing reads is no part of a select.
    for (index, product) in products.iter().enumerate() {
        inlined[index] |= *product && read[index];
    }
    inlined
}
