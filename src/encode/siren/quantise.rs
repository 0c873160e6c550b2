//! Quantisation of a network: layer by layer, each rounded parameter is made up for by those that are still free.
//!
//! Near its optimum the loss is a quadratic form `|U (w - q)|^2`. Rounding the parameters one after another, each at
//! the best value given the ones before (Babai's nearest plane), costs `U_kk^2` times the squared rounding error each:
//! far less than rounding all at once, and it says how fine each group's step must be.

use super::Samples;
use super::gauss_newton::{Equations, GaussNewton, Steps, descend, loss};
use super::normal::Factor;
use super::tape::Tape;
use crate::arith::Isa;
use crate::entropy::weights::LARGEST;
use crate::format::network::{Network, Quantised, step};

/// Damping of the quadratic form, relative to its diagonal: keeps what makes up for roundings small.
const DAMPING: f64 = 1e-3;
/// Steps of the free layers after each rounded one.
const RELAX: Steps = Steps { most: 4, patience: 2, least: 0.005, damping: 1e-2 };

/// Round `network`. `exchange` is the number of bytes that halving the squared error is worth. Returns the integers and
/// the sum of squared residuals of the network that they stand for.
pub(crate) fn quantise(mut network: Network, samples: &Samples<'_>, exchange: f64, isa: Isa) -> (Quantised, f64) {
    let shape = network.shape;
    let mut tape = Tape::new(shape, isa);
    let mut memory = GaussNewton::new(shape.parameters(), &tape);
    let mut quantised = Quantised::zeros(shape);
    fold_biases(&mut network);
    let start = loss(&mut tape, &network, samples);
    let mut from = 0;
    for l in 0..shape.layers() {
        let equations = memory.equations(&mut tape, &network, samples);
        let Some(factor) = reversed(&equations, from, isa) else { break };
        let (inputs, outputs) = shape.layer(l);
        let groups = [inputs * outputs, outputs];
        quantised.steps[l] = steps(&factor, groups, shape.parameters(), start, exchange);
        let to = from + groups[0] + groups[1];
        let steps_of = |p: usize| (p < to).then(|| step(quantised.steps[l][usize::from(p >= from + groups[0])]));
        round(&factor, &mut network.parameters[from..], |k| steps_of(from + k));
        for p in from..to {
            let size = step(quantised.steps[l][usize::from(p >= from + groups[0])]);
            quantised.integers[p] = (network.parameters[p] / size).round_ties_even() as i32;
        }
        from = to;
        if l + 1 < shape.layers() {
            descend(&mut tape, &mut memory, &mut network, samples, from, RELAX, isa);
        }
    }
    let loss = loss(&mut tape, &quantised.network(), samples);
    (quantised, loss)
}

/// Bring each phase into -1/4..=1/4 turns: half a turn changes the sign of the sine, and so of the weights that take it.
fn fold_biases(network: &mut Network) {
    let shape = network.shape;
    let mut at = 0;
    for l in 0..shape.depth() {
        let (inputs, outputs) = shape.layer(l);
        let next = at + (inputs + 1) * outputs;
        let after = shape.layer(l + 1).1;
        for j in 0..outputs {
            let bias = &mut network.parameters[at + inputs * outputs + j];
            let halves = (2.0 * *bias).round_ties_even();
            *bias -= 0.5 * halves;
            if halves % 2.0 != 0.0 {
                network.parameters[next + j * after..][..after].iter_mut().for_each(|w| *w = -*w);
            }
        }
        at = next;
    }
}

/// Factor the equations of the parameters `from..` in reverse order, so that the first one is rounded first.
fn reversed(equations: &Equations, from: usize, isa: Isa) -> Option<Factor> {
    let n = equations.n;
    let m = n - from;
    let floor = 1e-9 * (from..n).map(|p| equations.matrix[p * (n + 1)]).sum::<f64>() / m as f64;
    let mut matrix = vec![0.0; m * m];
    for (k, row) in matrix.chunks_exact_mut(m).enumerate() {
        let p = n - 1 - k;
        for (i, v) in row.iter_mut().enumerate().skip(k) {
            *v = equations.matrix[(n - 1 - i) * n + p];
        }
        row[k] = row[k] * (1.0 + DAMPING) + floor;
    }
    Factor::new(matrix, m, isa)
}

/// The steps of the two groups of the layer that comes first. Minimal `exchange * log2(loss) + bytes` gives each group
/// of `n` parameters and sensitivity `d` the squared step `n * loss / (16 * exchange * d)`, `loss` being the one at the end.
fn steps(factor: &Factor, groups: [usize; 2], parameters: usize, loss: f64, exchange: f64) -> [u8; 2] {
    let at_end = loss / (1.0 - (parameters as f64 / (16.0 * exchange)).min(0.5));
    let mut last = factor.len();
    groups.map(|n| {
        let sensitivity: f64 = (last - n..last).map(|k| factor.row(k)[0].powi(2)).sum::<f64>() / 12.0;
        last -= n;
        let squared = n as f64 * at_end / (16.0 * exchange * sensitivity.max(f64::MIN_POSITIVE));
        // The largest step that is not larger.
        (0..=255).rev().find(|&c| f64::from(step(c)).powi(2) <= squared).unwrap_or(0)
    })
}

/// Round the parameters that have a step, in order; the others move to make up for it.
fn round(factor: &Factor, parameters: &mut [f32], step_of: impl Fn(usize) -> Option<f32>) {
    let m = parameters.len();
    // Errors `w - q` in the order of the factor.
    let mut errors = vec![0.0; m];
    for k in (0..m).rev() {
        let row = factor.row(k);
        let debt: f64 = row[1..].iter().zip(&errors[k + 1..]).map(|(u, e)| u * e).sum();
        let p = m - 1 - k;
        let before = f64::from(parameters[p]);
        let wanted = before + debt / row[0];
        let value = match step_of(p) {
            Some(step) => {
                let largest = f64::from(LARGEST);
                (wanted / f64::from(step)).round_ties_even().clamp(-largest, largest) as f32 * step
            }
            None => wanted as f32,
        };
        parameters[p] = value;
        errors[k] = before - f64::from(value);
    }
}
