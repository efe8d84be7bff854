//! Runs that lose nothing: files, locks and faults.

#[path = "trust/files.rs"]
mod files;
#[path = "trust/lock.rs"]
mod lock;
