//! Inputs to begin with: the committed corpus, and what the repository itself holds of each kind.

use super::archive;
use super::targets::{Target, train, training};
use fastrand::Rng;
use greybox::data::npz::{Array, Element, write_npz};
use std::fs;
use std::path::{Path, PathBuf};

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All inputs of a kind.
pub fn load(target: &Target, scratch: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let root = root();
    let mut found = Vec::new();
    for path in files(&root.join("tests/hostile/corpus").join(target.name)) {
        found.push(fs::read(path)?);
    }
    match target.name {
        "wgsl" => {
            for folder in ["examples", "tests/golden", "shaders/systems"] {
                for path in files(&root.join(folder)).into_iter().filter(|p| p.extension().is_some_and(|e| e == "wgsl"))
                {
                    let text = fs::read_to_string(&path)?;
                    let grid = if text.contains("Near") { "grid " } else { "" };
                    let nets: Vec<&str> = text
                        .match_indices(": array<f32")
                        .filter_map(|(i, _)| text[..i].rsplit(|c: char| !c.is_alphanumeric() && c != '_').next())
                        .collect();
                    found.push(format!("// {grid}nets: {}\n{text}", nets.join(" ")).into_bytes());
                }
            }
        }
        "study" => {
            for path in files(&root.join("examples")).into_iter().filter(|p| p.extension().is_some_and(|e| e == "toml"))
            {
                let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
                found.push(format!("# {}\n{}", folder.display(), fs::read_to_string(&path)?).into_bytes());
            }
        }
        "npz" => {
            let (file, array) = (scratch.join("seed.npz"), |shape: &[usize]| {
                let values = (0..shape.iter().product::<usize>()).map(|i| i as f64 * 0.25).collect();
                Array { shape: shape.to_vec(), values }
            });
            let (y, u, t, field) = (array(&[4, 6, 2]), array(&[4, 6, 1]), array(&[4, 6]), array(&[2, 5, 1, 2, 3]));
            write_npz(&file, &[("y", &y, Element::F64), ("u", &u, Element::F32), ("t", &t, Element::F64)])?;
            found.push(fs::read(&file)?);
            write_npz(&file, &[("y", &field, Element::F32)])?;
            found.push(fs::read(&file)?);
        }
        "weights" => {
            for path in files(&root.join("tests/golden"))
                .into_iter()
                .filter(|p| p.extension().is_some_and(|e| e == "safetensors"))
            {
                found.push(fs::read(path)?);
            }
        }
        "checkpoint" => {
            for epochs in [1, 3] {
                let config = greybox::train::TrainConfig { epochs, ..training() };
                greybox::train::Checkpoint::remove(&scratch.join(target.file))?;
                train(scratch, &config).map_err(anyhow::Error::msg)?;
                found.push(fs::read(scratch.join(target.file))?);
            }
        }
        _ => {}
    }
    anyhow::ensure!(!found.is_empty(), "no inputs to begin with for {}", target.name);
    Ok(found)
}

/// A new input from the present ones.
pub fn next(target: &Target, rng: &mut Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let pick = |rng: &mut Rng| corpus[rng.usize(..corpus.len())].clone();
    let (mut input, other) = (pick(rng), pick(rng));
    let most = 1 << rng.u8(..3);
    let changes = 1 + rng.usize(..most);
    match target.name {
        "npz" if rng.u8(..64) == 0 => return archive::bomb(rng),
        "npz" if rng.bool() => return archive::npz(rng),
        _ => {}
    }
    for _ in 0..changes {
        match target.name {
            "wgsl" | "study" | "csv" => {
                let (text, other) = (String::from_utf8_lossy(&input), String::from_utf8_lossy(&other));
                input = super::mutate::tokens(rng, &text, &other).into_bytes();
            }
            "weights" | "checkpoint" if rng.u8(..4) > 0 => input = archive::safetensors(rng, &input, &other),
            _ => super::mutate::bytes(rng, &mut input, &other),
        }
    }
    input.truncate(super::LONGEST);
    match target.name {
        "checkpoint" if rng.u8(..4) > 0 => archive::sealed(&input).unwrap_or(input),
        _ => input,
    }
}

/// All files below a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}
