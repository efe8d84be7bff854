//! What an adapter is asked before it is trusted: the accuracy of its arithmetic, and a small gradient that is compared with
//! the CPU in f64. Findings are kept by adapter, driver and version of greybox, so that only the first start pays.

use super::arithmetic::{self, ACCURATE, Arithmetic};
use super::cache::{folder, replace};
use super::context::{Context, PARAMS_STRIDE};
use super::kernel::Kernel;
use super::memory::{Memory, Slot};
use super::params::Params;
use super::source::{FINITE, PARAMS, Schedule, Source};
use super::{Gpu, adapters};
use crate::device::cpu::Cpu;
use crate::device::{Care, Device, DeviceError, Gradient, Job, Trajectories, Wanted};
use crate::graph::library;
use crate::model::{Model, ModelSpec, SolverSpec, ThetaSpec};
use crate::program::Weights;
use crate::rng::{Purpose, Stream};
use crate::store::{Checksum, fault};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Largest error of the gradient relative to the largest entry of an array: that of the contract.
const ALLOWED: f64 = 2e-4;

/// What was found out about an adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelfTest {
    /// Adapter, backend, driver, and the version of greybox.
    identity: String,
    /// Its arithmetic.
    pub arithmetic: Arithmetic,
    /// Error of the gradient by schedule, relative to the largest entry of an array.
    pub gradients: BTreeMap<String, f64>,
}

impl SelfTest {
    /// Names of the builtins that kernels use functions of the library for.
    pub fn replaced(&self) -> Vec<String> {
        self.arithmetic.builtins.iter().filter(|b| b.is_coarse()).map(|b| b.name.clone()).collect()
    }

    /// Names of all builtins that the library has functions for.
    pub(super) fn all(&self) -> Vec<String> {
        self.arithmetic.builtins.iter().map(|b| b.name.clone()).collect()
    }

    /// Names of the builtins that are accurate.
    pub(super) fn kept(&self) -> Vec<String> {
        let accurate = self.arithmetic.builtins.iter().filter(|b| !b.is_coarse());
        accurate.map(|b| b.name.clone()).collect()
    }

    /// What is short of what is expected, in words.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for builtin in self.arithmetic.builtins.iter().filter(|b| b.is_coarse() && b.library > ACCURATE) {
            notes.push(format!(
                "{} is off by {:.1e}, its replacement by {:.1e}",
                builtin.name, builtin.builtin, builtin.library
            ));
        }
        let Arithmetic { division, sqrt, inverse_sqrt, overflows, .. } = self.arithmetic;
        for (what, error) in [("division", division), ("sqrt", sqrt), ("inverseSqrt", inverse_sqrt)] {
            if error > ACCURATE {
                notes.push(format!("{what} is off by {error:.1e}"));
            }
        }
        if !overflows {
            notes.push("overflow does not yield infinities: a diverging trajectory may be seen late".into());
        }
        notes
    }
}

/// What was found out in this process, by identity.
static KNOWN: Mutex<Option<HashMap<String, SelfTest>>> = Mutex::new(None);

/// The self-test of an adapter by name, in all schedules.
pub fn self_test(name: &str) -> Result<SelfTest, DeviceError> {
    let adapter = adapters::choose(name)?;
    for schedule in Schedule::ALL {
        examine_gradient(&adapter, schedule)?;
    }
    examine(&adapter)
}

/// What is known of an adapter's arithmetic; measured where nothing is.
pub fn examine(adapter: &wgpu::Adapter) -> Result<SelfTest, DeviceError> {
    let identity = identity(adapter);
    if let Some(known) = recall(&identity) {
        return Ok(known);
    }
    let context = fault::without(|| Context::open(adapter, Care::Usual))?;
    let arithmetic = fault::without(|| measure(&context))?;
    if !arithmetic.told {
        let message = "self-test: it does not tell numbers that are not finite by their bits";
        return Err(context.error(message, REMEDY));
    }
    let found = SelfTest { identity, arithmetic, gradients: BTreeMap::new() };
    for note in found.notes() {
        tracing::warn!("{}: self-test: {note}", context.name);
    }
    remember(&found);
    Ok(found)
}

