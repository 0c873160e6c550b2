//! Models of one coefficient's magnitude.

use super::band::CAP;
use super::context::{CLASSES, Classes};
use super::prob::{Prob, exp_golomb};
use super::range::Coder;
use super::symbol::{Distribution, Mixture, SYMBOLS};
use crate::ablation::{Part, unless, without};

/// Largest quantised magnitude.
pub(crate) const MAX_MAGNITUDE: u32 = 1 << 30;

/// Sixteen times the mean magnitude from which on magnitudes have their low bits apart.
const LARGE: u32 = 6 * 16;
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
}

/// What is known about a coefficient before it is coded.
pub(super) struct Context {
    /// Magnitude to the west in the band.
    pub(super) west: u32,
    /// 16 times the magnitude that is expected.
    pub(super) mean: u32,
    /// The same by lower frequencies alone, and from elsewhere.
    pub(super) parents: u32,
    pub(super) other: u32,
    pub(super) radius: usize,
    /// Two bits each of N and the two nearest lower frequencies.
    pub(super) near: u32,
    pub(super) learn: bool,
    /// In the finest level, whose signs and low bits are kept apart: images of coarser ones need the front of the stream only.
    pub(super) finest: bool,
}

/// A magnitude, and as much of it as contexts see.
pub(super) struct Magnitude {
    pub(super) exact: u32,
    pub(super) capped: u32,
}

impl Magnitude {
    #[inline(always)]
    fn new(exact: u32) -> Self {
        Self { exact, capped: exact.min(CAP) }
    }
}

impl Magnitudes {
    pub(super) fn new() -> Self {
        let start = |mean: u32| if without(Part::CoefficientStarts) { 16 } else { mean };
        let typical = |c: usize| Distribution::geometric(start(Classes::typical(c.min(CLASSES - 1))), 5);
        let typical: [_; 32] = std::array::from_fn(typical);
        let by_class = |c: usize| typical[c >> 5 & 31];
        let near = |c: usize| [c, c >> 2, c >> 4, c >> 6].iter().fold(1, |mean, c| mean + 4 * (c & 3) as u32);
        let by_near = |c: usize| if c < 1 << 10 { Distribution::geometric(start(near(c)), 2) } else { by_class(c) };
        Self { mixture: Mixture::new([&by_class, &by_class, &by_near]), escape: vec![Prob::HALF; 31] }
    }

    #[inline(always)]
    pub(super) fn code<C: Coder>(&mut self, coder: &mut C, magnitude: u32, c: &Context) -> Magnitude {
        let mean = c.mean;
        // A branch, so that what is usual need not wait for `k`.
        if mean < LARGE {
            let value = self.symbol::<_, false>(coder, magnitude, mean, 0, c);
            if value == ESCAPE {
                Magnitude::new(self.escaped(coder, magnitude))
            } else {
                Magnitude { exact: value, capped: value }
            }
        } else {
            // Low bits apart, so that the unary part stays short.
            let k = (mean >> 4).ilog2() - 1;
            let mut value = self.symbol::<_, true>(coder, magnitude >> k, mean >> k, k, c);
            if value == ESCAPE {
                value = self.escaped(coder, magnitude >> k);
            }
            Magnitude::new(Self::with_low_bits(coder, magnitude, value, k, c.finest))
        }
    }

    #[inline(always)]
    fn symbol<C: Coder, const LARGE: bool>(
        &mut self,
        coder: &mut C,
        magnitude: u32,
        mean: u32,
        k: u32,
        c: &Context,
    ) -> u32 {
        let class = Classes::of;
        let (both, parents, other) = (class(mean), class(c.parents >> k), class(c.other >> k));
        let row = usize::from(LARGE) << 10;
        // Where magnitudes are large, that to the west tells more than several cut to two bits.
        let near = if LARGE { pair(both, class((16 * c.west) >> k)) } else { (c.west.min(3) << 6 | c.near) as usize };
        let contexts = [
            row | unless(Part::SetOfRadius, pair(both, c.radius)),
            row | unless(Part::SetOfParents, pair(parents, other)),
            row | unless(Part::SetOfNear, near),
        ];
        self.mixture.code(coder, magnitude.min(ESCAPE), contexts, usize::from(LARGE), c.learn)
    }

    /// A magnitude past the alphabet.
    #[cold]
    fn escaped<C: Coder>(&mut self, coder: &mut C, magnitude: u32) -> u32 {
        let more = exp_golomb(coder, &mut self.escape, u64::from(magnitude).wrapping_sub(ESCAPE.into()));
        more.saturating_add(ESCAPE.into()).min(MAX_MAGNITUDE.into()) as u32
    }

    /// The magnitude whose bits from the `k`-th on are `high`.
    fn with_low_bits<C: Coder>(coder: &mut C, magnitude: u32, high: u32, k: u32, finest: bool) -> u32 {
        let low = u64::from(magnitude) & ((1 << k) - 1);
        let low = if finest { coder.apart(low, k) } else { coder.raw(low, k) };
        (u64::from(high) << k | low).min(MAX_MAGNITUDE.into()) as u32
    }
}
