//! Networks, for benches.

use crate::Device;
use crate::arith::{Cpu, Evaluator, Isa, fused_multiply_adds};
use crate::decode::low::evaluate;
use crate::encode::low;
use crate::encode::siren::adam::{Schedule, descend};
use crate::encode::siren::init::start;
use crate::encode::siren::tape::Tape;
use crate::encode::siren::{Fit, Frequencies, Options, Samples, fit, quantise};
use crate::entropy::range::Encoder;
use crate::entropy::weights;
use crate::format::Geometry;
use crate::format::low::LowParams;
use crate::format::network::{Network, Quantised, Shape};
use crate::worker::Worker;

/// A fitted network.
pub struct Fitted {
    network: Network,
    /// Sum of squared residuals on its samples.
    pub loss: f64,
}

/// One core.
fn worker() -> Worker {
    Worker::open(Device::Cpu, Cpu { isa: Isa::detect(), threads: 1 }).expect("the processor")
}

/// The low band of a chunk as the encoder makes it, every size and setting its own.
pub struct Base {
    params: LowParams,
    network: Quantised,
    geometry: Geometry,
    bytes: usize,
}

impl Base {
    /// Fit to an array of this shape on one core; `None` where the encoder would not.
    #[must_use]
    pub fn fit(data: &[f32], shape: &[usize], periodic: bool) -> Option<Self> {
        let geometry = Geometry::new(shape, periodic);
        let worker = worker();
        let (params, mut network) = low::fit_network(|i| f64::from(data[i]), &geometry, low::Design::SMALL, &worker)?;
        let mut encoder = Encoder::new();
        weights::code(&mut encoder, &mut network);
        Some(Self { params, network, geometry, bytes: encoder.finish().len() })
    }

    /// Its values at all elements.
    #[must_use]
    pub fn evaluate(&self) -> Vec<f32> {
        let worker = worker();
        evaluate(&self.params, &self.network.network(), &self.geometry, &worker)
    }

    /// Of the coded parameters.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Settings that benches turn.
pub struct Settings {
    /// Bandwidth of the first layer for each input.
    pub frequencies: Vec<f32>,
    /// Deviation of hidden pre-activations.
    pub gain: f32,
    /// First seed.
    pub seed: u64,
    /// Points of the starts.
    pub points: usize,
    /// Networks started.
    pub starts: u64,
    /// Steps on all points.
    pub steps: usize,
    /// Damping at the start.
    pub damping: f64,
    /// Steps of Adam instead, if not 0.
    pub adam: usize,
    /// Learning rate.
    pub rate: f32,
}

impl Default for Settings {
    fn default() -> Self {
        let options = Options::new(Shape::new(3, 2, 16, 1).expect("a valid shape"));
        Self {
            frequencies: vec![4.0; 5],
            gain: options.gain,
            seed: options.seed,
            starts: options.starts,
            points: options.points_at_start,
            steps: options.steps.most,
            damping: options.steps.damping,
            adam: options.adam.steps,
            rate: options.adam.rates[0] * std::f32::consts::TAU,
        }
    }
}

/// Fit `[inputs, depth, width, outputs]` to planar samples.
///
/// # Panics
/// If there is no such network or the samples do not fit it.
#[must_use]
pub fn fit_network(points: &[f32], targets: &[f32], shape: [usize; 4], settings: &Settings) -> Fitted {
    let shape = Shape::new(shape[0], shape[1], shape[2], shape[3]).expect("a valid shape");
    let samples = Samples::new(shape, points, targets);
    let mut options = Options::new(shape);
    options.frequencies = Frequencies::PerInput(settings.frequencies.clone());
    options.gain = settings.gain;
    options.seed = settings.seed;
    options.starts = settings.starts;
    options.points_at_start = settings.points;
    options.steps.most = settings.steps;
    options.steps.damping = settings.damping;
    options.adam.steps = settings.adam;
    options.adam.rates = vec![settings.rate / std::f32::consts::TAU; shape.layers()];
    if settings.steps == 0 {
        options.most_for_newton = 0;
    }
    let Fit { network, loss } = fit(&samples, shape, &options, Isa::detect());
    Fitted { network, loss }
}

/// A quantised network.
pub struct Rounded {
    /// As a decoder has it.
    pub fitted: Fitted,
    /// Of its coded parameters.
    pub bytes: usize,
}

impl Fitted {
    /// Quantise, a halving of the squared error being worth `exchange` bytes.
    #[must_use]
    pub fn quantise(&self, points: &[f32], targets: &[f32], exchange: f64) -> Rounded {
        let samples = Samples::new(self.network.shape, points, targets);
        let (mut quantised, loss) = quantise(self.network.clone(), &samples, exchange, Isa::detect());
        let mut encoder = Encoder::new();
        weights::code(&mut encoder, &mut quantised);
        Rounded { fitted: Self { network: quantised.network(), loss }, bytes: encoder.finish().len() }
    }

    /// Outputs on planar points.
    pub fn evaluate(&self, points: &[f32], out: &mut [f32]) {
        Cpu { isa: Isa::detect(), threads: 1 }.evaluate(&self.network, points, out);
    }
}

/// Training steps of one shape, all points in each.
pub struct Training {
    tape: Tape,
    network: Network,
    points: Vec<f32>,
    targets: Vec<f32>,
}

impl Training {
    /// On `n` points of a smooth function.
    ///
    /// # Panics
    /// If there is no such network.
    #[must_use]
    pub fn new(shape: [usize; 4], n: usize) -> Self {
        let shape = Shape::new(shape[0], shape[1], shape[2], shape[3]).expect("a valid shape");
        let points: Vec<f32> = (0..n * shape.inputs()).map(|i| (i as f32 * 0.618_034).fract() * 2.0 - 1.0).collect();
        let targets = (0..n * shape.outputs()).map(|i| (3.0 * points[i % n]).sin()).collect();
        let network = start(shape, &Frequencies::Even(4.0), 1.0, 1);
        Self { tape: Tape::new(shape, Isa::detect()), network, points, targets }
    }

    /// Go on for some steps; the loss at the end.
    pub fn run(&mut self, steps: usize) -> f64 {
        let samples = Samples::new(self.network.shape, &self.points, &self.targets);
        let rates = vec![1e-4; self.network.shape.layers()];
        let schedule = Schedule { steps, batch: samples.len(), rates, seed: 1, looks: 1, least: 0.0 };
        descend(&mut self.tape, &mut self.network, &samples, &schedule)
    }

    /// Multiplications with addition in the matrix products of a step.
    #[must_use]
    pub fn products(&self) -> usize {
        let sizes = self.network.layers().enumerate().map(|(l, f)| f.inputs * f.outputs * if l == 0 { 2 } else { 3 });
        sizes.sum::<usize>() * self.points.len() / self.network.shape.inputs()
    }
}

/// Fused multiply-adds in registers: how many for that many rounds, and a result to keep.
#[must_use]
pub fn multiply_adds(rounds: usize) -> (usize, f32) {
    let (lanes, sum) = fused_multiply_adds(Isa::detect(), rounds, 0.5);
    (lanes * 12 * rounds, sum)
}
