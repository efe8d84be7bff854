//! Named arrays and the `.npz` files (zip archives of `.npy`) that hold them.
//!
//! Reading takes f32, f64, signed and unsigned integers and bool, either byte order, C or Fortran layout, stored or
//! deflated, and gives f64 in C order. Integers beyond 2⁵³ round. An array of another kind (text, objects, complex) is
//! not an error until it is asked for, so that a file may carry notes.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use npyz::{DType, NpyFile, Order, TypeChar, WriteOptions, WriterBuilder};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::error::{DataError, present};
use super::npy_header::read_header;
use crate::store::{Beside, WriteError, write_with};

/// What arrays may take in memory however small their file is, and beyond that how many times the size of the file: a file
/// of zeros that compress a thousandfold is made to exhaust memory, or needs no compression.
const UNPACKED: u64 = 256 << 20;
const RATIO: u64 = 100;

/// Most that the axes of an array without entries may multiply to where they are not 0.
const MOST_EMPTY: usize = 1 << 20;

/// Most arrays of a file.
const MOST_ARRAYS: usize = 10_000;

/// A dense array in C order (the last axis varies fastest).
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Length of each axis; empty for a single number.
    pub shape: Vec<usize>,
    /// The entries; as many as the product of `shape`.
    pub values: Vec<f64>,
}

impl Array {
    /// An array of this shape. `None` where the number of values is not the product of the shape.
    pub fn new(shape: Vec<usize>, values: Vec<f64>) -> Option<Self> {
        (shape.iter().try_fold(1usize, |size, &axis| size.checked_mul(axis)) == Some(values.len()))
            .then_some(Self { shape, values })
    }

    /// A one-dimensional array.
    pub fn vector(values: Vec<f64>) -> Self {
        Self { shape: vec![values.len()], values }
    }

    /// The index of the first NaN or infinite entry in C order. What to do about NaN is the caller's choice.
    pub fn first_non_finite(&self) -> Option<Vec<usize>> {
        let mut flat = self.values.iter().position(|value| !value.is_finite())?;
        let mut index = vec![0; self.shape.len()];
        for (axis, &size) in self.shape.iter().enumerate().rev() {
            index[axis] = flat % size;
            flat /= size;
        }
        Some(index)
    }
}

/// What one axis of an array is expected to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dim<'a> {
    /// Any length; the name is for messages.
    Any(&'a str),
    /// Exactly this length; the name is for messages.
    Is(&'a str, usize),
}

/// The number type an array is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// 32-bit floating point.
    F32,
    /// 64-bit floating point.
    F64,
    /// 32-bit signed integer; every value must be one.
    I32,
}

/// Named arrays in the order they were added, with the place they came from for messages.
#[derive(Debug, Clone, Default)]
pub struct Arrays {
    place: String,
    entries: Vec<(String, Array)>,
    refused: Vec<(String, DataError)>,
}

impl Arrays {
    /// No arrays yet. `place` names the file in messages.
    pub fn new(place: impl Into<String>) -> Self {
        Self { place: place.into(), ..Self::default() }
    }

