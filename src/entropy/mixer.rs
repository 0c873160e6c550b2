//! Adaptive bit models mixed in the logistic domain, in integers.
//!
//! Each of `N` contexts selects an adaptive probability; the mixed prediction is
//! `squash(sum(weight * stretch(p)))`, and weights and probabilities learn from each bit
//! (Mahoney, "Adaptive weighing of context models for lossless data compression", 2005).
//! Everything is integer arithmetic, so that both sides agree on every machine.

use super::range::Coder;
use std::sync::LazyLock;

/// Fixed-point scale of the logistic domain: 1.0 is 256.
const STRETCH_ONE: i32 = 256;
/// Largest |stretch|: 11.5.
const STRETCH_MAX: i32 = 2943;
const STRETCH_LIMIT: f32 = STRETCH_MAX as f32;
/// What weights learn from a unit of error times a unit of input: 2^-31.
const RATE_OF_WEIGHTS: f32 = 1.0 / (1u32 << 31) as f32;
const SQUASH_LEN: usize = 2 * STRETCH_MAX as usize + 1;

/// Tables of the logistic functions (`codec-spec/arithmetic.md`). They are computed by integer
/// rules and IEEE operations without libm, so that every machine has the same.
struct Tables {
    /// ln(p / (1 - p)) * 256 for p = (2 i + 1) / 8192.
    stretch: [f32; 4096],
    /// 65536 / (1 + exp(-x / 256)), for x from -2943 to 2943, kept in 1..65535.
    squash: [u16; SQUASH_LEN],
    /// -log2((2 i + 1) / 8192) * 65536.
    cost: [u32; 4096],
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let mut t = Tables { stretch: [0.0; 4096], squash: [0; SQUASH_LEN], cost: [0; 4096] };
    for (i, q) in t.squash.iter_mut().enumerate() {
        let x = (i as i32 - STRETCH_MAX) as f64 / f64::from(STRETCH_ONE);
        *q = (65_536.0 / (1.0 + exp(-x)) + 0.5).clamp(1.0, 65_535.0) as u16;
    }
    // Stretch is the inverse of squash: the smallest x whose squash reaches p.
    let mut x = 0;
    for (i, s) in t.stretch.iter_mut().enumerate() {
        let p = (16 * i + 8) as u16;
        while x + 1 < SQUASH_LEN && t.squash[x] < p {
            x += 1;
        }
        *s = (x as i32 - STRETCH_MAX) as f32;
    }
    for (i, c) in t.cost.iter_mut().enumerate() {
        *c = (-((2 * i + 1) as f64 / 8192.0).log2() * 65_536.0) as u32;
    }
    t
});

/// exp by halving and a Taylor series: IEEE operations in a fixed order, no libm.
fn exp(x: f64) -> f64 {
    let y = x / 4096.0;
    let mut sum = 1.0;
    for k in (1..=8).rev() {
        sum = 1.0 + sum * y / f64::from(k);
    }
    for _ in 0..12 {
        sum *= sum;
    }
    sum
}

/// Cost of an event of probability `p` / 65536, in 2^-16 bit. For estimates only, never for decoding.
pub(crate) fn cost(p: u32) -> u32 {
    if p < 4096 {
        // Sixteen times finer for rare events.
        return TABLES.cost[((p << 4) >> 4).min(4095) as usize] + (4 << 16);
    }
    TABLES.cost[(p >> 4).min(4095) as usize]
}

/// An adaptive probability of a 1, with a count that starts it fast.
#[derive(Clone, Copy)]
pub(crate) struct Prob {
    /// Probability, of 65536.
    p: u16,
    count: u16,
}

impl Prob {
    pub(crate) const HALF: Self = Self { p: 32_768, count: 0 };

    /// A model that starts at `p` of 65536 with the inertia of `count` observations.
    pub(crate) const fn new(p: u16, count: u16) -> Self {
        Self { p, count }
    }

    /// Learn: the n-th observation moves the probability by 1/(n + 1.5), at least by 2^-`limit`.
    #[inline(always)]
    fn update(&mut self, bit: bool, limit: u16) {
        let target = if bit { 65_535 } else { 0 };
        let step = (target - i32::from(self.p)) * RATE[usize::from(self.count)];
        self.p = (i32::from(self.p) + (step >> 16)) as u16;
        if self.count < limit {
            self.count += 1;
        }
    }

    /// Code a bit with this model alone.
    #[inline(always)]
    pub(crate) fn code<C: Coder>(&mut self, coder: &mut C, bit: bool) -> bool {
        let bit = coder.bit(bit, u32::from(self.p).clamp(1, 65_535));
        self.update(bit, 60);
        bit
    }
}

impl Prob {
    /// Code a bit with the mean of two models.
    #[inline(always)]
    pub(crate) fn code_by_two<C: Coder>(a: &mut Self, b: &mut Self, coder: &mut C, bit: bool) -> bool {
        let bit = coder.bit(bit, ((u32::from(a.p) + u32::from(b.p)) / 2).clamp(1, 65_535));
        a.update(bit, 250);
        b.update(bit, 250);
        bit
    }
}

