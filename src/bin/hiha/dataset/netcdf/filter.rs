//! The HiHa filter for HDF5 calls of this process, so that no plugin is needed here. Decoding
//! only: this program encodes chunks itself and writes them with `H5Dwrite_chunk`.

use anyhow::{Result, ensure};
use hdf5_metno_sys::{h5, h5z};
use hiha::{ByteOrder, DecodeOptions};
use std::ffi::{c_char, c_int, c_uint, c_void};
use std::panic::catch_unwind;
use std::sync::OnceLock;

/// HDF5's flag for decoding.
const REVERSE: c_uint = 0x100;

unsafe extern "C" {
    fn malloc(bytes: usize) -> *mut c_void;
    fn free(memory: *mut c_void);
}

#[repr(transparent)]
struct Class(h5z::H5Z_class2_t);
// SAFETY: the class is never written and its name is a static string.
unsafe impl Sync for Class {}

static CLASS: Class = Class(h5z::H5Z_class2_t {
    version: 1,
    id: hiha::HDF5_FILTER_ID as c_int,
    encoder_present: 1,
    decoder_present: 1,
    name: c"hiha".as_ptr().cast::<c_char>(),
    can_apply: None,
    set_local: None,
    filter: Some(filter),
});

/// Register the filter with HDF5, once.
pub(super) fn register() -> Result<()> {
    static DONE: OnceLock<bool> = OnceLock::new();
    let done = DONE.get_or_init(|| {
        // SAFETY: the class is static and laid out as HDF5 declares it.
        unsafe { h5::H5open() >= 0 && h5z::H5Zregister((&raw const CLASS.0).cast()) >= 0 }
    });
    ensure!(*done, "HDF5 refused to register the HiHa filter");
    Ok(())
}

extern "C" fn filter(
    flags: c_uint,
    _n: usize,
    _values: *const c_uint,
    bytes: usize,
    capacity: *mut usize,
    buffer: *mut *mut c_void,
) -> usize {
    if flags & REVERSE == 0 {
        return 0; // Nothing here asks HDF5 to encode.
    }
    catch_unwind(|| {
        // SAFETY: HDF5 passes a buffer of `bytes` bytes.
        let stream = unsafe { std::slice::from_raw_parts((*buffer).cast::<u8>(), bytes) };
        decode(stream).map_or(0, |(memory, len)| {
            // SAFETY: the filter owns the buffer and must replace it by one from malloc.
            unsafe {
                free(*buffer);
                *buffer = memory;
                *capacity = len;
            }
            len
        })
    })
    .unwrap_or(0)
}

/// Decode into memory from malloc, in the byte order that was encoded (the file's).
fn decode(stream: &[u8]) -> Option<(*mut c_void, usize)> {
    let report = |e: hiha::Error| eprintln!("hiha: {e}");
    let info = hiha::inspect(stream).map_err(report).ok()?;
    let options = DecodeOptions::default();
    let array = hiha::decode_with(stream, &options).map_err(report).ok()?;
    let len = array.bytes().len();
    // SAFETY: malloc returns null or `len` writable bytes, which do not overlap the array.
    let memory = unsafe { malloc(len) };
    if memory.is_null() {
        return None;
    }
    // SAFETY: as above.
    let out = unsafe {
        std::ptr::copy_nonoverlapping(array.bytes().as_ptr(), memory.cast(), len);
        std::slice::from_raw_parts_mut(memory.cast::<u8>(), len)
    };
    if info.byte_order != ByteOrder::NATIVE {
        out.chunks_exact_mut(info.dtype.size()).for_each(<[u8]>::reverse);
    }
    Some((memory, len))
}
