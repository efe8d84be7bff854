//! What a store says about itself: the attributes of its group, the names of its arrays, their metadata.

use super::chunks::Chunks;
use super::files::Files;
use super::identity::Identity;
use crate::model::{Model, Scale};
use crate::study::landscape::Axis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use zarrs::array::codec::{Crc32cCodec, GzipCodec};
use zarrs::array::{Array, ArrayBuilder, ArrayCreateError, ArrayMetadataOptions, data_type};

/// The attribute `greybox` of the group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    /// Changes when stores of other versions can no longer be read.
    pub layout: u32,
    /// The parameters that vary.
    pub axes: Vec<AxisHeader>,
    /// The quantities, each an array.
    pub quantities: Vec<Named>,
    /// The array of failed trajectories per point, and for the first of them its number and its step.
    pub failures: [String; 3],
    /// Points of a chunk along each axis.
    pub chunk: Vec<usize>,
    /// Parameters that do not vary.
    pub fixed: BTreeMap<String, f64>,
    /// What it was computed from.
    pub identity: Identity,
}

/// A parameter that varies; its coordinate array and dimension have its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct AxisHeader {
    pub name: String,
    /// Index in θ.
    pub index: usize,
    pub points: usize,
    pub unit: Option<String>,
    pub log: bool,
}

/// A quantity and the name of its array: a slash would make a group of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Named {
    pub name: String,
    pub array: String,
}

/// The version of the layout.
pub(super) const LAYOUT: u32 = 1;
/// In place of the number of a trajectory and its step where none failed.
pub(super) const NONE: i32 = -1;

impl Header {
    pub(super) fn new(
        model: &Model,
        axes: &[Axis],
        quantities: &[String],
        (chunks, fixed, identity): (&Chunks, BTreeMap<String, f64>, Identity),
    ) -> Header {
        let mut taken: Vec<String> = axes.iter().map(|axis| axis.name.clone()).collect();
        let quantities = quantities
            .iter()
            .map(|name| Named { name: name.clone(), array: untaken(&plain(name), &mut taken) })
            .collect();
        let failures =
            ["failures", "first_failed_trajectory", "first_failed_step"].map(|name| untaken(name, &mut taken));
        let axis = |axis: &Axis| {
            let spec = model.theta_spec(axis.index);
            let (name, points) = (axis.name.clone(), axis.values.len());
            AxisHeader { name, index: axis.index, points, unit: spec.unit, log: spec.scale == Scale::Log }
        };
        let (axes, chunk) = (axes.iter().map(axis).collect(), chunks.shape().to_vec());
        Header { layout: LAYOUT, axes, quantities, failures, chunk, fixed, identity }
    }

    /// The chunks, if sizes and shape make sense.
    pub(super) fn chunks(&self) -> Option<Chunks> {
        Chunks::of(self.axes.iter().map(|axis| axis.points).collect(), self.chunk.clone())
    }

    /// The coordinate arrays, in the order of the axes.
    pub(super) fn coordinates(&self, files: &Arc<Files>) -> Result<Vec<Array<Files>>, ArrayCreateError> {
        let array = |axis: &AxisHeader| {
            let mut attributes = Map::from_iter([("long_name".to_string(), json!(axis.name))]);
            if let Some(unit) = &axis.unit {
                attributes.insert("units".into(), json!(unit));
            }
            attributes.insert("scale".into(), json!(if axis.log { "log" } else { "linear" }));
            let size = [axis.points as u64];
            let mut builder = ArrayBuilder::new(size.to_vec(), size.to_vec(), data_type::float64(), "NaN");
            build(&mut builder, files, &axis.name, std::slice::from_ref(&axis.name), attributes)
        };
        self.axes.iter().map(array).collect()
    }

    /// The arrays of the quantities.
    pub(super) fn arrays(&self, files: &Arc<Files>) -> Result<Vec<Array<Files>>, ArrayCreateError> {
        let array = |named: &Named| {
            let attributes = Map::from_iter([("quantity".to_string(), json!(named.name))]);
            let (shape, chunk) = self.shapes();
            let mut builder = ArrayBuilder::new(shape, chunk, data_type::float64(), "NaN");
            build(&mut builder, files, &named.array, &self.dimensions(), attributes)
        };
        self.quantities.iter().map(array).collect()
    }

