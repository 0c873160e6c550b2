//! Adaptive distributions over eight symbols, three of them mixed for each symbol.
//!
//! A distribution holds 65536 P(symbol > i) for every symbol i, so that mixing, learning and finding a symbol are a few
//! operations on all lanes, whatever the symbol.

use super::range::Coder;
use crate::ablation::{Part, without};
use wide::{f32x4, i16x8, i32x4, u16x8};

/// Symbols of the alphabet.
pub(crate) const SYMBOLS: usize = 8;
/// Sets of distributions in a mixture.
pub(crate) const SETS: usize = 3;
/// Sets of weights in a mixture.
pub(crate) const SELECTORS: usize = 2;
/// Learning rate of the weights, and the least of them.
const WEIGHT_RATE: f32 = 0.08;
const LEAST_WEIGHT: f32 = 0.01;
/// 65536 less what [`LEAST`] takes, and some for rounding.
const SHARE: f32 = 65_400.0;

/// 65536 P(symbol > i), which does not grow with i. The last lane, which would be 0, is the learning rate, of 65536.
#[derive(Clone, Copy)]
pub(crate) struct Distribution(u16x8);

/// Distributions in a set: an index is cut to it, not checked.
const CONTEXTS: usize = 2048;

/// Sets of distributions and the weights that mix one of each.
#[derive(Clone)]
pub(crate) struct Mixture {
    sets: [Box<[Distribution; CONTEXTS]>; SETS],
    weights: [Weights; SELECTORS],
    /// What the weights of a selector have learned last. It holds after the next symbol, so that this one does not wait for it, unless
    /// that learns as well.
    learned: Option<(usize, f32x4)>,
}

/// Weights of the sets (the last lane is idle), and what they make of 65536.
#[derive(Clone, Copy)]
struct Weights(f32x4, [u16x8; SETS]);

impl Weights {
    #[inline(always)]
    fn new(weights: f32x4) -> Self {
        let [a, b, c, _] = (weights * SHARE).fast_trunc_int().to_array();
        Self(weights, [a, b, c].map(|share| u16x8::splat(share as u16) & PROBABILITIES))
    }
}

/// Where the lanes go when a symbol is seen: to all ones below it, else to 0.
const TARGET: [u16x8; SYMBOLS] = {
    let mut target = [u16x8::new([0; SYMBOLS]); SYMBOLS];
    let mut symbol = 0;
    while symbol < SYMBOLS {
        let mut lanes = [0; SYMBOLS];
        let mut i = 0;
        while i < symbol {
            lanes[i] = u16::MAX;
            i += 1;
        }
        target[symbol] = u16x8::new(lanes);
        symbol += 1;
    }
    target
};

/// What makes every symbol possible: a probability of 8 / 65536.
const LEAST: u16x8 = u16x8::new([56, 48, 40, 32, 24, 16, 8, 0]);
/// What keeps the learning rate from falling to 0: it ends where its square is this, near 1/90.
const RENEWAL: u16x8 = u16x8::new([0, 0, 0, 0, 0, 0, 0, 8]);

/// All lanes but the last.
const PROBABILITIES: u16x8 = u16x8::new([u16::MAX, u16::MAX, u16::MAX, u16::MAX, u16::MAX, u16::MAX, u16::MAX, 0]);

/// 65536 P(larger than a symbol) and 65536 P(symbol); the last lane has to be 0.
#[inline(always)]
pub(super) fn interval(above: &u16x8, symbol: usize) -> (u32, u32) {
    // 65536 is 0 in 16 bits. No branches: the symbol cannot be foretold.
    let ends = [u16x8::ZERO, *above];
    let ends: &[u16; 2 * SYMBOLS] = bytemuck::cast_ref(&ends);
    let symbol = symbol % SYMBOLS;
    let lower = ends[SYMBOLS + symbol];
    (lower.into(), ends[SYMBOLS - 1 + symbol].wrapping_sub(lower).into())
}