    /// Reads every array of an `.npz` file.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let file = File::open(path).map_err(|error| DataError::unreadable(path, error))?;
        let not_npz = |error| {
            let remedy = "write it with numpy.savez, or give a text table a name that ends in .csv";
            DataError::read(path, format!("not an .npz archive ({error})"), remedy)
        };
        let length = file.metadata().map_err(|error| DataError::unreadable(path, error))?.len();
        let mut archive = ZipArchive::new(BufReader::new(file)).map_err(not_npz)?;
        if archive.len() > MOST_ARRAYS {
            let problem = format!("{} arrays are more than {MOST_ARRAYS}", archive.len());
            return Err(DataError::read(path, problem, "put what belongs together into one array"));
        }
        let mut arrays = Self::new(path.display().to_string());
        let (mut used, allowed) = (0u64, UNPACKED.max(length.saturating_mul(RATIO)));
        for index in 0..archive.len() {
            let entry = archive.by_index(index).map_err(not_npz)?;
            let Some(name) = npyz::npz::array_name_from_file_name(entry.name()).map(str::to_string) else { continue };
            let in_array = |error: io::Error| {
                DataError::read(path, format!("array \"{name}\": {error}"), "the file is damaged: write it anew")
            };
            let mut entry = BufReader::new(entry);
            let header = read_header(&mut entry).map_err(in_array)?;
            let array = NpyFile::new(Cursor::new(header).chain(entry)).map_err(in_array)?;
            used = used.saturating_add(array.len().saturating_mul(8));
            if used > allowed {
                let problem =
                    format!("array \"{name}\": the file has {length} bytes and its arrays need more than {allowed}");
                return Err(DataError::read(path, problem, "save them uncompressed, with numpy.savez"));
            }
            match decode(array).map_err(in_array)? {
                Ok(array) => arrays.insert(name, array),
                Err(kind) => {
                    let problem = format!("array \"{name}\" holds {kind}");
                    let remedy = "save it as float32, float64, an integer type or bool";
                    let refusal = DataError::array(&arrays.place, problem, remedy);
                    arrays.refuse(name, refusal);
                }
            }
        }
        Ok(arrays)
    }

    /// Adds an array, in place of one of the same name.
    pub fn insert(&mut self, name: impl Into<String>, array: Array) {
        let name = name.into();
        match self.entries.iter_mut().find(|(present, _)| *present == name) {
            Some(entry) => entry.1 = array,
            None => self.entries.push((name, array)),
        }
    }

    /// Records that a name is there but cannot be used, with the error to give when it is asked for.
    pub(crate) fn refuse(&mut self, name: impl Into<String>, reason: DataError) {
        self.refused.push((name.into(), reason));
    }

    /// Where the arrays came from.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(name, _)| name.as_str())
    }

    /// Names and arrays in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Array)> {
        self.entries.iter().map(|(name, array)| (name.as_str(), array))
    }

    /// The array of this name, where there is one.
    pub fn get(&self, name: &str) -> Option<&Array> {
        self.entries.iter().find(|(present, _)| present == name).map(|(_, array)| array)
    }

    /// The array of this name, or an error that lists the arrays present and suggests the nearest.
    pub fn lookup(&self, name: &str) -> Result<&Array, DataError> {
        if let Some(array) = self.get(name) {
            return Ok(array);
        }
        if let Some((_, reason)) = self.refused.iter().find(|(refused, _)| refused == name) {
            return Err(reason.clone());
        }
        let remedy = present("arrays", name, self.names());
        Err(DataError::array(&self.place, format!("there is no array \"{name}\""), remedy))
    }

    /// The array of this name if its shape is as expected, such as `&[Dim::Any("B"), Dim::Is("n", 2)]`.
    pub fn require(&self, name: &str, expected: &[Dim<'_>]) -> Result<&Array, DataError> {
        let array = self.lookup(name)?;
        let fits = array.shape.len() == expected.len()
            && array.shape.iter().zip(expected).all(|(&found, dim)| match dim {
                Dim::Any(_) => true,
                Dim::Is(_, size) => found == *size,
            });
        if fits {
            return Ok(array);
        }
        let expected: Vec<String> = expected
            .iter()
            .map(|dim| match dim {
                Dim::Any(name) => name.to_string(),
                Dim::Is(name, size) => format!("{name} = {size}"),
            })
            .collect();
        let problem = format!("{name} must be [{}], found {:?}", expected.join(", "), array.shape);
        Err(DataError::array(&self.place, problem, "reshape the array or save it anew"))
    }
}

/// Writes arrays to an `.npz` file, uncompressed, each as the number type given. The file appears only when it is whole:
/// it is written beside its place and moved there.
pub fn write_npz(path: &Path, arrays: &[(&str, &Array, Element)]) -> Result<(), WriteError> {
    write_with(path, |file| write_archive(file, arrays))
}

