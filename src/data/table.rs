//! One file as named arrays, and references into them such as `obs[0]`.

use std::path::{Path, PathBuf};

use super::csv::{ALL_COLUMNS, read_csv};
use super::error::{DataError, present};
use super::npz::{Array, Arrays};

/// The arrays of one file.
#[derive(Debug, Clone)]
pub struct Table {
    /// The file.
    pub path: PathBuf,
    /// What it holds; a text table has one array `[rows]` per named column and all of them as `columns`.
    pub arrays: Arrays,
}

/// An array, or one index of its last axis.
#[derive(Debug, Clone)]
pub struct Column<'a> {
    /// The reference as the user wrote it.
    pub reference: String,
    /// The array.
    pub array: &'a Array,
    /// The index on the last axis; `None` for the whole array.
    pub index: Option<usize>,
}

impl Table {
    /// Reads an `.npz` file, or anything else as a text table.
    pub fn read(path: &Path, delimiter: Option<char>) -> Result<Self, DataError> {
        let is_npz = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"));
        let arrays = if is_npz { Arrays::read(path)? } else { read_csv(path, delimiter)? };
        Ok(Self { path: path.to_path_buf(), arrays })
    }

    /// Finds `name` or `name[index]`. A name that itself ends in brackets is found first.
    pub fn column(&self, reference: &str) -> Result<Column<'_>, DataError> {
        let reference = reference.trim();
        let found = self.arrays.lookup(reference);
        let indexed = || {
            let (name, index) = reference.strip_suffix(']')?.rsplit_once('[')?;
            Some((name.trim_end(), index.trim().parse::<usize>().ok()?))
        };
        let Some((name, index)) = (if found.is_err() { indexed() } else { None }) else {
            let array = found.map_err(|error| self.with_remedy(error, reference))?;
            return Ok(Column { reference: reference.to_string(), array, index: None });
        };
        let array = self.arrays.lookup(name).map_err(|error| self.with_remedy(error, name))?;
        let last = array.shape.last().copied().unwrap_or(0);
        if array.shape.len() < 2 || index >= last {
            let problem = format!("there is no \"{reference}\": {name} is {:?}", array.shape);
            let remedy = if array.shape.len() < 2 {
                format!("write \"{name}\" without an index")
            } else {
                format!("use an index from 0 to {}", last.saturating_sub(1))
            };
            return Err(DataError::array(self.arrays.place(), problem, remedy));
        }
        Ok(Column { reference: reference.to_string(), array, index: Some(index) })
    }

    /// Says how to name a column where the name is unknown.
    fn with_remedy(&self, error: DataError, name: &str) -> DataError {
        let is_unknown = self.arrays.get(name).is_none()
            && matches!(&error, DataError::Array { problem, .. } if problem.starts_with("there is no array"));
        if !is_unknown {
            return error;
        }
        let headerless = self.arrays.names().all(|present| present == ALL_COLUMNS);
        let listed = present("arrays", name, self.arrays.names());
        let remedy = if headerless && self.arrays.get(ALL_COLUMNS).is_some() {
            format!("the file has no column names: write \"{ALL_COLUMNS}[0]\" for its first column")
        } else {
            format!("say which column it is, as in outputs = {{ member = \"column\" }}; {listed}")
        };
        DataError::array(self.arrays.place(), format!("there is no column \"{name}\""), remedy)
    }
}
