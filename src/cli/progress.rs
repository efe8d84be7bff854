//! How training shows its progress.

use crate::model::Model;
use crate::train::EpochMetrics;
use std::io::IsTerminal;
use std::time::Instant;

/// A progress bar on a terminal, a line now and then elsewhere.
pub struct Progress {
    bar: Option<indicatif::ProgressBar>,
    names: Vec<String>,
    epochs: usize,
    every: usize,
    start: Instant,
    first: usize,
}

impl Progress {
    /// Progress from epoch `done` on.
    pub fn new(epochs: usize, done: usize, model: &Model) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = indicatif::ProgressStyle::with_template("epoch {pos}/{len} {bar:30} {msg}, {eta} left");
            let bar = indicatif::ProgressBar::new(epochs as u64);
            bar.set_position(done as u64);
            bar.with_style(style.unwrap_or_else(|_| indicatif::ProgressStyle::default_bar()))
        });
        let names = model.objective.penalties.iter().map(|p| p.name.clone()).collect();
        Progress { bar, names, epochs, every: epochs.div_ceil(10).max(1), start: Instant::now(), first: done }
    }

    /// Shows a finished epoch.
    pub fn show(&self, m: &EpochMetrics) {
        let penalties: String = self.names.iter().zip(&m.penalties).map(|(n, v)| format!(", {n} {v:.3e}")).collect();
        let (loss, rate, speed) = (m.loss, m.rate, m.trajectories_per_s);
        let lambda = m.lambda.map_or(String::new(), |lambda| format!(", lambda {lambda:.3e}"));
        let failed = m.failed + m.validation_failed;
        let failed = if failed > 0 { format!(", {failed} left out") } else { String::new() };
        let text = format!("loss {loss:.3e}{penalties}{lambda}{failed}, rate {rate:.1e}, {speed:.0} trajectories/s");
        match &self.bar {
            Some(bar) => {
                bar.set_message(text);
                bar.inc(1);
            }
            None if m.epoch.is_multiple_of(self.every) || m.epoch == self.epochs => {
                let done = (m.epoch - self.first).max(1) as f64;
                let left = self.start.elapsed().as_secs_f64() / done * (self.epochs - m.epoch) as f64;
                eprintln!("epoch {}/{}: {text}, {left:.0} s left", m.epoch, self.epochs);
            }
            None => {}
        }
    }

    /// Leaves the bar as it stands.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }
}
