//! What the processor and adapters can do at best, measured in the same run: a matrix product and a copy.

use super::measure::{Effort, Spread};
use crate::cli::Failure;
use crate::device::Precision;
use crate::device::gpu::{PeakKind, PeakMeter};
use rayon::prelude::*;
use std::hint::black_box;

/// Rows, columns and depth of the product: a batch of 4096 through a layer of 128 by 128.
const PRODUCT: [usize; 3] = [4096, 128, 128];

/// Bytes of the array that is copied, several times what caches hold.
const COPY: usize = 256 << 20;

/// Measured speeds of a device.
#[derive(Clone, Copy, Debug)]
pub struct Peak {
    /// Times of a product.
    pub product: Spread,
    /// Floating-point operations of a product.
    pub flops: f64,
    /// Rows of the product.
    pub rows: usize,
    /// Times of a copy.
    pub copy: Spread,
    /// Bytes that a copy reads and writes.
    pub bytes: f64,
    /// Most memory of the process meanwhile.
    pub peak_bytes: Option<usize>,
}

impl Peak {
    /// Median rate of the product, in Gflop/s.
    pub fn gflops(&self) -> f64 {
        self.flops / self.product.ms * 1e-6
    }

    /// Median rate of the copy in GB/s, read and written bytes together.
    pub fn gb_per_s(&self) -> f64 {
        self.bytes / self.copy.ms * 1e-6
    }
}

/// Measures the processor with all threads; `copied` are the times of [`copy`], which knows no precision.
pub fn cpu(precision: Precision, copied: Spread, effort: Effort) -> Result<Peak, Failure> {
    let (product, peak_bytes) = match precision {
        Precision::F32 => product::<f32>(effort, 1.0, 0.0),
        Precision::F64 => product::<f64>(effort, 1.0, 0.0),
    }?;
    let flops = 2.0 * PRODUCT.iter().product::<usize>() as f64;
    Ok(Peak { product, flops, rows: PRODUCT[0], copy: copied, bytes: 2.0 * COPY as f64, peak_bytes })
}

/// Opens an adapter by name and measures it; returns what it is, too.
pub fn adapter(name: &str, effort: Effort) -> Result<(String, Peak), Failure> {
    let mut meter = PeakMeter::open(name)?;
    let mut measure = |kind: PeakKind| {
        let measured = effort.measure(false, || Ok(meter.run(kind)?))?;
        Ok::<_, Failure>((measured.times.per(measured.last).spread(), measured.peak_bytes))
    };
    let ((product, peak_bytes), (copy, _)) = (measure(PeakKind::Product)?, measure(PeakKind::Copy)?);
    let [flops, bytes] = [PeakKind::Product, PeakKind::Copy].map(PeakMeter::work);
    Ok((meter.description(), Peak { product, flops, rows: PeakMeter::rows(), copy, bytes, peak_bytes }))
}

/// Times of C = A B in one precision, all column by column.
fn product<T: Copy + Send + Sync + 'static>(
    effort: Effort,
    one: T,
    zero: T,
) -> Result<(Spread, Option<usize>), Failure> {
    let [rows, columns, depth] = PRODUCT;
    let (a, b) = (vec![one; rows * depth], vec![one; depth * columns]);
    let mut c = vec![zero; rows * columns];
    let measured = effort.measure(true, || {
        multiply([rows, columns, depth], black_box(&a), black_box(&b), &mut c, [one, zero]);
        black_box(&mut c);
        Ok(())
    })?;
    Ok((measured.times.spread(), measured.peak_bytes))
}

/// C = A B, column by column.
fn multiply<T: Copy + 'static>([rows, columns, depth]: [usize; 3], a: &[T], b: &[T], c: &mut [T], [one, zero]: [T; 2]) {
    assert!(a.len() == rows * depth && b.len() == depth * columns && c.len() == rows * columns);
    let parallelism = gemm::Parallelism::Rayon(rayon::current_num_threads());
    let (tall, deep) = (rows as isize, depth as isize);
    #[allow(unsafe_code, reason = "gemm takes pointers; the sizes that it is told are asserted above")]
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            c.as_mut_ptr(),
            tall,
            1,
            false,
            a.as_ptr(),
            tall,
            1,
            b.as_ptr(),
            deep,
            1,
            zero,
            one,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// Times of a copy by all threads.
pub fn copy(effort: Effort) -> Result<Spread, Failure> {
    let from = vec![1u64; COPY / 8];
    let mut to = vec![0u64; COPY / 8];
    let share = from.len().div_ceil(rayon::current_num_threads());
    let measured = effort.measure(true, || {
        to.par_chunks_mut(share)
            .zip(black_box(&from).par_chunks(share))
            .for_each(|(to, from)| to.copy_from_slice(from));
        black_box(&mut to);
        Ok(())
    })?;
    Ok(measured.times.spread())
}

#[cfg(test)]
mod tests {
    use super::multiply;

    #[test]
    fn the_product_is_one() {
        // Column by column: A = [1 3; 2 4], B = [5 7; 6 8].
        let mut c = [0.0f64; 4];
        multiply([2, 2, 2], &[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0], &mut c, [1.0, 0.0]);
        assert_eq!(c, [23.0, 34.0, 31.0, 46.0]);
    }
}
