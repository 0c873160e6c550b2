//! `set_local`: what HDF5 knows of the dataset goes into the filter's words.

use crate::abi::{H5D_FILL_VALUE_USER_DEFINED, Hid};
use crate::hdf5::{Functions, Hdf5};
use crate::report::text;
use crate::types;
use hiha::hdf5::{Layout, Params};
use hiha::{ByteOrder, DType};
use std::ffi::{c_int, c_uint};
use std::ptr::null_mut;

/// More words than the filter ever stores.
const MAX_WORDS: usize = 64;
/// `H5S_MAX_RANK`.
const MAX_RANK: usize = 32;
const ID: c_int = hiha::HDF5_FILTER_ID as c_int;

/// Complete the filter's words in the dataset's creation property list.
pub(crate) fn set_local(host: Option<&Hdf5>, dcpl: Hid, type_id: Hid) -> Result<(), String> {
    let Some(host) = host else {
        // Words that a program has completed itself will do; the filter says so if they are not.
        return Ok(());
    };
    let h5 = &host.functions;
    let (flags, words) = current(h5, dcpl)?;
    let mut params = Params::parse(&words).map_err(text)?;
    params.config().map_err(text)?;
    must_be_first(h5, dcpl)?;

    let mut dims = [0; MAX_RANK];
    // SAFETY: the list is HDF5's own, the buffer holds MAX_RANK dimensions.
    let rank = unsafe { (h5.chunk)(dcpl, MAX_RANK as c_int, dims.as_mut_ptr()) };
    let dims = usize::try_from(rank).ok().and_then(|n| dims.get(..n)).ok_or("HDF5 does not tell the chunk's shape")?;
    params.layout = Some(layout(h5, dcpl, type_id, dims)?);

    let words = params.to_words();
    // SAFETY: the words are valid for the call, which copies them.
    if unsafe { (h5.modify_filter)(dcpl, ID, flags, words.len(), words.as_ptr()) } < 0 {
        return Err("HDF5 refuses the filter's completed parameters".into());
    }
    Ok(())
}

/// The chunk as HDF5 describes it. Elements that are no numbers become one more dimension of bytes:
/// tools apply one filter to every variable, and a refusal would end their run.
fn layout(h5: &Functions, dcpl: Hid, type_id: Hid, dims: &[u64]) -> Result<Layout, String> {
    if let Some((dtype, order)) = types::describe(h5, type_id) {
        return Layout::new(dtype, order, dims, fill_value(h5, dcpl, type_id, dtype, order)?).map_err(text);
    }
    // SAFETY: the id is the one HDF5 gave to the callback.
    let size = unsafe { (h5.type_size)(type_id) };
    let bytes = Layout::new(DType::U8, ByteOrder::NATIVE, &[dims, &[size as u64]].concat(), None).map_err(text)?;
    Ok(Layout { opaque: true, ..bytes })
}

/// Flags and words of our filter in the list.
fn current(h5: &Functions, dcpl: Hid) -> Result<(c_uint, Vec<u32>), String> {
    let (mut flags, mut config, mut n) = (0, 0, MAX_WORDS);
    let mut words = vec![0u32; MAX_WORDS];
    // SAFETY: the out pointers are valid and `n` tells the buffer's length; no name is asked for.
    let rc = unsafe { (h5.filter_by_id)(dcpl, ID, &mut flags, &mut n, words.as_mut_ptr(), 0, null_mut(), &mut config) };
    if rc < 0 || n > MAX_WORDS {
        return Err(format!("HDF5 does not tell the filter's parameters, or they are more than {MAX_WORDS} words"));
    }
    words.truncate(n);
    Ok((flags, words))
}

/// A filter before ours (shuffle, checksums) would hand us bytes that are no numbers any more.
fn must_be_first(h5: &Functions, dcpl: Hid) -> Result<(), String> {
    // SAFETY: the list is HDF5's own.
    let count = unsafe { (h5.n_filters)(dcpl) };
    if count < 1 {
        return Err("HDF5 does not tell the dataset's filters".into());
    }
    let (mut flags, mut config, mut n) = (0, 0, 0);
    // SAFETY: filter 0 exists; no words and no name are asked for.
    let first = unsafe { (h5.filter_at)(dcpl, 0, &mut flags, &mut n, null_mut(), 0, null_mut(), &mut config) };
    if first == ID {
        return Ok(());
    }
    let name = match first {
        1 => "deflate",
        2 => "shuffle",
        3 => "fletcher32",
        4 => "szip",
        5 => "nbit",
        6 => "scaleoffset",
        _ => "another filter",
    };
    Err(format!("hiha must be the dataset's first filter, but {name} (id {first}) stands before it"))
}

/// Bits of the fill value that the user declared, in native order.
fn fill_value(h5: &Functions, dcpl: Hid, type_id: Hid, dtype: DType, order: ByteOrder) -> Result<Option<u64>, String> {
    let mut status = 0;
    // SAFETY: the list is HDF5's own, the out pointer valid.
    if unsafe { (h5.fill_defined)(dcpl, &mut status) } < 0 || status != H5D_FILL_VALUE_USER_DEFINED {
        return Ok(None);
    }
    let mut bytes = [0u8; 8];
    // SAFETY: an element of the dataset's own type has at most 8 bytes here.
    if unsafe { (h5.fill_value)(dcpl, type_id, bytes.as_mut_ptr().cast()) } < 0 {
        return Err("HDF5 does not tell the fill value".into());
    }
    let element = &mut bytes[..dtype.size()];
    if order == ByteOrder::Big {
        element.reverse();
    }
    Ok(Some(u64::from_le_bytes(bytes)))
}
