//! Values that are set apart: the mask holds them, and all else is coded as if they were not there.

use super::candidate::{self, Best, TELLING};
use super::effort::Effort;
use super::packing;
use super::problem::{Problem, Target};
use crate::ablation::{Part, without};
use crate::array::Element;
use crate::config::{Config, Profile};
use crate::entropy::values::MOST_FILLS;
use crate::error::Result;

/// Elements looked at for plateaus, about.
const SAMPLE: usize = 1 << 15;
/// One in so many of them makes a plateau.
const FLAT: usize = 16;
/// Plateaus that are tried.
const MOST: usize = 2;
/// A plateau at an end is a natural one where others come so close, as a part of the range.
const NEAR: f64 = 0.125;

/// The smallest way to hold the values, with those of plateaus set apart where that is smaller.
///
/// # Errors
/// As [`candidate::best`].
pub(crate) fn best<'a, T: Element>(mut problem: Problem<'a, T>, config: &Config) -> Result<(Problem<'a, T>, Best<T>)> {
    set_negative_zeros_apart(&mut problem);
    let of = |problem: &Problem<'_, T>| candidate::best(problem, config);
    let bytes = |problem: &Problem<'_, T>, best: &Best<T>| best.0.len() + problem.mask_section().len();
    let mut known = None;
    for value in plateaus(&problem, config) {
        let Some(other) = without_value(&problem, value) else { continue };
        let smaller = match smaller_by_part(&problem, &other, config)? {
            Some(smaller) => {
                known = known.filter(|_| !smaller);
                smaller
            }
            None => {
                let plain = known.take().map_or_else(|| of(&problem), Ok)?;
                let apart = of(&other)?;
                let smaller = bytes(&other, &apart) < bytes(&problem, &plain);
                known = Some(if smaller { apart } else { plain });
                smaller
            }
        };
        if smaller {
            problem = other;
        }
    }
    let best = known.map_or_else(|| of(&problem), Ok)?;
    Ok((problem, best))
}

/// Is the `other` way smaller? `None` where a part of the field does not tell.
fn smaller_by_part<T: Element>(
    problem: &Problem<'_, T>,
    other: &Problem<'_, T>,
    config: &Config,
) -> Result<Option<bool>> {
    let Some(unclear) = Effort::new(config.effort).unclear_apart() else { return Ok(None) };
    let Some((part, other_part)) = problem.cut(candidate::SHARE).zip(other.cut(candidate::SHARE)) else {
        return Ok(None);
    };
    let plain = candidate::best(&part, config)?.0.len();
    if plain < TELLING {
        return Ok(None);
    }
    let apart = candidate::best(&other_part, config)?.0.len();
    // The masks of all are known, and the rest grows with what is not masked.
    let share = other.count as f64 / other_part.count as f64;
    let whole = |problem: &Problem<'_, T>, part| problem.mask_section().len() as f64 + share * part as f64;
    let ratio = whole(other, apart) / whole(problem, plain);
    Ok(if unclear.contains(&ratio) { None } else { Some(ratio < unclear.start) })
}

/// Packed data may hold zeros of both signs (rounded decimals do), but a lattice has one. If -0.0 is all that keeps values off
/// their lattice, make it one of those that stand for themselves.
fn set_negative_zeros_apart<T: Element>(problem: &mut Problem<'_, T>) {
    let negative_zero = T::from_ordinal(-1);
    if !T::DTYPE.is_float() || problem.target != Target::Lossless || problem.fills.len() == MOST_FILLS {
        return;
    }
    if !(0..problem.values.len()).any(|i| problem.values[i].same(negative_zero) && problem.ordinary(i)) {
        return;
    }
    let zero = T::from_f64(0.0);
    let one_zero = |&v: &T| if v.same(negative_zero) { zero } else { v };
    let values: Vec<T> = problem.values.iter().map(one_zero).collect();
    if packing::find(&values).is_some_and(|p| p.exact || packing::divisor(&values, p).is_some()) {
        problem.set_apart(negative_zero);
    }
}

/// Values that stand in areas of their own, the most frequent first: fill values that nobody declared, the land of an ocean's
/// field. Where a field fades into one, such as precipitation into none, it is left to the coders below effort 7.
fn plateaus<T: Element>(problem: &Problem<'_, T>, config: &Config) -> Vec<T> {
    let (height, width) = (problem.geometry.height, problem.geometry.width);
    if without(Part::Plateaus) || config.profile == Profile::Paper || height < 2 || width < 2 {
        return Vec::new();
    }
    let rows = problem.values.len() / width;
    let stride = (rows * width / SAMPLE).max(1);
    let sampled = (stride / 2..rows).step_by(stride).filter(|y| y % height > 0);
    let (mut flat, mut all) = (Vec::new(), 0);
    for y in sampled.clone() {
        let (north, here) = (&problem.values[(y - 1) * width..][..width], &problem.values[y * width..][..width]);
        for x in 1..width {
            if here[x].same(here[x - 1]) && here[x].same(north[x]) && problem.ordinary(y * width + x) {
                flat.push(here[x]);
            }
        }
        all += width;
    }
    if flat.len() * FLAT < all {
        return Vec::new();
    }
    flat.sort_unstable_by_key(|v| v.to_ordinal());
    let mut areas: Vec<(usize, T)> = flat.chunk_by(|a, b| a.same(*b)).map(|run| (run.len(), run[0])).collect();
    areas.retain(|(n, _)| n * FLAT >= all);
    areas.sort_by_key(|(n, _)| std::cmp::Reverse(*n));
    let natural = |value: T| {
        let Some((lo, hi)) = problem.extremes.filter(|&(lo, hi)| value == lo || value == hi) else { return false };
        let near = NEAR * (hi.to_f64() - lo.to_f64());
        let close = |v: T| v != value && (v.to_f64() - value.to_f64()).abs() < near;
        sampled.clone().any(|y| (y * width..(y + 1) * width).any(|i| close(problem.values[i]) && problem.ordinary(i)))
    };
    let thorough = Effort::new(config.effort).thorough;
    areas.into_iter().map(|(_, v)| v).filter(|&v| thorough || !natural(v)).take(MOST).collect()
}

/// The problem without the elements that have a value; `None` where the mask cannot hold them.
fn without_value<T: Element>(problem: &Problem<'_, T>, value: T) -> Option<Problem<'static, T>> {
    if problem.fills.len() == MOST_FILLS {
        return None;
    }
    let mut other = problem.to_owned();
    other.set_apart(value);
    set_negative_zeros_apart(&mut other);
    Some(other)
}