    /// The arrays that tell of failures.
    pub(super) fn failure_arrays(&self, files: &Arc<Files>) -> Result<[Array<Files>; 3], ArrayCreateError> {
        let array = |place: usize, fill: i32, text: &str| {
            let attributes = Map::from_iter([("long_name".to_string(), json!(text))]);
            let (shape, chunk) = self.shapes();
            let mut builder = ArrayBuilder::new(shape, chunk, data_type::int32(), fill);
            build(&mut builder, files, &self.failures[place], &self.dimensions(), attributes)
        };
        Ok([
            array(0, 0, "trajectories that left the finite numbers")?,
            array(1, NONE, "the first trajectory that failed, -1 for none")?,
            array(2, NONE, "the interval at whose end it was no longer finite, -1 for none")?,
        ])
    }

    fn shapes(&self) -> (Vec<u64>, Vec<u64>) {
        (self.axes.iter().map(|a| a.points as u64).collect(), self.chunk.iter().map(|n| *n as u64).collect())
    }

    fn dimensions(&self) -> Vec<String> {
        self.axes.iter().map(|axis| axis.name.clone()).collect()
    }

    /// The text of the group's `zarr.json`, with the metadata of all arrays, so that one file opens the whole.
    pub(super) fn group(&self, title: &str, arrays: &[&Array<Files>]) -> serde_json::Result<String> {
        let all: Map<String, Value> = arrays
            .iter()
            .map(|array| {
                let name = array.path().as_str().trim_start_matches('/').to_string();
                Ok((name, serde_json::to_value(array.metadata_opt(&options()))?))
            })
            .collect::<serde_json::Result<_>>()?;
        let attributes =
            json!({ "title": title, "source": format!("greybox {}", env!("CARGO_PKG_VERSION")), "greybox": self });
        let consolidated = json!({ "kind": "inline", "must_understand": false, "metadata": all });
        serde_json::to_string_pretty(&json!({ "zarr_format": 3, "node_type": "group", "attributes": attributes,
            "consolidated_metadata": consolidated }))
    }
}

/// Metadata without a note about the library that wrote it, so that versions of it write the same.
pub(super) fn options() -> ArrayMetadataOptions {
    ArrayMetadataOptions::default().with_include_zarrs_metadata(false)
}

/// Little-endian numbers, compressed quickly, behind which a checksum stands.
fn build(
    builder: &mut ArrayBuilder,
    files: &Arc<Files>,
    name: &str,
    dimensions: &[String],
    attributes: Map<String, Value>,
) -> Result<Array<Files>, ArrayCreateError> {
    let mut codecs: Vec<Arc<dyn zarrs::array::BytesToBytesCodecTraits>> = Vec::new();
    // The level is one that exists.
    codecs.extend(GzipCodec::new(1).ok().map(|gzip| Arc::new(gzip) as _));
    codecs.push(Arc::new(Crc32cCodec::new()));
    builder
        .bytes_to_bytes_codecs(codecs)
        .attributes(attributes)
        .dimension_names(Some(dimensions.iter().map(String::as_str)));
    let array = builder.build(files.clone(), &format!("/{name}"))?;
    Ok(array.with_metadata_options(options()))
}

/// A quantity's name as that of a folder.
fn plain(name: &str) -> String {
    let words = name.replace(" + ", "_and_");
    words.chars().map(|c| if c.is_ascii_alphanumeric() || "-.".contains(c) { c } else { '_' }).collect()
}

/// The name, with underscores behind it if it is taken.
fn untaken(name: &str, taken: &mut Vec<String>) -> String {
    let mut name = name.to_string();
    // Some file systems take upper and lower case for the same.
    while taken.iter().any(|other| other.eq_ignore_ascii_case(&name)) {
        name.push('_');
    }
    taken.push(name.clone());
    name
}
