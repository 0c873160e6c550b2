//! What a fit takes to the GPU: samples, rates and the schedule of its steps.

use crate::arith::cos_pi;
use crate::format::network::Shape;

/// Points and what a network shall give there. Both are planar.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Samples<'a> {
    /// `[inputs][n]`.
    pub(crate) points: &'a [f32],
    /// `[outputs][n]`.
    pub(crate) targets: &'a [f32],
    n: usize,
    /// What mini-batches are drawn from.
    seed: u64,
}

impl<'a> Samples<'a> {
    /// `points` is `[inputs][n]`, `targets` is `[outputs][n]`; both must fit `shape`, and `n` must not be 0.
    pub(crate) fn new(shape: Shape, points: &'a [f32], targets: &'a [f32], seed: u64) -> Self {
        let n = targets.len() / shape.outputs();
        assert!(n > 0 && (points.len(), targets.len()) == (n * shape.inputs(), n * shape.outputs()));
        Self { points, targets, n, seed }
    }

    /// Number of points.
    pub(crate) const fn len(&self) -> usize {
        self.n
    }
}

/// How to descend: Adam (Kingma and Ba 2015) with cosine annealing, as the processor does it.
#[derive(Debug, Clone)]
pub(crate) struct Descent {
    pub(crate) steps: usize,
    /// Points of a step, drawn anew for each; where no network has more, each step takes all.
    pub(crate) batch: usize,
    /// Learning rate of each layer at the start; it falls to 0 as a half cosine.
    pub(crate) rates: Vec<f32>,
    /// Look at the loss after each of this many equal parts of the steps; a network whose loss falls by less than `least`
    /// of it stops there.
    pub(crate) looks: usize,
    pub(crate) least: f64,
    /// Products with TF32 operands on tensor cores, for widths of 64 and more.
    pub(crate) tensor_cores: bool,
    /// Tiles of a step that one block takes before others help it. The sums' order, and so a fit's bits, depend on it.
    pub(crate) tiles_a_block: usize,
}

impl Descent {
    /// Decay of the moments.
    pub(crate) const BETA: [f32; 2] = [0.9, 0.99];
    /// Keeps quotients finite.
    pub(crate) const EPSILON: f32 = 1e-10;

    /// Steps from one look to the next.
    pub(crate) fn look(&self) -> usize {
        self.steps.div_ceil(self.looks.max(1)).max(1)
    }

    /// Of each step: the annealing over the correction of the first moment, and the correction of the second.
    fn schedule(&self) -> Vec<f32> {
        let annealed = |step| 0.5 + 0.5 * cos_pi(step as u64, self.steps as u64);
        let correction = |beta: f32, step: usize| 1.0 / (1.0 - f64::from(beta).powf(step as f64 + 1.0));
        (0..self.steps)
            .flat_map(|s| [annealed(s) * correction(Self::BETA[0], s), correction(Self::BETA[1], s)])
            .map(|v| v as f32)
            .collect()
    }
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
    pub(super) fn new(shape: Shape, samples: &[Samples<'_>]) -> Self {
        let total: usize = samples.iter().map(Samples::len).sum();
        let (mut x, mut y) = (Vec::with_capacity(total * shape.inputs()), Vec::with_capacity(total * shape.outputs()));
        let mut spans = Vec::with_capacity(samples.len());
        let mut start = 0;
        for s in samples {
            interleave(s.points, s.len(), &mut x);
            interleave(s.targets, s.len(), &mut y);
            spans.push([start, s.len() as u64, s.seed, 1]);
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
    pub(super) schedule: Vec<f32>,
    /// Terms of a step's sum of squares, for each network.
    terms: Vec<usize>,
}

impl Batch {
    pub(super) fn new(shape: Shape, samples: &[Samples<'_>], descent: &Descent) -> Self {
        assert_eq!(descent.rates.len(), shape.layers(), "a rate for each layer");
        Self {
            points: Points::new(shape, samples),
            rates: descent.rates.iter().flat_map(|&r| [r, r]).collect(),
            schedule: descent.schedule(),
            terms: samples.iter().map(|s| descent.batch.min(s.len()) * shape.outputs()).collect(),
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
        let samples = [
            Samples::new(shape, &[1., 2., 3., 4., 5., 6.], &[7., 8., 9.], 5),
            Samples::new(shape, &[10., 11.], &[12.], 6),
        ];
        let descent = Descent {
            steps: 4,
            batch: 3,
            rates: vec![0.5, 0.25],
            looks: 3,
            least: 0.0,
            tensor_cores: false,
            tiles_a_block: 1,
        };
        let batch = Batch::new(shape, &samples, &descent);
        assert_eq!(batch.points.x, [1., 4., 2., 5., 3., 6., 10., 11.]);
        assert_eq!(batch.points.y, [7., 8., 9., 12.]);
        assert_eq!(batch.points.spans, [[0, 3, 5, 1], [3, 1, 6, 1]]);
        assert_eq!(batch.rates, [0.5, 0.5, 0.25, 0.25]);
        assert_eq!(batch.mean_losses(&[3., 3., 3., 9., 1., 1., 1., 3.], 2, 2), [3.0, 3.0]);
        assert_eq!(descent.look(), 2);
        // 1 / (1 - 0.9) and 1 / (1 - 0.99) at the start; the rate has fallen to a half in the middle.
        assert!((batch.schedule[0] - 10.0).abs() < 1e-5 && (batch.schedule[1] - 100.0).abs() < 1e-3);
        assert!((batch.schedule[4] - 0.5 / (1.0 - 0.729)).abs() < 1e-5);
    }
}
