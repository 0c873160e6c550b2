//! Adaptive bit models: a probability and a count that makes it learn fast at first. Integers, so that both sides agree on every
//! machine.

use super::range::Coder;
use std::sync::LazyLock;

/// -log2((2 i + 1) / 8192) * 65536.
static COST: LazyLock<[u32; 4096]> =
    LazyLock::new(|| std::array::from_fn(|i| (-((2 * i + 1) as f64 / 8192.0).log2() * 65_536.0) as u32));

/// Cost of an event of probability `p` / 65536, in 2^-16 bit. For estimates only, never for decoding.
pub(crate) fn cost(p: u32) -> u32 {
    if p < 4096 {
        // Sixteen times finer for rare events.
        return COST[p as usize] + (4 << 16);
    }
    COST[(p >> 4).min(4095) as usize]
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

    /// The probability of a 1, of 65536.
    #[inline(always)]
    pub(crate) const fn p(&self) -> u16 {
        self.p
    }

    /// Learn a bit that was coded with other models, too: slowly in the end.
    #[inline(always)]
    pub(crate) fn learn(&mut self, bit: bool) {
        self.update(bit, 250);
    }

    /// Code a bit with this model alone.
    #[inline(always)]
    pub(crate) fn code<C: Coder>(&mut self, coder: &mut C, bit: bool) -> bool {
        let bit = coder.bit(bit, u32::from(self.p).clamp(1, 65_535));
        self.update(bit, 60);
        bit
    }

    /// Code a bit with the mean of two models.
    #[inline(always)]
    pub(crate) fn code_by_two<C: Coder>(a: &mut Self, b: &mut Self, coder: &mut C, bit: bool) -> bool {
        let bit = coder.bit(bit, ((u32::from(a.p) + u32::from(b.p)) / 2).clamp(1, 65_535));
        a.learn(bit);
        b.learn(bit);
        bit
    }
}

/// Counts of a seldom event: finer than [`Prob`], for where a thousand observations are few.
#[derive(Clone, Copy)]
pub(crate) struct Seldom {
    p: u32,
    events: u32,
    observations: u32,
}

impl Seldom {
    /// As after 31 observations without the event.
    pub(crate) const NEW: Self = Self { p: 1024, events: 0, observations: 31 };

    /// Code whether it happens, by the estimator of Krichevsky and Trofimov as it was after the last event or eighth observation.
    #[inline(always)]
    pub(crate) fn code<C: Coder>(&mut self, coder: &mut C, event: bool) -> bool {
        let event = coder.bit(event, self.p);
        self.observations += 1;
        if event || self.observations.is_multiple_of(8) {
            self.events += u32::from(event);
            self.p = ((2 * self.events + 1) << 15) / (self.observations + 1);
            if self.observations >= 8192 {
                (self.events, self.observations) = (self.events / 2, self.observations / 2);
            }
        }
        event
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::range::{Counter, Decoder, Encoder};

    fn by_two<C: Coder>([a, b]: &mut [Prob; 2], coder: &mut C, bit: bool) -> bool {
        Prob::code_by_two(a, b, coder, bit)
    }

    #[test]
    fn a_skewed_source_costs_its_entropy() {
        let bits: Vec<bool> = (0..40_000u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58 == 7).collect();
        let ones = bits.iter().filter(|&&b| b).count() as f64 / bits.len() as f64;
        let entropy = -(ones * ones.log2() + (1.0 - ones) * (1.0 - ones).log2()) * bits.len() as f64 / 8.0;
        let mut m = [Prob::HALF; 2];
        let mut e = Encoder::new();
        let mut counter = Counter::default();
        let mut m2 = [Prob::HALF; 2];
        for &b in &bits {
            by_two(&mut m, &mut e, b);
            by_two(&mut m2, &mut counter, b);
        }
        let bytes = e.finish();
        assert!((bytes.len() as f64) < entropy * 1.08 + 8.0, "{} for {entropy}", bytes.len());
        assert!((counter.bytes() as f64 - bytes.len() as f64).abs() < 0.02 * bytes.len() as f64);
        let mut e = Encoder::new();
        let mut seldom = Seldom::NEW;
        bits.iter().for_each(|&b| {
            seldom.code(&mut e, b);
        });
        let counted = e.finish();
        assert!((counted.len() as f64) < entropy * 1.01 + 8.0, "{} for {entropy}", counted.len());
        let (mut d, mut seldom) = (Decoder::new(&counted), Seldom::NEW);
        assert!(bits.iter().all(|&b| seldom.code(&mut d, false) == b));
        let mut m = [Prob::HALF; 2];
        let mut d = Decoder::new(&bytes);
        for &b in &bits {
            assert_eq!(by_two(&mut m, &mut d, false), b);
        }
    }
}
