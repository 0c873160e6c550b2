//! NVRTC, loaded at run time.

use std::ffi::{CStr, CString, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::ptr::null;
use std::sync::OnceLock;

use cudarc::nvrtc::sys;

use super::error::GpuError;

/// Where toolkits put the library when it is not on the loader's path.
const PLACES: [&str; 2] = ["/usr/local/cuda/lib64/libnvrtc.so", "/opt/cuda/lib64/libnvrtc.so"];

/// The library as it was found in this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Compiler {
    /// As NVRTC says it, "12.9".
    pub(crate) version: String,
    /// Architectures it compiles for, ascending: 80, 90.
    pub(crate) architectures: Vec<i32>,
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
    /// The process's NVRTC, loaded when it is first asked for.
    pub(crate) fn get() -> Result<&'static Self, GpuError> {
        static COMPILER: OnceLock<Result<Compiler, GpuError>> = OnceLock::new();
        COMPILER.get_or_init(|| guarded(Self::load)).as_ref().map_err(Clone::clone)
    }

    fn load() -> Result<Self, GpuError> {
        if let Some(path) = std::env::var_os("HIHA_NVRTC") {
            open(Path::new(&path)).map_err(|e| GpuError::NoCompiler(e.to_string()))?;
        }
        let found = || {
            // SAFETY: loading NVRTC runs its initialisers only.
            unsafe { sys::is_culib_present() }
        };
        if !found() && (PLACES.iter().all(|p| open(Path::new(p)).is_err()) || !found()) {
            return Err(GpuError::NoCompiler("it is not on the loader's path".into()));
        }
        let (mut major, mut minor, mut count) = (0, 0, 0);
        // SAFETY: the pointers are to integers that live.
        unsafe {
            check(sys::nvrtcVersion(&raw mut major, &raw mut minor))?;
            check(sys::nvrtcGetNumSupportedArchs(&raw mut count))?;
        }
        let mut architectures = vec![0; count.max(0) as usize];
        // SAFETY: NVRTC writes `count` integers.
        check(unsafe { sys::nvrtcGetSupportedArchs(architectures.as_mut_ptr()) })?;
        architectures.sort_unstable();
        Ok(Self { version: format!("{major}.{minor}"), architectures })
    }

    /// Machine code for a GPU of this compute capability, or PTX where NVRTC is older than the GPU.
    pub(crate) fn target(&self, capability: (i32, i32)) -> Result<Target, GpuError> {
        let number = capability.0 * 10 + capability.1;
        match self.architectures.iter().rev().find(|&&a| (80..=number).contains(&a)) {
            // Machine code runs on later minor revisions of its generation.
            Some(a) => {
                let machine_code = a / 10 == capability.0;
                Ok(Target { name: format!("{}_{a}", if machine_code { "sm" } else { "compute" }), machine_code })
            }
            None => Err(GpuError::OldCompiler { version: self.version.clone(), capability }),
        }
    }

    /// Compile for `target`.
    pub(crate) fn compile(&self, source: &str, options: &[String], target: &Target) -> Result<Compiled, GpuError> {
        guarded(|| {
            let program = Program::new(source)?;
            let mut options = options.to_vec();
            options.push(format!("--gpu-architecture={}", target.name));
            program.compile(&options)?;
            Ok(Compiled { image: program.image(target.machine_code)?, log: program.log()? })
        })
    }
}

/// Load a library for good, with its names visible to loads by name.
fn open(path: &Path) -> Result<(), libloading::Error> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: loading NVRTC runs its initialisers only.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }?;
    std::mem::forget(library);
    Ok(())
}

fn check(result: sys::nvrtcResult) -> Result<(), GpuError> {
    if result == sys::nvrtcResult::NVRTC_SUCCESS { Ok(()) } else { Err(GpuError::Compile(format!("{result:?}"))) }
}

/// A program, destroyed when dropped.
struct Program(sys::nvrtcProgram);

impl Program {
    fn new(source: &str) -> Result<Self, GpuError> {
        let source = CString::new(source).map_err(|e| GpuError::Compile(e.to_string()))?;
        let mut program = std::ptr::null_mut();
        // SAFETY: NVRTC copies the text; there are no headers.
        check(unsafe {
            sys::nvrtcCreateProgram(&raw mut program, source.as_ptr(), c"hiha.cu".as_ptr(), 0, null(), null())
        })?;
        Ok(Self(program))
    }

    fn compile(&self, options: &[String]) -> Result<(), GpuError> {
        let options: Result<Vec<CString>, _> = options.iter().map(|o| CString::new(o.as_str())).collect();
        let options = options.map_err(|e| GpuError::Compile(e.to_string()))?;
        let pointers: Vec<*const c_char> = options.iter().map(|o| o.as_ptr()).collect();
        // SAFETY: `pointers` are `options.len()` strings that live.
        let result = unsafe { sys::nvrtcCompileProgram(self.0, pointers.len() as c_int, pointers.as_ptr()) };
        check(result).map_err(|e| GpuError::Compile(format!("{e}\n{}", self.log().unwrap_or_default())))
    }

    fn log(&self) -> Result<String, GpuError> {
        // SAFETY: NVRTC writes as many bytes as it said, with a zero at the end.
        let text =
            unsafe { self.bytes(|p, n| sys::nvrtcGetProgramLogSize(p, n), |p, to| sys::nvrtcGetProgramLog(p, to)) }?;
        Ok(CStr::from_bytes_until_nul(&text).unwrap_or_default().to_string_lossy().into_owned())
    }

    fn image(&self, machine_code: bool) -> Result<Vec<u8>, GpuError> {
        // SAFETY: NVRTC writes as many bytes as it said.
        unsafe {
            if machine_code {
                self.bytes(|p, n| sys::nvrtcGetCUBINSize(p, n), |p, to| sys::nvrtcGetCUBIN(p, to))
            } else {
                self.bytes(|p, n| sys::nvrtcGetPTXSize(p, n), |p, to| sys::nvrtcGetPTX(p, to))
            }
        }
    }

    /// What `get` writes of the size that `size` says.
    ///
    /// # Safety
    /// `get` must write no more than that.
    unsafe fn bytes(
        &self,
        size: impl FnOnce(sys::nvrtcProgram, *mut usize) -> sys::nvrtcResult,
        get: impl FnOnce(sys::nvrtcProgram, *mut c_char) -> sys::nvrtcResult,
    ) -> Result<Vec<u8>, GpuError> {
        let mut n = 0;
        check(size(self.0, &raw mut n))?;
        let mut bytes = vec![0_u8; n];
        check(get(self.0, bytes.as_mut_ptr().cast()))?;
        Ok(bytes)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: the program was created and is destroyed once.
        unsafe { sys::nvrtcDestroyProgram(&raw mut self.0) };
    }
}
