//! How Levenberg-Marquardt of a small network is laid over a block: the defines of `kernels/newton.cu`, which checks the
//! sum of bytes when it is compiled.

use crate::format::network::Shape;

/// Losses that the kernel remembers.
pub(super) const HISTORY: usize = 16;
/// Side of the square of sums that a thread has.
const SIDE: usize = 8;

/// What the kernel is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SmallPlan {
    pub(crate) shape: Shape,
    /// Samples of a tile.
    pub(crate) samples: usize,
    /// Threads of a block.
    pub(crate) threads: usize,
    /// Shared memory of a block.
    pub(crate) shared_bytes: usize,
}

impl SmallPlan {
    /// With `shared_limit` bytes of shared memory a block; `None` if they are too few.
    pub(crate) fn new(shape: Shape, shared_limit: usize) -> Option<Self> {
        let squares = Self::rows(shape) / SIDE;
        let squares = squares * (squares + 1) / 2;
        // The fewest idle threads in the last round over the squares.
        let threads = [256, 320, 384, 448, 512].into_iter().min_by_key(|t| squares.next_multiple_of(*t))?;
        // The longest tile: each costs a round trip of all sums.
        [64, 32, 16, 8].into_iter().map(|s| Self::with(shape, s, threads)).find(|p| p.shared_bytes <= shared_limit)
    }

    pub(crate) fn with(shape: Shape, samples: usize, threads: usize) -> Self {
        let (rows, layers) = (Self::rows(shape), shape.depth() * shape.width());
        let tape = (shape.inputs() + 3 * layers + 2 * shape.outputs()) * samples;
        let held = shape.parameters().next_multiple_of(4);
        let doubles = rows + threads + HISTORY + samples / 2;
        let floats = 2 * held + tape + samples * (rows + 4) + 2 * doubles;
        Self { shape, samples, threads, shared_bytes: 4 * floats }
    }

    /// Rows of the normal equations: parameters and residual.
    pub(super) fn rows(shape: Shape) -> usize {
        (shape.parameters() + 1).next_multiple_of(SIDE)
    }

    /// Rows of the head's: its inputs, the bias and the targets.
    pub(super) fn head_rows(shape: Shape) -> usize {
        (shape.width() + 1 + shape.outputs()).next_multiple_of(SIDE)
    }

    /// Defines for the compiler, `HIHA_NAME=value`.
    pub(crate) fn defines(&self) -> Vec<String> {
        [
            ("INPUTS", self.shape.inputs()),
            ("DEPTH", self.shape.depth()),
            ("WIDTH", self.shape.width()),
            ("OUTPUTS", self.shape.outputs()),
            ("SAMPLES", self.samples),
            ("THREADS", self.threads),
            ("SHARED_BYTES", self.shared_bytes),
        ]
        .map(|(name, value)| format!("HIHA_{name}={value}"))
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::plan::{A100_SHARED, CONSUMER_SHARED, H100_SHARED};

    /// Up to the 1000 parameters that the encoder fits in this way.
    #[test]
    fn every_small_shape_has_a_plan() {
        for (i, d, w, o) in (8..=256).flat_map(|w| [(2, 1, w, 1), (3, 2, w, 1), (3, 3, w, 1), (5, 5, w, 8)]) {
            let shape = Shape::new(i, d, w, o).unwrap();
            if shape.parameters() <= 1000 {
                for limit in [CONSUMER_SHARED, A100_SHARED, H100_SHARED] {
                    assert!(SmallPlan::new(shape, limit).unwrap().shared_bytes <= limit);
                }
            }
        }
        let usual = SmallPlan::new(Shape::new(3, 3, 12, 1).unwrap(), A100_SHARED).unwrap();
        assert_eq!((usual.samples, usual.threads), (64, 384));
        assert_eq!(SmallPlan::new(usual.shape, 10_000), None);
    }
}
