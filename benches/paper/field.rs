//! The fields of the tables.

use std::path::{Path, PathBuf};

/// A variable of a file, or the first part of it.
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<f32>,
    /// The first axis is time.
    pub(crate) time: bool,
    pub(crate) range: f64,
}

/// The shipped sample, which is time by latitude by longitude, and of the development fields one of levels, where they are.
fn defaults() -> Vec<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all = ["examples/data/demo_t500_24h_2deg.nc", "../shared/data/eraint15_t_37lev_20050801T00.nc"];
    all.iter().map(|f| here.join(f)).filter(|f| f.exists()).collect()
}

/// The largest float variable of each file, at most `frames` elements along its first axis.
pub(crate) fn read(paths: &[String], frames: usize) -> Vec<Field> {
    let paths = if paths.is_empty() { defaults() } else { paths.iter().map(PathBuf::from).collect() };
    paths.iter().map(|p| read_one(p, frames).unwrap_or_else(|| panic!("{}: no such field", p.display()))).collect()
}

fn read_one(path: &Path, frames: usize) -> Option<Field> {
    let file = netcdf::open(path).ok()?;
    let variable = file.variables().max_by_key(netcdf::Variable::len)?;
    let dimensions = variable.dimensions();
    let mut shape: Vec<usize> = dimensions.iter().map(netcdf::Dimension::len).collect();
    let mut data = variable.get_values::<f32, _>(..).ok()?;
    let time = shape.len() > 2 && dimensions[0].name().contains("time") && shape[0] > 1;
    if shape.len() > 2 && shape[0] > frames {
        data.truncate(data.len() / shape[0] * frames);
        shape[0] = frames;
    }
    shape.retain(|&n| n > 1);
    let (lo, hi) = data.iter().fold((f32::MAX, f32::MIN), |(lo, hi), &v| (lo.min(v), hi.max(v)));
    let name = path.file_stem()?.to_string_lossy().into_owned();
    Some(Field { name, shape, data, time, range: f64::from(hi) - f64::from(lo) })
}
