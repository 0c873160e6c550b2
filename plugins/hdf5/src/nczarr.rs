//! The Zarr side of netCDF-C: JSON of a Zarr v2 codec to words and back, the chunk's layout from netCDF-C.

use crate::abi::NczCodec;
use crate::entry::trampoline;
use crate::object::{Object, functions};
use crate::report::{self, text};
use hiha::hdf5::{Layout, Params};
use hiha::{ByteOrder, Config, DType};
use serde_json::Value;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::panic::catch_unwind;

/// `NC_NOERR`, `NC_EFILTER`.
const NC_NOERR: c_int = 0;
const NC_EFILTER: c_int = -132;
/// `NC_MAX_VAR_DIMS` of netCDF-C.
const MAX_DIMS: usize = 1024;

pub(crate) static CODEC: NczCodec = NczCodec {
    version: 1, // NCZ_CODEC_CLASS_VER
    sort: 1,    // NCZ_CODEC_HDF5
    codecid: c"hiha".as_ptr(),
    hdf5id: hiha::HDF5_FILTER_ID,
    initialize: None,
    finalize: None,
    codec_to_hdf5: Some(codec_to_hdf5),
    hdf5_to_codec: Some(hdf5_to_codec),
    modify_parameters: Some(modify_parameters),
};

functions! {
    /// The functions of netCDF-C that tell a variable's chunk.
    NetCdf {
        vartype = c"nc_inq_vartype": fn(c_int, c_int, *mut c_int) -> c_int;
        ndims = c"nc_inq_varndims": fn(c_int, c_int, *mut c_int) -> c_int;
        chunking = c"nc_inq_var_chunking": fn(c_int, c_int, *mut c_int, *mut usize) -> c_int;
        endian = c"nc_inq_var_endian": fn(c_int, c_int, *mut c_int) -> c_int;
        fill = c"nc_inq_var_fill": fn(c_int, c_int, *mut c_int, *mut c_void) -> c_int;
    }
}

trampoline!(6, modify_parameters => modify_parameters_from,
    fn(c_int, c_int, *mut usize, *mut *mut c_uint, *mut usize, *mut *mut c_uint) -> c_int);

/// Codec configuration, such as `{"id": "hiha", "max_abs": 0.01}`, to the user's words.
unsafe extern "C" fn codec_to_hdf5(json: *const c_char, n: *mut usize, words: *mut *mut c_uint) -> c_int {
    status(0, || {
        // SAFETY: netCDF-C passes a NUL-terminated string.
        let text = unsafe { CStr::from_ptr(json) }.to_str().map_err(|e| e.to_string())?;
        let config = config_from_json(text)?;
        // SAFETY: both out pointers are valid.
        unsafe { give(&config.to_cd_values(), n, words) }
    })
}

/// Words, the user's or complete, to the codec configuration.
unsafe extern "C" fn hdf5_to_codec(n: usize, words: *const c_uint, json: *mut *mut c_char) -> c_int {
    status(0, || {
        // SAFETY: netCDF-C passes n words.
        let words = if n == 0 { &[] } else { unsafe { std::slice::from_raw_parts(words, n) } };
        let text = CString::new(json_from_words(words)?).map_err(|e| e.to_string())?;
        let (mut len, mut data) = (0, std::ptr::null_mut());
        // SAFETY: the out pointers are valid; netCDF-C frees the copy.
        unsafe {
            give(text.as_bytes_with_nul(), &mut len, &mut data)?;
            *json = data.cast();
        }
        Ok(())
    })
}

/// Complete the words for one variable; netCDF-C calls this instead of `set_local`.
unsafe extern "C" fn modify_parameters_from(
    ncid: c_int,
    varid: c_int,
    user_n: *mut usize,
    user: *mut *mut c_uint,
    n: *mut usize,
    words: *mut *mut c_uint,
    caller: usize,
) -> c_int {
    status(caller, || {
        // SAFETY: netCDF-C passes user_n words, and takes a malloc'd copy.
        let given = if unsafe { *user_n } == 0 { &[] } else { unsafe { std::slice::from_raw_parts(*user, *user_n) } };
        let mut params = Params::parse(given).map_err(text)?;
        params.config().map_err(text)?;
        let netcdf = Object::holding(caller)
            .and_then(|o| NetCdf::load(&o))
            .ok_or("netCDF-C's functions could not be found: the chunk's shape is unknown")?;
        params.layout = Some(layout(&netcdf, ncid, varid)?);
        // SAFETY: both out pointers are valid.
        unsafe { give(&params.to_words(), n, words) }
    })
}

fn config_from_json(text: &str) -> Result<Config, String> {
    let mut value: Value = serde_json::from_str(text).map_err(|e| format!("codec configuration {text}: {e}"))?;
    if let Some(object) = value.as_object_mut() {
        object.remove("id");
    }
    serde_json::from_value(value).map_err(|e| format!("codec configuration {text}: {e}"))
}

