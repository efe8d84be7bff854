//! The house rules: layers use only layers above them, and only `device/` names wgpu.

use std::path::{Path, PathBuf};

const LAYERS: [&str; 12] =
    ["store", "graph", "physics", "program", "model", "solve", "device", "data", "train", "study", "report", "cli"];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a source folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn layers_use_only_layers_above_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut broken = Vec::new();
    let mut files = 0;
    for (position, layer) in LAYERS.iter().enumerate() {
        for path in sources(&root.join(layer)) {
            files += 1;
            let text = std::fs::read_to_string(&path).expect("a source file");
            for below in &LAYERS[position + 1..] {
                if text.contains(&format!("crate::{below}::")) {
                    broken.push(format!("{} uses {below}", path.display()));
                }
            }
        }
    }
    assert!(files > 50, "the rule looked at {files} files only");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn only_the_device_layer_names_wgpu() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for path in sources(&root).into_iter().filter(|p| !p.starts_with(root.join("device"))) {
        let text = std::fs::read_to_string(&path).expect("a source file");
        assert!(!text.contains("wgpu::"), "{} names wgpu", path.display());
    }
}
