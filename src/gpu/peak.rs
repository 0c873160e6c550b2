//! What the chip does at most, and what the kernels take without transfers: for benches.

use std::time::Instant;

use super::device::{Gpu, driver_error};
use super::error::GpuError;
use super::evaluate::{Evaluation, zeros};
use super::nvrtc::guarded;
use super::source::Source;
use crate::format::network::Network;

/// Floating-point operations a second, in fused multiply-adds or on tensor cores; the best of some runs.
pub(crate) fn peak(gpu: &Gpu, tensor_cores: bool) -> Result<f64, GpuError> {
    guarded(|| measure(gpu, tensor_cores))
}

fn measure(gpu: &Gpu, tensor_cores: bool) -> Result<f64, GpuError> {
    let kernel = gpu.kernel(&Source::peak(tensor_cores))?;
    let stream = gpu.context.new_stream().map_err(driver_error)?;
    let blocks = gpu.multiprocessors * kernel.resident;
    let mut out = zeros(&stream, blocks * 256)?;
    let rounds = 4096;
    // Of a block and round, as the kernels say.
    let operations = if tensor_cores { 8 * 16 * 8 * (2 * 16 * 8 * 8) } else { 256 * 64 * 16 * 2 };
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let began = Instant::now();
        kernel.peak(&stream, &mut out, rounds, blocks)?;
        stream.synchronize().map_err(driver_error)?;
        best = best.min(began.elapsed().as_secs_f64());
    }
    Ok(blocks as f64 * f64::from(rounds) * f64::from(operations) / best)
}

/// Seconds of one evaluation of `network` at `n` points that are on the GPU already, and at each launch once; the mean of
/// `repeats` after one to warm up. The points are those of `planes`, one for each input, again and again: a chip is faster
/// where all points are the same.
pub(crate) fn evaluation_seconds(
    gpu: &Gpu,
    network: &Network,
    planes: &[&[f32]],
    n: usize,
    repeats: u32,
) -> Result<f64, GpuError> {
    guarded(|| {
        let mut evaluation = Evaluation::new(gpu, network, n)?;
        evaluation.fill(planes)?;
        evaluation.launch(n)?;
        evaluation.stream.synchronize().map_err(driver_error)?;
        let began = Instant::now();
        for _ in 0..repeats {
            evaluation.launch(n)?;
        }
        evaluation.stream.synchronize().map_err(driver_error)?;
        Ok(began.elapsed().as_secs_f64() / f64::from(repeats))
    })
}
