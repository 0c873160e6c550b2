//! What a fit on any device is told.

use super::cos_pi;
use crate::format::network::Shape;

/// Decay of Adam's moments.
pub(crate) const BETA: [f32; 2] = [0.9, 0.99];
/// Keeps Adam's quotients finite.
pub(crate) const EPSILON: f32 = 1e-10;

/// Points and what a network shall give there. All arrays are planar.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Samples<'a> {
    /// `[inputs][n]`.
    pub(crate) points: &'a [f32],
    /// `[outputs][n]`.
    pub(crate) targets: &'a [f32],
    pub(crate) n: usize,
}

impl<'a> Samples<'a> {
    /// `points` is `[inputs][n]`, `targets` is `[outputs][n]`; both must fit `shape`.
    pub(crate) fn new(shape: Shape, points: &'a [f32], targets: &'a [f32]) -> Self {
        let n = targets.len() / shape.outputs();
        assert_eq!((points.len(), targets.len()), (n * shape.inputs(), n * shape.outputs()));
        Self { points, targets, n }
    }

    /// Number of points.
    pub(crate) const fn len(&self) -> usize {
        self.n
    }
}

/// How Adam (Kingma and Ba 2015) with cosine annealing (Loshchilov and Hutter 2017) descends.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pub(crate) steps: usize,
    /// Points of a step; all if there are no more. The processor rounds up to whole blocks.
    pub(crate) batch: usize,
    /// Learning rate of each layer at the start; it falls to 0 as a half cosine.
    pub(crate) rates: Vec<f32>,
    pub(crate) seed: u64,
    /// Look at the loss after each of this many equal parts of the steps, and stop when it falls by less than `least`
    /// of it.
    pub(crate) looks: usize,
    pub(crate) least: f64,
}

impl Schedule {
    /// Steps from one look to the next.
    pub(crate) fn look(&self) -> usize {
        self.steps.div_ceil(self.looks.max(1)).max(1)
    }

    /// Factor of the rates in a step: half a cosine from 1 to 0, the same on every processor.
    pub(crate) fn annealed(&self, step: usize) -> f64 {
        0.5 + 0.5 * cos_pi(step as u64, self.steps as u64)
    }
}
