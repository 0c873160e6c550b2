//! Adaptive distributions of 32 symbols, mixed linearly.

use super::range::Coder;
pub(crate) use crate::arith::{Ends, SYMBOLS};
use crate::arith::Lanes;

/// A sum of `N` distributions, each chosen by a context.
pub(crate) struct Blend<const N: usize> {
    sets: [Vec<Model>; N],
    weights: Vec<[f32; N]>,
}

#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Model {
    ends: Ends,
}

const START: u16 = 8;
const LIMIT: u16 = 120;
const ETA: f32 = 0.01;

fn rate(n: u16) -> i16 {
    (131_072 / (2 * i32::from(n) + 3)).min(32_767) as i16
}

impl<const N: usize> Blend<N> {
    pub(crate) fn new(init: [Vec<Ends>; N], selectors: usize) -> Self {
        Self {
            sets: init.map(|v| v.into_iter().map(|ends| Model { ends }).collect()),
            weights: vec![[1.0 / N as f32; N]; selectors],
        }
    }

    #[inline(always)]
    pub(crate) fn code<L: Lanes, C: Coder>(&mut self, lanes: L, coder: &mut C, symbol: usize, contexts: [usize; N], selector: usize) -> usize {
        let selector = selector.min(self.weights.len() - 1);
        let w = self.weights[selector];
        let mut it = self.sets.iter_mut().zip(contexts);
        let mut models: [&mut Model; N] = std::array::from_fn(|_| {
            let (set, i) = it.next().unwrap();
            let i = i.min(set.len() - 1);
            &mut set[i]
        });
        let ends = lanes.blend(models.each_ref().map(|m| &m.ends), w.map(|w| (w * 65_472.0) as i32 as u16));
        let s = coder.choose(&ends.0, symbol, |slot| lanes.count(&ends, slot));
        let before = |e: &Ends| if s > 0 { e.0[s - 1] } else { 0 };
        let inv = ETA / f32::from(ends.0[s] - before(&ends));
        let mut nw = w;
        let mut total = 0.0;
        for k in 0..N {
            let p = models[k].ends.0[s] + 1 - before(&models[k].ends);
            nw[k] = (w[k] * ((1.0 - ETA) + f32::from(p) * inv)).max(0.01);
            total += nw[k];
        }
        let scale = 1.0 / total;
        self.weights[selector] = nw.map(|w| w * scale);
        for m in &mut models {
            lanes.adapt(&mut m.ends, s, rate(LIMIT));
        }
        s
    }
}
