//! Which variable is stored how: lossy or not, chunk shape, meaning of the axes.

use crate::args::VarSpec;
use crate::dataset::{DataType, Dataset, DimId, Model, Values, Variable};
use crate::metrics::with_type;
use anyhow::{Context, Result, ensure};
use hiha::{Axis, Bound, Config, DType, MAX_DIMS};

/// Lossless variables with fewer values stay plain, readable without HiHa.
pub(crate) const MIN_VALUES: usize = 4096;
/// Values that a chunk should hold at least and at most.
const CHUNK_VALUES: std::ops::RangeInclusive<usize> = 1 << 20..=1 << 22;
/// Most time steps in one chunk.
const MAX_STEPS: usize = 32;

/// CF attributes that name the variables that say where and how large the cells of a grid are.
const GRID_ATTRIBUTES: [&str; 6] =
    ["coordinates", "bounds", "climatology", "cell_measures", "formula_terms", "grid_mapping"];

/// True for coordinate variables, 1-D variables, those in degrees east or north, and those that another variable names in an
/// attribute about its grid.
pub(crate) fn is_coordinate(model: &Model, variable: &Variable) -> bool {
    let text = |v: &Variable, name| v.attribute(name).and_then(crate::dataset::Attribute::text).unwrap_or_default();
    let named = |other: &Variable| {
        other.path != variable.path
            && GRID_ATTRIBUTES.iter().any(|a| text(other, a).split_whitespace().any(|n| n == variable.name))
    };
    let degrees = |name| {
        let units = text(variable, name);
        units.starts_with("degree") && (units.ends_with("_east") || units.ends_with("_north"))
    };
    variable.dims.len() < 2 || degrees("units") || model.variables.iter().any(named)
}

/// The bound of each variable, before it is resolved.
///
/// # Errors
/// When a `--var` names nothing, or asks for a loss where there cannot be one.
pub(crate) fn bounds(model: &Model, default: Option<Bound>, specs: &[VarSpec]) -> Result<Vec<Bound>> {
    for spec in specs {
        let index = model.find(&spec.name).with_context(|| format!("--var {}: no such variable", spec.name))?;
        let lossless = spec.bound.or(default) == Some(Bound::Lossless);
        let float = model.variables[index].number().is_some_and(DType::is_float);
        ensure!(float || lossless, "--var {}: only floating point variables can be lossy", spec.name);
    }
    let only_named = specs.iter().any(|s| s.bound.is_none());
    Ok(model
        .variables
        .iter()
        .map(|v| {
            let spec =
                specs.iter().rev().find(|s| model.find(&s.name).is_some_and(|i| model.variables[i].path == v.path));
            match spec {
                Some(VarSpec { bound: Some(bound), .. }) => *bound,
                Some(_) => default.unwrap_or(Bound::Lossless),
                None if only_named || is_coordinate(model, v) || !v.number().is_some_and(DType::is_float) => {
                    Bound::Lossless
                }
                None => default.unwrap_or(Bound::Lossless),
            }
        })
        .collect())
}

/// The role of a dimension: from its coordinate variable's CF attributes, else from its name.
fn axis(model: &Model, id: DimId) -> Axis {
    let by_name = Axis::from_dimension_name(&model.dimension(id).name);
    let Some(coordinate) = model.coordinate(id).map(|i| &model.variables[i]) else { return by_name };
    let text = |name| coordinate.attribute(name).and_then(crate::dataset::Attribute::text).unwrap_or_default();
    match (text("standard_name").as_str(), text("units").as_str(), text("axis").as_str()) {
        ("longitude", _, _) | (_, "degrees_east" | "degree_east", _) | (_, _, "X") => Axis::Longitude,
        ("latitude", _, _) | (_, "degrees_north" | "degree_north", _) | (_, _, "Y") => Axis::Latitude,
        ("time", _, _) | (_, _, "T") => Axis::Time,
        (_, _, "Z") => Axis::Level,
        (_, units, _) if units.contains(" since ") => Axis::Time,
        _ => by_name,
    }
}

