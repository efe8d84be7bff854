//! Files written whole or not at all: beside their place, made durable, then moved there.
//!
//! A file beside its place is called `NAME.greybox-PROCESS-NUMBER.part` and locked while its writer lives, so that what a
//! dead process has left is told from what a living one writes, and is removed by the next that writes in the folder.

use super::error::WriteError;
use super::fault::{self, Point};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Writes a file: a crash at any moment leaves the old one or the new one.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    write_with(path, |file| file.write_all(bytes))
}

/// The same for a file that is written piece by piece.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut Beside) -> io::Result<()>) -> Result<(), WriteError> {
    write_beside(path, Old::Goes, fill)
}

/// Writes a file and keeps the one that was there as `previous`.
pub fn write_keeping(path: &Path, previous: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    write_beside(path, Old::Moves(previous), |file| file.write_all(bytes))
}

/// Writes a file unless it is there: of several processes one succeeds, and all find it whole.
pub fn write_once(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    if path.exists() { Ok(()) } else { write_beside(path, Old::Stays, |file| file.write_all(bytes)) }
}

/// What becomes of the file that is there already.
#[derive(Clone, Copy)]
enum Old<'a> {
    Goes,
    Moves(&'a Path),
    Stays,
}

fn write_beside(path: &Path, old: Old, fill: impl FnOnce(&mut Beside) -> io::Result<()>) -> Result<(), WriteError> {
    let failed = |reason| WriteError::write(path, reason);
    // What is neither file nor folder, such as a pipe, has no old content and cannot be replaced.
    if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        let file = OpenOptions::new().write(true).open(path).map_err(failed)?;
        let mut file = Beside::new(file);
        return fill(&mut file).and_then(|()| file.file.flush()).map_err(failed);
    }
    // A link stays a link.
    let place = fs::canonicalize(path).unwrap_or_else(|_| path.into());
    let (file, part) = create(&place).map_err(failed)?;
    let mut beside = Beside::new(file);
    let placed = fill(&mut beside).and_then(|()| beside.place(&part, &place, old));
    placed.map_err(|reason| {
        // The first error is the one to report.
        let _ = fs::remove_file(&part);
        failed(reason)
    })
}

/// A file that is being written beside its place.
pub struct Beside {
    file: BufWriter<File>,
    full: bool,
    dies: bool,
}

impl Beside {
    fn new(file: File) -> Beside {
        Beside { file: BufWriter::new(file), full: fault::hit(Point::DiskFull), dies: fault::hit(Point::DieWriting) }
    }

    /// Makes the file durable and moves it to its place; it stays locked until it is there.
    fn place(mut self, part: &Path, place: &Path, old: Old) -> io::Result<()> {
        self.file.flush()?;
        fault::fail(Point::Sync, ErrorKind::Other)?;
        self.file.get_ref().sync_all()?;
        fault::die(Point::DieBeforeRename);
        if let Old::Moves(previous) = old {
            keep(place, previous)?;
        }
        fault::fail(Point::Rename, ErrorKind::PermissionDenied)?;
        match old {
            Old::Goes | Old::Moves(_) => fs::rename(part, place)?,
            Old::Stays => link(part, place)?,
        }
        fault::die(Point::DieAfterRename);
        sync_folder(folder_of(place))
    }
}

impl Write for Beside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.full || self.dies {
            self.file.write_all(&bytes[..bytes.len() / 2])?;
            self.file.flush()?;
            return if self.dies { std::process::abort() } else { Err(ErrorKind::StorageFull.into()) };
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Beside {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}

/// Gives the file at `place` a second name; it loses the first where the file system has no links.
fn keep(place: &Path, previous: &Path) -> io::Result<()> {
    if !place.exists() {
        return Ok(());
    }
    match fs::remove_file(previous) {
        Err(reason) if reason.kind() != ErrorKind::NotFound => return Err(reason),
        _ => {}
    }
    fs::hard_link(place, previous).or_else(|_| fs::rename(place, previous))
}

/// Moves a file to a place unless there is one.
fn link(part: &Path, place: &Path) -> io::Result<()> {
    match fs::hard_link(part, place) {
        Err(reason) if reason.kind() == ErrorKind::AlreadyExists => {}
        // Where there are no links, the last one to come wins.
        Err(_) => return fs::rename(part, place),
        Ok(()) => {}
    }
    fs::remove_file(part)
}

/// Makes a folder and those above it.
pub fn make_folder(folder: &Path) -> Result<(), WriteError> {
    fs::create_dir_all(folder).map_err(|reason| WriteError::folder(folder, reason))
}

/// Removes what dead processes have left in a folder beside the places of its files.
pub fn clean(folder: &Path) {
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.file_name().is_some_and(is_part)
            && let Ok(file) = OpenOptions::new().write(true).open(&path)
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(&path);
        }
    }
}

/// A new file beside a place, locked.
fn create(place: &Path) -> io::Result<(File, PathBuf)> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let (folder, name) = (folder_of(place), place.file_name().ok_or(ErrorKind::IsADirectory)?);
    if place.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    clean_once(folder);
    loop {
        let mut part = name.to_os_string();
        part.push(format!(".greybox-{}-{}.part", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)));
        let part = folder.join(part);
        match OpenOptions::new().write(true).create_new(true).open(&part) {
            Ok(file) if holds(&file, &part) => return Ok((file, part)),
            // Left by another process of this number, or taken by one that cleans.
            Ok(_) => {}
            Err(reason) if reason.kind() == ErrorKind::AlreadyExists => {}
            Err(reason) => return Err(reason),
        }
    }
}

/// Whether the lock is ours and nobody who cleans was faster. File systems without locks count as locked.
fn holds(file: &File, part: &Path) -> bool {
    !matches!(file.try_lock(), Err(TryLockError::WouldBlock)) && part.exists()
}

/// Cleans a folder before the first file that this process writes there.
fn clean_once(folder: &Path) {
    static CLEANED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    if CLEANED.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.into()) {
        clean(folder);
    }
}

/// Whether a file's name is one that [`create`] gives.
fn is_part(name: &OsStr) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let stem = name.to_str().and_then(|name| name.strip_suffix(".part"));
    let tail = stem.and_then(|stem| stem.rsplit_once(".greybox-")).and_then(|(_, tail)| tail.split_once('-'));
    tail.is_some_and(|(process, count)| number(process) && number(count))
}

fn folder_of(place: &Path) -> &Path {
    place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names in a folder durable, where the system can.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some file systems know no such thing.
        Err(reason) if matches!(reason.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        synced => synced,
    }
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}
