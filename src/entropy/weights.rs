//! Integers of a quantised network: a Golomb code for each group of weights or biases, whose quotient is unary with
//! adaptive probabilities that all groups share. A network has a few hundred parameters, so few models, which start
//! near their end.

use super::prob::{Prob, exp_golomb};
use super::range::Coder;
use crate::format::network::Quantised;

/// Largest magnitude: whole numbers up to it are exact in f32.
pub(crate) const LARGEST: u32 = (1 << 24) - 1;
/// Length of the adaptive unary part of a quotient.
const UNARY: usize = 16;
/// Bits of the count of a magnitude's low bits.
const LOW_BITS: u32 = 5;

struct Models {
    /// The quotient is larger than its index.
    larger: [Prob; UNARY],
    lengths: [Prob; 24],
}

impl Models {
    /// As for normally distributed integers of which a quotient of 1 is half a standard deviation.
    const fn new() -> Self {
        const START: [u16; UNARY] = [
            46_000, 43_000, 38_000, 33_000, 29_000, 25_000, 22_000, 20_000, 18_000, 18_000, 18_000, 18_000, 18_000,
            18_000, 18_000, 18_000,
        ];
        let mut larger = [Prob::HALF; UNARY];
        let mut i = 0;
        while i < UNARY {
            larger[i] = Prob::new(START[i], 4);
            i += 1;
        }
        Self { larger, lengths: [Prob::HALF; 24] }
    }

    fn integer<C: Coder>(&mut self, coder: &mut C, low: u32, q: i32) -> i32 {
        let magnitude = q.unsigned_abs().min(LARGEST);
        let quotient = magnitude >> low;
        let mut n = 0;
        while n < UNARY && self.larger[n].code(coder, quotient as usize > n) {
            n += 1;
        }
        let mut decoded = n as u64;
        if n == UNARY {
            decoded += exp_golomb(coder, &mut self.lengths, u64::from(quotient).wrapping_sub(UNARY as u64));
        }
        let bits = coder.raw(u64::from(magnitude) & ((1 << low) - 1), low);
        let magnitude = decoded.min(LARGEST.into()) << low | bits;
        let magnitude = magnitude.min(LARGEST.into()) as i32;
        if magnitude != 0 && coder.raw(u64::from(q < 0), 1) == 1 { -magnitude } else { magnitude }
    }
}

/// Low bits for which a quotient of 1 is nearest half a standard deviation.
fn low_bits(group: &[i32]) -> u32 {
    let sum: u64 = group.iter().map(|q| u64::from(q.unsigned_abs().min(LARGEST))).sum();
    // The mean magnitude is 0.8 standard deviations, 1.6 quotients: 2^low = 0.625 of it, give or take 2^0.5.
    let ratio = 0.9 * sum as f64 / group.len().max(1) as f64;
    if ratio < 2.0 { 0 } else { (ratio as u64).ilog2() }
}

/// Code steps and integers; the shape is known to both sides. Cost and memory are bounded by the shape.
pub(crate) fn code<C: Coder>(coder: &mut C, network: &mut Quantised) {
    let mut models = Models::new();
    let lengths = Quantised::groups(network.shape);
    let mut rest = &mut network.integers[..];
    for (n, step) in lengths.zip(network.steps.as_flattened_mut()) {
        let (group, after) = rest.split_at_mut(n);
        *step = coder.raw(u64::from(*step), 8) as u8;
        let low = if C::ENCODES { low_bits(group) } else { 0 };
        let low = coder.raw(u64::from(low), LOW_BITS).min(24) as u32;
        for q in group {
            *q = models.integer(coder, low, *q);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::{LARGEST, code};
    use crate::entropy::range::{Counter, Decoder, Encoder};
    use crate::format::network::{Quantised, Shape};

    fn random(state: &mut u64) -> f64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn encode(network: &Quantised) -> Vec<u8> {
        let mut encoder = Encoder::new();
        let mut copy = network.clone();
        code(&mut encoder, &mut copy);
        assert_eq!(copy, *network);
        encoder.finish()
    }

    fn decode(shape: Shape, bytes: &[u8]) -> Quantised {
        let mut network = Quantised::zeros(shape);
        code(&mut Decoder::new(bytes), &mut network);
        network
    }

    #[test]
    fn a_normal_network_costs_its_entropy() {
        let mut seed = 5;
        for deviation in [1.0, 3.0, 11.0, 40.0, 1000.0] {
            let mut network = Quantised::zeros(Shape::new(3, 2, 16, 1).unwrap());
            for q in &mut network.integers {
                let normal = (0..12).map(|_| random(&mut seed)).sum::<f64>() - 6.0;
                *q = (deviation * normal).round() as i32;
            }
            for (i, step) in network.steps.as_flattened_mut().iter_mut().enumerate() {
                *step = 40 * i as u8;
            }
            let bytes = encode(&network);
            assert_eq!(decode(network.shape, &bytes), network);
            let entropy = 353.0 * (4.133 * deviation).log2() / 8.0;
            assert!(
                (bytes.len() as f64) < entropy * 1.03 + 19.0,
                "{deviation}: {} bytes, entropy {entropy}",
                bytes.len()
            );
            let mut counter = Counter::default();
            code(&mut counter, &mut network);
            assert!((counter.bytes() as f64 - bytes.len() as f64).abs() < 3.0);
        }
    }

    #[test]
    fn extremes_come_back() {
        let mut network = Quantised::zeros(Shape::new(2, 1, 8, 1).unwrap());
        assert!(encode(&network).len() <= 12);
        let largest = LARGEST as i32;
        for (i, q) in network.integers.iter_mut().enumerate() {
            *q = [0, 1, -1, largest, -largest, 255, -4096][i % 7];
        }
        assert_eq!(decode(network.shape, &encode(&network)), network);
    }

    #[test]
    fn noise_decodes_to_something() {
        let mut seed = 9;
        for length in [0, 1, 10, 300] {
            let bytes: Vec<u8> = (0..length).map(|_| (random(&mut seed) * 256.0) as u8).collect();
            let network = decode(Shape::new(5, 5, 64, 8).unwrap(), &bytes);
            assert!(network.integers.iter().all(|q| q.unsigned_abs() <= LARGEST));
        }
        let network = decode(Shape::new(2, 1, 8, 1).unwrap(), &[0xff; 999]);
        assert!(network.integers.iter().all(|q| q.unsigned_abs() <= LARGEST));
    }
}
