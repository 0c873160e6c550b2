//! Fitting of SIRENs (Sitzmann et al. 2020) by hand-written training: the low and middle bands of the hierarchy.

mod adam;
mod fit;
mod gauss_newton;
mod head;
mod init;
mod normal;
mod quantise;
mod tape;
#[cfg(test)]
mod tests;

use crate::format::network::Shape;
use adam::Schedule;
pub(crate) use fit::fit;
use gauss_newton::Steps;
pub(crate) use init::Frequencies;
use init::Random;
use std::f32::consts::TAU;

/// How to fit.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) frequencies: Frequencies,
    /// Deviation of the hidden layers' pre-activations at the start, in radians.
    pub(crate) gain: f32,
    pub(crate) seed: u64,
    /// Networks that are started on few points; the best goes on.
    pub(crate) starts: u64,
    /// Points of those starts, and their steps.
    pub(crate) points_at_start: usize,
    pub(crate) steps_at_start: usize,
    /// Levenberg-Marquardt on all points.
    pub(crate) steps: Steps,
    /// Shapes with more parameters are fitted by Adam.
    pub(crate) most_for_newton: usize,
    pub(crate) adam: Schedule,
}

impl Options {
    /// What serves most fields.
    pub(crate) fn new(frequencies: Frequencies, shape: Shape) -> Self {
        Self {
            frequencies,
            gain: 1.0,
            seed: 0,
            starts: 4,
            points_at_start: 1000,
            steps_at_start: 6,
            steps: Steps { most: 20, patience: 3, least: 0.01, damping: 1e-2 },
            most_for_newton: 1000,
            adam: Schedule {
                steps: 600,
                batch: 16_384,
                rates: vec![1e-2 / TAU; shape.layers()],
                seed: 1,
                looks: 10,
                least: 1e-3,
            },
        }
    }
}

/// Points and what the network shall give there. All arrays are planar.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Samples<'a> {
    /// `[inputs][n]`.
    points: &'a [f32],
    /// `[outputs][n]`.
    targets: &'a [f32],
    n: usize,
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

    /// The targets of `count` points from `at` on, a row of `stride` for each output; the rest is 0.
    fn block(&self, at: usize, count: usize, stride: usize, rows: &mut [f32]) {
        for (plane, row) in self.targets.chunks_exact(self.n).zip(rows.chunks_exact_mut(stride)) {
            row[..count].copy_from_slice(&plane[at..at + count]);
            row[count..].fill(0.0);
        }
    }
}

/// Samples of its own.
struct Owned {
    points: Vec<f32>,
    targets: Vec<f32>,
    n: usize,
}

impl Owned {
    fn view(&self) -> Samples<'_> {
        Samples { points: &self.points, targets: &self.targets, n: self.n }
    }
}

impl Samples<'_> {
    /// About `n` of the samples, drawn with a fixed seed: one of each of `n` equal stretches.
    fn thinned(&self, n: usize) -> Owned {
        let n = n.min(self.n);
        let mut random = Random(1);
        let stretch = |k: usize| k * self.n / n..(k + 1) * self.n / n;
        let chosen: Vec<usize> = (0..n).map(stretch).map(|s| s.start + random.next() as usize % s.len()).collect();
        let pick = |planes: &[f32]| planes.chunks_exact(self.n).flat_map(|p| chosen.iter().map(|&i| p[i])).collect();
        Owned { points: pick(self.points), targets: pick(self.targets), n }
    }
}
