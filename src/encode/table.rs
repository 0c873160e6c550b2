//! Tables of values, where an array has few that differ.

use super::problem::Problem;
use crate::ablation::{Part, without};
use crate::array::Element;
use crate::entropy::mapping::Mapping;
use crate::entropy::table::MOST_VALUES;
use std::collections::HashSet;

/// Values of which those that differ are counted first.
const TELLING: usize = 4096;
/// Elements for each value of a table, at least.
const SHARED: usize = 16;

/// A table of all values, where there are few: fewer than integers of another mapping whose greatest is `top`.
pub(crate) fn table<T: Element>(problem: &Problem<T>, top: i64) -> Option<Mapping> {
    let most = (problem.values.len() / SHARED).min(MOST_VALUES);
    let distinct = |step: usize| {
        let all = problem.values.iter().step_by(step).map(|v| v.to_ordinal());
        let mut seen = HashSet::with_capacity(most.min(TELLING));
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
    // Integers without gaps need none.
    gaps(ordinals.len()).then_some(Mapping::Table { ordinals })
}

/// So few integers need no table.
const LEAST_TOP: i64 = 16;
