//! Tables of a benchmark for the terminal.

use super::lines::{Entry, LeftOut, Line};
use super::phases::Case;

/// The title of a case and the head of its table.
pub fn head(case: &Case) {
    let hidden: Vec<String> = case.hidden().iter().map(|layers| list(layers)).collect();
    let hidden = if hidden.is_empty() { String::new() } else { format!(", hidden layers {}", hidden.join(" and ")) };
    println!("\n{}: {} steps{hidden}", case.workload.name, case.steps);
}

fn list(numbers: &[usize]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<String>>().join(",")
}

/// The peaks.
pub fn peaks(entries: &[Entry]) {
    println!("peak of this run (median, quartiles)");
    for line in timed(entries) {
        let s = &line.spread;
        let (what, rate, unit, amount) = match line.gflops {
            Some(gflops) => ("matrix product", gflops, "GFLOP/s", gflops * s.ms),
            None => ("copy", line.gb_per_s.unwrap_or(f64::NAN), "GB/s", line.gb_per_s.unwrap_or(f64::NAN) * s.ms),
        };
        let [low, high] = [amount / s.ms_q3, amount / s.ms_q1];
        println!("  {:<24} {what:<15} {rate:>9.1} {unit:<7} ({low:.1} to {high:.1})", line.target);
    }
    left_out(entries);
}

/// The product at the end of a run beside that at its start.
pub fn drift(entries: &[Entry], product: &Line) {
    let first = timed(entries).find(|line| line.phase == "peak_product" && line.target == product.target);
    if let Some((first, last)) = first.and_then(|line| line.gflops).zip(product.gflops) {
        println!("\nthe matrix product on {} at the end: {last:.1} GFLOP/s, at the start {first:.1}", product.target);
    }
}

/// The lines of a case: the devices side by side for each phase and batch.
pub fn table(entries: &[Entry]) {
    let lines: Vec<&Line> = timed(entries).collect();
    let width = lines.iter().map(|l| l.target.chars().count()).max().unwrap_or(0).max(6);
    let compared = lines.iter().any(|l| l.target != lines[0].target);
    println!(
        "{:<11} {:>9} {:<width$} {:>10} {:>9} {:>9} {:>9} {:>9} {:>14} {:>9} {:>7} {:>8}{}",
        "phase",
        "batch",
        "device",
        "ms",
        "least",
        "25 %",
        "75 %",
        "most",
        "trajectories/s",
        "GFLOP/s",
        "of peak",
        "MB",
        if compared { "  to cpu f32" } else { "" }
    );
    let mut shown: Vec<bool> = vec![false; lines.len()];
    for first in 0..lines.len() {
        for (line, shown) in lines.iter().zip(&mut shown).skip(first) {
            if !*shown && line.same_work(lines[first]) {
                *shown = true;
                println!("{}", row(line, width, compared));
            }
        }
    }
    notes(&lines);
    left_out(entries);
}

fn row(line: &Line, width: usize, compared: bool) -> String {
    let number = |value: Option<f64>, digits: usize| value.map_or("-".into(), |v| format!("{v:.digits$}"));
    let batch = line.points.map_or_else(|| line.batch.to_string(), |points| format!("{points} x {}", line.batch));
    let s = &line.spread;
    let share = line.share_of_peak.map_or("-".into(), |share| format!("{:.0} %", 100.0 * share));
    let ratio = match (compared, line.speed_to_cpu_f32) {
        (false, _) => String::new(),
        (true, Some(ratio)) => format!("  {ratio:>8.3} x"),
        (true, None) => "         -".into(),
    };
    format!(
        "{:<11} {batch:>9} {:<width$} {:>10.3} {:>9.3} {:>9.3} {:>9.3} {:>9.3} {:>14} {:>9} {share:>7} {:>8}{ratio}",
        line.phase,
        line.target,
        s.ms,
        s.ms_min,
        s.ms_q1,
        s.ms_q3,
        s.ms_max,
        number(line.trajectories_per_s, 0),
        number(line.gflops, 1),
        number(line.process_bytes.map(|bytes| bytes as f64 / 1e6), 0),
    )
}

/// Memory of gradients, costs of steps that stay on a device, rates of landscapes: of the largest batch and landscape alone.
fn notes(lines: &[&Line]) {
    let mb = |bytes: usize| bytes as f64 / 1e6;
    let amount = |line: &Line| line.points.unwrap_or(line.batch);
    let largest = |line: &&&Line| {
        let same = lines.iter().filter(|other| other.phase == line.phase && other.target == line.target);
        same.map(|other| amount(other)).max() == Some(amount(line))
    };
    for line in lines.iter().filter(largest) {
        let (phase, batch, target) = (line.phase, line.batch, &line.target);
        if let Some(memory) = &line.memory {
            println!(
                "{phase} of {batch} on {target}: {:.1} MB planned ({}), {:.1} MB of trajectories",
                mb(memory.planned),
                memory.keeps,
                mb(memory.data)
            );
        }
        if let Some(cost) = line.cost {
            let share =
                line.share_of_copy.map_or(String::new(), |share| format!(", {:.0} % of the copy", 100.0 * share));
            println!(
                "{phase} of {batch} on {target}: {} dispatches, {:.1} MB of buffers read and written ({:.1} GB/s{share}), \
                 {:.2} Gflop, one read by the host per {} steps",
                cost.dispatches,
                mb(cost.bytes),
                line.gb_per_s.unwrap_or(f64::NAN),
                cost.flops / 1e9,
                cost.steps_per_readback
            );
        }
        if let (Some(points), Some(rate)) = (line.points, line.points_per_s) {
            println!("{phase} of {points} points with {batch} trajectories each on {target}: {rate:.0} points/s");
        }
    }
}

fn left_out(entries: &[Entry]) {
    for entry in entries {
        if let Entry::LeftOut(LeftOut { device, left_out, batch, reason, .. }) = entry {
            println!("left out: {left_out} of {batch} on {device}: {reason}");
        }
    }
}

fn timed(entries: &[Entry]) -> impl Iterator<Item = &Line> {
    entries.iter().filter_map(Entry::timed)
}

/// What the names of devices in tables stand for, where they say less.
pub fn legend(entries: &[Entry]) {
    let mut known: Vec<(&str, &str)> = Vec::new();
    for line in timed(entries).filter(|line| line.workload != "peak") {
        let pair = (line.target.as_str(), line.device.as_str());
        if !known.contains(&pair) {
            known.push(pair);
        }
    }
    for (target, device) in &known {
        println!("{target}: {device}");
    }
    if known.iter().any(|(_, device)| device.contains("a software adapter")) {
        println!(
            "a software adapter runs kernels on the processor: it shows that they are right, not how fast a GPU is"
        );
    }
}
