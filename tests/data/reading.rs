//! Files to episodes: names, kinds of numbers, text tables, where episodes begin, what `[data]` does to the rows.

use super::Folder;
use crate::common::{Tolerance, assert_close};
use greybox::data::Arrays;
use npyz::{Order, WriterBuilder};
use std::io::Write;

fn sequence(count: usize) -> Vec<f64> {
    (0..count).map(|i| i as f64).collect()
}

#[test]
fn arrays_and_their_columns_are_found_by_name() {
    let folder = Folder::new();
    folder.npz("d.npz", &[("obs", &[4, 3], sequence(12)), ("push", &[4], vec![5.0, 6.0, 7.0, 8.0])]);
    let toml = "path = \"d.npz\"\noutputs = { x = \"obs[2]\", v = \"obs[0]\" }\ninputs = \"push\"";
    let episodes = folder.load(toml, &["x", "v"], &["force"]).unwrap();
    assert_eq!(episodes.len(), 1);
    assert_eq!((episodes[0].name.as_str(), episodes[0].len), ("d", 4));
    assert_eq!(episodes[0].outputs, [2.0, 0.0, 5.0, 3.0, 8.0, 6.0, 11.0, 9.0]);
    assert_eq!(episodes[0].inputs, [5.0, 6.0, 7.0, 8.0]);
    // A whole array gives the members in order, and members left out are columns of their own name.
    let whole = folder.load("path = \"d.npz\"\noutputs = \"obs\"", &["a", "b", "c"], &[]).unwrap();
    assert_eq!(whole[0].outputs, sequence(12));
    let own = folder.load("path = \"d.npz\"\noutputs = { x = \"obs[1]\" }", &["push", "x"], &[]).unwrap();
    assert_eq!(own[0].outputs, [5.0, 1.0, 6.0, 4.0, 7.0, 7.0, 8.0, 10.0]);
}

/// What numpy writes: bool, integers, single precision, Fortran order, big-endian, deflated.
#[test]
fn numbers_of_every_kind_and_layout_are_read_alike() {
    let folder = Folder::new();
    let path = folder.base().join("kinds.npz");
    let mut archive = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    let deflated = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    macro_rules! array {
        ($name:literal, $values:expr, $options:expr) => {{
            archive.start_file(concat!($name, ".npy"), deflated).unwrap();
            let mut bytes = Vec::new();
            let mut writer = $options.shape(&[2, 3]).writer(&mut bytes).begin_nd().unwrap();
            writer.extend($values).unwrap();
            writer.finish().unwrap();
            archive.write_all(&bytes).unwrap();
        }};
    }
    array!("flag", [true, false, true, true, false, false], npyz::WriteOptions::new().default_dtype());
    array!("whole", [-3i64, 2, 1, 0, 7, 9], npyz::WriteOptions::new().default_dtype());
    array!("byte", [0u8, 1, 2, 3, 200, 255], npyz::WriteOptions::new().default_dtype());
    array!("single", [0.5f32, 1.5, 2.5, 3.5, 4.5, 5.5], npyz::WriteOptions::new().default_dtype());
    let big = npyz::DType::Plain(">f8".parse().unwrap());
    array!("big", [0.5f64, 1.5, 2.5, 3.5, 4.5, 5.5], npyz::WriteOptions::new().dtype(big));
    // Columns first: the same matrix as `single`.
    let fortran = npyz::WriteOptions::new().default_dtype().order(Order::Fortran);
    array!("fortran", [0.5f64, 3.5, 1.5, 4.5, 2.5, 5.5], fortran);
    archive.finish().unwrap();

    let arrays = Arrays::read(&path).unwrap();
    let halves = [0.5, 1.5, 2.5, 3.5, 4.5, 5.5];
    for (name, expected) in [
        ("flag", [1.0, 0.0, 1.0, 1.0, 0.0, 0.0]),
        ("whole", [-3.0, 2.0, 1.0, 0.0, 7.0, 9.0]),
        ("byte", [0.0, 1.0, 2.0, 3.0, 200.0, 255.0]),
        ("single", halves),
        ("big", halves),
        ("fortran", halves),
    ] {
        let array = arrays.lookup(name).unwrap();
        assert_eq!(
            (array.shape.as_slice(), array.values.as_slice()),
            ([2, 3].as_slice(), expected.as_slice()),
            "{name}"
        );
    }
}

