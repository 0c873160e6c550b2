//! What transforms are chosen for.

/// The share of the squared error at the target that what is left out may have.
const MOST_DROPPED: f64 = 0.8;

/// The error that transforms are chosen for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Aim {
    /// The root mean square.
    pub(crate) rmse: f64,
    /// The elements it is taken over, as a share of all: the masked ones do not count.
    pub(crate) counted: f64,
}

impl Aim {
    /// The most that may be left out of so many elements: a sum of squares.
    pub(super) fn most_dropped(self, elements: f64) -> f64 {
        MOST_DROPPED * self.rmse * self.rmse * self.counted * elements
    }

    /// Of a field whose elements all count.
    #[cfg(any(test, feature = "bench"))]
    pub(crate) const fn all(rmse: f64) -> Self {
        Self { rmse, counted: 1.0 }
    }

    /// With the root mean square divided by `scale`.
    pub(super) fn scaled(self, scale: f64) -> Self {
        Self { rmse: self.rmse / scale, ..self }
    }
}
