//! Adaptive distributions over 16 symbols, four of them mixed for each symbol.
//!
//! A distribution holds 65536 P(symbol > i) for every symbol i, so that mixing, learning and finding a symbol are a few
//! operations on all lanes, whatever the symbol.

use super::range::Coder;
use wide::{f32x4, u16x8};

/// Symbols of the alphabet.
pub(crate) const SYMBOLS: usize = 16;
/// Sets of distributions in a mixture.
pub(crate) const SETS: usize = 4;
/// Learning rate of the weights, and the least of them.
const WEIGHT_RATE: f32 = 0.08;
const LEAST_WEIGHT: f32 = 0.01;
/// 65536 less what [`LEAST`] takes, and some for rounding.
const SHARE: f32 = 65_400.0;

/// One value a symbol.
pub(crate) type Lanes = [u16x8; 2];

/// 65536 P(symbol > i), which does not grow with i. The last lane, which would be 0, counts observations.
#[derive(Clone, Copy)]
pub(crate) struct Distribution(Lanes);

/// Sets of distributions and the weights that mix one of each.
#[derive(Clone)]
pub(crate) struct Mixture {
    sets: [Vec<Distribution>; SETS],
    /// For each selector, for even and odd turns: the weights of one turn are ready before the other's are learnt.
    weights: Vec<[f32x4; 2]>,
    limit: u16,
}

/// 65536 / (n + 1.5), the learning rate after n observations.
const RATE: [u16; 256] = {
    let mut rate = [0; 256];
    let mut n = 0;
    while n < 256 {
        rate[n] = (131_072 / (2 * n + 3)) as u16;
        n += 1;
    }
    rate
};

/// Where the lanes go when a symbol is seen: to all ones below it, else to 0.
const TARGET: [[u16; SYMBOLS]; SYMBOLS] = {
    let mut target = [[0; SYMBOLS]; SYMBOLS];
    let mut symbol = 0;
    while symbol < SYMBOLS {
        let mut i = 0;
        while i < symbol {
            target[symbol][i] = u16::MAX;
            i += 1;
        }
        symbol += 1;
    }
    target
};

/// What makes every symbol possible: a probability of 8 / 65536.
const LEAST: [u16; SYMBOLS] = [120, 112, 104, 96, 88, 80, 72, 64, 56, 48, 40, 32, 24, 16, 8, 0];
/// All lanes of the upper half but the last.
const NO_COUNT: u16x8 = u16x8::new([u16::MAX, u16::MAX, u16::MAX, u16::MAX, u16::MAX, u16::MAX, u16::MAX, 0]);
/// No observation in the upper half, or one more.
const MORE: [u16x8; 2] = [u16x8::new([0; 8]), u16x8::new([0, 0, 0, 0, 0, 0, 0, 1])];

fn lanes(values: [u16; SYMBOLS]) -> Lanes {
    bytemuck::cast(values)
}

/// 65536 times the probability of a symbol.
#[inline(always)]
fn chance(above: &Lanes, symbol: usize) -> f32 {
    let above: &[u16; SYMBOLS] = bytemuck::cast_ref(above);
    let upper = if symbol == 0 { 65_536 } else { i32::from(above[symbol - 1]) };
    let lower = if symbol == SYMBOLS - 1 { 0 } else { i32::from(above[symbol]) };
    (upper - lower) as f32
}

impl Distribution {
    /// Geometric with this mean, in sixteenths, worth `count` observations.
    pub(crate) fn geometric(mean: u32, count: u16) -> Self {
        let mut above = [0; SYMBOLS];
        let mut p = 1u64 << 32;
        for a in &mut above[..SYMBOLS - 1] {
            p = p * u64::from(mean) / u64::from(mean + 16);
            *a = (p >> 16).min(65_535) as u16;
        }
        above[SYMBOLS - 1] = count;
        Self(lanes(above))
    }

    /// Learn: the n-th observation moves the lanes by 1/(n + 1.5) of their distance.
    #[inline(always)]
    fn learn(&mut self, target: &Lanes, limit: u16) {
        let count = bytemuck::cast_ref::<_, [u16; SYMBOLS]>(&self.0)[SYMBOLS - 1];
        let rate = u16x8::splat(RATE[usize::from(count & 255)]);
        for (a, &t) in self.0.iter_mut().zip(target) {
            // Distance to the target; the count, at n, loses n / (n + 1.5) and so nothing.
            let distance = *a ^ t;
            *a = (distance - distance.mul_keep_high(rate)) ^ t;
        }
        self.0[1] += MORE[usize::from(count < limit)];
    }
}

impl Mixture {
    /// Each set has a distribution for each of its contexts, as it starts. They learn at a rate of 1/`limit` (at most 255) in the
    /// end. There are `selectors` sets of weights.
    pub(crate) fn new(sets: [Vec<Distribution>; SETS], selectors: usize, limit: u16) -> Self {
        Self { sets, weights: vec![[f32x4::splat(1.0 / SETS as f32); 2]; selectors], limit: limit.min(255) }
    }

