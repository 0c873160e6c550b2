//! Writing netCDF-4: structure and plain values through netCDF-C, then encoded chunks through HDF5.

use super::h5::H5File;
use super::{c_path, c_string, check, filter, nc_type};
use crate::dataset::{Attribute, DataType, Model, Output, Storage, Values, Variable};
use anyhow::{Context, Result, bail, ensure};
use hiha::hdf5::{Layout, Params};
use hiha::{ByteOrder, DType};
use netcdf_sys as nc;
use std::collections::HashMap;
use std::ffi::{CString, c_char, c_int};
use std::path::{Path, PathBuf};

/// A netCDF-4 file being written.
pub(crate) struct Writer {
    path: PathBuf,
    model: Model,
    encoded: Vec<bool>,
    handles: Vec<(c_int, c_int)>,
    stage: Stage,
}

enum Stage {
    /// Open as netCDF.
    Plain(c_int),
    /// Open as HDF5.
    Chunks(H5File),
    Closed,
}

impl Writer {
    pub(crate) fn create(path: &Path, model: &Model, storage: &[Storage]) -> Result<Self> {
        filter::register()?;
        let name = c_path(path)?;
        let mut ncid = 0;
        // SAFETY: the name is NUL-terminated, `ncid` receives the handle.
        let status = unsafe { nc::nc_create(name.as_ptr(), nc::NC_NETCDF4 | nc::NC_NOCLOBBER, &raw mut ncid) };
        check(status, || path.display().to_string())?;
        let mut writer = Self {
            path: path.to_owned(),
            model: model.clone(),
            encoded: storage.iter().map(|s| matches!(s, Storage::Hiha { .. })).collect(),
            handles: Vec::new(),
            stage: Stage::Plain(ncid),
        };
        writer.define(ncid, storage)?;
        // SAFETY: the file is open and in define mode.
        check(unsafe { nc::nc_enddef(ncid) }, || path.display().to_string())?;
        Ok(writer)
    }

    fn define(&mut self, ncid: c_int, storage: &[Storage]) -> Result<()> {
        let mut groups = HashMap::from([("/".to_owned(), ncid)]);
        let mut dims: Vec<Vec<c_int>> = Vec::new();
        for group in &self.model.groups {
            if group.path != "/" {
                let (parent, name) = group.path.rsplit_once('/').context("group path")?;
                let parent = groups[if parent.is_empty() { "/" } else { parent }];
                let mut id = 0;
                let name = c_string(name)?;
                // SAFETY: the name is NUL-terminated.
                check(unsafe { nc::nc_def_grp(parent, name.as_ptr(), &raw mut id) }, || group.path.clone())?;
                groups.insert(group.path.clone(), id);
            }
            let id = groups[&group.path];
            let mut own = Vec::new();
            for dim in &group.dims {
                let mut dim_id = 0;
                let name = c_string(&dim.name)?;
                let len = if dim.unlimited { nc::NC_UNLIMITED } else { dim.len };
                // SAFETY: the name is NUL-terminated.
                let status = unsafe { nc::nc_def_dim(id, name.as_ptr(), len, &raw mut dim_id) };
                check(status, || format!("dimension {}", dim.name))?;
                own.push(dim_id);
            }
            dims.push(own);
            for a in &group.attributes {
                put_attribute(id, nc::NC_GLOBAL, a, None).with_context(|| format!("group {}", group.path))?;
            }
        }
        for (variable, storage) in self.model.variables.iter().zip(storage) {
            let group = groups[&self.model.groups[variable.group].path];
            let ids: Vec<c_int> = variable.dims.iter().map(|d| dims[d.group][d.index]).collect();
            let id = define_variable(group, &ids, variable, storage)
                .with_context(|| format!("variable {}", variable.path))?;
            self.handles.push((group, id));
        }
        Ok(())
    }

    /// Close the netCDF side, open the HDF5 side and make every encoded dataset full size.
    fn start_chunks(&mut self) -> Result<()> {
        if let Stage::Plain(ncid) = self.stage {
            self.stage = Stage::Closed;
            // SAFETY: open until here, closed once.
            check(unsafe { nc::nc_close(ncid) }, || self.path.display().to_string())?;
            let mut h5 = H5File::open(&self.path, true)?;
            for (variable, _) in self.model.variables.iter().zip(&self.encoded).filter(|(_, e)| **e) {
                if variable.dims.iter().any(|&d| self.model.dimension(d).unlimited) {
                    h5.dataset(&self.model.groups[variable.group].path, variable)?;
                    let path = h5_path(&self.model.groups[variable.group].path, &variable.name);
                    h5.extend(&path, &variable.shape)?;
                    for &d in &variable.dims {
                        let dim = self.model.dimension(d);
                        // A dimension without coordinate variable is a dataset of its own.
                        if dim.unlimited && self.model.coordinate(d).is_none() {
                            h5.extend(&h5_path(&self.model.groups[d.group].path, &dim.name), &[dim.len])?;
                        }
                    }
                }
            }
            self.stage = Stage::Chunks(h5);
        }
        Ok(())
    }
}

fn h5_path(group: &str, name: &str) -> String {
    format!("{}/{name}", if group == "/" { "" } else { group })
}

