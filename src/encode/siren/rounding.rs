//! Quantisation of networks that are too large for the sensitivities of all their parameters (`quantise`): one number of bits
//! for the sine layers, found by trial; the head is solved anew for the rounded layers and rounded last.

use super::Samples;
use super::adam::{Schedule, descend};
use super::gauss_newton::loss;
use super::head::solve_head;
use super::quantise::largest_step;
use super::tape::Tape;
use crate::arith::Isa;
use crate::format::network::{Network, Quantised};

/// Bits of a sine layer's parameter that are tried, in this order.
const BITS: std::ops::RangeInclusive<i32> = 3..=9;
/// Samples of the trials.
const FEW: usize = 8192;
/// Share of the squared error that rounding the head may add.
const HEAD_SHARE: f64 = 0.03;

/// Round `network`. `exchange` is the number of bytes that halving the squared error is worth. Returns the integers and the sum
/// of squared residuals of the network that they stand for.
pub(super) fn round(network: &Network, samples: &Samples<'_>, exchange: f64, isa: Isa) -> (Quantised, f64) {
    let mut tape = Tape::new(network.shape, isa);
    let thinned = samples.thinned(FEW);
    let few = thinned.view();
    let mut best = (f64::INFINITY, 0);
    for bits in BITS {
        let (_, squares) = rounded(network, &few, bits, &mut tape, isa);
        let bytes = f64::from(bits) * network.parameters.len() as f64 / 8.0;
        let cost = bytes + exchange * (squares + f64::MIN_POSITIVE).log2();
        if cost > best.0 {
            break;
        }
        best = (cost, bits);
    }
    rounded(network, samples, best.1.max(*BITS.start()), &mut tape, isa)
}

/// Train on from a quantised network and round with its steps.
pub(crate) fn retrain(before: &Quantised, samples: &Samples<'_>, schedule: &Schedule, isa: Isa) -> (Quantised, f64) {
    let mut tape = Tape::new(before.shape, isa);
    let mut network = before.network();
    solve_head(&mut tape, &mut network, samples, isa);
    descend(&mut tape, &mut network, samples, schedule);
    let mut quantised = before.clone();
    network = with_steps(&network, &mut quantised, before.shape.depth());
    solve_head(&mut tape, &mut network, samples, isa);
    with_steps(&network, &mut quantised, before.shape.layers());
    let squares = loss(&mut tape, &quantised.network(), samples);
    (quantised, squares)
}

/// With this many bits in the sine layers, two more in the first: its weights are frequencies.
fn rounded(network: &Network, samples: &Samples<'_>, bits: i32, tape: &mut Tape, isa: Isa) -> (Quantised, f64) {
    let shape = network.shape;
    let mut quantised = Quantised::zeros(shape);
    for (l, layer) in network.layers().take(shape.depth()).enumerate() {
        let bits = if l == 0 { bits + 2 } else { bits };
        // A normal number takes about `bits` bits at this step.
        let code = |group: &[f32]| code_of(rms(group) * 2f64.powi(2 - bits));
        quantised.steps[l] = [code(layer.weights), code(layer.biases)];
    }
    let mut head = with_steps(network, &mut quantised, shape.depth());
    solve_head(tape, &mut head, samples, isa);
    let mean = loss(tape, &head, samples) / (samples.len() * shape.outputs()).max(1) as f64;
    let added = HEAD_SHARE * mean * 12.0;
    quantised.steps[shape.depth()] = [code_of((2.0 * added / shape.width() as f64).sqrt()), code_of(added.sqrt())];
    with_steps(&head, &mut quantised, shape.layers());
    let squares = loss(tape, &quantised.network(), samples);
    (quantised, squares)
}

/// Round the first `layers` layers with the steps that they have in `quantised`; the network with those rounded and the
/// others as they were.
fn with_steps(network: &Network, quantised: &mut Quantised, layers: usize) -> Network {
    let mut out = network.clone();
    let mut rest = &mut out.parameters[..];
    for l in 0..layers {
        let (inputs, outputs) = network.shape.layer(l);
        let (layer, after) = rest.split_at_mut((inputs + 1) * outputs);
        quantised.round_layer(l, layer);
        rest = after;
    }
    out
}

fn rms(values: &[f32]) -> f64 {
    (values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / values.len().max(1) as f64).sqrt()
}

/// The largest step that is not larger.
fn code_of(wanted: f64) -> u8 {
    largest_step(|step| step <= wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::siren::{Options, fit};
    use crate::format::network::Shape;

    /// A wave and samples of it.
    fn samples(phase: f32) -> (Shape, Vec<f32>, Vec<f32>) {
        let shape = Shape::new(2, 2, 40, 1).unwrap();
        let n = 3000;
        let points: Vec<f32> = (0..2 * n).map(|i| (i as f32 * 0.618_034).fract() * 2.0 - 1.0).collect();
        let targets = (0..n).map(|i| (3.0 * points[i] + phase).sin() * (2.0 * points[n + i]).cos()).collect();
        (shape, points, targets)
    }

    #[test]
    fn finer_when_it_is_worth_more() {
        let (shape, points, targets) = samples(0.0);
        let samples = Samples::new(shape, &points, &targets);
        let mut options = Options::new(shape);
        options.most_for_newton = 0;
        let isa = Isa::detect();
        let fitted = fit(&samples, shape, &options, isa);
        let (coarse, much) = round(&fitted.network, &samples, 20.0, isa);
        let (fine, little) = round(&fitted.network, &samples, 5000.0, isa);
        let all: f64 = targets.iter().map(|&t| f64::from(t).powi(2)).sum();
        assert!(little < much && much < 0.1 * all, "{little} {much} {all}");
        let sum = |q: &Quantised| q.integers.iter().map(|v| u64::from(v.unsigned_abs())).sum::<u64>();
        assert!(sum(&fine) > sum(&coarse));
    }

    #[test]
    fn retraining_follows_a_change_with_the_same_steps() {
        let (shape, points, targets) = samples(0.0);
        let isa = Isa::detect();
        let fitted = fit(&Samples::new(shape, &points, &targets), shape, &Options::new(shape), isa);
        let (before, _) = round(&fitted.network, &Samples::new(shape, &points, &targets), 500.0, isa);
        let (_, _, moved) = samples_at(0.05);
        let samples = Samples::new(shape, &points, &moved);
        let mut tape = Tape::new(shape, isa);
        let stale = loss(&mut tape, &before.network(), &samples);
        let rates = vec![1e-4; shape.layers()];
        let schedule = Schedule { steps: 30, batch: 3000, rates, seed: 1, looks: 1, least: 0.0 };
        let (after, squares) = retrain(&before, &samples, &schedule, isa);
        assert_eq!(after.steps, before.steps);
        assert!(squares < 0.6 * stale, "{squares} {stale}");
    }

    fn samples_at(phase: f32) -> (Shape, Vec<f32>, Vec<f32>) {
        samples(phase)
    }
}
