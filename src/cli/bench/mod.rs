//! `greybox bench`: times of compiling, forward passes, gradients, training steps and landscapes on one device or several,
//! beside what each device can do at best.
//!
//! `arguments` and `workloads` say what runs, `targets` where; `phases` and `train_step` run it, `measure` repeats it; `peak`
//! is measured first, `floor` is what arithmetic says. Results are `lines`, which `text` and `figures` show. `members` is a comparison of its own.

mod arguments;
mod figures;
mod floor;
mod lines;
mod measure;
mod members;
mod peak;
mod phases;
mod targets;
mod text;
mod train_step;
mod work;
mod workloads;

pub use arguments::BenchArguments;

use super::Failure;
use crate::device::{DeviceError, Precision};
use anyhow::anyhow;
use arguments::Phase;
use lines::{Entry, LeftOut, Line};
use measure::{Effort, Spread};
use peak::Peak;
use phases::{Case, Opened, Outcome};
use std::io::IsTerminal;
use targets::Target;
use workloads::Workload;

/// Time for each peak, if the command allows as much.
const PEAK_SECONDS: f64 = 0.4;

/// A benchmark: what was found so far.
struct Bench<'a> {
    arguments: &'a BenchArguments,
    targets: &'a [Target],
    peaks: Vec<Option<Peak>>,
    entries: Vec<Entry>,
    /// True if what fails ends the command: there is nothing else to report.
    alone: bool,
}

/// Runs the command.
pub fn run(arguments: &BenchArguments) -> Result<(), Failure> {
    if let Some(members) = arguments.members {
        return members::run(arguments, members);
    }
    let names = arguments.names();
    let hidden = arguments.hidden();
    let workloads = names.iter().flat_map(|name| hidden.iter().map(|hidden| Workload { name, hidden: *hidden }));
    // All of them are read before anything is timed, so that the last one's errors do not take minutes.
    let cases = workloads.map(|workload| Case::new(arguments, workload)).collect::<Result<Vec<Case>, Failure>>()?;
    if arguments.floor {
        return floor::run(&cases, arguments.json);
    }
    let targets = Target::all(&arguments.device)?;
    let alone = targets.len() == 1 && cases.iter().all(|case| case.batches().len() == 1);
    let mut bench = Bench { arguments, targets: &targets, peaks: Vec::new(), entries: Vec::new(), alone };
    let copied = bench.measure_peaks()?;
    for case in &cases {
        bench.case(case)?;
    }
    bench.measure_drift(copied)?;
    if !arguments.json {
        text::legend(&bench.entries);
    }
    match &arguments.figures {
        Some(folder) => figures::draw(&bench.entries, folder, arguments.json),
        None => Ok(()),
    }
}

