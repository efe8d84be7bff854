//! What the host tells a dispatch: the struct of `shaders/lib/layer.wgsl`, member by member.

use bytemuck::{Pod, Zeroable};

#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[allow(missing_docs, reason = "told where WGSL declares them")]
pub struct Params {
    pub bases: [u32; 4],
    pub places: [[u32; 4]; 2],
    pub factors: [[f32; 4]; 2],
    pub step: u32,
    pub output: u32,
    pub numbers: u32,
    pub terms: u32,
    pub samples: u32,
    pub stride: u32,
    pub first_sample: u32,
    pub batch_stride: u32,
    pub per_group: u32,
    pub cells: u32,
    pub columns: u32,
    pub flags: u32,
    pub data_at: u32,
    pub inputs_at: u32,
    pub start_times_at: u32,
    pub targets_at: u32,
    pub scales_at: u32,
    pub horizon: u32,
    pub interval: u32,
    pub partitions: u32,
    pub weights: u32,
    pub code: u32,
    pub time: f32,
    pub left: f32,
    pub right: f32,
    pub pieces_at: u32,
    pub pieces: u32,
    pub longest: u32,
    pub seed: u32,
    pub spare1: u32,
    pub spare2: u32,
    pub spare3: u32,
}

/// Bits of [`Params::flags`].
pub mod flags {
    #![allow(missing_docs, reason = "told where WGSL declares them")]
    pub const ZERO: u32 = 1;
    pub const TARGETS: u32 = 8;
    pub const START_TIMES: u32 = 32;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names, order and size of the members are those that WGSL declares.
    #[test]
    fn the_struct_is_the_one_that_kernels_read() {
        let module =
            naga::front::wgsl::parse_str(include_str!("../../../../shaders/lib/layer.wgsl")).expect("valid WGSL");
        let (_, ty) = module.types.iter().find(|(_, t)| t.name.as_deref() == Some("Params")).expect("struct Params");
        let naga::TypeInner::Struct { members, span } = &ty.inner else { panic!("Params is a struct") };
        assert_eq!(*span as usize, size_of::<Params>());
        let own = format!("{:?}", Params::default());
        let mut rest = own.as_str();
        for member in members {
            let name = format!("{}: ", member.name.as_deref().unwrap_or(""));
            let place = rest.find(&name).unwrap_or_else(|| panic!("{name}is not behind the members before it"));
            rest = &rest[place + name.len()..];
        }
        assert!(!rest.contains(": "), "members that WGSL does not declare: {rest}");
    }
}
