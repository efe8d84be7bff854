//! Forward passes of the layer schedule: the recording of steps, stages and observations.

use super::Layers;
use super::command::{Commands, KernelName};
use super::link::Place;
use super::params::{Params, flags};
use super::prepare::{Keep, Prepared};
use super::recording::Recording;
use crate::device::{DeviceError, Start};
use crate::model::ports;

/// A range of intervals of a chunk in a forward pass.
#[derive(Clone, Copy)]
pub struct Stretch {
    /// First and one behind the last interval.
    pub range: (usize, usize),
    /// Whether frames are written.
    pub frames: bool,
    /// Whether sums and status are taken, in the first pass over an interval.
    pub count: bool,
}

impl Layers {
    /// Records the constants of all programs; they stay for the job.
    pub(super) fn record_constants(&self, recording: &mut Recording, base: Params) -> Result<(), DeviceError> {
        for (output, step, scalars, cells) in &self.layout.fills {
            let params =
                Params { step: *step, output: output.word(), numbers: *scalars as u32, terms: *cells as u32, ..base };
            recording.threads(KernelName::Fill, params, scalars * base.stride as usize)?;
        }
        Ok(())
    }

    /// Records the beginning of a chunk: parameters, the initial state; with `count` sums start anew.
    pub(super) fn record_start(
        &self,
        recording: &mut Recording,
        prepared: &Prepared,
        base: Params,
        count: bool,
    ) -> Result<(), DeviceError> {
        let layout = &self.layout;
        self.record_given(recording, base, count)?;
        let state = prepared.state(0);
        match (&prepared.job.trajectories.start, &layout.encode) {
            (Start::Observations(_), Some(encode)) => {
                self.record_encode(recording, prepared, base, encode)?;
                if layout.makes {
                    // From here on programs see the parameters that encode made.
                    recording.combine(base, layout.theta, layout.parameters, &[(encode.linked.outputs[1], 1.0)])?;
                }
                recording.combine(base, state, layout.states(), &[(encode.linked.outputs[0], 1.0)])
            }
            _ => self.record_load(recording, base, state, layout.states()),
        }
    }

    /// Records the parameters of the samples, as encode takes them; with `zero` sums and status start anew.
    pub(super) fn record_given(&self, recording: &mut Recording, base: Params, zero: bool) -> Result<(), DeviceError> {
        let layout = &self.layout;
        let params = Params {
            output: layout.theta.word(),
            numbers: layout.sizes[1] as u32,
            terms: layout.sum_rows() as u32,
            flags: base.flags | if zero { flags::ZERO } else { 0 },
            ..base
        };
        recording.threads(KernelName::Begin, params, base.samples as usize)
    }

    fn record_load(
        &self,
        recording: &mut Recording,
        base: Params,
        output: Place,
        numbers: usize,
    ) -> Result<(), DeviceError> {
        let params = Params { output: output.word(), numbers: numbers as u32, data_at: 0, ..base };
        recording.threads(KernelName::Load, params, numbers * base.samples as usize)
    }

    /// Records the forward part of encode on the first observation.
    pub(super) fn record_encode(
        &self,
        recording: &mut Recording,
        prepared: &Prepared,
        base: Params,
        encode: &Commands,
    ) -> Result<(), DeviceError> {
        if let Some(port) = encode.linked.ports[ports::STATE] {
            self.record_load(recording, base, port, self.layout.window)?;
        }
        let time = prepared.grid.observation(0);
        self.record_surroundings(recording, base, encode, (0, time, [1.0, 0.0]))?;
        recording.commands(base, &encode.parts[0], false)
    }

    /// Records inputs and time of a call, where its program reads them.
    fn record_surroundings(
        &self,
        recording: &mut Recording,
        base: Params,
        program: &Commands,
        (interval, time, [left, right]): (usize, f64, [f64; 2]),
    ) -> Result<(), DeviceError> {
        let [input, clock] = [ports::INPUT, ports::TIME].map(|port| program.linked.ports[port]);
        let inputs = if input.is_some() { self.layout.sizes[2] } else { 0 };
        if inputs == 0 && clock.is_none() {
            return Ok(());
        }
        let mut params = Params {
            interval: interval as u32,
            numbers: inputs as u32,
            // A program that does not read the time has no place for it: with terms 0 none is written.
            terms: u32::from(clock.is_some()),
            time: time as f32,
            left: left as f32,
            right: right as f32,
            ..base
        };
        params.places[0][0] = input.map_or(0, Place::word);
        params.places[0][1] = clock.map_or(0, Place::word);
        recording.threads(KernelName::Prepare, params, base.samples as usize)
    }

