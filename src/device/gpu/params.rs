//! What the host tells a dispatch: the struct of `shaders/lib/params.wgsl`, member by member.

use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[allow(missing_docs, reason = "told where WGSL declares them")]
pub struct Params {
    pub samples: u32,
    pub first_sample: u32,
    pub chunk: u32,
    pub stride: u32,
    pub first_interval: u32,
    pub intervals: u32,
    pub horizon: u32,
    pub flags: u32,
    pub batch_stride: u32,
    pub per_group: u32,
    pub inputs_at: u32,
    pub start_times_at: u32,
    pub targets_at: u32,
    pub predictions_at: u32,
    pub step: u32,
    pub order_at: u32,
    pub draws: u32,
    pub report: u32,
    pub weights: u32,
    pub partitions: u32,
    pub rate: f32,
    pub decay: f32,
    pub correction1: f32,
    pub correction2: f32,
    pub beta1: f32,
    pub beta2: f32,
    pub epsilon: f32,
    pub clip_value: f32,
    pub clip_norm: f32,
    pub loss_weight: f32,
    pub penalties: u32,
    pub frame_interval: u32,
    pub pieces_at: u32,
    pub spare1: u32,
    pub spare2: u32,
    pub spare3: u32,
}

/// Bits of [`Params::flags`].
pub mod flags {
    #![allow(missing_docs, reason = "told where WGSL declares them")]
    pub const SAVE: u32 = 1;
    pub const KEEP: u32 = 2;
    pub const OBSERVE: u32 = 4;
    pub const TARGETS: u32 = 8;
    pub const ENCODE: u32 = 16;
    pub const START_TIMES: u32 = 32;
    pub const ACCUMULATE: u32 = 64;
    pub const REPLAY: u32 = 128;
    pub const MEMBERS: u32 = 256;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names, order and size of the members are those that WGSL declares.
    #[test]
    fn the_struct_is_the_one_that_kernels_read() {
        let module =
            naga::front::wgsl::parse_str(include_str!("../../../shaders/lib/params.wgsl")).expect("valid WGSL");
        let (_, ty) = module.types.iter().find(|(_, t)| t.name.as_deref() == Some("Params")).expect("struct Params");
        let naga::TypeInner::Struct { members, span } = &ty.inner else { panic!("Params is a struct") };
        assert_eq!(*span as usize, size_of::<Params>());
        let declared: Vec<&str> = members.iter().map(|m| m.name.as_deref().unwrap_or("")).collect();
        let own = format!("{:?}", Params::default());
        let own: Vec<&str> =
            own.trim_start_matches("Params { ").split(", ").map(|m| m.split(':').next().unwrap_or("")).collect();
        assert_eq!(declared, own);
    }
}
