//! The ways to hold an array that are worth a try; the smallest is taken.

use super::bands::Bands;
use super::effort::Effort;
use super::glance::glance;
use super::harmonic::{AIM, Analysis, Quantised, Step};
use super::lattice;
use super::problem::{Problem, Target, continue_smoothly, write_value};
use super::profile::Plan;
use super::search::Search;
use super::spatial::Spatial;
use super::verify::{all_within, within};
use crate::ablation::{Part, without};
use crate::arith::{Cpu, Isa};
use crate::array::Element;
use crate::config::{Coder, Config};
use crate::decode::base::Base;
use crate::decode::harmonic::HarmonicField;
use crate::entropy::{corrections::Corrections, range::Encoder};
use crate::error::Result;
use crate::format::pyramid::Basis;
use crate::format::{Method, Writer, short};
use crate::worker::Worker;
use std::cell::OnceCell;

/// About the bytes of the lattice coder, where that is in question and a glance tells.
type Glance<'a> = &'a dyn Fn() -> Option<f64>;

/// Fewest elements for which a transform is tried.
const FEWEST: usize = 64;

/// One way to hold the values.
pub(crate) struct Candidate {
    pub(crate) method: Method,
    /// The reference section; empty where the detail stands for itself.
    pub(crate) reference: Vec<u8>,
    /// The networks' bands; none of them may be there.
    pub(crate) bands: Bands,
    /// The detail section.
    pub(crate) detail: Vec<u8>,
    /// The corrections section; may be empty.
    pub(crate) corrections: Vec<u8>,
    /// The basis of a harmonic detail.
    basis: Option<Basis>,
    /// What the decoder makes of base and detail, if that is known.
    pub(crate) field: Option<HarmonicField>,
}

impl Candidate {
    fn new(method: Method, detail: Vec<u8>) -> Self {
        let (reference, bands, corrections) = (Vec::new(), Bands::default(), Vec::new());
        Self { method, reference, bands, detail, corrections, basis: None, field: None }
    }
    fn harmonic(analysis: &Analysis, quantised: Quantised) -> Self {
        Self { basis: Some(analysis.basis), ..Self::new(Method::Harmonic, analysis.code(quantised)) }
    }
    /// Bytes of its sections.
    pub(crate) const fn len(&self) -> usize {
        self.reference.len() + self.bands.len() + self.detail.len() + self.corrections.len()
    }
}

/// The smallest candidate, and what the decoder makes of it if that is known and not in the candidate itself.
///
/// # Errors
/// If a GPU that was asked for by name fails.
pub(crate) fn best<T: Element>(problem: &Problem<T>, config: &Config) -> Result<(Candidate, Option<Vec<T>>)> {
    if let Some(detail) = constant(problem) {
        return Ok((Candidate::new(Method::Constant, detail), None));
    }
    let stages = Plan::new(config, problem.geometry.outer.len());
    let (coder, effort) = (stages.coder, Effort::new(config.effort));
    // One look for all stages, where the lattice coder is in question at all.
    let seen = OnceCell::new();
    let auto = coder == Coder::Auto && !without(Part::Glance);
    let lattice_bytes = || *seen.get_or_init(|| auto.then(|| glance(problem)).flatten());
    let (likely, basis) = if auto && !stages.keeps.any() { likely(problem, effort) } else { (None, None) };
    let effort = Effort { basis: basis.filter(|_| effort.quick), ..effort };
    let harmonic = if coder == Coder::Lattice || likely == Some(Method::Lattice) {
        None
    } else {
        hierarchy(problem, &stages, effort, &lattice_bytes)?
    };
    // Most fields at most bounds are no question: a glance spares the lattice's own estimate.
    let unlikely = |h: &Candidate| {
        likely.is_some() || lattice_bytes().is_some_and(|bytes| bytes > effort.doubt() * h.len() as f64)
    };
    let harmonic = match harmonic {
        Some(h) if matches!(coder, Coder::Harmonic | Coder::Spatial) || unlikely(&h) => return Ok((h, None)),
        other => other,
    };
    let plan = lattice::Plan::new(problem);
    let lattice = || Candidate::new(Method::Lattice, plan.encode(problem));
    let best = match harmonic {
        Some(h) if plan.estimate(problem) as f64 > MARGIN * h.len() as f64 => h,
        Some(h) => Some(lattice()).filter(|l| l.len() < h.len()).unwrap_or(h),
        None => lattice(),
    };
    let values = (effort.quick && best.method == Method::Lattice).then(|| plan.values(problem));
    Ok((best, values))
}

/// The lattice coder is not tried where its own estimate promises so many times the bytes of the transform.
const MARGIN: f64 = 1.04;
/// One in so many elements stands for all.
const SHARE: usize = 16;
/// Where a glance at a part promises so many times the bytes of the transform, the lattice coder is not clearly better.
const UNCLEAR: f64 = 1.2;
/// Where it promises so many times the bytes, the transform is.
const FAR: f64 = 3.0;

/// Fewest bytes of a part of the field that tell the better basis for all.
const TELLING_BASIS: usize = 256;

/// A part of no more bytes may be one where nothing happens; the transform is cheap there.
const LITTLE: usize = 512;