impl Output for Writer {
    fn write(&mut self, variable: usize, start: &[usize], count: &[usize], values: &Values) -> Result<()> {
        let path = &self.model.variables[variable].path;
        ensure!(matches!(self.stage, Stage::Plain(_)), "{path}: plain values must come before encoded chunks");
        let (group, id) = self.handles[variable];
        // SAFETY: `put` passes as many elements as `values` holds, which is what `count` says.
        put(values, |data| unsafe { nc::nc_put_vara(group, id, start.as_ptr(), count.as_ptr(), data) })
            .with_context(|| format!("writing {path}"))
    }

    fn write_chunk(&mut self, variable: usize, offset: &[usize], stream: &[u8]) -> Result<()> {
        self.start_chunks()?;
        let var = &self.model.variables[variable];
        let Stage::Chunks(h5) = &mut self.stage else { bail!("{}: the file is closed", var.path) };
        let dataset = h5.dataset(&self.model.groups[var.group].path, var)?;
        H5File::write_chunk(dataset, offset, stream).with_context(|| format!("writing {}", var.path))
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        match std::mem::replace(&mut self.stage, Stage::Closed) {
            // SAFETY: open until here, closed once.
            Stage::Plain(ncid) => check(unsafe { nc::nc_close(ncid) }, || self.path.display().to_string()),
            Stage::Chunks(h5) => h5.close(),
            Stage::Closed => Ok(()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Stage::Plain(ncid) = self.stage {
            // SAFETY: open until here, closed once.
            unsafe { nc::nc_close(ncid) };
        }
    }
}

fn define_variable(group: c_int, dims: &[c_int], variable: &Variable, storage: &Storage) -> Result<c_int> {
    let (mut id, name) = (0, c_string(&variable.name)?);
    let what = || variable.path.clone();
    let rank = dims.len() as c_int;
    // SAFETY: the name is NUL-terminated, `dims` has `rank` entries.
    unsafe {
        let xtype = nc_type(variable.dtype)?;
        check(nc::nc_def_var(group, name.as_ptr(), xtype, rank, dims.as_ptr(), &raw mut id), what)?;
        let chunks = match storage {
            Storage::Plain { chunks } => chunks.as_ref(),
            Storage::Hiha { chunks, .. } => Some(chunks),
        };
        if let Some(chunks) = chunks.filter(|_| rank > 0) {
            check(nc::nc_def_var_chunking(group, id, nc::NC_CHUNKED, chunks.as_ptr()), || {
                format!("chunks {chunks:?}")
            })?;
        }
        if let (Storage::Hiha { config, chunks }, Some(dtype)) = (storage, variable.number()) {
            let words = filter_words(config, dtype, chunks)?;
            let filter_id = hiha::HDF5_FILTER_ID;
            check(nc::nc_def_var_filter(group, id, filter_id, words.len(), words.as_ptr()), || "HiHa filter".into())?;
        }
    }
    for a in &variable.attributes {
        put_attribute(group, id, a, Some(variable.dtype))?;
    }
    Ok(id)
}

/// Complete `cd_values`, as the plugin's `set_local` leaves them, so that other programs can append to the variable.
fn filter_words(config: &hiha::Config, dtype: DType, chunks: &[usize]) -> Result<Vec<u32>> {
    // The first is the variable's own; HDF5 knows no other.
    let fill = config.fill_value.as_ref().and_then(|all| all.get(..dtype.size())).map(|element| {
        let mut bits = [0u8; 8];
        bits[..element.len()].copy_from_slice(element);
        if cfg!(target_endian = "big") {
            bits[..element.len()].reverse();
        }
        u64::from_le_bytes(bits)
    });
    let dims: Vec<u64> = chunks.iter().map(|&n| n as u64).collect();
    let layout = Layout::new(dtype, ByteOrder::NATIVE, &dims, fill)?;
    Ok(Params { user: config.to_cd_values(), layout: Some(layout) }.to_words())
}

fn put_attribute(group: c_int, id: c_int, attribute: &Attribute, variable: Option<DataType>) -> Result<()> {
    // netCDF-4 insists on the variable's type here; old classic files do not always comply.
    if let Some(dtype) = variable.filter(|&d| attribute.name == "_FillValue" && d != attribute.dtype) {
        bail!("_FillValue has type {}, the variable {dtype}; netCDF-4 cannot hold that", attribute.dtype);
    }
    let name = c_string(&attribute.name)?;
    let xtype = nc_type(attribute.dtype)?;
    let len = match (&attribute.values, attribute.dtype) {
        (Values::Strings(s), _) => s.len(),
        (Values::Fixed(b), DataType::Number(d)) => b.len() / d.size(),
        (Values::Fixed(b), _) => b.len(),
    };
    // SAFETY: `put` passes `len` elements of the attribute's type.
    put(&attribute.values, |data| unsafe { nc::nc_put_att(group, id, name.as_ptr(), xtype, len, data) })
        .with_context(|| format!("attribute {}", attribute.name))
}

/// Hand the values to `call` as netCDF wants them.
fn put(values: &Values, call: impl FnOnce(*const std::ffi::c_void) -> c_int) -> Result<()> {
    match values {
        Values::Fixed(bytes) => check(call(bytes.as_ptr().cast()), || "values".into()),
        Values::Strings(strings) => {
            let owned = strings.iter().map(|s| CString::new(s.as_slice())).collect::<Result<Vec<_>, _>>()?;
            let pointers: Vec<*const c_char> = owned.iter().map(|s| s.as_ptr()).collect();
            check(call(pointers.as_ptr().cast()), || "strings".into())
        }
    }
}