#[test]
fn text_tables_are_read_with_and_without_names() {
    let folder = Folder::new();
    // A byte order mark, semicolons, quotes, spaces, Windows line ends, a missing cell, notes and an empty last line.
    folder.text("a.csv", "\u{feff}time; \"x m\" ;note\r\n0; 1.5 ;begin\r\n1;;\r\n2;NA;end\r\n3;-2e1;\r\n\r\n");
    let episodes = folder.load("path = \"a.csv\"\noutputs = { x = \"x m\" }\ntime = \"time\"", &["x"], &[]).unwrap();
    assert_eq!(episodes[0].time.as_deref(), Some([0.0, 1.0, 2.0, 3.0].as_slice()));
    assert_eq!((episodes[0].outputs[0], episodes[0].outputs[3]), (1.5, -20.0));
    assert!(episodes[0].outputs[1..3].iter().all(|x| x.is_nan()), "{:?}", episodes[0].outputs);
    folder.text("b.csv", "1,2\n3,4\n5,6\n");
    let episodes = folder.load("path = \"b.csv\"\noutputs = { x = \"columns[1]\" }", &["x"], &[]).unwrap();
    assert_eq!(episodes[0].outputs, [2.0, 4.0, 6.0]);
    let whole = folder.load("path = \"b.csv\"\noutputs = \"columns\"", &["x", "v"], &[]).unwrap();
    assert_eq!(whole[0].outputs, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}

/// The same 3 + 2 rows cut by every rule that says where an episode begins.
#[test]
fn episodes_begin_where_the_rule_says() {
    let folder = Folder::new();
    let starts = vec![1.0, 0.0, 0.0, 1.0, 0.0, 0.0];
    let ids = vec![7.0, 7.0, 7.0, 3.0, 3.0, 3.0];
    folder.npz("d.npz", &[("x", &[6], sequence(6)), ("starts", &[6], starts), ("id", &[6], ids)]);
    for rule in ["{ starts = \"starts\" }", "{ length = 3 }", "{ column = \"id\" }"] {
        let episodes = folder.load(&format!("path = \"d.npz\"\nepisodes = {rule}"), &["x"], &[]).unwrap();
        let found: Vec<(&str, &[f64])> = episodes.iter().map(|e| (e.name.as_str(), e.outputs.as_slice())).collect();
        assert_eq!(found, [("d/0", [0.0, 1.0, 2.0].as_slice()), ("d/1", &[3.0, 4.0, 5.0])], "{rule}");
    }
    let uneven = vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    folder.npz("e.npz", &[("x", &[6], sequence(6)), ("starts", &[6], uneven)]);
    let episodes = folder.load("path = \"e.npz\"\nepisodes = { starts = \"starts\" }", &["x"], &[]).unwrap();
    assert_eq!(episodes.iter().map(|e| e.len).collect::<Vec<_>>(), [4, 2]);
    // Without a rule a third axis counts episodes, and such episodes may share one series of times.
    let stacked = "path = \"s.npz\"\noutputs = \"y\"\ninputs = \"u\"\ntime = \"t\"";
    folder.npz("s.npz", &[("y", &[2, 3, 2], sequence(12)), ("u", &[2, 3, 1], sequence(6)), ("t", &[3], sequence(3))]);
    let episodes = folder.load(stacked, &["a", "b"], &["u"]).unwrap();
    assert_eq!(episodes.len(), 2);
    assert_eq!(episodes[1].outputs, [6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
    assert_eq!(episodes[1].inputs, [3.0, 4.0, 5.0]);
    assert_eq!(episodes[1].time.as_deref(), Some([0.0, 1.0, 2.0].as_slice()));
}

#[test]
fn every_file_of_a_folder_is_an_episode_in_natural_order() {
    let folder = Folder::new();
    for (name, value) in [("C10.csv", 10), ("C2.csv", 2), ("C1.csv", 1), (".hidden.csv", 9), ("notes.txt", 9)] {
        folder.text(name, format!("x\n{value}\n{value}\n"));
    }
    let first = |toml: &str| -> Vec<f64> {
        folder.load(&format!("path = \".\"\n{toml}"), &["x"], &[]).unwrap().iter().map(|e| e.outputs[0]).collect()
    };
    assert_eq!(first(""), [1.0, 2.0, 10.0]);
    assert_eq!(first("exclude = [\"C2.csv\"]"), [1.0, 10.0]);
    assert_eq!(first("files = [\"C10.csv\", \"C1.csv\"]"), [10.0, 1.0]);
}

/// Units first, then missing rows, then equal spacing, then the steps used.
#[test]
fn rows_are_converted_dropped_resampled_and_cut_in_this_order() {
    let folder = Folder::new();
    // x = 10 t in degrees; t in ms. The row at 3 ms is missing, and the last one.
    folder.text("d.csv", "ms,deg\n0,0\n1,10\n2,20\n3,\n4,40\n5,50\n6,\n");
    let toml = "path = \"d.csv\"\noutputs = { x = \"deg\" }\ntime = \"ms\"\nscale = { x = 0.1, ms = 0.001 }\n\
                offset = { x = 1.0 }\ndrop_missing = true\nresample = 0.0005\nsteps = [2, 10]";
    let episodes = folder.load(toml, &["x"], &[]).unwrap();
    let t: Vec<f64> = (2..10).map(|i| 0.0005 * i as f64).collect();
    let tolerance = Tolerance { relative: 1e-12, absolute: 0.0 };
    assert_close("times", episodes[0].time.as_deref().unwrap(), &t, tolerance);
    // Linear data stay linear, also across the gap.
    assert_close("x", &episodes[0].outputs, &t.iter().map(|t| 1.0 + 1000.0 * t).collect::<Vec<_>>(), tolerance);
    assert_eq!((episodes[0].len, episodes[0].first_step), (8, 2));
    // Without resampling a gap is refused, and rows missing at the ends may go.
    let gap = folder.load("path = \"d.csv\"\noutputs = { x = \"deg\" }\ndrop_missing = true", &["x"], &[]);
    assert!(gap.unwrap_err().to_string().contains("row 3 (from 0)"));
    folder.text("e.csv", "deg\n\n\"\"\n5\n6\nNaN\n");
    let ends = folder.load("path = \"e.csv\"\noutputs = { x = \"deg\" }\ndrop_missing = true", &["x"], &[]).unwrap();
    assert_eq!((ends[0].outputs.as_slice(), ends[0].first_step), ([5.0, 6.0].as_slice(), 1));
}