fn write_archive(file: &mut Beside, arrays: &[(&str, &Array, Element)]) -> io::Result<()> {
    let mut archive = ZipWriter::new(file);
    for (name, array, element) in arrays {
        let stored = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(array.values.len() > (1 << 28));
        archive.start_file(npyz::npz::file_name_from_array_name(name), stored)?;
        let (shape, out) = (&array.shape, &mut archive);
        match element {
            Element::F32 => encode(shape, array.values.iter().map(|&value| value as f32), out)?,
            Element::F64 => encode(shape, array.values.iter().copied(), out)?,
            Element::I32 => {
                let whole = |&value: &f64| value as i32 as f64 == value;
                if let Some(value) = array.values.iter().find(|value| !whole(value)) {
                    let problem = format!("array \"{name}\": {value} is not a 32-bit integer");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
                }
                encode(shape, array.values.iter().map(|&value| value as i32), out)?;
            }
        }
    }
    archive.finish()?;
    Ok(())
}

fn encode<T>(shape: &[usize], values: impl Iterator<Item = T>, out: impl io::Write) -> io::Result<()>
where
    T: npyz::AutoSerialize,
{
    let shape: Vec<u64> = shape.iter().map(|&axis| axis as u64).collect();
    let mut writer = WriteOptions::new().default_dtype().shape(&shape).writer(out).begin_nd()?;
    writer.extend(values)?;
    writer.finish()
}

/// The array as f64 in C order, or in words what it holds where that is not numbers.
fn decode<R: Read>(file: NpyFile<R>) -> io::Result<Result<Array, String>> {
    let too_large = || io::Error::other("its shape is larger than memory");
    let shape = file.shape().iter().map(|&axis| usize::try_from(axis)).collect::<Result<Vec<usize>, _>>();
    let shape = shape.map_err(|_| too_large())?;
    shape.iter().try_fold(8usize, |size, &axis| size.checked_mul(axis)).ok_or_else(too_large)?;
    // An array without entries costs nothing, but what reads its axes would count to them.
    let axes = shape.iter().fold(1usize, |size, &axis| size.saturating_mul(axis.max(1)));
    if shape.contains(&0) && axes > MOST_EMPTY {
        return Err(io::Error::other(format!("its shape {shape:?} holds nothing")));
    }
    let order = file.order();
    let DType::Plain(kind) = file.dtype() else { return Ok(Err("records".to_string())) };
    macro_rules! convert {
        ($type:ty) => {
            file.data::<$type>()
                .map_err(io::Error::other)?
                .map(|value| value.map(|value| value as f64))
                .collect::<io::Result<Vec<f64>>>()?
        };
    }
    let values: Vec<f64> = match (kind.type_char(), kind.size_field()) {
        (TypeChar::Float, 8) => convert!(f64),
        (TypeChar::Float, 4) => convert!(f32),
        (TypeChar::Int, 1) => convert!(i8),
        (TypeChar::Int, 2) => convert!(i16),
        (TypeChar::Int, 4) => convert!(i32),
        (TypeChar::Int, 8) => convert!(i64),
        (TypeChar::Uint, 1) => convert!(u8),
        (TypeChar::Uint, 2) => convert!(u16),
        (TypeChar::Uint, 4) => convert!(u32),
        (TypeChar::Uint, 8) => convert!(u64),
        (TypeChar::Bool, _) => file
            .data::<bool>()
            .map_err(io::Error::other)?
            .map(|value| value.map(f64::from))
            .collect::<io::Result<Vec<f64>>>()?,
        _ => return Ok(Err(format!("numbers of type {kind}"))),
    };
    let values = if order == Order::Fortran { to_c_order(&shape, &values) } else { values };
    Ok(Ok(Array { shape, values }))
}

fn to_c_order(shape: &[usize], fortran: &[f64]) -> Vec<f64> {
    let mut index = vec![0usize; shape.len()];
    let mut values = Vec::with_capacity(fortran.len());
    for _ in 0..fortran.len() {
        let position = index.iter().zip(shape).rev().fold(0, |position, (&i, &size)| position * size + i);
        values.push(fortran[position]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    values
}
