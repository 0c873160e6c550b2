//! Adam (Kingma and Ba 2015) with cosine annealing (Loshchilov and Hutter 2017): for networks too large for
//! Levenberg-Marquardt.

use super::Samples;
use super::init::Random;
use super::tape::Tape;
pub(crate) use crate::arith::Schedule;
use crate::arith::{BETA, EPSILON};
use crate::format::network::Network;

/// Moments of the gradient.
pub(super) struct Adam {
    moments: Vec<[f32; 2]>,
    steps: i32,
    gradient: Vec<f32>,
    sums: Vec<Vec<f32>>,
    targets: Vec<f32>,
}

impl Adam {
    pub(super) fn new(network: &Network, tape: &Tape) -> Self {
        Self {
            moments: vec![[0.0; 2]; network.parameters.len()],
            steps: 0,
            gradient: vec![0.0; network.parameters.len()],
            sums: tape.gradient_sums(),
            targets: vec![0.0; network.shape.outputs() * tape.stride],
        }
    }

    /// Loss (mean square over points and outputs) and gradient on the blocks at `starts`.
    pub(super) fn gradient(
        &mut self,
        tape: &mut Tape,
        network: &Network,
        samples: &Samples<'_>,
        starts: impl Iterator<Item = usize>,
    ) -> (f64, &[f32]) {
        let (stride, outputs) = (tape.stride, network.shape.outputs());
        self.sums.iter_mut().for_each(|s| s.fill(0.0));
        tape.set(network);
        let (mut points, mut loss) = (0, 0.0);
        for at in starts {
            let count = tape.load(samples, at);
            tape.forward(true);
            samples.block(at, count, stride, &mut self.targets);
            tape.seed_residuals(&self.targets, count);
            let residuals = tape.seeds().chunks_exact(stride).take(outputs);
            loss += residuals.flatten().map(|&r| f64::from(r * r)).sum::<f64>();
            tape.backward();
            tape.add_gradient(&mut self.sums);
            points += count;
        }
        let scale = 1.0 / (points * outputs).max(1) as f64;
        tape.unpack(&self.sums, 2.0 * scale as f32, &mut self.gradient);
        (loss * scale, &self.gradient)
    }

    /// One step with `rates[l] * factor` for layer `l`.
    fn step(&mut self, network: &mut Network, rates: &[f32], factor: f32) {
        self.steps += 1;
        let correct = BETA.map(|b| 1.0 / (1.0 - b.powi(self.steps)));
        let mut values = network.parameters.iter_mut().zip(&self.gradient).zip(&mut self.moments);
        for (l, &rate) in rates.iter().enumerate() {
            let (inputs, outputs) = network.shape.layer(l);
            for ((p, &g), m) in values.by_ref().take((inputs + 1) * outputs) {
                m[0] += (1.0 - BETA[0]) * (g - m[0]);
                m[1] += (1.0 - BETA[1]) * (g * g - m[1]);
                *p -= rate * factor * m[0] * correct[0] / ((m[1] * correct[1]).sqrt() + EPSILON);
            }
        }
    }
}

/// Descend from `network`; the mean loss of the last batches.
pub(crate) fn descend(tape: &mut Tape, network: &mut Network, samples: &Samples<'_>, schedule: &Schedule) -> f64 {
    let mut adam = Adam::new(network, tape);
    let stride = tape.stride;
    let blocks = samples.len().div_ceil(stride);
    let batch = schedule.batch.div_ceil(stride).clamp(1, blocks.max(1));
    let mut order: Vec<usize> = (0..blocks).map(|b| b * stride).collect();
    let mut random = Random(schedule.seed);
    let (mut at, mut before, mut sum, mut count) = (blocks, f64::INFINITY, 0.0, 0);
    let look = schedule.look();
    for step in 0..schedule.steps {
        if at + batch > blocks {
            // A new epoch, in a new order. What is left of the old one comes again soon enough.
            (1..blocks).rev().for_each(|i| order.swap(i, random.next() as usize % (i + 1)));
            at = 0;
        }
        let (loss, _) = adam.gradient(tape, network, samples, order[at..at + batch].iter().copied());
        at += batch;
        (sum, count) = (sum + loss, count + 1);
        adam.step(network, &schedule.rates, schedule.annealed(step) as f32);
        if (step + 1) % look == 0 {
            let now = sum / f64::from(count);
            if before - now < schedule.least * now && step + look < schedule.steps {
                return now;
            }
            (before, sum, count) = (now, 0.0, 0);
        }
    }
    before
}
