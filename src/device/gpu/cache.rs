//! What is kept on disk between runs: compiled pipelines, where the backend can do that (Vulkan), and findings about adapters.
//!
//! The folder is `$GREYBOX_CACHE`, or `greybox` in `$XDG_CACHE_HOME` or `~/.cache`; without any of them nothing is kept. A
//! file that cannot be read or written costs a compilation, never a run.

use crate::store::{WriteError, make_folder, write};
use std::path::{Path, PathBuf};

/// The pipelines of one adapter.
pub struct DiskCache {
    cache: wgpu::PipelineCache,
    path: PathBuf,
}

impl DiskCache {
    /// Opens the cache of an adapter; `None` where its backend has none. The device needs the feature `PIPELINE_CACHE`.
    pub fn open(device: &wgpu::Device, info: &wgpu::AdapterInfo) -> Option<DiskCache> {
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return None;
        }
        let path = folder()?.join(wgpu::util::pipeline_cache_key(info)?);
        let data = std::fs::read(&path).ok();
        let descriptor =
            wgpu::PipelineCacheDescriptor { label: Some("greybox"), data: data.as_deref(), fallback: true };
        // SAFETY: the data was written by `save`, from `get_data`; wgpu and the driver check its header against the
        // adapter and its driver's version, and drop what does not fit.
        #[allow(unsafe_code, reason = "wgpu has no other way to hand a cache over")]
        let cache = unsafe { device.create_pipeline_cache(&descriptor) };
        Some(DiskCache { cache, path })
    }

    /// The cache, for new pipelines.
    pub fn pipelines(&self) -> &wgpu::PipelineCache {
        &self.cache
    }

    /// Writes what the driver has gathered.
    pub fn save(&self) {
        let Some(data) = self.cache.get_data() else { return };
        if let Err(reason) = replace(&self.path, &data) {
            tracing::debug!("pipelines are not kept: {reason}");
        }
    }
}

/// Writes a file whole or not at all; makes its folder.
pub fn replace(path: &Path, data: &[u8]) -> Result<(), WriteError> {
    path.parent().map_or(Ok(()), make_folder)?;
    write(path, data)
}

/// Where findings about adapters are kept.
pub fn folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    variable("GREYBOX_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|p| p.join("greybox")))
        .or_else(|| variable("HOME").map(|p| p.join(".cache/greybox")))
}
