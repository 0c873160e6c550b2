//! A variable read whole, with what the codec wants to know of it.

use anyhow::{Context, Result, bail};
use hiha::{Axis, Bound, Config, DType};
use netcdf::types::{FloatType, IntType, NcVariableType};
use std::path::Path;

/// One variable of a file.
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) dtype: DType,
    pub(crate) dims: Vec<String>,
    pub(crate) shape: Vec<usize>,
    /// Elements in C order, native byte order.
    pub(crate) data: Vec<u8>,
    /// The `_FillValue`, one element.
    pub(crate) fill_value: Option<Vec<u8>>,
    /// Does the longitude coordinate span the globe?
    pub(crate) periodic: bool,
}

impl Field {
    /// The configuration that the file's metadata suggest.
    pub(crate) fn config(&self, bound: Bound) -> Config {
        let mut config = Config::new(bound);
        let axes: Vec<Axis> = self.dims.iter().map(|d| Axis::from_dimension_name(d)).collect();
        // Names that say nothing leave the library's default: the last two axes are a map.
        if axes.iter().any(|&a| a != Axis::Other) {
            config.axes = axes;
        }
        config.periodic = self.periodic;
        config.fill_value.clone_from(&self.fill_value);
        config
    }
}

/// A variable of an open file, not read yet.
#[derive(Debug, Clone)]
pub(crate) struct Var {
    pub(crate) name: String,
    pub(crate) dtype: DType,
    pub(crate) dims: Vec<String>,
    pub(crate) shape: Vec<usize>,
    /// Shape of the stored chunks, if it is chunked.
    pub(crate) chunks: Option<Vec<usize>>,
    pub(crate) fill_value: Option<Vec<u8>>,
    pub(crate) units: Option<String>,
}

/// A file open for reading.
pub(crate) struct Source {
    file: netcdf::File,
}

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Ok(Self { file: netcdf::open(path).with_context(|| format!("cannot open {}", path.display()))? })
    }

    /// The numeric variables with at least one element, in file order.
    pub(crate) fn variables(&self) -> Result<Vec<Var>> {
        let numeric = |var: &netcdf::Variable<'_>| dtype_of(&var.vartype()).filter(|_| var.len() > 0);
        self.file
            .variables()
            .filter_map(|var| numeric(&var).map(|dtype| (var, dtype)))
            .map(|(var, dtype)| {
                let units = var.attribute_value("units").and_then(|v| v.ok()?.try_into().ok());
                Ok(Var {
                    name: var.name(),
                    dtype,
                    dims: var.dimensions().iter().map(netcdf::Dimension::name).collect(),
                    shape: var.dimensions().iter().map(netcdf::Dimension::len).collect(),
                    chunks: var.chunking()?,
                    fill_value: fill_value(&var, dtype)?,
                    units,
                })
            })
            .collect()
    }

    /// Elements `start .. start + count`, C order, native byte order.
    pub(crate) fn read(&self, var: &Var, start: &[usize], count: &[usize]) -> Result<Vec<u8>> {
        let variable = self.file.variable(&var.name).with_context(|| format!("no variable {}", var.name))?;
        let extents: Vec<netcdf::Extent> = start.iter().zip(count).map(|(&s, &c)| (s..s + c).into()).collect();
        Ok(variable.get_raw_values(extents)?)
    }

    /// Values of the coordinate variable of a dimension, if there is one.
    pub(crate) fn coordinate(&self, dim: &str) -> Option<Vec<f64>> {
        self.file.variable(dim)?.get_values::<f64, _>(..).ok()
    }
}

