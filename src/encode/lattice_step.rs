//! The step of a lattice under a bound on the mean.

use super::atoms::Atoms;
use super::mapping::Quantiser;
use super::problem::{PART, Problem};
use crate::ablation::{Part, without};
use crate::array::Element;
use crate::entropy::integer::Integer;
use crate::entropy::mapping::Mapping;

/// The step whose measured RMSE is just below the limit, and whether most values are then the least one, so that
/// it is for a dead zone.
pub(super) fn rmse_step<T: Element>(problem: &Problem<T>, limit: f64, atoms: &Atoms) -> (f64, bool) {
    // Uniform errors have step / sqrt(12).
    let step = rmse_step_from(problem, limit, limit * 12f64.sqrt() * 0.9995, (false, atoms));
    let lo = problem.extremes.map_or(0.0, |(lo, _)| lo.to_f64());
    let least = problem.values.iter().filter(|v| v.to_f64() - lo < 0.5 * step).count();
    let dead = least > problem.values.len() / 2 && !without(Part::LeastValueZone);
    (if dead { rmse_step_from(problem, limit, step, (true, atoms)) } else { step }, dead)
}

/// Of so many parts of the values one is enough for a first guess, if there are more than `MANY`.
const PARTS: usize = 16;
const MANY: usize = 1 << 17;

fn rmse_step_from<T: Element>(problem: &Problem<T>, limit: f64, mut step: f64, how: (bool, &Atoms)) -> f64 {
    let mut good = 0.0f64;
    let mut tried = f64::INFINITY;
    let parts = if problem.values.len() > MANY { &[PARTS, 1][..] } else { &[1] };
    for &every in parts {
        for _ in 0..8 {
            // A larger one says nothing more.
            step = how.1.aligned(step.min(2.0 * problem.range()));
            if every == 1 && step == tried {
                break;
            }
            tried = if every == 1 { step } else { tried };
            let rmse = rmse_of_step(problem, step, how, every);
            if rmse <= limit {
                good = if every > 1 { 0.0 } else { good.max(step) };
                if rmse >= 0.985 * limit || rmse == 0.0 {
                    break;
                }
            }
            step *= (0.995 * limit / rmse).clamp(0.5, 2.0);
        }
    }
    good
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
