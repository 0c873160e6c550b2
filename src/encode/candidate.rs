//! The ways to hold an array that are worth a try; the smallest is taken.

use super::bands::Bands;
use super::detail::detail;
use super::effort::{Effort, Told};
use super::glance::Glance;
use super::harmonic::{Analysis, Quantised};
use super::lattice;
use super::problem::{Problem, Target, write_value};
use super::profile::Plan;
use super::rival::Rival;
use crate::ablation::{Part, without};
use crate::arith::{Cpu, Isa};
use crate::array::Element;
use crate::config::{Coder, Config};
use crate::decode::base::Base;
use crate::decode::harmonic::HarmonicField;
use crate::error::Result;
use crate::format::{Method, Writer};
use crate::worker::Worker;

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
    /// What a harmonic detail tells of a larger field.
    pub(super) told: Option<Told>,
    /// What the decoder makes of base and detail, if that is known.
    pub(crate) field: Option<HarmonicField>,
}

impl Candidate {
    pub(super) fn new(method: Method, detail: Vec<u8>) -> Self {
        let (reference, bands, corrections) = (Vec::new(), Bands::default(), Vec::new());
        Self { method, reference, bands, detail, corrections, told: None, field: None }
    }
    pub(super) fn harmonic(analysis: &Analysis, quantised: Quantised) -> Self {
        Self { told: Some(Told::new(analysis.basis)), ..Self::new(Method::Harmonic, analysis.code(quantised)) }
    }
    /// Bytes of its sections.
    pub(crate) const fn len(&self) -> usize {
        self.reference.len() + self.bands.len() + self.detail.len() + self.corrections.len()
    }
}

/// The smallest candidate, and what the decoder makes of it if that is known and not in the candidate itself.
pub(crate) type Best<T> = (Candidate, Option<Vec<T>>);

/// The smallest of all.
///
/// # Errors
/// If a GPU that was asked for by name fails.
pub(crate) fn best<T: Element>(problem: &Problem<T>, config: &Config) -> Result<Best<T>> {
    if let Some(detail) = constant(problem) {
        return Ok((Candidate::new(Method::Constant, detail), None));
    }
    let stages = Plan::new(config, problem.geometry.outer.len());
    let (coder, effort) = (stages.coder, Effort::new(config.effort));
    let auto = coder == Coder::Auto && !without(Part::Glance);
    let (likely, told) = if auto && !stages.keeps.any() { likely(problem, effort) } else { (None, None) };
    let effort = Effort { told: told.filter(|_| effort.quick), ..effort };
    let rival = Rival::new(problem, effort);
    let harmonic = if coder == Coder::Lattice || likely == Some(Method::Lattice) {
        None
    } else {
        // More than the transform may make it smaller.
        let alone = stages.is_empty() && problem.reference.is_none();
        let rival = Some(&rival).filter(|_| auto && alone && likely.is_none() && !effort.thorough);
        hierarchy(problem, &stages, effort, rival)?
    };
    let only = likely.is_some() || matches!(coder, Coder::Harmonic | Coder::Spatial);
    let harmonic = match harmonic {
        Some(h) if only || rival.is_unlikely(h.len()) || rival.is_larger(h.len()) => return Ok((h, None)),
        other => other,
    };
    let mut values = effort.quick.then(|| problem.values.to_vec());
    let lattice = Candidate::new(Method::Lattice, rival.plan().encode(problem, values.as_deref_mut()));
    Ok(match harmonic {
        Some(h) if h.len() <= lattice.len() => (h, None),
        _ => (lattice, values),
    })
}

/// One in so many elements stands for all.
pub(super) const SHARE: usize = 16;

/// Fewest bytes of a part of the field that tell anything.
pub(super) const TELLING: usize = 256;

/// A part of no more bytes may be one where nothing happens; the transform is cheap there.
const LITTLE: usize = 512;

/// The better coder by a part of the field, if that is clear, and what the part tells of the transform.
fn likely<T: Element>(problem: &Problem<T>, effort: Effort) -> (Option<Method>, Option<Told>) {
    let Some(unclear) = effort.unclear() else { return (None, None) };
    let Some(cut) = problem.cut(SHARE).filter(|_| T::DTYPE.is_float()) else { return (None, None) };
    let Some(transformed) = detail(&cut, None, Coder::Auto, Effort::new(1), None) else { return (None, None) };
    let over = |bytes: f64| bytes / transformed.len() as f64;
    let clear = effort.clear(transformed.len());
    // The lattice coder does better than a glance says, by a third as a rule.
    let method = match Glance::new(&cut).map(|g| over(g.bytes)) {
        None => None,
        Some(ratio) if ratio < clear.start => Some(Method::Lattice),
        Some(ratio) if ratio > unclear.end => Some(Method::Harmonic),
        Some(ratio) if ratio > unclear.start => None,
        _ => match over(lattice::Plan::new(&cut, effort).encode(&cut, None).len() as f64) {
            ratio if ratio < clear.start => Some(Method::Lattice),
            ratio if ratio > clear.end => Some(Method::Harmonic),
            _ => None,
        },
    };
    let method = method.filter(|&m| m != Method::Lattice || transformed.len() > LITTLE);
    (method, transformed.told.filter(|_| transformed.len() >= TELLING))
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
/// subtracted if that is smaller; `None` too where a rival is clearly smaller. A stage stays if the stream is smaller with it, or if
/// the plan says so.
fn hierarchy<T: Element>(
    problem: &Problem<T>,
    plan: &Plan,
    effort: Effort,
    rival: Option<&Rival<T>>,
) -> Result<Option<Candidate>> {
    if !T::DTYPE.is_float() || problem.values.len() < FEWEST {
        return Ok(None);
    }
    let on = |base: Option<&Base>| detail(problem, base, plan.coder, effort, rival);
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
