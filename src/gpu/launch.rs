//! Kernels and their launches: beside `nvrtc.rs` the only unsafe code of this folder.

use std::sync::Arc;

use cudarc::driver::sys::{self, CUfunction_attribute_enum};
use cudarc::driver::{
    CudaContext, CudaFunction, CudaStream, DeviceRepr, DriverError, LaunchConfig, PushKernelArg, result,
};
use cudarc::nvrtc::Ptx;

use super::args::{ForwardArgs, PeakArgs, TrainArgs};
use super::device::driver_error;
use super::error::GpuError;
use super::source::Source;

// SAFETY: plain words in C's layout, as the kernels declare them.
unsafe impl DeviceRepr for ForwardArgs {}
// SAFETY: plain words in C's layout, as the kernels declare them.
unsafe impl DeviceRepr for TrainArgs {}
// SAFETY: plain words in C's layout, as the kernels declare them.
unsafe impl DeviceRepr for PeakArgs {}

/// A loaded kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    function: CudaFunction,
    threads: u32,
    shared_bytes: u32,
    /// Blocks that run at once on a multiprocessor.
    pub(super) resident: usize,
}

/// Load the driver and start it.
pub(super) fn initialise() -> Result<(), GpuError> {
    // SAFETY: loading the driver runs its initialisers only.
    if !unsafe { sys::is_culib_present() } {
        return Err(GpuError::NoDriver);
    }
    result::init().map_err(|e| match e.0 {
        sys::CUresult::CUDA_ERROR_NO_DEVICE => GpuError::NoDevice { wanted: 0, count: 0 },
        _ => driver_error(e),
    })
}

/// The newest CUDA that the driver serves, 12090 for 12.9.
pub(super) fn driver_version() -> Result<i32, GpuError> {
    let mut version = 0;
    // SAFETY: the driver writes one integer.
    unsafe { sys::cuDriverGetVersion(&raw mut version) }.result().map_err(driver_error)?;
    Ok(version)
}

impl Kernel {
    /// Load what was compiled of `source`.
    pub(super) fn load(context: &Arc<CudaContext>, source: &Source, image: Vec<u8>) -> Result<Self, DriverError> {
        let (threads, shared_bytes) = (source.threads as u32, source.shared_bytes);
        let function = context.load_module(Ptx::from_binary(image))?.load_function(source.kernel)?;
        let attribute = CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        function.set_attribute(attribute, shared_bytes as i32)?;
        let resident = function.occupancy_max_active_blocks_per_multiprocessor(threads, shared_bytes, None)?;
        Ok(Self { function, threads, shared_bytes: shared_bytes as u32, resident: resident.max(1) as usize })
    }

    /// Launch on `blocks` x `networks` blocks. `together`: all of them run at once, so that they may wait for one
    /// another; the driver refuses if they cannot.
    ///
    /// # Safety
    /// `args` must be those of this kernel, and its addresses of arrays on the stream's device that are as large as the
    /// kernel's plan, `blocks` and `networks` want them and that live until the stream is synchronised.
    pub(super) unsafe fn launch<T: DeviceRepr>(
        &self,
        stream: &CudaStream,
        args: &T,
        blocks: usize,
        networks: usize,
        together: bool,
    ) -> Result<(), GpuError> {
        let config = LaunchConfig {
            grid_dim: (blocks as u32, networks as u32, 1),
            block_dim: (self.threads, 1, 1),
            shared_mem_bytes: self.shared_bytes,
        };
        let mut launch = stream.launch_builder(&self.function);
        launch.arg(args);
        // SAFETY: as this function's caller promises.
        let result = unsafe { if together { launch.launch_cooperative(config) } else { launch.launch(config) } };
        result.map(drop).map_err(driver_error)
    }
}
