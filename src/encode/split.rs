//! Harmonic split: where in the spectrum a field's variance lies (paper, harmonic decomposition).

use crate::format::{AGAIN, FIRST, Geometry, Split, cutoffs};
use rustfft::{FftPlanner, num_complex::Complex};

/// Axes longer than this are averaged over cells first: the cut-offs are a few cycles.
const LONGEST: usize = 128;
/// To this many cells.
const CELLS: usize = 64;

/// Variance of a chunk below, between and above the cut-offs, by a 3-D FFT (2-D of a plane). The radial wavenumber counts
/// cycles along each axis. `None` for a constant field.
pub(crate) fn split(values: impl Fn(usize) -> f64, geometry: &Geometry) -> Option<Split> {
    let dims = [geometry.slices(), geometry.height, geometry.width];
    energies(values, dims, cutoffs(FIRST)).map(Split::from_energies)
}

/// Shares of the variance of a block of these dimensions, on re-decomposition.
pub(crate) fn shares_of_block(values: &[f32], dims: [usize; 3]) -> Option<[f64; 3]> {
    let energies = energies(|i| values[i].into(), dims, cutoffs(AGAIN))?;
    let total: f64 = energies.iter().sum();
    Some(energies.map(|e| e / total))
}

fn energies(values: impl Fn(usize) -> f64, dims: [usize; 3], (f1, f2): (f64, f64)) -> Option<[f64; 3]> {
    let n = dims.iter().product::<usize>();
    let mean = (0..n).map(&values).sum::<f64>() / n as f64;
    let peak = (0..n).fold(0.0f64, |m, i| m.max((values(i) - mean).abs()));
    if peak == 0.0 || !peak.is_finite() {
        return None;
    }
    let value = |i: usize| (values(i) - mean) / peak;
    let variance = (0..n).map(|i| value(i).powi(2)).sum::<f64>() / n as f64;
    let cells = dims.map(|n| if n > LONGEST { CELLS } else { n });
    let mut field = averaged(value, dims, cells);
    let count = field.len() as f64;
    for axis in 0..3 {
        transform(&mut field, cells, axis);
    }
    // Of coefficient k along an axis of n cells: cycles.
    let cycles = |k: usize, n: usize| k.min(n - k) as f64;
    let mut energies = [0.0; 3];
    for (i, c) in field.iter().enumerate() {
        let (s, y, x) = (i / (cells[1] * cells[2]), i / cells[2] % cells[1], i % cells[2]);
        let wavenumber = cycles(s, cells[0]).hypot(cycles(y, cells[1])).hypot(cycles(x, cells[2]));
        if wavenumber < f2 {
            energies[usize::from(wavenumber >= f1)] += f64::from(c.norm_sqr()) / (count * count);
        }
    }
    energies[2] = (variance - energies[0] - energies[1]).max(0.0);
    // What is rounding is none.
    if energies[2] < 1e-9 * variance {
        energies[2] = 0.0;
    }
    Some(energies)
}

/// Means over cells.
fn averaged(value: impl Fn(usize) -> f64, dims: [usize; 3], cells: [usize; 3]) -> Vec<Complex<f32>> {
    let of = |axis: usize, k: usize| k * cells[axis] / dims[axis];
    let columns: Vec<usize> = (0..dims[2]).map(|x| of(2, x)).collect();
    let mut sums = vec![(0.0f64, 0u32); cells.iter().product()];
    for row in 0..dims[0] * dims[1] {
        let start = (of(0, row / dims[1]) * cells[1] + of(1, row % dims[1])) * cells[2];
        for (x, &column) in columns.iter().enumerate() {
            let (sum, count) = &mut sums[start + column];
            *sum += value(row * dims[2] + x);
            *count += 1;
        }
    }
    sums.into_iter().map(|(sum, count)| Complex::new((sum / f64::from(count.max(1))) as f32, 0.0)).collect()
}

/// FFT along an axis, in place.
fn transform(field: &mut [Complex<f32>], dims: [usize; 3], axis: usize) {
    let n = dims[axis];
    let fft = FftPlanner::<f32>::new().plan_fft_forward(n);
    let inner: usize = dims[axis + 1..].iter().product();
    let mut lines = vec![Complex::default(); n * inner];
    for part in field.chunks_exact_mut(n * inner) {
        for (k, line) in lines.chunks_exact_mut(n).enumerate() {
            line.iter_mut().zip(part[k..].iter().step_by(inner)).for_each(|(l, &v)| *l = v);
        }
        fft.process(&mut lines);
        for (k, line) in lines.chunks_exact(n).enumerate() {
            part[k..].iter_mut().step_by(inner).zip(line).for_each(|(v, &l)| *v = l);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    #[test]
    fn waves_fall_into_their_bands() {
        let g = Geometry { outer: vec![3], height: 30, width: 50, periodic: true };
        let wave = |k: f64| move |i: usize| (TAU * k * (i % 50) as f64 / 50.0).sin() + 7.0;
        for (k, band) in [(1.0, 0), (4.0, 1), (9.0, 2)] {
            let shares = split(wave(k), &g).unwrap().shares();
            assert!(shares[band] > 0.99, "{k}: {shares:?}");
        }
        assert_eq!(split(|_| 2.0, &g), None);
    }

    #[test]
    fn waves_along_the_outer_axis_count_too() {
        let g = Geometry { outer: vec![40], height: 8, width: 200, periodic: true };
        let wave = |k: f64| {
            move |i: usize| (TAU * k * (i / 1600) as f64 / 40.0).sin() * (TAU * (i % 200) as f64 / 200.0).cos()
        };
        for (k, band) in [(1.0, 0), (5.0, 1), (12.0, 2)] {
            let shares = split(wave(k), &g).unwrap().shares();
            assert!(shares[band] > 0.98, "{k}: {shares:?}");
        }
        let values: Vec<f32> = (0..2000).map(|i| ((i % 100) as f32 * 0.06283 * 12.0).sin()).collect();
        let shares = shares_of_block(&values, [1, 20, 100]).unwrap();
        assert!(shares[1] > 0.95, "{shares:?}");
    }
}
