//! Reverse passes of the layer schedule: the exact reverse of the steps taken, call by call.

use super::Layers;
use super::command::KernelName;
use super::forward::Stretch;
use super::link::Place;
use super::params::Params;
use super::prepare::Prepared;
use super::recording::Recording;
use crate::device::gpu::memory::Slot;
use crate::device::gpu::params::Params as Shared;
use crate::device::{DeviceError, Start};

impl Layers {
    /// Records the reverse pass of a chunk whose forward pass has kept its states at the starts of segments, and with
    /// `single` all frames; other frames are computed again.
    pub(super) fn record_reverse(
        &self,
        recording: &mut Recording,
        prepared: &Prepared,
        base: Params,
        single: bool,
        weights: bool,
    ) -> Result<(), DeviceError> {
        let layout = &self.layout;
        let [state, theta] = layout.cotangents;
        recording.combine(base, state, layout.states(), &[])?;
        recording.combine(base, theta, layout.parameters, &[])?;
        let [of_stages, of_observations] = layout.observables;
        // Behind the number of a squared residual.
        self.record_seed(recording, base, layout.evolve_kept.cotangent(1), 1, of_stages)?;
        if of_observations > 0 {
            self.record_seed(recording, base, layout.observe.cotangent(1), 1 + of_stages, of_observations)?;
        }
        for range in prepared.segments().into_iter().rev() {
            if !single {
                self.record_forward(recording, prepared, base, Stretch { range, frames: true, count: false })?;
            }
            for interval in (range.0..range.1).rev() {
                if prepared.has_targets() || layout.sees_targets {
                    self.record_reverse_observe(recording, prepared, base, interval, weights)?;
                }
                for substep in (0..layout.substeps).rev() {
                    let first = ((interval - range.0) * layout.substeps + substep) * layout.tableau.stages();
                    self.record_reverse_step(recording, prepared, base, (interval, first), weights)?;
                }
                self.record_check(recording, base, interval)?;
            }
        }
        if let (Start::Observations(_), Some(encode)) = (&prepared.job.trajectories.start, &layout.encode) {
            self.record_given(recording, base, false)?;
            self.record_encode(recording, prepared, base, encode)?;
            if let Some(port) = encode.cotangent(0) {
                recording.combine(base, port, layout.states(), &[(state, 1.0)])?;
            }
            let mut before = vec![(theta, 1.0)];
            if layout.makes {
                // What reached parameters that encode made goes on through the networks that made them.
                before.clear();
                if let Some(port) = encode.cotangent(1) {
                    recording.combine(base, port, layout.parameters, &[(theta, 1.0)])?;
                }
            }
            recording.commands(base, &encode.parts[1], weights)?;
            before.push((encode.derivative(0), 1.0));
            recording.combine(base, theta, layout.sizes[1], &before)?;
            self.record_check(recording, base, 0)?;
        }
        Ok(())
    }

    /// Records the sum of partial weight gradients.
    pub(super) fn record_reduction(&self, recording: &mut Recording, prepared: &Prepared) -> Result<(), DeviceError> {
        let (weights, partitions) = (prepared.base.weights, prepared.base.partitions);
        let params = Shared { weights, partitions, ..Shared::default() };
        let members = prepared.seats.runs().len() as u32;
        let flops = (members * weights * partitions) as f64;
        recording.push(KernelName::Reduce, params, [weights.div_ceil(256), 1, members], flops)
    }

    /// Clears the partial weight gradients.
    pub(super) fn clear_partials(&self, recording: &mut Recording) -> Result<(), DeviceError> {
        recording.clear(Slot::Partials)
    }

    fn record_check(&self, recording: &mut Recording, base: Params, interval: usize) -> Result<(), DeviceError> {
        let layout = &self.layout;
        let (numbers, terms) = (layout.states(), layout.parameters);
        let mut params =
            Params { numbers: numbers as u32, terms: terms as u32, code: 2 << 24, interval: interval as u32, ..base };
        params.places[0][0] = layout.cotangents[0].word();
        params.places[0][1] = layout.cotangents[1].word();
        recording.samples(KernelName::Check, params, numbers + terms)
    }

    /// Records the cotangents of `count` observables, from number `first` of a seed, where a reverse part reads them.
    fn record_seed(
        &self,
        recording: &mut Recording,
        base: Params,
        port: Option<Place>,
        first: usize,
        count: usize,
    ) -> Result<(), DeviceError> {
        let Some(port) = port else { return Ok(()) };
        let params = Params { output: port.word(), numbers: count as u32, terms: first as u32, ..base };
        recording.threads(KernelName::Seed, params, base.samples as usize)
    }

    /// sum += other
    fn record_add(
        &self,
        recording: &mut Recording,
        base: Params,
        sum: Place,
        scalars: usize,
        other: Place,
    ) -> Result<(), DeviceError> {
        recording.combine(base, sum, scalars, &[(sum, 1.0), (other, 1.0)])
    }

    fn record_reverse_observe(
        &self,
        recording: &mut Recording,
        prepared: &Prepared,
        base: Params,
        interval: usize,
        weights: bool,
    ) -> Result<(), DeviceError> {
        let layout = &self.layout;
        let observe = &layout.observe;
        self.record_observe(recording, prepared, base, interval)?;
        match observe.cotangent(0) {
            Some(port) if prepared.has_targets() => {
                let mut params =
                    Params { output: port.word(), numbers: layout.outputs() as u32, interval: interval as u32, ..base };
                params.places[0][0] = observe.linked.outputs[0].word();
                recording.threads(KernelName::Mismatch, params, layout.outputs() * base.samples as usize)?;
            }
            Some(port) => recording.combine(base, port, layout.outputs(), &[])?,
            None => {}
        }
        recording.commands(base, &observe.parts[1], weights)?;
        let [state, theta] = layout.cotangents;
        self.record_add(recording, base, state, layout.states(), observe.derivative(0))?;
        self.record_add(recording, base, theta, layout.parameters, observe.derivative(1))
    }

    fn record_reverse_step(
        &self,
        recording: &mut Recording,
        prepared: &Prepared,
        base: Params,
        (interval, first): (usize, usize),
        weights: bool,
    ) -> Result<(), DeviceError> {
        let layout = &self.layout;
        let (scheme, program) = (&layout.tableau, &layout.evolve_kept);
        let [state, theta] = layout.cotangents;
        let (h, stages) = (prepared.grid.step_length(interval), scheme.stages());
        let result = |output: usize, stage: usize| {
            prepared.result_of(self, program.linked.outputs[output], first + stage, stage)
        };
        for stage in (0..stages).rev() {
            let call = prepared.call(self, base, first + stage, stage);
            if let Some(port) = program.cotangent(0) {
                let own = if scheme.map { 1.0 } else { h * scheme.b[stage] };
                let later = (stage + 1..stages).map(|later| (result(2, later), h * scheme.a[later][stage]));
                let terms: Vec<(Place, f64)> =
                    std::iter::once((state, own)).chain(later).filter(|(_, factor)| *factor != 0.0).collect();
                recording.combine(call, port, layout.states(), &terms)?;
            }
            recording.commands(call, &program.parts[1], weights)?;
            self.record_add(recording, base, theta, layout.parameters, result(3, stage))?;
        }
        let stages = (0..stages).map(|stage| (result(2, stage), 1.0));
        let before = std::iter::once((state, 1.0)).filter(|_| !scheme.map).chain(stages);
        recording.combine(base, state, layout.states(), &before.collect::<Vec<_>>())
    }
}
