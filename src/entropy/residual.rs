//! Coding of prediction residuals: a symbol of an adaptive distribution whose scale follows the residuals around, and low bits.

use super::blend::Blend;
use super::prob::{Prob, exp_golomb};
use super::range::Coder;
use super::rows::magnitude;
use crate::ablation::{Part, unless, without};
use crate::arith::{Ends, Lanes, SYMBOLS};
use std::sync::LazyLock;

/// Levels of energy that are told apart.
const ENERGIES: usize = 128;
/// Energies below this have no low bits; they have so many levels.
const FINE: u64 = 128;
const FINE_LEVELS: usize = level(FINE - 1) + 1;
/// Levels of energy that are told apart near an end of the values, and classes of room there.
const NEAR_END: usize = 80;
const ROOMS: usize = 6;
/// Distributions of each set.
const BY_ENERGY: usize = ROOMS * NEAR_END + FINE_LEVELS * 8 + (ENERGIES - FINE_LEVELS);
const BY_LEANS: usize = 64 * 8;
/// The symbol of the residuals from 0 to one quantum.
const MIDDLE: i64 = 16;

/// What is known of a residual before it is coded.
pub(crate) struct Context {
    /// Expected magnitude times 32.
    pub(crate) energy: u64,
    /// How the residuals west and north lean: 0 to 7, as in [`Row`](super::rows::Row).
    pub(crate) leans: [usize; 2],
    /// Fraction of the prediction in eighths.
    pub(crate) phase: usize,
    /// Class of room to the ends of the values, 0 to 6.
    pub(crate) room: usize,
}

impl Context {
    /// Level `fine` of the energy, and room to an end of the values or, where symbols are single residuals, the fraction of the prediction.
    #[inline(always)]
    fn by_energy(&self, k: u32, fine: usize) -> usize {
        let fine = fine.min(ENERGIES - 1);
        match self.room {
            0 if k == 0 => ROOMS * NEAR_END + fine * 8 + self.phase,
            0 => ROOMS * NEAR_END + FINE_LEVELS * 8 + (fine - FINE_LEVELS),
            room => (room - 1) * NEAR_END + fine.min(NEAR_END - 1),
        }
    }

    /// How each of the two leans, and the energy, of level `fine`, in units of the symbols.
    #[inline(always)]
    fn by_leans(&self, k: u32, fine: usize) -> usize {
        let [west, north] = self.leans;
        8 * (8 * west + north) + if k == 0 { fine / 4 } else { 6 + (fine / 2) % 2 }
    }
}

/// Four steps an octave: 0, 1, 2, 3, then 4 for 4, 5 for 5, ... 8 for 8 and 9.
#[inline(always)]
pub(crate) const fn level(v: u64) -> usize {
    // Below 4 as if from 2 or 0 on in steps of 1, so that there is no branch.
    let l = (v | 2).ilog2();
    (4 * (l - 1)) as usize + ((v >> l.saturating_sub(2)) & 3) as usize
}

/// Bits of a residual below its symbol: two to four quanta are the magnitude that is expected.
#[inline(always)]
pub(crate) fn low_bits(energy: u64) -> u32 {
    (energy | 1).ilog2().saturating_sub(FINE.ilog2() - 1).min(56)
}

/// Two two-sided geometric distributions mixed, whose mean magnitudes are 0.6 and 1.6 times `mean` quanta: about 0, or about -1/2
/// where there are low bits.
fn geometric(mean: f64, low: bool) -> Ends {
    let weights = |mean: f64| -> [f64; SYMBOLS] {
        let ratio = ((1.0 + mean * mean).sqrt() - 1.0) / mean;
        std::array::from_fn(|i| {
            let v = i as i64 - MIDDLE;
            let n = if low && v < 0 { -1 - v } else { v.abs() };
            let p = (0..n).fold(1.0, |p, _| p * ratio);
            // The ends stand for all that lies beyond.
            if i == 0 || i == SYMBOLS - 1 { p / (1.0 - ratio) } else { p }
        })
    };
    let sum = |w: &[f64; SYMBOLS]| w.iter().fold(0.0, |a, b| a + b);
    let (narrow, wide) = (weights(mean * 0.6), weights(mean * 1.6));
    let (a, b) = (sum(&narrow), sum(&wide));
    let mut total = 0.0;
    Ends(std::array::from_fn(|i| {
        total += 0.6 * narrow[i] / a + 0.4 * wide[i] / b;
        (total * 32_767.0).min(32_767.0) as u16
    }))
}

