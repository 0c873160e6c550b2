//! The detail above a base, under the problem's bound: steps are tried until it is kept in few bytes.

use super::candidate::{Candidate, Glance, SHARE};
use super::effort::{Effort, Told};
use super::glance::glance;
use super::harmonic::{AIM, Analysis, Step};
use super::problem::{Problem, Target, continue_smoothly};
use super::search::Search;
use super::spatial::Spatial;
use super::verify::{all_within, within};
use crate::ablation::{Part, without};
use crate::arith::Isa;
use crate::array::Element;
use crate::config::Coder;
use crate::decode::base::Base;
use crate::decode::harmonic::HarmonicField;
use crate::entropy::{corrections::Corrections, range::Encoder};
use crate::format::pyramid::Basis;
use crate::format::{Method, Writer, short};

/// The detail above a base; `None` where the coder cannot keep the bound.
pub(super) fn detail<T: Element>(
    problem: &Problem<T>,
    base: Option<&Base>,
    coder: Coder,
    effort: Effort,
    lattice_bytes: Glance<'_>,
) -> Option<Candidate> {
    if coder == Coder::Spatial {
        return Spatial::fit(problem, base).map(|s| Candidate::new(Method::Spatial, s.encode()));
    }
    match problem.target {
        Target::Lossless => None,
        Target::Rmse(limit) => harmonic_rmse(problem, base, limit, effort),
        Target::MaxAbs(eps) => harmonic_max_abs(problem, base, eps, effort, lattice_bytes),
    }
}

fn analyses<T: Element>(problem: &Problem<T>, base: Option<&Base>, target: f64, effort: Effort) -> Vec<Analysis> {
    let (geometry, isa) = (&problem.geometry, Isa::detect());
    let Some(base) = base else { return Analysis::candidates(&problem.values, None, geometry, target, effort, isa) };
    let mut rest: Vec<f64> = problem.values.iter().zip(&base[..]).map(|(v, &b)| v.to_f64() - f64::from(b)).collect();
    if let Some(classes) = &problem.classes {
        continue_smoothly(&mut rest, classes, geometry.width, 0.0);
    }
    Analysis::candidates(&rest, Some(base.clone()), geometry, target, effort, isa)
}

/// The smallest of the transforms in question.
fn harmonic_rmse<T: Element>(
    problem: &Problem<T>,
    base: Option<&Base>,
    limit: f64,
    effort: Effort,
) -> Option<Candidate> {
    let analyses = analyses(problem, base, limit, effort).into_iter();
    analyses.filter_map(|a| rmse_detail(problem, &a, limit, effort)).min_by_key(Candidate::len)
}

/// The share of the bound to aim at with a wavelet and little effort: its error is foretold to a percent or two.
const WARY: f64 = 0.9945;
/// How much of the surplus of a part the whole has, as a rule (a power).
const SHARED: f64 = 0.75;

/// Coded with the step whose RMSE over ordinary values, after rounding to the type, is just below the limit.
fn rmse_detail<T: Element>(problem: &Problem<T>, analysis: &Analysis, limit: f64, effort: Effort) -> Option<Candidate> {
    let wary = effort.quick && analysis.basis == Basis::Wavelet;
    let aim = limit * if wary { WARY } else { AIM };
    let told = effort.told.filter(|t| wary && t.basis == analysis.basis);
    let foretold = aim / told.map_or(1.0, |t| t.surplus.powf(SHARED));
    let mut step = analysis.step_for_rmse(foretold);
    let mut search = Search::new(aim, step.power);
    let (mut best, mut last, mut surplus) = (None::<Step>, None, None);
    for _ in 0..6 {
        if !analysis.fits(step.size) {
            break;
        }
        drop(last.take());
        let (quantised, field) = analysis.at(&step);
        let rmse = problem.rmse_of(|start, out| field.rounded(start, out));
        last = Some((quantised, field));
        surplus.get_or_insert(rmse / foretold);
        let next = search.next(step.size, rmse).map(short);
        if rmse <= limit && best.as_ref().is_none_or(|b| step.size > b.size) {
            best = Some(step.clone());
        }
        match next.filter(|_| !(effort.share()..=1.0).contains(&(rmse / limit))) {
            Some(size) => step.size = size,
            None => break,
        }
    }
    let step = best?;
    let (quantised, field) = last.filter(|(q, _)| q.step == step.size).unwrap_or_else(|| analysis.at(&step));
    // It may be 0, where rounding to the type leaves no error.
    let told = surplus.map(|surplus| Told { surplus: surplus.clamp(0.5, 2.0), ..Told::new(analysis.basis) });
    let field = effort.quick.then_some(field);
    Some(Candidate { field, told, ..Candidate::harmonic(analysis, quantised) })
}

/// Steps to try, in units of the bound.
const STEPS: [f64; 10] = [0.9, 1.1, 1.35, 1.65, 2.0, 2.45, 3.0, 3.7, 4.5, 5.5];

/// Fewest bytes of a part of the field that tell the best step for all.
const TELLING: usize = 12 << 10;

