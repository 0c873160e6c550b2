//! What a fit takes to the GPU: samples, rates and the factors of its steps.

use crate::arith::{BETA, Samples, Schedule};
use crate::format::network::Shape;

/// How to descend on a GPU.
#[derive(Debug, Clone)]
pub(crate) struct Descent {
    /// Each network's draws start from a seed of its own, not from the schedule's, and each stops by itself.
    pub(crate) schedule: Schedule,
    /// Products with TF32 operands on tensor cores, for widths of 64 and more.
    pub(crate) tensor_cores: bool,
    /// Tiles of a step that one block takes before others help it. The sums' order, and so a fit's bits, depend on it.
    pub(crate) tiles_a_block: usize,
}

/// Of each step: the annealing over the correction of the first moment, and the correction of the second.
fn factors(schedule: &Schedule) -> Vec<f32> {
    let correction = |beta: f32, step: usize| 1.0 / (1.0 - f64::from(beta).powf(step as f64 + 1.0));
    (0..schedule.steps)
        .flat_map(|s| [schedule.annealed(s) * correction(BETA[0], s), correction(BETA[1], s)])
        .map(|v| v as f32)
        .collect()
}

/// Samples of several networks as the kernels want them.
#[derive(Debug, Clone)]
pub(super) struct Points {
    /// `[point][input]`, network by network.
    pub(super) x: Vec<f32>,
    /// `[point][output]`.
    pub(super) y: Vec<f32>,
    /// Of each network: start and number of its points, its seed, and whether it is fitted (not 0). Twin of `Span`.
    pub(super) spans: Vec<[u64; 4]>,
}

impl Points {
    /// No network may be without samples; a seed for each.
    pub(super) fn new(shape: Shape, samples: &[Samples<'_>], seeds: &[u64]) -> Self {
        assert!(samples.len() == seeds.len() && samples.iter().all(|s| s.len() > 0));
        let total: usize = samples.iter().map(Samples::len).sum();
        let (mut x, mut y) = (Vec::with_capacity(total * shape.inputs()), Vec::with_capacity(total * shape.outputs()));
        let mut spans = Vec::with_capacity(samples.len());
        let mut start = 0;
        for (s, &seed) in samples.iter().zip(seeds) {
            interleave(s.points, s.len(), &mut x);
            interleave(s.targets, s.len(), &mut y);
            spans.push([start, s.len() as u64, seed, 1]);
            start += s.len() as u64;
        }
        Self { x, y, spans }
    }
}

/// The arrays of a fit, as `TrainArgs` of `kernels/train.cu` has them.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) points: Points,
    pub(super) rates: Vec<f32>,
    pub(super) factors: Vec<f32>,
    /// Terms of a step's sum of squares, for each network.
    terms: Vec<usize>,
}

impl Batch {
    pub(super) fn new(shape: Shape, samples: &[Samples<'_>], seeds: &[u64], schedule: &Schedule) -> Self {
        assert_eq!(schedule.rates.len(), shape.layers(), "a rate for each layer");
        Self {
            points: Points::new(shape, samples, seeds),
            rates: schedule.rates.iter().flat_map(|&r| [r, r]).collect(),
            factors: factors(schedule),
            terms: samples.iter().map(|s| schedule.batch.min(s.len()) * shape.outputs()).collect(),
        }
    }

    /// Mean square of each network over the `steps` that `loss` holds: `[network][step][block]`, sums of squares.
    pub(super) fn mean_losses(&self, loss: &[f32], steps: usize, blocks: usize) -> Vec<f64> {
        let each = self.terms.iter().zip(loss.chunks_exact(steps * blocks));
        each.map(|(&t, l)| l.iter().map(|&v| f64::from(v)).sum::<f64>() / (t * steps) as f64).collect()
    }
}

fn interleave(planar: &[f32], n: usize, out: &mut Vec<f32>) {
    out.extend((0..n).flat_map(|p| planar.iter().skip(p).step_by(n)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_of_two_networks() {
        let shape = Shape::new(2, 1, 8, 1).unwrap();
        let samples =
            [Samples::new(shape, &[1., 2., 3., 4., 5., 6.], &[7., 8., 9.]), Samples::new(shape, &[10., 11.], &[12.])];
        let schedule = Schedule { steps: 4, batch: 3, rates: vec![0.5, 0.25], seed: 0, looks: 3, least: 0.0 };
        let batch = Batch::new(shape, &samples, &[5, 6], &schedule);
        assert_eq!(batch.points.x, [1., 4., 2., 5., 3., 6., 10., 11.]);
        assert_eq!(batch.points.y, [7., 8., 9., 12.]);
        assert_eq!(batch.points.spans, [[0, 3, 5, 1], [3, 1, 6, 1]]);
        assert_eq!(batch.rates, [0.5, 0.5, 0.25, 0.25]);
        assert_eq!(batch.mean_losses(&[3., 3., 3., 9., 1., 1., 1., 3.], 2, 2), [3.0, 3.0]);
        assert_eq!(schedule.look(), 2);
        // 1 / (1 - 0.9) and 1 / (1 - 0.99) at the start; the rate has fallen to a half in the middle.
        assert!((batch.factors[0] - 10.0).abs() < 1e-5 && (batch.factors[1] - 100.0).abs() < 1e-3);
        assert!((batch.factors[4] - 0.5 / (1.0 - 0.729)).abs() < 1e-5);
    }
}
