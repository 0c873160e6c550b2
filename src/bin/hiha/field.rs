//! What `eval` and `compare` want to know of a variable, from any file format.

use crate::dataset::{self, Dataset, Variable};
use crate::plan;
use anyhow::{Context, Result, bail, ensure};
use hiha::{Bound, Config, DType, MAX_DIMS};
use std::path::Path;

/// One variable, read whole.
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<usize>,
    /// Elements in C order, native byte order.
    pub(crate) data: Vec<u8>,
    /// Axes, longitude's period and fill value, as the file declares them; the bound is a placeholder.
    pub(crate) config: Config,
}

/// A numeric variable of an open file, not read yet.
#[derive(Debug, Clone)]
pub(crate) struct Var {
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
    dataset: Box<dyn Dataset>,
}

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let dataset = dataset::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self { dataset })
    }

    /// The numeric variables with at least one element, in file order.
    pub(crate) fn variables(&self) -> Result<Vec<Var>> {
        let model = self.dataset.model();
        let numeric = |(index, var)| Variable::number(var).filter(|_| var.len() > 0).map(|dtype| (index, var, dtype));
        model
            .variables
            .iter()
            .enumerate()
            .filter_map(numeric)
            .map(|(index, var, dtype)| {
                Ok(Var {
                    index,
                    name: var.path.clone(),
                    dtype,
                    dims: model.dim_names(var).into_iter().map(str::to_owned).collect(),
                    shape: var.shape.clone(),
                    chunks: var.chunks.clone(),
                    fill_value: plan::fill_value(var),
                    units: var.attribute("units").and_then(dataset::Attribute::text),
                    stored_bytes: self.dataset.stored_bytes(index)?,
                })
            })
            .collect()
    }

    /// Elements `start .. start + count`, C order, native byte order.
    pub(crate) fn read(&self, var: &Var, start: &[usize], count: &[usize]) -> Result<Vec<u8>> {
        self.dataset.read(var.index, start, count)?.fixed()
    }

    /// Values of the coordinate variable of a variable's dimension, if there is one.
    pub(crate) fn coordinate(&self, var: &Var, dim: usize) -> Option<Vec<f64>> {
        let model = self.dataset.model();
        let coordinate = model.coordinate(model.variables[var.index].dims[dim])?;
        let dtype = model.variables[coordinate].number()?;
        Some(plan::to_f64(&self.dataset.read_all(coordinate).ok()?.fixed().ok()?, dtype))
    }
}

/// Read the named variables, or every numeric one that is no coordinate.
pub(crate) fn read_fields(path: &Path, names: &[String]) -> Result<Vec<Field>> {
    let dataset = dataset::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let model = dataset.model();
    let wanted: Vec<usize> = if names.is_empty() {
        (0..model.variables.len())
            .filter(|&i| {
                let var = &model.variables[i];
                !plan::is_coordinate(model, var)
                    && var.number().is_some()
                    && var.len() > 0
                    && var.dims.len() <= MAX_DIMS
            })
            .collect()
    } else {
        let find = |name: &String| model.find(name).with_context(|| format!("{} has no {name}", path.display()));
        names.iter().map(find).collect::<Result<_>>()?
    };
    wanted.into_iter().map(|i| read(&*dataset, i).with_context(|| model.variables[i].path.clone())).collect()
}

fn read(dataset: &dyn Dataset, index: usize) -> Result<Field> {
    let var = &dataset.model().variables[index];
    let Some(dtype) = var.number() else { bail!("{} is not a numeric type", var.dtype) };
    ensure!(var.len() > 0 && !var.dims.is_empty(), "the codec needs at least one dimension and one value");
    Ok(Field {
        name: var.path.clone(),
        dtype,
        shape: var.shape.clone(),
        data: dataset.read_all(index)?.fixed()?,
        config: plan::config(dataset, index, Bound::Lossless, &var.shape)?,
    })
}
