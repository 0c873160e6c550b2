//! Harmonic split: where in the spectrum a field's variance lies (paper, harmonic decomposition), and what of it lies below a
//! cut-off.

use crate::arith::run_wide;
use crate::array::Element;
use crate::format::{Cutoffs, Geometry, Split};
use realfft::RealFftPlanner;
use rustfft::{FftDirection, FftPlanner, num_complex::Complex};

/// Cells to a cycle of the upper cut-off, and cells of an axis, at least; axes twice as long or longer are averaged over cells.
const CELLS_A_CYCLE: f64 = 4.0;
const FEWEST_CELLS: usize = 64;

/// Variance of a chunk below, between and above the cut-offs, by a 3-D FFT (2-D of a plane). The radial wavenumber counts
/// cycles along each axis. `range` is the greatest less the least value. `None` for a constant field.
pub(crate) fn split<T: Element>(values: &[T], range: f64, geometry: &Geometry, cutoffs: Cutoffs) -> Option<Split> {
    let scale = 1.0 / range;
    if !(scale.is_normal()) {
        return None;
    }
    let dims = [geometry.slices(), geometry.height, geometry.width];
    let energies = energies(values, scale, dims, cutoffs.first())?;
    Some(Split::from_energies(energies, cutoffs))
}

fn energies<T: Element>(values: &[T], scale: f64, dims: [usize; 3], [f1, f2]: [f64; 2]) -> Option<[f64; 3]> {
    let cells = dims.map(|n| {
        let wanted = ((CELLS_A_CYCLE * f2) as usize).next_power_of_two().max(FEWEST_CELLS);
        if n > 2 * wanted { wanted } else { n }
    });
    let (field, variance) = averaged(values, scale, dims, cells);
    if !(variance > 0.0 && variance.is_finite()) {
        return None;
    }
    let count = field.len() as f64;
    // Only what lies below the upper cut-off along every axis is transformed further.
    let kept = [kept(cells[0], f2), kept(cells[1], f2), (0..=cells[2] / 2).filter(|&k| (k as f64) < f2).collect()];
    let field = along_rows(&field, cells[2], kept[2].len());
    let field = along(&field, cells[1], kept[2].len(), &kept[1]);
    let field = along(&field, cells[0], kept[1].len() * kept[2].len(), &kept[0]);
    // Of coefficient k along an axis of n cells: cycles.
    let cycles = |k: usize, n: usize| k.min(n - k) as f64;
    let mut energies = [0.0; 3];
    let mut coefficients = field.iter();
    for &s in &kept[0] {
        for &y in &kept[1] {
            let across = cycles(s, cells[0]).hypot(cycles(y, cells[1]));
            for (&x, c) in kept[2].iter().zip(coefficients.by_ref()) {
                let wavenumber = across.hypot(x as f64);
                if wavenumber < f2 {
                    // The other half of the spectrum mirrors this one.
                    let twice = if x == 0 || 2 * x == cells[2] { 1.0 } else { 2.0 };
                    energies[usize::from(wavenumber >= f1)] += twice * f64::from(c.norm_sqr()) / (count * count);
                }
            }
        }
    }
    energies[2] = (variance - energies[0] - energies[1]).max(0.0);
    // Less is rounding of the transform.
    if energies[2] < 1e-7 * variance {
        energies[2] = 0.0;
    }
    Some(energies)
}

