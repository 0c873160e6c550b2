//! netCDF files through netCDF-C; encoded chunks go to and from HDF5 directly.
//!
//! All calls happen on the main thread: neither library is thread-safe.

mod filter;
mod h5;
mod read;
mod write;

pub(crate) use read::Reader;
pub(crate) use write::Writer;

use super::DataType;
use anyhow::{Result, bail};
use hiha::DType;
use netcdf_sys as nc;
use std::ffi::{CStr, CString, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Most characters of a netCDF name, with the final NUL.
const NAME_BYTES: usize = nc::NC_MAX_NAME as usize + 1;

/// Turn a status into an error that says what was tried.
fn check(status: c_int, what: impl FnOnce() -> String) -> Result<()> {
    if status == nc::NC_NOERR {
        return Ok(());
    }
    // SAFETY: nc_strerror returns a static NUL-terminated string for any status.
    let reason = unsafe { CStr::from_ptr(nc::nc_strerror(status)) };
    bail!("{}: {}", what(), reason.to_string_lossy())
}

fn c_string(text: &str) -> Result<CString> {
    Ok(CString::new(text)?)
}

fn c_path(path: &Path) -> Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

/// The text in a name buffer that a netCDF call filled.
fn name_of(buffer: &[u8; NAME_BYTES]) -> String {
    let end = buffer.iter().position(|&b| b == 0).unwrap_or(NAME_BYTES);
    String::from_utf8_lossy(&buffer[..end]).into_owned()
}

fn as_chars(buffer: &mut [u8; NAME_BYTES]) -> *mut c_char {
    buffer.as_mut_ptr().cast()
}

/// Our type for a netCDF atomic type; `None` for user-defined types.
const fn data_type(xtype: nc::nc_type) -> Option<DataType> {
    Some(match xtype {
        nc::NC_BYTE => DataType::Number(DType::I8),
        nc::NC_CHAR => DataType::Char,
        nc::NC_SHORT => DataType::Number(DType::I16),
        nc::NC_INT => DataType::Number(DType::I32),
        nc::NC_FLOAT => DataType::Number(DType::F32),
        nc::NC_DOUBLE => DataType::Number(DType::F64),
        nc::NC_UBYTE => DataType::Number(DType::U8),
        nc::NC_USHORT => DataType::Number(DType::U16),
        nc::NC_UINT => DataType::Number(DType::U32),
        nc::NC_INT64 => DataType::Number(DType::I64),
        nc::NC_UINT64 => DataType::Number(DType::U64),
        nc::NC_STRING => DataType::String,
        _ => return None,
    })
}

/// The netCDF type for ours; netCDF has no 16-bit floats.
fn nc_type(dtype: DataType) -> Result<nc::nc_type> {
    Ok(match dtype {
        DataType::Char => nc::NC_CHAR,
        DataType::String => nc::NC_STRING,
        DataType::Number(d) => match d {
            DType::I8 => nc::NC_BYTE,
            DType::I16 => nc::NC_SHORT,
            DType::I32 => nc::NC_INT,
            DType::F32 => nc::NC_FLOAT,
            DType::F64 => nc::NC_DOUBLE,
            DType::U8 => nc::NC_UBYTE,
            DType::U16 => nc::NC_USHORT,
            DType::U32 => nc::NC_UINT,
            DType::I64 => nc::NC_INT64,
            DType::U64 => nc::NC_UINT64,
            DType::F16 | DType::BF16 => bail!("netCDF has no type {d}"),
        },
    })
}
