//! Levenberg-Marquardt: for a few hundred parameters the normal equations are cheap, and some tens of steps reach what
//! thousands of gradient steps do not. Damping after Nielsen (1999, "Damping parameter in Marquardt's method").

use super::Samples;
use super::head::solve_head;
use super::normal::Factor;
use super::tape::Tape;
use crate::arith::{Isa, Part, TILE};
use crate::format::network::Network;

/// Tries of a step with more and more damping before giving up.
pub(super) const TRIES: usize = 8;
/// What is added to the diagonal beyond the damping, relative to its mean.
pub(super) const FLOOR: f64 = 1e-9;

/// How long to go on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Steps {
    /// Most steps.
    pub(crate) most: usize,
    /// Stop when this many steps together lower the loss by less than `least` of it.
    pub(crate) patience: usize,
    pub(crate) least: f64,
    /// Damping at the start, relative to the diagonal.
    pub(crate) damping: f64,
}

/// The normal equations at a network, of its last parameters.
pub(super) struct Equations {
    /// Number of these parameters.
    pub(super) n: usize,
    /// Upper triangle.
    pub(super) matrix: Vec<f64>,
    /// Products of the residuals with the derivatives.
    pub(super) right: Vec<f64>,
    /// Sum of squared residuals.
    pub(super) loss: f64,
}

/// Memory of the sums.
pub(super) struct GaussNewton {
    jacobian: Vec<f32>,
    sums: Vec<f32>,
}

impl GaussNewton {
    pub(super) fn new(parameters: usize, tape: &Tape) -> Self {
        let rows = (parameters + 1).next_multiple_of(TILE);
        // Whole tiles from any parameter on.
        Self { jacobian: vec![0.0; (rows + TILE) * tape.stride], sums: vec![0.0; rows * rows] }
    }

    /// Of the parameters `from..`. Sum over all samples and outputs.
    pub(super) fn equations(
        &mut self,
        tape: &mut Tape,
        network: &Network,
        samples: &Samples<'_>,
        from: usize,
    ) -> Equations {
        let (all, stride) = (network.parameters.len(), tape.stride);
        let n = all - from;
        let rows = (n + 1).next_multiple_of(TILE);
        let sums = &mut self.sums[..rows * rows];
        sums.fill(0.0);
        tape.set(network);
        let mut targets = vec![0.0; network.shape.outputs() * stride];
        for at in (0..samples.len()).step_by(stride) {
            let count = tape.load(samples, at);
            tape.forward(true);
            samples.block(at, count, stride, &mut targets);
            for (o, target) in targets.chunks_exact(stride).enumerate() {
                tape.seed_one(o, count);
                tape.backward();
                let (derivatives, residual) = self.jacobian.split_at_mut(all * stride);
                tape.jacobian(derivatives);
                let output = &tape.outputs[o * stride..][..count];
                residual.iter_mut().zip(target).zip(output).for_each(|((r, t), y)| *r = t - y);
                residual[count..].fill(0.0);
                let wanted = &self.jacobian[from * stride..][..rows * stride];
                tape.products(wanted, wanted, sums, rows, Part::Lower);
            }
        }
        let mut matrix = vec![0.0; n * n];
        for (i, row) in sums.chunks_exact(rows).take(n).enumerate() {
            row[..=i].iter().enumerate().for_each(|(j, &v)| matrix[j * n + i] = v.into());
        }
        let last = &sums[n * rows..][..=n];
        Equations { n, matrix, right: last[..n].iter().map(|&v| v.into()).collect(), loss: last[n].into() }
    }
}

impl Equations {
    /// What a parameter's derivatives have with each other.
    pub(super) fn diagonal(&self) -> impl Iterator<Item = f64> {
        self.matrix.iter().copied().step_by(self.n + 1)
    }

    /// The factor of the equations, damped.
    fn damped(&self, damping: f64, isa: Isa) -> Option<Factor> {
        let n = self.n;
        let floor = FLOOR * self.diagonal().sum::<f64>() / n as f64;
        let mut matrix = self.matrix.clone();
        for (i, d) in self.diagonal().enumerate() {
            matrix[i * (n + 1)] += damping * d + floor;
        }
        Factor::new(matrix, n, isa)
    }
}

/// Sum of squared residuals.
pub(super) fn loss(tape: &mut Tape, network: &Network, samples: &Samples<'_>) -> f64 {
    let stride = tape.stride;
    let mut targets = vec![0.0; network.shape.outputs() * stride];
    let mut sum = 0.0;
    tape.set(network);
    for at in (0..samples.len()).step_by(stride) {
        let count = tape.load(samples, at);
        tape.forward(false);
        samples.block(at, count, stride, &mut targets);
        for (target, output) in targets.chunks_exact(stride).zip(tape.outputs.chunks_exact(stride)) {
            let squares = target[..count].iter().zip(output).map(|(t, y)| f64::from(t - y).powi(2));
            sum += squares.sum::<f64>();
        }
    }
    sum
}

/// Lower the loss by changing the parameters `from..`; the loss at the end. The head is solved anew after each step.
pub(super) fn descend(
    tape: &mut Tape,
    memory: &mut GaussNewton,
    network: &mut Network,
    samples: &Samples<'_>,
    from: usize,
    steps: Steps,
    isa: Isa,
) -> f64 {
    let mut damping = steps.damping;
    let mut losses = vec![loss(tape, network, samples)];
    for step in 0..steps.most {
        let equations = memory.equations(tape, network, samples, from);
        let Some(now) = try_steps(tape, &equations, network, samples, from, &mut damping, isa) else { break };
        losses.push(now);
        if step >= steps.patience && losses[step + 1 - steps.patience] - now < steps.least * now {
            break;
        }
    }
    losses[losses.len() - 1]
}

/// One step that lowers the loss, with as much damping as it takes; the new loss.
fn try_steps(
    tape: &mut Tape,
    equations: &Equations,
    network: &mut Network,
    samples: &Samples<'_>,
    from: usize,
    damping: &mut f64,
    isa: Isa,
) -> Option<f64> {
    let mut grow = 2.0;
    for _ in 0..TRIES {
        if let Some(factor) = equations.damped(*damping, isa) {
            let mut step = equations.right.clone();
            factor.solve(&mut step);
            let mut trial = network.clone();
            trial.parameters[from..].iter_mut().zip(&step).for_each(|(p, &s)| *p += s as f32);
            solve_head(tape, &mut trial, samples, isa);
            let now = loss(tape, &trial, samples);
            if now < equations.loss {
                let expected: f64 = (step.iter().zip(equations.diagonal()).zip(&equations.right))
                    .map(|((&s, d), &r)| s * (*damping * d * s + r))
                    .sum();
                let ratio = (equations.loss - now) / expected;
                *damping = (*damping * (1.0 - (2.0 * ratio - 1.0).powi(3)).clamp(0.1, 2.0)).max(1e-9);
                *network = trial;
                return Some(now);
            }
        }
        *damping *= grow;
        grow *= 2.0;
    }
    None
}
