//! Cases as `../pendulum.py --make` writes them, and results by the names of `greybox eval`.

use std::{fs::File, io::BufWriter, path::Path};

use anyhow::{Context, Result, bail, ensure};
use burn::tensor::TensorData;
use npyz::{
    WriterBuilder,
    npz::{NpzArchive, NpzWriter},
};
use safetensors::{Dtype, SafeTensors};

/// An array in row-major order.
pub struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

impl Array {
    fn data(&self) -> TensorData {
        TensorData::new(self.values.clone(), self.shape.clone())
    }

    /// Of a matrix.
    pub fn transposed(&self) -> Self {
        let (rows, columns) = (self.shape[0], self.shape[1]);
        let values = (0..columns * rows).map(|i| self.values[i % rows * columns + i / rows]).collect();
        Self { shape: vec![columns, rows], values }
    }
}

/// A layer as files hold it: weight \[out, in\] and bias \[out\].
pub struct StoredLayer {
    weight: Array,
    bias: Array,
}

impl StoredLayer {
    /// \[in, out\]
    pub fn weight_transposed(&self) -> TensorData {
        self.weight.transposed().data()
    }

    pub fn bias(&self) -> TensorData {
        self.bias.data()
    }

    /// Multiply-adds of a sample.
    pub fn products(&self) -> usize {
        self.weight.values.len()
    }
}

/// Weights, and the arrays of IN.npz.
pub struct Case {
    pub layers: Vec<StoredLayer>,
    initial: Array,
    theta: Array,
    observed: Array,
}

impl Case {
    pub fn read(weights: &Path, input: &Path) -> Result<Self> {
        let layers = read_layers(weights).with_context(|| weights.display().to_string())?;
        let mut archive = NpzArchive::open(input).with_context(|| input.display().to_string())?;
        let mut array = |name: &str, axes: usize| -> Result<Array> {
            let Some(array) = archive.by_name(name)? else { bail!("{}: no array {name}", input.display()) };
            let shape: Vec<usize> = array.shape().iter().map(|&axis| axis as usize).collect();
            ensure!(shape.len() == axes, "{}: {name} has {} axes, expected {axes}", input.display(), shape.len());
            Ok(Array { shape, values: array.into_vec()? })
        };
        let case = Self { layers, initial: array("s0", 2)?, theta: array("theta", 2)?, observed: array("y", 3)? };
        ensure!(case.observed.values.iter().all(|value| value.is_finite()), "{}: y has gaps", input.display());
        Ok(case)
    }

    /// \[B, 2\]
    pub fn initial(&self) -> TensorData {
        self.initial.data()
    }

    /// \[B, 1\]
    pub fn theta(&self) -> TensorData {
        self.theta.data()
    }

    /// \[B, T, 3\]
    pub fn observed(&self) -> TensorData {
        self.observed.data()
    }

    pub fn batch(&self) -> usize {
        self.observed.shape[0]
    }

    pub fn steps(&self) -> usize {
        self.observed.shape[1]
    }
}

fn read_layers(path: &Path) -> Result<Vec<StoredLayer>> {
    let bytes = std::fs::read(path)?;
    let tensors = SafeTensors::deserialize(&bytes)?;
    let array = |name: String| -> Result<Array> {
        let view = tensors.tensor(&name)?;
        ensure!(view.dtype() == Dtype::F32, "{name} is {:?}, expected F32", view.dtype());
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        Ok(Array { shape: view.shape().to_vec(), values })
    };
    ensure!(tensors.len() % 2 == 0, "not a weight and a bias per layer");
    (0..tensors.len() / 2)
        .map(|i| Ok(StoredLayer { weight: array(format!("g.{i}.weight"))?, bias: array(format!("g.{i}.bias"))? }))
        .collect()
}

/// Writes OUT.npz.
pub fn write(path: &Path, arrays: &[(String, Array)]) -> Result<()> {
    let mut archive = NpzWriter::new(BufWriter::new(File::create(path)?));
    for (name, array) in arrays {
        let shape: Vec<u64> = array.shape.iter().map(|&axis| axis as u64).collect();
        let mut writer = archive.array(name, Default::default())?.default_dtype().shape(&shape).begin_nd()?;
        writer.extend(array.values.iter().copied())?;
        writer.finish()?;
    }
    Ok(())
}