    /// Records the steps of a stretch of intervals.
    pub(super) fn record_forward(
        &self,
        recording: &mut Recording,
        prepared: &Prepared,
        base: Params,
        stretch: Stretch,
    ) -> Result<(), DeviceError> {
        let layout = &self.layout;
        let (from, to) = stretch.range;
        for interval in from..to {
            let next = prepared.state(interval + 1);
            for substep in 0..layout.substeps {
                let current = if substep == 0 { prepared.state(interval) } else { layout.between };
                let output = if substep + 1 == layout.substeps { next } else { layout.between };
                self.record_step(recording, prepared, base, stretch, (interval, substep), (current, output))?;
            }
            if stretch.count {
                let mut params =
                    Params { numbers: layout.states() as u32, code: 1 << 24, interval: interval as u32, ..base };
                params.places[0][0] = next.word();
                recording.samples(KernelName::Check, params, layout.states())?;
            }
            let full = prepared.keep == Keep::Trail;
            if full || (stretch.count && (prepared.has_targets() || layout.sees_targets)) {
                self.record_observe(recording, prepared, base, interval)?;
                let prediction = layout.observe.linked.outputs[0];
                if prepared.has_targets() {
                    let mut params = Params { numbers: layout.outputs() as u32, interval: interval as u32, ..base };
                    params.places[0][0] = prediction.word();
                    recording.samples(KernelName::Residuals, params, layout.outputs())?;
                }
                if layout.observables[1] > 0 {
                    let found = [layout.observe.linked.outputs[1]];
                    self.record_observables(recording, base, layout.observables[0], layout.observables[1], &found)?;
                }
                if full {
                    let slot = prepared.predictions_at + (interval - from) * layout.outputs();
                    recording.combine(base, Place::fixed(slot), layout.outputs(), &[(prediction, 1.0)])?;
                }
            }
        }
        Ok(())
    }

    fn record_step(
        &self,
        recording: &mut Recording,
        prepared: &Prepared,
        base: Params,
        stretch: Stretch,
        (interval, substep): (usize, usize),
        (current, output): (Place, Place),
    ) -> Result<(), DeviceError> {
        let layout = &self.layout;
        let (scheme, stages) = (&layout.tableau, layout.tableau.stages());
        let program = if stretch.frames { &layout.evolve_kept } else { &layout.evolve };
        let h = prepared.grid.step_length(interval);
        let first = match stretch.frames {
            true => ((interval - stretch.range.0) * layout.substeps + substep) * stages,
            false => 0,
        };
        let result = |output: usize, stage: usize| {
            prepared.result_of(self, program.linked.outputs[output], first + stage, stage)
        };
        let advanced = |weights: &[f64]| {
            let rates = weights.iter().enumerate().filter(|(_, w)| **w != 0.0).map(|(j, w)| (result(0, j), h * w));
            std::iter::once((current, 1.0)).chain(rates).collect::<Vec<(Place, f64)>>()
        };
        for stage in 0..stages {
            let call = prepared.call(self, base, first + stage, stage);
            if let Some(port) = program.linked.ports[ports::STATE] {
                recording.combine(call, port, layout.states(), &advanced(&scheme.a[stage]))?;
            }
            let c = scheme.c[stage];
            let time = prepared.grid.stage(interval, substep, c);
            let w = prepared.grid.input_weights(layout.interpolation, substep, c);
            self.record_surroundings(recording, call, program, (interval, time, [w.left, w.right]))?;
            recording.commands(call, &program.parts[0], false)?;
        }
        let terms = if scheme.map { vec![(result(0, 0), 1.0)] } else { advanced(&scheme.b) };
        recording.combine(base, output, layout.states(), &terms)?;
        if stretch.count {
            let found: Vec<Place> = (0..stages).map(|stage| result(1, stage)).collect();
            self.record_observables(recording, base, 0, layout.observables[0], &found)?;
        }
        Ok(())
    }

    /// Records the addition of `count` observables of some calls to the sums, from the place `first` among them.
    fn record_observables(
        &self,
        recording: &mut Recording,
        base: Params,
        first: usize,
        count: usize,
        calls: &[Place],
    ) -> Result<(), DeviceError> {
        // Behind status, squared error and present entries.
        let mut params = Params { output: 3 + first as u32, numbers: count as u32, terms: calls.len() as u32, ..base };
        for (call, place) in calls.iter().enumerate() {
            params.places[call / 4][call % 4] = place.word();
        }
        recording.threads(KernelName::Observables, params, base.samples as usize)
    }

    /// Records the forward part of observe on the state at the end of an interval.
    pub(super) fn record_observe(
        &self,
        recording: &mut Recording,
        prepared: &Prepared,
        base: Params,
        interval: usize,
    ) -> Result<(), DeviceError> {
        let observe = &self.layout.observe;
        if let Some(port) = observe.linked.ports[ports::STATE] {
            let state = prepared.state(interval + 1);
            recording.combine(base, port, self.layout.states(), &[(state, 1.0)])?;
        }
        let time = prepared.grid.observation(interval + 1);
        self.record_surroundings(recording, base, observe, (interval + 1, time, [1.0, 0.0]))?;
        self.record_targets(recording, base, interval)?;
        recording.commands(base, &observe.parts[0], false)
    }

    /// Records what observe sees of the observation at the end of an interval, where its program reads it.
    fn record_targets(&self, recording: &mut Recording, base: Params, interval: usize) -> Result<(), DeviceError> {
        let ports = &self.layout.observe.linked.ports;
        let seen =
            [ports::TARGET, ports::PRESENT].map(|port| if self.layout.sees_targets { ports[port] } else { None });
        if seen == [None; 2] {
            return Ok(());
        }
        let numbers = self.layout.outputs();
        let mut params = Params { numbers: numbers as u32, interval: interval as u32, terms: 0, ..base };
        for (i, place) in seen.into_iter().enumerate() {
            params.terms |= u32::from(place.is_some()) << i;
            params.places[0][i] = place.map_or(0, Place::word);
        }
        recording.threads(KernelName::Targets, params, numbers * base.samples as usize)
    }
}
