//! Models of one coefficient's magnitude.

use super::context::{CLASSES, Classes};
use super::prob::{Prob, exp_golomb};
use super::range::Coder;
use super::symbol::{Distribution, Mixture, SYMBOLS};
use crate::ablation::{Part, unless, without};

/// Largest quantised magnitude.
pub(crate) const MAX_MAGNITUDE: u32 = 1 << 30;

/// What a magnitude past the alphabet is coded as.
const ESCAPE: u32 = SYMBOLS as u32 - 1;
/// Two classes in one index.
const fn pair(a: usize, b: usize) -> usize {
    a << 5 | b
}

/// Adaptive state.
#[derive(Clone)]
pub(super) struct Magnitudes {
    mixture: Mixture,
    escape: Vec<Prob>,
    /// Of a coefficient with nothing around it: whether it is 0 too, by the activity elsewhere and the band's radius, and by that alone;
    /// its magnitude if not.
    lone: Vec<Prob>,
    lone_by_radius: Vec<Prob>,
    lone_magnitude: Vec<Distribution>,
}

/// What is known about a coefficient before it is coded.
pub(super) struct Context {
    /// Magnitudes to the west and north in the band: 4 (W + N) + 2 (NW + NE) + WW + NN.
    pub(super) band: u32,
    /// 16 times a mean magnitude at lower frequencies, and elsewhere.
    pub(super) parents: u32,
    pub(super) other: u32,
    pub(super) radius: usize,
    /// Two bits each of W, N and the two nearest lower frequencies.
    pub(super) near: u32,
    /// Weights of `band` and `parents`, of 256, that make 16 times a mean magnitude of both.
    pub(super) weights: [u32; 2],
    pub(super) learn: bool,
}

impl Context {
    /// Weights in the lapped pyramid and in the wavelet.
    pub(super) const LAPPED: [u32; 2] = [125, 146];
    pub(super) const WAVELET: [u32; 2] = [209, 73];
}

impl Magnitudes {
    pub(super) fn new() -> Self {
        let mean = |c: usize| if without(Part::CoefficientStarts) { 16 } else { Classes::typical(c.min(CLASSES - 1)) };
        let typical: [_; 32] = std::array::from_fn(|c| Distribution::geometric(mean(c), 5));
        let by_class = |c: usize| typical[c >> 5 & 31];
        let near = Distribution::geometric(8, 1);
        // Nearly 0, and the less near the more there is elsewhere.
        let lone = |c: usize| {
            let mean = Classes::typical(c);
            [Prob::new((32_768 * mean / (mean + 16)) as u16, 4); CLASSES]
        };
        Self {
            mixture: Mixture::new([&by_class, &by_class, &|_| near], 2),
            escape: vec![Prob::HALF; 31],
            lone: (0..CLASSES).flat_map(lone).collect(),
            lone_by_radius: vec![Prob::new(1 << 12, 5); CLASSES],
            lone_magnitude: vec![Distribution::geometric(2, 1); CLASSES],
        }
    }

    #[inline(always)]
    pub(super) fn code<C: Coder>(&mut self, coder: &mut C, magnitude: u32, c: &Context) -> u32 {
        if c.band | c.parents | c.near == 0 && !without(Part::Lone) {
            return self.lone(coder, magnitude, c);
        }
        let mean = (c.weights[0] * c.band + c.weights[1] * c.parents) >> 8;
        // Large magnitudes: low bits apart, so that the unary part stays short.
        let k = if mean < 6 * 16 { 0 } else { (mean >> 4).ilog2() - 1 };
        let large = usize::from(k > 0);
        let class = Classes::of;
        let (both, parents, other) = (class(mean >> k), class(c.parents >> k), class(c.other >> k));
        let row = large << 10;
        let contexts = [
            row | unless(Part::SetOfRadius, pair(both, c.radius)),
            row | unless(Part::SetOfParents, pair(parents, other)),
            large << 8 | unless(Part::SetOfNear, c.near as usize),
        ];
        let high = magnitude >> k;
        let mut value = self.mixture.code(coder, high.min(ESCAPE), contexts, large, c.learn);
        if value == ESCAPE {
            value = self.escaped(coder, high, value);
        }
        if k > 0 { Self::with_low_bits(coder, magnitude, value, k) } else { value }
    }

    /// Of a coefficient with nothing but 0 around it, so that it will be 0 too.
    #[inline(always)]
    fn lone<C: Coder>(&mut self, coder: &mut C, magnitude: u32, c: &Context) -> u32 {
        let (any, by_radius) =
            (&mut self.lone[Classes::of(c.other) * CLASSES + c.radius], &mut self.lone_by_radius[c.radius]);
        if !Prob::code_by_two(any, by_radius, coder, magnitude > 0) {
            return 0;
        }
        let rest = magnitude.wrapping_sub(1);
        let mut value = self.lone_magnitude[c.radius].code(coder, rest.min(ESCAPE));
        if value == ESCAPE {
            value = self.escaped(coder, rest, value);
        }
        value + 1
    }

    /// A magnitude of `least` or more.
    #[cold]
    fn escaped<C: Coder>(&mut self, coder: &mut C, magnitude: u32, least: u32) -> u32 {
        let more = exp_golomb(coder, &mut self.escape, u64::from(magnitude).wrapping_sub(least.into()));
        more.saturating_add(least.into()).min(MAX_MAGNITUDE.into()) as u32
    }

    /// The magnitude whose bits from the `k`-th on are `high`.
    fn with_low_bits<C: Coder>(coder: &mut C, magnitude: u32, high: u32, k: u32) -> u32 {
        let low = coder.raw(u64::from(magnitude) & ((1 << k) - 1), k);
        (u64::from(high) << k | low).min(MAX_MAGNITUDE.into()) as u32
    }
}
