//! The detail under a bound on single values: a step beyond the bound, and corrections for the points that miss it. The larger
//! the step, the fewer bytes for coefficients and the more for corrections: a valley, at whose bottom only the coefficients are coded.

use super::candidate::Candidate;
use super::effort::Effort;
use super::harmonic::{Analysis, Quantised, Step};
use super::problem::Problem;
use super::verify::{all_within, within};
use crate::ablation::{Part, without};
use crate::arith::run_wide;
use crate::array::Element;
use crate::decode::harmonic::HarmonicField;
use crate::entropy::{corrections::Corrections, range::Encoder};
use crate::format::{Writer, short};
use std::cell::OnceCell;

/// Steps to try, in units of the bound.
const STEPS: [f64; 10] = [0.9, 1.1, 1.35, 1.65, 2.0, 2.45, 3.0, 3.7, 4.5, 5.5];

/// Bits that a larger step saves: for each coefficient that is still not 0 and each doubling, for one that becomes 0, and that for
/// each doubling of the elements for each coefficient. Fitted to 21 fields at three bounds: within 7 % in nine of ten cases.
const SAVED: [f64; 3] = [0.95, 2.4, 0.18];

/// Bits for a correction: so many fewer for each doubling of their number, as they lie beside each other, and at least; for the first ones so
/// many beyond their places.
const CLUSTERED: f64 = 0.9;
const LEAST_BITS: f64 = 3.4;
const FIRST_BITS: f64 = 2.0;
/// What a step costs in corrections is foretold up to a fourth too high. Looking at it tells, and costs little.
const HOPE: f64 = 0.8;

/// A transform under a bound on single values.
pub(super) struct Pointwise<'a, T: Clone> {
    problem: &'a Problem<'a, T>,
    analysis: &'a Analysis,
    eps: f64,
    steps: [OnceCell<Option<Step>>; STEPS.len()],
}

/// What one of the steps makes of the field.
struct Place {
    at: usize,
    /// These two until another step is looked at: memory for one of each is enough.
    quantised: Option<Quantised>,
    field: Option<HarmonicField>,
    corrections: Vec<u8>,
}

impl<'a, T: Element> Pointwise<'a, T> {
    pub(super) fn new(problem: &'a Problem<'a, T>, analysis: &'a Analysis, eps: f64) -> Self {
        Self { problem, analysis, eps, steps: Default::default() }
    }

    /// The detail at the first step, or with some effort at the bottom of the valley; `None` where no step can be taken.
    pub(super) fn detail(&self, effort: Effort) -> Option<Candidate> {
        let mut here = self.place(self.first())?;
        let mut way = None;
        let moves = if without(Part::StepSearch) { 0 } else { effort.moves };
        for _ in 0..moves {
            let Some((next, onward)) = self.promising(&here, way) else { break };
            (here.quantised, here.field) = (None, None);
            let Some((there, saved)) = self.place(next).zip(self.saved(here.at, next)) else { break };
            if there.corrections.len() as f64 - here.corrections.len() as f64 >= saved {
                break;
            }
            (here, way) = (there, Some(onward));
        }
        let step = self.step(here.at)?;
        let quantised = here.quantised.unwrap_or_else(|| self.analysis.quantised(step));
        let field = here.field.filter(|_| effort.quick);
        Some(Candidate { corrections: here.corrections, field, ..Candidate::harmonic(self.analysis, quantised) })
    }

    /// Smooth fields at loose bounds have few large errors, so that larger steps pay.
    fn first(&self) -> usize {
        match self.eps / self.problem.range() {
            r if r > 0.03 => 8,
            r if r > 3e-3 => 6,
            r if r > 3e-4 => 4,
            _ => 3,
        }
    }

    fn step(&self, at: usize) -> Option<&Step> {
        let size = short(STEPS.get(at)? * self.eps);
        let step = || self.analysis.fits(size).then(|| self.analysis.step(size));
        self.steps[at].get_or_init(step).as_ref()
    }

