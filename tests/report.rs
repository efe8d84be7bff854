//! Figures and the report page from outside: nothing that is drawn may depend on well-behaved numbers.

#[path = "report/comparison.rs"]
mod comparison;
#[path = "report/slices.rs"]
mod slices;

use greybox::report::{
    Band, Colours, Draw, EstimateRow, Example, Figure, FilmStrip, HeatAxis, HeatMap, Ingredient, Landscape, Levels,
    LineFigure, Mark, MarkKind, PairFigure, Plot, PointMark, Region, Report, Section, Series, Size, Table, Trace,
    TrainingCurve, Trajectories, ZeroSet, contours,
};

/// Lists of values that have broken a plotting program before.
fn awkward() -> Vec<Vec<f64>> {
    let (nan, infinity) = (f64::NAN, f64::INFINITY);
    vec![
        vec![],
        vec![1.0],
        vec![0.0],
        vec![nan],
        vec![2.5; 5],
        vec![0.0; 5],
        vec![nan; 5],
        vec![1.0, nan, 3.0, infinity, -infinity],
        vec![-3.0, -2.0, -1.0, -4.0, -5.0],
        vec![1e-12, 1e-3, 1.0, 1e9, 1e30],
        vec![f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, 0.0],
        vec![1.0, 1.0 + f64::EPSILON, 1.0, 1.0, 1.0],
        vec![1e8, 1e8 + 1e-3, 1e8 + 2e-3, 1e8, 1e8],
        vec![1e-305, 2e-305, 3e-305, 1e-305, 1e-305],
        vec![nan, 1.0, nan, 2.0, nan],
    ]
}

/// A document must be closed, hold no values that are not numbers, and draw nothing far outside of its own area.
fn check(figure: &dyn Draw) -> String {
    let svg = figure.svg().expect("drawing into memory does not fail");
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
    for forbidden in ["NaN", "nan", "inf", "2147483647"] {
        assert!(!svg.contains(forbidden), "'{forbidden}' in {svg}");
    }
    assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    let (width, height) = size(&svg);
    for (attribute, limit) in
        [(" x=\"", width), (" x1=\"", width), (" cx=\"", width), (" y=\"", height), (" cy=\"", height)]
    {
        for part in svg.split(attribute).skip(1) {
            let value: f64 = part.split('"').next().unwrap().parse().unwrap();
            assert!((-1.0..=limit + 1.0).contains(&value), "{attribute}{value} is outside of {width} × {height}");
        }
    }
    for list in svg.split(" points=\"").skip(1) {
        for pair in list.split('"').next().unwrap().split_whitespace() {
            let (x, y) = pair.split_once(',').unwrap();
            let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
            assert!((-100.0..=width + 100.0).contains(&x) && (-100.0..=height + 100.0).contains(&y), "{pair}");
        }
    }
    svg
}

/// The size of a document in its own units.
fn size(svg: &str) -> (f64, f64) {
    let view = svg.split("viewBox=\"0 0 ").nth(1).unwrap().split('"').next().unwrap();
    let (width, height) = view.split_once(' ').unwrap();
    (width.parse().unwrap(), height.parse().unwrap())
}

fn marks() -> Vec<Mark> {
    vec![
        Mark::new("truth", 2.0, MarkKind::Truth),
        Mark::new("oracle", f64::NAN, MarkKind::Oracle),
        Mark::new("estimate", -1e300, MarkKind::Estimate),
    ]
}

#[test]
fn line_figures_take_any_values() {
    for x in awkward() {
        for y in awkward() {
            for log in [false, true] {
                for interval in [None, Some((3.0, f64::NEG_INFINITY)), Some((f64::NAN, 1.0))] {
                    let band = Band { name: "spread".into(), x: x.clone(), low: y.clone(), high: vec![2.0; y.len()] };
                    let series = vec![Series::new("a", x.clone(), y.clone())];
                    let plot = Plot { label: "y".into(), series, bands: vec![band], log, from_zero: !log };
                    check(&LineFigure {
                        title: "t".into(),
                        x_label: "x".into(),
                        log_x: log,
                        plots: vec![plot],
                        marks: marks(),
                        interval,
                        size: Size { width: 3, height: 2 },
                    });
                }
            }
        }
    }
    check(&LineFigure::default());
}

#[test]
fn landscapes_and_training_take_any_values() {
    for values in awkward() {
        let theta = vec![1.0, 2.0, 3.0, 4.0, 5.0];
        let ingredient = |log| Ingredient {
            label: "E|g|²".into(),
            values: values.clone(),
            spread: Some((values.clone(), values.clone())),
            log,
            from_zero: true,
        };
        let ingredients = vec![ingredient(false), ingredient(true), ingredient(false)];
        check(&Landscape { theta, ingredients, marks: marks(), interval: Some((2.0, 3.0)), ..Landscape::default() });
        check(&TrainingCurve {
            epoch: (0..values.len()).map(|epoch| epoch as f64).collect(),
            loss: values.clone(),
            penalties: vec![("p".into(), values.clone()), ("q".into(), vec![])],
            validation: values.clone(),
            rate: values.clone(),
        });
    }
    check(&Landscape::default());
    check(&TrainingCurve::default());
}

