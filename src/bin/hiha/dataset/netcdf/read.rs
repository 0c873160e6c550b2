//! Reading: the structure of a netCDF file and hyperslabs of its variables.

use super::h5::H5File;
use super::{NAME_BYTES, as_chars, c_path, c_string, check, data_type, filter, name_of};
use crate::dataset::{Attribute, DataType, Dataset, DimId, Dimension, Filter, Group, Model, Values, Variable};
use anyhow::{Context, Result, bail, ensure};
use netcdf_sys as nc;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::ptr::null_mut;

/// A netCDF file open for reading.
pub(crate) struct Reader {
    path: PathBuf,
    ncid: c_int,
    model: Model,
    /// Group handle and variable number of each variable.
    handles: Vec<(c_int, c_int)>,
    /// The same file as HDF5, for stored chunks; `None` for classic files.
    h5: Option<RefCell<H5File>>,
}

impl Reader {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        filter::register()?;
        let mut ncid = 0;
        let name = c_path(path)?;
        // SAFETY: the name is NUL-terminated, `ncid` receives the handle.
        check(unsafe { nc::nc_open(name.as_ptr(), nc::NC_NOWRITE, &raw mut ncid) }, || path.display().to_string())?;
        let mut file = Self { path: path.to_owned(), ncid, model: Model::default(), handles: Vec::new(), h5: None };
        let mut format = 0;
        // SAFETY: the file is open.
        check(unsafe { nc::nc_inq_format(ncid, &raw mut format) }, || "format".into())?;
        Scan { file: &mut file, dims: HashMap::new() }.group(ncid, "/").with_context(|| path.display().to_string())?;
        if (nc::NC_FORMAT_NETCDF4..=nc::NC_FORMAT_NETCDF4_CLASSIC).contains(&format) {
            file.h5 = Some(RefCell::new(H5File::open(path, false)?));
        }
        Ok(file)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.h5 = None;
        // SAFETY: open since `open`, closed once.
        unsafe { nc::nc_close(self.ncid) };
    }
}

impl Dataset for Reader {
    fn model(&self) -> &Model {
        &self.model
    }

    fn read(&self, variable: usize, start: &[usize], count: &[usize]) -> Result<Values> {
        let var = &self.model.variables[variable];
        let (group, id) = self.handles[variable];
        let len: usize = count.iter().product();
        let inside = start.iter().zip(count).zip(&var.shape).all(|((&s, &c), &n)| s + c <= n);
        ensure!(start.len() == var.shape.len() && inside, "{}: {start:?} + {count:?} is outside", var.path);
        // SAFETY: `fetch` passes a buffer of `len` elements of the variable's type.
        fetch(var.dtype, len, |out| unsafe { nc::nc_get_vara(group, id, start.as_ptr(), count.as_ptr(), out) })
            .with_context(|| format!("reading {}", var.path))
    }

    fn stored_bytes(&self, variable: usize) -> Result<u64> {
        let var = &self.model.variables[variable];
        match (&self.h5, var.dtype) {
            (Some(h5), _) => {
                Ok(H5File::storage_size(h5.borrow_mut().dataset(&self.model.groups[var.group].path, var)?))
            }
            (None, DataType::Number(d)) => Ok((var.len() * d.size()) as u64),
            (None, _) => Ok(var.len() as u64),
        }
    }

    fn raw_chunk(&self, variable: usize, offset: &[usize]) -> Result<Option<Vec<u8>>> {
        let var = &self.model.variables[variable];
        let h5 = self.h5.as_ref().with_context(|| format!("{}: a classic file has no chunks", var.path))?;
        let dataset = h5.borrow_mut().dataset(&self.model.groups[var.group].path, var)?;
        H5File::read_chunk(dataset, offset).with_context(|| var.path.clone())
    }

    fn chunk_front(&self, variable: usize, offset: &[usize], bytes: u64) -> Result<Option<(Vec<u8>, u64)>> {
        let var = &self.model.variables[variable];
        let h5 = self.h5.as_ref().with_context(|| format!("{}: a classic file has no chunks", var.path))?;
        let dataset = h5.borrow_mut().dataset(&self.model.groups[var.group].path, var)?;
        let Some((address, size)) = H5File::chunk_address(dataset, offset) else { return Ok(None) };
        let mut front = vec![0; usize::try_from(bytes.min(size))?];
        let file = std::fs::File::open(&self.path)?;
        file.read_exact_at(&mut front, address).with_context(|| format!("{}: chunk at {offset:?}", var.path))?;
        Ok(Some((front, size)))
    }
}

