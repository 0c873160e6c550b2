//! How the networks of a stage are made: size, start, training, rounding.

use super::siren::adam::Schedule;
use super::siren::{self, Fitter, Frequencies, Job, Options, Samples, quantise};
use crate::arith::Isa;
use crate::format::network::{Network, Quantised, Shape};
use crate::worker::Worker;
use std::f32::consts::TAU;

/// A stage's networks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Recipe {
    pub(crate) depth: usize,
    pub(crate) width: usize,
    pub(crate) training: Training,
}

/// How to train.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Training {
    /// As `siren` does it for small networks: two starts, Levenberg-Marquardt. `exchange` is what halving the squared
    /// error is worth, in bytes, `bandwidth` that of the first layer for each input, where it is not the usual one.
    Small { exchange: f64, bandwidth: Option<f32> },
    /// The paper's: Adam with cosine annealing from 1e-4. `omega` is the frequency of Sitzmann et al. 2020: first wave vectors
    /// are even up to `omega` radians a unit, over the number of inputs.
    Adam { omega: f32, steps: usize, batch: usize },
}

/// Where a network's first layer starts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Start {
    /// At random frequencies of the recipe's bandwidth.
    Random,
    /// From these wave vectors (`Frequencies::Waves`).
    Waves(Vec<f32>),
}

/// Bandwidth of small networks' first layers for single planes, radians a unit.
const PLANE_BANDWIDTH: f32 = 4.0;
/// The paper's learning rate.
const RATE: f32 = 1e-4;

impl Recipe {
    /// Fit and round; the integers and the sum of squared residuals of what they stand for. `elements` is how many the
    /// samples stand for, `start` where the first layer starts.
    pub(crate) fn make(
        &self,
        samples: &Samples<'_>,
        shape: Shape,
        start: Start,
        elements: usize,
        worker: &Worker,
    ) -> (Quantised, f64) {
        let isa = worker.cpu.isa;
        let mut options = Options::new(shape);
        match self.training {
            Training::Small { bandwidth, .. } => {
                if let Some(bandwidth) = bandwidth {
                    options.frequencies = Frequencies::Even(bandwidth);
                }
            }
            Training::Adam { omega, steps, batch } => {
                options.frequencies = Frequencies::Even(omega / shape.inputs() as f32);
                options.starts = 1;
                options.most_for_newton = 0;
                options.adam = schedule(shape, omega, steps, batch);
            }
        }
        if let Start::Waves(waves) = start {
            options.frequencies = Frequencies::Waves(waves);
        }
        let fits = worker.fit(&[Job { samples: *samples, shape, options }]);
        let network = fits.into_iter().next().map_or_else(|| Network::zeros(shape), |f| f.network);
        let exchange = match self.training {
            Training::Small { exchange, .. } => exchange,
            // Halving the squared error saves about half a bit an element in what follows.
            Training::Adam { .. } => elements as f64 / 16.0,
        };
        quantise(network, samples, exchange, isa)
    }

    /// Train on from a quantised network of the recipe, with a quarter of the steps, and round with its steps.
    pub(crate) fn remake(&self, before: &Quantised, samples: &Samples<'_>, isa: Isa) -> (Quantised, f64) {
        let shape = before.shape;
        let schedule = match self.training {
            Training::Small { .. } => schedule(shape, 1.0, 40, 4096),
            Training::Adam { omega, steps, batch } => schedule(shape, omega, steps.div_ceil(4), batch),
        };
        siren::retrain(before, samples, &schedule, isa)
    }

    /// The same for networks of this many slices.
    pub(crate) fn for_slices(mut self, slices: usize) -> Self {
        if let (1, Training::Small { bandwidth, .. }) = (slices, &mut self.training) {
            *bandwidth = Some(PLANE_BANDWIDTH);
        }
        self
    }

    /// Waves that its networks start from. Training by Adam is far from done when it ends, and goes two to eight times
    /// further from the block's own waves; small networks, fitted to the end, come out worse (`benches/PAPER.md`).
    pub(crate) const fn waves(&self) -> Option<usize> {
        match self.training {
            Training::Small { .. } => None,
            Training::Adam { .. } => Some(self.width / 2),
        }
    }

    /// The shape of its networks, if there is such a network.
    pub(crate) fn shape(&self, inputs: usize) -> Option<Shape> {
        Shape::new(inputs, self.depth, self.width, 1).ok()
    }
}

/// Cosine annealing from the paper's rate, which applies to weights that do not hold the frequency; here they do.
fn schedule(shape: Shape, omega: f32, steps: usize, batch: usize) -> Schedule {
    let mut rates = vec![RATE * omega / TAU; shape.depth()];
    rates.push(RATE);
    Schedule { steps, batch, rates, seed: 1, looks: 5, least: 1e-3 }
}
