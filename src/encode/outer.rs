//! Choice of a transform along an outer axis: none, DCT, or a Karhunen-Loeve basis made for the chunk.

use super::aim::Aim;
use super::effort::Effort;
use super::magnitudes::Magnitudes;
use crate::ablation::{Part, without};
use crate::arith::{Dct, Isa, Kind, columns_by, klt, transform_outer};
use crate::decode::ops::outer::Inverse;
use crate::entropy::{klt as basis, range::Counter};
use crate::format::AxisTransform;
use crate::format::klt::{Klt, MAX_KLT, Row};
use nalgebra::{DMatrix, DMatrixView, SymmetricEigen};

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

/// An axis longer than this takes long to make a basis for.
const LONG: usize = 64;
/// Columns whose products are summed in one go.
const TOGETHER: usize = 256;

impl Sample {
    /// Of so many columns; `volume` has the shape `(outer, n, inner)`.
    fn new(volume: &[f32], n: usize, inner: usize, columns: usize) -> Self {
        // A basis takes n operations for each value of the sample.
        let wanted = if n > LONG { (columns * LONG / n).max(2 * n) } else { columns };
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

    /// Add this sample's share to the covariance along the axis, each column divided by its strength to the power of `whitening`.
    fn add_covariance(&self, whitening: f32, step: f64, sum: &mut DMatrix<f64>) {
        let n = sum.nrows();
        let mut squares = vec![0.0; self.columns];
        for row in self.values.chunks_exact(self.columns) {
            squares.iter_mut().zip(row).for_each(|(sum, c)| *sum += c * c);
        }
        let floor = (step * step) as f32;
        let factors: Vec<f32> = squares.iter().map(|s| (s / n as f32).max(floor).powf(-0.5 * whitening)).collect();
        // Some columns at a time, to stay in the cache.
        let mut whitened = Vec::with_capacity(n * TOGETHER);
        for first in (0..self.columns).step_by(TOGETHER) {
            let columns = first..self.columns.min(first + TOGETHER);
            whitened.clear();
            for row in self.values.chunks_exact(self.columns) {
                let factors = &factors[columns.clone()];
                whitened.extend(row[columns.clone()].iter().zip(factors).map(|(c, f)| f64::from(c * f)));
            }
            let rows = DMatrixView::from_slice(&whitened, columns.len(), n);
            sum.gemm(self.weight, &rows.transpose(), &rows, 1.0);
        }
    }
}

/// Of all samples along an axis of `n`, as [`Sample::add_covariance`].
fn covariance(samples: &[Sample], n: usize, whitening: f32, step: f64) -> DMatrix<f64> {
    let mut sum = DMatrix::zeros(n, n);
    samples.iter().for_each(|s| s.add_covariance(whitening, step, &mut sum));
    sum
}

/// What may be done along an axis.
pub(super) enum Choice {
    Nothing,
    Cosine,
    Basis(Karhunen),
}

/// Estimates by columns alone within this factor of the least leave a choice in question ..
const RIVAL: f64 = 2.0;
/// .. below this many bits a value: they know nothing of neighbours, which tell most where little is not 0.
const FEW: f64 = 0.2;

/// The transforms along an axis of `n` that may take the fewest bits at the RMSE of `aim`, by a sample of the columns of all `volumes`;
/// `inner[l]` is the distance between neighbours along the axis in volume `l`. The likeliest first, then those that may be better.
pub(super) fn choices(
    volumes: &[Vec<f32>],
    n: usize,
    inner: &[usize],
    aim: Aim,
    effort: Effort,
    isa: Isa,
) -> (Choice, Vec<Choice>) {
    let samples: Vec<Sample> =
        volumes.iter().zip(inner).map(|(volume, &inner)| Sample::new(volume, n, inner, effort.columns())).collect();
    let cosine = |v: &mut [f32], inner: usize| transform_outer(v, n, inner, isa, Kind::Two);
    let cosines: Vec<Sample> = samples.iter().map(|s| s.transformed(cosine)).collect();
    let Rate { step, bits: cosine_cost } = Rate::new(&cosines, aim.rmse);
    let plain = Rate::new(&samples, aim.rmse).bits;
    let elements: usize = volumes.iter().map(Vec::len).sum();
    let doubtful = !effort.quick && cosine_cost.min(plain) < 2.0 * FEW * elements as f64;
    let possible = (2..=MAX_KLT).contains(&n) && !without(Part::OuterKlt);
    let bases = if possible { Karhunen::several(&samples, n, doubtful, step, aim, isa) } else { Vec::new() };
    let cosine = (cosine_cost < plain && !without(Part::OuterDct)).then_some((cosine_cost, Choice::Cosine));
    let transforms = cosine.into_iter().chain(bases.into_iter().map(|b| (b.cost, Choice::Basis(b))));
    let transforms = transforms.filter(|_| !without(Part::OuterAxes));
    let mut choices: Vec<(f64, Choice)> = transforms.chain([(plain, Choice::Nothing)]).collect();
    choices.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (least, likely) = choices.remove(0);
    let rival = |(cost, choice): &(f64, Choice)| match (&likely, choice) {
        // The coder sees the slice before: without a transform it may take fewer bits than with the cosine transform at any rate.
        (Choice::Cosine, Choice::Nothing) => true,
        // A sample does not tell whether slices with little in them are best left alone.
        (_, Choice::Nothing) | (Choice::Nothing, _) => false,
        _ => doubtful && *cost <= RIVAL * least,
    };
    let rivals = choices.into_iter().filter(rival).map(|c| c.1).collect();
    (likely, rivals)
}

impl Choice {
    /// Bits of all, by those estimated of the coefficients. A basis has to earn a little more than it takes.
    pub(super) const fn bits(&self, coefficients: f64) -> f64 {
        match self {
            Self::Basis(basis) => 1.03 * coefficients + 8.0 * basis.bytes as f64,
            _ => coefficients,
        }
    }

