//! Coding of prediction residuals: adaptive Golomb binarisation, every decision a mixed bit model.

use super::cdf::{Blend, Ends, SYMBOLS};
use crate::arith::Lanes;
use super::mixer::{Prob, exp_golomb};
use super::range::Coder;
use super::rows::magnitude;

const ENERGIES: usize = 128;

/// What is known of a residual before it is coded.
pub(crate) struct Context {
    /// Expected magnitude times 8.
    pub(crate) energy: u64,
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
    (energy | 1).ilog2().saturating_sub(4).min(56)
}

#[inline(always)]
fn bucket(v: u64, k: u32) -> usize {
    match v >> k {
        0 => 0,
        1 => 1,
        2 => 2,
        3 => 3,
        4..=5 => 4,
        6..=7 => 5,
        8..=11 => 6,
        12..=19 => 7,
        _ => 8,
    }
}

/// The models of a stream's residuals.
pub(crate) struct Residuals {
    blend: Blend<4>,
    escape: Vec<Prob>,
}

/// Two-sided geometric distribution about 0 (`odd`: about -1/2), mean magnitude `mean`.
fn geometric(mean: f64, odd: bool) -> Ends {
    let mean = mean.max(0.02);
    let weight = |mean: f64, i: usize| {
        let rho = ((1.0 + mean * mean).sqrt() - 1.0) / mean;
        let v = i as i32 - 16;
        let n = if odd { if v < 0 { -1 - v } else { v } } else { v.abs() };
        let mut p = 1.0;
        for _ in 0..n {
            p *= rho;
        }
        if i == 0 || i == 31 { p / (1.0 - rho) } else { p }
    };
    let total = |m: f64| (0..SYMBOLS).map(|i| weight(m, i)).sum::<f64>();
    let (ta, tb) = (total(mean * 0.6), total(mean * 1.6));
    let mut c = [0u16; SYMBOLS];
    let mut sum = 0.0;
    for (i, c) in c.iter_mut().enumerate() {
        sum += 0.6 * weight(mean * 0.6, i) / ta + 0.4 * weight(mean * 1.6, i) / tb;
        *c = (sum * 32_767.0).min(32_767.0) as u16;
    }
    Ends(c)
}

impl Residuals {
    pub(crate) fn new() -> Self {
        // Mean in quanta of an energy level.
        let mean = |f: usize| {
            let e = magnitude(f.min(190) as u8);
            let k = low_bits(e);
            ((e as f64 + 0.5) / 8.0 / (1u64 << k) as f64, k > 0)
        };
        let fine = |f: usize| {
            let (m, odd) = mean(f);
            geometric(m, odd)
        };
        let a = (0..ENERGIES * 8).map(|i| fine(i % ENERGIES)).collect();
        let near = (0..81 * 2).map(|i| {
            let (a, b, odd) = (i / 2 / 9, i / 2 % 9, i % 2 == 1);
            let size = |b: usize| [0.3, 0.8, 1.4, 2.0, 2.7, 3.5, 5.0, 7.0, 12.0][b];
            geometric((size(a) + size(b)) / 2.0, odd)
        });
        let near: Vec<Ends> = near.collect();
        let texture = (0..48 * 16).map(|i| fine(i / 16)).collect();
        let signs = (0..9 * 64).map(|i| fine(i % 64)).collect();
        Self { blend: Blend::new([a, near, texture, signs], 64), escape: vec![Prob::HALF; 63] }
    }

    /// Code `r`.
    #[inline(always)]
    pub(crate) fn code<L: Lanes, C: Coder>(&mut self, lanes: L, coder: &mut C, r: i64, c: &Context) -> i64 {
        let k = low_bits(c.energy);
        let fine = level(c.energy).min(ENERGIES - 1);
        let quiet = usize::from(k > 0);
        let near = (bucket(c.diagonal, k) * 9 + bucket(c.before, k)) * 2 + quiet;
        let phase = if k == 0 { c.phase } else { 8 };
        let contexts = [c.room * ENERGIES + fine, near, fine.min(47) * 16 + phase, c.signs * 64 + fine.min(63)];
        let v = r >> k;
        let s = self.blend.code(lanes, coder, (v + 16).clamp(0, 31) as usize, contexts, fine);
        let v = match s {
            0 => (-16i64).wrapping_sub(exp_golomb(coder, &mut self.escape, (-16i64).wrapping_sub(v) as u64) as i64),
            31 => (exp_golomb(coder, &mut self.escape, v.wrapping_sub(15) as u64) as i64).wrapping_add(15),
            _ => s as i64 - 16,
        };
        if k == 0 {
            return v;
        }
        let low = coder.raw(r as u64 & ((1 << k) - 1), k);
        v.wrapping_shl(k) | low as i64
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
