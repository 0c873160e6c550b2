//! GPUs of this machine: one context each for the whole process, whatever the number of host threads.

use std::collections::{BTreeMap, HashMap};
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
        sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => GpuError::OutOfMemory(None),
        _ => GpuError::Driver(error.to_string()),
    }
}

impl Gpu {
    /// GPU `number`, ready for use. Once opened it stays open, and one that cannot be used is asked once: each try takes
    /// the driver tenths of a second. Memory may be free another time.
    pub(crate) fn open(number: u32) -> Result<Arc<Self>, GpuError> {
        static ASKED: Mutex<BTreeMap<u32, Result<Arc<Gpu>, GpuError>>> = Mutex::new(BTreeMap::new());
        let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = asked.get(&number) {
            return answer.clone();
        }
        let answer = guarded(|| Self::new(number, driver(number)?)).map(Arc::new);
        if !matches!(answer, Err(GpuError::OutOfMemory(_))) {
            asked.insert(number, answer.clone());
        }
        answer
    }

    /// `driver`: its version of CUDA.
    fn new(number: u32, driver: i32) -> Result<Self, GpuError> {
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
        let compiler = Compiler::get(driver)?;
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

    /// "NVRTC 12.9".
    pub(crate) fn compiler(&self) -> String {
        format!("NVRTC {}", self.compiler.version)
    }

    /// Wait for all that was asked of the GPU: memory that was given back is free only then.
    pub(super) fn settle(&self) -> Result<(), GpuError> {
        self.context.synchronize().map_err(driver_error)
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
        let kernel = Arc::new(Kernel::load(&self.context, source, code, &self.compiler.version)?);
        kernels.insert(key, Arc::clone(&kernel));
        Ok(kernel)
    }
}

/// The version of CUDA that the driver serves, if there is one, new enough and with a GPU: number `wanted`, says the error.
fn driver(wanted: u32) -> Result<i32, GpuError> {
    static STARTED: OnceLock<Result<(), GpuError>> = OnceLock::new();
    let found = super::launch::driver_version()?;
    if found < DRIVER {
        return Err(GpuError::OldDriver { found, needed: DRIVER });
    }
    match STARTED.get_or_init(|| guarded(super::launch::initialise)) {
        Ok(()) => Ok(found),
        Err(GpuError::NoDevice { count, .. }) => Err(GpuError::NoDevice { wanted, count: *count }),
        Err(error) => Err(error.clone()),
    }
}
