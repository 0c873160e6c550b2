//! Harmonic split: where in the spectrum a field's variance lies.

use crate::format::{Geometry, Split, cutoffs};
use rustfft::{FftPlanner, num_complex::Complex};

/// Planes that are looked at, spread over the chunk.
const PLANES: usize = 4;

/// Variance below, between and above the cut-offs, by 2-D FFTs of up to four planes. The radial wavenumber
/// counts cycles along each axis. `None` for a constant field.
pub(crate) fn split(values: impl Fn(usize) -> f64, geometry: &Geometry) -> Option<Split> {
    let (h, w) = (geometry.height, geometry.width);
    let (f1, f2) = cutoffs();
    let mut planner = FftPlanner::<f32>::new();
    let (along_x, along_y) = (planner.plan_fft_forward(w), planner.plan_fft_forward(h));
    let mut energies = [0.0; 3];
    let planes = geometry.slices().min(PLANES);
    for k in 0..planes {
        let start = k * geometry.slices() / planes * geometry.plane();
        let mean = (0..h * w).map(|i| values(start + i)).sum::<f64>() / (h * w) as f64;
        let peak = (0..h * w).fold(0.0f64, |m, i| m.max((values(start + i) - mean).abs()));
        if peak == 0.0 {
            continue;
        }
        let mut rows: Vec<Complex<f32>> =
            (0..h * w).map(|i| Complex::new(((values(start + i) - mean) / peak) as f32, 0.0)).collect();
        along_x.process(&mut rows);
        // The field is real: half the columns hold everything.
        let half = w / 2 + 1;
        let mut columns: Vec<Complex<f32>> =
            (0..half).flat_map(|x| (0..h).map(move |y| y * w + x)).map(|i| rows[i]).collect();
        along_y.process(&mut columns);
        for (x, column) in columns.chunks_exact(h).enumerate() {
            let twice = if x == 0 || 2 * x == w { 1.0 } else { 2.0 };
            for (y, c) in column.iter().enumerate() {
                let wavenumber = (x as f64).hypot(y.min(h - y) as f64);
                let band = usize::from(wavenumber >= f1) + usize::from(wavenumber >= f2);
                energies[band] += twice * f64::from(c.norm_sqr()) * peak * peak;
            }
        }
    }
    (energies.iter().sum::<f64>() > 0.0).then(|| Split::from_energies(energies))
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
}
