//! Which integers stand for the values: the data's own lattice, or the coarsest that keeps the target.

use super::atoms::Atoms;
use super::effort::Effort;
use super::lattice_step::rmse_step;
use super::packing::{self, Packing, half_ulp};
use super::problem::{Problem, Target};
use super::sums::extremes;
use crate::ablation::{Part, without};
use crate::arith::run_wide;
use crate::array::Element;
use crate::decode::NUDGES_PER_ELEMENT;
use crate::entropy::fixed;
use crate::entropy::integer::Integer;
use crate::entropy::lattice::slices;
use crate::entropy::mapping::{MAX_NUDGES, Mapping, Mappings, may_differ};

/// Largest index that f64 arithmetic keeps apart from its neighbours.
const MAX_INDEX: f64 = 1e15;

/// Where most values are the least one, values up to this part of a step count as that: it costs less than the finer
/// step that makes up for it.
const DEAD: f64 = 0.65;

/// Values to integers.
pub(crate) struct Quantiser<'a> {
    pub(super) mapping: &'a Mapping,
    inverse: f64,
    /// 0.5, or `1 - DEAD`: what is added to scaled values below 1.
    first: f64,
}

impl<'a> Quantiser<'a> {
    pub(crate) fn new(mapping: &'a Mapping) -> Self {
        let inverse = match *mapping {
            Mapping::Ordinals { .. } | Mapping::Table { .. } => 0.0,
            Mapping::Scaled { step, .. } | Mapping::Nudged { step, .. } => 1.0 / step,
            Mapping::Fixed { exponent } => fixed::exp2(exponent),
            Mapping::Divided { divisor, .. } => divisor,
        };
        Self { mapping, inverse, first: 0.5 }
    }
    /// Values up to `DEAD` of a step as the least one, if `dead`.
    pub(crate) fn with_dead_zone(self, dead: bool) -> Self {
        Self { first: if dead { 1.0 - DEAD } else { 0.5 }, ..self }
    }
    /// The integer of a value.
    #[inline]
    pub(crate) fn index<T: Element>(&self, v: T) -> i64 {
        match *self.mapping {
            Mapping::Ordinals { base, step: 1 } => v.to_ordinal().wrapping_sub(base),
            Mapping::Ordinals { base, step } => {
                let d = i128::from(v.to_ordinal()) - i128::from(base);
                let half = i128::from(step / 2);
                (d + half).div_euclid(step.into()) as i64
            }
            Mapping::Scaled { offset, .. } | Mapping::Nudged { offset, .. } => {
                let x = (v.to_f64() - offset) * self.inverse;
                let half = if x < 1.0 { self.first } else { 0.5 };
                (if x < 0.0 { x - 0.5 } else { x + half }) as i64
            }
            Mapping::Divided { base, .. } => ((v.to_f64() * self.inverse).round() as i64).wrapping_sub(base),
            Mapping::Table { ref ordinals } => {
                let o = v.to_ordinal();
                let above = ordinals.partition_point(|&other| other < o).min(ordinals.len() - 1);
                let off = |k: usize| (T::from_ordinal(ordinals[k]).to_f64() - v.to_f64()).abs();
                let nearer = ordinals[above] != o && above > 0 && off(above - 1) < off(above);
                (above - usize::from(nearer)) as i64
            }
            // Division by a power of two; its inverse might not be a number.
            Mapping::Fixed { .. } => (v.to_f64() / self.inverse) as i64,
        }
    }
    /// The integers of a row, which `Q` holds.
    pub(crate) fn indices<T: Element, Q: Integer>(&self, values: &[T], q: &mut [Q]) {
        run_wide(
            #[inline(always)]
            || match *self.mapping {
                Mapping::Scaled { offset, .. } | Mapping::Nudged { offset, .. } => {
                    for (q, v) in q.iter_mut().zip(values) {
                        let x = (v.to_f64() - offset) * self.inverse;
                        let half = if x < 1.0 { self.first } else { 0.5 };
                        *q = Q::cut(if x < 0.0 { x - 0.5 } else { x + half });
                    }
                }
                Mapping::Fixed { .. } => {
                    q.iter_mut().zip(values).for_each(|(q, v)| *q = Q::cut(v.to_f64() / self.inverse));
                }
                _ => q.iter_mut().zip(values).for_each(|(q, &v)| *q = Q::wrap(self.index(v))),
            },
        );
    }
}

/// So many plain steps, or more, are worth lattices that differ from slice to slice.
const WORTH: f64 = 1.1;

/// A packing that is coarser than another by this is worth the units of its own.
const COARSER: f64 = 4.0;

/// The mapping that keeps every bit, whatever the values.
fn exact<T: Element>(problem: &Problem<T>) -> Mapping {
    let base = problem.extremes.map_or(0, |(lo, _)| lo.to_ordinal());
    Mapping::Ordinals { base, step: common_step(problem, base) }
}

