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

/// A GPU, and the processor for small work. Where the caller left the choice, the processor also does what fails on the GPU.
#[derive(Debug)]
pub(crate) struct Accelerator {
    pub(crate) gpu: Arc<Gpu>,
    pub(crate) cpu: Cpu,
    device: Device,
    failure: Mutex<Option<GpuError>>,
}

impl Accelerator {
    /// The GPU that `device` asks for: none for `cpu`, and for `auto` where none can be used.
    ///
    /// # Errors
    /// If a GPU is asked for by name and cannot be used.
    pub(crate) fn open(device: Device, cpu: Cpu) -> Result<Option<Self>> {
        let with = |gpu| Some(Self { gpu, cpu, device, failure: Mutex::default() });
        match device {
            Device::Cpu => Ok(None),
            Device::Auto => Ok(Gpu::open(0).ok().and_then(with)),
            Device::Cuda(number) => Gpu::open(number).map(with).map_err(|e| e.on(device)),
        }
    }

    /// Note a failure. True where the processor shall do the work.
    pub(crate) fn failed(&self, error: &GpuError) -> bool {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| error.clone());
        self.device == Device::Auto
    }

    /// True when what is done here is of no use any more: see [`check`](Self::check).
    pub(crate) fn lost(&self) -> bool {
        self.device != Device::Auto && self.failure().is_some()
    }

    /// # Errors
    /// If the GPU was asked for by name and failed. What was computed since then is void.
    pub(crate) fn check(&self) -> Result<()> {
        match self.failure() {
            Some(error) if self.lost() => Err(error.on(self.device)),
            _ => Ok(()),
        }
    }

    /// The first failure, if any.
    fn failure(&self) -> Option<GpuError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many of these are in use on its GPU.
    pub(crate) fn company(&self) -> usize {
        // One is kept for the process.
        Arc::strong_count(&self.gpu) - 1
    }

    fn least_work(&self) -> usize {
        if self.device == Device::Auto { LEAST_WORK } else { 0 }
    }
}

impl Evaluator for Accelerator {
    fn evaluate(&self, network: &Network, points: &[f32], out: &mut [f32]) {
        if self.lost() {
            return out.fill(0.0);
        }
        let work = out.len() / network.shape.outputs() * network.parameters.len();
        if work >= self.least_work() {
            match super::evaluate(&self.gpu, network, points, out) {
                Ok(()) => return,
                Err(error) if self.failed(&error) => (),
                Err(_) => return out.fill(0.0),
            }
        }
        self.cpu.evaluate(network, points, out);
    }
}
