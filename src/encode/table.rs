//! Tables of values, where an array has few that differ, or differ by more than the bound.

use super::packing::half_ulp;
use super::problem::{Problem, Target};
use crate::ablation::{Part, without};
use crate::array::Element;
use crate::entropy::mapping::Mapping;
use crate::entropy::table::MOST_VALUES;
use rustc_hash::FxHashSet;

/// Values of which those that differ are counted first.
const TELLING: usize = 4096;
/// Elements for each value of a table, at least.
const SHARED: usize = 4;

/// A table of all values, or of some within the bound of all, where there are few: fewer than integers of another mapping whose
/// greatest is `top`.
pub(crate) fn table<T: Element>(problem: &Problem<T>, top: i64) -> Option<Mapping> {
    let most = (problem.values.len() / SHARED).min(MOST_VALUES);
    let distinct = |step: usize| {
        let all = problem.values.iter().step_by(step).map(|v| v.to_ordinal());
        let mut seen = FxHashSet::default();
        for v in all {
            if seen.insert(v) && seen.len() > most {
                return None;
            }
        }
        Some(seen)
    };
    if top != 0 && top < LEAST_TOP || without(Part::Table) {
        return None;
    }
    let first = distinct(problem.values.len().div_ceil(TELLING))?.len();
    let gaps = |n: usize| top == 0 || (n as i64) < top - top / 4;
    if 2 * first > TELLING.min(problem.values.len()) || !gaps(first) {
        return None;
    }
    let mut ordinals: Vec<i64> = distinct(1)?.into_iter().collect();
    ordinals.sort_unstable();
    let ordinals = match problem.target {
        Target::Lossless => ordinals,
        // No value off by more than the mean may be.
        Target::MaxAbs(eps) | Target::Rmse(eps) => merged::<T>(&ordinals, eps),
    };
    // Integers without gaps need none.
    gaps(ordinals.len()).then_some(Mapping::Table { ordinals })
}

/// As few values as are within `eps` of all (which rise), each in the middle of those it stands for.
fn merged<T: Element>(ordinals: &[i64], eps: f64) -> Vec<i64> {
    let value = |o: i64| T::from_ordinal(o).to_f64();
    let (mut rest, mut merged) = (ordinals, Vec::new());
    while let [first, ..] = *rest {
        let first = T::from_ordinal(first);
        // Rounding the middle takes its share of the bound: twice as much where the exponent is one more.
        let room = (2.0 * (eps - 2.0 * half_ulp(first))).max(0.0) * (1.0 - 1e-9);
        let (near, far) = rest.split_at(rest.partition_point(|&o| value(o) - first.to_f64() <= room).max(1));
        let last = value(near[near.len() - 1]);
        merged.push(if near.len() == 1 { near[0] } else { T::from_f64(0.5 * (first.to_f64() + last)).to_ordinal() });
        rest = far;
    }
    merged
}

/// So few integers need no table.
const LEAST_TOP: i64 = 16;
