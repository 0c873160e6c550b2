//! Choice of a transform along an outer axis: none, DCT, or a Karhunen-Loeve basis made for the chunk.

use super::aim::Aim;
use super::columns::{Columns, Rate};
use super::effort::Effort;
use super::karhunen::Karhunen;
use crate::ablation::{Part, without};
use crate::arith::{Isa, Kind, transform_outer};
use crate::decode::ops::outer::Inverse;
use crate::format::AxisTransform;
use crate::format::klt::{Klt, MAX_KLT};

/// What is done along an axis, and how it is undone.
pub(crate) struct Outer {
    pub(crate) kind: AxisTransform,
    pub(crate) inverse: Inverse,
    /// The basis, all vectors, if it has one.
    pub(crate) klt: Option<Klt>,
    /// Sum of the squares of the components that are not coded.
    pub(crate) dropped: f64,
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
    let samples: Vec<Columns> =
        volumes.iter().zip(inner).map(|(volume, &inner)| Columns::new(volume, n, inner, effort.columns())).collect();
    let cosine = |v: &mut [f32], inner: usize| transform_outer(v, n, inner, Kind::Two, isa, 1);
    let cosines: Vec<Columns> = samples.iter().map(|s| s.transformed(cosine)).collect();
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
        match self {
            Self::Nothing => 0.0,
            Self::Cosine => {
                transform_outer(values, n, inner, Kind::Two, isa, 1);
                0.0
            }
            Self::Basis(basis) => basis.attempt(values, n, inner, isa),
        }
    }

    /// Do it.
    pub(super) fn apply(self, volumes: &mut [Vec<f32>], n: usize, inner: &[usize], aim: Aim, isa: Isa) -> Outer {
        match self {
            Self::Nothing => Outer::none(),
            Self::Cosine => {
                let each = volumes.iter_mut().zip(inner);
                each.for_each(|(v, &inner)| transform_outer(v, n, inner, Kind::Two, isa, 1));
                Outer { kind: AxisTransform::Dct, inverse: Inverse::Dct, klt: None, dropped: 0.0 }
            }
            Self::Basis(basis) => basis.apply(volumes, n, inner, aim, isa),
        }
    }
}

impl Outer {
    /// The axis stays as it is.
    pub(crate) const fn none() -> Self {
        Self { kind: AxisTransform::None, inverse: Inverse::None, klt: None, dropped: 0.0 }
    }
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
        outer.inverse.apply(&mut volumes[0], n, plane, Isa::detect(), 1);
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
            outer.inverse.apply(&mut volumes[0], n, plane, isa, 1);
            volumes[0].iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        });
        let results: Vec<_> = results.collect();
        assert!(results.windows(2).all(|r| r[0] == r[1]));
    }
}
