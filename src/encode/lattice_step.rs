//! The step of a lattice under a bound on the mean.

use super::atoms::Atoms;
use super::harmonic::AIM;
use super::mapping::Quantiser;
use super::problem::{PART, Problem};
use super::search::Search;
use crate::ablation::{Part, without};
use crate::array::Element;
use crate::entropy::integer::Integer;
use crate::entropy::mapping::Mapping;

/// The step whose measured RMSE is just below the limit, and whether most values are then the least one, so that
/// it is for a dead zone. At least `share` of the limit is used, where that can be.
pub(super) fn rmse_step<T: Element>(problem: &Problem<T>, limit: f64, share: f64, atoms: &Atoms) -> (f64, bool) {
    let every = if problem.values.len() > MANY { PARTS } else { 1 };
    // The guess, unless there is none.
    let or = |guess: (f64, f64), before: (f64, f64)| if guess.0 > 0.0 { guess } else { before };
    // Uniform errors have step / sqrt(12).
    let first = (limit * 12f64.sqrt() * AIM, 1.0);
    let best_step = |start, dead, every| best_step(problem, (limit, share), start, (dead, atoms), every);
    let guess = best_step(first, false, every);
    let start = or(guess, first);
    let lo = problem.extremes.map_or(0.0, |(lo, _)| lo.to_f64());
    let least = problem.values.iter().filter(|v| v.to_f64() - lo < 0.5 * start.0).count();
    let dead = least > problem.values.len() / 2 && !without(Part::LeastValueZone);
    if every == 1 && !dead {
        return (guess.0, false);
    }
    let start = if dead && every > 1 { or(best_step(start, dead, every), start) } else { start };
    (best_step(start, dead, 1).0, dead)
}

/// Of so many parts of the values one is enough for a first guess, if there are more than `MANY`.
const PARTS: usize = 16;
const MANY: usize = 1 << 17;
/// The largest step that was found to keep the limit, by one of `every` parts of the values, and the power of the step that its error grows
/// as; from a first guess of both. 0 where none was found.
fn best_step<T: Element>(
    problem: &Problem<T>,
    (limit, share): (f64, f64),
    (mut step, power): (f64, f64),
    how: (bool, &Atoms),
    every: usize,
) -> (f64, f64) {
    let mut search = Search::new(AIM * limit, power);
    let (mut good, mut tried) = (0.0f64, f64::INFINITY);
    for _ in 0..8 {
        // A larger one says nothing more.
        step = how.1.aligned(step.min(2.0 * problem.range()));
        if step == tried {
            break;
        }
        tried = step;
        let rmse = rmse_of_step(problem, step, how, every);
        if rmse <= limit {
            good = good.max(step);
        }
        match search.next(step, rmse) {
            Some(next) if !(share..=1.0).contains(&(rmse / limit)) => step = next,
            _ => break,
        }
    }
    (good, search.power)
}

/// What multiples of a step leave, by one of `every` parts of the values.
fn rmse_of_step<T: Element>(problem: &Problem<T>, step: f64, (dead, atoms): (bool, &Atoms), every: usize) -> f64 {
    let mapping = Mapping::Scaled { offset: atoms.offset(step), step };
    let quantiser = Quantiser::new(&mapping).with_dead_zone(dead);
    if problem.range() / step < f64::from(1 << 29) {
        rmse_on::<T, i32>(problem, &quantiser, every)
    } else {
        rmse_on::<T, i64>(problem, &quantiser, every)
    }
}

fn rmse_on<T: Element, Q: Integer>(problem: &Problem<T>, quantiser: &Quantiser<'_>, every: usize) -> f64 {
    problem.rmse_of_parts(every, |start, out| {
        let mut q = [Q::default(); PART];
        let q = &mut q[..out.len()];
        quantiser.indices(&problem.values[start..], q);
        quantiser.mapping.values(q, out);
    })
}
