//! GPUs of this machine: one context each for the whole process, whatever the number of host threads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cudarc::driver::sys::CUdevice_attribute as Attribute;
use cudarc::driver::{CudaContext, DriverError, result, sys};

use super::cache::Cache;
use super::compile::image;
use super::error::GpuError;
use super::launch::Kernel;
use super::nvrtc::{Compiler, Target, guarded};
use super::source::Source;

/// CUDA 12.0: the oldest driver that takes machine code of the NVRTC versions we know.
const DRIVER: i32 = 12_000;

/// A GPU and the kernels that were loaded on it.
#[derive(Debug)]
pub(crate) struct Gpu {
    pub(super) context: Arc<CudaContext>,
    pub(crate) name: String,
    /// As the driver counts.
    pub(crate) number: u32,
    /// Shared memory that a block may have.
    pub(super) shared_limit: usize,
    pub(super) multiprocessors: usize,
    compiler: &'static Compiler,
    target: Target,
    cache: Cache,
    /// By name and defines.
    kernels: Mutex<HashMap<Vec<String>, Arc<Kernel>>>,
}

pub(super) fn driver_error(error: DriverError) -> GpuError {
    match error.0 {
        sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => GpuError::OutOfMemory(0),
        _ => GpuError::Driver(error.to_string()),
    }
}

impl Gpu {
    /// GPU `number`, ready for use. Once opened it stays open.
    pub(crate) fn open(number: u32) -> Result<Arc<Self>, GpuError> {
        static OPEN: Mutex<Option<HashMap<u32, Arc<Gpu>>>> = Mutex::new(None);
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let open = open.get_or_insert_default();
        if let Some(gpu) = open.get(&number) {
            return Ok(Arc::clone(gpu));
        }
        driver()?;
        let gpu = Arc::new(guarded(|| Self::new(number))?);
        open.insert(number, Arc::clone(&gpu));
        Ok(gpu)
    }

    fn new(number: u32) -> Result<Self, GpuError> {
        let count = result::device::get_count().map_err(driver_error)?.max(0) as u32;
        if number >= count {
            return Err(GpuError::NoDevice { wanted: number, count });
        }
        let context = CudaContext::new(number as usize).map_err(driver_error)?;
        let name = context.name().map_err(driver_error)?;
        let capability = context.compute_capability().map_err(driver_error)?;
        if capability < (8, 0) {
            return Err(GpuError::OldDevice { name, capability });
        }
        let compiler = Compiler::get()?;
        let attribute = |a| context.attribute(a).map(|v| v.max(0) as usize).map_err(driver_error);
        Ok(Self {
            shared_limit: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?,
            multiprocessors: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?.max(1),
            target: compiler.target(capability)?,
            compiler,
            cache: Cache::of_user(),
            kernels: Mutex::default(),
            context,
            name,
            number,
        })
    }

    /// A kernel, compiled and loaded when it is first asked for.
    pub(super) fn kernel(&self, source: &Source) -> Result<Arc<Kernel>, GpuError> {
        let mut key = source.defines.clone();
        key.push(source.kernel.into());
        let mut kernels = self.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kernel) = kernels.get(&key) {
            return Ok(Arc::clone(kernel));
        }
        let code = image(self.compiler, source, &self.target, &self.cache)?;
        let kernel = Kernel::load(&self.context, source, code)
            .map_err(|e| GpuError::Refused { version: self.compiler.version.clone(), why: e.to_string() })?;
        let kernel = Arc::new(kernel);
        kernels.insert(key, Arc::clone(&kernel));
        Ok(kernel)
    }
}

/// There is a driver, and it is new enough.
fn driver() -> Result<(), GpuError> {
    static DRIVER_FOUND: OnceLock<Result<(), GpuError>> = OnceLock::new();
    DRIVER_FOUND.get_or_init(|| guarded(super::launch::initialise)).clone()?;
    let found = guarded(super::launch::driver_version)?;
    if found < DRIVER { Err(GpuError::OldDriver { found, needed: DRIVER }) } else { Ok(()) }
}
