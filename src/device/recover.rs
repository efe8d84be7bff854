//! Devices that break down: opened anew, with more care, to do once more what they failed to do.
//!
//! A job is a function of what the host sends, and a descent of the state that the host last read; so nothing is lost but
//! time. What does the work again takes the same steps and yields the same bits, except after a lack of memory: smaller
//! tiles add up weight gradients in another order.

use super::result::{Breakdown, DeviceError, Evaluation, Gradient, MemoryPlan, Rollout, Wanted};
use super::{Descent, DescentSetup, DescentState, Device, Job, StepCost, Steps};
use crate::model::Model;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How carefully a device works: more so after a breakdown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Care {
    /// As fast as it can.
    #[default]
    Usual,
    /// Submissions half as long, for drivers that lose patience.
    Shorter,
    /// And half of the memory that a job takes otherwise.
    Smaller,
}

impl Care {
    /// The care that a breakdown asks for.
    fn after(breakdown: Breakdown) -> Care {
        if breakdown == Breakdown::OutOfMemory { Care::Smaller } else { Care::Shorter }
    }

    fn most(self, other: Care) -> Care {
        if self as u8 >= other as u8 { self } else { other }
    }

    /// Factor of the time that a submission should take.
    pub(super) fn haste(self) -> f64 {
        if self == Care::Usual { 1.0 } else { 0.5 }
    }

    /// A job takes at most this part of the memory that it would take as a whole.
    pub(super) fn parts(self) -> usize {
        if self == Care::Smaller { 2 } else { 1 }
    }
}

/// Breakdowns of a device, at most: one that fails again and again is not to be trusted.
const MOST: usize = 8;

type Open = dyn Fn(Care) -> Result<Arc<dyn Device>, DeviceError> + Send + Sync;

/// A device that is opened anew when it breaks down. What fails twice is an error.
pub struct Recovering {
    shared: Arc<Shared>,
}

struct Shared {
    model: Model,
    description: String,
    driver: Option<String>,
    open: Box<Open>,
    state: Mutex<State>,
}

struct State {
    /// None where it could not be opened again.
    device: Option<Arc<dyn Device>>,
    care: Care,
    /// How often it was opened again.
    opened: usize,
    /// What was recovered, with the value of `opened` that it led to.
    recoveries: Vec<(usize, String)>,
}

impl Recovering {
    /// A device that works, with its model, and how to open it again.
    pub fn new(
        device: Arc<dyn Device>,
        model: &Model,
        open: impl Fn(Care) -> Result<Arc<dyn Device>, DeviceError> + Send + Sync + 'static,
    ) -> Recovering {
        let (description, driver) = (device.description(), device.driver().map(String::from));
        let state = State { device: Some(device), care: Care::Usual, opened: 0, recoveries: Vec::new() };
        let shared =
            Shared { model: model.clone(), description, driver, open: Box::new(open), state: Mutex::new(state) };
        Recovering { shared: Arc::new(shared) }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The device, and how often it was opened again.
    fn current(&self) -> Result<(Arc<dyn Device>, usize), DeviceError> {
        let state = self.state();
        let gone = || self.broken(Breakdown::Lost, "it could not be opened again".into());
        Ok((state.device.clone().ok_or_else(gone)?, state.opened))
    }

    fn broken(&self, breakdown: Breakdown, message: String) -> DeviceError {
        let remedy = "give the same command again: what was finished before is kept; or use --device cpu".into();
        DeviceError::Broken { device: self.description.clone(), breakdown, message, remedy }
    }

    /// Does some work; after a breakdown once more, on the device opened anew. Also returns how often that was opened again.
    fn run<T>(&self, work: impl Fn(&dyn Device) -> Result<T, DeviceError>) -> Result<(T, usize), DeviceError> {
        let (device, number) = self.current()?;
        let (first, breakdown) = match work(&*device) {
            Ok(done) => return Ok((done, number)),
            Err(error) => match error.breakdown() {
                Some(breakdown) => (error, breakdown),
                None => return Err(error),
            },
        };
        drop(device);
        let (device, number) = self.reopen(number, breakdown, &first)?;
        match work(&*device) {
            Ok(done) => Ok((done, number)),
            Err(second) => Err(self.twice(number, &first, second)),
        }
    }

    /// Opens the device anew after an error, unless someone else has done so since it was opened for the `number`-th time.
    fn reopen(
        &self,
        number: usize,
        breakdown: Breakdown,
        error: &DeviceError,
    ) -> Result<(Arc<dyn Device>, usize), DeviceError> {
        let mut state = self.state();
        if let (true, Some(device)) = (state.opened > number, &state.device) {
            return Ok((device.clone(), state.opened));
        }
        // The memory of the old one may be needed for the new one.
        state.device = None;
        let what = first_line(error);
        if state.opened >= MOST {
            return Err(self.broken(breakdown, format!("for the {}th time: {}", MOST + 1, words(error))));
        }
        state.care = state.care.most(Care::after(breakdown));
        let how = match state.care {
            Care::Smaller => "opened anew, it did the work again in smaller tiles",
            _ => "opened anew, it did the work again",
        };
        tracing::warn!("{what}; the device is opened anew to do the work again");
        let device = (self.open)(state.care).map_err(|reason| {
            self.broken(breakdown, format!("{}; it could not be opened again: {}", words(error), first_line(&reason)))
        })?;
        state.opened += 1;
        let number = state.opened;
        state.recoveries.push((number, format!("{what}; {how}")));
        state.device = Some(device.clone());
        Ok((device, number))
    }

    /// The error of work that failed twice, the second time on the device as it was opened for the `number`-th time.
    fn twice(&self, number: usize, first: &DeviceError, second: DeviceError) -> DeviceError {
        let Some(breakdown) = second.breakdown() else { return second };
        // That recovery was none.
        self.state().recoveries.retain(|(of, _)| *of != number);
        let (first, second) = (words(first), words(&second));
        self.broken(breakdown, format!("twice at the same work: {first}; opened anew, {second}"))
    }
}

/// A breakdown without the device and the remedy.
fn words(error: &DeviceError) -> String {
    match error {
        DeviceError::Broken { breakdown, message, .. } => format!("{breakdown}: {message}"),
        other => first_line(other),
    }
}

/// An error without its remedy.
fn first_line(error: &DeviceError) -> String {
    error.to_string().lines().take_while(|line| !line.starts_with("help: ")).collect::<Vec<_>>().join(" ")
}

impl Device for Recovering {
    fn description(&self) -> String {
        self.shared.description.clone()
    }

