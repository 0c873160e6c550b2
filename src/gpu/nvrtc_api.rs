//! The functions of NVRTC, of a library that is loaded at run time. By its path: the names that cudarc tries would find
//! another library than the one the user asked for, and its results are an enumeration that a newer NVRTC may exceed.

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::ptr::null;

use libloading::Library;

use super::error::GpuError;

type Handle = *mut c_void;
type Strings = *const *const c_char;

/// NVRTC 11.1 and newer have these functions with these types.
pub(super) struct Api {
    version: unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int,
    architecture_count: unsafe extern "C" fn(*mut c_int) -> c_int,
    architectures: unsafe extern "C" fn(*mut c_int) -> c_int,
    create: unsafe extern "C" fn(*mut Handle, *const c_char, *const c_char, c_int, Strings, Strings) -> c_int,
    destroy: unsafe extern "C" fn(*mut Handle) -> c_int,
    compile: unsafe extern "C" fn(Handle, c_int, Strings) -> c_int,
    log: Text,
    machine_code: Text,
    ptx: Text,
    error: unsafe extern "C" fn(c_int) -> *const c_char,
    /// The functions are its own.
    _library: Library,
}

/// The size of something of a program, and the thing.
#[derive(Clone, Copy)]
struct Text {
    size: unsafe extern "C" fn(Handle, *mut usize) -> c_int,
    get: unsafe extern "C" fn(Handle, *mut c_char) -> c_int,
}

impl Api {
    /// # Errors
    /// Why the library of this name or path cannot be used.
    pub(super) fn load(path: &OsStr) -> Result<Self, libloading::Error> {
        // SAFETY: loading NVRTC runs its initialisers only; its functions have the types of the fields.
        unsafe {
            let library = Library::new(path)?;
            let text = |size: &[u8], get: &[u8]| -> Result<Text, libloading::Error> {
                Ok(Text { size: *library.get(size)?, get: *library.get(get)? })
            };
            Ok(Self {
                version: *library.get(b"nvrtcVersion")?,
                architecture_count: *library.get(b"nvrtcGetNumSupportedArchs")?,
                architectures: *library.get(b"nvrtcGetSupportedArchs")?,
                create: *library.get(b"nvrtcCreateProgram")?,
                destroy: *library.get(b"nvrtcDestroyProgram")?,
                compile: *library.get(b"nvrtcCompileProgram")?,
                log: text(b"nvrtcGetProgramLogSize", b"nvrtcGetProgramLog")?,
                machine_code: text(b"nvrtcGetCUBINSize", b"nvrtcGetCUBIN")?,
                ptx: text(b"nvrtcGetPTXSize", b"nvrtcGetPTX")?,
                error: *library.get(b"nvrtcGetErrorString")?,
                _library: library,
            })
        }
    }

    fn check(&self, result: c_int) -> Result<(), GpuError> {
        if result == 0 {
            return Ok(());
        }
        // SAFETY: NVRTC has a text that lives for every number, "unknown" too.
        let text = unsafe { CStr::from_ptr((self.error)(result)) };
        Err(GpuError::Compile(text.to_string_lossy().into_owned()))
    }

    /// Major and minor.
    pub(super) fn version(&self) -> Result<(i32, i32), GpuError> {
        let (mut major, mut minor) = (0, 0);
        // SAFETY: the pointers are to integers that live.
        self.check(unsafe { (self.version)(&raw mut major, &raw mut minor) })?;
        Ok((major, minor))
    }

    /// Architectures it compiles for, ascending: 80, 90.
    pub(super) fn architectures(&self) -> Result<Vec<i32>, GpuError> {
        let mut count = 0;
        // SAFETY: the pointer is to an integer that lives.
        self.check(unsafe { (self.architecture_count)(&raw mut count) })?;
        let mut architectures = vec![0; count.max(0) as usize];
        // SAFETY: NVRTC writes `count` integers.
        self.check(unsafe { (self.architectures)(architectures.as_mut_ptr()) })?;
        architectures.sort_unstable();
        Ok(architectures)
    }
}

/// A program, destroyed when dropped.
pub(super) struct Program<'a> {
    api: &'a Api,
    handle: Handle,
}

impl<'a> Program<'a> {
    pub(super) fn new(api: &'a Api, source: &str) -> Result<Self, GpuError> {
        let source = CString::new(source).map_err(|e| GpuError::Compile(e.to_string()))?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: NVRTC copies the text; there are no headers.
        let result = unsafe { (api.create)(&raw mut handle, source.as_ptr(), c"hiha.cu".as_ptr(), 0, null(), null()) };
        api.check(result)?;
        Ok(Self { api, handle })
    }

    /// # Errors
    /// With the log.
    pub(super) fn compile(&self, options: &[String]) -> Result<(), GpuError> {
        let options: Result<Vec<CString>, _> = options.iter().map(|o| CString::new(o.as_str())).collect();
        let options = options.map_err(|e| GpuError::Compile(e.to_string()))?;
        let pointers: Vec<*const c_char> = options.iter().map(|o| o.as_ptr()).collect();
        // SAFETY: `pointers` are `options.len()` strings that live.
        let result = unsafe { (self.api.compile)(self.handle, pointers.len() as c_int, pointers.as_ptr()) };
        self.api.check(result).map_err(|e| GpuError::Compile(format!("{e}\n{}", self.log().unwrap_or_default())))
    }

    pub(super) fn log(&self) -> Result<String, GpuError> {
        let text = self.bytes(self.api.log)?;
        Ok(CStr::from_bytes_until_nul(&text).unwrap_or_default().to_string_lossy().into_owned())
    }

    /// Machine code, or PTX with a zero at its end.
    pub(super) fn image(&self, machine_code: bool) -> Result<Vec<u8>, GpuError> {
        self.bytes(if machine_code { self.api.machine_code } else { self.api.ptx })
    }

    fn bytes(&self, text: Text) -> Result<Vec<u8>, GpuError> {
        let mut n = 0;
        // SAFETY: the program lives, and so does the integer.
        self.api.check(unsafe { (text.size)(self.handle, &raw mut n) })?;
        let mut bytes = vec![0_u8; n];
        // SAFETY: NVRTC writes as many bytes as it said.
        self.api.check(unsafe { (text.get)(self.handle, bytes.as_mut_ptr().cast()) })?;
        Ok(bytes)
    }
}

impl Drop for Program<'_> {
    fn drop(&mut self) {
        // SAFETY: the program was created and is destroyed once.
        unsafe { (self.api.destroy)(&raw mut self.handle) };
    }
}