/// Let `get` fill a buffer for `len` elements, and own what it wrote.
fn fetch(dtype: DataType, len: usize, get: impl FnOnce(*mut std::ffi::c_void) -> c_int) -> Result<Values> {
    let size = match dtype {
        DataType::Number(d) => d.size(),
        DataType::Char => 1,
        DataType::String => {
            let mut pointers: Vec<*mut c_char> = vec![null_mut(); len];
            check(get(pointers.as_mut_ptr().cast()), || "strings".into())?;
            let own = |&p: &*mut c_char| {
                // SAFETY: netCDF returned either null or a NUL-terminated string.
                if p.is_null() { Vec::new() } else { unsafe { CStr::from_ptr(p) }.to_bytes().to_vec() }
            };
            let strings = pointers.iter().map(own).collect();
            // SAFETY: the strings were allocated by netCDF and are freed once.
            unsafe { nc::nc_free_string(len, pointers.as_mut_ptr()) };
            return Ok(Values::Strings(strings));
        }
    };
    let mut bytes = vec![0u8; len * size];
    check(get(bytes.as_mut_ptr().cast()), || "values".into())?;
    Ok(Values::Fixed(bytes))
}

/// Walks the groups and fills the model.
struct Scan<'a> {
    file: &'a mut Reader,
    /// Our id of each netCDF dimension id (unique in a file).
    dims: HashMap<c_int, DimId>,
}

impl Scan<'_> {
    fn group(&mut self, id: c_int, path: &str) -> Result<()> {
        let index = self.file.model.groups.len();
        let (mut variables, mut attributes, mut types) = (0, 0, 0);
        // SAFETY: `id` is an open group; null asks for nothing.
        unsafe {
            check(nc::nc_inq(id, null_mut(), &raw mut variables, &raw mut attributes, null_mut()), || path.into())?;
            check(nc::nc_inq_typeids(id, &raw mut types, null_mut()), || path.into())?;
        }
        // Types first: a file whose types nobody uses would lose them without a word.
        ensure!(
            types == 0 || self.uses_user_type(id, variables),
            "group {path}: user-defined types (compound, enum, vlen, opaque) are not supported"
        );
        let dims = self.dimensions(id, index)?;
        let attributes = read_attributes(id, nc::NC_GLOBAL, attributes).with_context(|| format!("group {path}"))?;
        self.file.model.groups.push(Group { path: path.to_owned(), dims, attributes });
        for v in 0..variables {
            let variable = self.variable(id, v, index, path)?;
            self.file.model.variables.push(variable);
            self.file.handles.push((id, v));
        }
        for child in ids(|n, out| {
            // SAFETY: called with null first to learn the count, then with room for it.
            unsafe { nc::nc_inq_grps(id, n, out) }
        })? {
            let mut name = [0; NAME_BYTES];
            // SAFETY: the buffer holds the longest name.
            check(unsafe { nc::nc_inq_grpname(child, as_chars(&mut name)) }, || "group name".into())?;
            let parent = if path == "/" { "" } else { path };
            self.group(child, &format!("{parent}/{}", name_of(&name)))?;
        }
        Ok(())
    }

    /// True when a variable has a user-defined type: the error then names that variable.
    fn uses_user_type(&self, id: c_int, variables: c_int) -> bool {
        (0..variables).any(|v| {
            let mut xtype = 0;
            // SAFETY: the variable exists.
            let status = unsafe { nc::nc_inq_vartype(id, v, &raw mut xtype) };
            status == nc::NC_NOERR && data_type(xtype).is_none()
        })
    }

    fn dimensions(&mut self, id: c_int, group: usize) -> Result<Vec<Dimension>> {
        // SAFETY: called with null first to learn the count, then with room for it.
        let unlimited = ids(|n, out| unsafe { nc::nc_inq_unlimdims(id, n, out) })?;
        // SAFETY: as above.
        let own = ids(|n, out| unsafe { nc::nc_inq_dimids(id, n, out, 0) })?;
        let mut dims = Vec::new();
        for dim in own {
            let (mut name, mut len) = ([0; NAME_BYTES], 0);
            // SAFETY: the buffer holds the longest name.
            check(unsafe { nc::nc_inq_dim(id, dim, as_chars(&mut name), &raw mut len) }, || "dimension".into())?;
            self.dims.insert(dim, DimId { group, index: dims.len() });
            dims.push(Dimension { name: name_of(&name), len, unlimited: unlimited.contains(&dim) });
        }
        Ok(dims)
    }

    fn variable(&self, id: c_int, v: c_int, group: usize, group_path: &str) -> Result<Variable> {
        let (mut buffer, mut xtype, mut rank, mut attributes) = ([0; NAME_BYTES], 0, 0, 0);
        let mut dim_ids = [0; nc::NC_MAX_VAR_DIMS as usize];
        // SAFETY: the buffers hold the longest name and the most dimensions.
        let status = unsafe {
            nc::nc_inq_var(
                id,
                v,
                as_chars(&mut buffer),
                &raw mut xtype,
                &raw mut rank,
                dim_ids.as_mut_ptr(),
                &raw mut attributes,
            )
        };
        check(status, || format!("variable {v} of {group_path}"))?;
        let name = name_of(&buffer);
        let path = if group_path == "/" { name.clone() } else { format!("{group_path}/{name}") };
        let Some(dtype) = data_type(xtype) else {
            bail!("variable {path}: user-defined types are not supported");
        };
        let mut dims = Vec::new();
        for d in &dim_ids[..rank as usize] {
            dims.push(*self.dims.get(d).with_context(|| format!("variable {path}: unknown dimension"))?);
        }
        let length = |d: &DimId| {
            // The variable's own group is not pushed before its dimensions are known, so it is there.
            self.file.model.dimension(*d).len
        };
        let shape: Vec<usize> = dims.iter().map(length).collect();
        Ok(Variable {
            chunks: chunks(id, v, shape.len())?,
            filters: filters(id, v),
            fill: fill(id, v, dtype)?,
            attributes: read_attributes(id, v, attributes).with_context(|| format!("variable {path}"))?,
            path,
            name,
            group,
            dtype,
            dims,
            shape,
        })
    }
}

