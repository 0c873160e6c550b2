//! Why a GPU cannot be used.

use crate::Device;
use crate::error::Error;

/// By cause; messages say what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GpuError {
    #[error("no NVIDIA driver: the library libcuda was not found")]
    NoDriver,
    #[error("the NVIDIA driver serves CUDA {}.{}; CUDA {}.{} or newer is needed", .found / 1000, .found % 1000 / 10, .needed / 1000, .needed % 1000 / 10)]
    OldDriver { found: i32, needed: i32 },
    #[error("there is no GPU {wanted}: the driver knows {count}")]
    NoDevice { wanted: u32, count: u32 },
    #[error("{name} has compute capability {}.{}; 8.0 or newer is needed", .capability.0, .capability.1)]
    OldDevice { name: String, capability: (i32, i32) },
    #[error(
        "no NVRTC, which compiles the kernels: install the CUDA toolkit or `pip install nvidia-cuda-nvrtc-cu12`, and set HIHA_NVRTC to its libnvrtc.so if it is not found: {0}"
    )]
    NoCompiler(String),
    #[error("NVRTC {version} knows no architecture for compute capability {}.{}", .capability.0, .capability.1)]
    OldCompiler { version: String, capability: (i32, i32) },
    #[error("the kernel was not compiled: {0}")]
    Compile(String),
    #[error(
        "the driver refuses what NVRTC {version} compiled ({why}): update the driver, or use an NVRTC no newer than it"
    )]
    Refused { version: String, why: String },
    #[error("out of memory on the GPU{}", asked(*.0))]
    OutOfMemory(Option<usize>),
    #[error("a network of this shape does not fit the {0} bytes of shared memory of the GPU")]
    TooLarge(usize),
    #[error("CUDA: {0}")]
    Driver(String),
}

/// How many bytes were asked for, where that is known.
fn asked(bytes: Option<usize>) -> String {
    bytes.map(|b| format!(": {b} bytes were asked for")).unwrap_or_default()
}

impl GpuError {
    /// For the caller who asked for `device`.
    pub(crate) fn on(&self, device: Device) -> Error {
        Error::Device { device, what: self.to_string() }
    }
}
