//! Devices that break down: when they are opened anew, with what care, and when that ends.

use crate::common::{Case, SPRING, model};
use greybox::device::{
    Breakdown, Care, Descent, DescentSetup, DescentState, Device, DeviceError, Evaluation, Gradient, Job, Recovering,
    Rollout, StepCost, Steps, Wanted, cpu::Cpu,
};
use greybox::model::Model;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Breaks at some calls, counted over all of its kind, and for good once a newer one is there.
#[derive(Clone)]
struct Glass {
    calls: Arc<AtomicUsize>,
    breaks: fn(usize) -> Option<Breakdown>,
    made: Arc<AtomicUsize>,
    number: usize,
}

impl Glass {
    fn call(&self) -> Result<(), DeviceError> {
        let found = match self.number == self.made.load(Ordering::SeqCst) {
            true => (self.breaks)(self.calls.fetch_add(1, Ordering::SeqCst) + 1),
            false => Some(Breakdown::Lost),
        };
        found.map_or(Ok(()), |breakdown| {
            let (message, remedy) = ("crack".into(), "none".into());
            Err(DeviceError::Broken { device: "glass".into(), breakdown, message, remedy })
        })
    }
}

/// A CPU of it.
struct Fragile {
    cpu: Cpu<f64>,
    glass: Glass,
}

impl Device for Fragile {
    fn description(&self) -> String {
        "glass f64".into()
    }

    fn model(&self) -> &Model {
        self.cpu.model()
    }

    fn simulate(&self, job: &Job) -> Result<Rollout, DeviceError> {
        self.glass.call().and_then(|()| self.cpu.simulate(job))
    }

    fn evaluate(&self, job: &Job) -> Result<Evaluation, DeviceError> {
        self.glass.call().and_then(|()| self.cpu.evaluate(job))
    }

    fn gradient(&self, job: &Job, wanted: Wanted) -> Result<Gradient, DeviceError> {
        self.glass.call().and_then(|()| self.cpu.gradient(job, wanted))
    }

    fn descent<'a>(&self, _setup: DescentSetup<'a>) -> Option<Result<Box<dyn Descent + 'a>, DeviceError>> {
        Some(Ok(Box::new(Counter(self.glass.clone(), DescentState::default()))))
    }
}

/// A device that breaks at some calls, and the care with which it was opened again.
fn recovering(model: &Model, breaks: fn(usize) -> Option<Breakdown>) -> (Recovering, Arc<Mutex<Vec<Care>>>) {
    let (calls, opened, own) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())), model.clone());
    let cares = opened.clone();
    let made = Arc::new(AtomicUsize::new(0));
    let make = move || {
        let number = made.fetch_add(1, Ordering::SeqCst) + 1;
        let glass = Glass { calls: calls.clone(), breaks, made: made.clone(), number };
        Arc::new(Fragile { cpu: Cpu::new(&own, 1 << 20), glass })
    };
    let first = make();
    let open = move |care| {
        cares.lock().unwrap().push(care);
        Ok(make() as Arc<dyn Device>)
    };
    (Recovering::new(first, model, open), opened)
}

fn spring() -> Model {
    let toml = "[model]\nphysics = \"t.wgsl\"\n[theta.k]\nbounds = [0.5, 2.0]\n[net.g]\nkind = \"mlp\"\nhidden = [4]\n\
                [solver]\nmethod = \"rk4\"\ndt = 0.2\n";
    model(toml, SPRING)
}

#[test]
fn what_broke_down_is_done_again_with_more_care_and_told() {
    let model = spring();
    let case = Case::random(&model, 5, 3, 1, 0.7);
    let job = case.job(&model);
    let expected = Cpu::<f64>::new(&model, 1 << 20).evaluate(&job).unwrap();
    // Calls 2, 4 and 7 break; each is done again by the next one.
    let (device, opened) = recovering(&model, |call| match call {
        2 => Some(Breakdown::Hung),
        4 => Some(Breakdown::OutOfMemory),
        7 => Some(Breakdown::Lost),
        _ => None,
    });
    for _ in 0..6 {
        assert_eq!(device.evaluate(&job).unwrap(), expected);
    }
    assert_eq!(*opened.lock().unwrap(), [Care::Shorter, Care::Smaller, Care::Smaller], "memory stays short");
    let told = device.recoveries();
    assert_eq!(told.len(), 3);
    assert!(told[0].contains("glass: it did not come to an end: crack; opened anew"), "{}", told[0]);
    assert!(told[1].contains("smaller tiles"), "{}", told[1]);
}