/// The ids that a "count, then list" call gives.
fn ids(mut call: impl FnMut(*mut c_int, *mut c_int) -> c_int) -> Result<Vec<c_int>> {
    let mut n = 0;
    check(call(&raw mut n, null_mut()), || "ids".into())?;
    let mut out = vec![0; n as usize];
    check(call(&raw mut n, out.as_mut_ptr()), || "ids".into())?;
    Ok(out)
}

fn chunks(id: c_int, v: c_int, rank: usize) -> Result<Option<Vec<usize>>> {
    let (mut storage, mut lengths) = (0, vec![0usize; rank.max(1)]);
    // SAFETY: one length for each dimension.
    check(unsafe { nc::nc_inq_var_chunking(id, v, &raw mut storage, lengths.as_mut_ptr()) }, || "chunks".into())?;
    Ok((storage == nc::NC_CHUNKED && rank > 0).then_some(lengths))
}

fn fill(id: c_int, v: c_int, dtype: DataType) -> Result<Option<Vec<u8>>> {
    let DataType::Number(d) = dtype else { return Ok(None) };
    let mut value = vec![0u8; d.size()];
    let mut none = 0;
    // SAFETY: the buffer holds one element.
    check(unsafe { nc::nc_inq_var_fill(id, v, &raw mut none, value.as_mut_ptr().cast()) }, || "fill value".into())?;
    Ok((none == 0).then_some(value))
}

/// The filters of a variable; classic files have none.
fn filters(id: c_int, v: c_int) -> Vec<Filter> {
    let mut n = 0usize;
    // SAFETY: null asks for the count only.
    if unsafe { nc::nc_inq_var_filter_ids(id, v, &raw mut n, null_mut()) } != nc::NC_NOERR || n == 0 {
        return Vec::new();
    }
    let mut list = vec![0u32; n];
    // SAFETY: room for the count just learnt.
    unsafe { nc::nc_inq_var_filter_ids(id, v, &raw mut n, list.as_mut_ptr()) };
    list.into_iter()
        .map(|filter| {
            let mut count = 0usize;
            // SAFETY: null asks for the count only; then there is room for it.
            let words = unsafe {
                nc::nc_inq_var_filter_info(id, v, filter, &raw mut count, null_mut());
                let mut words = vec![0u32; count];
                nc::nc_inq_var_filter_info(id, v, filter, &raw mut count, words.as_mut_ptr());
                words
            };
            let name = match filter {
                hiha::HDF5_FILTER_ID => "hiha".to_owned(),
                1 => "deflate".to_owned(),
                2 => "shuffle".to_owned(),
                other => other.to_string(),
            };
            Filter { name, parameters: words.iter().map(u32::to_string).collect::<Vec<_>>().join(",") }
        })
        .collect()
}

fn read_attributes(id: c_int, v: c_int, count: c_int) -> Result<Vec<Attribute>> {
    let mut attributes = Vec::new();
    for i in 0..count {
        let mut buffer = [0; NAME_BYTES];
        // SAFETY: the buffer holds the longest name.
        check(unsafe { nc::nc_inq_attname(id, v, i, as_chars(&mut buffer)) }, || format!("attribute {i}"))?;
        let name = name_of(&buffer);
        let c_name = c_string(&name)?;
        let (mut xtype, mut len) = (0, 0);
        // SAFETY: the name is NUL-terminated.
        check(unsafe { nc::nc_inq_att(id, v, c_name.as_ptr(), &raw mut xtype, &raw mut len) }, || name.clone())?;
        let Some(dtype) = data_type(xtype) else {
            bail!("attribute {name}: user-defined types are not supported");
        };
        // SAFETY: `fetch` passes a buffer of `len` elements of the attribute's type.
        let values = fetch(dtype, len, |out| unsafe { nc::nc_get_att(id, v, c_name.as_ptr(), out) })
            .with_context(|| format!("attribute {name}"))?;
        attributes.push(Attribute { name, dtype, values });
    }
    Ok(attributes)
}
