//! Choice of a transform along an outer axis: none, DCT, or a Karhunen-Loeve basis made for the chunk.

use super::effort::Effort;
use super::magnitudes::Magnitudes;
use crate::ablation::{Part, without};
use crate::arith::{Dct, Isa, Kind, columns_by, klt, transform_outer};
use crate::decode::ops::outer::Inverse;
use crate::entropy::{klt as basis, range::Counter};
use crate::format::AxisTransform;
use crate::format::klt::{Klt, MAX_KLT, Row};
use nalgebra::{DMatrix, SymmetricEigen};

/// What is done along an axis, and how it is undone.
pub(crate) struct Outer {
    pub(crate) kind: AxisTransform,
    pub(crate) inverse: Inverse,
    /// The basis, all vectors, if it has one.
    pub(crate) klt: Option<Klt>,
    /// Sum of the squares of the components that are not coded.
    pub(crate) dropped: f64,
}

/// A sample of the columns of one level along an axis of `n`.
struct Sample {
    /// Shape `(n, columns)`.
    values: Vec<f32>,
    columns: usize,
    /// Columns of the level for each one here.
    weight: f64,
}

impl Sample {
    /// Of so many columns; `volume` has the shape `(outer, n, inner)`.
    fn new(volume: &[f32], n: usize, inner: usize, columns: usize) -> Self {
        // A basis takes n operations for each value of the sample.
        let wanted = if n > 64 { (columns * 64 / n).max(2 * n) } else { columns };
        let total = volume.len() / n;
        let stride = (total / wanted).max(1) | 1;
        let picked: Vec<usize> = (0..total).step_by(stride).collect();
        let mut values = Vec::with_capacity(n * picked.len());
        for k in 0..n {
            values.extend(picked.iter().map(|&i| volume[(i / inner * n + k) * inner + i % inner]));
        }
        Self { values, columns: picked.len(), weight: total as f64 / picked.len().max(1) as f64 }
    }

    /// For each element of the axis, what is lost if its coefficients are not coded, in the units of `cost`: the bits
    /// that all others need more to make up for the error, less the bits saved.
    fn loss_without(&self, step: f64) -> impl Iterator<Item = f64> {
        let inverse = (1.0 / step) as f32;
        let loss = move |c: f32| {
            let square = (c * inverse).powi(2);
            // At high rates 1 / (2 ln 2) bits make up for an error of step^2 / 12; what is coded keeps that error. A
            // coefficient that is not 0 costs about 5 bits to find.
            if square < 0.36 { 0.0 } else { 17.3 * (square - 0.08) - 2.0 * ((1.0 + square).log2() + 5.0) }
        };
        let rows = self.values.chunks_exact(self.columns);
        rows.map(move |row| self.weight * row.iter().map(|&c| f64::from(loss(c))).sum::<f64>())
    }

    /// The same columns, transformed.
    fn transformed(&self, f: impl Fn(&mut [f32], usize)) -> Self {
        let mut values = self.values.clone();
        f(&mut values, self.columns);
        Self { values, ..*self }
    }

    /// A column for each of the sample's.
    fn matrix(&self) -> DMatrix<f32> {
        DMatrix::from_row_slice(self.values.len() / self.columns, self.columns, &self.values)
    }

    /// Add this sample's share to the covariance along the axis, each column divided by its strength to the power of `whitening`.
    fn add_covariance(&self, whitening: f32, step: f32, sum: &mut DMatrix<f32>) {
        let (mut columns, n) = (self.matrix(), sum.nrows());
        for mut column in columns.column_iter_mut() {
            column *= (column.norm_squared() / n as f32).max(step * step).powf(-0.5 * whitening);
        }
        sum.gemm(self.weight as f32, &columns, &columns.transpose(), 1.0);
    }

    /// Add the squares of the columns' components along each of the vectors, which are rows.
    fn add_energies(&self, vectors: &DMatrix<f32>, sums: &mut [f64]) {
        let components = vectors * self.matrix();
        sums.iter_mut()
            .zip(components.row_iter())
            .for_each(|(sum, row)| *sum += self.weight * f64::from(row.norm_squared()));
    }
}

