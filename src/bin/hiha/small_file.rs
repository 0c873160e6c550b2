//! Writes a small variable with its coordinates as a file of its own.

use crate::compress::with_history;
use crate::dataset::{self, Dataset, DimId, Dimension, Format, Group, Model, Storage, Values, Variable};
use crate::metrics::with_type;
use crate::plan;
use crate::preview::Small;
use crate::temporary::Temporary;
use anyhow::Result;
use hiha::{DType, Element};
use std::path::Path;

/// Attributes that name other variables, which the small file does not hold.
const REFERENCES: [&str; 6] =
    ["coordinates", "bounds", "cell_measures", "ancillary_variables", "grid_mapping", "formula_terms"];

/// Write `small` to `path`, in the root group.
pub(crate) fn write(input: &dyn Dataset, small: &Small, source: &Path, path: &Path, overwrite: bool) -> Result<()> {
    let format = Format::of(path)?;
    let (model, values) = contents(input, small)?;
    let model = with_history(&model);
    let storage = vec![Storage::Plain { chunks: None }; values.len()];
    let temporary = Temporary::new(source, path, overwrite)?;
    let mut output = temporary.guarded(|| dataset::create(temporary.path(), format, &model, &storage))?;
    for (i, (bytes, var)) in values.into_iter().zip(&model.variables).enumerate() {
        let start = vec![0; var.shape.len()];
        temporary.guarded(|| output.write(i, &start, &var.shape, &Values::Fixed(bytes)))?;
    }
    temporary.guarded(|| output.finish())?;
    temporary.keep()
}

/// Structure and values: the dimensions' coordinate variables where there are any, then the variable.
fn contents(input: &dyn Dataset, small: &Small) -> Result<(Model, Vec<Vec<u8>>)> {
    let model = input.model();
    let var = &model.variables[small.variable];
    let shape = small.shape();
    let names = model.dim_names(var);
    let dims = names.iter().zip(&shape).map(|(n, &len)| Dimension { name: (*n).to_owned(), len, unlimited: false });
    let attributes = model.groups[0].attributes.clone();
    let mut out =
        Model { groups: vec![Group { path: "/".to_owned(), dims: dims.collect(), attributes }], variables: Vec::new() };
    let mut values = Vec::new();
    for (d, &id) in var.dims.iter().enumerate() {
        let (Some(index), Some(whole)) = (model.coordinate(id), plan::coordinate(input, id)?) else { continue };
        let coordinate = &model.variables[index];
        let Some(dtype) = coordinate.number() else { continue };
        // Means of whole numbers need not be whole.
        let means = small.coordinate(d, &whole);
        let whole_numbers = means.iter().all(|v| v.fract() == 0.0);
        let dtype = if dtype.is_float() || whole_numbers { dtype } else { DType::F64 };
        values.push(to_bytes(&means, dtype, None));
        out.variables.push(variable(coordinate, dtype, vec![(d, shape[d])]));
    }
    values.push(to_bytes(&small.values, small.dtype, var.fill.as_deref()));
    out.variables.push(variable(var, small.dtype, shape.iter().copied().enumerate().collect()));
    Ok((out, values))
}

/// The variable in the root group, with these dimensions.
fn variable(like: &Variable, dtype: DType, dims: Vec<(usize, usize)>) -> Variable {
    let keep = |name: &str| !REFERENCES.contains(&name) && (like.number() == Some(dtype) || name != "_FillValue");
    Variable {
        path: like.name.clone(),
        group: 0,
        dtype: dataset::DataType::Number(dtype),
        dims: dims.iter().map(|&(index, _)| DimId { group: 0, index }).collect(),
        shape: dims.iter().map(|&(_, n)| n).collect(),
        chunks: None,
        filters: Vec::new(),
        fill: like.fill.clone().filter(|f| f.len() == dtype.size()),
        attributes: like.attributes.iter().filter(|a| keep(&a.name)).cloned().collect(),
        ..like.clone()
    }
}

/// Elements in native byte order; missing ones become the fill value, where there is one.
fn to_bytes(values: &[f64], dtype: DType, fill: Option<&[u8]>) -> Vec<u8> {
    with_type!(dtype, T => {
        values
            .iter()
            .flat_map(|&v| match fill {
                Some(fill) if v.is_nan() => fill.to_vec(),
                _ => bytemuck::bytes_of(&<T as Element>::from_f64(v)).to_vec(),
            })
            .collect()
    })
}