/// The greatest number that divides all distances from `base`: floats with zeros at their ends, integers that count in tens.
fn common_step<T: Element>(problem: &Problem<T>, base: i64) -> u64 {
    let mut step = u64::from(without(Part::CommonStep));
    for v in problem.values.iter() {
        let (mut a, mut b) = (step, v.to_ordinal().wrapping_sub(base) as u64);
        if a > 0 && b % a == 0 {
            continue;
        }
        while b != 0 {
            (a, b) = (b, a % b);
        }
        step = a;
        if step == 1 {
            break;
        }
    }
    // A distance of half of all integers or more is none of ours.
    if step >> 62 == 0 { step.max(1) } else { 1 }
}

/// The mapping that keeps the target in the fewest levels, or one for each slice; and whether it has a dead zone.
pub(crate) fn choose<T: Element>(problem: &Problem<T>, effort: Effort) -> (Vec<Mapping>, bool) {
    let Some((lo, hi)) = problem.extremes else { return (vec![exact(problem)], false) };
    if !T::DTYPE.is_float() {
        let Target::MaxAbs(eps) = problem.target else { return (vec![exact(problem)], false) };
        // Twice the bound and one, as far as 64 bits go.
        let half = eps.floor().min((1u64 << 62) as f64) as u64;
        return (vec![Mapping::Ordinals { base: lo.to_ordinal(), step: 2 * half + 1 }], false);
    }
    let rounding = half_ulp(lo).max(half_ulp(hi));
    let mean = matches!(problem.target, Target::Rmse(_)) && !without(Part::Atoms);
    let atoms = if mean { Atoms::of(problem) } else { Atoms::least(problem) };
    let (plain, dead) = match problem.target {
        Target::Lossless => (None, false),
        Target::MaxAbs(eps) => (Some(2.0 * (eps - rounding) * (1.0 - 1e-9)), false),
        Target::Rmse(limit) => {
            let (step, dead) = rmse_step(problem, limit, effort.share(), &atoms);
            (Some(step), dead)
        }
    };
    let plain = plain
        .filter(|&s| s.is_finite() && s > 4.0 * rounding && s >= f64::MIN_POSITIVE && problem.range() / s < MAX_INDEX);
    let packing = packing::find(&problem.values).filter(|_| !without(Part::Packing));
    if packing.is_none_or(|p| coarser_within(problem, p))
        && let Some(each) = per_slice(problem, rounding, plain)
    {
        return (each, false);
    }
    if let (Some(p), Target::Lossless) = (packing, problem.target)
        && !p.exact
    {
        // Masked elements hold what others do.
        return (vec![inexact(&problem.values, (lo, hi), p).unwrap_or_else(|| exact(problem))], false);
    }
    if let Some(m) = packing.and_then(|p| on_packing(p, problem.target, rounding, plain)) {
        return (vec![m], false);
    }
    let scaled = plain.map(|step| Mapping::Scaled { offset: atoms.offset(step), step });
    (vec![scaled.unwrap_or_else(|| exact(problem))], dead && plain.is_some())
}

/// Has the middle slice a much coarser packing than all slices together?
fn coarser_within<T: Element>(problem: &Problem<T>, all: Packing) -> bool {
    let Some((slices, plane)) = own_slices(problem) else { return false };
    packing::find(&problem.values[slices / 2 * plane..][..plane]).is_some_and(|p| p.step > COARSER * all.step)
}

/// Number of slices and their elements, if each may have a mapping of its own.
fn own_slices<T: Element>(problem: &Problem<T>) -> Option<(usize, usize)> {
    Some(slices(&problem.geometry)).filter(|&(slices, plane)| may_differ(slices, plane))
}

/// The mapping of packed values, unless the `plain` step is larger.
fn on_packing(p: Packing, target: Target, rounding: f64, plain: Option<f64>) -> Option<Mapping> {
    let multiple = match target {
        Target::Lossless | Target::Rmse(_) => 1.0,
        Target::MaxAbs(eps) => {
            let half = ((eps - 2.0 * rounding) / p.step).floor();
            if half < 0.0 && !p.exact {
                return None;
            }
            2.0 * half.max(0.0) + 1.0
        }
    };
    let step = multiple * p.step;
    (step.is_finite() && plain.is_none_or(|s| step >= s)).then_some(Mapping::Scaled { offset: p.offset, step })
}