/// The lattice coder wins where a glance promises no more than so many times the bytes of the transform.
const LOST: f64 = 1.1;

/// A step near the bound, and corrections for the points that miss it. The larger the step, the fewer
/// bytes for coefficients and the more for corrections: climb down that valley, further with more effort, unless the
/// lattice coder will win anyway.
fn harmonic_max_abs<T: Element>(
    problem: &Problem<T>,
    base: Option<&Base>,
    eps: f64,
    effort: Effort,
    lattice_bytes: Glance<'_>,
) -> Option<Candidate> {
    // Smooth fields at loose bounds have few large errors, so that larger steps pay.
    let at = match eps / problem.range() {
        r if r > 0.03 => 8,
        r if r > 3e-3 => 6,
        r if r > 3e-4 => 4,
        _ => 3,
    };
    // With some effort a part of the field tells the step; with all, that is where the search begins.
    let part = if base.is_none() && effort.steps > 0 { problem.cut(SHARE) } else { None };
    let Some(part) = part else { return climb(problem, base, (eps, at), effort, lattice_bytes).map(|c| c.0) };
    let seen = || glance(&part);
    let told = climb(&part, None, (eps, at), effort, &seen).filter(|(best, _)| best.len() >= TELLING);
    let (at, steps) = match told {
        Some((_, at)) if effort.steps < STEPS.len() => (at, 0),
        told => (told.map_or(at, |(_, at)| at), effort.steps),
    };
    let effort = Effort { steps, ..effort };
    climb(problem, base, (eps, at), effort, lattice_bytes).map(|c| c.0)
}

/// The best that is found from step `at` on, and its step.
fn climb<T: Element>(
    problem: &Problem<T>,
    base: Option<&Base>,
    (eps, mut at): (f64, usize),
    effort: Effort,
    lattice_bytes: Glance<'_>,
) -> Option<(Candidate, usize)> {
    let attempt = |analysis: &Analysis, k: usize| {
        let step = short(STEPS.get(k)? * eps);
        analysis.fits(step).then(|| {
            let (quantised, field) = analysis.at(&analysis.step(step));
            let corrections = correct(problem, &field, eps);
            let field = effort.quick.then_some(field);
            Candidate { corrections, field, ..Candidate::harmonic(analysis, quantised) }
        })
    };
    let tried = analyses(problem, base, eps * 0.5, effort).into_iter().filter_map(|a| Some((attempt(&a, at)?, a)));
    let (mut best, analysis) = tried.min_by_key(|(c, _)| c.len())?;
    let lost = || lattice_bytes().is_some_and(|bytes| bytes < LOST * best.len() as f64);
    let mut tries =
        if effort.steps > 0 && lost() || without(Part::StepSearch) { 0 } else { effort.steps.min(STEPS.len()) };
    let mut turned = false;
    let mut up = true;
    while tries > 0 {
        tries -= 1;
        let next = if up { Some(at + 1) } else { at.checked_sub(1) };
        match next.and_then(|k| attempt(&analysis, k)).filter(|c| c.len() < best.len()) {
            Some(better) => {
                (best, at) = (better, next.unwrap_or(at));
                turned = true;
            }
            // Worse on the first try upwards: the valley lies below.
            None if !turned => (up, turned) = (false, true),
            None => break,
        }
    }
    Some((best, at))
}

/// The corrections section that brings every ordinary value within `eps`; empty when all are.
fn correct<T: Element>(problem: &Problem<T>, field: &HarmonicField, eps: f64) -> Vec<u8> {
    let (unit, width) = (2.0 * eps, problem.geometry.width);
    let mut decoded = vec![T::zeroed(); width];
    let mut missed = |y: usize, values: &[T]| {
        let decoded = &mut decoded[..values.len()];
        field.rounded(y * width, decoded);
        !all_within(values, decoded, eps)
    };
    let rows = || problem.values.chunks(width).enumerate();
    let Some(first) = rows().position(|(y, values)| missed(y, values)) else { return Vec::new() };
    let mut w = Writer::default();
    w.f64(unit);
    let mut e = Encoder::new();
    let mut model = Corrections::new(width);
    let (mut counts, mut any) = (vec![0; width], false);
    for (y, values) in rows() {
        counts.fill(0);
        if y >= first && missed(y, values) {
            for (x, (k, &v)) in counts.iter_mut().zip(values).enumerate() {
                let i = y * width + x;
                let approximate = field.value(i);
                if !problem.ordinary(i) || within(v, T::from_f64(approximate), eps) {
                    continue;
                }
                any = true;
                let error = (v.to_f64() - approximate) / unit;
                // At least one unit; what does not fit is left to the exact points.
                *k = if error.abs() < 1.0 { error.signum() as i32 } else { error.round().clamp(-1e9, 1e9) as i32 };
            }
        }
        model.row(&mut e, &mut counts[..values.len()]);
    }
    if !any {
        return Vec::new();
    }
    w.bytes(&e.finish());
    w.0
}
