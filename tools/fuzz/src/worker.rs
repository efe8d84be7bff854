//! The process that runs inputs. It may die; the supervisor looks at what it left.

use super::corpus;
use super::memory;
use super::targets::Target;
use fastrand::Rng;
use std::collections::HashMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Exit code of a worker that ended itself because an input took too long.
pub const HUNG: i32 = 71;

/// Where panics happened while the present input ran, in any thread.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Processor milliseconds and time at which the present input began.
static BEGAN: Mutex<Option<(u64, Instant)>> = Mutex::new(None);

/// An input hangs as well, waiting, when it takes so many times the processor seconds that it may take.
const WAITING: u64 = 20;

/// What a worker is asked for.
pub struct Order<'a> {
    /// The kind of input.
    pub target: Target,
    /// Seconds to run.
    pub seconds: u64,
    /// Seed of the changes.
    pub seed: u64,
    /// Processor seconds that an input may take.
    pub longest: u64,
    /// Folder of its files: the present input, findings, and what it did.
    pub folder: &'a Path,
}

/// Runs inputs until the time is over.
pub fn run(order: &Order) -> anyhow::Result<()> {
    set_hook(Box::new(|info| {
        let place = info.location().map_or("?".into(), |l| format!("{}:{}", l.file(), l.line()));
        let text = format!("{place}: {}", info.payload_as_str().unwrap_or("?"));
        PANICS.lock().unwrap_or_else(|e| e.into_inner()).push(text);
    }));
    watch(order.longest);
    let (target, mut rng) = (order.target, Rng::with_seed(order.seed));
    let mut inputs = corpus::load(&target, order.folder)?;
    let mut seen: HashMap<String, u64> = HashMap::new();
    for input in &inputs {
        if let Ok(happened) = watched(|| target.happens(order.folder, input)) {
            *seen.entry(happened).or_default() += 1;
        }
        report(order, input)?;
    }
    let (start, mut last) = (Instant::now(), Instant::now());
    let (mut count, mut most, mut slowest) = (0u64, 0usize, 0u64);
    while start.elapsed().as_secs() < order.seconds {
        let input = corpus::next(&target, &mut rng, &inputs);
        let before = memory::restart();
        let begin = processor();
        let happened = watched(|| target.happens(order.folder, &input));
        count += 1;
        most = most.max(memory::peak().saturating_sub(before));
        slowest = slowest.max(processor() - begin);
        report(order, &input)?;
        if let Ok(happened) = happened {
            let times = seen.entry(happened).or_default();
            *times += 1;
            if *times == 1 {
                inputs.push(input);
            }
        }
        if last.elapsed() > Duration::from_secs(2) {
            last = Instant::now();
            let elapsed = start.elapsed().as_secs();
            let line = format!("{elapsed} {count} {} {most} {slowest}", seen.len());
            fs::write(order.folder.join("progress"), line)?;
        }
    }
    let line = format!("{} {count} {} {most} {slowest}", start.elapsed().as_secs(), seen.len());
    fs::write(order.folder.join("progress"), line)?;
    let mut kinds: Vec<(String, u64)> = seen.into_iter().collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.1));
    let lines: Vec<String> = kinds.iter().map(|(what, times)| format!("{times} {what}\n")).collect();
    Ok(fs::write(order.folder.join("outcomes"), lines.concat())?)
}

/// Keeps an input that made anything panic, one for each place.
fn report(order: &Order, input: &[u8]) -> anyhow::Result<()> {
    for panic in PANICS.lock().unwrap_or_else(|e| e.into_inner()).drain(..) {
        let mut hash = DefaultHasher::new();
        panic.split(": ").next().hash(&mut hash);
        let name = order.folder.join(format!("panic-{:08x}", hash.finish() as u32));
        // The shortest one is the best to look at.
        let shorter = fs::metadata(&name).map_or(true, |m| m.len() > input.len() as u64);
        if shorter {
            fs::write(&name, input)?;
            fs::write(name.with_extension("txt"), &panic)?;
        }
    }
    Ok(())
}

/// Runs an input while [`watch`] looks at the clock.
fn watched<T>(input: impl FnOnce() -> T) -> std::thread::Result<T> {
    let began = |at| *BEGAN.lock().unwrap_or_else(|e| e.into_inner()) = at;
    began(Some((processor(), Instant::now())));
    let happened = catch_unwind(AssertUnwindSafe(input));
    began(None);
    happened
}

/// Ends the process when an input takes too long.
fn watch(longest: u64) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(250));
            let began = *BEGAN.lock().unwrap_or_else(|e| e.into_inner());
            let over = |(at, since): (u64, Instant)| {
                processor().saturating_sub(at) > 1000 * longest || since.elapsed().as_secs() > WAITING * longest
            };
            if began.is_some_and(over) {
                std::process::exit(HUNG);
            }
        }
    });
}

/// Processor time of this process in milliseconds: other processes do not make an input slow.
fn processor() -> u64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    // Ticks are hundredths of a second on every Linux of today.
    10 * (ticks(11) + ticks(12))
}