#[test]
fn what_breaks_down_twice_or_again_and_again_is_an_error() {
    let model = spring();
    let case = Case::random(&model, 5, 3, 1, 0.7);
    let job = case.job(&model);
    let (device, _) = recovering(&model, |call| (2..4).contains(&call).then_some(Breakdown::Undone));
    device.evaluate(&job).unwrap();
    let error = device.evaluate(&job).unwrap_err();
    assert_eq!(error.breakdown(), Some(Breakdown::Undone));
    assert!(error.to_string().contains("twice at the same work") && error.to_string().contains("\nhelp: "), "{error}");
    assert_eq!(device.recoveries().len(), 0, "nothing was recovered");
    device.evaluate(&job).expect("it may work later");

    let (device, opened) = recovering(&model, |call| (call % 2 == 1).then_some(Breakdown::Lost));
    for _ in 0..8 {
        device.evaluate(&job).unwrap();
    }
    let error = device.evaluate(&job).unwrap_err().to_string();
    assert!(error.contains("for the 9th time") && opened.lock().unwrap().len() == 8, "{error}");
}

/// Counts its steps, so that a step that is lost or taken twice would tell.
struct Counter(Glass, DescentState);

impl Descent for Counter {
    fn load(&mut self, state: &DescentState) -> Result<(), DeviceError> {
        self.1 = state.clone();
        Ok(())
    }

    fn epoch(&mut self, order: &[u32], _rate: f64) -> Result<Steps, DeviceError> {
        self.0.call()?;
        self.1.steps += order.len() as u64;
        Ok(Steps { reports: Vec::new(), halted: false })
    }

    fn cost(&mut self) -> Result<StepCost, DeviceError> {
        unreachable!("nobody asks")
    }

    fn state(&mut self) -> Result<DescentState, DeviceError> {
        self.0.call()?;
        Ok(self.1.clone())
    }
}

/// A device that other work has opened anew is not held against training: only what fails twice in a row is an error.
#[test]
fn training_follows_a_device_that_was_opened_anew() {
    let model = spring();
    let case = Case::random(&model, 5, 3, 1, 0.7);
    let job = case.job(&model);
    // 1 is an epoch, 2 an evaluation that 3 does again; 4 repeats the epoch, 5 is the next one, which 6 and 7 repeat.
    let (device, opened) = recovering(&model, |call| [2, 5].contains(&call).then_some(Breakdown::Lost));
    let setup = DescentSetup {
        trajectories: job.trajectories,
        objective: job.objective,
        batch: 1,
        draws: 1,
        seed: 0,
        betas: [0.9, 0.999],
        epsilon: 1e-8,
        weight_decay: 0.0,
        clip_value: 0.0,
        clip_norm: 0.0,
    };
    let mut descent = device.descent(setup).unwrap().unwrap();
    descent.load(&DescentState { steps: 100, ..DescentState::default() }).unwrap();
    descent.epoch(&[0, 1, 2], 0.1).unwrap();
    device.evaluate(&job).unwrap();
    descent.epoch(&[0, 1], 0.1).unwrap();
    assert_eq!(descent.state().unwrap().steps, 105);
    assert_eq!((opened.lock().unwrap().len(), device.recoveries().len()), (2, 2));
}

/// What is wrong with a job is no breakdown.
#[test]
fn a_job_that_does_not_fit_is_refused_at_once() {
    let model = spring();
    let mut case = Case::random(&model, 5, 3, 1, 0.7);
    case.trajectories.t0.pop();
    let (device, opened) = recovering(&model, |_| None);
    let error = device.evaluate(&case.job(&model)).unwrap_err();
    assert!(error.breakdown().is_none() && error.to_string().contains("t0"), "{error}");
    assert!(opened.lock().unwrap().is_empty());
}
