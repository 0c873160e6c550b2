//! Adaptive distributions of symbols, mixed linearly: several contexts select one each, weighted by how well those
//! did so far.

use super::range::Coder;
use crate::ablation::{Part, without};
use crate::arith::{Ends, Lanes};

/// What a symbol moves its distributions, of 65536: about the 121st part.
const RATE: i16 = 539;
/// How fast the weights learn, and the share of what they learn that goes to all alike, so that none vanishes.
const LEARN: f32 = 0.02;
const ALIKE: f32 = 0.001;
/// What the weights sum to in the units of the lanes, of 65536; the rest is for the least probabilities.
const WHOLE: f32 = 65_470.0;

/// Room for distributions in a set: an index is cut to it, not checked.
const CONTEXTS: usize = 1024;

/// Distributions in `N` sets, and the weights that mix them.
pub(crate) struct Blend<const N: usize> {
    sets: [Box<[Ends; CONTEXTS]>; N],
    weights: [f32; N],
    /// What the parts gave the symbol before: the weights learn it only when those of the next symbol are known, so that no symbol
    /// waits for them.
    shares: [f32; N],
}

impl<const N: usize> Blend<N> {
    /// `sets[k]`: what the contexts of set k start with, at most [`CONTEXTS`].
    pub(crate) fn new(sets: [Vec<Ends>; N]) -> Self {
        let sets = sets.map(|mut set| {
            set.resize(CONTEXTS, Ends::EVEN);
            set.into_boxed_slice().try_into().unwrap_or_else(|_| Box::new([Ends::EVEN; CONTEXTS]))
        });
        Self { sets, weights: [1.0 / N as f32; N], shares: [1.0; N] }
    }

    /// Code a symbol: `contexts[k]` selects the distribution of set k.
    #[inline(always)]
    pub(crate) fn code<L: Lanes, C: Coder>(
        &mut self,
        lanes: L,
        coder: &mut C,
        symbol: usize,
        contexts: [usize; N],
    ) -> usize {
        let weights = self.weights;
        let mut contexts = contexts.into_iter();
        let parts = self.sets.each_mut().map(|set| &mut set[contexts.next().unwrap_or(0) % CONTEXTS]);
        let given = weights.map(|w| (w * WHOLE + 8_388_608.0).to_bits() as u16);
        let ends = lanes.blend(parts.each_ref().map(|part| &**part), given);
        if !without(Part::BlendWeights) {
            self.weights = learned(weights, self.shares);
        }
        let symbol = coder.symbol(&ends.0, symbol, |slot| lanes.count(&ends, slot));
        for (share, part) in self.shares.iter_mut().zip(parts) {
            let given = part.0[symbol] - if symbol > 0 { part.0[symbol - 1] } else { 0 };
            *share = f32::from(given + 1);
            lanes.adapt(part, symbol, RATE);
        }
        symbol
    }
}

/// A step of expectation and maximisation: what each part gave of what all gave. The weights go on summing to 1.
#[inline(always)]
fn learned<const N: usize>(weights: [f32; N], shares: [f32; N]) -> [f32; N] {
    let mut given = [0.0; N];
    let mut sum = 0.0;
    for k in 0..N {
        given[k] = weights[k] * shares[k];
        sum += given[k];
    }
    let scale = LEARN * (1.0 - N as f32 * ALIKE) / sum;
    std::array::from_fn(|k| weights[k] * (1.0 - LEARN) + (given[k] * scale + LEARN * ALIKE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arith::{SYMBOLS, Task, run_lanes};
    use crate::entropy::range::{Decoder, Encoder};

    struct Run<'a, C>(&'a mut C, &'a mut [usize]);

    impl<C: Coder> Task for Run<'_, C> {
        fn run<L: Lanes>(self, lanes: L) {
            let mut blend = Blend::new([vec![], vec![]]);
            let mut last = 0;
            for s in self.1 {
                *s = blend.code(lanes, self.0, *s, [0, last]);
                last = *s;
            }
        }
    }

    #[test]
    fn symbols_come_back_and_contexts_pay() {
        // Each symbol is most often the one before plus 5.
        let mut last = 0;
        let symbols: Vec<usize> = (0..20_000u64)
            .map(|i| {
                let r = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
                last = if r % 8 == 0 { r as usize / 8 % SYMBOLS } else { (last + 5) % SYMBOLS };
                last
            })
            .collect();
        let mut encoder = Encoder::new();
        run_lanes(Run(&mut encoder, &mut symbols.clone()));
        let bytes = encoder.finish();
        assert!(bytes.len() < 20_000 * 3 / 16, "{}", bytes.len());
        let mut decoded = vec![0; symbols.len()];
        run_lanes(Run(&mut Decoder::new(&bytes), &mut decoded));
        assert_eq!(decoded, symbols);
    }
}
