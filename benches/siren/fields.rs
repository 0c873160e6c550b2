//! Global fields on a regular grid as samples on the unit sphere.

use std::path::{Path, PathBuf};

pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) levels: usize,
    /// Rows and columns of a block that becomes one sample.
    pub(crate) thinning: usize,
    height: usize,
    width: usize,
    data: Vec<f32>,
}

/// Planar points, normalised targets, and what undoes the normalisation of an error.
pub(crate) struct Samples {
    pub(crate) points: Vec<f32>,
    pub(crate) targets: Vec<f32>,
    /// Normalised units in the range of the field.
    range: f64,
}

/// The variable `field` of netCDF files: those given, or the development fields that are there.
pub(crate) fn read(paths: &[String]) -> Vec<Field> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let defaults = ["gfs025_z500_20220210", "era5_t850", "ifs025_10u_20250213_024h", "eraint15_t_37lev_20050801T00"];
    let paths: Vec<PathBuf> = if paths.is_empty() {
        defaults.iter().map(|n| folder.join(format!("{n}.nc"))).collect()
    } else {
        paths.iter().map(PathBuf::from).collect()
    };
    paths.iter().filter_map(|p| read_one(p)).collect()
}

fn read_one(path: &Path) -> Option<Field> {
    let file = netcdf::open(path).ok()?;
    let variable = file.variable("field")?;
    let lengths: Vec<usize> = variable.dimensions().iter().map(netcdf::Dimension::len).filter(|&n| n > 1).collect();
    let (&width, rest) = lengths.split_last()?;
    let (&height, outer) = rest.split_last()?;
    let levels = outer.iter().product();
    // About 4 000 samples of a map, about 16 000 of a volume.
    let thinning = if levels == 1 { height / 45 } else { (height / 15).max(1) };
    let data = variable.get_values::<f32, _>(..).ok()?;
    Some(Field { name: path.file_stem()?.to_string_lossy().into_owned(), levels, thinning, height, width, data })
}

impl Field {
    /// Means of blocks of `s` x `s` samples; inputs x, y, z and, with several levels, their index in -1..=1.
    pub(crate) fn samples(&self, s: usize) -> Samples {
        let (rows, columns) = (self.height / s, self.width / s);
        let n = self.levels * rows * columns;
        let mut points = vec![0.0; n * if self.levels > 1 { 4 } else { 3 }];
        let mut means = Vec::with_capacity(n);
        for k in 0..n {
            let (level, i, j) = (k / (rows * columns), k / columns % rows, k % columns);
            let middle = |i: usize| (i * s) as f64 + (s - 1) as f64 / 2.0;
            let latitude = (90.0 - 180.0 * middle(i) / (self.height - 1) as f64).to_radians();
            let longitude = (360.0 * middle(j) / self.width as f64).to_radians();
            let (sin, cos) = latitude.sin_cos();
            points[k] = (cos * longitude.cos()) as f32;
            points[n + k] = (cos * longitude.sin()) as f32;
            points[2 * n + k] = sin as f32;
            if self.levels > 1 {
                points[3 * n + k] = (2.0 * level as f64 / (self.levels - 1) as f64 - 1.0) as f32;
            }
            let block = self.data[level * self.height * self.width..].chunks(self.width).skip(i * s).take(s);
            means.push(
                block.flat_map(|row| &row[j * s..(j + 1) * s]).map(|&v| f64::from(v)).sum::<f64>() / (s * s) as f64,
            );
        }
        self.normalised(points, &means)
    }

    fn normalised(&self, points: Vec<f32>, values: &[f64]) -> Samples {
        let (lo, hi) = self.data.iter().fold((f32::MAX, f32::MIN), |(lo, hi), &v| (lo.min(v), hi.max(v)));
        let (lo, hi) = (f64::from(lo), f64::from(hi));
        let mean = self.data.iter().map(|&v| f64::from(v)).sum::<f64>() / self.data.len() as f64;
        let scale = (hi - mean).max(mean - lo);
        let targets = values.iter().map(|v| ((v - mean) / scale) as f32).collect();
        Samples { points, targets, range: (hi - lo) / scale }
    }
}

impl Samples {
    /// Root mean square error over the field's range.
    pub(crate) fn nrmse(&self, outputs: &[f32]) -> f64 {
        let squares = outputs.iter().zip(&self.targets).map(|(y, t)| f64::from(y - t).powi(2));
        (squares.sum::<f64>() / outputs.len() as f64).sqrt() / self.range
    }
}
