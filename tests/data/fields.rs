//! Arrays of fields: which axes are what, and what is refused where they are not those of the grid.

use super::Folder;
use crate::common::{Tolerance, assert_close};
use greybox::data::{DataError, Episode};

fn sequence(count: usize) -> Vec<f64> {
    (0..count).map(|i| i as f64).collect()
}

fn load(folder: &Folder, toml: &str, names: &[&str], grid: &[usize]) -> Result<Vec<Episode>, DataError> {
    folder.load_on(toml, names, &[], grid)
}

#[test]
fn episodes_steps_members_and_cells_are_told_apart() {
    let folder = Folder::new();
    let fields: [(&str, &[usize], Vec<f64>); 5] = [
        ("many", &[2, 4, 2, 3, 5], sequence(240)),
        ("one", &[4, 2, 3, 5], sequence(120)),
        ("line", &[2, 4, 2, 15], sequence(240)),
        ("u", &[2, 4, 3, 5], sequence(120)),
        ("v", &[2, 4, 3, 5], sequence(120).iter().map(|x| -x).collect()),
    ];
    folder.npz("d.npz", &fields);
    let toml = |array: &str| format!("path = \"d.npz\"\noutputs = \"{array}\"");
    let many = load(&folder, &toml("many"), &["u", "v"], &[3, 5]).unwrap();
    assert_eq!(many.len(), 2);
    assert_eq!((many[1].len, many[1].output_count, many[1].cells), (4, 2, 15));
    assert_eq!(many[1].outputs, sequence(240)[120..]);
    let one = load(&folder, &toml("one"), &["u", "v"], &[3, 5]).unwrap();
    assert_eq!((one.len(), one[0].len, one[0].outputs.len()), (1, 4, 120));
    // A line of cells, and one member with and without an axis of its own.
    let line = load(&folder, &toml("line"), &["u", "v"], &[15]).unwrap();
    assert_eq!((line.len(), line[0].cells), (2, 15));
    assert_eq!(line[1].outputs, many[1].outputs);
    let single = load(&folder, &toml("u"), &["u"], &[3, 5]).unwrap();
    assert_eq!((single.len(), single[0].len, single[0].cells), (2, 4, 15));
    // A field for each member: cells of a member stay together.
    let members = load(&folder, "path = \"d.npz\"", &["u", "v"], &[3, 5]).unwrap();
    assert_eq!(members[0].outputs[..15], sequence(15));
    assert_eq!(members[0].outputs[15..30], sequence(15).iter().map(|x| -x).collect::<Vec<_>>());
    assert_eq!(members[0].outputs[30..45], sequence(30)[15..]);
}

#[test]
fn units_are_converted_member_by_member() {
    let folder = Folder::new();
    folder.npz("d.npz", &[("s", &[4, 2, 3, 3], sequence(72))]);
    let toml = "path = \"d.npz\"\noutputs = \"s\"\nscale = { v = 0.5 }\noffset = { u = 1.0 }";
    let found = load(&folder, toml, &["u", "v"], &[3, 3]).unwrap();
    let expected: Vec<f64> = (0..72).map(|i| if i / 9 % 2 == 0 { i as f64 + 1.0 } else { 0.5 * i as f64 }).collect();
    assert_close("outputs", &found[0].outputs, &expected, Tolerance { relative: 1e-15, absolute: 0.0 });
}

#[test]
fn data_off_the_grid_are_refused_with_both_shapes() {
    let folder = Folder::new();
    folder.npz("d.npz", &[("s", &[2, 4, 2, 8, 9], sequence(1152)), ("u", &[2, 4, 8, 9], sequence(576))]);
    let says = |toml: &str, names: &[&str], grid: &[usize], parts: &[&str]| {
        let message = load(&folder, toml, names, grid).expect_err("this does not fit").to_string();
        for part in parts.iter().chain(&["d.npz", "\nhelp: "]) {
            assert!(message.contains(part), "`{part}` is not in\n{message}");
        }
    };
    let whole = "path = \"d.npz\"\noutputs = \"s\"";
    says(whole, &["u", "v"], &[9, 8], &["[2, 4, 2, 8, 9]", "[9, 8]", "[episodes, steps, 2, 9, 8]", "[grid] size"]);
    says(whole, &["u", "v", "w"], &[8, 9], &["[2, 4, 2, 8, 9]", "[steps, 3, 8, 9]"]);
    says(whole, &["u", "v"], &[72], &["[2, 4, 2, 8, 9]", "[72]"]);
    says(whole, &["u", "v"], &[], &["[8, 9] cells", "no grid", "size = [8, 9]"]);
    says("path = \"d.npz\"\noutputs = { u = \"u\", v = \"s\" }", &["u", "v"], &[8, 9], &["\"s\"", "[8, 9]"]);
    says("path = \"d.npz\"\noutputs = { u = \"u[0]\" }", &["u"], &[8, 9], &["u[0]", "[8, 9]"]);
}
