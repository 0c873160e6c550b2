//! The tensor cubic spline through the nodes of a coarse grid: the interpolant of least curvature along each axis,
//! which is what variational interpolation with a Laplacian background term gives on a regular grid.

use super::Isa;
use super::kernels::spline::{combine, solve_columns, solve_rows};

/// Nodes that an axis of `n` samples needs when every `ratio`-th sample is a node: one before the first sample, and
/// two beyond the last interval. Node `k` lies at sample `(k - 1) * ratio`.
pub(crate) const fn nodes(n: usize, ratio: usize) -> usize {
    (n - 1) / ratio + 4
}

/// Weights of four nodes for a sample at `phase / ratio` between the second and the third.
fn weights(ratio: usize) -> Vec<[f32; 4]> {
    let weights = |phase: usize| {
        let t = phase as f64 / ratio as f64;
        let u = 1.0 - t;
        let side = |t: f64| t * t * t / 6.0;
        let centre = |t: f64| (4.0 - t * t * (6.0 - 3.0 * t)) / 6.0;
        [side(u), centre(t), centre(u), side(t)].map(|w| w as f32)
    };
    (0..ratio).map(weights).collect()
}

/// For each inner node `k` the factors of the tridiagonal solution: `d = 1 / (4 - d before)`, as `6 d` and `d`.
fn factors(nodes: usize) -> Vec<[f32; 2]> {
    let mut d = 0.0;
    let next = |k: usize| {
        if k == 0 || k + 1 == nodes {
            return [1.0, 0.0];
        }
        d = 1.0 / (4.0 - d);
        [(6.0 * d) as f32, d as f32]
    };
    (0..nodes).map(next).collect()
}

/// A plane of `(height, width)` samples from `grid`, its nodes, which are lost. Natural ends: the outermost nodes' coefficients
/// are their values.
pub(crate) fn upsample(grid: &mut [f32], (height, width): (usize, usize), ratio: usize, isa: Isa, out: &mut [f32]) {
    let (rows, columns) = (nodes(height, ratio), nodes(width, ratio));
    solve_rows(isa, grid, columns, &factors(rows));
    solve_columns(isa, grid, columns, &factors(columns));
    let weights = weights(ratio);
    let mut line = vec![0.0; columns];
    let mut phase_line = vec![0.0; width.div_ceil(ratio)];
    for (y, out) in out.chunks_exact_mut(width).enumerate().take(height) {
        let row = |k: usize| &grid[(y / ratio + k) * columns..][..columns];
        combine(isa, [row(0), row(1), row(2), row(3)], &weights[y % ratio], &mut line);
        for (phase, weights) in weights.iter().enumerate() {
            combine(isa, [&line, &line[1..], &line[2..], &line[3..]], weights, &mut phase_line);
            out[phase.min(width)..].iter_mut().step_by(ratio).zip(&phase_line).for_each(|(o, &v)| *o = v);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(height: usize, width: usize, ratio: usize, f: impl Fn(f64, f64) -> f64) -> Vec<f32> {
        let at = |k: usize| (k as f64 - 1.0) * ratio as f64;
        let (rows, columns) = (nodes(height, ratio), nodes(width, ratio));
        (0..rows * columns).map(|i| f(at(i / columns), at(i % columns)) as f32).collect()
    }

    #[test]
    fn planes_are_exact_and_waves_nearly_so() {
        for (height, width) in [(1, 2), (7, 20), (40, 61)] {
            for ratio in [1, 2, 3, 5] {
                let plane = |y: f64, x: f64| 3.0 + 0.5 * y - 0.25 * x;
                let wave = |y: f64, x: f64| (0.11 * y).sin() * (0.07 * x + 1.0).cos();
                let mut out = vec![0.0; height * width];
                for (f, close) in [(&plane as &dyn Fn(f64, f64) -> f64, 3e-6), (&wave, 0.02)] {
                    upsample(&mut grid(height, width, ratio, f), (height, width), ratio, Isa::detect(), &mut out);
                    for (i, &v) in out.iter().enumerate() {
                        let want = f((i / width) as f64, (i % width) as f64);
                        assert!((f64::from(v) - want).abs() < close * 10.0, "{height}x{width}/{ratio} {i}: {v} {want}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_same_bits_on_every_instruction_set() {
        let results = Isa::ALL.into_iter().filter(|i| i.supported()).map(|isa| {
            let mut out = vec![0.0; 31 * 77];
            upsample(&mut grid(31, 77, 3, |y, x| (0.3 * y + 0.2 * x).sin()), (31, 77), 3, isa, &mut out);
            out.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        });
        let results: Vec<_> = results.collect();
        assert!(results.windows(2).all(|r| r[0] == r[1]));
    }
}
