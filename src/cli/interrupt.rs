//! Ctrl-C and SIGTERM: work that can be continued ends at its next good moment, other work at once.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);
static LISTENING: AtomicUsize = AtomicUsize::new(0);

/// Exit code of a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// While this lives an interrupt is not the end: [`Stop::asked`] tells of it. A second one ends the program at once, as does
/// the first where nobody listens.
pub struct Stop(());

impl Stop {
    /// Listens. A handler that cannot be set leaves the default behaviour.
    pub fn listen() -> Stop {
        static HANDLER: OnceLock<()> = OnceLock::new();
        HANDLER.get_or_init(|| {
            let _ = ctrlc::set_handler(|| {
                let again = ASKED.swap(true, Ordering::SeqCst);
                if again || LISTENING.load(Ordering::SeqCst) == 0 {
                    std::process::exit(INTERRUPTED);
                }
                eprintln!("\nstopping after this epoch or chunk; press Ctrl-C again to stop at once");
            });
        });
        LISTENING.fetch_add(1, Ordering::SeqCst);
        Stop(())
    }

    /// Whether to stop.
    pub fn asked(&self) -> bool {
        ASKED.load(Ordering::SeqCst)
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        LISTENING.fetch_sub(1, Ordering::SeqCst);
    }
}