/// The better coder by a part of the field, if that is clear, and the better basis of the transform.
fn likely<T: Element>(problem: &Problem<T>, effort: Effort) -> (Option<Method>, Option<Basis>) {
    let Some(clear) = effort.clear() else { return (None, None) };
    let Some(cut) = problem.cut(SHARE).filter(|_| T::DTYPE.is_float()) else { return (None, None) };
    let Some(transformed) = detail(&cut, None, Coder::Auto, Effort::new(1), &|| None) else { return (None, None) };
    let over = |bytes: f64| bytes / transformed.len() as f64;
    // The lattice coder does better than a glance says, by a third as a rule.
    let method = match glance(&cut).map(over) {
        None => None,
        Some(ratio) if ratio < clear.start => Some(Method::Lattice),
        Some(ratio) if ratio > FAR => Some(Method::Harmonic),
        Some(ratio) if ratio > UNCLEAR => None,
        _ => match over(lattice::Plan::new(&cut).encode(&cut).len() as f64) {
            ratio if ratio < clear.start => Some(Method::Lattice),
            ratio if ratio > clear.end => Some(Method::Harmonic),
            _ => None,
        },
    };
    let method = method.filter(|&m| m != Method::Lattice || transformed.len() > LITTLE);
    (method, transformed.basis.filter(|_| transformed.len() >= TELLING_BASIS))
}

/// The value, when one stands for all.
fn constant<T: Element>(problem: &Problem<T>) -> Option<Vec<u8>> {
    let mut w = Writer::default();
    let Some((lo, hi)) = problem.extremes else {
        // Nothing but masked elements.
        write_value(&mut w, T::zeroed());
        return Some(w.0);
    };
    let close = problem.target != Target::Lossless && problem.range() == 0.0;
    if lo != hi || !close && !problem.values.iter().all(|v| v.same(lo)) {
        return None;
    }
    write_value(&mut w, lo);
    Some(w.0)
}

/// A base of networks (or none) and the detail above it under the problem's bound, where that can be tried; with the reference
/// subtracted if that is smaller. A stage stays if the stream is smaller with it, or if the plan says so.
fn hierarchy<T: Element>(
    problem: &Problem<T>,
    plan: &Plan,
    effort: Effort,
    lattice_bytes: Glance<'_>,
) -> Result<Option<Candidate>> {
    if !T::DTYPE.is_float() || problem.values.len() < FEWEST {
        return Ok(None);
    }
    let on = |base: Option<&Base>| detail(problem, base, plan.coder, effort, lattice_bytes);
    let mut best = on(None);
    let mut below = None;
    if let Some((hash, base)) = &problem.reference
        && let Some(based) = on(Some(base))
        && best.as_ref().is_none_or(|b| based.len() < b.len())
    {
        (best, below) = (Some(Candidate { reference: hash.to_vec(), ..based }), Some(base));
    }
    let Some(mut best) = best else { return Ok(None) };
    if plan.is_empty() {
        return Ok(Some(best));
    }
    let worker = Worker::open(plan.device, Cpu { isa: Isa::detect(), threads: 1 })?;
    let with = |best: Candidate, bands: Option<Bands>, keep: bool| {
        worker.check()?;
        let Some(bands) = bands else { return Ok(best) };
        let Some(detail) = on(bands.base(below).as_ref()) else { return Ok(best) };
        let candidate = Candidate { reference: best.reference.clone(), bands, ..detail };
        Result::Ok(if keep || candidate.len() < best.len() { candidate } else { best })
    };
    if let Some(time) = plan.time.as_ref().filter(|_| plan.keeps.time) {
        best = with(best, Bands::time(problem, below, time, &worker), true)?;
        // Frames hold their own bands.
        if !best.bands.time.is_empty() {
            return Ok(Some(best));
        }
    }
    if let Some(low) = plan.low {
        best = with(best, Bands::low(problem, below, low, &worker), plan.keeps.low)?;
    }
    if !plan.mid.is_empty() {
        let bands = best.bands.with_mid(problem, below, &plan.mid, &worker);
        best = with(best, bands, plan.keeps.mid)?;
    }
    if let Some(time) = plan.time.as_ref().filter(|_| !plan.keeps.time) {
        best = with(best, Bands::time(problem, below, time, &worker), false)?;
    }
    Ok(Some(best))
}

/// The detail above a base; `None` where the coder cannot keep the bound.
fn detail<T: Element>(
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

/// The share of the bound to aim at first with a wavelet and little effort: its error is foretold to a percent or two.
const WARY: f64 = 0.996;

/// Coded with the step whose RMSE over ordinary values, after rounding to the type, is just below the limit.
fn rmse_detail<T: Element>(problem: &Problem<T>, analysis: &Analysis, limit: f64, effort: Effort) -> Option<Candidate> {
    let wary = effort.quick && analysis.basis == Basis::Wavelet;
    let mut step = analysis.step_for_rmse(if wary { WARY * limit } else { limit });
    let mut search = Search::new(limit * AIM, step.power);
    let (mut best, mut last) = (None::<Step>, None);
    for _ in 0..6 {
        if !analysis.fits(step.size) {
            break;
        }
        drop(last.take());
        let quantised = analysis.quantised(&step);
        let field = analysis.field(&quantised);
        let rmse = problem.rmse_of(|start, out| field.rounded(start, out));
        last = Some((quantised, field));
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
    let (quantised, field) = last.filter(|(q, _)| q.step == step.size).unwrap_or_else(|| {
        let quantised = analysis.quantised(&step);
        let field = analysis.field(&quantised);
        (quantised, field)
    });
    let field = effort.quick.then_some(field);
    Some(Candidate { field, ..Candidate::harmonic(analysis, quantised) })
}

/// Steps to try, in units of the bound.
const STEPS: [f64; 10] = [0.9, 1.1, 1.35, 1.65, 2.0, 2.45, 3.0, 3.7, 4.5, 5.5];

/// Fewest bytes of a part of the field that tell the best step for all.
const TELLING: usize = 1 << 14;

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
            let quantised = analysis.quantised(&analysis.step(step));
            let field = analysis.field(&quantised);
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
