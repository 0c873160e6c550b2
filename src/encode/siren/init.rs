//! Where the fit starts.

use crate::format::network::{Network, Shape};
use std::f64::consts::TAU;

/// Random numbers with a fixed sequence for each seed (SplitMix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// Evenly from -`half` to `half`.
    pub(super) fn even(&mut self, half: f64) -> f32 {
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        (half * (2.0 * unit - 1.0)) as f32
    }
}

/// The first layer's frequencies.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Frequencies {
    /// Each component of a wave vector evenly up to this many radians a unit of its coordinate (Sitzmann et al. 2020,
    /// section 3.2, where it is `omega_0 / inputs`).
    Even(f32),
    /// As `Even`, with a limit for each input.
    #[cfg_attr(not(any(test, feature = "bench")), expect(dead_code, reason = "for the bench of fits"))]
    PerInput(Vec<f32>),
    /// These wave vectors in radians a unit, `inputs` values each, strongest first, every one as sine and as cosine;
    /// what they leave of the width is drawn again from them. They come from the spectrum of the data.
    Waves(Vec<f32>),
}

/// A network to start from. Hidden weights are even up to `gain * sqrt(6 / inputs)`: their pre-activations are normal with
/// a deviation of `gain` (section 3.2). The head is 0.
pub(crate) fn start(shape: Shape, frequencies: &Frequencies, gain: f32, seed: u64) -> Network {
    let mut random = Random(seed);
    let mut network = Network::zeros(shape);
    let width = shape.width();
    let mut at = 0;
    for l in 0..shape.depth() {
        let (inputs, outputs) = shape.layer(l);
        let (weights, biases) = network.parameters[at..at + (inputs + 1) * outputs].split_at_mut(inputs * outputs);
        biases.iter_mut().for_each(|b| *b = random.even(0.5));
        if l > 0 {
            let half = f64::from(gain) * (6.0 / inputs as f64).sqrt() / TAU;
            weights.iter_mut().for_each(|w| *w = random.even(half));
        } else {
            first_layer(frequencies, weights, biases, width, &mut random);
        }
        at += (inputs + 1) * outputs;
    }
    network
}

fn first_layer(frequencies: &Frequencies, weights: &mut [f32], biases: &mut [f32], width: usize, random: &mut Random) {
    let inputs = weights.len() / width;
    match frequencies {
        Frequencies::Even(limit) => weights.iter_mut().for_each(|w| *w = random.even(f64::from(*limit) / TAU)),
        Frequencies::PerInput(limits) => {
            for (row, &limit) in weights.chunks_exact_mut(width).zip(limits) {
                row.iter_mut().for_each(|w| *w = random.even(f64::from(limit) / TAU));
            }
        }
        Frequencies::Waves(waves) => {
            let count = waves.len() / inputs;
            for j in 0..width {
                let wave = if j / 2 < count { j / 2 } else { random.next() as usize % count.max(1) };
                for i in 0..inputs {
                    let jitter = if j / 2 < count { 1.0 } else { 1.0 + random.even(0.25) };
                    weights[i * width + j] = waves.get(wave * inputs + i).copied().unwrap_or(0.0) * jitter / TAU as f32;
                }
                biases[j] = if j % 2 == 0 { 0.0 } else { 0.25 };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_fixed_and_scaled() {
        let shape = Shape::new(3, 3, 64, 1).unwrap();
        let a = start(shape, &Frequencies::Even(5.0), 1.0, 7);
        assert_eq!(a, start(shape, &Frequencies::Even(5.0), 1.0, 7));
        assert_ne!(a, start(shape, &Frequencies::Even(5.0), 1.0, 8));
        let largest = |v: &[f32]| v.iter().fold(0.0_f32, |m, w| m.max(w.abs()));
        let layers: Vec<_> = a.layers().collect();
        let tau = TAU as f32;
        assert!((4.8..=5.0).contains(&(tau * largest(layers[0].weights))));
        let half = (6.0_f32 / 64.0).sqrt() / tau;
        assert!((0.99 * half..=half).contains(&largest(layers[1].weights)));
        assert_eq!(largest(layers[3].weights), 0.0);
    }

    #[test]
    fn waves_become_the_first_layer() {
        let shape = Shape::new(2, 1, 8, 1).unwrap();
        let tau = TAU as f32;
        let network = start(shape, &Frequencies::Waves(vec![tau, 0.0, 0.0, 2.0 * tau]), 1.0, 1);
        let first = network.layers().next().unwrap();
        assert_eq!(first.weights[..4], [1.0, 1.0, 0.0, 0.0]);
        assert_eq!(first.weights[8..12], [0.0, 0.0, 2.0, 2.0]);
        assert_eq!(first.biases[..4], [0.0, 0.25, 0.0, 0.25]);
        let even = start(shape, &Frequencies::PerInput(vec![0.0, 3.0]), 1.0, 1);
        let first = even.layers().next().unwrap();
        assert!(first.weights[..8].iter().all(|&w| w == 0.0) && first.weights[8..].iter().all(|&w| w != 0.0));
    }
}
