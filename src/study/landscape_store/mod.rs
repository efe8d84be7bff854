//! Landscapes as chunked Zarr v3, an array per quantity with named coordinates, written chunk by chunk by any number of
//! processes. Memory is bounded by a chunk, whatever the number of points.
//!
//! A chunk is finished when the chunks of all arrays are there and their checksums are right; nothing else marks it. Each is
//! one file, which is written whole or not at all. The group's `zarr.json` is made once, by whoever comes first.

mod chunks;
mod error;
mod files;
mod fill;
mod header;
mod identity;
mod read;
mod verify;

pub use chunks::{Chunks, MOST_OF_CHUNK, MOST_POINTS};
pub use error::LandscapeError;
pub use fill::{Filled, Part, chunk_points};
pub use identity::{Identity, identity};
pub use verify::{Verified, verify};

use super::landscape::Axis;
use crate::model::Model;
use crate::store;
use files::Files;
use header::{Header, LAYOUT, NONE};
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zarrs::array::{Array, CodecOptions, Element, ElementOwned};

/// The group's metadata.
const GROUP: &str = "zarr.json";

/// What a store is to hold.
pub struct Contents<'a> {
    /// Title of the data set.
    pub title: &'a str,
    /// The model, for the units of its parameters.
    pub model: &'a Model,
    /// The parameters that vary.
    pub axes: &'a [Axis],
    /// Values of all parameters; those of the axes do not matter.
    pub base: &'a [f64],
    /// Names of the quantities.
    pub quantities: Vec<String>,
    /// Most points of a chunk.
    pub chunk: usize,
    /// What it is computed from.
    pub identity: Identity,
}

/// A landscape in a folder.
pub struct LandscapeStore {
    path: PathBuf,
    header: Header,
    chunks: Chunks,
    axes: Vec<Axis>,
    quantities: Vec<Array<Files>>,
    failures: [Array<Files>; 3],
}

/// The numbers of a chunk, `[places of the chunk]` each.
#[derive(Clone, Debug, PartialEq)]
struct Chunk {
    quantities: Vec<Vec<f64>>,
    /// Failed trajectories; the number of the first of them and its step.
    failures: [Vec<i32>; 3],
}

impl Chunk {
    /// Nothing known, nothing failed.
    fn empty(quantities: usize, places: usize) -> Chunk {
        Chunk {
            quantities: vec![vec![f64::NAN; places]; quantities],
            failures: [vec![0; places], vec![NONE; places], vec![NONE; places]],
        }
    }
}

impl LandscapeStore {
    /// Opens the store of a landscape, or makes it, whatever other processes do meanwhile. One of another landscape is
    /// refused.
    pub fn create(path: &Path, contents: Contents) -> Result<LandscapeStore, LandscapeError> {
        let sizes: Vec<usize> = contents.axes.iter().map(|axis| axis.values.len()).collect();
        let chunks = Chunks::new(&sizes, contents.chunk);
        let fixed = identity::fixed(contents.model, contents.axes, contents.base);
        let header =
            Header::new(contents.model, contents.axes, &contents.quantities, (&chunks, fixed, contents.identity));
        let files = Arc::new(Files::new(path));
        let failed = |reason: zarrs::array::ArrayCreateError| LandscapeError::array(path, reason);
        let coordinates = header.coordinates(&files).map_err(failed)?;
        let quantities = header.arrays(&files).map_err(failed)?;
        let failures = header.failure_arrays(&files).map_err(failed)?;
        let all: Vec<&Array<Files>> = coordinates.iter().chain(&quantities).chain(&failures).collect();
        let text = header.group(contents.title, &all).map_err(|reason| LandscapeError::array(path, reason))?;
        store::make_folder(path)?;
        // Where there are no links several may come to write it: who finds another one there will say so.
        store::write_once(&path.join(GROUP), text.as_bytes())?;
        let made =
            LandscapeStore { path: path.into(), header, chunks, axes: contents.axes.to_vec(), quantities, failures };
        made.require_own()?;
        // Every process writes the same bytes.
        for array in coordinates.iter().chain(&made.quantities).chain(&made.failures) {
            if !path.join(array.path().as_str().trim_start_matches('/')).join(GROUP).exists() {
                array.store_metadata().map_err(|reason| LandscapeError::array(path, reason))?;
            }
        }
        for (array, axis) in coordinates.iter().zip(contents.axes) {
            if !matches!(array.retrieve_chunk_if_exists::<Vec<f64>>(&[0]), Ok(Some(found)) if found == axis.values) {
                write(array, &[0], &axis.values).map_err(|reason| LandscapeError::array(path, reason))?;
            }
        }
        Ok(made)
    }

