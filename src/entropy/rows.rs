//! Rows of a lattice stream, padded on either side, as its models see them.

use super::integer::{Integer, Size};
use super::residual::level;
use crate::ablation::{Part, without};

/// Columns that a row has before and after its own.
pub(crate) const PAD: usize = 3;

/// Stands for the energy of an element that came as it was foretold, or is not coded at all: nothing to learn.
pub(crate) const KNOWN: u64 = u64::MAX;

/// Values of a row with `PAD` columns on either side; `small` is the same, scaled for learning.
#[derive(Clone)]
pub(crate) struct Row<Q: Integer> {
    pub(crate) q: Vec<Q>,
    pub(crate) small: Vec<i32>,
    /// Magnitude of the residuals.
    pub(crate) size: Vec<Q::Size>,
    /// Which way residuals were off, and how far beside what was expected: 0 none, 1 to 3 above, 5 to 7 below.
    pub(crate) lean: Vec<u8>,
    /// 32 times the magnitude that was expected.
    pub(crate) energy: Vec<u64>,
    /// What an element counts for in learning.
    pub(crate) weight: Vec<f32>,
}

impl<Q: Integer> Row<Q> {
    pub(crate) fn new(width: usize) -> Self {
        let n = width + 2 * PAD;
        Self {
            q: vec![Q::default(); n],
            small: vec![0; n],
            size: vec![Q::Size::default(); n],
            lean: vec![0; n],
            energy: vec![0; n],
            weight: vec![0.0; n],
        }
    }

    /// Take the padding on the left from the columns of `other` that start at `from`.
    pub(crate) fn lead(&mut self, other: &Self, from: usize) {
        self.q[..PAD].copy_from_slice(&other.q[from..from + PAD]);
        self.small[..PAD].copy_from_slice(&other.small[from..from + PAD]);
        self.size[..PAD].copy_from_slice(&other.size[from..from + PAD]);
    }

    /// A row of a plane, and its sizes as levels if they are wanted.
    #[inline(always)]
    pub(crate) fn load(&mut self, plane: &[Q], sizes: &[u8]) {
        self.q[PAD..PAD + plane.len()].copy_from_slice(plane);
        for (s, &v) in self.size[PAD..].iter_mut().zip(sizes) {
            *s = Q::Size::of(magnitude(v));
        }
    }

    /// A row of only `n` columns goes on with its last value.
    pub(crate) fn end(&mut self, n: usize, width: usize) {
        let last = self.q[PAD + n - 1];
        self.q[PAD + n..PAD + width].fill(last);
        self.size[PAD + n..PAD + width].fill(Q::Size::default());
        self.lean[PAD + n..PAD + width].fill(0);
    }

    /// Values for learning.
    #[inline(always)]
    pub(crate) fn scale(&mut self, shift: u32) {
        let own = PAD..self.q.len() - PAD;
        for (s, &q) in self.small[own.clone()].iter_mut().zip(&self.q[own]) {
            *s = q.low(shift);
        }
    }

    /// Fill the padding from the row itself: around the globe, or the end repeated.
    #[inline(always)]
    pub(crate) fn close(&mut self, width: usize, periodic: bool) {
        for i in 0..PAD {
            let (left, right) = if periodic {
                (PAD + (width * PAD + i - PAD) % width, PAD + i % width)
            } else {
                (PAD, PAD + width - 1)
            };
            for (to, from) in [(i, left), (PAD + width + i, right)] {
                self.q[to] = self.q[from];
                self.small[to] = self.small[from];
                self.size[to] = self.size[from];
            }
        }
    }

    /// What the elements count for: squared, this weighs differences by about the inverse of their variance.
    #[inline(always)]
    pub(crate) fn weigh(&mut self, shift: u32) {
        for ((w, &energy), &size) in self.weight.iter_mut().zip(&self.energy).zip(&self.size) {
            let expected = ((energy >> 2).wrapping_add(size.into()) >> shift).min(1 << 30) as i32 + 8;
            let weight = if without(Part::LearningWeights) { 1.0 } else { 128.0 / expected as f32 };
            *w = if energy == KNOWN { 0.0 } else { weight };
        }
    }
}

/// What is kept of a residual of which `energy` was expected: its size, and how it leans, as in [`Row`].
#[inline(always)]
pub(crate) fn kept<S: Size>(residual: i64, energy: u64) -> (u64, u8) {
    let size = residual.unsigned_abs().min(S::MOST);
    let far = u8::from(128 * size > 3 * energy) + u8::from(16 * size > energy);
    let near = if residual < 0 { 5 } else { 1 };
    (size, if residual == 0 { 0 } else { near + far })
}

/// The least magnitude of a level.
#[inline(always)]
pub(crate) fn magnitude(level: u8) -> u64 {
    let v = u64::from(level);
    if v < 4 { v } else { (4 + (v & 3)) << (v / 4 - 1) }
}

/// The level of a residual's size `factor` times as large.
pub(crate) fn rescaled<S: Size>(size: u8, factor: f64) -> u8 {
    level(((magnitude(size) as f64 * factor.abs()) as u64).min(S::MOST)) as u8
}
