//! The devices that a benchmark compares.

use crate::cli::device::DeviceArguments;
use crate::device::{self, DEFAULT_BUDGET, Device, DeviceError, Precision, Request, gpu};
use crate::model::Model;
use anyhow::anyhow;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name in tables and figures.
    pub label: String,
    /// The name to open it by.
    name: String,
    precision: Precision,
    schedule: Option<gpu::Schedule>,
    /// Bytes for activations and checkpoints.
    budget: usize,
    /// True if the command names it; false if it is one of all.
    pub named: bool,
}

impl Target {
    /// The CPU device.
    pub fn cpu(precision: Precision) -> Target {
        let label = match precision {
            Precision::F32 => "cpu f32",
            Precision::F64 => "cpu f64",
        };
        Target {
            label: label.into(),
            name: "cpu".into(),
            precision,
            schedule: None,
            budget: DEFAULT_BUDGET,
            named: true,
        }
    }

    /// The devices that the command names, those of the CPU first: others are compared with them.
    pub fn all(arguments: &DeviceArguments) -> Result<Vec<Target>, anyhow::Error> {
        let mut targets = Vec::new();
        for name in arguments.device.split(',').map(str::trim) {
            match name {
                "" => {
                    return Err(anyhow!(
                        "--device {}: a name is missing\nhelp: write for example cpu,gpu",
                        arguments.device
                    ));
                }
                "all" => {
                    targets.extend([Precision::F32, Precision::F64].map(Target::cpu));
                    targets.extend(gpu::adapters().iter().enumerate().map(|(index, adapter)| {
                        let software = if adapter.kind == "software" { " (software)" } else { "" };
                        let label = format!("gpu {index} {}{software}", adapter.backend);
                        let adapter = Target::adapter(&index.to_string(), label, arguments);
                        Target { named: false, precision: Precision::F32, ..adapter }
                    }));
                }
                "cpu-f32" => targets.push(Target::cpu(Precision::F32)),
                "cpu-f64" => targets.push(Target::cpu(Precision::F64)),
                "cpu" if Option::<gpu::Schedule>::from(arguments.schedule).is_none() => {
                    targets.push(Target::cpu(arguments.precision()))
                }
                other if arguments.precision() == Precision::F64 && !["cpu", "auto"].contains(&other) => {
                    return Err(anyhow!(
                        "device `{other}`: adapters compute in f32\nhelp: leave out --precision; cpu-f64 is the CPU in f64"
                    ));
                }
                other => targets.push(Target::adapter(other, other.into(), arguments)),
            }
        }
        let mut distinct: Vec<Target> = Vec::new();
        for mut target in targets {
            target.budget = arguments.budget();
            if !distinct.contains(&target) {
                distinct.push(target);
            }
        }
        distinct.sort_by_key(|target| match (target.name.as_str(), target.precision) {
            ("cpu", Precision::F32) => 0,
            ("cpu", Precision::F64) => 1,
            _ => 2,
        });
        Ok(distinct)
    }

    /// An adapter; or whatever `auto` stands for.
    fn adapter(name: &str, label: String, arguments: &DeviceArguments) -> Target {
        Target {
            label,
            name: name.into(),
            precision: arguments.precision(),
            schedule: arguments.schedule.into(),
            budget: DEFAULT_BUDGET,
            named: true,
        }
    }

    /// Opens it with a model, for jobs of about so many trajectories.
    pub fn open(&self, model: &Model, samples: usize) -> Result<Box<dyn Device>, DeviceError> {
        let (name, precision, schedule) = (self.name.clone(), self.precision, self.schedule);
        let tuning = gpu::Tuning { measure: true, samples, ..gpu::Tuning::default() };
        device::open(&Request { name, precision, schedule, tuning, budget: self.budget, trace: None }, model)
    }

    /// The precision of what runs on it.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The name of the adapter to open, where it is one.
    pub fn adapter_name(&self) -> Option<&str> {
        match self.name.as_str() {
            "cpu" => None,
            "auto" if self.precision == Precision::F64 || !(self.schedule.is_some() || gpu::has_hardware()) => None,
            "auto" => Some("gpu"),
            name => Some(name),
        }
    }
}