/// Means over cells, less that of all, and the variance of the values, which are multiplied by `scale`.
fn averaged<T: Element>(values: &[T], scale: f64, dims: [usize; 3], cells: [usize; 3]) -> (Vec<f32>, f64) {
    let of = |axis: usize, k: usize| k * cells[axis] / dims[axis];
    // First columns of the cells, and the end.
    let starts: Vec<usize> = (0..=cells[2]).map(|c| (c * dims[2]).div_ceil(cells[2])).collect();
    let row_of = |row: usize| of(0, row / dims[1]) * cells[1] + of(1, row % dims[1]);
    let mut means = vec![0.0f32; cells.iter().product()];
    // Of columns, over the rows of a row of cells.
    let (mut line, mut squares) = (vec![0.0f64; dims[2]], vec![0.0f64; dims[2]]);
    let pivot = values[0].to_f64() * scale;
    let rows = dims[0] * dims[1];
    let mut sum = 0.0;
    for (row, values) in values.chunks_exact(dims[2]).enumerate() {
        run_wide(
            #[inline(always)]
            || {
                for ((sum, square), v) in line.iter_mut().zip(&mut squares).zip(values) {
                    let v = v.to_f64() * scale - pivot;
                    *sum += v;
                    *square += v * v;
                }
            },
        );
        if row + 1 == rows || row_of(row + 1) != row_of(row) {
            let mut of_row = 0.0;
            for (cell, ends) in means[row_of(row) * cells[2]..].iter_mut().zip(starts.windows(2)) {
                let part = line[ends[0]..ends[1]].iter().sum::<f64>();
                *cell += part as f32;
                of_row += part;
            }
            sum += of_row;
            line.fill(0.0);
        }
    }
    let n = (rows * dims[2]) as f64;
    let mean = sum / n;
    let variance = squares.iter().sum::<f64>() / n - mean * mean;
    // One over the elements of each cell of an axis.
    let shares = |axis: usize| {
        let mut counts = vec![0.0f32; cells[axis]];
        (0..dims[axis]).for_each(|k| counts[of(axis, k)] += 1.0);
        counts.iter_mut().for_each(|n| *n = 1.0 / *n);
        counts
    };
    let [outer, down, across] = [0, 1, 2].map(shares);
    let shares = outer.iter().flat_map(|o| down.iter().map(move |d| o * d));
    for (row, share) in means.chunks_exact_mut(cells[2]).zip(shares) {
        row.iter_mut().zip(&across).for_each(|(m, a)| *m = *m * (share * a) - mean as f32);
    }
    (means, variance)
}

/// Coefficients along an axis of `n` cells that lie below a frequency.
fn kept(n: usize, limit: f64) -> Vec<usize> {
    (0..n).filter(|&k| (k.min(n - k) as f64) < limit).collect()
}

/// The first `most` coefficients of each row of `n`.
fn along_rows(field: &[f32], n: usize, most: usize) -> Vec<Complex<f32>> {
    let fft = RealFftPlanner::<f32>::new().plan_fft_forward(n);
    let (mut row, mut spectrum) = (fft.make_input_vec(), fft.make_output_vec());
    let mut out = Vec::with_capacity(field.len() / n * most);
    for values in field.chunks_exact(n) {
        row.copy_from_slice(values);
        // The lengths are those that it made.
        let done = fft.process(&mut row, &mut spectrum);
        debug_assert!(done.is_ok());
        out.extend_from_slice(&spectrum[..most]);
    }
    out
}

/// The coefficients `kept` along an axis of `n` cells that are `inner` apart.
fn along(field: &[Complex<f32>], n: usize, inner: usize, kept: &[usize]) -> Vec<Complex<f32>> {
    let fft = FftPlanner::<f32>::new().plan_fft_forward(n);
    let mut lines = vec![Complex::default(); n * inner];
    let mut out = Vec::with_capacity(field.len() / n * kept.len());
    for part in field.chunks_exact(n * inner) {
        for (k, line) in lines.chunks_exact_mut(n).enumerate() {
            line.iter_mut().zip(part[k..].iter().step_by(inner)).for_each(|(l, &v)| *l = v);
        }
        fft.process(&mut lines);
        out.extend(kept.iter().flat_map(|&k| lines.iter().skip(k).step_by(n)));
    }
    out
}

/// The harmonic decomposition of a block of these dimensions: what lies below a frequency.
pub(crate) fn below(values: &[f32], dims: [usize; 3], limit: f64) -> Vec<f32> {
    let mut field: Vec<Complex<f32>> = values.iter().map(|&v| Complex::new(v, 0.0)).collect();
    (0..3).for_each(|axis| transform(&mut field, dims, axis, FftDirection::Forward));
    let cycles = |k: usize, n: usize| k.min(n - k) as f64;
    for (i, c) in field.iter_mut().enumerate() {
        let (s, y, x) = (i / (dims[1] * dims[2]), i / dims[2] % dims[1], i % dims[2]);
        if cycles(s, dims[0]).hypot(cycles(y, dims[1])).hypot(cycles(x, dims[2])) >= limit {
            *c = Complex::default();
        }
    }
    (0..3).for_each(|axis| transform(&mut field, dims, axis, FftDirection::Inverse));
    let count = values.len() as f32;
    field.iter().map(|c| c.re / count).collect()
}