/// The configuration for chunks of this shape: axes, longitude's period, fill value.
///
/// # Errors
/// When the longitudes cannot be read.
pub(crate) fn config(dataset: &dyn Dataset, variable: usize, bound: Bound, chunk: &[usize]) -> Result<Config> {
    let model = dataset.model();
    let var = &model.variables[variable];
    let axes: Vec<Axis> = var.dims.iter().map(|&d| axis(model, d)).collect();
    let mut periodic = false;
    for (i, _) in axes.iter().enumerate().filter(|(_, a)| **a == Axis::Longitude) {
        periodic |= chunk[i] == var.shape[i] && coordinate(dataset, var.dims[i])?.is_some_and(|x| spans_globe(&x));
    }
    // Names that say nothing leave the library's default: the last two axes are a map.
    let axes = if axes.iter().all(|&a| a == Axis::Other) { Vec::new() } else { axes };
    Ok(Config { axes, periodic, fill_value: fill_value(var), ..Config::new(bound) })
}

/// The values that stand for missing ones, one after the other: the fill value in force (declared, or the format's default),
/// then those of `missing_value`.
pub(crate) fn fill_value(var: &Variable) -> Option<Vec<u8>> {
    let dtype = var.number()?;
    let elements = |name: &str| -> Vec<Vec<u8>> {
        let Some(attribute) = var.attribute(name) else { return Vec::new() };
        match (&attribute.values, attribute.dtype) {
            (Values::Fixed(b), DataType::Number(d)) if d == dtype => {
                b.chunks_exact(d.size()).map(<[u8]>::to_vec).collect()
            }
            // Some files declare a double for a float.
            (Values::Fixed(b), DataType::Number(d)) if dtype.is_float() => {
                to_f64(b, d).into_iter().map(|v| from_f64(v, dtype)).collect()
            }
            _ => Vec::new(),
        }
    };
    let declared = elements("_FillValue").into_iter().take(1).chain(elements("missing_value"));
    let mut all: Vec<Vec<u8>> = Vec::new();
    for element in var.fill.clone().into_iter().chain(declared) {
        if !all.contains(&element) && all.len() < MOST_FILLS {
            all.push(element);
        }
    }
    (!all.is_empty()).then(|| all.concat())
}

/// Most values that stand for missing ones; the codec takes no more.
const MOST_FILLS: usize = 4;

/// Is this element, in native byte order, one of `fills`?
pub(crate) fn is_fill(element: &[u8], fills: Option<&[u8]>) -> bool {
    fills.is_some_and(|all| all.chunks_exact(element.len()).any(|f| f == element))
}

/// One element in native byte order.
fn from_f64(v: f64, dtype: DType) -> Vec<u8> {
    with_type!(dtype, T => bytemuck::bytes_of(&<T as hiha::Element>::from_f64(v)).to_vec())
}

/// Values of a dimension's numeric coordinate variable, if there is one.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn coordinate(dataset: &dyn Dataset, id: DimId) -> Result<Option<Vec<f64>>> {
    let Some(index) = dataset.model().coordinate(id) else { return Ok(None) };
    let Some(dtype) = dataset.model().variables[index].number() else { return Ok(None) };
    Ok(Some(to_f64(&dataset.read_all(index)?.fixed()?, dtype)))
}

/// Evenly spaced longitudes whose last and first are neighbours around the globe.
fn spans_globe(longitude: &[f64]) -> bool {
    let n = longitude.len();
    if n < 4 {
        return false;
    }
    let step = (longitude[n - 1] - longitude[0]) / (n - 1) as f64;
    let even = longitude.windows(2).all(|w| (w[1] - w[0] - step).abs() <= 0.05 * step.abs());
    even && (step.abs() * n as f64 - 360.0).abs() <= 0.05 * step.abs()
}

/// Which two dimensions are the map: latitude and longitude by name, else the last two longer than 1.
pub(crate) fn map_dims(names: &[impl AsRef<str>], shape: &[usize]) -> (usize, usize) {
    let role = |axis| names.iter().position(|d| Axis::from_dimension_name(d.as_ref()) == axis);
    if let (Some(rows), Some(columns)) = (role(Axis::Latitude), role(Axis::Longitude))
        && rows < columns
    {
        return (rows, columns);
    }
    let mut long = (0..shape.len()).rev().filter(|&d| shape[d] > 1);
    let columns = long.next().unwrap_or(1);
    (long.next().unwrap_or(0), columns)
}