/// A mapping for each slice, where most have a packing of their own, as messages in GRIB have.
fn per_slice<T: Element>(problem: &Problem<T>, rounding: f64, plain: Option<f64>) -> Option<Vec<Mapping>> {
    let (slices, plane) = own_slices(problem).filter(|_| !without(Part::SliceMappings))?;
    let least = problem.extremes?.0.to_f64();
    let mut mappings = Vec::with_capacity(slices);
    let (mut found, mut others, mut used) = (0, 0, false);
    for slice in 0..slices {
        let part = slice * plane..(slice + 1) * plane;
        let values: Vec<T> = part.filter(|&i| problem.ordinary(i)).map(|i| problem.values[i]).collect();
        if values.iter().all(|v| v.same(values[0])) {
            let one = Mapping::Scaled { offset: values.first().map_or(0.0, |v| v.to_f64()), step: 1.0 };
            mappings.push(plain.map_or(one, |step| Mapping::Scaled { offset: least, step }));
            continue;
        }
        let packing = packing::find(&values);
        (found, others) = if packing.is_some() { (found + 1, others) } else { (found, others + 1) };
        if others > 1 && others > 2 * found {
            return None;
        }
        let mapping = packing.and_then(|packing| match problem.target {
            Target::Lossless if !packing.exact => inexact(&values, extremes(&values)?, packing),
            target => on_packing(packing, target, rounding, plain)
                .filter(|m| matches!(*m, Mapping::Scaled { step, .. } if step == packing.step || plain.is_none_or(|s| step > WORTH * s))),
        });
        used |= mapping.is_some();
        mappings.push(match (mapping, problem.target) {
            (Some(m), _) => m,
            (None, Target::Lossless) => fixed_for(&values),
            (None, Target::MaxAbs(_)) => Mapping::Scaled { offset: least, step: plain? },
            (None, Target::Rmse(_)) => return None,
        });
    }
    (used && found > others).then_some(mappings)
}

/// Native floats as multiples of the unit in the last place of the largest; for each slice, if they differ.
pub(crate) fn fixed<T: Element>(problem: &Problem<T>) -> Option<Vec<Mapping>> {
    if !T::DTYPE.is_float() || problem.target != Target::Lossless {
        return None;
    }
    let parts = problem.values.chunks(own_slices(problem).map_or(problem.values.len(), |(_, plane)| plane));
    let mut mappings: Vec<Mapping> = parts.map(fixed_for).collect();
    if mappings.iter().all(|m| *m == mappings[0]) {
        mappings.truncate(1);
    }
    Some(mappings)
}

/// Multiples of the unit in the last place of the largest value.
fn fixed_for<T: Element>(values: &[T]) -> Mapping {
    let (digits, least) = fixed::digits(T::DTYPE);
    let largest = values.iter().fold(0.0, |m: f64, v| m.max(v.to_f64().abs()));
    let unit = if largest > 0.0 { fixed::log2(largest) + 1 - digits as i32 } else { least };
    Mapping::Fixed { exponent: unit.max(least) }
}

/// Each mapping with the integer of its greatest value, and whether 32 bits hold all integers and their differences.
pub(crate) fn with_tops<T: Element>(problem: &Problem<T>, each: Vec<Mapping>) -> (Mappings, bool) {
    const NARROW: std::ops::Range<i64> = -(1 << 29)..1 << 29;
    let part = problem.values.len().div_ceil(each.len()).max(1);
    let mut narrow = true;
    let tops: Vec<i64> = problem
        .values
        .chunks(part)
        .zip(&each)
        .map(|(part, m)| {
            let quantiser = Quantiser::new(m);
            let (lo, hi) = match (m, extremes(part)) {
                // Zeros of either sign are equal values, but not equal ordinals.
                (Mapping::Ordinals { .. }, _) | (_, None) => part.iter().fold((i64::MAX, i64::MIN), |(lo, hi), &v| {
                    let q = quantiser.index(v);
                    (lo.min(q), hi.max(q))
                }),
                (_, Some((lo, hi))) => (quantiser.index(lo), quantiser.index(hi)),
            };
            narrow &= NARROW.contains(&lo) && NARROW.contains(&hi);
            if lo < 0 { 0 } else { hi }
        })
        .collect();
    let each = each.into_iter().zip(tops.into_iter().chain(std::iter::repeat(0))).collect();
    (Mappings::new(each), narrow)
}

/// The mapping of packed values, from the least to the greatest, that no offset and step reproduce to the bit.
fn inexact<T: Element>(values: &[T], (lo, hi): (T, T), packing: Packing) -> Option<Mapping> {
    let divided = packing::divisor(values, packing)
        .map(|divisor| Mapping::Divided { base: (lo.to_f64() * divisor).round() as i64, divisor });
    divided.or_else(|| nudged(values, hi, packing).filter(|_| !without(Part::Nudges)))
}

/// For each lattice point by how much its values are off.
fn nudged<T: Element>(values: &[T], hi: T, packing: Packing) -> Option<Mapping> {
    let (offset, step) = (packing.offset, packing.step);
    let plain = Mapping::Scaled { offset, step };
    let quantiser = Quantiser::new(&plain);
    let span = quantiser.index(hi).checked_add(1)?;
    let limit = (NUDGES_PER_ELEMENT * values.len()).min(MAX_NUDGES);
    let span = usize::try_from(span).ok().filter(|&s| s <= limit)?;
    let mut nudges = vec![0i8; span];
    for &v in values {
        let q = quantiser.index(v);
        let y: T = plain.value(q, (0, 0));
        *nudges.get_mut(usize::try_from(q).ok()?)? =
            i8::try_from(v.to_ordinal().wrapping_sub(y.to_ordinal())).unwrap_or(0);
    }
    Some(Mapping::Nudged { offset, step, nudges })
}