#[test]
fn trajectories_take_any_values() {
    for values in awkward() {
        for time in awkward() {
            let trace = Trace {
                observed: values.clone(),
                predicted: values.clone(),
                spread: Some((values.clone(), values.clone())),
            };
            let example = Example { name: "episode <1>".into(), time, traces: vec![trace] };
            let outputs = vec!["angle (rad)".into(), "not given".into()];
            check(&Trajectories { time_label: "time (s)".into(), outputs, examples: vec![example.clone(), example] });
        }
    }
    check(&Trajectories::default());
}

#[test]
fn heat_maps_take_any_values() {
    for axis in awkward() {
        for values in awkward() {
            for log in [false, true] {
                let repeated: Vec<f64> = values.iter().cycle().take(5 * values.len()).copied().collect();
                let x = HeatAxis { label: "a".into(), values: axis.clone(), log };
                let y = HeatAxis { label: "b".into(), values: vec![5.0, 1.0, 2.0, 3.0, 4.0], log: false };
                for (x, y) in [(x.clone(), y.clone()), (y, x)] {
                    check(&HeatMap {
                        x,
                        y,
                        values: repeated.clone(),
                        log,
                        colours: if log { Colours::Sequential } else { Colours::Diverging },
                        levels: if log { Levels::Ticks } else { Levels::At(values.clone()) },
                        zero: Some(ZeroSet { label: "zero".into(), values: repeated.clone() }),
                        marks: vec![
                            PointMark::new("truth", 2.0, 2.0, MarkKind::Truth),
                            PointMark::new("oracle", f64::NAN, 2.0, MarkKind::Oracle),
                            PointMark::new("estimate", 1e200, 2.0, MarkKind::Estimate),
                            PointMark::new("by another", 1.0, 1.0, MarkKind::Alternative),
                        ],
                        ..HeatMap::default()
                    });
                }
            }
        }
    }
    check(&HeatMap::default());
}

#[test]
fn masked_values_leave_gaps() {
    let x: Vec<f64> = (0..9).map(f64::from).collect();
    let y = vec![1.0, 2.0, 3.0, f64::NAN, 4.0, f64::NAN, 5.0, 6.0, 7.0];
    let plot = |y: Vec<f64>| Plot { series: vec![Series::new("", x.clone(), y)], ..Plot::default() };
    let lines = |y| check(&LineFigure { plots: vec![plot(y)], ..LineFigure::default() });
    let (whole, split) = (lines(vec![1.0; 9]), lines(y));
    let blue = "stroke=\"#0062A8\"";
    assert_eq!(whole.matches(blue).count(), 1);
    assert_eq!(split.matches(blue).count(), 2, "one line on each side of the gaps");
    assert_eq!(split.matches("<circle").count(), 1, "the lone value between the gaps");

    let axis = HeatAxis { values: vec![1.0, 2.0, 3.0], ..HeatAxis::default() };
    let mut values = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
    let heat = |values| check(&HeatMap { x: axis.clone(), y: axis.clone(), values, ..HeatMap::default() });
    let grey = "fill=\"#CDD0D5\"";
    assert_eq!(heat(values.clone()).matches(grey).count(), 0);
    values[4] = f64::NAN;
    assert_eq!(heat(values).matches(grey).count(), 2, "the cell and its entry in the legend");
}

#[test]
fn a_contour_of_a_paraboloid_is_a_circle() {
    let axis: Vec<f64> = (0..=80).map(|index| -2.0 + 0.05 * f64::from(index)).collect();
    let values: Vec<f64> = axis.iter().flat_map(|y| axis.iter().map(move |x| x * x + y * y)).collect();
    for radius in [0.3, 1.0, 1.7] {
        let lines = contours(&axis, &axis, &values, radius * radius);
        assert_eq!(lines.len(), 1, "one closed line at radius {radius}");
        assert_eq!(lines[0].first(), lines[0].last());
        for (x, y) in &lines[0] {
            assert!((x.hypot(*y) - radius).abs() < 2e-3, "({x}, {y}) at radius {radius}");
        }
    }
    // Beyond the middle of the sides, the circle is cut into four arcs by the border.
    assert_eq!(contours(&axis, &axis, &values, 2.2 * 2.2).len(), 4);
    // A hole in the data opens the line and moves nothing.
    let mut holed = values.clone();
    holed[40 * 81 + 60] = f64::NAN;
    let lines = contours(&axis, &axis, &holed, 1.0);
    assert_eq!(lines.len(), 1);
    assert_ne!(lines[0].first(), lines[0].last());
    assert!(lines[0].iter().all(|(x, y)| (x.hypot(*y) - 1.0).abs() < 2e-3));
}

