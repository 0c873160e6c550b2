//! The lattice coder as the rival of a transform: what it would need, looked into no further than is asked.

use super::effort::Effort;
use super::glance::{Glance, is_coarse};
use super::lattice::Plan;
use super::problem::{Problem, Target};
use crate::ablation::{Part, without};
use crate::array::Element;
use std::cell::OnceCell;

/// What a transform needs over what it promises where single values are bounded, for its corrections, at least.
const CORRECTED: f64 = 1.05;
/// A transform is larger where a glance says less than this share of what it promises, ..
const GLANCE: f64 = 1.0;
/// .. or where the lattice coder's own estimate does, unless a glance says so many times of it.
const ESTIMATE: f64 = 0.92;
const DOUBTED: f64 = 1.5;
/// A transform is smaller where that estimate says so many times its bytes. Of 345 cells that a glance left open (161 fields, 8
/// bounds) two were not.
const MARGIN: f64 = 1.06;

/// The lattice coder of a problem.
pub(super) struct Rival<'a, T: Clone> {
    problem: &'a Problem<'a, T>,
    effort: Effort,
    glance: OnceCell<Option<Glance>>,
    plan: OnceCell<Plan>,
    estimate: OnceCell<Option<f64>>,
}

impl<'a, T: Element> Rival<'a, T> {
    pub(super) fn new(problem: &'a Problem<'a, T>, effort: Effort) -> Self {
        let (glance, plan, estimate) = Default::default();
        Self { problem, effort, glance, plan, estimate }
    }

    pub(super) fn plan(&self) -> &Plan {
        self.plan.get_or_init(|| Plan::new(self.problem, self.effort))
    }

    fn glance(&self) -> Option<&Glance> {
        let glance = || if without(Part::Glance) { None } else { Glance::new(self.problem) };
        self.glance.get_or_init(glance).as_ref()
    }

    /// Its bytes at a glance over those of something else.
    fn seen(&self, others: f64) -> Option<f64> {
        self.glance().map(|glance| glance.bytes / others)
    }

    /// Its bytes by its own estimate over those of something else.
    fn estimated(&self, others: f64) -> Option<f64> {
        let estimate = || self.plan().estimate(self.problem, self.effort, self.glance());
        self.estimate.get_or_init(estimate).map(|bytes| bytes / others)
    }

    /// Is it clearly smaller than a transform that promises so many bytes and is not coded yet?
    pub(super) fn undercuts(&self, promised: f64) -> bool {
        let single = matches!(self.problem.target, Target::MaxAbs(_));
        let transform = if single { CORRECTED * promised } else { promised };
        match self.seen(transform) {
            Some(seen) if seen < GLANCE => true,
            Some(seen) if seen > DOUBTED => false,
            _ => self.estimated(transform).is_some_and(|share| share < ESTIMATE),
        }
    }

    /// Is it out of the question, at a glance, beside a transform of so many bytes?
    pub(super) fn is_unlikely(&self, bytes: usize) -> bool {
        self.seen(bytes as f64).is_some_and(|seen| seen > self.effort.doubt()) && !is_coarse(self.problem)
    }

    /// Is it larger than a transform of so many bytes, by its own estimate?
    pub(super) fn is_larger(&self, bytes: usize) -> bool {
        self.estimated(bytes as f64).is_some_and(|share| share > MARGIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::problem::tests::{noise, plane};

    /// The estimate of noise, calmer below, is right; a transform loses that promises more, and wins with less.
    #[test]
    fn close_and_far() {
        let field = |i: usize| if i < 64 * 512 { noise(i) } else { 0.1 * noise(i) };
        let problem = plane(field, 256, 512, Target::MaxAbs(0.001));
        let rival = Rival::new(&problem, Effort::new(5));
        let bytes = rival.plan().encode(&problem, None).len() as f64;
        let off = rival.estimated(bytes).unwrap();
        assert!((0.95..1.05).contains(&off), "{off}");
        assert!(rival.undercuts(1.3 * bytes));
        assert!(!rival.undercuts(0.9 * bytes));
        assert!(rival.is_larger((0.85 * bytes) as usize));
        assert!(!rival.is_larger(bytes as usize));
        assert!(!rival.is_unlikely(bytes as usize));
        assert!(rival.is_unlikely((0.3 * bytes) as usize));
    }
}
