//! The few HDF5 calls that move encoded chunks.

use super::c_path;
use crate::dataset::Variable;
use anyhow::{Context, Result, ensure};
use hdf5_metno_sys::{h5d, h5f, h5i::hid_t, h5l, h5p::H5P_DEFAULT, h5s};
use std::collections::HashMap;
use std::ffi::{CString, c_int, c_uint};
use std::path::Path;

unsafe extern "C" {
    // Missing from hdf5-metno-sys; HDF5 has it since 1.8.
    fn H5Dget_chunk_storage_size(dataset: hid_t, offset: *const u64, bytes: *mut u64) -> c_int;
    // Behind a version feature there; since 1.10.5.
    fn H5Dget_chunk_info_by_coord(
        dataset: hid_t,
        offset: *const u64,
        filter_mask: *mut c_uint,
        address: *mut u64,
        bytes: *mut u64,
    ) -> c_int;
}

/// An HDF5 file and the datasets opened in it so far.
pub(super) struct H5File {
    id: hid_t,
    datasets: HashMap<String, hid_t>,
}

impl H5File {
    pub(super) fn open(path: &Path, write: bool) -> Result<Self> {
        let name = c_path(path)?;
        let flags = if write { h5f::H5F_ACC_RDWR } else { h5f::H5F_ACC_RDONLY };
        // SAFETY: the name is NUL-terminated.
        let id = unsafe { h5f::H5Fopen(name.as_ptr(), flags, H5P_DEFAULT) };
        ensure!(id >= 0, "{}: HDF5 cannot open it", path.display());
        Ok(Self { id, datasets: HashMap::new() })
    }

    /// The dataset of a variable. netCDF-4 renames a variable that shares the name of a dimension
    /// without being its coordinate.
    pub(super) fn dataset(&mut self, group: &str, variable: &Variable) -> Result<hid_t> {
        if let Some(&id) = self.datasets.get(&variable.path) {
            return Ok(id);
        }
        let prefix = if group == "/" { "" } else { group };
        let renamed = CString::new(format!("{prefix}/_nc4_non_coord_{}", variable.name))?;
        let plain = CString::new(format!("{prefix}/{}", variable.name))?;
        // SAFETY: the file is open and the names are NUL-terminated.
        let id = unsafe {
            let name = if h5l::H5Lexists(self.id, renamed.as_ptr(), H5P_DEFAULT) > 0 { &renamed } else { &plain };
            h5d::H5Dopen2(self.id, name.as_ptr(), H5P_DEFAULT)
        };
        ensure!(id >= 0, "{}: HDF5 cannot open its dataset", variable.path);
        self.datasets.insert(variable.path.clone(), id);
        Ok(id)
    }

    /// Make the dataset at `path` as long as `shape` where it is shorter.
    pub(super) fn extend(&mut self, path: &str, shape: &[usize]) -> Result<()> {
        let name = CString::new(path)?;
        let wanted: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
        let mut now = vec![0u64; shape.len()];
        // SAFETY: the handles are checked before use and `now` has one entry for each dimension.
        unsafe {
            let id = h5d::H5Dopen2(self.id, name.as_ptr(), H5P_DEFAULT);
            ensure!(id >= 0, "{path}: HDF5 cannot open this dimension");
            let space = h5d::H5Dget_space(id);
            let rank = h5s::H5Sget_simple_extent_ndims(space);
            let mut done = rank as usize == shape.len();
            if done {
                h5s::H5Sget_simple_extent_dims(space, now.as_mut_ptr(), std::ptr::null_mut());
                done = now.iter().zip(&wanted).all(|(a, b)| a >= b) || h5d::H5Dset_extent(id, wanted.as_ptr()) >= 0;
            }
            h5s::H5Sclose(space);
            h5d::H5Dclose(id);
            ensure!(done, "{path}: HDF5 cannot extend it to {shape:?}");
        }
        Ok(())
    }

    /// Bytes the dataset takes in the file.
    pub(super) fn storage_size(dataset: hid_t) -> u64 {
        // SAFETY: the dataset is open.
        unsafe { h5d::H5Dget_storage_size(dataset) }
    }

    /// A chunk's stored bytes, or `None` if it was never written.
    pub(super) fn read_chunk(dataset: hid_t, offset: &[usize]) -> Result<Option<Vec<u8>>> {
        let offset: Vec<u64> = offset.iter().map(|&n| n as u64).collect();
        let mut size = 0;
        // SAFETY: `offset` has one entry for each dimension; the buffer has the size HDF5 reports.
        unsafe {
            let known = H5Dget_chunk_storage_size(dataset, offset.as_ptr(), &raw mut size);
            if known < 0 || size == 0 {
                return Ok(None);
            }
            let mut bytes = vec![0u8; usize::try_from(size).context("chunk size")?];
            let mut mask: u32 = 0;
            let status =
                h5d::H5Dread_chunk(dataset, H5P_DEFAULT, offset.as_ptr(), &raw mut mask, bytes.as_mut_ptr().cast());
            ensure!(status >= 0, "HDF5 cannot read the chunk at {offset:?}");
            Ok(Some(bytes))
        }
    }

    /// Where a chunk's stored bytes stand in the file, and how many they are; `None` if it was never written.
    pub(super) fn chunk_address(dataset: hid_t, offset: &[usize]) -> Option<(u64, u64)> {
        let offset: Vec<u64> = offset.iter().map(|&n| n as u64).collect();
        let (mut mask, mut address, mut size) = (0, u64::MAX, 0);
        // SAFETY: `offset` has one entry for each dimension.
        let known = unsafe {
            H5Dget_chunk_info_by_coord(dataset, offset.as_ptr(), &raw mut mask, &raw mut address, &raw mut size)
        };
        (known >= 0 && size > 0 && address != u64::MAX).then_some((address, size))
    }

    /// Write an encoded chunk.
    pub(super) fn write_chunk(dataset: hid_t, offset: &[usize], stream: &[u8]) -> Result<()> {
        let offset: Vec<u64> = offset.iter().map(|&n| n as u64).collect();
        let no_filter_skipped: c_uint = 0;
        // SAFETY: `offset` has one entry for each dimension and the stream its own length.
        let status = unsafe {
            h5d::H5Dwrite_chunk(
                dataset,
                H5P_DEFAULT,
                no_filter_skipped,
                offset.as_ptr(),
                stream.len(),
                stream.as_ptr().cast(),
            )
        };
        ensure!(status >= 0, "HDF5 cannot write the chunk at {offset:?}");
        Ok(())
    }

    /// Close everything; errors (a full disk) surface here.
    pub(super) fn close(mut self) -> Result<()> {
        let mut good = true;
        for (_, id) in self.datasets.drain() {
            // SAFETY: opened above and closed once.
            good &= unsafe { h5d::H5Dclose(id) } >= 0;
        }
        // SAFETY: the file is open; the handle is cleared so that drop leaves it alone.
        good &= unsafe { h5f::H5Fclose(self.id) } >= 0;
        self.id = -1;
        ensure!(good, "HDF5 could not write the file out");
        Ok(())
    }
}

impl Drop for H5File {
    fn drop(&mut self) {
        for &id in self.datasets.values() {
            // SAFETY: opened above and closed once.
            unsafe { h5d::H5Dclose(id) };
        }
        if self.id >= 0 {
            // SAFETY: the file is open.
            unsafe { h5f::H5Fclose(self.id) };
        }
    }
}