/// Numbers in native byte order as f64.
pub(crate) fn to_f64(bytes: &[u8], dtype: DType) -> Vec<f64> {
    fn each<T: hiha::Element>(bytes: &[u8]) -> Vec<f64> {
        bytes.chunks_exact(size_of::<T>()).map(|b| bytemuck::pod_read_unaligned::<T>(b).to_f64()).collect()
    }
    match dtype {
        DType::F16 => each::<half::f16>(bytes),
        DType::BF16 => each::<half::bf16>(bytes),
        DType::F32 => each::<f32>(bytes),
        DType::F64 => each::<f64>(bytes),
        DType::I8 => each::<i8>(bytes),
        DType::U8 => each::<u8>(bytes),
        DType::I16 => each::<i16>(bytes),
        DType::U16 => each::<u16>(bytes),
        DType::I32 => each::<i32>(bytes),
        DType::U32 => each::<u32>(bytes),
        DType::I64 => each::<i64>(bytes),
        DType::U64 => each::<u64>(bytes),
    }
}

/// True when the codec can hold the variable and it is worth it.
pub(crate) fn is_encodable(var: &Variable) -> bool {
    var.number().is_some() && (1..=MAX_DIMS).contains(&var.dims.len()) && var.len() >= MIN_VALUES
}

/// Chunk shape: as asked, the file's own if sensible, else whole fields and as many levels and
/// steps as make one to four million values.
pub(crate) fn chunk_shape(model: &Model, var: &Variable, asked: Option<&[usize]>) -> Vec<usize> {
    let shape = &var.shape;
    let rank = shape.len();
    if let Some(asked) = asked.filter(|a| a.len() == rank) {
        // A dimension may be empty, a chunk may not.
        return asked.iter().zip(shape).map(|(&a, &n)| a.min(n).max(1)).collect();
    }
    let plane = rank.saturating_sub(2);
    if let Some(own) = &var.chunks {
        let whole = own[plane..].iter().zip(&shape[plane..]).all(|(c, n)| c == n);
        let fits = own.iter().zip(shape).all(|(c, n)| c <= n);
        if whole && fits && (*CHUNK_VALUES.start()..=4 * *CHUNK_VALUES.end()).contains(&own.iter().product()) {
            return own.clone();
        }
    }
    let mut chunk = vec![1; rank];
    let mut room = *CHUNK_VALUES.end();
    for i in (0..rank).rev() {
        let mut most = room.max(1);
        if i < plane && axis(model, var.dims[i]) == Axis::Time {
            most = most.min(MAX_STEPS);
        }
        // Equal parts, so that little of the last chunk is padding.
        let parts = shape[i].div_ceil(most).max(1);
        chunk[i] = shape[i].div_ceil(parts).max(1);
        room /= chunk[i];
    }
    chunk
}

/// The offsets of all chunks, C order.
pub(crate) fn offsets(shape: &[usize], chunk: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for (&n, &c) in shape.iter().zip(chunk) {
        all =
            all.into_iter().flat_map(|head| (0..n).step_by(c).map(move |o| [head.as_slice(), &[o]].concat())).collect();
    }
    all
}

/// How much of the chunk at `offset` lies inside the array.
pub(crate) fn counts(shape: &[usize], chunk: &[usize], offset: &[usize]) -> Vec<usize> {
    shape.iter().zip(chunk).zip(offset).map(|((&n, &c), &o)| c.min(n - o)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn global_longitudes() {
        let grid = |start: f64, step: f64, n: i32| (0..n).map(|i| start + step * f64::from(i)).collect::<Vec<_>>();
        assert!(spans_globe(&grid(0.0, 0.25, 1440)));
        assert!(spans_globe(&grid(-180.0, 2.0, 180)));
        assert!(spans_globe(&grid(180.0, -2.0, 180)));
        assert!(!spans_globe(&grid(0.0, 0.25, 1439)));
        assert!(!spans_globe(&grid(0.0, 0.25, 1441)), "a repeated meridian is not periodic");
        assert!(!spans_globe(&grid(-10.0, 0.1, 400)));
    }

    #[test]
    fn chunk_grid() {
        let all = offsets(&[5, 4], &[2, 4]);
        assert_eq!(all, [[0, 0], [2, 0], [4, 0]]);
        assert_eq!(counts(&[5, 4], &[2, 4], &[4, 0]), [1, 4]);
        assert!(offsets(&[0, 4], &[1, 4]).is_empty());
    }
}