/// FFT along an axis, in place.
fn transform(field: &mut [Complex<f32>], dims: [usize; 3], axis: usize, direction: FftDirection) {
    let n = dims[axis];
    if n == 1 {
        return;
    }
    let fft = FftPlanner::<f32>::new().plan_fft(n, direction);
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

    fn shares(values: impl Fn(usize) -> f64, geometry: &Geometry, cutoffs: Cutoffs) -> [f64; 3] {
        let values: Vec<f64> = (0..geometry.slices() * geometry.plane()).map(values).collect();
        split(&values, 2.0, geometry, cutoffs).unwrap().shares()
    }

    #[test]
    fn waves_fall_into_their_bands() {
        let g = Geometry { outer: vec![3], height: 30, width: 50, periodic: true };
        let wave = |k: f64| move |i: usize| (TAU * k * (i % 50) as f64 / 50.0).sin() + 7.0;
        for (k, band) in [(1.0, 0), (4.0, 1), (9.0, 2)] {
            let shares = shares(wave(k), &g, Cutoffs::PAPER);
            assert!(shares[band] > 0.99, "{k}: {shares:?}");
        }
        // f1 is 8.6, f2 25.7: half of the row's samples.
        let wide = Cutoffs { omega: 14.0, n: 16, ..Cutoffs::PAPER };
        for (k, band) in [(8.0, 0), (9.0, 1), (25.0, 1)] {
            let shares = shares(|i| wave(k)(i) + (TAU * k * (i % 50) as f64 / 50.0).cos(), &g, wide);
            assert!(shares[band] > 0.99, "{k}: {shares:?}");
        }
        assert_eq!(split(&[2.0; 4500], 0.0, &g, Cutoffs::PAPER), None);
    }

    #[test]
    fn waves_along_the_outer_axis_count_too() {
        let g = Geometry { outer: vec![40], height: 8, width: 200, periodic: true };
        let wave = |k: f64| {
            move |i: usize| (TAU * k * (i / 1600) as f64 / 40.0).sin() * (TAU * (i % 200) as f64 / 200.0).cos()
        };
        for (k, band) in [(1.0, 0), (5.0, 1), (12.0, 2)] {
            let shares = shares(wave(k), &g, Cutoffs::PAPER);
            assert!(shares[band] > 0.98, "{k}: {shares:?}");
        }
    }

    /// The definition: every coefficient of the whole array, by sums.
    fn by_definition(values: &[f64], dims: [usize; 3], [f1, f2]: [f64; 2]) -> [f64; 3] {
        let n = values.len() as f64;
        let mut energies = [0.0; 3];
        for k in 1..values.len() {
            let index = |i: usize| [i / dims[1] / dims[2], i / dims[2] % dims[1], i % dims[2]];
            let (mut re, mut im) = (0.0, 0.0);
            for (i, v) in values.iter().enumerate() {
                let turns: f64 = (0..3).map(|a| (index(k)[a] * index(i)[a]) as f64 / dims[a] as f64).sum();
                re += v * (TAU * turns).cos();
                im += v * (TAU * turns).sin();
            }
            let wavenumber =
                (0..3).map(|a| (index(k)[a].min(dims[a] - index(k)[a]) as f64).powi(2)).sum::<f64>().sqrt();
            energies[usize::from(wavenumber >= f1) + usize::from(wavenumber >= f2)] += (re * re + im * im) / (n * n);
        }
        energies
    }

    #[test]
    fn energies_are_those_of_the_definition() {
        let noise = |i: usize| f64::from((i as u32).wrapping_mul(2_654_435_761) >> 8) / f64::from(1 << 24) - 0.5;
        for dims in [[1, 12, 17], [5, 6, 14], [3, 1, 30], [1, 1, 9]] {
            let values: Vec<f64> =
                (0..dims.iter().product()).map(|i| 300.0 + noise(i) + 0.1 * (i % dims[2]) as f64).collect();
            for limits in [[1.5, 4.5], [2.2, 6.4], [8.0, 24.0]] {
                let fast = energies(&values, 1.0, dims, limits).unwrap();
                for (a, b) in fast.iter().zip(by_definition(&values, dims, limits)) {
                    assert!((a - b).abs() < 1e-5, "{dims:?} {limits:?}: {a} {b}");
                }
            }
        }
    }

    #[test]
    fn what_lies_below_a_frequency_is_kept() {
        let dims = [4, 20, 30];
        let wave = |k: f64| move |i: usize| (TAU * k * (i % 30) as f64 / 30.0).cos() as f32;
        let values: Vec<f32> = (0..2400).map(|i| 2.0 + wave(3.0)(i) + wave(7.0)(i)).collect();
        let low = below(&values, dims, 5.0);
        assert!((0..2400).all(|i| (low[i] - 2.0 - wave(3.0)(i)).abs() < 1e-5));
    }
}
