//! A GPU with the processor behind it.

use std::sync::{Arc, Mutex, PoisonError};

use super::device::Gpu;
use super::error::GpuError;
use crate::Device;
use crate::arith::{Cpu, Evaluator};
use crate::error::Result;
use crate::format::network::Network;

/// Products below which `auto` leaves an evaluation to the processor: it is done before a GPU has the points.
const LEAST_WORK: usize = 1 << 24;

/// A GPU, and the processor for small work and for what fails on the GPU.
#[derive(Debug)]
pub(crate) struct Accelerator {
    pub(crate) gpu: Arc<Gpu>,
    pub(crate) cpu: Cpu,
    least_work: usize,
    failure: Mutex<Option<GpuError>>,
}

impl Accelerator {
    /// The GPU that `device` asks for: none for `cpu`, and for `auto` where none can be used.
    ///
    /// # Errors
    /// If a GPU is asked for by name and cannot be used.
    pub(crate) fn open(device: Device, cpu: Cpu) -> Result<Option<Self>> {
        let with = |gpu, least_work| Some(Self { gpu, cpu, least_work, failure: Mutex::default() });
        match device {
            Device::Cpu => Ok(None),
            Device::Auto => Ok(Gpu::open(0).ok().and_then(|gpu| with(gpu, LEAST_WORK))),
            Device::Cuda(number) => Ok(with(Gpu::open(number)?, 0)),
        }
    }

    /// Note a failure, after which the processor did the work.
    pub(crate) fn fell_back(&self, error: GpuError) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    /// The first failure, if any: why the GPU did less than it was asked to.
    pub(crate) fn failure(&self) -> Option<GpuError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Evaluator for Accelerator {
    fn evaluate(&self, network: &Network, points: &[f32], out: &mut [f32]) {
        let work = out.len() / network.shape.outputs() * network.parameters.len();
        if work >= self.least_work {
            match super::evaluate(&self.gpu, network, points, out) {
                Ok(()) => return,
                Err(error) => self.fell_back(error),
            }
        }
        self.cpu.evaluate(network, points, out);
    }
}
