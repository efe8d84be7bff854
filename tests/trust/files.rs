//! Files are written whole or not at all.

use greybox::store::{clean, write, write_once, write_with};
use std::fs;
use std::io::Write;
use std::path::Path;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_writer_that_fails_leaves_the_old_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    write(&path, b"old").unwrap();
    let failed = write_with(&path, |file| {
        file.write_all(&[7; 100_000])?;
        assert_eq!(names(folder.path()).len(), 2, "the new file is beside the old one");
        Err(std::io::ErrorKind::StorageFull.into())
    });
    let message = failed.unwrap_err().to_string();
    assert!(message.contains("a.bin") && message.contains("help: free space"), "{message}");
    assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"old".to_vec(), vec!["a.bin".to_string()]));
    write(&path, b"new").unwrap();
    assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"new".to_vec(), vec!["a.bin".to_string()]));
}

#[test]
fn what_dead_writers_left_is_removed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let (dead, alive) = ("a.bin.greybox-17-0.part", "a.bin.greybox-18-0.part");
    let others = ["film.part", "a.greybox-x-1.part", "a.greybox-1.part", "a.greybox-1-1"];
    others.iter().chain([&dead, &alive]).for_each(|name| fs::write(place(name), "half").unwrap());
    let held = fs::OpenOptions::new().write(true).open(place(alive)).unwrap();
    held.lock().unwrap();
    clean(folder.path());
    let mut expected: Vec<String> = others.iter().chain([&alive]).map(|name| name.to_string()).collect();
    expected.sort();
    assert_eq!(names(folder.path()), expected);
    // Closing it would leave it locked for as long as a process that another test has begun holds a copy.
    held.unlock().unwrap();
    // The first file that a process writes somewhere cleans by itself.
    write(&place("b.bin"), b"whole").unwrap();
    assert!(!place(alive).exists() && place("film.part").exists());
}

#[test]
fn many_writers_of_one_file_leave_one_of_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    std::thread::scope(|scope| {
        for writer in 0..4u8 {
            let path = &path;
            scope.spawn(move || (0..20).for_each(|_| write(path, &[writer; 50_000]).unwrap()));
        }
    });
    let left = fs::read(&path).unwrap();
    assert_eq!((left.len(), names(folder.path()).len()), (50_000, 1));
    assert!(left.iter().all(|byte| *byte == left[0]));
}

#[test]
fn of_many_who_write_a_file_once_one_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    let found: Vec<Vec<u8>> = std::thread::scope(|scope| {
        let write = |writer: u8| {
            write_once(&path, &[writer; 50_000]).unwrap();
            fs::read(&path).unwrap()
        };
        let writers: Vec<_> = (0..4).map(|writer| scope.spawn(move || write(writer))).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    assert!(found[0].len() == 50_000 && found[0].iter().all(|byte| *byte == found[0][0]));
    assert!(found.iter().all(|other| *other == found[0]), "all find the file of the first");
    assert_eq!(names(folder.path()), ["a.bin"]);
}

#[test]
fn what_stands_in_the_way_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |path: &Path, help: &str| {
        let message = write(path, b"x").unwrap_err().to_string();
        assert!(message.contains(&path.display().to_string()) && message.contains(help), "{message}");
    };
    fs::create_dir(folder.path().join("folder")).unwrap();
    refused(&folder.path().join("folder"), "another kind");
    refused(&folder.path().join("none/a.bin"), "a folder that exists");
    fs::write(folder.path().join("file"), "").unwrap();
    refused(&folder.path().join("file/a.bin"), "a folder that exists");
    assert_eq!(names(folder.path()), ["file", "folder"]);
}

#[cfg(unix)]
#[test]
fn links_and_devices_stay_what_they_are() {
    use std::os::unix::fs::{FileTypeExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let (link, file) = (folder.path().join("link"), folder.path().join("file"));
    fs::write(&file, "old").unwrap();
    symlink(&file, &link).unwrap();
    write(&link, b"new").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read(&file).unwrap(), b"new");
    write(Path::new("/dev/null"), b"x").unwrap();
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    if Path::new("/dev/full").exists() {
        let message = write(Path::new("/dev/full"), b"x").unwrap_err().to_string();
        assert!(message.contains("help: free space"), "{message}");
    }
}
