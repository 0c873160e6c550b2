//! A Karhunen-Loeve basis along an outer axis, made for the chunk.

use super::aim::Aim;
use super::columns::{Columns, LONG, Rate, covariance};
use super::outer::Outer;
use super::sums::energy;
use crate::ablation::{Part, without};
use crate::arith::{Dct, Isa, columns_by, klt};
use crate::decode::ops::outer::Inverse;
use crate::entropy::{klt as basis, range::Counter};
use crate::format::AxisTransform;
use crate::format::klt::{Klt, Row};
use nalgebra::{DMatrix, SymmetricEigen};

/// A basis for a chunk.
pub(super) struct Karhunen {
    /// All vectors, rounded.
    all: Klt,
    /// Of the leading ones that are coded.
    rank: usize,
    /// Elements to all components.
    matrix: Dct,
    /// Of the basis in a stream.
    pub(super) bytes: u64,
    /// Estimated halves of a bit, with those of the basis.
    pub(super) cost: f64,
}

impl Karhunen {
    /// From the samples' covariance along an axis of `n`, for several whitenings; `step` tells how exact they must be.
    pub(super) fn several(samples: &[Columns], n: usize, doubtful: bool, step: f64, aim: Aim, isa: Isa) -> Vec<Self> {
        let plain = covariance(samples, n, 0.0, step);
        let tried = if without(Part::SecondWhitening) { 1 } else { usize::MAX };
        let bases = whitenings(n, doubtful).iter().take(tried);
        bases.filter_map(|&whitening| Self::new(samples, &plain, whitening, step, aim, isa)).collect()
    }

    /// From the samples, whose covariance along the axis is `plain`.
    fn new(samples: &[Columns], plain: &DMatrix<f64>, whitening: f32, step: f64, aim: Aim, isa: Isa) -> Option<Self> {
        let n = plain.nrows();
        let all = rounded_eigenvectors(samples, plain, whitening, step);
        let matrix = klt::forward(&all, n)?;
        let components: Vec<Columns> =
            samples.iter().map(|s| s.transformed(|v, inner| columns_by(v, inner, &matrix, isa, 1))).collect();
        let Rate { step, bits } = Rate::new(&components, aim.rmse);
        let mut energies = vec![0.0; n];
        for sample in &components {
            let parts = energies.iter_mut().zip(sample.values.chunks_exact(sample.count));
            parts.for_each(|(sum, part)| *sum += sample.weight * energy(part));
        }
        let elements = components.first().map_or(0.0, |s| s.weight * s.values.len() as f64);
        let rank = kept(&energies, worth_coding(&components, &all, step), aim.most_dropped(elements));
        let mut rows = all.leading(rank);
        let mut counter = Counter::default();
        basis::code(&mut counter, &mut rows, n);
        let bytes = counter.bytes();
        Some(Self { all, rank, matrix, bytes, cost: bits + 16.0 * bytes as f64 })
    }

    /// What it makes of parts of all volumes, of shape `(outer, n, inner)`; returns the sum of the squares of components that are not coded.
    pub(super) fn attempt(&self, values: &mut [f32], n: usize, inner: usize, isa: Isa) -> f64 {
        let mut dropped = 0.0;
        columns_by(values, inner, &self.matrix, isa, 1);
        for (_, part) in values.chunks_exact_mut(inner).enumerate().filter(|(i, _)| i % n >= self.rank) {
            dropped += energy(part);
            part.fill(0.0);
        }
        dropped
    }

    /// The volumes in the basis, without the components that are not coded.
    pub(super) fn apply(self, volumes: &mut [Vec<f32>], n: usize, inner: &[usize], aim: Aim, isa: Isa) -> Outer {
        volumes.iter_mut().zip(inner).for_each(|(volume, &inner)| columns_by(volume, inner, &self.matrix, isa, 1));
        let mut energies = vec![0.0; n];
        for (k, part) in components(volumes, inner, n) {
            energies[k] += energy(part);
        }
        // The sample may have missed what a component is for.
        let elements = volumes.first().map_or(0, Vec::len) as f64;
        let kept = kept(&energies, self.rank, aim.most_dropped(elements));
        components(volumes, inner, n).filter(|(k, _)| *k >= kept).for_each(|(_, part)| part.fill(0.0));
        let dropped = energies[kept..].iter().sum();
        let rows = self.all.leading(kept);
        let inverse = Inverse::Klt(klt::inverse(&rows, n));
        Outer { kind: AxisTransform::Klt, inverse, klt: Some(rows), dropped }
    }
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

/// The number of leading components that are worth the bytes of their basis vectors; at least 1.
fn worth_coding(components: &[Columns], klt: &Klt, step: f64) -> usize {
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

/// So many components or more, that what is left out of their `energies` is no more than `most`.
fn kept(energies: &[f64], rank: usize, most: f64) -> usize {
    let within = |&kept: &usize| energies[kept..].iter().sum::<f64>() <= most;
    (rank..energies.len()).find(within).unwrap_or(energies.len())
}

/// How far the strength of columns is evened out before their covariance is taken, for axes of some length, and where a few bits a value
/// leave a choice in question: 1 where all shapes count alike, which suits tight targets; less where a few strong patterns
/// are all that is coded.
const fn whitenings(n: usize, doubtful: bool) -> &'static [f32] {
    match (n > LONG, doubtful) {
        (false, false) => &[1.0, 0.5],
        (false, true) => &[1.0, 0.5, 0.0],
        // An eigenvalue problem takes long.
        (true, false) => &[0.5],
        (true, true) => &[0.5, 0.0],
    }
}

/// The eigenvectors of the whitened covariance, strongest first; `plain` is the covariance without whitening.
fn rounded_eigenvectors(samples: &[Columns], plain: &DMatrix<f64>, whitening: f32, step: f64) -> Klt {
    let n = plain.nrows();
    let whitened = if whitening > 0.0 { covariance(samples, n, whitening, step) } else { plain.clone() };
    let eigen = SymmetricEigen::new(whitened);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    let projected = plain * &eigen.eigenvectors;
    let columns: f64 = samples.iter().map(|s| s.count as f64 * s.weight).sum();
    let mut klt = Klt::default();
    let mut exponent = Row::MAX_EXPONENT;
    for k in order {
        let vector = eigen.eigenvectors.column(k);
        // Rounding errors let a component leak into the others: less than a step.
        let strength = ((projected.column(k).dot(&vector).max(0.0) / columns).sqrt() / step).max(1.0);
        let wanted = strength.log2().ceil() + f64::from(n.ilog2().div_ceil(2)) + 1.0;
        exponent = exponent.min(wanted.min(f64::from(Row::MAX_EXPONENT)) as u8);
        let unit = f64::from(1u32 << exponent);
        klt.rows.push(Row { exponent, q: vector.iter().map(|v| (v * unit).round() as i32).collect() });
    }
    klt
}
