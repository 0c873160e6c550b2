//! Networks on a GPU, for benches.

use std::time::Instant;

use crate::arith::{Cpu, Evaluator, Isa};
use crate::encode::siren::adam::Schedule;
use crate::encode::siren::{Fitter, Job, Options, Samples};
use crate::format::network::{Network, Shape};
use crate::gpu::{self, Accelerator, Descent};
use crate::{Device, Result};

/// A GPU that works.
pub struct Bench(Accelerator, Device);

/// A descent to be timed.
pub struct Training {
    /// `[inputs, depth, width, outputs]`.
    pub shape: [usize; 4],
    /// Networks fitted at once, and the samples of each.
    pub networks: usize,
    /// Samples of each network.
    pub samples: usize,
    /// Samples of a step.
    pub batch: usize,
    /// Steps.
    pub steps: usize,
    /// Products on tensor cores.
    pub tensor_cores: bool,
}

/// What whole fits took.
pub struct Fits {
    /// Seconds on the GPU, all of them.
    pub gpu: f64,
    /// Seconds on one core, from those that were fitted there.
    pub cpu: f64,
    /// RMSE that the GPU's leave over that of the core's: geometric mean over those that both fitted.
    pub error: f64,
}

fn shape([inputs, depth, width, outputs]: [usize; 4]) -> Result<Shape> {
    Shape::new(inputs, depth, width, outputs)
}

fn noise(state: &mut u64) -> f32 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 40) as f32 / (1 << 23) as f32 - 1.0
}

fn noises(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    (0..n).map(|_| noise(&mut state)).collect()
}

/// Weights of the size that a fit leaves.
fn network(shape: Shape, seed: u64) -> Network {
    let scale = (6.0 / shape.width() as f32).sqrt() / std::f32::consts::TAU;
    let mut parameters = noises(shape.parameters(), seed);
    parameters[(shape.inputs() + 1) * shape.width()..].iter_mut().for_each(|w| *w *= scale);
    Network { shape, parameters }
}

/// A smooth field at scattered points: planar points and targets.
fn field(shape: Shape, n: usize, seed: u64) -> (Vec<f32>, Vec<f32>) {
    let points = noises(n * shape.inputs(), seed);
    let value = |p: usize, o: usize| {
        (0..shape.inputs()).map(|i| ((2 + i + o) as f32 * points[i * n + p] + seed as f32).sin()).sum::<f32>()
    };
    let targets = (0..shape.outputs()).flat_map(|o| (0..n).map(move |p| (p, o))).map(|(p, o)| value(p, o)).collect();
    (points, targets)
}

impl Bench {
    /// Open GPU `number`.
    ///
    /// # Errors
    /// Says why it cannot be used.
    pub fn open(number: u32) -> Result<Self> {
        let cpu = Cpu { isa: Isa::detect(), threads: 1 };
        let device = Device::Cuda(number);
        let none = || crate::Error::Unsupported("no GPU".into());
        Accelerator::open(device, cpu)?.map(|a| Self(a, device)).ok_or_else(none)
    }