    /// Opens a store that is there.
    pub fn open(path: &Path) -> Result<LandscapeStore, LandscapeError> {
        let header = read_header(path)?;
        let unreadable = |message: String| unreadable(&path.join(GROUP), message);
        let chunks = header.chunks().ok_or_else(|| unreadable("axes and chunks do not fit together".into()))?;
        let files = Arc::new(Files::new(path));
        let failed = |reason: zarrs::array::ArrayCreateError| unreadable(reason.to_string());
        let (quantities, failures) =
            (header.arrays(&files).map_err(failed)?, header.failure_arrays(&files).map_err(failed)?);
        let coordinates = header.coordinates(&files).map_err(failed)?;
        let axes = header.axes.iter().zip(&coordinates).map(|(axis, array)| {
            let values = array.retrieve_chunk_if_exists::<Vec<f64>>(&[0]);
            let missing = |message| LandscapeError::Incomplete { path: path.into(), message };
            let values = match values {
                Ok(Some(values)) => values,
                Ok(None) => return Err(missing(format!("the values of {} are missing", axis.name))),
                Err(reason) => return Err(missing(format!("the values of {} are damaged: {reason}", axis.name))),
            };
            Ok(Axis { index: axis.index, name: axis.name.clone(), values })
        });
        let axes = axes.collect::<Result<_, _>>()?;
        Ok(LandscapeStore { path: path.into(), header, chunks, axes, quantities, failures })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it is cut.
    pub fn chunks(&self) -> &Chunks {
        &self.chunks
    }

    /// The parameters that vary.
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// Names of the quantities.
    pub fn quantities(&self) -> impl Iterator<Item = &str> {
        self.header.quantities.iter().map(|named| named.name.as_str())
    }

    /// Refuses a folder that has become, or always was, the store of another landscape.
    fn require_own(&self) -> Result<(), LandscapeError> {
        let found = read_header(&self.path)?;
        if found == self.header {
            return Ok(());
        }
        let (own, other) = (&self.header.identity, &found.identity);
        let mut differs: Vec<String> = own.keys().filter(|key| own.get(*key) != other.get(*key)).cloned().collect();
        if found.quantities != self.header.quantities {
            differs.push("quantities".into());
        }
        if found.chunk != self.header.chunk {
            differs.push("the size of chunks".into());
        }
        if differs.is_empty() {
            differs.push("its description".into());
        }
        Err(LandscapeError::Foreign { path: self.path.clone(), differs })
    }

    /// All arrays over the grid, those of failures last, each with the name of its folder.
    fn arrays(&self) -> impl Iterator<Item = (&str, &Array<Files>)> {
        let names = self.header.quantities.iter().map(|named| &named.array).chain(&self.header.failures);
        names.map(String::as_str).zip(self.quantities.iter().chain(&self.failures))
    }

    /// Writes a chunk, each array's own.
    fn write_chunk(&self, chunk: usize, values: &Chunk) -> Result<(), LandscapeError> {
        // The folder may have been moved away, and another store put there.
        self.require_own()?;
        let index = self.chunks.index(chunk);
        let quantities = self.quantities.par_iter().zip(&values.quantities);
        let failures = self.failures.par_iter().zip(&values.failures);
        let written =
            quantities.map(|(array, v)| write(array, &index, v)).chain(failures.map(|(a, v)| write(a, &index, v)));
        written.collect::<Result<(), _>>().map_err(|reason| LandscapeError::array(&self.path, reason))
    }

    /// A chunk, if all of it is there; else what is missing or damaged.
    fn read_chunk(&self, chunk: usize) -> Result<Chunk, Vec<Gap>> {
        let index = self.chunks.index(chunk);
        let quantities = self.quantities.par_iter().map(|array| read(array, &index));
        let (quantities, mut gaps) = parted(quantities.collect());
        let (failures, more): (Vec<Vec<i32>>, _) =
            parted(self.failures.iter().map(|array| read(array, &index)).collect());
        gaps.extend(more);
        match <[Vec<i32>; 3]>::try_from(failures) {
            Ok(failures) if gaps.is_empty() => Ok(Chunk { quantities, failures }),
            _ => Err(gaps),
        }
    }

    /// Whether a chunk need not be computed again.
    fn is_finished(&self, chunk: usize) -> bool {
        self.read_chunk(chunk).is_ok()
    }
}

/// A chunk of an array that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Its file, below the store.
    pub file: String,
    /// What is wrong with it; `None` if it is missing.
    pub damage: Option<String>,
}

fn write<T: Element>(array: &Array<Files>, index: &[u64], values: &[T]) -> Result<(), zarrs::array::ArrayError> {
    // A chunk in which nothing happened is written too: what is missing has not been computed.
    array.store_chunk_opt(index, values, &CodecOptions::default().with_store_empty_chunks(true))
}

fn read<T: ElementOwned>(array: &Array<Files>, index: &[u64]) -> Result<Vec<T>, Gap> {
    let gap = |damage| Err(Gap { file: array.chunk_key(index).as_str().to_string(), damage });
    match array.retrieve_chunk_if_exists::<Vec<T>>(index) {
        Ok(Some(values)) => Ok(values),
        Ok(None) => gap(None),
        Err(reason) => gap(Some(reason.to_string())),
    }
}

fn parted<T>(all: Vec<Result<T, Gap>>) -> (Vec<T>, Vec<Gap>) {
    let (mut good, mut gaps) = (Vec::new(), Vec::new());
    for one in all {
        match one {
            Ok(one) => good.push(one),
            Err(gap) => gaps.push(gap),
        }
    }
    (good, gaps)
}

fn unreadable(path: &Path, message: String) -> LandscapeError {
    let remedy = "give the folder landscape.zarr of a run, or move it away and compute the landscape again";
    LandscapeError::Unreadable { path: path.into(), message, remedy }
}

/// What a store says about itself.
fn read_header(path: &Path) -> Result<Header, LandscapeError> {
    let file = path.join(GROUP);
    let text = std::fs::read_to_string(&file).map_err(|reason| unreadable(&file, reason.to_string()))?;
    let group: serde_json::Value =
        serde_json::from_str(&text).map_err(|reason| unreadable(&file, format!("it is no JSON: {reason}")))?;
    let header = &group["attributes"]["greybox"];
    if header.is_null() {
        return Err(unreadable(&file, "it does not describe a landscape of greybox".into()));
    }
    match header["layout"].as_u64() {
        Some(layout) if layout == u64::from(LAYOUT) => {}
        other => {
            let other = other.map_or("none".into(), |layout| layout.to_string());
            return Err(unreadable(&file, format!("its layout is {other}, this version reads {LAYOUT}")));
        }
    }
    serde::Deserialize::deserialize(header).map_err(|reason| unreadable(&file, reason.to_string()))
}
