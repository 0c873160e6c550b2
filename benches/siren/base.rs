//! What the default base costs for a chunk: a map and a volume of a quarter of a degree.

use crate::timed;
use hiha::stages::{Field, siren::Base};
use hiha::{ArrayView, Bound, Config};
use std::path::Path;

const HEIGHT: usize = 721;
const WIDTH: usize = 1440;
const LEVELS: usize = 37;
/// Noise of single points, as a share of the field's range: what no base can fit.
const NOISE: f32 = 1e-3;

/// A variable as levels (or times), rows and columns.
struct Source {
    shape: [usize; 3],
    data: Vec<f32>,
}

/// The reanalysis on 37 levels where it is, or else the shipped sample.
fn source() -> Source {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let paths = ["../shared/data/eraint15_t_37lev_20050801T00.nc", "examples/data/demo_t500_24h_2deg.nc"];
    let path = paths.iter().map(|p| here.join(p)).find(|p| p.exists()).expect("the sample is shipped");
    let file = netcdf::open(&path).expect("netCDF");
    let variable = file.variable("field").expect("a variable `field`");
    let lengths: Vec<usize> = variable.dimensions().iter().map(netcdf::Dimension::len).filter(|&n| n > 1).collect();
    println!("source: {} {lengths:?}", path.file_name().unwrap_or_default().to_string_lossy());
    Source { shape: lengths.try_into().expect("three axes"), data: variable.get_values(..).expect("float32") }
}

/// Four neighbours of sample `k` of `to` in an axis of `from`, and their weights (Catmull and Rom); its ends are neighbours if `round`.
fn neighbours(k: usize, from: usize, to: usize, round: bool) -> [(usize, f32); 4] {
    let at = if round { k as f32 * from as f32 / to as f32 } else { k as f32 * (from - 1) as f32 / (to - 1) as f32 };
    let first = at as usize;
    let t = at - first as f32;
    let weights = [
        t * (t * (2.0 - t) - 1.0) / 2.0,
        (t * t * (3.0 * t - 5.0) + 2.0) / 2.0,
        t * (t * (4.0 - 3.0 * t) + 1.0) / 2.0,
        t * t * (t - 1.0) / 2.0,
    ];
    std::array::from_fn(|i| {
        let index = first + from + i - 1;
        (if round { index % from } else { index.clamp(from, 2 * from - 1) - from }, weights[i])
    })
}

impl Source {
    /// Brought to the wanted grid, with noise.
    fn interpolated(&self, levels: usize) -> Vec<f32> {
        let [slices, height, width] = self.shape;
        let (lo, hi) = self.data.iter().fold((f32::MAX, f32::MIN), |(lo, hi), &v| (lo.min(v), hi.max(v)));
        let columns: Vec<_> = (0..WIDTH).map(|x| neighbours(x, width, WIDTH, true)).collect();
        let mut out = Vec::with_capacity(levels * HEIGHT * WIDTH);
        let mut row = vec![0.0; width];
        for level in 0..levels {
            let plane = &self.data[level * slices / levels * height * width..][..height * width];
            for y in 0..HEIGHT {
                row.fill(0.0);
                for (from, weight) in neighbours(y, height, HEIGHT, false) {
                    row.iter_mut().zip(&plane[from * width..]).for_each(|(r, v)| *r += weight * v);
                }
                for c in &columns {
                    let noise = ((out.len() as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0;
                    out.push(c.iter().map(|&(x, w)| w * row[x]).sum::<f32>() + NOISE * (hi - lo) * noise);
                }
            }
        }
        out
    }
}

/// Most memory that this process has had, in MiB.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().unwrap_or(f64::NAN) / 1024.0
}

/// One row for each chunk: CPU seconds of the fit with all that belongs to it (means over cells, training, rounding, coding), of the
/// evaluation of all elements, of the harmonic split, and of a whole encoding at the least effort.
pub(crate) fn run(repeats: usize) {
    let source = source();
    println!(
        "| chunk | fit s | at most s | evaluate s | bytes | variance left | memory MiB (field itself) | split s | encode s, effort 1 |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (levels, allowed) in [(1, 0.25), (LEVELS, 2.0)] {
        let field = source.interpolated(levels);
        let shape: &[usize] = if levels > 1 { &[LEVELS, HEIGHT, WIDTH] } else { &[HEIGHT, WIDTH] };
        let mut fits: Vec<f64> = Vec::new();
        let mut base = None;
        for _ in 0..repeats {
            let (fitted, seconds) = timed(|| Base::fit(&field, shape, true).expect("a field that varies"));
            fits.push(seconds);
            base = Some(fitted);
        }
        fits.sort_by(f64::total_cmp);
        let base = base.expect("at least one fit");
        let (values, evaluation) = timed(|| base.evaluate());
        let memory = peak();
        let (_, split) = timed(|| Field::new(&field, shape, true).split());
        let view = ArrayView::new(&field, shape).expect("a field");
        let config = Config { effort: 1, periodic: true, ..Config::new(Bound::Nrmse(1e-3)) };
        let (_, encode) = timed(|| hiha::encode(&view, &config).expect("a valid configuration"));
        let n = field.len() as f64;
        let mean = field.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let variance: f64 = field.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum();
        let left: f64 = field.iter().zip(&values).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        println!(
            "| {shape:?} | {:.3} ({:.3} to {:.3}) | {allowed} | {evaluation:.3} | {} | {:.2e} | {memory:.0} ({:.0}) | {split:.4} | {encode:.2} |",
            fits[repeats / 2],
            fits[0],
            fits[repeats - 1],
            base.bytes(),
            left / variance,
            n * 4.0 / f64::from(1 << 20)
        );
    }
}