/// Exp-Golomb with an adaptive length of at most `lengths.len()` bits (63 or fewer) and raw bits: what goes on where a
/// unary part ends.
#[cold]
pub(crate) fn exp_golomb<C: Coder>(coder: &mut C, lengths: &mut [Prob], value: u64) -> u64 {
    let value = value.wrapping_add(1);
    let bits = value.checked_ilog2().unwrap_or(0);
    let mut n = 0;
    while let Some(longer) = lengths.get_mut(n as usize)
        && longer.code(coder, bits > n)
    {
        n += 1;
    }
    (1 << n | coder.raw(value & ((1 << n) - 1), n)).wrapping_sub(1)
}

/// 65536 / (n + 1.5), the learning rate after n observations.
const RATE: [i32; 256] = {
    let mut r = [0; 256];
    let mut n = 0;
    while n < 256 {
        r[n] = (131_072 / (2 * n + 3)) as i32;
        n += 1;
    }
    r
};

/// `N` sets of adaptive probabilities and the weights that mix them.
pub(crate) struct Mixer<const N: usize> {
    probs: [Vec<Prob>; N],
    weights: Vec<[f32; N]>,
    tables: &'static Tables,
    limit: u16,
}

impl<const N: usize> Mixer<N> {
    /// `sizes[k]` contexts for set k; `selectors` weight sets; probabilities adapt down to a rate of 1/`limit`.
    pub(crate) fn new(sizes: [usize; N], selectors: usize, limit: u16) -> Self {
        Self {
            probs: sizes.map(|n| vec![Prob::HALF; n]),
            weights: vec![[1.25 / N as f32; N]; selectors],
            tables: &TABLES,
            limit: limit.min(255),
        }
    }

    /// Code a bit: `contexts[k]` selects the probability of set k, `selector` the weights.
    /// Indices past the end are held to the last entry.
    #[inline(always)]
    pub(crate) fn code<C: Coder>(&mut self, coder: &mut C, bit: bool, contexts: [usize; N], selector: usize) -> bool {
        let mut x = [0f32; N];
        let mut idx = [0; N];
        for k in 0..N {
            idx[k] = contexts[k].min(self.probs[k].len() - 1);
            x[k] = self.tables.stretch[usize::from(self.probs[k][idx[k]].p >> 4)];
        }
        let selector = selector.min(self.weights.len() - 1);
        let w = &mut self.weights[selector];
        // Four sums side by side, so that the order is that of vectors.
        let mut sums = [0f32; 4];
        for k in 0..N {
            sums[k % 4] += w[k] * x[k];
        }
        let dot = ((sums[0] + sums[2]) + (sums[1] + sums[3])).clamp(-STRETCH_LIMIT, STRETCH_LIMIT);
        // Added to 1.5 * 2^23, the low bits are the nearest integer.
        let mixed = (dot + 12_582_912.0).to_bits() - (12_582_912.0 - STRETCH_LIMIT).to_bits();
        let p = u32::from(self.tables.squash[mixed as usize]);
        let bit = coder.bit(bit, p);
        // Gradient step on coding cost: error (16 bits) times input (8 bits fraction).
        let err = ((if bit { 65_535 } else { 0 }) - p as i32) as f32 * RATE_OF_WEIGHTS;
        for k in 0..N {
            w[k] = (w[k] + x[k] * err).clamp(-8.0, 8.0);
        }
        for (probs, &i) in self.probs.iter_mut().zip(&idx) {
            probs[i].update(bit, self.limit);
        }
        bit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::range::{Counter, Decoder, Encoder};

    #[test]
    fn tables_are_right() {
        for (i, &q) in TABLES.squash.iter().enumerate() {
            let x = (i as f64 - f64::from(STRETCH_MAX)) / 256.0;
            let exact = 65_536.0 / (1.0 + (-x).exp());
            assert!((f64::from(q) - exact.clamp(1.0, 65_535.0)).abs() <= 0.51, "{x}: {q} {exact}");
        }
        for i in 1..4096 {
            let p = (2 * i + 1) as f64 / 8192.0;
            let exact = (p / (1.0 - p)).ln() * 256.0;
            assert!((f64::from(TABLES.stretch[i]) - exact).abs() <= 2.0 + 0.01 * exact.abs(), "{i}");
        }
    }

    #[test]
    fn a_skewed_source_costs_its_entropy() {
        let bits: Vec<bool> = (0..40_000u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58 == 7).collect();
        let ones = bits.iter().filter(|&&b| b).count() as f64 / bits.len() as f64;
        let entropy = -(ones * ones.log2() + (1.0 - ones) * (1.0 - ones).log2()) * bits.len() as f64 / 8.0;
        let mut m = Mixer::<2>::new([1, 1], 1, 250);
        let mut e = Encoder::new();
        let mut counter = Counter::default();
        let mut m2 = Mixer::<2>::new([1, 1], 1, 250);
        for &b in &bits {
            m.code(&mut e, b, [0, 0], 0);
            m2.code(&mut counter, b, [0, 0], 0);
        }
        let bytes = e.finish();
        assert!((bytes.len() as f64) < entropy * 1.08 + 8.0, "{} for {entropy}", bytes.len());
        assert!((counter.bytes() as f64 - bytes.len() as f64).abs() < 0.02 * bytes.len() as f64);
        let mut m = Mixer::<2>::new([1, 1], 1, 250);
        let mut d = Decoder::new(&bytes);
        for &b in &bits {
            assert_eq!(m.code(&mut d, false, [0, 0], 0), b);
        }
    }
}
