//! Ctrl-C: the first one asks training to stop after its epoch, the second one ends the process.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Watches for Ctrl-C from now on. A handler that cannot be set leaves the default behaviour.
pub fn watch() {
    static HANDLER: Once = Once::new();
    HANDLER.call_once(set);
}

fn set() {
    let _ = ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        eprintln!("\nstopping after this epoch; press Ctrl-C again to stop at once");
    });
}

/// Whether Ctrl-C was pressed.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
