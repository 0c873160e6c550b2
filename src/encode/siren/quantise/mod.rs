//! Quantisation of a network: layer by layer, each rounded parameter is made up for by those that are still free.
//!
//! Near its optimum the loss is a quadratic form `|U (w - q)|^2`. Rounding the parameters one after another, each at
//! the best value given the ones before (Babai's nearest plane), costs `U_kk^2` times the squared rounding error each:
//! far less than rounding all at once, and it says how fine each group's step must be.

use super::Samples;
use super::gauss_newton::{Equations, GaussNewton, Steps, descend, loss};
use super::normal::Factor;
use super::rounding;
use super::tape::Tape;
use crate::arith::Isa;
use crate::entropy::weights::LARGEST;
use crate::format::network::{Network, Quantised, Shape, step};

/// Damping of the quadratic form, relative to its diagonal: keeps what makes up for roundings small.
const DAMPING: f64 = 1e-3;
/// Networks with more parameters are rounded group by group (`rounding`).
const MOST_FOR_NEWTON: usize = 1500;
/// Steps of the free layers after each rounded one.
const RELAX: Steps = Steps { most: 4, patience: 2, least: 0.005, damping: 1e-2 };

/// Round `network`. `exchange` is the number of bytes that halving the squared error is worth. Returns the integers and
/// the sum of squared residuals of the network that they stand for.
pub(crate) fn quantise(mut network: Network, samples: &Samples<'_>, exchange: f64, isa: Isa) -> (Quantised, f64) {
    if network.parameters.len() > MOST_FOR_NEWTON {
        return rounding::round(&network, samples, exchange, isa);
    }
    let mut tape = Tape::new(network.shape, isa);
    fold_biases(&mut network);
    let quantised = by_newton(&mut tape, network, samples, exchange, isa);
    let loss = loss(&mut tape, &quantised.network(), samples);
    (quantised, loss)
}

/// Layer by layer in the light of the whole quadratic form.
fn by_newton(tape: &mut Tape, mut network: Network, samples: &Samples<'_>, exchange: f64, isa: Isa) -> Quantised {
    let shape = network.shape;
    let mut memory = GaussNewton::new(shape.parameters(), tape);
    let mut quantised = Quantised::zeros(shape);
    let target = Target::new(shape, loss(tape, &network, samples), exchange);
    let mut from = 0;
    for l in 0..shape.layers() {
        let equations = memory.equations(tape, &network, samples, from);
        let Some(factor) = reversed(&equations, isa) else { break };
        let (inputs, outputs) = shape.layer(l);
        let mut last = factor.len();
        quantised.steps[l] = [inputs * outputs, outputs].map(|n| {
            last -= n;
            target.step(n, (last..last + n).map(|k| factor.row(k)[0].powi(2)).sum())
        });
        let to = from + (inputs + 1) * outputs;
        let steps = quantised.steps[l].map(step);
        let step_of = |k: usize| (k < to - from).then(|| steps[usize::from(k >= inputs * outputs)]);
        round(&factor, &mut network.parameters[from..], step_of);
        quantised.round_layer(l, &mut network.parameters[from..to]);
        from = to;
        if l + 1 < shape.layers() {
            descend(tape, &mut memory, &mut network, samples, from, RELAX, isa);
        }
    }
    quantised
}

/// How fine the steps must be. Minimal `exchange * log2(loss) + bytes` gives each group of `n` parameters and curvature
/// `d` the squared step `12 n * loss / (16 * exchange * d)`, `loss` being the one at the end.
struct Target {
    exchange: f64,
    loss: f64,
}

impl Target {
    fn new(shape: Shape, loss: f64, exchange: f64) -> Self {
        // Fewer bytes a halving would make the network worthless.
        let share = shape.parameters() as f64 / (16.0 * exchange);
        Self { exchange, loss: loss / (1.0 - share.min(0.5)) }
    }

    /// The code of the largest step that is not larger; `curvature` is a sum over the group.
    fn step(&self, n: usize, curvature: f64) -> u8 {
        let squared = 12.0 * n as f64 * self.loss / (16.0 * self.exchange * curvature.max(f64::MIN_POSITIVE));
        largest_step(|step| step.powi(2) <= squared)
    }
}

/// The code of the largest step that fits; of the least where none does.
pub(super) fn largest_step(fits: impl Fn(f64) -> bool) -> u8 {
    (0..=255).rev().find(|&c| fits(step(c).into())).unwrap_or(0)
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

/// Factor the equations in reverse order, so that the first parameter is rounded first.
fn reversed(equations: &Equations, isa: Isa) -> Option<Factor> {
    let n = equations.n;
    let floor = 1e-9 * equations.diagonal().sum::<f64>() / n as f64;
    let mut matrix = vec![0.0; n * n];
    for (k, row) in matrix.chunks_exact_mut(n).enumerate() {
        let p = n - 1 - k;
        for (i, v) in row.iter_mut().enumerate().skip(k) {
            *v = equations.matrix[(n - 1 - i) * n + p];
        }
        row[k] = row[k] * (1.0 + DAMPING) + floor;
    }
    Factor::new(matrix, n, isa)
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
            Some(step) => nearest(wanted, step) as f32 * step,
            None => wanted as f32,
        };
        parameters[p] = value;
        errors[k] = before - f64::from(value);
    }
}

/// The integer of the nearest multiple of a step.
fn nearest(value: f64, step: f32) -> i32 {
    let largest = f64::from(LARGEST);
    (value / f64::from(step)).round_ties_even().clamp(-largest, largest) as i32
}

impl Quantised {
    /// Set the integers of a layer to the multiples of its steps nearest to `parameters`, and `parameters` to those multiples.
    pub(super) fn round_layer(&mut self, l: usize, parameters: &mut [f32]) {
        let before: usize = (0..l).map(|k| self.shape.layer(k)).map(|(i, o)| (i + 1) * o).sum();
        let (inputs, outputs) = self.shape.layer(l);
        let steps = self.steps[l].map(step);
        for (k, (q, p)) in self.integers[before..].iter_mut().zip(parameters).enumerate() {
            let step = steps[usize::from(k >= inputs * outputs)];
            *q = nearest((*p).into(), step);
            *p = *q as f32 * step;
        }
    }
}
