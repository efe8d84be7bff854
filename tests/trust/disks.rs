//! Disks that are full, folders that cannot be written to: a clear error, and what was there before is intact.

use super::{Small, assert_same_results};
use crate::common::skipped;
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn a_disk_that_fails_anywhere_ends_the_run_with_an_error_and_loses_nothing() {
    let small = Small::new(4);
    small.finish("whole");
    let expected = small.results("whole");
    for (fault, help) in [("disk-full", "help: free space"), ("sync", "help: look after"), ("rename", "help: choose")] {
        for passage in [1, 3, 6, 9, 12] {
            let (code, _, err) = small.run(fault, &format!("{fault}:{passage}"), &[]);
            assert!(code == 1, "{fault}:{passage}: {code}: {err}");
            assert!(err.contains("error: ") && err.contains("cannot write ") && err.contains(help), "{err}");
            let left: Vec<String> = small.results(fault).into_keys().filter(|name| name.ends_with(".part")).collect();
            assert!(left.is_empty(), "{left:?}");
        }
        let end = small.finish(fault);
        assert!(end.contains("continuing from epoch 4 of 4"), "{end}");
        assert_same_results(&small.results(fault), &expected);
    }
}

/// A file system of this many bytes at a folder, or none where this process may not make one.
struct Tiny<'a> {
    folder: &'a Path,
}

impl<'a> Tiny<'a> {
    fn new(folder: &'a Path, options: &str) -> Option<Tiny<'a>> {
        fs::create_dir_all(folder).unwrap();
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Tiny { folder }),
            Ok(output) => {
                skipped(&format!("a small file system: {}", String::from_utf8_lossy(&output.stderr).trim()));
                None
            }
            Err(reason) => {
                skipped(&format!("a small file system: mount: {reason}"));
                None
            }
        }
    }
}

impl Drop for Tiny<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.folder).status();
    }
}

#[test]
fn a_file_system_that_fills_up_and_is_given_space_again() {
    let small = Small::new(4);
    small.finish("whole");
    let folder = small.path("disk");
    let Some(_disk) = Tiny::new(&folder, "size=64k") else { return };
    let filler = folder.join("filler");
    // Room for a few small files, but not for all.
    fs::write(&filler, vec![1; 24 << 10]).unwrap();
    let (code, _, err) = small.run("disk/out", "", &[]);
    assert!(code == 1 && err.contains("No space left on device") && err.contains("help: free space"), "{code}: {err}");
    let remount = Command::new("mount").args(["-o", "remount,size=4m"]).arg(&folder).status().unwrap();
    assert!(remount.success());
    small.finish("disk/out");
    assert_same_results(&small.results("disk/out"), &small.results("whole"));
}

#[test]
fn folders_that_cannot_be_written_to_are_named() {
    let small = Small::new(2);
    small.write("file", "");
    let refused = |out: &str, parts: &[&str]| {
        let (code, _, err) = small.run(out, "", &[]);
        assert!(code == 1 && parts.iter().all(|part| err.contains(part)), "{code}: {err}");
    };
    refused("file", &["cannot make the folder file", "help: ", "--out"]);
    refused("file/inside", &["cannot make the folder file/inside", "help: ", "--out"]);
    let folder = small.path("disk");
    let Some(_disk) = Tiny::new(&folder, "size=4m") else { return };
    small.finish("disk/out");
    let before = small.results("disk/out");
    assert!(Command::new("mount").args(["-o", "remount,ro"]).arg(&folder).status().unwrap().success());
    refused("disk/out", &["cannot write disk/out/run.lock", "Read-only file system", "help: ", "--out"]);
    assert_same_results(&small.results("disk/out"), &before);
}
