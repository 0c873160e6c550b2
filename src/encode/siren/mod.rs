//! Fitting of SIRENs (Sitzmann et al. 2020) by hand-written training: the low and middle bands of the hierarchy.

pub(crate) mod adam;
mod fit;
mod gauss_newton;
#[cfg(feature = "cuda")]
mod gpu;
#[cfg(all(test, feature = "cuda"))]
mod gpu_tests;
mod head;
pub(crate) mod init;
mod normal;
mod quantise;
mod rounding;
pub(crate) mod tape;
#[cfg(test)]
mod tests;

pub(crate) use crate::arith::Samples;
use crate::arith::{Cpu, for_each_part};
use crate::format::network::{Network, Shape};
use crate::worker::Worker;
use adam::Schedule;
pub(crate) use fit::fit;
use gauss_newton::Steps;
pub(crate) use init::Frequencies;
use init::Random;
pub(crate) use quantise::quantise;
pub(crate) use rounding::retrain;
use std::f32::consts::TAU;

/// Bandwidth of the first layer, radians a unit summed over the inputs.
const OMEGA: f32 = 10.0;

/// How to fit.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) frequencies: Frequencies,
    /// Deviation of the hidden layers' pre-activations at the start, in radians.
    pub(crate) gain: f32,
    pub(crate) seed: u64,
    /// Networks that Adam starts on few points; the best goes on.
    pub(crate) starts: u64,
    /// Points of those starts (never fewer than twice the parameters).
    pub(crate) points_at_start: usize,
    pub(crate) adam: Schedule,
    /// Then Levenberg-Marquardt on this many points for each parameter, and its steps.
    pub(crate) points_between: usize,
    pub(crate) steps_between: usize,
    /// At last Levenberg-Marquardt on all points.
    pub(crate) steps: Steps,
    /// Shapes with more parameters are fitted by Adam alone, on all points.
    pub(crate) most_for_newton: usize,
}

impl Options {
    /// What serves most fields whose coordinates lie in -1..=1.
    pub(crate) fn new(shape: Shape) -> Self {
        Self {
            frequencies: Frequencies::Even(OMEGA / shape.inputs() as f32),
            gain: 1.0,
            seed: 0,
            starts: 2,
            points_at_start: 1000,
            points_between: 4,
            steps_between: 25,
            adam: Schedule {
                steps: 1000,
                batch: 16_384,
                rates: vec![1e-2 / TAU; shape.layers()],
                seed: 1,
                looks: 10,
                least: 1e-3,
            },
            steps: Steps { most: 15, patience: 3, least: 0.01, damping: 1.0 },
            most_for_newton: 1000,
        }
    }
}

/// A fitted network.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fit {
    pub(crate) network: Network,
    /// Sum of squared residuals over the samples and outputs.
    pub(crate) loss: f64,
}

/// A network to fit.
#[derive(Debug, Clone)]
pub(crate) struct Job<'a> {
    pub(crate) samples: Samples<'a>,
    pub(crate) shape: Shape,
    pub(crate) options: Options,
}

/// What fits networks. Results of different fitters differ in more than rounding.
pub(crate) trait Fitter {
    /// One fit for each job, in order.
    fn fit(&self, jobs: &[Job<'_>]) -> Vec<Fit>;
}

impl Fitter for Cpu {
    fn fit(&self, jobs: &[Job<'_>]) -> Vec<Fit> {
        let mut fits: Vec<Option<Fit>> = vec![None; jobs.len()];
        for_each_part(&mut fits, 1, self.threads, |i, slot| {
            let job = &jobs[i];
            slot[0] = Some(fit(&job.samples, job.shape, &job.options, self.isa));
        });
        fits.into_iter().flatten().collect()
    }
}

impl Fitter for Worker {
    fn fit(&self, jobs: &[Job<'_>]) -> Vec<Fit> {
        #[cfg(feature = "cuda")]
        if let Some(gpu) = &self.gpu {
            return gpu.fit(jobs);
        }
        self.cpu.fit(jobs)
    }
}

impl Samples<'_> {
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
