//! Networks fitted on a GPU by Levenberg-Marquardt: any number of small ones at once, each on its own samples.

use cudarc::driver::CudaSlice;

use super::batch::Points;
use super::device::{Gpu, driver_error};
use super::error::GpuError;
use super::evaluate::{upload, zeros};
use super::nvrtc::guarded;
use super::small::{HISTORY, SmallPlan};
use super::source::Source;
use crate::arith::Samples;
use crate::format::network::Network;

/// Bytes of the blocks' sums and factors at a time.
const BLOCK_BYTES: usize = 2 << 30;
/// Networks of a launch at most.
const MOST_NETWORKS: usize = 4096;

/// How to go on, as the processor does it: the head first, then steps that lower the loss.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Newton {
    /// Most steps.
    pub(crate) steps: usize,
    /// Tries of a step with more and more damping before giving up.
    pub(crate) tries: usize,
    /// Stop when this many steps together (at most 15) lower the loss by less than `least` of it.
    pub(crate) patience: usize,
    pub(crate) least: f64,
    /// Damping at the start, relative to the diagonal.
    pub(crate) damping: f64,
    /// Added to the diagonal of the head's equations, relative to its mean.
    pub(crate) ridge: f64,
    /// The same for all parameters' equations.
    pub(crate) floor: f64,
}

/// What the kernel reads and writes.
pub(super) struct Arrays {
    pub(super) x: CudaSlice<f32>,
    pub(super) y: CudaSlice<f32>,
    pub(super) spans: CudaSlice<u64>,
    pub(super) params: CudaSlice<f32>,
    pub(super) loss: CudaSlice<f64>,
    pub(super) sums: CudaSlice<f32>,
    pub(super) head: CudaSlice<f32>,
    pub(super) factor: CudaSlice<f64>,
}

/// Lower the loss of each of `networks`, which have one shape, on its samples; the sums of squared residuals. What comes of
/// one does not depend on the others.
pub(crate) fn newton(
    gpu: &Gpu,
    networks: &mut [Network],
    samples: &[Samples<'_>],
    how: &Newton,
) -> Result<Vec<f64>, GpuError> {
    assert_eq!(networks.len(), samples.len(), "samples for each network");
    assert!((1..HISTORY).contains(&how.patience), "a patience of {} steps", how.patience);
    guarded(|| {
        let mut losses = Vec::with_capacity(networks.len());
        let mut most = MOST_NETWORKS;
        while losses.len() < networks.len() {
            let now = losses.len()..networks.len().min(losses.len() + most);
            match wave(gpu, &mut networks[now.clone()], &samples[now.clone()], how) {
                Ok(wave) => losses.extend(wave),
                Err(GpuError::OutOfMemory(_)) if now.len() > 1 => {
                    gpu.settle()?;
                    most = now.len() / 2;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(losses)
    })
}

/// One launch.
fn wave(gpu: &Gpu, networks: &mut [Network], samples: &[Samples<'_>], how: &Newton) -> Result<Vec<f64>, GpuError> {
    let Some(shape) = networks.first().map(|n| n.shape) else { return Ok(Vec::new()) };
    let plan = SmallPlan::new(shape, gpu.shared_limit).ok_or(GpuError::TooLarge(gpu.shared_limit))?;
    let kernel = gpu.kernel(&Source::newton(&plan))?;
    let (rows, head) = (SmallPlan::rows(shape).pow(2), SmallPlan::head_rows(shape).pow(2));
    let blocks = (gpu.multiprocessors * kernel.resident).min(BLOCK_BYTES / (12 * rows)).min(networks.len()).max(1);
    let stream = gpu.context.new_stream().map_err(driver_error)?;
    // It draws nothing.
    let points = Points::new(shape, samples, &vec![0; samples.len()]);
    let params: Vec<f32> = networks.iter().flat_map(|n| &n.parameters).copied().collect();
    let mut arrays = Arrays {
        x: upload(&stream, &points.x)?,
        y: upload(&stream, &points.y)?,
        spans: upload(&stream, points.spans.as_flattened())?,
        params: upload(&stream, &params)?,
        loss: zeros(&stream, networks.len())?,
        sums: zeros(&stream, blocks * rows)?,
        head: zeros(&stream, blocks * head)?,
        factor: zeros(&stream, blocks * rows)?,
    };
    kernel.newton(&stream, &plan, &mut arrays, how, (blocks, networks.len()))?;
    let params = stream.clone_dtoh(&arrays.params).map_err(driver_error)?;
    let losses = stream.clone_dtoh(&arrays.loss).map_err(driver_error)?;
    stream.synchronize().map_err(driver_error)?;
    for (network, params) in networks.iter_mut().zip(params.chunks_exact(shape.parameters())) {
        network.parameters.copy_from_slice(params);
    }
    Ok(losses)
}
