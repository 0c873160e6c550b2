//! C structures and constants of HDF5 (1.10 and newer) and netCDF-C, as their headers declare them.

use std::ffi::{c_char, c_int, c_uint, c_void};

/// `hid_t`.
pub(crate) type Hid = i64;

pub(crate) const H5PL_TYPE_FILTER: c_int = 0;
/// `H5Z_FLAG_REVERSE`: the filter is asked to decode.
pub(crate) const H5Z_FLAG_REVERSE: c_uint = 0x0100;
/// `H5Z_CLASS_T_VERS`.
pub(crate) const H5Z_CLASS_T_VERS: c_int = 1;
/// `H5T_INTEGER`, `H5T_FLOAT` of `H5T_class_t`.
pub(crate) const H5T_INTEGER: c_int = 0;
pub(crate) const H5T_FLOAT: c_int = 1;
/// `H5T_ORDER_LE`, `H5T_ORDER_BE` of `H5T_order_t`.
pub(crate) const H5T_ORDER_LE: c_int = 0;
pub(crate) const H5T_ORDER_BE: c_int = 1;
/// `H5T_SGN_NONE`: unsigned.
pub(crate) const H5T_SGN_NONE: c_int = 0;
/// `H5D_FILL_VALUE_USER_DEFINED`.
pub(crate) const H5D_FILL_VALUE_USER_DEFINED: c_int = 2;

pub(crate) type LocalFn = unsafe extern "C" fn(Hid, Hid, Hid) -> c_int;
pub(crate) type FilterFn =
    unsafe extern "C" fn(c_uint, usize, *const c_uint, usize, *mut usize, *mut *mut c_void) -> usize;

/// `H5Z_class2_t`.
#[repr(C)]
pub(crate) struct H5ZClass2 {
    pub(crate) version: c_int,
    pub(crate) id: c_int,
    pub(crate) encoder_present: c_uint,
    pub(crate) decoder_present: c_uint,
    pub(crate) name: *const c_char,
    pub(crate) can_apply: Option<LocalFn>,
    pub(crate) set_local: Option<LocalFn>,
    pub(crate) filter: Option<FilterFn>,
}
// SAFETY: the one value is a constant; its name points to a static string.
unsafe impl Sync for H5ZClass2 {}

pub(crate) type ModifyFn =
    unsafe extern "C" fn(c_int, c_int, *mut usize, *mut *mut c_uint, *mut usize, *mut *mut c_uint) -> c_int;

/// `NCZ_codec_t` of netCDF-C's `netcdf_filter_build.h`.
#[repr(C)]
pub(crate) struct NczCodec {
    pub(crate) version: c_int,
    pub(crate) sort: c_int,
    pub(crate) codecid: *const c_char,
    pub(crate) hdf5id: c_uint,
    pub(crate) initialize: Option<unsafe extern "C" fn()>,
    pub(crate) finalize: Option<unsafe extern "C" fn()>,
    pub(crate) codec_to_hdf5: Option<unsafe extern "C" fn(*const c_char, *mut usize, *mut *mut c_uint) -> c_int>,
    pub(crate) hdf5_to_codec: Option<unsafe extern "C" fn(usize, *const c_uint, *mut *mut c_char) -> c_int>,
    pub(crate) modify_parameters: Option<ModifyFn>,
}
// SAFETY: the one value is a constant; its name points to a static string.
unsafe impl Sync for NczCodec {}
