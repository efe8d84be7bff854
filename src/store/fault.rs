//! Faults on purpose: `GREYBOX_FAULT=POINT[:N][,POINT…]` makes the N-th passage through a named point fail (default: the
//! first), `N+` every passage from the N-th on. Without the variable a point costs one read of memory.

use std::cell::Cell;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The variable.
const VARIABLE: &str = "GREYBOX_FAULT";

macro_rules! points {
    ($($point:ident = $name:literal: $doc:literal,)*) => {
        /// A place at which a fault can be injected.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Point {
            $(#[doc = $doc] $point,)*
        }

        impl Point {
            /// All points: name in `GREYBOX_FAULT`, and what happens there.
            pub const ALL: &[(Point, &'static str, &'static str)] = &[$((Point::$point, $name, $doc),)*];
        }
    };
}

points! {
    DiskFull = "disk-full": "The disk is full when half of a file is written.",
    Sync = "sync": "The disk refuses to make a written file durable.",
    Rename = "rename": "A written file cannot be moved to its place.",
    DieWriting = "die-writing": "The process dies when half of a file is written.",
    DieBeforeRename = "die-before-rename": "The process dies when a file is written, but not yet in its place.",
    DieAfterRename = "die-after-rename": "The process dies when a file has just got its place.",
    AdapterGone = "adapter-gone": "A graphics adapter cannot be opened.",
    DeviceLost = "device-lost": "The driver loses the device before a submission.",
    OutOfMemory = "out-of-memory": "A device has no memory for a buffer.",
    Validation = "validation": "An operation that the device refuses goes before a submission.",
    SubmissionLost = "submission-lost": "A submission vanishes without a word.",
    Hang = "hang": "A device does not come to an end within its time.",
}

/// A setting of `GREYBOX_FAULT` that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{VARIABLE}: {problem}\nhelp: write POINT, POINT:N or POINT:N+, several with commas; the points are\n{}",
    list()
)]
pub struct FaultError {
    problem: String,
}

fn list() -> String {
    let lines: Vec<String> = Point::ALL.iter().map(|(_, name, doc)| format!("  {name:<18} {doc}")).collect();
    lines.join("\n")
}

/// Which passages fail.
#[derive(Debug, Default)]
pub struct Plan {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    point: Point,
    first: u32,
    onward: bool,
    passed: AtomicU32,
}

impl Plan {
    /// Reads a setting.
    pub fn parse(text: &str) -> Result<Plan, FaultError> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(|entry| {
            let (name, number) = entry.split_once(':').unwrap_or((entry, "1"));
            let unknown = || FaultError { problem: format!("there is no point \"{name}\"") };
            let point = Point::ALL.iter().find(|known| known.1 == name).ok_or_else(unknown)?.0;
            let (digits, onward) = number.strip_suffix('+').map_or((number, false), |digits| (digits, true));
            let first = digits.parse().ok().filter(|first| *first > 0);
            let first = first.ok_or_else(|| FaultError { problem: format!("\"{number}\" is not a number from 1") })?;
            Ok(Entry { point, first, onward, passed: AtomicU32::new(0) })
        });
        Ok(Plan { entries: entries.collect::<Result<_, _>>()? })
    }

    /// Counts a passage; true if it is to fail.
    pub fn hit(&self, point: Point) -> bool {
        self.entries.iter().filter(|entry| entry.point == point).fold(false, |failed, entry| {
            let passage = entry.passed.fetch_add(1, Ordering::Relaxed) + 1;
            failed | (passage == entry.first || entry.onward && passage > entry.first)
        })
    }
}

/// The plan of this process, read once.
fn plan() -> Option<&'static Plan> {
    static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
    let read = || Plan::parse(&std::env::var(VARIABLE).ok()?).ok();
    PLAN.get_or_init(read).as_ref()
}

/// Refuses a setting that is not understood.
pub fn check() -> Result<(), FaultError> {
    std::env::var(VARIABLE).map_or(Ok(()), |text| Plan::parse(&text).map(drop))
}

thread_local! {
    static WITHOUT: Cell<bool> = const { Cell::new(false) };
}

/// Does something whose passages through points neither count nor fail, such as a test of the adapter.
pub fn without<T>(work: impl FnOnce() -> T) -> T {
    let before = WITHOUT.replace(true);
    let result = work();
    WITHOUT.set(before);
    result
}

/// Passes a point; true if this passage is to fail.
pub fn hit(point: Point) -> bool {
    plan().is_some_and(|plan| !WITHOUT.get() && plan.hit(point))
}

/// Passes a point; an error of this kind if this passage is to fail.
pub fn fail(point: Point, kind: io::ErrorKind) -> io::Result<()> {
    if hit(point) { Err(kind.into()) } else { Ok(()) }
}

/// Passes a point; ends the process on the spot, as `kill -9` would, if this passage is to fail.
pub fn die(point: Point) {
    if hit(point) {
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::{Plan, Point};

    #[test]
    fn the_named_passages_fail_and_no_others() {
        let plan = Plan::parse("rename:2, sync, disk-full:3+").unwrap();
        let passages = |point| (0..5).map(|_| plan.hit(point)).collect::<Vec<bool>>();
        assert_eq!(passages(Point::Rename), [false, true, false, false, false]);
        assert_eq!(passages(Point::Sync), [true, false, false, false, false]);
        assert_eq!(passages(Point::DiskFull), [false, false, true, true, true]);
        assert_eq!(passages(Point::DieWriting), [false; 5]);
        assert!(!Plan::parse("").unwrap().hit(Point::Sync));
    }

    #[test]
    fn what_is_not_a_point_is_refused_with_the_list() {
        for (text, part) in [("renam", "\"renam\""), ("rename:0", "\"0\""), ("sync:x", "\"x\""), ("sync:", "\"\"")] {
            let error = Plan::parse(text).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("help: ") && error.contains("die-before-rename"), "{error}");
        }
    }
}
