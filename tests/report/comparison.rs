//! Two landscapes side by side: what is equal has equal colours, and the difference is neutral where it is nothing.

use crate::{awkward, check};
use greybox::report::{Comparison, Draw, HeatAxis, MarkKind, Side, SpaceMark};

fn side(name: &str, values: Vec<f64>, minima: &[&[f64]]) -> Side {
    Side { name: name.into(), values, minima: minima.iter().map(|at| at.to_vec()).collect() }
}

fn over_two(first: Vec<f64>, second: Vec<f64>) -> Comparison {
    Comparison {
        title: "retrained and adaptive".into(),
        label: "RMSE".into(),
        x: HeatAxis::new("a", &[0.0, 1.0, 2.0]),
        y: Some(HeatAxis::new("c", &[0.0, 1.0])),
        first: side("retrained", first, &[&[1.0, 0.0], &[1.0, 1.0]]),
        second: side("adaptive", second, &[&[2.0, 1.0]]),
        marks: vec![SpaceMark::new("truth", vec![1.0, 0.0], MarkKind::Truth)],
    }
}

#[test]
fn any_values_are_drawn_over_one_and_two_parameters() {
    for first in awkward() {
        for second in awkward() {
            for y in [None, Some(HeatAxis { label: "c".into(), values: second.clone(), log: true })] {
                check(&Comparison {
                    x: HeatAxis { label: "a".into(), values: first.clone(), log: false },
                    y,
                    first: side("retrained", first.clone(), &[&[], &[1.0], &[f64::NAN, 1.0], &[1.0, 1e300]]),
                    second: side("adaptive", second.iter().copied().cycle().take(25).collect(), &[&[2.0, 2.0]]),
                    marks: vec![SpaceMark::new("truth", vec![], MarkKind::Truth)],
                    ..Comparison::default()
                });
            }
        }
    }
    check(&Comparison::default());
}

#[test]
fn both_maps_share_their_colours_and_the_difference_is_neutral_at_zero() {
    let values = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let svg = check(&over_two(values.clone(), values.clone()));
    assert!(svg.contains("adaptive − retrained"));
    // The fills of cells in the order of drawing: maps come one after the other, with a bar of 96 after the second and third.
    let fills: Vec<&str> =
        svg.split("<rect ").skip(1).filter_map(|rect| rect.split("fill=\"").nth(1)?.split('"').next()).collect();
    // The card first; six cells for each map, as no neighbours are equal; one run per row where all differences are zero.
    assert_eq!(fills[1..7], fills[7..13]);
    assert_eq!(fills.len(), 1 + 6 + 6 + 96 + 2 + 96);
    assert_eq!(fills[109], fills[110]);
    let neutral = fills[109];
    let apart: Vec<f64> = values.iter().map(|v| v + if *v == 4.0 { 1.0 } else { 0.0 }).collect();
    let svg = check(&over_two(values, apart));
    assert!(svg.matches(&format!("fill=\"{neutral}\"")).count() >= 2, "all cells but one keep the neutral colour");
}

#[test]
fn minima_of_each_are_marked_in_its_own_map_and_in_the_difference() {
    let svg = check(&over_two((0..6).map(f64::from).collect(), vec![1.0; 6]));
    // A disc is two circles, a ring three: two discs in two maps and one legend, one ring likewise.
    assert_eq!(svg.matches("<circle").count(), 2 * (2 + 2 + 1) + 3 * (1 + 1 + 1));
    assert!(svg.contains("retrained: least at (1, 0), (1, 1)") && svg.contains("adaptive: least at (2, 1)"), "{svg}");
    // The truth in all three and in the legend.
    assert_eq!(svg.matches("<polygon").count(), 2 * (3 + 1));
}

#[test]
fn over_one_parameter_two_curves_stand_above_their_difference() {
    let comparison = Comparison {
        label: "RMSE".into(),
        x: HeatAxis::new("a", &[0.0, 1.0, 2.0]),
        first: side("retrained", vec![3.0, 1.0, 2.0], &[&[1.0]]),
        second: side("adaptive", vec![3.5, 1.0, 1.0], &[&[1.0], &[2.0]]),
        ..Comparison::default()
    };
    let lines = comparison.lines();
    let values: Vec<Vec<f64>> = lines.plots.iter().flat_map(|p| p.series.iter().map(|s| s.y.clone())).collect();
    assert_eq!(values, [vec![3.0, 1.0, 2.0], vec![3.5, 1.0, 1.0], vec![0.5, 0.0, -1.0]]);
    assert_eq!(lines.plots[1].label, "adaptive − retrained");
    assert_eq!(lines.marks.iter().map(|m| m.value).collect::<Vec<_>>(), [1.0, 1.0, 2.0]);
    assert_eq!(comparison.svg().unwrap(), lines.svg().unwrap());
    assert_eq!(check(&comparison).matches("<circle").count(), 2 * 3 + 3 * 6, "a mark in the legend and in both plots");
}
