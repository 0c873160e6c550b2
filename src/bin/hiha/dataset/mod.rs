//! The border between the verbs and the file formats.

mod model;
mod netcdf;
mod zarr;

pub(crate) use model::{Attribute, DataType, DimId, Dimension, Filter, Group, Model, Values, Variable};

use anyhow::{Result, bail};
use hiha::Config;
use std::path::Path;

/// A file open for reading.
pub(crate) trait Dataset {
    /// What it holds.
    fn model(&self) -> &Model;

    /// Elements `start .. start + count` of a variable (index into [`Model::variables`]), C order.
    fn read(&self, variable: usize, start: &[usize], count: &[usize]) -> Result<Values>;

    /// A whole variable.
    fn read_all(&self, variable: usize) -> Result<Values> {
        let shape = &self.model().variables[variable].shape;
        self.read(variable, &vec![0; shape.len()], shape)
    }

    /// Bytes that the variable's values take in the file.
    fn stored_bytes(&self, variable: usize) -> Result<u64>;

    /// The stored bytes of the chunk whose first element is at `offset`, as they stand in the
    /// file; `None` when that chunk was never written.
    fn raw_chunk(&self, variable: usize, offset: &[usize]) -> Result<Option<Vec<u8>>>;

    /// The first `bytes` of a stored chunk (all of it, if it is shorter), and how many it has; `None` as above.
    fn chunk_front(&self, variable: usize, offset: &[usize], bytes: u64) -> Result<Option<(Vec<u8>, u64)>>;
}

/// How a variable is to be stored.
#[derive(Debug, Clone)]
pub(crate) enum Storage {
    /// Readable without HiHa, in these chunks or, if `None`, contiguous.
    Plain { chunks: Option<Vec<usize>> },
    /// One HiHa stream a chunk, each encoded from the whole chunk (edge chunks padded). The bound
    /// is absolute.
    Hiha { config: Config, chunks: Vec<usize> },
}

/// A file being written. Values of plain variables come first, encoded chunks after them.
pub(crate) trait Output {
    /// Write elements `start .. start + count` of a plain variable.
    fn write(&mut self, variable: usize, start: &[usize], count: &[usize], values: &Values) -> Result<()>;

    /// Write the stream of the chunk whose first element is at `offset`.
    fn write_chunk(&mut self, variable: usize, offset: &[usize], stream: &[u8]) -> Result<()>;

    /// Close the file and report what went wrong.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// File formats, by extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// netCDF 3 and 4.
    Netcdf,
    /// A Zarr directory.
    Zarr,
}

impl Format {
    /// # Errors
    /// For an extension that is not known.
    pub(crate) fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        match extension.as_str() {
            "nc" | "nc3" | "nc4" | "cdf" | "netcdf" | "h5" | "hdf5" | "he5" => Ok(Self::Netcdf),
            "zarr" => Ok(Self::Zarr),
            _ => bail!("{}: unknown extension; expected .nc, .nc4, .h5 or .zarr", path.display()),
        }
    }
}

/// Open a file for reading.
pub(crate) fn open(path: &Path) -> Result<Box<dyn Dataset>> {
    match Format::of(path)? {
        Format::Netcdf => Ok(Box::new(netcdf::Reader::open(path)?)),
        Format::Zarr => Ok(Box::new(zarr::Reader::open(path)?)),
    }
}

/// Create `path` (which must not exist) in the given format with the model's structure; `storage`
/// has one entry for each variable.
pub(crate) fn create(path: &Path, format: Format, model: &Model, storage: &[Storage]) -> Result<Box<dyn Output>> {
    match format {
        Format::Netcdf => Ok(Box::new(netcdf::Writer::create(path, model, storage)?)),
        Format::Zarr => Ok(Box::new(zarr::Writer::create(path, model, storage)?)),
    }
}