/// The transform with the fewest estimated bits at an RMSE of `target` along an axis of `n`, applied to all `volumes`;
/// `inner[l]` is the distance between neighbours along the axis in volume `l`.
pub(super) fn transform(
    volumes: &mut [Vec<f32>],
    n: usize,
    inner: &[usize],
    target: f64,
    effort: Effort,
    isa: Isa,
) -> Outer {
    let samples: Vec<Sample> =
        volumes.iter().zip(inner).map(|(volume, &inner)| Sample::new(volume, n, inner, effort.columns())).collect();
    let cosine = |v: &mut [f32], inner: usize| transform_outer(v, n, inner, isa, Kind::Two);
    let cosines: Vec<Sample> = samples.iter().map(|s| s.transformed(cosine)).collect();
    let Rate { step, bits: cosine_cost } = Rate::new(&cosines, target);
    let plain = Rate::new(&samples, target).bits;
    let possible = (2..=MAX_KLT).contains(&n) && !without(Part::OuterKlt) && !without(Part::OuterAxes);
    let whitenings = if without(Part::SecondWhitening) { &WHITENING[..1] } else { &WHITENING };
    let bases = whitenings.iter().filter(|_| possible);
    let bases = bases.filter_map(|&whitening| Karhunen::new(&samples, n, whitening, step, target, isa));
    let basis = bases.min_by(|a, b| a.cost.total_cmp(&b.cost));
    if let Some(Karhunen { all, rank, matrix, .. }) =
        basis.filter(|b| b.cost <= plain.min(cosine_cost) || without(Part::OuterDct) && b.cost <= plain)
    {
        volumes.iter_mut().zip(inner).for_each(|(volume, &inner)| columns_by(volume, inner, &matrix, isa));
        let mut energies = vec![0.0; n];
        for (k, part) in components(volumes, inner, n) {
            energies[k] += part.iter().map(|&c| f64::from(c * c)).sum::<f64>();
        }
        // The sample may have missed what a component is for.
        let elements = volumes.first().map_or(0, Vec::len) as f64;
        let most = MOST_DROPPED * target * target * elements;
        let dropped = |kept: usize| energies[kept..].iter().sum::<f64>();
        let kept = (rank..n).find(|&kept| dropped(kept) <= most).unwrap_or(n);
        components(volumes, inner, n).filter(|(k, _)| *k >= kept).for_each(|(_, part)| part.fill(0.0));
        let dropped = dropped(kept);
        let rows = all.leading(kept);
        let inverse = Inverse::Klt(klt::inverse(&rows, n));
        return Outer { kind: AxisTransform::Klt, inverse, klt: Some(rows), dropped };
    }
    if cosine_cost < plain && !without(Part::OuterDct) && !without(Part::OuterAxes) {
        volumes.iter_mut().zip(inner).for_each(|(v, &inner)| cosine(v, inner));
        return Outer { kind: AxisTransform::Dct, inverse: Inverse::Dct, klt: None, dropped: 0.0 };
    }
    Outer::none()
}

