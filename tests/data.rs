//! Data: files to episodes, episodes to parts, parts to windows, and what is refused on the way.

mod common;
#[path = "data/fields.rs"]
mod fields;
#[path = "data/pendulum.rs"]
mod pendulum;
#[path = "data/reading.rs"]
mod reading;
#[path = "data/refused.rs"]
mod refused;
#[path = "data/split.rs"]
mod split;
#[path = "data/windows.rs"]
mod windows;

use greybox::data::npz::write_npz;
use greybox::data::{Array, DataConfig, DataError, Dataset, Element, Episode, load};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder of data files.
struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn base(&self) -> &Path {
        self.0.path()
    }

    fn text(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.base().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn npz(&self, name: &str, arrays: &[(&str, &[usize], Vec<f64>)]) -> PathBuf {
        let path = self.base().join(name);
        let array = |(_, shape, values): &(&str, &[usize], Vec<f64>)| Array::new(shape.to_vec(), values.clone());
        let owned: Vec<Array> = arrays.iter().map(|a| array(a).expect("as many values as the shape holds")).collect();
        let views: Vec<(&str, &Array, Element)> =
            arrays.iter().zip(&owned).map(|((name, ..), array)| (*name, array, Element::F64)).collect();
        write_npz(&path, &views).unwrap();
        path
    }

    /// The episodes that a `[data]` table makes of the folder, for a model with these members.
    fn load(&self, toml: &str, outputs: &[&str], inputs: &[&str]) -> Result<Vec<Episode>, DataError> {
        self.load_on(toml, outputs, inputs, &[])
    }

    /// Likewise, of a model on a grid.
    fn load_on(
        &self,
        toml: &str,
        outputs: &[&str],
        inputs: &[&str],
        grid: &[usize],
    ) -> Result<Vec<Episode>, DataError> {
        load(&config(toml), self.base(), None, &strings(outputs), &strings(inputs), grid)
    }

    /// The whole data set, likewise.
    fn dataset(&self, toml: &str, outputs: &[&str], inputs: &[&str]) -> Result<Dataset, DataError> {
        Dataset::assemble(&config(toml), self.base(), self.load(toml, outputs, inputs)?)
    }
}

fn config(toml: &str) -> DataConfig {
    toml::from_str(toml).unwrap_or_else(|e| panic!("{e}"))
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

/// An episode of one output that tells its number and step: 1000 · episode + step. The input is its negative.
fn numbered(episode: usize, len: usize) -> Episode {
    let outputs: Vec<f64> = (0..len).map(|step| (1000 * episode + step) as f64).collect();
    Episode {
        name: format!("episode {episode}"),
        inputs: outputs.iter().map(|y| -y).collect(),
        outputs,
        len,
        output_count: 1,
        cells: 1,
        input_count: 1,
        ..Episode::default()
    }
}