    fn place(&self, at: usize) -> Option<Place> {
        let (quantised, field) = self.analysis.at(self.step(at)?);
        let corrections = correct(self.problem, &field, self.eps);
        Some(Place { at, quantised: Some(quantised), field: Some(field), corrections })
    }

    /// About the bytes of coefficients that one step has more than another.
    fn saved(&self, from: usize, to: usize) -> Option<f64> {
        let (from, to) = (self.step(from)?, self.step(to)?);
        let (doublings, fewer) = ((to.size / from.size).log2(), from.nonzeros() - to.nonzeros());
        let nonzeros = (0.5 * (from.nonzeros() + to.nonzeros())).max(1.0);
        let sparse = (self.problem.count as f64 / nonzeros).max(1.0).log2();
        let [kept, zeroed, place] = SAVED;
        Some((kept * nonzeros * doublings + (zeroed + place * sparse) * fewer) / 8.0)
    }

    /// The next step up (`true`) or down, or the one that was gone `way`, where it may lie deeper.
    fn promising(&self, here: &Place, way: Option<bool>) -> Option<(usize, bool)> {
        let ways = [true, false].map(|up| {
            let up = way.is_none_or(|w| w == up).then_some(up)?;
            let to = if up { here.at + 1 } else { here.at.checked_sub(1)? };
            let grown = self.step(to)?.rmse / self.step(here.at)?.rmse;
            (grown > 0.0).then_some((to, up, grown))
        });
        let limits = ways.map(|w| w.map_or(1.0, |(.., grown)| 1.0 / grown));
        let [missed, above, below] = self.beyond(here.field.as_ref()?, [1.0, limits[0], limits[1]]);
        let change = |(w, n): (Option<(usize, bool, f64)>, f64)| {
            let (to, up, _) = w?;
            let more = self.corrected(here, missed, n) - here.corrections.len() as f64;
            let more = if more > 0.0 { more * HOPE } else { more / HOPE };
            Some((more - self.saved(here.at, to)?, to, up))
        };
        let best = ways.into_iter().zip([above, below]).filter_map(change).min_by(|a, b| a.0.total_cmp(&b.0));
        best.filter(|b| b.0 < 0.0).map(|(_, to, up)| (to, up))
    }

    /// About the bytes of `n` corrections, where there are `missed` now.
    fn corrected(&self, here: &Place, missed: f64, n: f64) -> f64 {
        let bits = if missed > 0.0 {
            let now = 8.0 * here.corrections.len() as f64 / missed;
            (now - CLUSTERED * (n.max(0.5) / missed).log2()).max(LEAST_BITS)
        } else {
            (self.problem.count as f64 / n.max(1.0)).log2() + FIRST_BITS
        };
        n * bits / 8.0
    }

    /// How many ordinary values are off by more than each of some limits, in units of the bound.
    fn beyond(&self, field: &HarmonicField, limits: [f64; 3]) -> [f64; 3] {
        let limits = limits.map(|l| l * self.eps);
        let mut decoded = vec![T::zeroed(); self.problem.geometry.width];
        let mut counts = [0.0; 3];
        for (y, values) in self.problem.values.chunks(decoded.len()).enumerate() {
            let (start, decoded) = (y * decoded.len(), &mut decoded[..values.len()]);
            field.rounded(start, decoded);
            if let Some(classes) = &self.problem.classes {
                let masked = classes[start..].iter().zip(values).zip(&mut *decoded).filter(|((c, _), _)| **c != 0);
                masked.for_each(|((_, &v), d)| *d = v);
            }
            let row = run_wide(
                #[inline(always)]
                || {
                    values.iter().zip(&*decoded).fold([0u32; 3], |[a, b, c], (v, d)| {
                        let error = (v.to_f64() - d.to_f64()).abs();
                        [
                            a + u32::from(error > limits[0]),
                            b + u32::from(error > limits[1]),
                            c + u32::from(error > limits[2]),
                        ]
                    })
                },
            );
            counts.iter_mut().zip(row).for_each(|(n, r)| *n += f64::from(r));
        }
        counts
    }
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
