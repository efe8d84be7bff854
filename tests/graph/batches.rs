//! Tapes: any number of samples, outputs of every kind, registers used again.

use super::*;
use greybox::graph::{Below, CHUNK, Place, Rectifier};

/// Outputs: an operator, the same twice, an input, a constant, and an operator that another output reads.
fn mixed() -> Function {
    Function::build(2, |g, ids| {
        let [x, y] = [ids[0], ids[1]];
        let constant = g.constant(2.5);
        let sum = g.add(x, y);
        let sine = g.unary(Op::Sin, sum);
        let scaled = g.mul(sine, constant);
        vec![scaled, scaled, y, constant, sine]
    })
}

#[test]
fn every_number_of_samples_gives_the_values_of_single_points() {
    let f = mixed();
    let tape = Tape::compile(&f);
    assert_eq!((tape.inputs(), tape.outputs()), (2, 5));
    for samples in [0, 1, 15, 16, 17, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 33] {
        let x: Vec<f64> = (0..samples).map(|i| 0.01 * i as f64 - 2.0).collect();
        let y: Vec<f64> = (0..samples).map(|i| 1.0 / (1.0 + i as f64)).collect();
        let found = tape.eval_columns(&[&x, &y], samples);
        assert!(found.iter().all(|column| column.len() == samples), "{samples} samples");
        for i in 0..samples {
            let point: Vec<f64> = found.iter().map(|column| column[i]).collect();
            assert_eq!(point, f.eval(&[x[i], y[i]]), "sample {i} of {samples}");
        }
    }
}

#[test]
fn registers_are_used_again() {
    // A chain needs two places however long it is: what is read and what is written.
    let chain = Function::build(1, |g, ids| {
        let mut x = ids[0];
        for _ in 0..50 {
            x = g.unary(Op::Sin, x);
        }
        vec![x]
    });
    let tape = Tape::compile(&chain);
    assert_eq!(tape.instructions(), 50);
    assert!(tape.registers() <= 2, "{} registers", tape.registers());
    assert_eq!(batch::<f64>(&chain, &[0.7]), chain.eval(&[0.7]));
}

#[test]
fn a_value_read_twice_by_one_instruction_frees_one_register() {
    let f = Function::build(2, |g, ids| {
        let s = g.unary(Op::Sin, ids[0]);
        let square = g.mul(s, s);
        let c = g.unary(Op::Cos, ids[1]);
        let d = g.unary(Op::Exp, ids[1]);
        let a = g.add(square, c);
        let b = g.mul(c, d);
        vec![g.sub(a, b)]
    });
    assert_eq!(batch::<f64>(&f, &[0.4, 0.9]), f.eval(&[0.4, 0.9]));
}

#[test]
fn a_tape_writes_only_its_outputs_and_registers() {
    let f = mixed();
    let tape = Tape::compile(&f);
    const LANES: usize = 32;
    const GUARD: f64 = -77.0;
    // One free row between any two, to see writes past an end.
    let row = |i: usize| 2 * i * LANES;
    let constants = row(7 + tape.registers() + 1);
    let mut memory = vec![GUARD; constants + tape.constants() * CHUNK + LANES];
    tape.write_constants(&mut memory, constants);
    for lane in 0..LANES {
        memory[row(0) + lane] = lane as f64;
        memory[row(1) + lane] = 0.5;
    }
    let outputs: Vec<usize> = (2..7).map(row).collect();
    let place = Place { inputs: &[row(0), row(1)], outputs: &outputs, constants, registers: row(7), lanes: LANES };
    tape.run(&mut memory, place);
    for lane in 0..LANES {
        let found: Vec<f64> = outputs.iter().map(|o| memory[o + lane]).collect();
        assert_eq!(found, f.eval(&[lane as f64, 0.5]), "lane {lane}");
        assert_eq!((memory[row(0) + lane], memory[row(1) + lane]), (lane as f64, 0.5), "inputs of lane {lane}");
        for free in 0..7 {
            assert_eq!(memory[row(free) + LANES + lane], GUARD, "row after {free}");
        }
    }
    assert_eq!(memory[memory.len() - LANES..], [GUARD; LANES], "after the constants");
}

