//! The guarantee: find the points that miss the bound, hold them exactly, check the result.

use super::problem::{Problem, Target};
use crate::arith::run_wide;
use crate::array::Element;
use crate::entropy::values::padded;
use crate::format::Writer;

/// Does one decoded value keep a bound on single values?
pub(crate) fn within<T: Element>(value: T, decoded: T, eps: f64) -> bool {
    if T::DTYPE.is_float() {
        (value.to_f64() - decoded.to_f64()).abs() <= eps
    } else {
        value.to_ordinal().abs_diff(decoded.to_ordinal()) as f64 <= eps.floor()
    }
}

/// Do all decoded values?
pub(crate) fn all_within<T: Element>(values: &[T], decoded: &[T], eps: f64) -> bool {
    all(values, decoded, |v, d| within(v, d, eps))
}

/// Is `good` true of all pairs? Without a branch for each.
fn all<T: Element>(values: &[T], decoded: &[T], good: impl Fn(T, T) -> bool) -> bool {
    run_wide(
        #[inline(always)]
        || values.iter().zip(decoded).fold(true, |all, (&v, &d)| all & good(v, d)),
    )
}

/// Elements looked at together.
const PART: usize = 1024;

/// The ordinary elements that are not `good`.
fn misses<T: Element>(problem: &Problem<T>, decoded: &[T], good: impl Fn(T, T) -> bool) -> Vec<usize> {
    let fills = padded(&problem.fills);
    let is_fill = |d: T| fills.is_some_and(|all| all.iter().fold(false, |any, f| any | f.same(d)));
    let good = |v: T, d: T| v.same(d) | (good(v, d) & !is_fill(d));
    let mut misses = Vec::new();
    for (p, (values, parts)) in problem.values.chunks(PART).zip(decoded.chunks(PART)).enumerate() {
        if !all(values, parts, good) {
            let places = (p * PART..).zip(values.iter().zip(parts));
            misses.extend(places.filter(|&(i, (&v, &d))| !good(v, d) && problem.ordinary(i)).map(|(i, _)| i));
        }
    }
    misses
}

/// The ordinary elements that miss a bound on single values. One that would read as fill, or not at all, misses even if the mean
/// allows it.
fn missing<T: Element>(problem: &Problem<T>, decoded: &[T]) -> Vec<usize> {
    match problem.target {
        Target::Lossless => misses(problem, decoded, |_, _| false),
        Target::MaxAbs(eps) => misses(problem, decoded, |v, d| within(v, d, eps)),
        Target::Rmse(_) => misses(problem, decoded, |_, d| d.to_f64().is_finite()),
    }
}

/// The exact section that repairs `decoded` (and `decoded` repaired), empty when nothing misses; `None` where the promise is not
/// kept for all that.
pub(crate) fn repair<T: Element>(problem: &Problem<T>, decoded: &mut [T]) -> Option<Vec<u8>> {
    let mut misses = missing(problem, decoded);
    if misses.is_empty() && keeps_mean(problem, decoded) {
        return Some(Vec::new());
    }
    if let Target::Rmse(limit) = problem.target {
        add_worst(problem, decoded, limit, &mut misses);
    }
    let mut w = Writer::default();
    w.varint(misses.len() as u64);
    let mut next = 0;
    for i in misses {
        w.varint((i - next) as u64);
        w.svarint(problem.values[i].to_ordinal().wrapping_sub(decoded[i].to_ordinal()));
        decoded[i] = problem.values[i];
        next = i + 1;
    }
    let kept = missing(problem, decoded).is_empty() && keeps_mean(problem, decoded);
    kept.then_some(w.0)
}

/// While the RMSE is too large, take the points with the largest errors.
fn add_worst<T: Element>(problem: &Problem<T>, decoded: &[T], limit: f64, misses: &mut Vec<usize>) {
    let error = |i: usize| (problem.values[i].to_f64() - decoded[i].to_f64()).powi(2);
    let allowed = limit * limit * problem.count as f64;
    let listed: std::collections::BTreeSet<usize> = misses.iter().copied().collect();
    let mut rest: Vec<usize> = (0..decoded.len()).filter(|i| problem.ordinary(*i) && !listed.contains(i)).collect();
    let mut sum: f64 = rest.iter().map(|&i| error(i)).sum();
    if sum <= allowed {
        return;
    }
    rest.sort_by(|&a, &b| error(b).total_cmp(&error(a)));
    for i in rest {
        if sum <= allowed * (1.0 - 1e-9) {
            break;
        }
        sum -= error(i);
        misses.push(i);
    }
    misses.sort_unstable();
}

/// Is a bound on the mean kept, if that is what is promised?
fn keeps_mean<T: Element>(problem: &Problem<T>, decoded: &[T]) -> bool {
    let Target::Rmse(limit) = problem.target else { return true };
    problem.rmse_of(|start, out| out.copy_from_slice(&decoded[start..][..out.len()])) <= limit
}
