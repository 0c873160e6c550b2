//! A variable read whole, with what the codec wants to know of it.

use crate::climatology::Climatology;
use crate::dataset::{self, Dataset};
use crate::decoding;
use crate::plan;
use anyhow::{Context, Result, bail};
use hiha::{Bound, Config, DType};
use std::path::Path;

/// One variable of a file.
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<usize>,
    /// Elements in C order, native byte order.
    pub(crate) data: Vec<u8>,
    /// What stands for missing values, one element after the other.
    pub(crate) fill_value: Option<Vec<u8>>,
    /// What the file's metadata suggest, for a chunk that holds all of it.
    pub(crate) suggested: Config,
}

impl Field {
    /// The configuration that the file's metadata suggest.
    pub(crate) fn config(&self, bound: Bound) -> Config {
        Config { bound, ..self.suggested.clone() }
    }
}

/// A variable of an open file, not read yet.
#[derive(Debug, Clone)]
pub(crate) struct Var {
    /// Its place in the file.
    index: usize,
    pub(crate) name: String,
    pub(crate) dtype: DType,
    pub(crate) dims: Vec<String>,
    pub(crate) shape: Vec<usize>,
    /// Shape of the stored chunks, if it is chunked.
    pub(crate) chunks: Option<Vec<usize>>,
    pub(crate) fill_value: Option<Vec<u8>>,
    pub(crate) units: Option<String>,
    /// Bytes that it takes in the file.
    pub(crate) stored_bytes: u64,
}

/// A file open for reading.
pub(crate) struct Source {
    file: Box<dyn Dataset>,
}

impl Source {
    /// Open a file, part of which may have been coded with a climatology.
    pub(crate) fn open(path: &Path, climatology: Option<&Climatology>) -> Result<Self> {
        Ok(Self { file: decoding::open(path, climatology, hiha::Device::Cpu)? })
    }

    /// The numeric variables with at least one element, in file order.
    ///
    /// # Errors
    /// When the file cannot tell how many bytes a variable takes.
    pub(crate) fn variables(&self) -> Result<Vec<Var>> {
        let model = self.file.model();
        let numeric = model.variables.iter().enumerate().filter(|(_, v)| v.len() > 0);
        numeric
            .filter_map(|(index, v)| {
                let dtype = v.number()?;
                Some(self.file.stored_bytes(index).map(|stored_bytes| Var {
                    index,
                    name: v.path.clone(),
                    dtype,
                    dims: model.dim_names(v).into_iter().map(str::to_owned).collect(),
                    shape: v.shape.clone(),
                    chunks: v.chunks.clone(),
                    fill_value: plan::fill_value(v),
                    units: v.attribute("units").and_then(dataset::Attribute::text),
                    stored_bytes,
                }))
            })
            .collect()
    }

    /// Elements `start .. start + count`, C order, native byte order.
    pub(crate) fn read(&self, var: &Var, start: &[usize], count: &[usize]) -> Result<Vec<u8>> {
        self.file.read(var.index, start, count)?.fixed()
    }

    /// Values of the coordinate variable of a variable's dimension, if there is one.
    pub(crate) fn coordinate(&self, var: &Var, dim: usize) -> Option<Vec<f64>> {
        plan::coordinate(&*self.file, self.file.model().variables[var.index].dims[dim]).ok()?
    }
}

/// Read the named variables, or every numeric one that is no coordinate.
pub(crate) fn read_fields(path: &Path, names: &[String]) -> Result<Vec<Field>> {
    let file = dataset::open(path)?;
    let model = file.model();
    let wanted = if names.is_empty() {
        let data = |v: &dataset::Variable| v.number().is_some() && v.len() > 0 && !plan::is_coordinate(model, v);
        (0..model.variables.len()).filter(|&i| data(&model.variables[i])).collect()
    } else {
        let find = |n: &String| model.find(n).with_context(|| format!("{} has no variable {n}", path.display()));
        names.iter().map(find).collect::<Result<Vec<usize>>>()?
    };
    wanted.into_iter().map(|i| read(&*file, i)).collect()
}

fn read(file: &dyn Dataset, index: usize) -> Result<Field> {
    let var = &file.model().variables[index];
    let Some(dtype) = var.number() else { bail!("{}: type {} is not numeric", var.path, var.dtype) };
    Ok(Field {
        name: var.path.clone(),
        dtype,
        shape: var.shape.clone(),
        data: file.read_all(index)?.fixed()?,
        fill_value: plan::fill_value(var),
        suggested: plan::config(file, index, Bound::Lossless, &var.shape)?,
    })
}
