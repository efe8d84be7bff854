//! Weights: initial values, and safetensors files.

use super::error::ModelError;
use super::network::{LastLayer, Network};
use crate::program::{WeightTable, Weights};
use crate::rng::{Purpose, Stream};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::BTreeMap;
use std::path::Path;

/// Draws initial weights: uniform in ±1/√fan_in for matrices and biases, the custom of the field's libraries. A last layer
/// that starts from zero stays zero.
pub fn initialise(table: &WeightTable, networks: &[Network], members: usize, seed: u64) -> Weights {
    let stream = Stream::new(seed, Purpose::Weights);
    let mut weights = Weights::zeros(table, members);
    let each = table.per_member();
    let drawn = |network: &Network| network.layers.len() - usize::from(network.start == LastLayer::Zero);
    for layer in networks.iter().flat_map(|n| &n.layers[..drawn(n)]) {
        let bound = 1.0 / (table.shape(layer.weight).columns.max(1) as f64).sqrt();
        for shape in [Some(layer.weight), layer.bias].into_iter().flatten().map(|id| table.shape(id)) {
            for member in 0..members {
                for i in shape.offset..shape.offset + shape.len() {
                    let draw = stream.uniform(i as u32, member as u32);
                    weights.values[member * each + i] = (bound * (2.0 * draw - 1.0)) as f32 as f64;
                }
            }
        }
        // A normalisation starts with scale 1 and shift 0.
        if let Some(shape) = layer.norm.map(|[scale, _]| table.shape(scale)) {
            for member in 0..members {
                weights.values[member * each + shape.offset..][..shape.len()].fill(1.0);
            }
        }
    }
    weights
}

/// Reads weights of one member. LAYER numbers must increase; gaps, as `nn.Sequential` makes them, are accepted.
pub fn load_weights(path: &Path, table: &WeightTable) -> Result<Weights, ModelError> {
    let bytes = std::fs::read(path).map_err(|reason| ModelError::File { path: path.into(), reason })?;
    let refuse =
        |message: String, remedy: &str| ModelError::Weights { path: path.into(), message, remedy: remedy.into() };
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|e| refuse(format!("not a safetensors file: {e}"), "write it with safetensors' save_file"))?;
    let mut tensors: BTreeMap<(String, u32, String), String> = BTreeMap::new();
    for name in file.names() {
        let parts: Vec<&str> = name.rsplitn(3, '.').collect();
        match (parts.as_slice(), parts.get(1).and_then(|l| l.parse::<u32>().ok())) {
            ([kind @ ("weight" | "bias" | "scale" | "shift"), _, net], Some(layer)) => {
                tensors.insert((net.to_string(), layer, kind.to_string()), name.to_string());
            }
            _ => {
                return Err(refuse(
                    format!("unknown tensor `{name}`"),
                    "name tensors NET.LAYER.weight and NET.LAYER.bias",
                ));
            }
        }
    }
    // Renumber: the i-th layer number of a network in the file is layer i of the model.
    let mut renamed: BTreeMap<String, String> = BTreeMap::new();
    let mut layers: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (net, layer, kind) in tensors.keys() {
        let seen = layers.entry(net.clone()).or_default();
        if seen.last() != Some(layer) {
            seen.push(*layer);
        }
        renamed
            .insert(format!("{net}.{}.{kind}", seen.len() - 1), tensors[&(net.clone(), *layer, kind.clone())].clone());
    }
    let mut weights = Weights::zeros(table, 1);
    for shape in table.shapes() {
        let Some(name) = renamed.remove(&shape.name) else {
            let present: Vec<&str> = file.names().into_iter().collect();
            let message = format!("no tensor for `{}`; the file has {}", shape.name, present.join(", "));
            return Err(refuse(message, "save all layers of every network of the model"));
        };
        let tensor = file.tensor(&name).map_err(|e| refuse(format!("`{name}`: {e}"), "write the file again"))?;
        if tensor.shape() != shape.dimensions {
            let message = format!(
                "`{name}` has shape {:?}, the model needs {:?} (rows = outputs, columns = inputs)",
                tensor.shape(),
                shape.dimensions
            );
            return Err(refuse(
                message,
                "check `hidden` or `channels` in the TOML and the width of features and of the argument in rhs",
            ));
        }
        let values: Vec<f64> = match tensor.dtype() {
            Dtype::F32 => {
                tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]) as f64).collect()
            }
            Dtype::F64 => tensor
                .data()
                .chunks_exact(8)
                .map(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]))
                .collect(),
            other => return Err(refuse(format!("`{name}` is stored as {other:?}"), "store weights as F32 or F64")),
        };
        if let Some(i) = values.iter().position(|v| !v.is_finite()) {
            return Err(refuse(
                format!("`{name}` holds a non-finite value at {i}"),
                "use weights of a run that did not diverge",
            ));
        }
        weights.values[shape.offset..shape.offset + shape.len()].copy_from_slice(&values);
    }
    if let Some(extra) = renamed.values().next() {
        return Err(refuse(
            format!("`{extra}` belongs to no layer of the model"),
            "remove it, or add the layer to the TOML",
        ));
    }
    Ok(weights)
}

/// Writes the weights of one member, as F64 if `double`, else as F32.
pub fn save_weights(
    path: &Path,
    table: &WeightTable,
    weights: &Weights,
    member: usize,
    double: bool,
) -> Result<(), ModelError> {
    let values = weights.member(member);
    let encoded: Vec<(String, Vec<usize>, Vec<u8>)> = table
        .shapes()
        .iter()
        .map(|s| {
            let part = &values[s.offset..s.offset + s.len()];
            let bytes = if double {
                part.iter().flat_map(|v| v.to_le_bytes()).collect()
            } else {
                part.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect()
            };
            (s.name.clone(), s.dimensions.clone(), bytes)
        })
        .collect();
    let dtype = if double { Dtype::F64 } else { Dtype::F32 };
    let failed = |message: String| ModelError::Weights { path: path.into(), message, remedy: "report this".into() };
    let mut views = Vec::with_capacity(encoded.len());
    for (name, shape, bytes) in &encoded {
        let view = TensorView::new(dtype, shape.clone(), bytes).map_err(|e| failed(e.to_string()))?;
        views.push((name.as_str(), view));
    }
    let bytes = safetensors::serialize(views, None).map_err(|e| failed(e.to_string()))?;
    Ok(crate::store::write(path, &bytes)?)
}