    /// What the driver calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.gpu.name
    }

    /// What compiles its kernels.
    #[must_use]
    pub fn compiler(&self) -> String {
        self.0.gpu.compiler()
    }

    /// Floating-point operations a second, measured: in fused multiply-adds, or in TF32 on tensor cores.
    ///
    /// # Errors
    /// Of the driver.
    pub fn peak(&self, tensor_cores: bool) -> Result<f64> {
        gpu::peak(&self.0.gpu, tensor_cores).map_err(|e| e.on(self.1))
    }

    /// Evaluate at `n` points on both sides.
    ///
    /// # Errors
    /// Of the driver, and if any bit differs.
    pub fn same_bits(&self, of: [usize; 4], n: usize) -> Result<()> {
        let network = network(shape(of)?, 3);
        let points = noises(n * of[0], 5);
        let (mut ours, mut theirs) = (vec![0.0; n * of[3]], vec![0.0; n * of[3]]);
        self.0.cpu.evaluate(&network, &points, &mut ours);
        gpu::evaluate(&self.0.gpu, &network, &points, &mut theirs).map_err(|e| e.on(self.1))?;
        match ours.iter().zip(&theirs).position(|(a, b)| a.to_bits() != b.to_bits()) {
            None => Ok(()),
            Some(i) => {
                Err(crate::Error::Corrupt { offset: i, what: format!("{of:?}: {} is not {}", theirs[i], ours[i]) })
            }
        }
    }

    /// Seconds of an evaluation at `n` points that are on the GPU.
    ///
    /// # Errors
    /// Of the driver.
    pub fn evaluation_seconds(&self, of: [usize; 4], n: usize, repeats: u32) -> Result<f64> {
        let points = noises(n.min(1 << 20) * of[0], 5);
        let planes: Vec<&[f32]> = points.chunks_exact(points.len() / of[0]).collect();
        gpu::evaluation_seconds(&self.0.gpu, &network(shape(of)?, 3), &planes, n, repeats).map_err(|e| e.on(self.1))
    }

    /// Seconds of a descent with all that belongs to it, and the parameters of the first network after it.
    ///
    /// # Errors
    /// Of the driver.
    pub fn train(&self, training: &Training) -> Result<(f64, Vec<f32>)> {
        let shape = shape(training.shape)?;
        let fields: Vec<_> = (0..training.networks).map(|k| field(shape, training.samples, k as u64)).collect();
        let samples: Vec<_> = fields.iter().map(|(p, t)| Samples::new(shape, p, t)).collect();
        let mut networks: Vec<_> = (0..training.networks).map(|k| network(shape, k as u64)).collect();
        let seeds: Vec<u64> = (1..).take(training.networks).collect();
        let (steps, batch, rates) = (training.steps, training.batch, vec![1e-3; shape.layers()]);
        let descent = Descent {
            schedule: Schedule { steps, batch, rates, seed: 1, looks: 1, least: 0.0 },
            tensor_cores: training.tensor_cores,
            tiles_a_block: if training.networks == 1 { 1 } else { 8 },
        };
        let began = Instant::now();
        gpu::descend(&self.0.gpu, &mut networks, &samples, &seeds, &descent).map_err(|e| e.on(self.1))?;
        Ok((began.elapsed().as_secs_f64(), networks.swap_remove(0).parameters))
    }

    /// `networks` whole fits with the options of the encoder: on the GPU with this processor's core behind it, and `few` of
    /// them on the core alone. Kernels are compiled before the clock starts.
    ///
    /// # Errors
    /// Of the driver.
    pub fn fits(&self, of: [usize; 4], samples: usize, networks: usize, few: usize) -> Result<Fits> {
        let shape = shape(of)?;
        let mut fields: Vec<_> = (0..networks).map(|k| field(shape, samples, k as u64)).collect();
        // What no network fits: without it the better of two good fits is a matter of chance.
        for ((_, targets), k) in fields.iter_mut().zip(1..) {
            targets.iter_mut().zip(noises(samples * shape.outputs(), 1000 + k)).for_each(|(t, n)| *t += 0.1 * n);
        }
        let jobs: Vec<_> = fields
            .iter()
            .map(|(p, t)| Job { samples: Samples::new(shape, p, t), shape, options: Options::new(shape) })
            .collect();
        let few = &jobs[..few.min(networks)];
        self.0.fit(&jobs[..1]);
        let began = Instant::now();
        let theirs = self.0.fit(&jobs);
        let gpu = began.elapsed().as_secs_f64();
        self.0.check()?;
        let began = Instant::now();
        let ours = self.0.cpu.fit(few);
        let cpu = began.elapsed().as_secs_f64() / few.len() as f64 * networks as f64;
        let logs = theirs.iter().zip(&ours).map(|(t, o)| 0.5 * (t.loss / o.loss).ln());
        Ok(Fits { gpu, cpu, error: (logs.sum::<f64>() / few.len() as f64).exp() })
    }
}