/// The parts of transformed volumes, with the component that each belongs to.
fn components<'a>(
    volumes: &'a mut [Vec<f32>],
    inner: &'a [usize],
    n: usize,
) -> impl Iterator<Item = (usize, &'a mut [f32])> {
    let parts = |(volume, &inner): (&'a mut Vec<f32>, &usize)| volume.chunks_exact_mut(inner).enumerate();
    volumes.iter_mut().zip(inner).flat_map(parts).map(move |(i, part)| (i % n, part))
}

impl Outer {
    /// The axis stays as it is.
    pub(crate) const fn none() -> Self {
        Self { kind: AxisTransform::None, inverse: Inverse::None, klt: None, dropped: 0.0 }
    }
}

/// What samples cost at a bound on the mean.
struct Rate {
    /// The quantiser step at which the RMSE is about the target.
    step: f64,
    /// Estimated bits at this step, in halves of a bit.
    bits: f64,
}

impl Rate {
    fn new(samples: &[Sample], target: f64) -> Self {
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

/// The number of leading components that are worth the bytes of their basis vectors; at least 1.
fn worth_coding(components: &[Sample], klt: &Klt, step: f64) -> usize {
    let mut losses = vec![0.0; klt.rows.len()];
    for sample in components {
        losses.iter_mut().zip(sample.loss_without(step)).for_each(|(sum, loss)| *sum += loss);
    }
    let (mut best, mut most, mut sum) = (1, f64::NEG_INFINITY, 0.0);
    for (k, (row, loss)) in klt.rows.iter().zip(losses).enumerate() {
        let low = f64::from(row.exponent) - f64::from(row.q.len().ilog2().div_ceil(2));
        sum += loss - 2.0 * row.q.len() as f64 * (low.max(0.0) + 2.2);
        if sum > most {
            (best, most) = (k + 1, sum);
        }
    }
    best
}

/// How far the strength of columns is evened out before their covariance is taken: 1 where all shapes count alike, which
/// suits tight targets; less where a few strong patterns are all that is coded.
const WHITENING: [f32; 2] = [1.0, 0.5];

/// The share of the squared error at the target that components left out may have.
const MOST_DROPPED: f64 = 0.8;

/// A basis for a chunk.
struct Karhunen {
    /// All vectors, rounded.
    all: Klt,
    /// Of the leading ones that are coded.
    rank: usize,
    /// Elements to all components.
    matrix: Dct,
    /// Estimated bits, with those of the basis.
    cost: f64,
}

impl Karhunen {
    /// From the samples' covariance; `step` tells how exact the basis must be.
    fn new(samples: &[Sample], n: usize, whitening: f32, step: f64, target: f64, isa: Isa) -> Option<Self> {
        let all = rounded_eigenvectors(samples, n, whitening, step);
        let matrix = klt::forward(&all, n)?;
        let components: Vec<Sample> =
            samples.iter().map(|s| s.transformed(|v, inner| columns_by(v, inner, &matrix, isa))).collect();
        let Rate { step, bits } = Rate::new(&components, target);
        let mut rows = all.leading(worth_coding(&components, &all, step));
        let mut counter = Counter::default();
        basis::code(&mut counter, &mut rows, n);
        let rank = rows.rows.len();
        Some(Self { all, rank, matrix, cost: bits + 16.0 * counter.bytes() as f64 })
    }
}

/// The eigenvectors of the whitened covariance, strongest first.
fn rounded_eigenvectors(samples: &[Sample], n: usize, whitening: f32, step: f64) -> Klt {
    let mut covariance = DMatrix::zeros(n, n);
    samples.iter().for_each(|s| s.add_covariance(whitening, step as f32, &mut covariance));
    let eigen = SymmetricEigen::new(covariance.map(f64::from));
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    let (vectors, mut energies) = (eigen.eigenvectors.transpose().map(|v| v as f32), vec![0.0; n]);
    samples.iter().for_each(|s| s.add_energies(&vectors, &mut energies));
    let columns: f64 = samples.iter().map(|s| s.columns as f64 * s.weight).sum();
    let mut klt = Klt::default();
    let mut exponent = Row::MAX_EXPONENT;
    for k in order {
        let vector = eigen.eigenvectors.column(k);
        // Rounding errors let a component leak into the others: less than a step.
        let strength = ((energies[k] / columns).sqrt() / step).max(1.0);
        let wanted = strength.log2().ceil() + f64::from(n.ilog2().div_ceil(2)) + 1.0;
        exponent = exponent.min(wanted.min(f64::from(Row::MAX_EXPONENT)) as u8);
        let unit = f64::from(1u32 << exponent);
        klt.rows.push(Row { exponent, q: vector.iter().map(|v| (v * unit).round() as i32).collect() });
    }
    klt
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Levels that are mixtures of two patterns, with a little noise.
    fn stack(n: usize, plane: usize) -> Vec<f32> {
        let noise = |i: usize| ((i as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32 - 0.5;
        (0..n * plane)
            .map(|i| {
                let (k, x) = (i / plane, i % plane);
                let weights = (noise(k * 31 + 7), noise(k * 17 + 900_001));
                100.0 * (weights.0 * noise(x + 10_000_000) + weights.1 * noise(x + 20_000_000)) + 0.1 * noise(i)
            })
            .collect()
    }

    #[test]
    fn mixtures_get_a_short_basis_that_inverts() {
        let (n, plane) = (21, 3000);
        let field = stack(n, plane);
        let mut volumes = vec![field.clone()];
        let outer = transform(&mut volumes, n, &[plane], 0.5, Effort::new(5), Isa::detect());
        assert_eq!(outer.kind, AxisTransform::Klt);
        assert!(outer.klt.unwrap().rows.len() <= 3);
        outer.inverse.apply(&mut volumes[0], n, plane, Isa::detect());
        let lost: f64 = field.iter().zip(&volumes[0]).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        assert!((lost / outer.dropped - 1.0).abs() < 1e-3, "{lost} {}", outer.dropped);
    }

    /// Noise just above the target has components that are worth no bytes each, but they cannot all be left out.
    #[test]
    fn what_is_left_out_stays_below_the_target() {
        let (n, plane) = (21, 3000);
        let mut volumes = vec![stack(n, plane)];
        let target = 0.1 / 12f64.sqrt() / 1.1;
        let outer = transform(&mut volumes, n, &[plane], target, Effort::new(5), Isa::detect());
        assert_eq!(outer.kind, AxisTransform::Klt);
        assert!(outer.dropped <= MOST_DROPPED * target * target * (n * plane) as f64);
        assert!((3..n).contains(&outer.klt.unwrap().rows.len()));
    }

    #[test]
    fn the_same_bits_on_every_instruction_set() {
        let (n, plane) = (21, 133);
        let field = stack(n, plane);
        let results = Isa::ALL.into_iter().filter(|i| i.supported()).map(|isa| {
            let mut volumes = vec![field.clone()];
            let outer = transform(&mut volumes, n, &[plane], 0.1, Effort::new(5), isa);
            outer.inverse.apply(&mut volumes[0], n, plane, isa);
            volumes[0].iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        });
        let results: Vec<_> = results.collect();
        assert!(results.windows(2).all(|r| r[0] == r[1]));
    }
}
