//! Values that many elements have: the zeros of sea ice, the ends of fractions. A lattice that holds them errs on all others
//! only, so that its step may be larger.

use super::problem::Problem;
use crate::array::Element;

/// Elements looked at.
const SAMPLE: usize = 4096;
/// One in so many makes an atom.
const SHARE: usize = 10;

/// Up to two frequent values.
pub(super) struct Atoms {
    least: f64,
    /// The most frequent one, or the least value.
    first: f64,
    /// How far away the other one is.
    distance: Option<f64>,
}

impl Atoms {
    /// None but the least value.
    pub(super) fn least<T: Element>(problem: &Problem<T>) -> Self {
        let least = problem.extremes.map_or(0.0, |(lo, _)| lo.to_f64());
        Self { least, first: least, distance: None }
    }

    pub(super) fn of<T: Element>(problem: &Problem<T>) -> Self {
        let least = Self::least(problem).least;
        let stride = problem.values.len().div_ceil(SAMPLE).max(1);
        let places = (stride / 2..problem.values.len()).step_by(stride).filter(|&i| problem.ordinary(i));
        let mut sample: Vec<f64> = places.map(|i| problem.values[i].to_f64()).collect();
        sample.sort_unstable_by(f64::total_cmp);
        let mut runs: Vec<(usize, f64)> = sample.chunk_by(|a, b| a == b).map(|run| (run.len(), run[0])).collect();
        runs.retain(|(n, _)| n * SHARE >= sample.len());
        runs.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.total_cmp(&b.1)));
        let first = runs.first().map_or(least, |r| r.1);
        let distance = runs.get(1).map(|r| (r.1 - first).abs()).filter(|d| d.is_finite());
        Self { least, first, distance }
    }

    /// The greatest step up to `step` that leads from one to the other.
    pub(super) fn aligned(&self, step: f64) -> f64 {
        match self.distance {
            Some(d) if d >= step => d / (d / step).ceil(),
            _ => step,
        }
    }

    /// The lattice point at the least value, or just below it.
    pub(super) fn offset(&self, step: f64) -> f64 {
        let steps = ((self.first - self.least) / step).ceil();
        if steps > 0.0 && steps.is_finite() { self.first - steps * step } else { self.least }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lattices_hold_the_atoms() {
        let one = Atoms { least: -0.97, first: 0.0, distance: None };
        let offset = one.offset(0.3);
        assert!(offset <= -0.97 && offset > -1.27 && offset + 4.0 * 0.3 == 0.0, "{offset}");
        let two = Atoms { least: 0.0, first: 1.0, distance: Some(1.0) };
        assert_eq!((two.aligned(0.3), two.aligned(2.0)), (0.25, 2.0));
        assert_eq!(two.offset(0.25), 0.0);
        let none = Atoms { least: 3.0, first: 3.0, distance: None };
        assert_eq!((none.aligned(0.3), none.offset(0.3)), (0.3, 3.0));
    }
}
