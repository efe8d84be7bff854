//! One process at a time in a folder of results. The system frees the lock when its process ends, however that happens.

use super::error::WriteError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The file that carries the lock. It stays when the lock is gone: what it says is only read while the lock is held.
const FILE: &str = "run.lock";

/// Why a folder of results could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process is at work there.
    #[error("{} is in use by {owner}\nhelp: wait until it is done or stop it, or choose another folder with --out", folder.display())]
    Held {
        /// The folder.
        folder: PathBuf,
        /// Who holds the lock, in words.
        owner: String,
    },
    /// The file of the lock could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// A folder of results that no other process works in, or that several share, until this is dropped.
#[derive(Debug)]
pub struct RunLock {
    file: File,
}

impl RunLock {
    /// Locks a folder, which must exist, or says who holds it. Where the file system knows no locks it is taken on trust,
    /// with a warning.
    pub fn take(folder: &Path) -> Result<RunLock, LockError> {
        RunLock::locked(folder, File::try_lock, &owner())
    }

    /// Locks a folder for one of several processes that share work there: no other may take it as its own meanwhile.
    pub fn share(folder: &Path) -> Result<RunLock, LockError> {
        RunLock::locked(folder, File::try_lock_shared, "processes that share a landscape\n")
    }

    fn locked(folder: &Path, lock: fn(&File) -> Result<(), TryLockError>, owner: &str) -> Result<RunLock, LockError> {
        let path = folder.join(FILE);
        let failed = |reason| LockError::Write(WriteError::write(&path, reason));
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = open.map_err(failed)?;
        match lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // Systems that lock the content as well do not let it be read.
                let owner = file.read_to_string(&mut owner).ok().map(|_| owner.trim()).filter(|o| !o.is_empty());
                let owner = owner.unwrap_or("another process").to_string();
                return Err(LockError::Held { folder: folder.into(), owner });
            }
            Err(TryLockError::Error(reason)) if knows_no_locks(&reason) => {
                tracing::warn!("{}: the file system knows no locks; do not run twice in one folder", folder.display());
            }
            Err(TryLockError::Error(reason)) => return Err(failed(reason)),
        }
        file.set_len(0).and_then(|()| file.write_all(owner.as_bytes())).map_err(failed)?;
        Ok(RunLock { file })
    }
}

/// Whether the file system has no locks at all. NFS without its lock daemon says that none are available.
fn knows_no_locks(reason: &std::io::Error) -> bool {
    const NO_LOCKS_AVAILABLE: i32 = 37;
    reason.kind() == ErrorKind::Unsupported
        || (cfg!(target_os = "linux") && reason.raw_os_error() == Some(NO_LOCKS_AVAILABLE))
}

impl Drop for RunLock {
    /// A child process that is just being born may hold a copy of the file, so that closing it is not enough.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

/// This process in words.
fn owner() -> String {
    let (host, now) = (gethostname::gethostname(), humantime::format_rfc3339_seconds(SystemTime::now()));
    format!("process {} on {}, since {now}\n", std::process::id(), host.display())
}
