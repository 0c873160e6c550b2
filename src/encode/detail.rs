//! The detail above a base, under the problem's bound: steps are tried until it is kept in few bytes.

use super::aim::Aim;
use super::candidate::Candidate;
use super::effort::{Effort, Told};
use super::fill::fill;
use super::harmonic::{AIM, Analysis, Step};
use super::pointwise::Pointwise;
use super::problem::{Problem, Target};
use super::rival::Rival;
use super::search::Search;
use super::spatial::Spatial;
use crate::ablation::{Part, without};
use crate::arith::Isa;
use crate::array::Element;
use crate::config::Coder;
use crate::decode::base::Base;
use crate::format::pyramid::Basis;
use crate::format::{Method, short};

/// The detail above a base; `None` where the coder cannot keep the bound, or a rival is clearly smaller.
pub(super) fn detail<T: Element>(
    problem: &Problem<T>,
    base: Option<&Base>,
    coder: Coder,
    effort: Effort,
    rival: Option<&Rival<T>>,
) -> Option<Candidate> {
    if coder == Coder::Spatial {
        return Spatial::fit(problem, base).map(|s| Candidate::new(Method::Spatial, s.encode()));
    }
    let aim = match problem.target {
        Target::Lossless => return None,
        Target::Rmse(limit) => limit,
        Target::MaxAbs(eps) => eps * 0.5,
    };
    let analyses = analyses(problem, base, aim, effort).into_iter();
    let hopeful = analyses.filter(|a| !rival.is_some_and(|r| r.undercuts(a.promised)));
    // The smallest of the transforms in question.
    let coded = hopeful.filter_map(|a| match problem.target {
        Target::MaxAbs(eps) => Pointwise::new(problem, &a, eps).detail(effort),
        _ => rmse_detail(problem, &a, aim, effort),
    });
    coded.min_by_key(Candidate::len)
}

fn analyses<T: Element>(problem: &Problem<T>, base: Option<&Base>, rmse: f64, effort: Effort) -> Vec<Analysis> {
    let aim = Aim { rmse, counted: problem.count as f64 / problem.values.len() as f64 };
    let (geometry, isa) = (&problem.geometry, Isa::detect());
    let masked = problem.classes.as_ref().filter(|_| !without(Part::MaskFill));
    match (base, masked) {
        (None, None) => Analysis::candidates(problem.values[..].into(), None, geometry, aim, effort, isa),
        (None, Some(classes)) => {
            let mut values = problem.values.to_vec();
            fill(&mut values, classes, geometry);
            Analysis::candidates(values.into(), None, geometry, aim, effort, isa)
        }
        (Some(base), masked) => {
            let mut rest: Vec<f64> =
                problem.values.iter().zip(&base[..]).map(|(v, &b)| v.to_f64() - f64::from(b)).collect();
            if let Some(classes) = masked {
                fill(&mut rest, classes, geometry);
            }
            Analysis::candidates(rest.into(), Some(base.clone()), geometry, aim, effort, isa)
        }
    }
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
