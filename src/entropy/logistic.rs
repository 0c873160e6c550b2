//! Bit models mixed in the logistic domain (Mahoney, "Adaptive weighing of context models for lossless data compression", 2005), in
//! whole numbers: a model that is sure says more than one that is not.

use super::prob::Prob;
use super::range::Coder;

/// 4096 / (1 + exp(-x / 256)) at x = -2048, -1920, .. 2048.
const SQUASH: [i32; 33] = [
    1, 2, 3, 6, 10, 16, 27, 45, 73, 120, 194, 310, 488, 747, 1101, 1546, 2047, 2549, 2994, 3348, 3607, 3785, 3901,
    3975, 4022, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094,
];

/// Probability, of 4096, whose logit is `x` / 256.
const fn squash(x: i32) -> i32 {
    let x = if x < -2047 {
        1
    } else if x > 2047 {
        4095
    } else {
        x + 2048
    };
    let (i, rest) = (x as usize >> 7, x & 127);
    (SQUASH[i] * (128 - rest) + SQUASH[i + 1] * rest + 64) >> 7
}

/// 256 times the logit of each probability, of 4096: the least `x` with `squash(x)` at least that.
const STRETCH: [i16; 4096] = {
    let mut table = [2047; 4096];
    let (mut p, mut x) = (0, -2047);
    while x <= 2047 {
        while p <= squash(x) {
            table[p as usize] = x as i16;
            p += 1;
        }
        x += 1;
    }
    table
};

/// What a model's logit counts for at first, of 65536.
const WEIGHT: i32 = 29_491;

/// Weights of `N` models.
pub(crate) struct Logistic<const N: usize>([i32; N]);

impl<const N: usize> Logistic<N> {
    pub(crate) const fn new() -> Self {
        Self([WEIGHT; N])
    }

    /// Code a bit with the weighted sum of the models' logits; models and weights learn it.
    #[inline(always)]
    pub(crate) fn code<C: Coder>(&mut self, models: [&mut Prob; N], coder: &mut C, bit: bool) -> bool {
        let logits = models.each_ref().map(|m| i32::from(STRETCH[usize::from(m.p() >> 4)]));
        let sum = logits.iter().zip(&self.0).map(|(l, w)| (l * w) >> 16).sum();
        let p = squash(sum);
        let bit = coder.bit(bit, (p << 4) as u32);
        let error = (i32::from(bit) << 12) - p;
        for (w, l) in self.0.iter_mut().zip(logits) {
            *w = (*w + ((l * error) >> 12)).clamp(-0xf_ffff, 0xf_ffff);
        }
        models.into_iter().for_each(|m| m.learn(bit));
        bit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::range::{Decoder, Encoder};

    #[test]
    fn tables_are_a_logistic_function_and_its_inverse() {
        for x in (-2000..=2000).step_by(50) {
            let exact = 4096.0 / (1.0 + (-f64::from(x) / 256.0).exp());
            // Straight lines between the values of the table.
            assert!((f64::from(squash(x)) - exact).abs() < 2.0 + 0.04 * exact.min(4096.0 - exact), "{x}");
            assert!((squash(i32::from(STRETCH[squash(x) as usize])) - squash(x)).abs() <= 1, "{x}");
        }
        assert!(STRETCH.is_sorted());
        assert!((1..4096).contains(&squash(i32::MIN)) && (1..4096).contains(&squash(i32::MAX)));
    }

    /// Two bits that know something and one that knows nothing.
    fn code<C: Coder>(coder: &mut C, bits: &mut [bool]) {
        let mut models = [[Prob::HALF; 2]; 3];
        let mut mixer = Logistic::<3>::new();
        let mut last = [false; 2];
        for (i, b) in bits.iter_mut().enumerate() {
            let [x, y, z] = models.each_mut();
            let contexts = [&mut x[usize::from(last[0])], &mut y[usize::from(last[1])], &mut z[(i / 3) & 1]];
            *b = mixer.code(contexts, coder, *b);
            last = [*b, last[0]];
        }
    }

    #[test]
    fn bits_come_back_and_the_weights_find_who_knows() {
        let mut last = [false; 2];
        let bits: Vec<bool> = (0..20_000u64)
            .map(|i| {
                let r = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40 & 63;
                let b = if r == 0 { !last[1] } else { last[1] };
                last = [b, last[0]];
                b
            })
            .collect();
        let mut encoder = Encoder::new();
        code(&mut encoder, &mut bits.clone());
        let bytes = encoder.finish();
        // The entropy of 1 in 64 is 0.116 bit.
        assert!(bytes.len() < 20_000 / 8 * 13 / 100, "{}", bytes.len());
        let mut out = vec![false; bits.len()];
        code(&mut Decoder::new(&bytes), &mut out);
        assert_eq!(out, bits);
    }
}
