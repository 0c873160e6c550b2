//! What networks in a stream may ask of a decoder: a hostile one must not ask for hours.

use crate::error::{Result, corrupt};

/// Multiplications of all networks: this many, and some for each element of the array.
const WORK: u64 = 1 << 30;
const WORK_PER_ELEMENT: u64 = 1 << 18;
/// Most multiplications of all networks.
const MOST_WORK: u64 = 1 << 43;
/// Most parameters of all networks: this many, and some for each element.
const PARAMETERS: u64 = 1 << 20;
const PARAMETERS_PER_ELEMENT: u64 = 8;

/// What is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    work: u64,
    parameters: u64,
}

impl Budget {
    /// For the networks of an array of this many elements.
    pub(crate) fn new(elements: usize) -> Self {
        let n = elements as u64;
        Self {
            work: n.saturating_mul(WORK_PER_ELEMENT).saturating_add(WORK).min(MOST_WORK),
            parameters: n.saturating_mul(PARAMETERS_PER_ELEMENT).saturating_add(PARAMETERS),
        }
    }

    /// Would a network of `parameters`, evaluated at `points`, be allowed?
    pub(crate) const fn allows(&self, parameters: usize, points: usize) -> bool {
        let work = (parameters as u64).saturating_mul(points as u64);
        work <= self.work && parameters as u64 <= self.parameters
    }

    /// Take one network's share. `offset` is where the stream asks for it.
    pub(crate) fn charge(&mut self, parameters: usize, points: usize, offset: usize) -> Result<()> {
        if !self.allows(parameters, points) {
            return corrupt(
                offset,
                format!("networks ask for more than {self:?}: {parameters} parameters at {points} points"),
            );
        }
        self.work -= parameters as u64 * points as u64;
        self.parameters -= parameters as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spent_means_refused() {
        let mut budget = Budget::new(1000);
        assert!(budget.charge(200_000, 5000, 7).is_ok());
        assert!(budget.charge(200_000, 5000, 7).is_err(), "work");
        assert!(budget.charge(2_000_000, 1, 7).is_err(), "parameters");
        assert!(budget.allows(800_000, 1));
        assert!(!Budget::new(usize::MAX).allows(1 << 22, 1 << 22));
    }
}