impl Bench<'_> {
    fn effort_of_peaks(&self) -> Effort {
        Effort { repeats: None, seconds: self.arguments.seconds.min(PEAK_SECONDS) }
    }

    /// Peaks of the CPU, of every adapter too. Returns the times of the CPU's copy.
    fn measure_peaks(&mut self) -> Result<Spread, Failure> {
        let effort = self.effort_of_peaks();
        let copied = peak::copy(effort)?;
        let own = [
            (Precision::F32, peak::cpu(Precision::F32, copied, effort)?),
            (Precision::F64, peak::cpu(Precision::F64, copied, effort)?),
        ];
        for (precision, peak) in &own {
            let target = Target::cpu(*precision);
            let device = format!("{}, {} threads", target.label, rayon::current_num_threads());
            for line in Line::of_peak(&target.label, &device, peak) {
                self.add(Entry::Timed(Box::new(line)))?;
            }
        }
        for target in self.targets {
            let Some(name) = target.adapter_name() else {
                let found = own.iter().find(|(precision, _)| *precision == target.precision());
                self.peaks.push(found.map(|(_, peak)| *peak));
                continue;
            };
            match peak::adapter(name, effort) {
                Ok((device, peak)) => {
                    for line in Line::of_peak(&target.label, &device, &peak) {
                        self.add(Entry::Timed(Box::new(line)))?;
                    }
                    self.peaks.push(Some(peak));
                }
                Err(failure) => {
                    self.failed("peak", target, "product and copy", 1, failure)?;
                    self.peaks.push(None);
                }
            }
        }
        if !self.arguments.json {
            text::peaks(&self.entries);
        }
        Ok(copied)
    }

    /// The product of the CPU once more: a machine that others use is not as fast at the end as at the start.
    fn measure_drift(&mut self, copied: Spread) -> Result<(), Failure> {
        let label = Target::cpu(Precision::F32).label;
        let again = peak::cpu(Precision::F32, copied, self.effort_of_peaks())?;
        let [product, _] = Line::of_peak(&label, &label, &again);
        let product = Line { phase: "peak_product_end", ..product };
        if !self.arguments.json {
            text::drift(&self.entries, &product);
        }
        self.add(Entry::Timed(Box::new(product)))
    }

    /// All phases of a workload. Devices take turns, so that what is compared was measured at nearly the same time.
    fn case(&mut self, case: &Case) -> Result<(), Failure> {
        let first = self.entries.len();
        let (batches, mut opened) = (case.batches(), Vec::new());
        let targets = self.targets;
        for (target, peak) in targets.iter().zip(self.peaks.clone()) {
            self.announce(case, target, Phase::Compile, batches[0]);
            match case.compile(target, peak, batches[0]) {
                Ok((device, line)) => {
                    if self.arguments.times(Phase::Compile) {
                        self.timed(line)?;
                    }
                    opened.push(device);
                }
                Err(failure) => self.failed(case.workload.name, target, "all phases", batches[0], failure)?,
            }
        }
        for batch in batches {
            let work = case.work(batch);
            for opened in &opened {
                self.phase(case, opened, Phase::Forward, batch, || Ok(Ok(case.forward(opened, &work)?)))?;
                self.phase(case, opened, Phase::Gradient, batch, || case.gradient(opened, &work))?;
                self.phase(case, opened, Phase::TrainStep, batch, || Ok(Ok(case.train_step(opened, &work)?)))?;
            }
        }
        let (points, trajectories) = self.arguments.landscape(case.model.grid.is_some());
        for points in points {
            for opened in &opened {
                let landscape = || case.landscape(opened, points, trajectories);
                self.phase(case, opened, Phase::Landscape, points, landscape)?;
            }
        }
        if !self.arguments.json {
            text::head(case);
            text::table(&self.entries[first..]);
        }
        Ok(())
    }

    /// Times a phase of `amount` trajectories or points, unless it is not wanted or would take too long.
    fn phase(
        &mut self,
        case: &Case,
        opened: &Opened,
        phase: Phase,
        amount: usize,
        run: impl FnOnce() -> Result<Outcome, Failure>,
    ) -> Result<(), Failure> {
        if !self.arguments.times(phase) {
            return Ok(());
        }
        self.announce(case, opened.target, phase, amount);
        let name = case.workload.name;
        if let Some(seconds) = self.expected(case, opened.target, phase, amount)
            && seconds > self.arguments.longest
        {
            let reason =
                format!("a repetition would take about {seconds:.1} s; --longest {:.0} allows it", seconds.ceil());
            return self.left_out(name, opened.target, phase.name(), amount, reason);
        }
        match run() {
            Ok(Ok(line)) => self.timed(line),
            Ok(Err(reason)) => self.left_out(name, opened.target, phase.name(), amount, reason),
            Err(failure) => self.failed(name, opened.target, phase.name(), amount, failure),
        }
    }

    /// Seconds of a repetition, in proportion to the largest amount that was timed.
    fn expected(&self, case: &Case, target: &Target, phase: Phase, amount: usize) -> Option<f64> {
        let hidden = case.hidden();
        let alike = |line: &&Line| {
            line.workload == case.workload.name
                && line.hidden == hidden
                && line.target == target.label
                && line.phase == phase.name()
        };
        let line = self.entries.iter().rev().filter_map(Entry::timed).find(alike)?;
        let known = line.points.unwrap_or(line.batch);
        Some(line.spread.ms * 1e-3 * amount as f64 / known as f64)
    }

    fn timed(&mut self, mut line: Line) -> Result<(), Failure> {
        let first = Target::cpu(Precision::F32).label;
        if line.target != first {
            let reference = self.entries.iter().filter_map(Entry::timed);
            let mut reference = reference.filter(|other| other.target == first && line.same_work(other));
            line.speed_to_cpu_f32 = reference.next().map(|reference| reference.spread.ms / line.spread.ms);
        }
        self.add(Entry::Timed(Box::new(line)))
    }

    fn failed(
        &mut self,
        workload: &str,
        target: &Target,
        what: &str,
        amount: usize,
        failure: Failure,
    ) -> Result<(), Failure> {
        let Failure::Error(error) = &failure else { return Err(failure) };
        let Some(reason) = error.downcast_ref::<DeviceError>() else { return Err(failure) };
        // A device that was asked for by name and is not there is a mistake.
        if self.alone || (target.named && matches!(reason, DeviceError::Unavailable { .. })) {
            return Err(failure);
        }
        let reason = reason.to_string().replace('\n', "; ");
        self.left_out(workload, target, what, amount, reason)
    }

    fn left_out(
        &mut self,
        workload: &str,
        target: &Target,
        what: &str,
        amount: usize,
        reason: String,
    ) -> Result<(), Failure> {
        self.add(Entry::LeftOut(LeftOut {
            workload: workload.into(),
            device: target.label.clone(),
            phase: "left_out",
            left_out: what.into(),
            batch: amount,
            reason,
        }))
    }

    fn add(&mut self, entry: Entry) -> Result<(), Failure> {
        if self.arguments.json {
            println!("{}", serde_json::to_string(&entry).map_err(|reason| anyhow!(reason))?);
        }
        self.entries.push(entry);
        Ok(())
    }

    /// Tells a person at the terminal what they wait for.
    fn announce(&self, case: &Case, target: &Target, phase: Phase, amount: usize) {
        if std::io::stderr().is_terminal() {
            eprintln!("{}: {} of {amount} on {}", case.workload.name, phase.name(), target.label);
        }
    }
}