    /// Code a symbol: `contexts[k]` selects a distribution of set k, `selector` the weights, and `turn` those of even or odd turns.
    /// Indices past the end are held to the last entry.
    #[inline(always)]
    pub(crate) fn code<C: Coder>(
        &mut self,
        coder: &mut C,
        symbol: usize,
        contexts: [usize; SETS],
        selector: usize,
        turn: usize,
    ) -> usize {
        let [a, b, c, d] = &mut self.sets;
        let at = |set: &[Distribution], k: usize| contexts[k].min(set.len() - 1);
        let (i, j, k, l) = (at(a, 0), at(b, 1), at(c, 2), at(d, 3));
        let set = [&mut a[i], &mut b[j], &mut c[k], &mut d[l]];
        let selector = selector.min(self.weights.len() - 1);
        let weights = &mut self.weights[selector][turn & 1];
        let w = *weights;
        let mut mixed = lanes(LEAST);
        for (d, share) in set.iter().zip((w * SHARE).fast_trunc_int().to_array()) {
            let share = u16x8::splat(share as u16);
            mixed[0] += d.0[0].mul_keep_high(share);
            mixed[1] += d.0[1].mul_keep_high(share);
        }
        mixed[1] &= NO_COUNT;
        let symbol = coder.symbol(symbol, &mixed) & (SYMBOLS - 1);
        // Gradient of the cost, for each weight in proportion to itself.
        let mean = chance(&mixed, symbol);
        let chances = f32x4::new([0, 1, 2, 3].map(|k| chance(&set[k].0, symbol)));
        let gain = ((chances - f32x4::splat(mean)) * f32x4::splat(WEIGHT_RATE / mean)).fast_min(f32x4::splat(0.5));
        let w = (w + w * gain).fast_max(f32x4::splat(LEAST_WEIGHT));
        let [a, b, c, d] = w.to_array();
        // Their sum is near 1, and stays so.
        *weights = w * f32x4::splat(2.0 - ((a + c) + (b + d)));
        let target = lanes(TARGET[symbol]);
        for d in set {
            d.learn(&target, self.limit);
        }
        symbol
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::range::{Counter, Decoder, Encoder};

    /// Geometric symbols whose mean depends on a context.
    fn source(n: usize) -> Vec<(usize, usize)> {
        let mut seed = 1u64;
        let mut random = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 40) as f64 / (1u64 << 24) as f64
        };
        let mut symbol = |context: usize| {
            let more = [0.02, 0.3, 0.8][context];
            (0..15).take_while(|_| random() < more).count()
        };
        (0..n).map(|i| (i / 50 % 3, symbol(i / 50 % 3))).collect()
    }

    fn mixture() -> Mixture {
        let set = |n: usize| vec![Distribution::geometric(16, 0); n];
        Mixture::new([set(3), set(1), set(2), set(3)], 1, 90)
    }

    fn contexts(c: usize) -> [usize; SETS] {
        [c, 0, usize::from(c == 2), 2 - c]
    }

    #[test]
    fn symbols_come_back() {
        let symbols = source(20_000);
        let (mut encoder, mut model) = (Encoder::new(), mixture());
        for (turn, &(c, s)) in symbols.iter().enumerate() {
            assert_eq!(model.code(&mut encoder, s, contexts(c), 0, turn), s);
        }
        let bytes = encoder.finish();
        let (mut decoder, mut model) = (Decoder::new(&bytes), mixture());
        for (turn, &(c, s)) in symbols.iter().enumerate() {
            assert_eq!(model.code(&mut decoder, 0, contexts(c), 0, turn), s, "{turn}");
        }
    }

    #[test]
    fn symbols_cost_their_entropy() {
        let symbols = source(60_000);
        let mut counts = [[0f64; SYMBOLS]; 3];
        symbols.iter().for_each(|&(c, s)| counts[c][s] += 1.0);
        let entropy: f64 = counts
            .iter()
            .map(|c| {
                let total: f64 = c.iter().sum();
                c.iter().filter(|&&n| n > 0.0).map(|n| n * (total / n).log2()).sum::<f64>()
            })
            .sum();
        let (mut counter, mut model) = (Counter::default(), mixture());
        for (turn, &(c, s)) in symbols.iter().enumerate() {
            model.code(&mut counter, s, contexts(c), 0, turn);
        }
        let bits = 8.0 * counter.bytes() as f64;
        assert!(bits < 1.03 * entropy, "{bits} for {entropy}");
    }

    /// Any bytes decode to something, and nothing breaks.
    #[test]
    fn noise_decodes() {
        let bytes: Vec<u8> = (0..4000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let (mut decoder, mut model) = (Decoder::new(&bytes), mixture());
        for turn in 0..50_000 {
            assert!(model.code(&mut decoder, 0, [turn % 5, turn, 1, 0], turn, turn) < SYMBOLS);
        }
    }
}