/// 65536 P(symbol) by four distributions, whose last lanes do not matter.
#[inline(always)]
fn chances(above: [u16x8; 4], symbol: usize) -> f32x4 {
    // What the lanes next to the symbol count for, and what is left when 32768 is taken from every lane.
    const ENDS: [i16x8; SYMBOLS] = {
        let mut ends = [i16x8::new([0; SYMBOLS]); SYMBOLS];
        let mut symbol = 0;
        while symbol < SYMBOLS {
            let mut lanes = [0; SYMBOLS];
            if symbol > 0 {
                lanes[symbol - 1] = 1;
            }
            if symbol < SYMBOLS - 1 {
                lanes[symbol] = -1;
            }
            ends[symbol] = i16x8::new(lanes);
            symbol += 1;
        }
        ends
    };
    const REST: [i32; SYMBOLS] = [1 << 15, 0, 0, 0, 0, 0, 0, 1 << 15];
    let symbol = symbol % SYMBOLS;
    let sums = above.map(|above| (above ^ u16x8::new([1 << 15; SYMBOLS])).cast_signed().dot(ENDS[symbol]).to_array());
    let quarter = |i: usize| i32x4::new(sums.map(|s| s[i]));
    let chances = (quarter(0) + quarter(1)) + (quarter(2) + quarter(3)) + i32x4::splat(REST[symbol]);
    f32x4::from_i32x4(chances)
}

impl Distribution {
    /// Geometric with this mean, in sixteenths, worth `count` observations.
    pub(crate) fn geometric(mean: u32, count: u32) -> Self {
        let mut above = [0; SYMBOLS];
        let mut p = 1u64 << 32;
        for a in &mut above[..SYMBOLS - 1] {
            p = p * u64::from(mean) / u64::from(mean + 16);
            *a = (p >> 16).min(65_535) as u16;
        }
        // Left out: the rate that it falls to, from the start.
        let count = if without(Part::FallingRate) { 89 } else { count };
        above[SYMBOLS - 1] = (131_072 / (2 * count + 3)) as u16;
        Self(u16x8::new(above))
    }

    /// Move the lanes towards what was seen by their learning rate r; r itself becomes r - r^2, and so falls as one over
    /// the number of observations.
    #[inline(always)]
    fn learn(&mut self, symbol: usize) {
        let target = TARGET[symbol];
        let rate = u16x8::splat(self.0.as_array()[SYMBOLS - 1]);
        let distance = self.0 ^ target;
        self.0 = ((distance - distance.mul_keep_high(rate)) ^ target) + RENEWAL;
    }
}

impl Mixture {
    /// Each set has a distribution for each of [`CONTEXTS`], as it starts.
    pub(crate) fn new(sets: [&dyn Fn(usize) -> Distribution; SETS]) -> Self {
        let weights = Weights::new(f32x4::splat(1.0 / SETS as f32));
        Self {
            sets: sets.map(|start| Box::new(std::array::from_fn(start))),
            weights: [weights; SELECTORS],
            learned: None,
        }
    }

    /// Code a symbol: `contexts[k]` selects a distribution of set k, `selector` the weights, which learn if `learn` says so.
    #[inline(always)]
    pub(crate) fn code<C: Coder>(
        &mut self,
        coder: &mut C,
        symbol: u32,
        contexts: [usize; SETS],
        selector: usize,
        learn: bool,
    ) -> u32 {
        if learn {
            self.settle();
        }
        let [a, b, c] = &mut self.sets;
        let [i, j, k] = contexts.map(|c| c % CONTEXTS);
        let (a, b, c) = (&mut a[i], &mut b[j], &mut c[k]);
        let selector = selector % SELECTORS;
        let Weights(w, shares) = &self.weights[selector];
        let parts = [a.0.mul_keep_high(shares[0]), b.0.mul_keep_high(shares[1]), c.0.mul_keep_high(shares[2])];
        let mixed = (parts[0] + parts[1]) + (parts[2] + LEAST);
        let symbol = coder.symbol8(symbol as usize, &mixed) & (SYMBOLS - 1);
        if learn && !without(Part::MixingWeights) {
            // Gradient of the cost, for each weight in proportion to itself.
            let chances = chances([a.0, b.0, c.0, mixed], symbol);
            let mean = chances.to_array()[3];
            let gain = (chances - f32x4::splat(mean)) * (WEIGHT_RATE / mean);
            let moved = (*w + *w * gain.fast_min(f32x4::splat(0.5))).fast_max(f32x4::splat(LEAST_WEIGHT));
            let [a, b, c, _] = moved.to_array();
            // Their sum is near 1, and stays so.
            self.learned = Some((selector, moved * f32x4::splat(2.0 - ((a + b) + c))));
        }
        a.learn(symbol);
        b.learn(symbol);
        c.learn(symbol);
        if !learn {
            self.settle();
        }
        symbol as u32
    }

