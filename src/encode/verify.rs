//! The guarantee: find the points that miss the bound, hold them exactly, check the result.

use super::problem::{Problem, Target, is_finite};
use crate::arith::run_wide;
use crate::array::Element;
use crate::entropy::values::padded;
use crate::format::Writer;
use std::cell::Cell;

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

/// May an ordinary value read as this? One that would read as fill, or not at all, misses even if the mean allows it.
fn good<T: Element>(problem: &Problem<T>) -> impl Fn(T, T) -> bool {
    let (target, fills) = (problem.target, padded(&problem.fills[..problem.declared]));
    let is_fill = move |d: T| fills.is_some_and(|all| all.iter().fold(false, |any, f| any | f.same(d)));
    move |v: T, d: T| {
        let close = match target {
            Target::Lossless => false,
            Target::MaxAbs(eps) => within(v, d, eps),
            Target::Rmse(_) => is_finite(d),
        };
        v.same(d) | (close & !is_fill(d))
    }
}

/// Are all of a part surely good? By the simplest test there is, so that it takes little time.
fn surely_good<T: Element>(problem: &Problem<T>, values: &[T], decoded: &[T]) -> bool {
    match problem.target {
        _ if problem.declared > 0 => all(values, decoded, good(problem)),
        Target::Lossless => all(values, decoded, T::same),
        Target::MaxAbs(eps) => all_within(values, decoded, eps),
        Target::Rmse(_) => all(values, decoded, |_, d| is_finite(d)),
    }
}

/// The ordinary elements among those from `start` on that are not good.
fn missing<T: Element>(problem: &Problem<T>, start: usize, decoded: &[T]) -> Vec<usize> {
    let (good, mut misses) = (good(problem), Vec::new());
    for (p, (values, parts)) in problem.values[start..].chunks(PART).zip(decoded.chunks(PART)).enumerate() {
        if !surely_good(problem, values, parts) {
            let places = (start + p * PART..).zip(values.iter().zip(parts));
            misses.extend(places.filter(|&(i, (&v, &d))| !good(v, d) && problem.ordinary(i)).map(|(i, _)| i));
        }
    }
    misses
}

/// Does what `decode(start, out)` makes of the elements from `start` on keep the promise?
pub(crate) fn holds<T: Element>(problem: &Problem<T>, decode: impl Fn(usize, &mut [T])) -> bool {
    let all_good = Cell::new(true);
    let rmse = problem.rmse_of(|start, out| {
        decode(start, out);
        all_good.set(all_good.get() && missing(problem, start, out).is_empty());
    });
    all_good.get() && !matches!(problem.target, Target::Rmse(limit) if rmse > limit)
}

/// The exact section that repairs `decoded`, empty when nothing misses; `None` where the promise is not kept for all that.
pub(crate) fn repair<T: Element>(problem: &Problem<T>, mut decoded: Vec<T>) -> Option<Vec<u8>> {
    let kept = |decoded: &[T]| holds(problem, |start, out| out.copy_from_slice(&decoded[start..][..out.len()]));
    if kept(&decoded) {
        return Some(Vec::new());
    }
    let mut misses = missing(problem, 0, &decoded);
    if let Target::Rmse(limit) = problem.target {
        add_worst(problem, &decoded, limit, &mut misses);
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
    kept(&decoded).then_some(w.0)
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
