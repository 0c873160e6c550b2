//! Coding of prediction residuals: adaptive Golomb binarisation, every decision a mixed bit model.

use super::mixer::{Mixer, Prob, exp_golomb};
use super::range::Coder;

/// Most steps of the unary part; an Exp-Golomb escape follows.
const UNARY: usize = 14;
/// Decisions that have a model each: zero, sign, the unary steps.
const SLOTS: usize = 16;
const ENERGIES: usize = 128;

/// What is known of a residual before it is coded.
pub(crate) struct Context {
    /// Expected magnitude times 8.
    pub(crate) energy: u64,
    /// Magnitudes of the residuals west and north.
    pub(crate) west: u64,
    pub(crate) north: u64,
    /// Mean of those north-west and north-east.
    pub(crate) diagonal: u64,
    /// Magnitude at the place in the slice before, or the one further north.
    pub(crate) before: u64,
    /// Signs of the residuals west and north: 0 to 8.
    pub(crate) signs: usize,
    /// Fraction of the prediction in eighths.
    pub(crate) phase: usize,
    /// Class of room to the ends of the values, 0 to 6.
    pub(crate) room: usize,
}

/// Four steps an octave: 0, 1, 2, 3, then 4 for 4, 5 for 5, ... 8 for 8 and 9.
#[inline(always)]
pub(crate) fn level(v: u64) -> usize {
    if v < 4 {
        return v as usize;
    }
    let l = v.ilog2();
    (4 * (l - 1)) as usize + ((v >> (l - 2)) & 3) as usize
}

/// Bits of a residual that stay outside the unary part.
#[inline(always)]
pub(crate) fn low_bits(energy: u64) -> u32 {
    (energy | 1).ilog2().saturating_sub(2).min(56)
}

#[inline(always)]
fn bucket(v: u64, k: u32) -> usize {
    match v >> k.saturating_sub(1) {
        0 => 0,
        1 => 1,
        2 => 2,
        3..=4 => 3,
        5..=7 => 4,
        8..=14 => 5,
        _ => 6,
    }
}

/// The models of a stream's residuals.
pub(crate) struct Residuals {
    mixer: Mixer<4>,
    low: Vec<Prob>,
    signs: Vec<Prob>,
    escape: Vec<Prob>,
}

impl Residuals {
    pub(crate) fn new() -> Self {
        Self {
            mixer: Mixer::new([SLOTS * ENERGIES, SLOTS * 49 * 2, SLOTS * 16 * 16, SLOTS * 49 * 4], SLOTS * 24, 250),
            low: vec![Prob::HALF; 64 * 4 * 8],
            signs: vec![Prob::HALF; 7 * 9 * 8],
            escape: vec![Prob::HALF; 63],
        }
    }

    /// Code `r`. With no low bits the zero flag comes first and the sign after it; with low bits the
    /// sign comes first and r = -1 counts as magnitude 0.
    #[inline(always)]
    pub(crate) fn code<C: Coder>(&mut self, coder: &mut C, r: i64, c: &Context) -> i64 {
        let k = low_bits(c.energy);
        let fine = level(c.energy).min(ENERGIES - 1);
        let coarse = (fine / 3).min(15);
        let quiet = usize::from(k > 0);
        let near = (bucket(c.west, k) * 7 + bucket(c.north, k)) * 2 + quiet;
        let far = (bucket(c.diagonal, k) * 7 + bucket(c.before, k)) * 4 + (k as usize).min(3);
        let phase = if c.room > 0 {
            8 + c.room
        } else if k == 0 {
            c.phase
        } else {
            8
        };
        let texture = coarse * 16 + phase;
        let base = [fine * SLOTS, near * SLOTS, texture * SLOTS, far * SLOTS];
        let select = if c.room > 0 { (16 + c.room) * SLOTS } else { coarse * SLOTS };
        if k == 0 {
            if !self.mixer.code(coder, r != 0, base, select) {
                return 0;
            }
            let mut signs = base.map(|b| b + 1);
            signs[1] = (c.signs * 2) * SLOTS + 1;
            signs[3] = (c.signs * 4 + c.phase / 2) * SLOTS + 1;
            let negative = self.mixer.code(coder, r < 0, signs, select + 1);
            let m = self.magnitude(coder, r.unsigned_abs().wrapping_sub(1), 0, base, select, fine);
            let v = (m as i64).wrapping_add(1);
            return if negative { v.wrapping_neg() } else { v };
        }
        let sign = (c.room * 9 + c.signs) * 8 + c.phase;
        let negative = self.signs[sign].code(coder, r < 0);
        let m = self.magnitude(coder, (r ^ (r >> 63)) as u64, k, base, select, fine) as i64;
        if negative { !m } else { m }
    }

    #[inline(always)]
    fn magnitude<C: Coder>(
        &mut self,
        coder: &mut C,
        m: u64,
        k: u32,
        base: [usize; 4],
        select: usize,
        fine: usize,
    ) -> u64 {
        let high = m >> k;
        let mut steps = 0;
        while steps < UNARY {
            let slot = 2 + steps;
            if !self.mixer.code(coder, high > steps as u64, base.map(|b| b + slot), select + slot) {
                break;
            }
            steps += 1;
        }
        let high = if steps < UNARY {
            steps as u64
        } else {
            exp_golomb(coder, &mut self.escape, high.wrapping_sub(UNARY as u64)).wrapping_add(UNARY as u64)
        };
        if k == 0 {
            return high;
        }
        // The top low bits lean to the smaller half; the rest are even.
        let group = (fine.min(63) * 4 + (high as usize).min(3)) * 8;
        let top = self.low[group].code(coder, m >> (k - 1) & 1 != 0);
        let mut low = u64::from(top);
        let mut left = k - 1;
        if left > 0 {
            left -= 1;
            low = low << 1 | u64::from(self.low[group + 1 + usize::from(top)].code(coder, m >> left & 1 != 0));
        }
        if left > 0 {
            low = low << left | coder.raw(m & ((1 << left) - 1), left);
        }
        high.wrapping_shl(k) | low
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::range::{Decoder, Encoder};

    #[test]
    fn any_residual_comes_back() {
        let values = [0, 1, -1, 2, -7, 15, 16, 17, 300, -40_000, 1 << 40, i64::MAX, i64::MIN, i64::MIN + 1, -(1 << 62)];
        let context = |energy| Context {
            energy,
            west: energy / 8,
            north: 3,
            diagonal: 9,
            before: u64::MAX,
            signs: 4,
            phase: 3,
            room: 0,
        };
        let energies = [0, 1, 16, 40, 1000, 1 << 30, 1 << 43, u64::MAX];
        let mut e = Encoder::new();
        let mut model = Residuals::new();
        for &energy in &energies {
            for &v in &values {
                assert_eq!(model.code(&mut e, v, &context(energy)), v, "{energy}");
            }
        }
        let bytes = e.finish();
        let mut d = Decoder::new(&bytes);
        let mut model = Residuals::new();
        for &energy in &energies {
            for &v in &values {
                assert_eq!(model.code(&mut d, 0, &context(energy)), v, "{energy}");
            }
        }
    }
}