fn json_from_words(words: &[u32]) -> Result<String, String> {
    let config = Params::parse(words).and_then(|p| p.config()).map_err(text)?;
    let mut value = serde_json::to_value(config).map_err(|e| e.to_string())?;
    if let Some(object) = value.as_object_mut() {
        object.insert("id".into(), "hiha".into());
    }
    Ok(value.to_string())
}

/// The variable's chunk.
fn layout(netcdf: &NetCdf, ncid: c_int, varid: c_int) -> Result<Layout, String> {
    let (mut nc_type, mut rank, mut storage, mut endian) = (0, 0, 0, 0);
    let mut chunk = vec![0usize; MAX_DIMS];
    // SAFETY: the out pointers are valid; no variable has more than MAX_DIMS dimensions.
    let failed = unsafe {
        (netcdf.vartype)(ncid, varid, &mut nc_type) != NC_NOERR
            || (netcdf.ndims)(ncid, varid, &mut rank) != NC_NOERR
            || (netcdf.chunking)(ncid, varid, &mut storage, chunk.as_mut_ptr()) != NC_NOERR
            || (netcdf.endian)(ncid, varid, &mut endian) != NC_NOERR
    };
    if failed {
        return Err("netCDF-C does not tell the variable's type or chunks".into());
    }
    let dtype = match nc_type {
        1 => DType::I8,
        2 | 7 => DType::U8, // NC_CHAR, NC_UBYTE
        3 => DType::I16,
        4 => DType::I32,
        5 => DType::F32,
        6 => DType::F64,
        8 => DType::U16,
        9 => DType::U32,
        10 => DType::I64,
        11 => DType::U64,
        _ => return Err(format!("netCDF type {nc_type} is not numeric")),
    };
    let order = match endian {
        1 => ByteOrder::Little,
        2 => ByteOrder::Big,
        _ => ByteOrder::NATIVE,
    };
    let (mut no_fill, mut bytes) = (0, [0u8; 8]);
    // SAFETY: an element of this type has at most 8 bytes.
    let known = unsafe { (netcdf.fill)(ncid, varid, &mut no_fill, bytes.as_mut_ptr().cast()) } == NC_NOERR;
    if ByteOrder::NATIVE == ByteOrder::Big {
        bytes[..dtype.size()].reverse();
    }
    let fill = (known && no_fill == 0).then(|| u64::from_le_bytes(bytes));
    chunk.truncate(usize::try_from(rank).unwrap_or(0));
    let dims: Vec<u64> = if chunk.is_empty() { vec![1] } else { chunk.iter().map(|&d| d as u64).collect() };
    Ok(Layout { opaque: nc_type == 2, ..Layout::new(dtype, order, &dims, fill).map_err(text)? })
}

/// A malloc'd copy of `data`, and its length.
///
/// # Safety
/// Both out pointers must be valid.
unsafe fn give<T: Copy>(data: &[T], n: *mut usize, out: *mut *mut T) -> Result<(), String> {
    // SAFETY: malloc may be called with any size; the copy stays within it; see above for the pointers.
    unsafe {
        let copy = libc::malloc(size_of_val(data).max(1)).cast::<T>();
        if copy.is_null() {
            return Err("no memory".into());
        }
        std::ptr::copy_nonoverlapping(data.as_ptr(), copy, data.len());
        *n = data.len();
        *out = copy;
    }
    Ok(())
}

/// netCDF's status of `f`; its error goes to stderr, as netCDF-C has no error stack.
fn status(caller: usize, f: impl FnOnce() -> Result<(), String> + std::panic::UnwindSafe) -> c_int {
    match catch_unwind(f) {
        Ok(Ok(())) => NC_NOERR,
        Ok(Err(message)) => {
            let _ = catch_unwind(|| report::error(caller, &message));
            NC_EFILTER
        }
        Err(_) => NC_EFILTER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hiha::Bound;

    #[test]
    fn json_and_words() {
        let config = config_from_json(r#"{"id": "hiha", "max_abs": 0.01, "effort": 7}"#).unwrap();
        assert_eq!(config.bound, Bound::MaxAbs(0.01));
        let words = config.to_cd_values();
        let json: Value = serde_json::from_str(&json_from_words(&words).unwrap()).unwrap();
        assert_eq!(json, serde_json::json!({"id": "hiha", "max_abs": 0.01, "effort": 7}));
        assert!(config_from_json(r#"{"id": "hiha", "max_abs": 0.01, "colour": 1}"#).is_err());
        assert!(config_from_json(r#"{"id": "hiha"}"#).is_err());
        assert!(config_from_json("[").is_err());
    }
}
