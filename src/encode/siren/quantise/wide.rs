//! Networks too large for their normal equations: steps from the diagonal of the quadratic form, rounding to nearest, and
//! gradient descent of the layers that are still free.

use super::{Samples, Target};
use crate::arith::Isa;
use crate::encode::siren::adam::{self, Schedule};
use crate::encode::siren::gauss_newton::loss;
use crate::encode::siren::head::solve_head;
use crate::encode::siren::tape::Tape;
use crate::format::network::{Network, Quantised};

/// Steps of descent after each rounded layer, and their points.
const STEPS: usize = 100;
const BATCH: usize = 4096;
/// Learning rate: that of the fit near its end.
const RATE: f32 = 2e-4;

pub(super) fn round(
    tape: &mut Tape,
    mut network: Network,
    samples: &Samples<'_>,
    exchange: f64,
    isa: Isa,
) -> Quantised {
    let shape = network.shape;
    let mut quantised = Quantised::zeros(shape);
    let target = Target::new(shape, loss(tape, &network, samples), exchange);
    let mut from = 0;
    for l in 0..shape.layers() {
        let (inputs, outputs) = shape.layer(l);
        let to = from + (inputs + 1) * outputs;
        let curvatures = curvatures(tape, &network, samples);
        let (weights, biases) = curvatures[from..to].split_at(inputs * outputs);
        quantised.steps[l] = [weights, biases].map(|c| target.step(c.len(), c.iter().map(|&c| f64::from(c)).sum()));
        quantised.round_layer(l, &mut network.parameters[from..to]);
        from = to;
        if l + 1 < shape.layers() {
            let rates = (0..shape.layers()).map(|k| if k > l { RATE } else { 0.0 }).collect();
            let schedule = Schedule { steps: STEPS, batch: BATCH, rates, seed: 2, looks: 1, least: 0.0 };
            adam::descend(tape, &mut network, samples, &schedule);
            solve_head(tape, &mut network, samples, isa);
        }
    }
    quantised
}

/// The diagonal of the normal equations.
fn curvatures(tape: &mut Tape, network: &Network, samples: &Samples<'_>) -> Vec<f32> {
    let mut sums = tape.gradient_sums();
    tape.set(network);
    for at in (0..samples.len()).step_by(tape.stride) {
        let count = tape.load(samples, at);
        tape.forward(true);
        for o in 0..network.shape.outputs() {
            tape.seed_one(o, count);
            tape.backward();
            tape.add_squares(&mut sums);
        }
    }
    let mut diagonal = vec![0.0; network.parameters.len()];
    tape.unpack(&sums, 1.0, &mut diagonal);
    diagonal
}
