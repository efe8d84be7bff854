//! What goes to an adapter and comes back: submissions with their stamps, waits with an end, downloads that look for the
//! stamps.

use super::context::Context;
use super::stamps::Stamps;
use crate::device::{Breakdown, DeviceError};
use crate::store::fault::{self, Point};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a submission may take before it counts as hung. Software adapters are slow, so it is generous.
const PATIENCE: Duration = Duration::from_secs(300);

impl Context {
    /// Submits commands, with a stamp at their end that [`Context::download`] looks for.
    pub fn submit(&self, mut encoder: wgpu::CommandEncoder) -> Result<wgpu::SubmissionIndex, DeviceError> {
        let mut stamps = self.stamps();
        while stamps.full() {
            drop(stamps);
            self.download(&[])?;
            stamps = self.stamps();
        }
        stamps.mark(&mut encoder);
        Ok(self.hand_over(&stamps, encoder))
    }

    fn stamps(&self) -> MutexGuard<'_, Stamps> {
        self.stamps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hand_over(&self, stamps: &Stamps, encoder: wgpu::CommandEncoder) -> wgpu::SubmissionIndex {
        if fault::hit(Point::DeviceLost) {
            self.device.destroy();
        }
        if fault::hit(Point::Validation) {
            stamps.offend(&self.queue);
        }
        let commands = encoder.finish();
        let vanishes = fault::hit(Point::SubmissionLost);
        self.queue.submit((!vanishes).then_some(commands))
    }

    /// Waits for a submission, or for everything submitted so far.
    pub fn wait_for(&self, submission_index: Option<wgpu::SubmissionIndex>) -> Result<(), DeviceError> {
        if fault::hit(Point::Hang) {
            return Err(self.breakdown(Breakdown::Hung, "a fault on purpose"));
        }
        let polled = self.device.poll(wgpu::PollType::Wait { submission_index, timeout: Some(PATIENCE) });
        self.alive()?;
        polled.map(|_| ()).map_err(|reason| match reason {
            wgpu::PollError::Timeout => {
                let seconds = PATIENCE.as_secs();
                self.breakdown(Breakdown::Hung, format!("no answer within {seconds} s; a hung driver needs a restart"))
            }
            // A number of another device: the work that was waited for cannot be vouched for.
            other => self.breakdown(Breakdown::Undone, other.to_string()),
        })
    }

    /// Says how much memory of the adapter is held, to who asks for it with `GREYBOX_LOG=debug`. GL drivers do not tell.
    fn tell_memory(&self) {
        if tracing::enabled!(tracing::Level::DEBUG)
            && let Some(report) = self.device.generate_allocator_report()
        {
            let (live, bytes) = (report.allocations.len(), report.total_allocated_bytes);
            tracing::debug!("adapter memory: {live} allocations, {bytes} bytes");
        }
    }

    pub(super) fn alive(&self) -> Result<(), DeviceError> {
        match self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            Some((breakdown, message)) => Err(self.breakdown(breakdown, message)),
            None => Ok(()),
        }
    }

    /// Reads ranges of buffers back: the words of each, in order. An error if any submission since the last download was not
    /// done to its end.
    pub fn download(&self, ranges: &[(&wgpu::Buffer, u64, u64)]) -> Result<Vec<Vec<u32>>, DeviceError> {
        let total: u64 = ranges.iter().map(|(_, _, words)| words * 4).sum();
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let mut stamps = self.stamps();
        let bytes = total + stamps.bytes();
        let staging = self.buffer("results", bytes, usage, "use fewer samples or steps at a time")?;
        let mut encoder = self.device.create_command_encoder(&Default::default());
        let mut at = 0;
        for (buffer, offset, words) in ranges.iter().filter(|(_, _, words)| *words > 0) {
            encoder.copy_buffer_to_buffer(buffer, offset * 4, &staging, at, words * 4);
            at += words * 4;
        }
        let expected = stamps.collect(&self.queue, &mut encoder, &staging, total);
        self.hand_over(&stamps, encoder);
        drop(stamps);
        let outcome: Arc<Mutex<Option<String>>> = Arc::default();
        let slot = outcome.clone();
        staging.slice(..).map_async(wgpu::MapMode::Read, move |result| {
            if let (Err(reason), Ok(mut slot)) = (result, slot.lock()) {
                *slot = Some(reason.to_string());
            }
        });
        self.wait_for(None)?;
        if let Some(reason) = outcome.lock().ok().and_then(|slot| slot.clone()) {
            return Err(self.breakdown(Breakdown::Lost, format!("results cannot be read: {reason}")));
        }
        let view = staging.get_mapped_range(..).map_err(|e| self.breakdown(Breakdown::Lost, e.to_string()))?;
        let mut words: Vec<u32> = bytemuck::pod_collect_to_vec(&view[..bytes as usize]);
        drop(view);
        let (results, found) = words.split_at_mut((total / 4) as usize);
        if let Some(message) = expected.missing(found) {
            return Err(self.breakdown(Breakdown::Undone, message));
        }
        self.tell_memory();
        if let Some(trace) = self.trace.as_ref().filter(|_| !ranges.is_empty()) {
            let remedy = "let them come from a trace of this very command";
            trace.download(ranges, results).map_err(|message| self.error(message, remedy))?;
        }
        let mut rest: &[u32] = results;
        let mut parts = Vec::with_capacity(ranges.len());
        for (_, _, words) in ranges {
            let (part, tail) = rest.split_at(*words as usize);
            parts.push(part.to_vec());
            rest = tail;
        }
        Ok(parts)
    }
}