/// Compares a gradient in a schedule with the CPU's in f64, unless that was done; an adapter that errs is refused.
pub fn examine_gradient(adapter: &wgpu::Adapter, schedule: Schedule) -> Result<(), DeviceError> {
    let mut found = examine(adapter)?;
    if found.gradients.contains_key(schedule.name()) {
        return Ok(());
    }
    let context = fault::without(|| Context::open(adapter, Care::Usual))?.with(found.kept(), None);
    let name = context.name.clone();
    let error = fault::without(|| gradient_error(context, schedule))?;
    if error > ALLOWED {
        let message = format!(
            "self-test: a gradient in the {} schedule is off by {error:.1e} of its largest entry, {ALLOWED:.0e} is allowed",
            schedule.name()
        );
        return Err(DeviceError::Failed { device: name, message, remedy: REMEDY.into() });
    }
    found.gradients.insert(schedule.name().into(), error);
    remember(&found);
    Ok(())
}

/// The remedy for an adapter that computes wrongly.
const REMEDY: &str = "update its driver, choose another adapter (`greybox devices` lists them), or use --device cpu";

/// Adapter, driver, greybox and the text of the test.
fn identity(adapter: &wgpu::Adapter) -> String {
    let (info, version) = (adapter.get_info(), env!("CARGO_PKG_VERSION"));
    let mut sum = Checksum::new();
    sum.add(source().text.as_bytes());
    format!("{} ({}), {}, greybox {version}-{}", info.name, info.backend, adapters::driver(&info), sum.digits())
}

fn path(identity: &str) -> Option<PathBuf> {
    let plain: String = identity.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    Some(folder()?.join(format!("self-test-{plain}.json")))
}

fn recall(identity: &str) -> Option<SelfTest> {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if !known.contains_key(identity) {
        let found = read(&path(identity)?, identity)?;
        known.insert(identity.into(), found);
    }
    known.get(identity).cloned()
}

/// What a file says of an adapter; nothing if there is none or it says something else.
fn read(path: &Path, identity: &str) -> Option<SelfTest> {
    let text = std::fs::read(path).ok()?;
    let found = serde_json::from_slice::<SelfTest>(&text).ok().filter(|found| found.identity == identity);
    if found.is_none() {
        tracing::warn!("{} is not the self-test of {identity}; it is made anew", path.display());
    }
    found
}

/// Keeps a finding, for this process and on disk: beside the old file and then in its place.
fn remember(found: &SelfTest) {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.get_or_insert_default().insert(found.identity.clone(), found.clone());
    let (Some(path), Ok(text)) = (path(&found.identity), serde_json::to_vec_pretty(found)) else { return };
    if let Err(reason) = replace(&path, &text) {
        tracing::debug!(path = %path.display(), %reason, "the self-test is not kept");
    }
}

fn source() -> Source {
    let text = [PARAMS, FINITE, include_str!("../../../shaders/kernels/self_test.wgsl")].join("\n");
    let library = library(&text);
    Source { name: "self_test".into(), text: text + "\n" + &library }
}

