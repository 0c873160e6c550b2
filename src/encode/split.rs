//! Harmonic split: where in the spectrum a field's variance lies (paper, harmonic decomposition).

use super::sums::{peak, sum};
use crate::array::Element;
use crate::format::{AGAIN, FIRST, Geometry, Split, cutoffs};
use rustfft::{FftPlanner, num_complex::Complex};

/// Axes longer than this are averaged over cells first: the cut-offs are a few cycles.
const LONGEST: usize = 128;
/// To this many cells.
const CELLS: usize = 64;

/// Variance of a chunk below, between and above the cut-offs, by a 3-D FFT (2-D of a plane). The radial wavenumber counts
/// cycles along each axis. `None` for a constant field.
pub(crate) fn split<T: Element>(values: &[T], geometry: &Geometry) -> Option<Split> {
    let dims = [geometry.slices(), geometry.height, geometry.width];
    energies(values, dims, cutoffs(FIRST)).map(Split::from_energies)
}

/// Shares of the variance of a block of these dimensions, on re-decomposition.
pub(crate) fn shares_of_block(values: &[f32], dims: [usize; 3]) -> Option<[f64; 3]> {
    let energies = energies(values, dims, cutoffs(AGAIN))?;
    let total: f64 = energies.iter().sum();
    Some(energies.map(|e| e / total))
}

fn energies<T: Element>(values: &[T], dims: [usize; 3], (f1, f2): (f64, f64)) -> Option<[f64; 3]> {
    let n = values.len() as f64;
    let mean = sum(values, T::to_f64) / n;
    let peak = peak(values, |v| (v.to_f64() - mean).abs());
    if peak == 0.0 || !peak.is_finite() {
        return None;
    }
    let value = |v: T| (v.to_f64() - mean) / peak;
    let variance = sum(values, |v| value(v).powi(2)) / n;
    let cells = dims.map(|n| if n > LONGEST { CELLS } else { n });
    let mut field = averaged(values, value, dims, cells);
    let count = field.len() as f64;
    for axis in 0..3 {
        transform(&mut field, cells, axis);
    }
    // Of coefficient k along an axis of n cells: cycles, squared.
    let squares = cells.map(|n| (0..n).map(|k| (k.min(n - k) as f64).powi(2)).collect::<Vec<_>>());
    let mut energies = [0.0; 3];
    for (row, coefficients) in field.chunks_exact(cells[2]).enumerate() {
        let outer = squares[0][row / cells[1]] + squares[1][row % cells[1]];
        if outer >= f2 * f2 {
            continue;
        }
        for (c, along) in coefficients.iter().zip(&squares[2]) {
            if outer + along < f2 * f2 {
                energies[usize::from(outer + along >= f1 * f1)] += f64::from(c.norm_sqr()) / (count * count);
            }
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
fn averaged<T: Element>(
    values: &[T],
    value: impl Fn(T) -> f64,
    dims: [usize; 3],
    cells: [usize; 3],
) -> Vec<Complex<f32>> {
    let of = |axis: usize, k: usize| k * cells[axis] / dims[axis];
    let row_of_cells = |row: usize| of(0, row / dims[1]) * cells[1] + of(1, row % dims[1]);
    let columns: Vec<usize> = (0..dims[2]).map(|x| of(2, x)).collect();
    let mut sums = vec![(0.0f64, 0u32); cells.iter().product()];
    // Rows of the same cells are added first, element by element.
    let (mut together, mut rows) = (vec![0.0f64; dims[2]], 0);
    for (row, values) in values.chunks_exact(dims[2]).enumerate() {
        together.iter_mut().zip(values).for_each(|(sum, &v)| *sum += value(v));
        rows += 1;
        let cell = row_of_cells(row);
        if row + 1 < dims[0] * dims[1] && row_of_cells(row + 1) == cell {
            continue;
        }
        for (added, &column) in together.iter_mut().zip(&columns) {
            let (sum, count) = &mut sums[cell * cells[2] + column];
            *sum += std::mem::take(added);
            *count += rows;
        }
        rows = 0;
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

    fn field(wave: &dyn Fn(usize) -> f64, g: &Geometry) -> Vec<f64> {
        (0..g.slices() * g.plane()).map(wave).collect()
    }

    #[test]
    fn waves_fall_into_their_bands() {
        let g = Geometry { outer: vec![3], height: 30, width: 50, periodic: true };
        let wave = |k: f64| move |i: usize| (TAU * k * (i % 50) as f64 / 50.0).sin() + 7.0;
        for (k, band) in [(1.0, 0), (4.0, 1), (9.0, 2)] {
            let shares = split(&field(&wave(k), &g), &g).unwrap().shares();
            assert!(shares[band] > 0.99, "{k}: {shares:?}");
        }
        assert_eq!(split(&[2.0f64; 4500], &g), None);
    }

    #[test]
    fn waves_along_the_outer_axis_count_too() {
        let g = Geometry { outer: vec![40], height: 8, width: 200, periodic: true };
        let wave = |k: f64| {
            move |i: usize| (TAU * k * (i / 1600) as f64 / 40.0).sin() * (TAU * (i % 200) as f64 / 200.0).cos()
        };
        for (k, band) in [(1.0, 0), (5.0, 1), (12.0, 2)] {
            let shares = split(&field(&wave(k), &g), &g).unwrap().shares();
            assert!(shares[band] > 0.98, "{k}: {shares:?}");
        }
        let values: Vec<f32> = (0..2000).map(|i| ((i % 100) as f32 * 0.06283 * 12.0).sin()).collect();
        let shares = shares_of_block(&values, [1, 20, 100]).unwrap();
        assert!(shares[1] > 0.95, "{shares:?}");
    }
}
