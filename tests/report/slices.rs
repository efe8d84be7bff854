//! Matrices of slices: every pair once, one colour scale, marks in every picture.

use crate::{awkward, check};
use greybox::report::{HeatAxis, MarkKind, SliceMatrix, SpaceMark};

fn axes(count: usize, points: usize) -> Vec<HeatAxis> {
    let values: Vec<f64> = (0..points).map(|i| i as f64).collect();
    (0..count).map(|i| HeatAxis::new(format!("p{i} (1/s)"), &values)).collect()
}

#[test]
fn any_values_and_any_number_of_axes_are_drawn() {
    for values in awkward() {
        for count in [0, 1, 2, 3, 5, 9] {
            for log in [false, true] {
                let axis = HeatAxis { label: "θ".into(), values: values.clone(), log };
                let field: Vec<f64> = values.iter().copied().cycle().take(values.len() * values.len()).collect();
                check(&SliceMatrix {
                    title: "t".into(),
                    label: "E‖g‖²".into(),
                    axes: vec![axis; count],
                    // One slice and one profile fewer than there should be.
                    slices: vec![field; (count * count.saturating_sub(1) / 2).saturating_sub(1)],
                    profiles: vec![values.clone(); count.saturating_sub(1)],
                    log,
                    through: "through the estimate".into(),
                    marks: vec![
                        SpaceMark::new("truth", vec![1.0; count], MarkKind::Truth),
                        SpaceMark::new("oracle", vec![f64::NAN; count], MarkKind::Oracle),
                        SpaceMark::new("estimate", vec![1e200], MarkKind::Estimate),
                    ],
                });
            }
        }
    }
}

#[test]
fn slices_share_one_colour_scale_and_axes_are_named_once_per_border() {
    let constant = |value: f64| vec![value; 9];
    let matrix = |values: [f64; 3]| SliceMatrix {
        label: "RMSE".into(),
        axes: axes(3, 3),
        slices: values.map(constant).to_vec(),
        profiles: vec![vec![3.0, 1.0, 2.0]; 3],
        marks: vec![SpaceMark::new("truth", vec![1.0; 3], MarkKind::Truth)],
        ..SliceMatrix::default()
    };
    let svg = check(&matrix([0.0, 1.0, 2.0]));
    // The card, three rows of one shade for each slice, the bar.
    let fills = |svg: &str| -> Vec<String> {
        let rects = svg.split("<rect ").skip(1);
        rects.filter_map(|rect| Some(rect.split("fill=\"").nth(1)?.split('"').next()?.to_string())).collect()
    };
    let shades = fills(&svg);
    assert_eq!(shades.len(), 1 + 3 * 3 + 96);
    let slice = |place: usize| &shades[1 + 3 * place..4 + 3 * place];
    assert!((0..3).all(|place| slice(place)[0] == slice(place)[1] && slice(place)[1] == slice(place)[2]));
    assert!(
        slice(0) != slice(1) && slice(1) != slice(2) && slice(0) != slice(2),
        "each alone would have the same shade"
    );
    // The same value in a slice has the same shade whatever place it has.
    assert_eq!(fills(&check(&matrix([2.0, 1.0, 0.0])))[1..4], *slice(2));
    // p0 only below, p1 and p2 below and at the left.
    let names = [0, 1, 2].map(|i| svg.matches(&format!("\np{i} (1/s)\n")).count());
    assert_eq!(names, [1, 2, 2]);
    // A diamond is two polygons: in three slices, on three profiles, in the legend.
    assert_eq!(svg.matches("<polygon").count(), 2 * (3 + 3 + 1));
}
