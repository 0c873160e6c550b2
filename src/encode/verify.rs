//! The guarantee: find the points that miss the bound, hold them exactly, check the result.

use super::problem::{Problem, Target};
use crate::array::Element;
use crate::format::Writer;

/// Does one decoded value keep a bound on single values?
pub(crate) fn within<T: Element>(value: T, decoded: T, eps: f64) -> bool {
    if T::DTYPE.is_float() {
        (value.to_f64() - decoded.to_f64()).abs() <= eps
    } else {
        value.to_ordinal().abs_diff(decoded.to_ordinal()) as f64 <= eps.floor()
    }
}

/// The exact section that repairs `decoded` (and `decoded` repaired), empty when nothing misses.
pub(crate) fn repair<T: Element>(problem: &Problem<T>, decoded: &mut [T]) -> Vec<u8> {
    let mut misses: Vec<usize> = Vec::new();
    for (i, (&v, &d)) in problem.values.iter().zip(&*decoded).enumerate() {
        if v.same(d) || !problem.ordinary(i) {
            continue;
        }
        let good = match problem.target {
            Target::Lossless => false,
            Target::MaxAbs(eps) => within(v, d, eps),
            // A value that would read as fill, or not at all, is repaired even if the mean allows it.
            Target::Rmse(_) => d.to_f64().is_finite(),
        };
        if !good || problem.fill.is_some_and(|f| f.same(d)) {
            misses.push(i);
        }
    }
    if let Target::Rmse(limit) = problem.target {
        add_worst(problem, decoded, limit, &mut misses);
    }
    if misses.is_empty() {
        return Vec::new();
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
    w.0
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

/// Does the decoded array keep the promise?
pub(crate) fn holds<T: Element>(problem: &Problem<T>, decoded: &[T]) -> bool {
    for (i, (&v, &d)) in problem.values.iter().zip(decoded).enumerate() {
        if !problem.ordinary(i) {
            continue;
        }
        let good = match problem.target {
            Target::Lossless => v.same(d),
            Target::MaxAbs(eps) => within(v, d, eps),
            Target::Rmse(_) => true,
        };
        if !good || !v.same(d) && problem.fill.is_some_and(|f| f.same(d)) {
            return false;
        }
    }
    match problem.target {
        Target::Rmse(limit) => problem.rmse(|i| decoded[i]) <= limit,
        _ => true,
    }
}