    /// What was learned holds from here on.
    #[inline(always)]
    fn settle(&mut self) {
        if let Some((selector, weights)) = self.learned.take() {
            self.weights[selector % SELECTORS] = Weights::new(weights);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::range::{Counter, Decoder, Encoder};

    /// Geometric symbols whose mean depends on a context.
    fn source(n: usize) -> Vec<(usize, u32)> {
        let mut seed = 1u64;
        let mut random = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 40) as f64 / (1u64 << 24) as f64
        };
        let mut symbol = |context: usize| {
            let more = [0.02, 0.3, 0.8][context];
            (0..SYMBOLS - 1).take_while(|_| random() < more).count() as u32
        };
        (0..n).map(|i| (i / 50 % 3, symbol(i / 50 % 3))).collect()
    }

    fn mixture() -> Mixture {
        let start = |_| Distribution::geometric(16, 0);
        Mixture::new([&start; SETS])
    }

    fn contexts(c: usize) -> [usize; SETS] {
        [c, usize::from(c == 2), 2 - c]
    }

    #[test]
    fn symbols_come_back() {
        let symbols = source(20_000);
        let (mut encoder, mut model) = (Encoder::new(), mixture());
        for (turn, &(c, s)) in symbols.iter().enumerate() {
            assert_eq!(model.code(&mut encoder, s, contexts(c), 0, turn % 2 == 0), s);
        }
        let bytes = encoder.finish();
        let (mut decoder, mut model) = (Decoder::new(&bytes), mixture());
        for (turn, &(c, s)) in symbols.iter().enumerate() {
            assert_eq!(model.code(&mut decoder, 0, contexts(c), 0, turn % 2 == 0), s, "{turn}");
        }
    }

    #[test]
    fn chances_are_the_intervals() {
        let lanes = |first: u16, by: u16| std::array::from_fn(|i| first.saturating_sub(i as u16 * by));
        let above = [lanes(65_535, 0), lanes(0, 0), lanes(60_000, 9000), lanes(40_000, 3)].map(u16x8::new);
        for symbol in 0..SYMBOLS {
            let expected = above.map(|above| match interval(&(above & PROBABILITIES), symbol).1 {
                // What no mixture has, and 16 bits do not hold.
                0 if symbol == 0 => 65_536.0,
                share => share as f32,
            });
            assert_eq!(chances(above, symbol).to_array(), expected, "{symbol}");
        }
    }

    #[test]
    fn symbols_cost_their_entropy() {
        let symbols = source(60_000);
        let mut counts = [[0f64; SYMBOLS]; 3];
        symbols.iter().for_each(|&(c, s)| counts[c][s as usize] += 1.0);
        let entropy: f64 = counts
            .iter()
            .map(|c| {
                let total: f64 = c.iter().sum();
                c.iter().filter(|&&n| n > 0.0).map(|n| n * (total / n).log2()).sum::<f64>()
            })
            .sum();
        let (mut counter, mut model) = (Counter::default(), mixture());
        for (turn, &(c, s)) in symbols.iter().enumerate() {
            model.code(&mut counter, s, contexts(c), 0, turn % 2 == 0);
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
            assert!(model.code(&mut decoder, 0, [turn % 5, turn, 1], turn, turn % 2 == 0) < SYMBOLS as u32);
        }
    }
}