fn hostile() -> Report {
    let attack = "<script>alert('1') & \"more\"</script>".to_string();
    let curve = TrainingCurve {
        epoch: vec![0.0, 1.0],
        loss: vec![1.0, 0.5],
        penalties: vec![(attack.clone(), vec![1.0, 2.0]), ("other".into(), vec![2.0, 1.0])],
        ..TrainingCurve::default()
    };
    let section = Section {
        heading: attack.clone(),
        text: vec![attack.clone()],
        figures: vec![Figure { caption: attack.clone(), svg: curve.svg().unwrap() }],
        pairs: true,
        table: Some(Table { head: vec![attack.clone()], rows: vec![vec![attack.clone(), "1".into()], vec![]] }),
    };
    Report {
        title: attack.clone(),
        question: attack.clone(),
        answer: vec![EstimateRow {
            name: attack.clone(),
            unit: Some(attack.clone()),
            value: 10.4,
            interval: Some((10.2, f64::INFINITY)),
            truth: Some(f64::NAN),
            oracle: None,
            method: attack.clone(),
            note: Some(attack.clone()),
        }],
        remarks: vec![attack.clone()],
        sections: vec![section],
        sources: vec![(attack.clone(), attack.clone())],
        config: attack.clone(),
        timings: vec![(attack.clone(), 1.0), ("lost".into(), f64::NAN)],
        facts: vec![(attack.clone(), attack)],
    }
}

#[test]
fn every_text_is_escaped() {
    let html = hostile().html().unwrap();
    assert!(!html.contains("<script"), "{html}");
    assert!(html.matches("&lt;script&gt;").count() >= 18);
}

#[test]
fn the_page_refers_to_nothing_outside() {
    let html = hostile().html().unwrap();
    for reference in ["http://", "https://", "src=", "@import", "url(", "<link"] {
        assert!(!html.contains(reference), "'{reference}' in the page");
    }
}

#[test]
fn elements_are_balanced_and_empty_parts_left_out() {
    for report in [hostile(), Report::default()] {
        let html = report.html().unwrap();
        for tag in
            ["table", "tbody", "tr", "section", "figure", "pre", "div", "ul", "ol", "li", "svg", "span", "nav", "p"]
        {
            let opened = html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "<{tag}>");
        }
    }
    assert!(!Report::default().html().unwrap().contains("<h2>"));
    let lines = Report { config: "a = 1\nb = 2\n".into(), ..Report::default() }.html().unwrap();
    assert!(lines.contains("data-line=\"2\">b = 2<"));
}

#[test]
fn files_are_written_and_failures_name_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("figures/one.svg");
    let text = LineFigure::default().save(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    hostile().save(&folder.path().join("report.html")).unwrap();
    // A file cannot serve as a folder.
    let message = hostile().save(&path.join("report.html")).unwrap_err().to_string();
    assert!(message.contains("one.svg") && message.contains("--out"), "{message}");
}

#[test]
fn film_strips_take_any_values() {
    for values in awkward() {
        for size in [[1, 5], [1, 1], [5, 1], [2, 3], [0, 0], [70, 90], [1, 300]] {
            for times in [vec![], vec![0.0], vec![0.0, 0.1, 0.3], vec![f64::NAN, 1.0, f64::INFINITY]] {
                let field: Vec<f64> = values.iter().copied().cycle().take(size[0] * size[1]).collect();
                let fields = vec![field.clone(); times.len()];
                check(&FilmStrip {
                    title: "t".into(),
                    label: "u".into(),
                    size,
                    times: times.clone(),
                    observed: fields.clone(),
                    // Shorter than it should be: a prediction that ended.
                    predicted: fields.into_iter().take(1).chain([vec![]]).collect(),
                });
            }
        }
    }
    check(&FilmStrip::default());
}

#[test]
fn regions_over_two_parameters_take_any_values() {
    for values in awkward() {
        let line: Vec<(f64, f64)> = values.iter().copied().zip(values.iter().rev().copied()).collect();
        for log in [false, true] {
            let axis = HeatAxis { label: "k".into(), values: Vec::new(), log };
            let region =
                Region { name: "loss".into(), outline: vec![line.clone()], paths: vec![line.clone(), Vec::new()] };
            let marks = values.iter().map(|v| PointMark::new("truth", *v, 1.0, MarkKind::Truth)).collect();
            let (x, regions) = (axis.clone(), vec![region]);
            let svg = check(&PairFigure { x, y: axis, regions, marks, ..PairFigure::default() });
            assert!(svg.contains(">\nloss\n<"), "{svg}");
        }
    }
    check(&PairFigure::default());
}
