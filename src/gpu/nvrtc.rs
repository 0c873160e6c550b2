//! NVRTC: which library, for which architecture.

use std::ffi::OsStr;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use super::error::GpuError;
use super::nvrtc_api::{Api, Program};

/// What is tried where the user names nothing: the loader's path, then where toolkits put it.
const PLACES: [&str; 5] = [
    "libnvrtc.so",
    "libnvrtc.so.13",
    "libnvrtc.so.12",
    "/usr/local/cuda/lib64/libnvrtc.so",
    "/opt/cuda/lib64/libnvrtc.so",
];

/// The library as it was found in this process.
pub(crate) struct Compiler {
    api: Api,
    /// As NVRTC says it, "12.9".
    pub(crate) version: String,
    /// Architectures it compiles for, ascending: 80, 90.
    architectures: Vec<i32>,
}

impl fmt::Debug for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NVRTC {} for {:?}", self.version, self.architectures)
    }
}

/// What to compile for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// `sm_90` for machine code, `compute_90` for PTX.
    pub(crate) name: String,
    machine_code: bool,
}

/// Machine code (or PTX, which ends with a zero) and what the compiler said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Compiled {
    pub(crate) image: Vec<u8>,
    pub(crate) log: String,
}

/// cudarc panics where a library lacks a function. Those panics end here.
pub(super) fn guarded<T>(f: impl FnOnce() -> Result<T, GpuError>) -> Result<T, GpuError> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Err(GpuError::Driver(text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").into()))
    })
}

impl Compiler {
    /// The process's NVRTC, loaded when it is first asked for, with the driver's version of CUDA (12090 for 12.9).
    pub(crate) fn get(driver: i32) -> Result<&'static Self, GpuError> {
        static COMPILER: OnceLock<Result<Compiler, GpuError>> = OnceLock::new();
        COMPILER.get_or_init(|| Self::find(driver)).as_ref().map_err(Clone::clone)
    }

    /// The one that HIHA_NVRTC names and no other, or the first whose machine code the driver takes: it refuses that of a
    /// newer major version.
    fn find(driver: i32) -> Result<Self, GpuError> {
        if let Some(path) = std::env::var_os("HIHA_NVRTC") {
            return Self::load(&path);
        }
        let mut newer = None;
        for place in PLACES {
            let Ok(compiler) = Self::load(OsStr::new(place)) else { continue };
            let major = compiler.version.split('.').next().and_then(|m| m.parse().ok()).unwrap_or(0);
            if major <= driver / 1000 {
                return Ok(compiler);
            }
            newer.get_or_insert(compiler);
        }
        newer.ok_or_else(|| GpuError::NoCompiler("it is not on the loader's path".into()))
    }

    fn load(path: &OsStr) -> Result<Self, GpuError> {
        let api = Api::load(path).map_err(|e| GpuError::NoCompiler(e.to_string()))?;
        let (major, minor) = api.version()?;
        Ok(Self { version: format!("{major}.{minor}"), architectures: api.architectures()?, api })
    }

    /// As [`target`], for what this compiler knows.
    pub(crate) fn target(&self, capability: (i32, i32)) -> Result<Target, GpuError> {
        target(&self.architectures, capability)
            .ok_or_else(|| GpuError::OldCompiler { version: self.version.clone(), capability })
    }

    /// Compile for `target`.
    pub(crate) fn compile(&self, source: &str, options: &[String], target: &Target) -> Result<Compiled, GpuError> {
        let program = Program::new(&self.api, source)?;
        let mut options = options.to_vec();
        options.push(format!("--gpu-architecture={}", target.name));
        program.compile(&options)?;
        Ok(Compiled { image: program.image(target.machine_code)?, log: program.log()? })
    }
}

/// Machine code where the compiler knows a GPU of this compute capability; else PTX of the newest architecture before it,
/// which the driver (newer than the compiler, as it knows the GPU) turns into machine code.
pub(super) fn target(architectures: &[i32], capability: (i32, i32)) -> Option<Target> {
    let number = capability.0 * 10 + capability.1;
    let best = architectures.iter().copied().filter(|a| (80..=number).contains(a)).max()?;
    let machine_code = best == number;
    Some(Target { name: format!("{}_{best}", if machine_code { "sm" } else { "compute" }), machine_code })
}
