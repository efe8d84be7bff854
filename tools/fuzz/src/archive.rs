//! Files made from their grammar, with fields that lie: npz archives and safetensors.

use super::mutate::NUMBERS;
use fastrand::Rng;
use greybox::store::Checksum;
use safetensors::tensor::{SafeTensors, TensorView};
use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const NAMES: [&str; 12] = [
    "y.npy",
    "u.npy",
    "t.npy",
    "s0.npy",
    "theta.npy",
    "window.npy",
    "times.npy",
    "notes.txt",
    "",
    "..npy",
    "a/b.npy",
    "y.npy",
];

const KINDS: [&str; 24] = [
    "<f8",
    "<f4",
    ">f8",
    ">f4",
    "<i8",
    ">i2",
    "<u4",
    "|u1",
    "|i1",
    "|b1",
    "<f2",
    "<c16",
    "|O",
    "|S4",
    "<U3",
    "|V8",
    "<M8[ns]",
    "<f9223372036854775807",
    "f",
    "",
    "<i0",
    "<u16",
    "=f8",
    "<f08",
];

/// An npz archive of a few arrays.
pub fn npz(rng: &mut Rng) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for _ in 0..rng.usize(1..5) {
        let method = if rng.bool() { CompressionMethod::Stored } else { CompressionMethod::Deflated };
        let options = SimpleFileOptions::default().compression_method(method).large_file(rng.u8(..8) == 0);
        let name = rng.choice(&NAMES).unwrap_or(&"y.npy");
        // Names that are there already are refused: the archive is as good without.
        if archive.start_file(*name, options).is_ok() {
            let _ = archive.write_all(&npy(rng));
        }
    }
    archive.finish().map(Cursor::into_inner).unwrap_or_default()
}

/// An array as `.npy`: mostly sound, with a field that is not.
fn npy(rng: &mut Rng) -> Vec<u8> {
    let lie = rng.u8(..10);
    let shape: Vec<u64> = (0..rng.usize(..5)).map(|_| rng.u64(..6)).collect();
    let mut axes: Vec<String> = shape.iter().map(u64::to_string).collect();
    if lie == 0 && !axes.is_empty() {
        let at = rng.usize(..axes.len());
        axes[at] = (*rng.choice(&NUMBERS).unwrap_or(&"0")).to_string();
    }
    if lie == 1 {
        axes.extend(vec!["1000000".to_string(); rng.usize(1..5)]);
    }
    let kind =
        if lie == 2 { *rng.choice(&KINDS).unwrap_or(&"<f8") } else { *rng.choice(&KINDS[..4]).unwrap_or(&"<f8") };
    let descr = match lie {
        3 => format!("[('a', '{kind}'), ('b', [('c', '<i4', (2, 3))])]"),
        4 => format!("{}'{kind}'{}", "[".repeat(1 << rng.u8(..15)), "]".repeat(rng.usize(..9))),
        _ => format!("'{kind}'"),
    };
    let order = if rng.bool() { "True" } else { "False" };
    let comma = if axes.len() == 1 { "," } else { "" };
    let mut header = format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': ({}{comma}), }}", axes.join(", "));
    if lie == 5 {
        header = super::mutate::tokens(rng, &header, "{'shape': (1, 2), 'descr': '<f8', 'x': None, 'y': 1e999j}");
    }
    header.push('\n');
    let version = if lie == 6 { rng.u8(..5) } else { 1 + u8::from(header.len() > 60_000) };
    let mut out = b"\x93NUMPY".to_vec();
    out.extend([version, 0]);
    let length = if lie == 7 { rng.u64(..) >> rng.u8(..64) } else { header.len() as u64 };
    match version {
        0 | 1 => out.extend((length as u16).to_le_bytes()),
        _ => out.extend((length as u32).to_le_bytes()),
    }
    out.extend(header.as_bytes());
    let count = shape.iter().product::<u64>() as usize * if kind.ends_with('8') { 8 } else { 4 };
    let count = if lie == 8 { rng.usize(..2 * count + 2) } else { count };
    match rng.u8(..4) {
        0 => out.extend((0..count).map(|_| rng.u8(..))),
        1 => out.resize(out.len() + count, 0),
        // Small positive numbers, as data and times are.
        _ => out.extend((0..count).map(|i| if i % 8 == 7 { 0x3f } else { rng.u8(..) })),
    }
    out
}

/// A zip bomb now and then: zeros that compress a thousandfold.
pub fn bomb(rng: &mut Rng) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let count = 1usize << rng.u8(10..24);
    if archive.start_file("y.npy", options).is_ok() {
        let kind = rng.choice(&["|u1", "<f8", "<i2"]).unwrap_or(&"|u1");
        let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({count},), }}\n");
        let mut start = b"\x93NUMPY\x01\x00".to_vec();
        start.extend((header.len() as u16).to_le_bytes());
        let _ = archive.write_all(&start);
        let _ = archive.write_all(header.as_bytes());
        let zeros = vec![0u8; 1 << 16];
        for _ in 0..count.div_ceil(zeros.len()) {
            let _ = archive.write_all(&zeros);
        }
    }
    archive.finish().map(Cursor::into_inner).unwrap_or_default()
}

/// The header of a safetensors file taken apart, one thing changed, and put together again with the right length.
pub fn safetensors(rng: &mut Rng, file: &[u8], other: &[u8]) -> Vec<u8> {
    let Some((header, data)) = parts(file) else { return file.to_vec() };
    let other = parts(other).map_or(String::new(), |(header, _)| header);
    let header = super::mutate::tokens(rng, &header, &other);
    let mut data = data.to_vec();
    match rng.u8(..6) {
        0 => super::mutate::bytes(rng, &mut data, &[]),
        1 => {
            // Numbers that are not finite.
            let special = rng.choice(&[f64::NAN, f64::INFINITY, 1e300, -0.0, 5e-324]).unwrap_or(&0.0).to_le_bytes();
            let at = rng.usize(..data.len() / 8 + 1) * 8;
            if let Some(place) = data.get_mut(at..at + 8) {
                place.copy_from_slice(&special);
            }
        }
        _ => {}
    }
    let mut out = (header.len() as u64).to_le_bytes().to_vec();
    out.extend(header.as_bytes());
    out.extend(data);
    out
}

/// A checkpoint with a checksum of what it holds now, so that readers look further; nothing where it is no safetensors file.
pub fn sealed(file: &[u8]) -> Option<Vec<u8>> {
    let arrays = SafeTensors::deserialize(file).ok()?;
    let (_, header) = SafeTensors::read_metadata(file).ok()?;
    let mut facts = header.metadata().clone().unwrap_or_default();
    facts.remove("checksum");
    let arrays: BTreeMap<String, TensorView> = arrays.tensors().into_iter().collect();
    let mut sum = Checksum::new();
    for (name, fact) in facts.iter().collect::<BTreeMap<_, _>>() {
        sum.add(name.as_bytes());
        sum.add(fact.as_bytes());
    }
    for (name, array) in &arrays {
        sum.add(name.as_bytes());
        sum.add(array.data());
    }
    facts.insert("checksum".into(), sum.digits());
    safetensors::serialize(arrays, Some(facts)).ok()
}

fn parts(file: &[u8]) -> Option<(String, &[u8])> {
    let length = u64::from_le_bytes(file.get(..8)?.try_into().ok()?) as usize;
    let header = file.get(8..length.checked_add(8)?)?;
    Some((String::from_utf8_lossy(header).into_owned(), &file[8 + length..]))
}