/// Read the named variables, or every numeric one that is not a coordinate.
pub(crate) fn read_fields(path: &Path, names: &[String]) -> Result<Vec<Field>> {
    let file = netcdf::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut fields = Vec::new();
    for var in file.variables() {
        let name = var.name();
        let wanted = if names.is_empty() {
            let coordinate = var.dimensions().len() == 1 && var.dimensions()[0].name() == name;
            !coordinate && !var.dimensions().is_empty() && dtype_of(&var.vartype()).is_some() && var.len() > 0
        } else {
            names.contains(&name)
        };
        if wanted {
            fields.push(read(&file, &var).with_context(|| format!("{}: variable {name}", path.display()))?);
        }
    }
    if let Some(missing) = names.iter().find(|n| !fields.iter().any(|f| f.name == **n)) {
        bail!("{} has no variable {missing}", path.display());
    }
    Ok(fields)
}

fn read(file: &netcdf::File, var: &netcdf::Variable<'_>) -> Result<Field> {
    let Some(dtype) = dtype_of(&var.vartype()) else { bail!("type {:?} is not numeric", var.vartype()) };
    let dims: Vec<String> = var.dimensions().iter().map(netcdf::Dimension::name).collect();
    let periodic = dims
        .iter()
        .filter(|d| Axis::from_dimension_name(d) == Axis::Longitude)
        .any(|d| file.variable(d).is_some_and(|c| c.get_values::<f64, _>(..).is_ok_and(|v| spans_globe(&v))));
    Ok(Field {
        name: var.name(),
        dtype,
        shape: var.dimensions().iter().map(netcdf::Dimension::len).collect(),
        data: var.get_raw_values(..)?,
        fill_value: fill_value(var, dtype)?,
        periodic,
        dims,
    })
}

fn dtype_of(vartype: &NcVariableType) -> Option<DType> {
    Some(match vartype {
        NcVariableType::Float(FloatType::F32) => DType::F32,
        NcVariableType::Float(FloatType::F64) => DType::F64,
        NcVariableType::Int(int) => match int {
            IntType::I8 => DType::I8,
            IntType::U8 => DType::U8,
            IntType::I16 => DType::I16,
            IntType::U16 => DType::U16,
            IntType::I32 => DType::I32,
            IntType::U32 => DType::U32,
            IntType::I64 => DType::I64,
            IntType::U64 => DType::U64,
        },
        _ => return None,
    })
}

/// The `_FillValue` attribute, which netCDF keeps in the variable's own type.
fn fill_value(var: &netcdf::Variable<'_>, dtype: DType) -> Result<Option<Vec<u8>>> {
    use netcdf::AttributeValue as A;
    let Some(value) = var.attribute_value("_FillValue") else { return Ok(None) };
    let bytes = match value? {
        A::Float(v) => v.to_ne_bytes().to_vec(),
        A::Double(v) => v.to_ne_bytes().to_vec(),
        A::Schar(v) => v.to_ne_bytes().to_vec(),
        A::Uchar(v) => v.to_ne_bytes().to_vec(),
        A::Short(v) => v.to_ne_bytes().to_vec(),
        A::Ushort(v) => v.to_ne_bytes().to_vec(),
        A::Int(v) => v.to_ne_bytes().to_vec(),
        A::Uint(v) => v.to_ne_bytes().to_vec(),
        A::Longlong(v) => v.to_ne_bytes().to_vec(),
        A::Ulonglong(v) => v.to_ne_bytes().to_vec(),
        other => bail!("_FillValue {other:?} is not a single number"),
    };
    if bytes.len() != dtype.size() {
        bail!("_FillValue has {} bytes, the elements are {dtype}", bytes.len());
    }
    Ok(Some(bytes))
}

/// Evenly spaced longitudes whose last and first are neighbours around the globe.
pub(crate) fn spans_globe(longitude: &[f64]) -> bool {
    let n = longitude.len();
    if n < 4 {
        return false;
    }
    let step = (longitude[n - 1] - longitude[0]) / (n - 1) as f64;
    let even = longitude.windows(2).all(|w| (w[1] - w[0] - step).abs() <= 0.05 * step.abs());
    even && (step.abs() * n as f64 - 360.0).abs() <= 0.05 * step.abs()
}

#[cfg(test)]
mod tests {
    use super::spans_globe;

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
}
