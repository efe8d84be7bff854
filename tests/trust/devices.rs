//! Devices that fail in every way that can be told: opened anew, they come to the same results; what fails twice stops the
//! run, and the same command goes on.

use super::{Small, assert_same_results, told};
use std::path::PathBuf;

/// Mesa's software adapter; these tests do not ask for hardware.
fn lavapipe() -> PathBuf {
    let folder = PathBuf::from("/usr/share/vulkan/icd.d");
    let entries = std::fs::read_dir(&folder).ok().into_iter().flatten().flatten().map(|entry| entry.path());
    let found = entries.into_iter().find(|path| path.file_name().unwrap().to_string_lossy().starts_with("lvp_icd"));
    found.expect("Mesa's Vulkan adapter; on Debian: apt-get install mesa-vulkan-drivers")
}

impl Small {
    /// Runs on the adapter with a fault, if one is named.
    pub(super) fn on_adapter(&self, out: &str, fault: &str, more: &[&str]) -> (i32, String) {
        let mut command = self.command(out, "vulkan");
        command.env("VK_ICD_FILENAMES", lavapipe()).env_remove("VK_DRIVER_FILES").args(more);
        if !fault.is_empty() {
            command.env("GREYBOX_FAULT", fault);
        }
        let (code, _, err) = told(&command.output().unwrap());
        (code, err)
    }

    fn metrics(&self, out: &str) -> String {
        std::fs::read_to_string(self.path(&format!("{out}/metrics.jsonl"))).unwrap()
    }
}

const LAYER: &[&str] = &["--schedule", "layer"];

/// Faults early, in training, and behind it.
#[test]
fn what_breaks_down_once_is_done_again_with_the_same_bits() {
    let small = Small::new(3);
    for (name, more, passages) in [("lane", &[][..], [1, 5, 20]), ("layer", LAYER, [2, 9, 40])] {
        let (code, err) = small.on_adapter(name, "", more);
        assert!(code == 0 && !err.contains("opened anew"), "{err}");
        let expected = small.results(name);
        let points = ["device-lost", "validation", "submission-lost", "hang"];
        for (i, point) in points.into_iter().enumerate() {
            let fault = format!("{point}:{}", passages[i % passages.len()]);
            let out = format!("{name}-{point}");
            let (code, err) = small.on_adapter(&out, &fault, more);
            assert_eq!(code, 0, "{fault}: {err}");
            assert_eq!(err.matches("the device is opened anew to do the work again").count(), 1, "{fault}: {err}");
            assert_same_results(&small.results(&out), &expected);
            let report = std::fs::read_to_string(small.path(&format!("{out}/report.html"))).unwrap();
            assert!(report.contains("opened anew, it did the work again"), "{fault}: the report tells of it");
        }
    }
}

#[test]
fn without_memory_smaller_tiles_do_the_work() {
    let small = Small::new(3);
    let (code, err) = small.on_adapter("whole", "", &[]);
    assert_eq!(code, 0, "{err}");
    let (code, err) = small.on_adapter("out", "out-of-memory:25", &[]);
    assert!(code == 0 && err.contains("it is out of memory: "), "{err}");
    let report = std::fs::read_to_string(small.path("out/report.html")).unwrap();
    assert!(report.contains("it did the work again in smaller tiles"), "the report tells of it");
    // Weight gradients are added in another order.
    let loss = |out: &str| -> f64 {
        let last: serde_json::Value = serde_json::from_str(small.metrics(out).lines().last().unwrap()).unwrap();
        last["loss"].as_f64().unwrap()
    };
    assert!((loss("out") / loss("whole") - 1.0).abs() < 1e-3, "{} and {}", loss("out"), loss("whole"));
}

#[test]
fn what_breaks_down_twice_stops_and_the_same_command_goes_on() {
    let small = Small::new(4);
    let rarely = &["--set", "train.checkpoint_every=100"];
    let (code, err) = small.on_adapter("whole", "", rarely);
    assert_eq!(code, 0, "{err}");
    let faults =
        ["device-lost:12+", "submission-lost:12+", "hang:12+", "validation:12+", "device-lost:12,adapter-gone:2"];
    for (i, fault) in faults.into_iter().enumerate() {
        let out = format!("out-{i}");
        let (code, err) = small.on_adapter(&out, fault, rarely);
        assert_eq!(code, 1, "{fault}: {err}");
        for part in
            ["training stopped in epoch ", "opened an", "help: ", "checkpoint.safetensors holds the state after"]
        {
            assert!(err.contains(part), "{fault}: `{part}` is not in {err}");
        }
        let (code, err) = small.on_adapter(&out, "", rarely);
        assert!(code == 0 && err.contains("continuing from epoch "), "{fault}: {err}");
        assert_same_results(&small.results(&out), &small.results("whole"));
    }
}
