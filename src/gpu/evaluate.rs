//! Networks evaluated on a GPU, with the bits of the processor.

use std::sync::Arc;

use cudarc::driver::{CudaSlice, CudaStream, DeviceRepr, DriverError, ValidAsZeroBits};

use super::device::{Gpu, driver_error};
use super::error::GpuError;
use super::launch::{Kernel, Points};
use super::nvrtc::guarded;
use super::plan::Plan;
use super::source::Source;
use crate::format::network::Network;

/// Points that are on the GPU at a time: at most 436 MB with their outputs.
const PIECE: usize = 1 << 23;
/// Fewer are not worth another try when memory is short.
const LEAST: usize = 1 << 16;

/// Evaluate `network` on `n` points. Both arrays are planar: `points` is `[inputs][n]`, `out` is `[outputs][n]`.
/// The same bits as the processor's.
pub(crate) fn evaluate(gpu: &Gpu, network: &Network, points: &[f32], out: &mut [f32]) -> Result<(), GpuError> {
    let (inputs, outputs) = (network.shape.inputs(), network.shape.outputs());
    let n = out.len() / outputs;
    assert_eq!((points.len(), out.len()), (n * inputs, n * outputs), "points and outputs must fit the network");
    guarded(|| {
        let mut piece = PIECE.min(n.max(1));
        loop {
            match Evaluation::new(gpu, network, piece).and_then(|mut e| e.run(points, out)) {
                Err(GpuError::OutOfMemory(_)) if piece > LEAST => {
                    gpu.settle()?;
                    piece /= 2;
                }
                result => return result,
            }
        }
    })
}

/// `count` zeros on the GPU, at least one: it gives no memory of no size.
pub(super) fn zeros<T: DeviceRepr + ValidAsZeroBits>(
    stream: &Arc<CudaStream>,
    count: usize,
) -> Result<CudaSlice<T>, GpuError> {
    stream.alloc_zeros(count.max(1)).map_err(|e| of_bytes::<T>(e, count))
}

/// A copy of `data`, which is not empty, on the GPU.
pub(super) fn upload<T: DeviceRepr>(stream: &Arc<CudaStream>, data: &[T]) -> Result<CudaSlice<T>, GpuError> {
    stream.clone_htod(data).map_err(|e| of_bytes::<T>(e, data.len()))
}

/// What an allocation of so many failed of.
fn of_bytes<T>(error: DriverError, count: usize) -> GpuError {
    match driver_error(error) {
        GpuError::OutOfMemory(_) => GpuError::OutOfMemory(Some(size_of::<T>() * count)),
        other => other,
    }
}

/// A network, and what stays on the GPU from one piece to the next.
pub(super) struct Evaluation {
    pub(super) stream: Arc<CudaStream>,
    kernel: Arc<Kernel>,
    plan: Plan,
    params: CudaSlice<f32>,
    x: CudaSlice<f32>,
    y: CudaSlice<f32>,
    piece: usize,
    blocks: usize,
}

impl Evaluation {
    pub(super) fn new(gpu: &Gpu, network: &Network, piece: usize) -> Result<Self, GpuError> {
        let shape = network.shape;
        let plan = Plan::forward(shape, gpu.shared_limit).ok_or(GpuError::TooLarge(gpu.shared_limit))?;
        let kernel = gpu.kernel(&Source::new(&plan))?;
        // A stream for each call: host threads do not wait for one another.
        let stream = gpu.context.new_stream().map_err(driver_error)?;
        let packed = plan.layout.pack_all([&network.parameters[..]].into_iter());
        Ok(Self {
            params: upload(&stream, &packed)?,
            x: zeros(&stream, piece * shape.inputs())?,
            y: zeros(&stream, piece * shape.outputs())?,
            blocks: gpu.multiprocessors * kernel.resident,
            stream,
            kernel,
            plan,
            piece,
        })
    }

    pub(super) fn run(&mut self, points: &[f32], out: &mut [f32]) -> Result<(), GpuError> {
        let n = out.len() / self.plan.layout.shape().outputs();
        for at in (0..n).step_by(self.piece) {
            let count = self.piece.min(n - at);
            for (i, plane) in points.chunks_exact(n).enumerate() {
                let mut to = self.x.slice_mut(i * self.piece..i * self.piece + count);
                self.stream.memcpy_htod(&plane[at..at + count], &mut to).map_err(driver_error)?;
            }
            self.launch(count)?;
            for (o, plane) in out.chunks_exact_mut(n).enumerate() {
                let from = self.y.slice(o * self.piece..o * self.piece + count);
                self.stream.memcpy_dtoh(&from, &mut plane[at..at + count]).map_err(driver_error)?;
            }
        }
        self.stream.synchronize().map_err(driver_error)
    }

    /// The points of a piece: those of `planes`, one for each input, again and again.
    pub(super) fn fill(&mut self, planes: &[&[f32]]) -> Result<(), GpuError> {
        for (i, plane) in planes.iter().enumerate() {
            for at in (0..self.piece).step_by(plane.len()) {
                let count = plane.len().min(self.piece - at);
                let mut to = self.x.slice_mut(i * self.piece + at..i * self.piece + at + count);
                self.stream.memcpy_htod(&plane[..count], &mut to).map_err(driver_error)?;
            }
        }
        Ok(())
    }

    pub(super) fn launch(&mut self, count: usize) -> Result<(), GpuError> {
        let blocks = count.div_ceil(self.plan.points).min(self.blocks);
        let (plan, params, x) = (&self.plan, &self.params, &self.x);
        let mut points = Points { plan, params, x, y: &mut self.y, plane: self.piece, count };
        self.kernel.forward(&self.stream, &mut points, blocks)
    }
}
