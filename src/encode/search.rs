//! The search for the step whose error is just below a goal: secants between the logarithms of steps and errors.

/// The least and greatest power of a step by which its error can be steered.
const POWERS: (f64, f64) = (0.1, 1.2);
/// Where an error is still more than this share of that at twice the step, it does not depend on the step.
const FLAT: f64 = 0.97;
/// Steps of nearly this ratio, or less, tell nothing of the power.
const NEAR: f64 = 0.015;
/// A bracket that is closed, as a ratio of steps.
const CLOSED: f64 = 1.0005;

/// Steps that were tried, and their errors.
pub(super) struct Search {
    goal: f64,
    /// The error grows as about this power of the step: 1 where all is quantised, less where most is zero.
    pub(super) power: f64,
    tries: Vec<(f64, f64)>,
    /// The last on either side of the goal.
    low: Option<(f64, f64)>,
    high: Option<(f64, f64)>,
}

impl Search {
    pub(super) const fn new(goal: f64, power: f64) -> Self {
        Self { goal, power, tries: Vec::new(), low: None, high: None }
    }

    /// The last step that was tried with an error of at most the goal.
    pub(super) fn low(&self) -> Option<f64> {
        self.low.map(|l| l.0)
    }

    /// What to try after a step that had this error; `None` where nothing better is to be expected.
    pub(super) fn next(&mut self, step: f64, error: f64) -> Option<f64> {
        let here = (step, error);
        let side = if error <= self.goal { &mut self.low } else { &mut self.high };
        *side = Some(here);
        let other = match (self.low, self.high) {
            (Some(l), Some(h)) => Some(if here == l { h } else { l }),
            _ => self.tries.last().copied(),
        };
        if self.low.is_none() && self.tries.iter().any(|t| t.0 >= 2.0 * step && error > FLAT * t.1) {
            return None;
        }
        self.tries.push(here);
        if let Some(other) = other.filter(|other| (step / other.0).ln().abs() > NEAR) {
            self.power = (error / other.1).ln() / (step / other.0).ln();
        }
        self.power = self.power.clamp(POWERS.0, POWERS.1);
        let ratio = (self.goal / error).powf(1.0 / self.power).clamp(0.25, 4.0);
        if !ratio.is_finite() || error == 0.0 {
            return None;
        }
        let next = step * ratio;
        let Some((low, high)) = self.low.zip(self.high) else { return Some(next) };
        let (least, most) = (low.0.min(high.0), low.0.max(high.0));
        match next > least && next < most {
            _ if most < least * CLOSED => None,
            true => Some(next),
            false => Some((least * most).sqrt()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps until the error is within a thousandth below the goal.
    fn steps(error: impl Fn(f64) -> f64, goal: f64) -> Option<usize> {
        let (mut search, mut step) = (Search::new(goal * 0.9995, 0.6), 1.0);
        for n in 1..=24 {
            let e = error(step);
            if e <= goal && e > 0.999 * goal {
                return Some(n);
            }
            step = search.next(step, e)?;
        }
        None
    }

    #[test]
    fn powers_take_few_tries_and_bends_some_more() {
        for power in [0.3, 0.6, 1.0] {
            for goal in [0.4, 0.9, 3.0] {
                assert!(steps(|s| s.powf(power), goal).unwrap() <= 4);
                assert!(steps(|s| (s * s / (1.0 + s)).powf(power), goal).unwrap() <= 8);
            }
        }
    }

    #[test]
    fn an_error_that_stays_ends_the_search() {
        assert_eq!(steps(|s| 2.0 + 1e-9 * s, 1.0), None);
        let (mut search, mut step, mut tries) = (Search::new(1.0, 0.6), 1.0, 0);
        // A jump over the goal.
        while let Some(next) = search.next(step, if step > 0.7 { 1.01 } else { 0.9 }) {
            (step, tries) = (next, tries + 1);
        }
        assert!(tries < 16 && search.low().is_some());
    }
}
