//! What an adapter was asked to do, written down so that another implementation of WebGPU can repeat it: kernels, buffers,
//! writes, dispatches and what was read back. `tools/browser` repeats traces in a browser.

use serde::Serialize;
use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

/// A trace in the making. With answers of another adapter, these take the place of what this one answers.
#[derive(Default)]
pub struct Trace {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    events: Vec<Event>,
    /// Content of writes and answers.
    data: Vec<u8>,
    buffers: HashMap<wgpu::Buffer, usize>,
    groups: HashMap<wgpu::BindGroup, usize>,
    kernels: HashMap<wgpu::ComputePipeline, usize>,
    answers: Option<Vec<u32>>,
    answered: usize,
}

/// Buffers, kernels and groups are numbered in the order of their events; `at` and `bytes` are a range of the data.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    Buffer { label: String, size: u64, uniform: bool },
    Kernel { name: String, text: String, bindings: Vec<Binding> },
    Group { kernel: usize, entries: Vec<Entry> },
    Write { buffer: usize, offset: u64, at: usize, bytes: usize },
    Clear { buffer: usize },
    Dispatch { kernel: usize, group: usize, offset: u32, size: [u32; 3] },
    Download { ranges: Vec<Range>, at: usize, bytes: usize },
}

/// A binding of a kernel.
#[derive(Serialize)]
struct Binding {
    binding: u32,
    kind: &'static str,
}

/// A buffer bound, whole or its first bytes.
#[derive(Serialize)]
struct Entry {
    binding: u32,
    buffer: usize,
    size: Option<u64>,
}

/// Words of a buffer.
#[derive(Serialize)]
struct Range {
    buffer: usize,
    first: u64,
    words: u64,
}

impl fmt::Debug for Trace {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "Trace({} events)", self.state().events.len())
    }
}

impl Trace {
    /// A trace whose downloads are answered by the words of a file, in order.
    pub fn with_answers(path: &Path) -> std::io::Result<Trace> {
        let bytes = std::fs::read(path)?;
        if !bytes.len().is_multiple_of(4) {
            let message = format!("{} bytes are no whole words", bytes.len());
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, message));
        }
        let words = bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let state = State { answers: Some(words), ..State::default() };
        Ok(Trace { state: Mutex::new(state) })
    }

    /// Answers that were not asked for: those of another command.
    pub fn answers_left(&self) -> usize {
        let state = self.state();
        state.answers.as_ref().map_or(0, |answers| answers.len() - state.answered.min(answers.len()))
    }

    /// Writes `trace.json`, the events, and `trace.bin`, the data, into a folder.
    pub fn save(&self, folder: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let state = self.state();
        std::fs::write(folder.join("trace.bin"), &state.data)?;
        std::fs::write(folder.join("trace.json"), serde_json::to_vec(&state.events)?)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic holds the trace")
    }

    pub(super) fn buffer(&self, buffer: &wgpu::Buffer, label: &str) {
        let mut state = self.state();
        let number = state.buffers.len();
        state.buffers.insert(buffer.clone(), number);
        let uniform = buffer.usage().contains(wgpu::BufferUsages::UNIFORM);
        state.events.push(Event::Buffer { label: label.into(), size: buffer.size(), uniform });
    }

    pub(super) fn kernel(
        &self,
        pipeline: &wgpu::ComputePipeline,
        name: &str,
        text: &str,
        bindings: &[(u32, wgpu::BufferBindingType)],
    ) {
        let kind = |kind: &wgpu::BufferBindingType| match kind {
            wgpu::BufferBindingType::Uniform => "uniform",
            wgpu::BufferBindingType::Storage { read_only: true } => "read-only-storage",
            wgpu::BufferBindingType::Storage { read_only: false } => "storage",
        };
        let bindings = bindings.iter().map(|(binding, of)| Binding { binding: *binding, kind: kind(of) }).collect();
        let mut state = self.state();
        let number = state.kernels.len();
        state.kernels.insert(pipeline.clone(), number);
        state.events.push(Event::Kernel { name: name.into(), text: text.into(), bindings });
    }

    pub(super) fn group(
        &self,
        group: &wgpu::BindGroup,
        pipeline: &wgpu::ComputePipeline,
        entries: &[wgpu::BindGroupEntry],
    ) {
        let mut state = self.state();
        let bound = entries.iter().filter_map(|entry| match &entry.resource {
            wgpu::BindingResource::Buffer(bound) => Some(Entry {
                binding: entry.binding,
                buffer: state.buffers[bound.buffer],
                size: bound.size.map(|s| s.get()),
            }),
            _ => None,
        });
        let event = Event::Group { kernel: state.kernels[pipeline], entries: bound.collect() };
        let number = state.groups.len();
        state.groups.insert(group.clone(), number);
        state.events.push(event);
    }

    pub(super) fn write(&self, buffer: &wgpu::Buffer, offset: u64, content: &[u8]) {
        let mut state = self.state();
        let event = Event::Write { buffer: state.buffers[buffer], offset, at: state.data.len(), bytes: content.len() };
        state.data.extend_from_slice(content);
        state.events.push(event);
    }

    pub(super) fn clear(&self, buffer: &wgpu::Buffer) {
        let mut state = self.state();
        let event = Event::Clear { buffer: state.buffers[buffer] };
        state.events.push(event);
    }

    pub(super) fn dispatch(
        &self,
        pipeline: &wgpu::ComputePipeline,
        group: &wgpu::BindGroup,
        offset: u32,
        size: [u32; 3],
    ) {
        let mut state = self.state();
        let event = Event::Dispatch { kernel: state.kernels[pipeline], group: state.groups[group], offset, size };
        state.events.push(event);
    }

    /// Takes note of what was read back, and puts the other adapter's answer in its place. An error says what is wrong
    /// with that answer.
    pub(super) fn download(&self, ranges: &[(&wgpu::Buffer, u64, u64)], words: &mut [u32]) -> Result<(), String> {
        let mut state = self.state();
        let content: &[u8] = bytemuck::cast_slice(words);
        let ranges = ranges.iter().map(|(buffer, first, words)| Range {
            buffer: state.buffers[*buffer],
            first: *first,
            words: *words,
        });
        let event = Event::Download { ranges: ranges.collect(), at: state.data.len(), bytes: content.len() };
        state.data.extend_from_slice(content);
        state.events.push(event);
        let first = state.answered;
        state.answered += words.len();
        match &state.answers {
            None => Ok(()),
            Some(answers) => match answers.get(first..first + words.len()) {
                Some(answer) => {
                    words.copy_from_slice(answer);
                    Ok(())
                }
                None => Err(format!("the answers have {} words, fewer than are read back", answers.len())),
            },
        }
    }
}
