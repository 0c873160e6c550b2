//! The linear head by least squares: given the other layers it has one best solution (Golub and Pereyra 1973,
//! "The differentiation of pseudo-inverses and nonlinear least squares problems whose variables separate").

use super::Samples;
use super::normal::Factor;
use super::tape::Tape;
use crate::arith::{Isa, TILE};
use crate::format::network::Network;

/// Ridge, relative to the mean of the diagonal: keeps the weights small where the samples do not care.
pub(super) const RIDGE: f64 = 1e-7;

/// Normal equations of the head.
pub(super) struct HeadSystem {
    /// Inputs of the head, and 1 for the bias.
    pub(super) n: usize,
    /// Upper triangle of the products of the regressors.
    pub(super) matrix: Vec<f64>,
    /// Products with the targets: `outputs` arrays of `n`.
    pub(super) targets: Vec<f64>,
}

impl HeadSystem {
    /// Sum over all samples.
    pub(super) fn new(tape: &mut Tape, network: &Network, samples: &Samples<'_>) -> Self {
        let n = network.shape.width() + 1;
        let (rows, columns) = (n.next_multiple_of(TILE), network.shape.outputs().next_multiple_of(TILE));
        let (mut squares, mut products) = (vec![0.0; rows * rows], vec![0.0; rows * columns]);
        let mut targets = vec![0.0; columns * tape.stride];
        tape.set(network);
        for at in (0..samples.len()).step_by(tape.stride) {
            let count = tape.load(samples, at);
            tape.forward(false);
            samples.block(at, count, tape.stride, &mut targets);
            tape.head_products(count, &targets, &mut squares, &mut products);
        }
        let mut matrix = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                matrix[j * n + i] = f64::from(squares[i * rows + j]);
            }
        }
        let outputs = 0..network.shape.outputs();
        let targets = outputs.flat_map(|o| (0..n).map(move |i| (i, o))).map(|(i, o)| products[i * columns + o].into());
        Self { n, matrix, targets: targets.collect() }
    }

    /// With the ridge on the diagonal.
    pub(super) fn factor(&self, isa: Isa) -> Option<Factor> {
        let mut matrix = self.matrix.clone();
        let mean = (0..self.n).map(|i| matrix[i * self.n + i]).sum::<f64>() / self.n as f64;
        (0..self.n).for_each(|i| matrix[i * self.n + i] += RIDGE * mean);
        Factor::new(matrix, self.n, isa)
    }
}

/// Replace the head of `network` by the best one. Nothing changes if the equations have no solution.
pub(super) fn solve_head(tape: &mut Tape, network: &mut Network, samples: &Samples<'_>, isa: Isa) {
    let system = HeadSystem::new(tape, network, samples);
    let Some(factor) = system.factor(isa) else { return };
    let outputs = network.shape.outputs();
    let first = network.parameters.len() - system.n * outputs;
    for (o, b) in system.targets.chunks_exact(system.n).enumerate() {
        let mut x = b.to_vec();
        factor.solve(&mut x);
        // The head is input-major and its biases follow its weights: bias is one more input.
        for (i, &v) in x.iter().enumerate() {
            network.parameters[first + i * outputs + o] = v as f32;
        }
    }
}