/// What the distributions of each set start with.
static STARTS: LazyLock<[Vec<Ends>; 2]> = LazyLock::new(|| {
    let energies: [Ends; ENERGIES] = std::array::from_fn(|f| {
        let energy = magnitude(f as u8);
        let k = low_bits(energy);
        geometric((energy as f64 + 2.0) / 32.0 / (1u64 << k) as f64, k > 0)
    });
    let energy = |i: usize| match i.checked_sub(ROOMS * NEAR_END) {
        None => i % NEAR_END,
        Some(i) => i.checked_sub(FINE_LEVELS * 8).map_or(i / 8, |i| FINE_LEVELS + i),
    };
    let lean = |i: usize| if i % 8 < 6 { i % 8 * 4 + 2 } else { FINE_LEVELS + i % 2 * 2 };
    [(0..BY_ENERGY).map(|i| energies[energy(i)]).collect(), (0..BY_LEANS).map(|i| energies[lean(i)]).collect()]
});

/// The models of a stream's residuals.
pub(crate) struct Residuals {
    blend: Blend<2>,
    escape: [Prob; 63],
}

impl Residuals {
    pub(crate) fn new() -> Self {
        let sets = STARTS.clone();
        let sets = sets.map(|set| if without(Part::ResidualStarts) { vec![set[0]; set.len()] } else { set });
        Self { blend: Blend::new(sets), escape: [Prob::HALF; 63] }
    }

    /// Code `r`.
    #[inline(always)]
    pub(crate) fn code<L: Lanes, C: Coder>(&mut self, lanes: L, coder: &mut C, r: i64, c: &Context) -> i64 {
        let (k, fine) = (low_bits(c.energy), level(c.energy));
        let contexts =
            [unless(Part::BlendOfEnergy, c.by_energy(k, fine)), unless(Part::BlendOfLeans, c.by_leans(k, fine))];
        let v = r >> k;
        let symbol = (v.saturating_add(MIDDLE)).clamp(0, SYMBOLS as i64 - 1) as usize;
        let v = match self.blend.code(lanes, coder, symbol, contexts) {
            0 => (-MIDDLE).wrapping_sub(self.beyond(coder, (-MIDDLE).wrapping_sub(v))),
            31 => (MIDDLE - 1).wrapping_add(self.beyond(coder, v.wrapping_sub(MIDDLE - 1))),
            s => s as i64 - MIDDLE,
        };
        let low = coder.apart(r as u64 & ((1 << k) - 1), k);
        v.wrapping_shl(k) | low as i64
    }

    /// How far a residual lies beyond the last symbol.
    #[cold]
    fn beyond<C: Coder>(&mut self, coder: &mut C, excess: i64) -> i64 {
        exp_golomb(coder, &mut self.escape, excess as u64) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arith::{Task, run_lanes};
    use crate::entropy::range::{Decoder, Encoder};

    struct Run<'a, C>(&'a mut C, &'a [u64], usize, &'a mut [i64]);

    impl<C: Coder> Task for Run<'_, C> {
        fn run<L: Lanes>(self, lanes: L) {
            let mut model = Residuals::new();
            for (i, v) in self.3.iter_mut().enumerate() {
                let context = Context { energy: self.1[i / self.2], leans: [1, 0], phase: 3, room: 0 };
                *v = model.code(lanes, self.0, *v, &context);
            }
        }
    }

    #[test]
    fn any_residual_comes_back() {
        let values = [0, 1, -1, 2, -7, 15, 16, 17, 300, -40_000, 1 << 40, i64::MAX, i64::MIN, i64::MIN + 1, -(1 << 62)];
        let energies = [0, 1, 16, 40, 1000, 1 << 30, 1 << 43, u64::MAX];
        let contexts: Vec<_> = energies.iter().flat_map(|&e| values.map(|v| (e, v))).collect();
        let mut e = Encoder::new();
        let mut coded: Vec<i64> = contexts.iter().map(|c| c.1).collect();
        run_lanes(Run(&mut e, &energies, values.len(), &mut coded));
        let bytes = e.finish();
        let mut decoded = vec![0; coded.len()];
        run_lanes(Run(&mut Decoder::new(&bytes), &energies, values.len(), &mut decoded));
        assert!(decoded == coded && contexts.iter().zip(&decoded).all(|(c, &d)| c.1 == d));
    }
}