    /// What it makes of parts of all volumes; returns the sum of the squares of components that are not coded.
    pub(super) fn attempt(&self, values: &mut [f32], n: usize, inner: usize, isa: Isa) -> f64 {
        let mut dropped = 0.0;
        match self {
            Self::Nothing => (),
            Self::Cosine => transform_outer(values, n, inner, isa, Kind::Two),
            Self::Basis(basis) => {
                columns_by(values, inner, &basis.matrix, isa);
                let parts = values.chunks_exact_mut(inner).enumerate();
                for (_, part) in parts.filter(|(i, _)| i % n >= basis.rank) {
                    dropped += energy(part);
                    part.fill(0.0);
                }
            }
        }
        dropped
    }

    /// Do it.
    pub(super) fn apply(self, volumes: &mut [Vec<f32>], n: usize, inner: &[usize], aim: Aim, isa: Isa) -> Outer {
        match self {
            Self::Nothing => Outer::none(),
            Self::Cosine => {
                let each = volumes.iter_mut().zip(inner);
                each.for_each(|(v, &inner)| transform_outer(v, n, inner, isa, Kind::Two));
                Outer { kind: AxisTransform::Dct, inverse: Inverse::Dct, klt: None, dropped: 0.0 }
            }
            Self::Basis(basis) => basis.apply(volumes, n, inner, aim, isa),
        }
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

/// The sum of the squares.
fn energy(components: &[f32]) -> f64 {
    components.iter().map(|&c| f64::from(c * c)).sum()
}

/// So many components or more, that what is left out of their `energies` is no more than `most`.
fn kept(energies: &[f64], rank: usize, most: f64) -> usize {
    let within = |&kept: &usize| energies[kept..].iter().sum::<f64>() <= most;
    (rank..energies.len()).find(within).unwrap_or(energies.len())
}

/// A basis for a chunk.
pub(super) struct Karhunen {
    /// All vectors, rounded.
    all: Klt,
    /// Of the leading ones that are coded.
    rank: usize,
    /// Elements to all components.
    matrix: Dct,
    /// Of the basis in a stream.
    bytes: u64,
    /// Estimated halves of a bit, with those of the basis.
    cost: f64,
}

impl Karhunen {
    /// From the samples' covariance along an axis of `n`, for several whitenings; `step` tells how exact they must be.
    fn several(samples: &[Sample], n: usize, doubtful: bool, step: f64, aim: Aim, isa: Isa) -> Vec<Self> {
        let plain = covariance(samples, n, 0.0, step);
        let tried = if without(Part::SecondWhitening) { 1 } else { usize::MAX };
        let bases = whitenings(n, doubtful).iter().take(tried);
        bases.filter_map(|&whitening| Self::new(samples, &plain, whitening, step, aim, isa)).collect()
    }

    /// From the samples, whose covariance along the axis is `plain`.
    fn new(samples: &[Sample], plain: &DMatrix<f64>, whitening: f32, step: f64, aim: Aim, isa: Isa) -> Option<Self> {
        let n = plain.nrows();
        let all = rounded_eigenvectors(samples, plain, whitening, step);
        let matrix = klt::forward(&all, n)?;
        let components: Vec<Sample> =
            samples.iter().map(|s| s.transformed(|v, inner| columns_by(v, inner, &matrix, isa))).collect();
        let Rate { step, bits } = Rate::new(&components, aim.rmse);
        let mut energies = vec![0.0; n];
        for sample in &components {
            let parts = energies.iter_mut().zip(sample.values.chunks_exact(sample.columns));
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

    fn apply(self, volumes: &mut [Vec<f32>], n: usize, inner: &[usize], aim: Aim, isa: Isa) -> Outer {
        volumes.iter_mut().zip(inner).for_each(|(volume, &inner)| columns_by(volume, inner, &self.matrix, isa));
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

/// The eigenvectors of the whitened covariance, strongest first; `plain` is the covariance without whitening.
fn rounded_eigenvectors(samples: &[Sample], plain: &DMatrix<f64>, whitening: f32, step: f64) -> Klt {
    let n = plain.nrows();
    let whitened = if whitening > 0.0 { covariance(samples, n, whitening, step) } else { plain.clone() };
    let eigen = SymmetricEigen::new(whitened);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    let projected = plain * &eigen.eigenvectors;
    let columns: f64 = samples.iter().map(|s| s.columns as f64 * s.weight).sum();
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The transform that is likeliest by the columns alone.
    fn transform(volumes: &mut [Vec<f32>], n: usize, inner: &[usize], rmse: f64, effort: Effort, isa: Isa) -> Outer {
        let aim = Aim::all(rmse);
        choices(volumes, n, inner, aim, effort, isa).0.apply(volumes, n, inner, aim, isa)
    }

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

    /// What a choice is tried by is what it does.
    #[test]
    fn attempts_foretell() {
        let (n, plane, isa) = (21, 3000, Isa::detect());
        let field = stack(n, plane);
        let (likely, _) = choices(std::slice::from_ref(&field), n, &[plane], Aim::all(0.5), Effort::new(5), isa);
        assert!(matches!(likely, Choice::Basis(_)) && likely.bits(1000.0) > 1000.0);
        for choice in [Choice::Nothing, Choice::Cosine, likely] {
            let (mut tried, mut volumes) = (field.clone(), [field.clone()]);
            let dropped = choice.attempt(&mut tried, n, plane, isa);
            let outer = choice.apply(&mut volumes, n, &[plane], Aim::all(0.5), isa);
            assert!(tried == volumes[0] && (dropped - outer.dropped).abs() <= 1e-9 * dropped, "{:?}", outer.kind);
        }
    }

    /// Noise just above the target has components that are worth no bytes each, but they cannot all be left out; fewer where some elements
    /// do not count.
    #[test]
    fn what_is_left_out_stays_below_the_target() {
        let (n, plane, isa) = (21, 3000, Isa::detect());
        let target = 0.1 / 12f64.sqrt() / 1.1;
        let kept = |counted: f64| {
            let (aim, mut volumes) = (Aim { counted, ..Aim::all(target) }, [stack(n, plane)]);
            let (likely, _) = choices(&volumes, n, &[plane], aim, Effort::new(5), isa);
            let outer = likely.apply(&mut volumes, n, &[plane], aim, isa);
            assert_eq!(outer.kind, AxisTransform::Klt);
            assert!(outer.dropped <= aim.most_dropped((n * plane) as f64));
            outer.klt.unwrap().rows.len()
        };
        assert!(3 <= kept(1.0) && kept(1.0) < kept(0.5) && kept(0.5) < n);
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