    fn driver(&self) -> Option<&str> {
        self.shared.driver.as_deref()
    }

    fn model(&self) -> &Model {
        &self.shared.model
    }

    fn simulate(&self, job: &Job) -> Result<Rollout, DeviceError> {
        Ok(self.shared.run(|device| device.simulate(job))?.0)
    }

    fn evaluate(&self, job: &Job) -> Result<Evaluation, DeviceError> {
        Ok(self.shared.run(|device| device.evaluate(job))?.0)
    }

    fn gradient(&self, job: &Job, wanted: Wanted) -> Result<Gradient, DeviceError> {
        Ok(self.shared.run(|device| device.gradient(job, wanted))?.0)
    }

    fn memory(&self, job: &Job) -> Option<MemoryPlan> {
        self.shared.current().ok()?.0.memory(job)
    }

    fn descent<'a>(&self, setup: DescentSetup<'a>) -> Option<Result<Box<dyn Descent + 'a>, DeviceError>> {
        let made = self.shared.run(|device| device.descent(setup).transpose());
        let recovering = |(inner, number): (Option<Box<dyn Descent + 'a>>, usize)| {
            let shared = self.shared.clone();
            let descent = |inner| RecoveringDescent { shared, number, setup, inner, known: None, since: Vec::new() };
            inner.map(|inner| Box::new(descent(Some(inner))) as Box<_>)
        };
        made.map(recovering).transpose()
    }

    fn recoveries(&self) -> Vec<String> {
        self.shared.state().recoveries.iter().map(|(_, what)| what.clone()).collect()
    }
}

/// Training on a device that may break down: epochs since the host last knew the state are taken again.
struct RecoveringDescent<'a> {
    shared: Arc<Shared>,
    /// How often the device had been opened again when `inner` was made.
    number: usize,
    setup: DescentSetup<'a>,
    inner: Option<Box<dyn Descent + 'a>>,
    /// What the host knows.
    known: Option<DescentState>,
    /// Order and rate of the epochs since.
    since: Vec<(Vec<u32>, f64)>,
}

impl<'a> RecoveringDescent<'a> {
    fn run<T>(&mut self, work: impl Fn(&mut (dyn Descent + 'a)) -> Result<T, DeviceError>) -> Result<T, DeviceError> {
        let (first, breakdown) = match self.follow().and_then(&work) {
            Ok(done) => return Ok(done),
            Err(error) => match error.breakdown() {
                Some(breakdown) => (error, breakdown),
                None => return Err(error),
            },
        };
        // Its buffers go before new ones are made.
        self.inner = None;
        let (device, number) = self.shared.reopen(self.number, breakdown, &first)?;
        self.number = number;
        let again = self.restore(&*device).and_then(|()| self.inner.as_deref_mut().map(&work).transpose());
        match again {
            Ok(Some(done)) => Ok(done),
            Ok(None) => Err(first),
            Err(second) => Err(self.shared.twice(number, &first, second)),
        }
    }

    /// The descent, on the device of now: other work may have had it opened anew since.
    fn follow(&mut self) -> Result<&mut (dyn Descent + 'a), DeviceError> {
        let (device, number) = self.shared.current()?;
        if number > self.number {
            // Its buffers go before new ones are made.
            self.inner = None;
            self.number = number;
            self.restore(&*device)?;
        }
        let gone = || self.shared.broken(Breakdown::Lost, "it broke down before".into());
        self.inner.as_deref_mut().ok_or_else(gone)
    }

    /// A descent on a device opened anew, in the state that was lost.
    fn restore(&mut self, device: &dyn Device) -> Result<(), DeviceError> {
        self.inner = device.descent(self.setup).transpose()?;
        if let (Some(inner), Some(known)) = (&mut self.inner, &self.known) {
            inner.load(known)?;
            for (order, rate) in &self.since {
                inner.epoch(order, *rate)?;
            }
        }
        Ok(())
    }
}

impl Descent for RecoveringDescent<'_> {
    fn load(&mut self, state: &DescentState) -> Result<(), DeviceError> {
        self.known = Some(state.clone());
        self.since.clear();
        // After a breakdown the new descent is given the state as what is known.
        self.run(|inner| inner.load(state))
    }

    fn epoch(&mut self, order: &[u32], rate: f64) -> Result<Steps, DeviceError> {
        let steps = self.run(|inner| inner.epoch(order, rate))?;
        self.since.push((order.to_vec(), rate));
        Ok(steps)
    }

    fn cost(&mut self) -> Result<StepCost, DeviceError> {
        self.run(|inner| inner.cost())
    }

    fn state(&mut self) -> Result<DescentState, DeviceError> {
        let state = self.run(|inner| inner.state())?;
        self.known = Some(state.clone());
        self.since.clear();
        Ok(state)
    }
}
