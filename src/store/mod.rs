//! Files that survive what happens to a process: written whole or not at all, checked when they are read, and one process
//! at a time in a folder of results. `GREYBOX_FAULT` makes any of it fail on purpose.

mod atomic;
mod checksum;
mod error;
pub mod fault;
mod lock;

pub use atomic::{Beside, clean, make_folder, write, write_keeping, write_once, write_with};
pub use checksum::Checksum;
pub use error::WriteError;
pub use lock::{LockError, RunLock};