#[test]
fn a_rectifier_is_one_instruction_in_both_directions() {
    let leaky = Function::build(1, |g, x| {
        let (zero, slope) = (g.constant(0.0), g.constant(0.01));
        let (positive, small) = (g.less(zero, x[0]), g.mul(slope, x[0]));
        vec![g.select(positive, x[0], small)]
    });
    let reverse = vjp(&leaky, &[true]).function;
    // The derivative is read off the value: of argument, value and cotangent the first is not needed.
    assert_eq!(reverse.used_inputs(), [false, true, true]);
    for (f, points) in [(&leaky, vec![vec![-2.0], vec![0.0], vec![3.0], vec![f64::NAN]]), (&reverse, cotangents())] {
        let tape = Tape::compile(f);
        assert_eq!(tape.instructions(), 1, "{f:?}");
        for point in points {
            let (found, expected) = (batch::<f64>(f, &point), f.eval(&point));
            assert_eq!(found[0].to_bits(), expected[0].to_bits(), "at {point:?}");
        }
    }
}

#[test]
fn rectifiers_are_told_from_other_tapes() {
    // select(0 < gate, value, other side) of two inputs.
    let tape = |other: &dyn Fn(&mut Graph, &[NodeId]) -> NodeId| {
        Tape::compile(&Function::build(2, |g, x| {
            let zero = g.constant(0.0);
            let (open, other) = (g.less(zero, x[0]), other(g, x));
            vec![g.select(open, x[1], other)]
        }))
    };
    let half = |g: &mut Graph, of: NodeId| {
        let half = g.constant(0.5);
        g.mul(of, half)
    };
    let found = |below: Below| Some(Rectifier { bound: 0.0, gate: 0, value: 1, below });
    assert_eq!(tape(&|g, _| g.constant(-2.0)).rectifier(), found(Below::Constant(-2.0)));
    assert_eq!(tape(&|g, x| half(g, x[1])).rectifier(), found(Below::Scaled(0.5)));
    // Scaled is another value than the one that passes; then no constant factor, a function, and no select at all.
    assert_eq!(tape(&|g, x| half(g, x[0])).rectifier(), None);
    assert_eq!(tape(&|g, x| g.mul(x[0], x[1])).rectifier(), None);
    assert_eq!(tape(&|g, x| g.unary(Op::Sin, x[1])).rectifier(), None);
    assert_eq!(Tape::compile(&Function::build(1, |g, x| vec![g.unary(Op::Tanh, x[0])])).rectifier(), None);
}

/// Argument, value and cotangent of leaky relu.
fn cotangents() -> Vec<Vec<f64>> {
    vec![vec![-2.0, -0.02, 1.5], vec![0.0, 0.0, 1.5], vec![3.0, 3.0, -0.5]]
}

#[test]
fn what_others_read_is_computed_for_itself() {
    // The comparison is read by another operator, the product outside of the select and as an output.
    let f = Function::build(2, |g, x| {
        let less = g.less(x[0], x[1]);
        let product = g.mul(x[0], x[1]);
        let chosen = g.select(less, x[0], product);
        let truth = g.select(less, x[1], x[0]);
        let sum = g.add(chosen, product);
        let both = g.mul(truth, sum);
        let not = g.apply(Op::Not, &[less]);
        vec![both, not, product]
    });
    for point in [[1.0, 2.0], [2.0, 1.0], [-1.0, -1.0]] {
        assert_eq!(batch::<f64>(&f, &point), f.eval(&point), "at {point:?}");
    }
}

#[test]
fn a_derivative_is_read_off_the_value_only_where_signs_agree() {
    // The other side is positive, or has the slope that makes it so: the value does not tell the side.
    let side = |g: &mut Graph, x: NodeId, which: usize| {
        let (one, slope) = (g.constant(1.0), g.constant(-0.5));
        if which == 0 { g.sub(one, x) } else { g.mul(slope, x) }
    };
    for (which, slopes) in [(0, [-1.0, 1.0]), (1, [-0.5, 1.0])] {
        let f = Function::build(1, |g, x| {
            let zero = g.constant(0.0);
            let (positive, other) = (g.less(zero, x[0]), side(g, x[0], which));
            vec![g.select(positive, x[0], other)]
        });
        let reverse = vjp(&f, &[true]).function;
        for (x, slope) in [-2.0, 3.0].into_iter().zip(slopes) {
            let y = f.eval(&[x])[0];
            assert!(y > 0.0);
            assert_eq!(reverse.eval(&[x, y, 1.0]), [slope], "side {which} at {x}");
        }
    }
}
