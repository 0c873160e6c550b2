//! HDF5 filter plugin and netCDF-C NCZarr codec of HiHa: `libh5zhiha.so`.
//!
//! ```text
//! set_local: user words + HDF5's own knowledge -> complete cd_values   (local, types, hdf5, `hiha::hdf5`)
//! filter:    chunk <-> stream                                          (filter)
//! NCZarr:    JSON <-> cd_values, shape from netCDF-C                   (nczarr)
//! ```
//!
//! Nothing of HDF5 or netCDF is linked: their functions are looked up in the library that calls
//! (`object`). The words are described in `codec-spec/hdf5.md`.
//!
//! A program that links its own HDF5 can register the filter without any plugin folder:
//! `H5Zregister(h5zhiha::class())`.

mod abi;
mod entry;
mod filter;
mod hdf5;
mod local;
mod nczarr;
mod object;
mod report;
mod types;

use std::ffi::{c_int, c_void};

/// The filter's `H5Z_class2_t`, for `H5Zregister`.
#[must_use]
pub const fn class() -> *const c_void {
    (&raw const entry::CLASS).cast()
}

/// HDF5 asks what kind of plugin this is.
#[unsafe(no_mangle)]
pub extern "C" fn H5PLget_plugin_type() -> c_int {
    abi::H5PL_TYPE_FILTER
}

/// HDF5 asks for the filter's class.
#[unsafe(no_mangle)]
pub extern "C" fn H5PLget_plugin_info() -> *const c_void {
    class()
}

/// netCDF-C asks for the Zarr codec.
#[unsafe(no_mangle)]
pub extern "C" fn NCZ_get_codec_info() -> *const c_void {
    (&raw const nczarr::CODEC).cast()
}