/// Runs the kernel and judges what it finds.
fn measure(context: &Context) -> Result<Arithmetic, DeviceError> {
    let kernel = Kernel::new(context, &source())?;
    let count = arithmetic::CASES * arithmetic::POINTS;
    let params = Params { samples: count as u32, stride: arithmetic::POINTS as u32, ..Params::default() };
    let mut memory = Memory::default();
    memory.reserve(context, Slot::Params, PARAMS_STRIDE as usize)?;
    memory.write(context, Slot::Params, bytemuck::bytes_of(&params))?;
    memory.write(context, Slot::Data, bytemuck::cast_slice(&arithmetic::all_arguments()))?;
    memory.reserve(context, Slot::Results, 4 * count)?;
    let group = kernel.bind(context, &memory, &[Slot::Data, Slot::Results]);
    let mut encoder = context.device.create_command_encoder(&Default::default());
    let mut pass = encoder.begin_compute_pass(&Default::default());
    kernel.dispatch(&mut pass, &group, 0, [count.div_ceil(64) as u32, 1, 1]);
    drop(pass);
    context.submit(encoder)?;
    let words = context.download(&[(memory.get(Slot::Results), 0, count as u64)])?.remove(0);
    Ok(arithmetic::judge(&words.into_iter().map(f32::from_bits).collect::<Vec<f32>>()))
}

/// A pendulum with a small network: functions, products, stages and a reverse pass.
fn model() -> Model {
    let net = "kind = \"mlp\"\nhidden = [6, 5]\nactivation = \"tanh\"";
    let net = toml::from_str(net).expect("a network");
    let theta = ThetaSpec { bounds: Some([5.0, 15.0]), ..ThetaSpec::default() };
    let spec = ModelSpec {
        nets: BTreeMap::from([("g".to_string(), net)]),
        theta: BTreeMap::from([("gravity".to_string(), theta)]),
        solver: SolverSpec { dt: 0.05, ..SolverSpec::default() },
        ..ModelSpec::default()
    };
    Model::compile(spec, "pendulum.wgsl", include_str!("../../../shaders/systems/pendulum.wgsl")).expect("a model")
}

/// The largest error of a gradient, relative to the largest entry of each array, against the CPU in f64.
fn gradient_error(context: Context, schedule: Schedule) -> Result<f64, DeviceError> {
    const BUDGET: usize = 16 << 20;
    let model = model();
    let stream = Stream::new(1, Purpose::Simulation);
    let draw = |index: usize, step: u32| 2.0 * stream.uniform(index as u32, step) - 1.0;
    let (count, steps) = (70, 3);
    let mut trajectories = Trajectories::from_states(count, steps, (0..2 * count).map(|i| draw(i, 0)).collect());
    trajectories.targets = Some((0..3 * count * steps).map(|i| draw(i, 1)).collect());
    let theta: Vec<f64> = (0..count).map(|i| 10.0 + 4.0 * draw(i, 2)).collect();
    let mut weights = Weights::zeros(&model.weights, 1);
    weights.values.iter_mut().enumerate().for_each(|(i, w)| *w = 0.6 * draw(i, 3));
    let rows = trajectories.rows();
    let job = Job::new(&trajectories, &rows, &theta, &weights, &model.objective);
    let wanted = Wanted { weights: true, inputs: true };
    let gpu = Gpu::with(context, &model, Some(schedule.into()), BUDGET)?;
    let (found, expected) = (gpu.gradient(&job, wanted)?, Cpu::<f64>::new(&model, BUDGET).gradient(&job, wanted)?);
    Ok(difference(&found, &expected))
}

/// The largest difference of an array of two gradients, relative to its largest entry; infinite for what is not finite.
fn difference(found: &Gradient, expected: &Gradient) -> f64 {
    let arrays = |g: &Gradient| {
        let objective = g.evaluation.terms.iter().map(|t| t.objective).collect::<Vec<f64>>();
        [g.weights.clone(), g.theta.clone(), g.start.clone(), objective]
    };
    let of = |(found, expected): (Vec<f64>, Vec<f64>)| {
        let largest = expected.iter().fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
        found.iter().zip(&expected).fold(0.0f64, |worst, (f, e)| {
            let error = (f - e).abs() / largest;
            if error.is_finite() { worst.max(error) } else { f64::INFINITY }
        })
    };
    arrays(found).into_iter().zip(arrays(expected)).map(of).fold(0.0, f64::max)
}
