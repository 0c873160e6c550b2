//! The C entry points that HDF5 calls: trampolines, buffers, panics. Each hands on to safe code.

use crate::abi::{H5Z_CLASS_T_VERS, H5Z_FLAG_REVERSE, H5ZClass2, Hid};
use crate::filter::{self, Decoder};
use crate::hdf5::Hdf5;
use crate::{local, report};
use std::ffi::{c_int, c_uint, c_void};
use std::panic::catch_unwind;

pub(crate) static CLASS: H5ZClass2 = H5ZClass2 {
    version: H5Z_CLASS_T_VERS,
    id: hiha::HDF5_FILTER_ID as c_int,
    encoder_present: 1,
    decoder_present: 1,
    name: c"hiha: error-bounded compression of gridded data".as_ptr(),
    can_apply: None, // every type is held, if only as bytes
    set_local: Some(set_local),
    filter: Some(filter),
};

/// Define `$name` as a function that calls `$target` with its return address as one more argument:
/// the host's HDF5 is the library that holds it. Three arguments leave a register free; six do not.
macro_rules! trampoline {
    (3, $name:ident => $target:ident, fn($($arg:ty),*) -> $ret:ty) => {
        $crate::entry::trampoline!(@ "mov rcx, [rsp]\njmp {f}", "mov x3, x30\nb {f}",
            $name => $target, fn($($arg),*) -> $ret);
    };
    (6, $name:ident => $target:ident, fn($($arg:ty),*) -> $ret:ty) => {
        $crate::entry::trampoline!(@ "push qword ptr [rsp]\ncall {f}\nadd rsp, 8\nret", "mov x6, x30\nb {f}",
            $name => $target, fn($($arg),*) -> $ret);
    };
    (@ $x86:literal, $arm:literal, $name:ident => $target:ident, fn($($arg:ty),*) -> $ret:ty) => {
        #[cfg(all(target_arch = "x86_64", not(windows)))]
        #[unsafe(naked)]
        unsafe extern "C" fn $name($(_: $arg),*) -> $ret {
            core::arch::naked_asm!($x86, f = sym $target)
        }
        #[cfg(target_arch = "aarch64")]
        #[unsafe(naked)]
        unsafe extern "C" fn $name($(_: $arg),*) -> $ret {
            core::arch::naked_asm!($arm, f = sym $target)
        }
    };
}
pub(crate) use trampoline;

trampoline!(3, set_local => set_local_from, fn(Hid, Hid, Hid) -> c_int);
trampoline!(6, filter => filter_from,
    fn(c_uint, usize, *const c_uint, usize, *mut usize, *mut *mut c_void) -> usize);

extern "C" fn set_local_from(dcpl: Hid, type_id: Hid, _space: Hid, caller: usize) -> c_int {
    guard(caller, || local::set_local(Hdf5::of_caller(caller), dcpl, type_id)).map_or(-1, |()| 0)
}

/// # Safety
/// As HDF5 promises: `cd_values` holds `n` words, `*buf` is a malloc'd buffer with `nbytes` valid bytes.
unsafe extern "C" fn filter_from(
    flags: c_uint,
    n: usize,
    cd_values: *const c_uint,
    nbytes: usize,
    buf_size: *mut usize,
    buf: *mut *mut c_void,
    caller: usize,
) -> usize {
    let result = guard(caller, || {
        // SAFETY: promised by HDF5; see above.
        let words = unsafe { slice(cd_values, n) };
        // SAFETY: as above.
        let input = unsafe { slice((*buf).cast::<u8>(), nbytes) };
        if flags & H5Z_FLAG_REVERSE == 0 {
            let stream = filter::encode(words, input)?;
            let mut out = Buffer::zeroed(stream.len())?;
            out.bytes().copy_from_slice(&stream);
            Ok(out)
        } else {
            let decoder = Decoder::new(words, input)?;
            let mut out = Buffer::zeroed(decoder.byte_len)?;
            decoder.decode(out.bytes())?;
            Ok(out)
        }
    });
    let Some(out) = result else { return 0 };
    let len = out.len;
    // SAFETY: HDF5 gives the old buffer to the filter to free, and takes the new one the same way.
    unsafe {
        libc::free(*buf);
        *buf = out.into_raw();
        *buf_size = len;
    }
    len
}

/// Run `f`; report its error, or its panic, to the caller's HDF5.
fn guard<T>(caller: usize, f: impl FnOnce() -> Result<T, String> + std::panic::UnwindSafe) -> Option<T> {
    let result = catch_unwind(f).unwrap_or_else(|_| Err("internal error (panic)".into()));
    let report = |message: &String| {
        // A panic while reporting must not cross into C either.
        let _ = catch_unwind(|| report::error(caller, message));
    };
    result.inspect_err(report).ok()
}

/// # Safety
/// `data` holds `n` elements, or `n` is 0.
unsafe fn slice<'a, T>(data: *const T, n: usize) -> &'a [T] {
    if n == 0 || data.is_null() {
        return &[];
    }
    // SAFETY: promised by the caller.
    unsafe { std::slice::from_raw_parts(data, n) }
}

/// A malloc'd buffer, as HDF5 wants them.
struct Buffer {
    data: *mut c_void,
    len: usize,
}

impl Buffer {
    fn zeroed(len: usize) -> Result<Self, String> {
        // SAFETY: calloc may be called with any size.
        let data = unsafe { libc::calloc(len.max(1), 1) };
        if data.is_null() { Err(format!("no memory for {len} bytes")) } else { Ok(Self { data, len }) }
    }
    const fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: calloc gave `len` bytes set to zero, owned by self.
        unsafe { std::slice::from_raw_parts_mut(self.data.cast(), self.len) }
    }
    const fn into_raw(self) -> *mut c_void {
        let data = self.data;
        std::mem::forget(self);
        data
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: from calloc, and not handed on (`into_raw` forgets self).
        unsafe { libc::free(self.data) }
    }
}
