//! A sample of the columns along an outer axis: what they cost, and how their elements go together.

use super::magnitudes::Magnitudes;
use nalgebra::{DMatrix, DMatrixView};

/// An axis longer than this takes long to make a basis for.
pub(super) const LONG: usize = 64;
/// Columns whose products are summed in one go.
const TOGETHER: usize = 256;

/// A sample of the columns of one level along an axis of `n`.
pub(super) struct Columns {
    /// Shape `(n, count)`.
    pub(super) values: Vec<f32>,
    /// Columns in the sample.
    pub(super) count: usize,
    /// Columns of the level for each one here.
    pub(super) weight: f64,
}

impl Columns {
    /// Of so many columns; `volume` has the shape `(outer, n, inner)`.
    pub(super) fn new(volume: &[f32], n: usize, inner: usize, columns: usize) -> Self {
        // A basis takes n operations for each value of the sample.
        let wanted = if n > LONG { (columns * LONG / n).max(2 * n) } else { columns };
        let total = volume.len() / n;
        let stride = (total / wanted).max(1) | 1;
        let picked: Vec<usize> = (0..total).step_by(stride).collect();
        let mut values = Vec::with_capacity(n * picked.len());
        for k in 0..n {
            values.extend(picked.iter().map(|&i| volume[(i / inner * n + k) * inner + i % inner]));
        }
        Self { values, count: picked.len(), weight: total as f64 / picked.len().max(1) as f64 }
    }

    /// For each element of the axis, what is lost if its coefficients are not coded, in halves of a bit: the bits
    /// that all others need more to make up for the error, less the bits saved.
    pub(super) fn loss_without(&self, step: f64) -> impl Iterator<Item = f64> {
        let inverse = (1.0 / step) as f32;
        let loss = move |c: f32| {
            let square = (c * inverse).powi(2);
            // At high rates 1 / (2 ln 2) bits make up for an error of step^2 / 12; what is coded keeps that error. A
            // coefficient that is not 0 costs about 5 bits to find.
            if square < 0.36 { 0.0 } else { 17.3 * (square - 0.08) - 2.0 * ((1.0 + square).log2() + 5.0) }
        };
        let rows = self.values.chunks_exact(self.count);
        rows.map(move |row| self.weight * row.iter().map(|&c| f64::from(loss(c))).sum::<f64>())
    }

    /// The same columns, transformed.
    pub(super) fn transformed(&self, f: impl Fn(&mut [f32], usize)) -> Self {
        let mut values = self.values.clone();
        f(&mut values, self.count);
        Self { values, ..*self }
    }

    /// Add this sample's share to the covariance along the axis, each column divided by its strength to the power of `whitening`.
    fn add_covariance(&self, whitening: f32, step: f64, sum: &mut DMatrix<f64>) {
        let n = sum.nrows();
        let mut squares = vec![0.0; self.count];
        for row in self.values.chunks_exact(self.count) {
            squares.iter_mut().zip(row).for_each(|(sum, c)| *sum += c * c);
        }
        let floor = (step * step) as f32;
        let factors: Vec<f32> = squares.iter().map(|s| (s / n as f32).max(floor).powf(-0.5 * whitening)).collect();
        // Some columns at a time, to stay in the cache.
        let mut whitened = Vec::with_capacity(n * TOGETHER);
        for first in (0..self.count).step_by(TOGETHER) {
            let columns = first..self.count.min(first + TOGETHER);
            whitened.clear();
            for row in self.values.chunks_exact(self.count) {
                let factors = &factors[columns.clone()];
                whitened.extend(row[columns.clone()].iter().zip(factors).map(|(c, f)| f64::from(c * f)));
            }
            let rows = DMatrixView::from_slice(&whitened, columns.len(), n);
            sum.gemm(self.weight, &rows.transpose(), &rows, 1.0);
        }
    }
}

/// Of all samples along an axis of `n`, as [`Columns::add_covariance`].
pub(super) fn covariance(samples: &[Columns], n: usize, whitening: f32, step: f64) -> DMatrix<f64> {
    let mut sum = DMatrix::zeros(n, n);
    samples.iter().for_each(|s| s.add_covariance(whitening, step, &mut sum));
    sum
}

/// What samples cost at a bound on the mean.
pub(super) struct Rate {
    /// The quantiser step at which the RMSE is about the target.
    pub(super) step: f64,
    /// Estimated bits at this step, in halves of a bit.
    pub(super) bits: f64,
}

impl Rate {
    pub(super) fn new(samples: &[Columns], target: f64) -> Self {
        let mut all = Magnitudes::new();
        samples.iter().for_each(|s| all.add(&s.values, s.weight));
        let bins: Vec<_> = all.bins().collect();
        let wanted = target * target * bins.iter().map(|(.., n)| n).sum::<f64>();
        let (mut low, mut high) = (3.4 * target, 64.0 * target);
        for _ in 0..7 {
            let step = (low * high).sqrt();
            let error = |&(_, c, n): &(usize, f64, f64)| n * if c < 0.62 * step { c * c } else { step * step / 12.0 };
            if bins.iter().map(error).sum::<f64>() > wanted { high = step } else { low = step }
        }
        let bits = bins.iter().map(|(_, c, n)| n * (1.0 + (c / low).powi(2)).log2()).sum();
        Self { step: low, bits }
    }
}
