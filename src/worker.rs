//! What evaluates and fits networks for one call.

use crate::Device;
use crate::arith::{Cpu, Evaluator};
use crate::error::Result;
use crate::format::network::Network;
#[cfg(feature = "cuda")]
use crate::gpu::Accelerator;

/// The processor, with a GPU before it where the caller wants one.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) cpu: Cpu,
    #[cfg(feature = "cuda")]
    pub(crate) gpu: Option<Accelerator>,
}

impl Worker {
    /// # Errors
    /// If a GPU is asked for by name and cannot be used.
    pub(crate) fn open(device: Device, cpu: Cpu) -> Result<Self> {
        #[cfg(not(feature = "cuda"))]
        device.check()?;
        Ok(Self {
            cpu,
            #[cfg(feature = "cuda")]
            gpu: Accelerator::open(device, cpu)?,
        })
    }

    /// # Errors
    /// If a GPU was asked for by name and has failed. Whoever uses what this worker computed asks first: after the failure
    /// evaluations give 0 and fits nothing.
    #[cfg_attr(not(feature = "cuda"), allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "as with a GPU"))]
    pub(crate) fn check(&self) -> Result<()> {
        #[cfg(feature = "cuda")]
        if let Some(gpu) = &self.gpu {
            return gpu.check();
        }
        Ok(())
    }

    /// The processor alone.
    #[cfg(test)]
    pub(crate) const fn cpu(cpu: Cpu) -> Self {
        Self {
            cpu,
            #[cfg(feature = "cuda")]
            gpu: None,
        }
    }
}

impl Evaluator for Worker {
    fn evaluate(&self, network: &Network, points: &[f32], out: &mut [f32]) {
        #[cfg(feature = "cuda")]
        if let Some(gpu) = &self.gpu {
            return gpu.evaluate(network, points, out);
        }
        self.cpu.evaluate(network, points, out);
    }
}
