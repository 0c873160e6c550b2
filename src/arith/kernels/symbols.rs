//! Distributions of 32 symbols, lane by lane: for adaptive coding of symbols. Integers, so that every instruction
//! set gives the same.

/// Symbols of an alphabet.
pub(crate) const SYMBOLS: usize = 32;

/// For each symbol the probability of those up to it, of 32768.
#[repr(align(64))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends(pub(crate) [u16; SYMBOLS]);

impl Ends {
    /// Even odds for all symbols.
    pub(crate) const EVEN: Self = {
        let mut ends = [0; SYMBOLS];
        let mut i = 0;
        while i < SYMBOLS {
            ends[i] = (i as u16 + 1) * 1023;
            i += 1;
        }
        Self(ends)
    };
}

/// 32 lanes of 16 bits.
pub(crate) trait Lanes: Copy {
    /// The sum of `part * weight / 65536` over all parts, and i + 1 in lane i. The weights sum to 65475 or less;
    /// the last lane is 32768 whatever they are.
    fn blend<const N: usize>(self, parts: [&Ends; N], weights: [u16; N]) -> Ends;
    /// How many lanes are `slot` or less.
    fn count(self, ends: &Ends, slot: u16) -> usize;
    /// Move lanes below `symbol` towards 0, the others towards 32767, by `rate` / 65536 of the distance, rounded down.
    fn adapt(self, ends: &mut Ends, symbol: usize, rate: i16);
}

/// Code that is generic over the lanes.
pub(crate) trait Task {
    /// Run it.
    fn run<L: Lanes>(self, lanes: L);
}

/// i + 1 in lane i.
const RAMP: Ends = {
    let mut r = [0; SYMBOLS];
    let mut i = 0;
    while i < SYMBOLS {
        r[i] = i as u16 + 1;
        i += 1;
    }
    Ends(r)
};

/// Run a task, which should be `#[inline(always)]` down to its loops, with the widest lanes of this processor.
#[inline]
pub(crate) fn run_lanes(task: impl Task) {
    #[cfg(target_arch = "x86_64")]
    {
        if x86::Avx512::supported() {
            // SAFETY: the processor has the instructions.
            return unsafe { x86::run_avx512(task) };
        }
        if x86::Avx2::supported() {
            // SAFETY: the processor has the instructions.
            return unsafe { x86::run_avx2(task) };
        }
    }
    task.run(Scalar);
}

/// One lane at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scalar;

impl Lanes for Scalar {
    #[inline(always)]
    fn blend<const N: usize>(self, parts: [&Ends; N], weights: [u16; N]) -> Ends {
        let mut sum = RAMP;
        for (part, w) in parts.into_iter().zip(weights) {
            for (s, &p) in sum.0.iter_mut().zip(&part.0) {
                *s = s.wrapping_add(((u32::from(p) * u32::from(w)) >> 16) as u16);
            }
        }
        sum.0[SYMBOLS - 1] = 32_768;
        sum
    }

    #[inline(always)]
    fn count(self, ends: &Ends, slot: u16) -> usize {
        ends.0.iter().map(|&e| usize::from(e <= slot)).sum()
    }

    #[inline(always)]
    fn adapt(self, ends: &mut Ends, symbol: usize, rate: i16) {
        for (i, e) in ends.0.iter_mut().enumerate() {
            let distance = if i < symbol { 0 } else { 32_767 } - i32::from(*e);
            *e = e.wrapping_add(((distance * i32::from(rate)) >> 16) as u16);
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Ends, Lanes, RAMP, Task};
    use std::arch::x86_64::*;

    /// Two vectors of 16 lanes; made only where the processor has AVX2.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx2(());

    impl Avx2 {
        pub(crate) fn supported() -> bool {
            is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt")
                && is_x86_feature_detected!("popcnt")
        }
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    pub(crate) fn run_avx2(task: impl Task) {
        task.run(Avx2(()));
    }

    impl Lanes for Avx2 {
        #[inline(always)]
        fn blend<const N: usize>(self, parts: [&Ends; N], weights: [u16; N]) -> Ends {
            // SAFETY: the processor has AVX2; vectors of 32 bytes at 0 and 32 of 64 aligned bytes.
            unsafe {
                let at = |e: &Ends, half| _mm256_load_si256(e.0.as_ptr().cast::<__m256i>().add(half));
                let mut sum = [at(&RAMP, 0), at(&RAMP, 1)];
                for (part, w) in parts.into_iter().zip(weights) {
                    let w = _mm256_set1_epi16(w as i16);
                    for (half, s) in sum.iter_mut().enumerate() {
                        *s = _mm256_add_epi16(*s, _mm256_mulhi_epu16(at(part, half), w));
                    }
                }
                sum[1] = _mm256_insert_epi16::<15>(sum[1], i16::MIN);
                let mut out = RAMP;
                for (half, s) in sum.into_iter().enumerate() {
                    _mm256_store_si256(out.0.as_mut_ptr().cast::<__m256i>().add(half), s);
                }
                out
            }
        }

        #[inline(always)]
        fn count(self, ends: &Ends, slot: u16) -> usize {
            // SAFETY: as in `blend`.
            unsafe {
                let at = |half| _mm256_load_si256(ends.0.as_ptr().cast::<__m256i>().add(half));
                let slot = _mm256_set1_epi16(slot as i16);
                // e <= slot: the smaller of both is e.
                let below = |e| _mm256_cmpeq_epi16(_mm256_min_epu16(e, slot), e);
                let mask = _mm256_movemask_epi8(_mm256_packs_epi16(below(at(0)), below(at(1))));
                mask.count_ones() as usize
            }
        }

        #[inline(always)]
        fn adapt(self, ends: &mut Ends, symbol: usize, rate: i16) {
            // SAFETY: as in `blend`.
            unsafe {
                let rate = _mm256_set1_epi16(rate);
                // RAMP > symbol: lane >= symbol.
                let symbol = _mm256_set1_epi16(symbol as i16);
                for half in 0..2 {
                    let place = ends.0.as_mut_ptr().cast::<__m256i>().add(half);
                    let ramp = _mm256_load_si256(RAMP.0.as_ptr().cast::<__m256i>().add(half));
                    let target = _mm256_srli_epi16::<1>(_mm256_cmpgt_epi16(ramp, symbol));
                    let e = _mm256_load_si256(place);
                    let step = _mm256_mulhi_epi16(_mm256_sub_epi16(target, e), rate);
                    _mm256_store_si256(place, _mm256_add_epi16(e, step));
                }
            }
        }
    }

    /// One vector; made only where the processor has AVX-512BW.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512(());

    impl Avx512 {
        pub(crate) fn supported() -> bool {
            Avx2::supported() && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")
        }
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw")]
    pub(crate) fn run_avx512(task: impl Task) {
        task.run(Avx512(()));
    }

    impl Lanes for Avx512 {
        #[inline(always)]
        fn blend<const N: usize>(self, parts: [&Ends; N], weights: [u16; N]) -> Ends {
            // SAFETY: the processor has AVX-512BW; 64 aligned bytes.
            unsafe {
                let at = |e: &Ends| _mm512_load_si512(e.0.as_ptr().cast());
                let mut sum = at(&RAMP);
                for (part, w) in parts.into_iter().zip(weights) {
                    sum = _mm512_add_epi16(sum, _mm512_mulhi_epu16(at(part), _mm512_set1_epi16(w as i16)));
                }
                sum = _mm512_mask_mov_epi16(sum, 1 << 31, _mm512_set1_epi16(i16::MIN));
                let mut out = RAMP;
                _mm512_store_si512(out.0.as_mut_ptr().cast(), sum);
                out
            }
        }

        #[inline(always)]
        fn count(self, ends: &Ends, slot: u16) -> usize {
            // SAFETY: as in `blend`.
            unsafe {
                let ends = _mm512_load_si512(ends.0.as_ptr().cast());
                _mm512_cmple_epu16_mask(ends, _mm512_set1_epi16(slot as i16)).count_ones() as usize
            }
        }

        #[inline(always)]
        fn adapt(self, ends: &mut Ends, symbol: usize, rate: i16) {
            // SAFETY: as in `blend`.
            unsafe {
                let place = ends.0.as_mut_ptr();
                let e = _mm512_load_si512(place.cast());
                let target = _mm512_maskz_set1_epi16(u32::MAX << (symbol & 31), i16::MAX);
                let step = _mm512_mulhi_epi16(_mm512_sub_epi16(target, e), _mm512_set1_epi16(rate));
                _mm512_store_si512(place.cast(), _mm512_add_epi16(e, step));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What some lanes make of many random distributions.
    struct Trial<'a>(&'a mut Vec<(Ends, usize)>);

    impl Task for Trial<'_> {
        fn run<L: Lanes>(self, lanes: L) {
            let mut s = 1u64;
            let mut random = || {
                s = s.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (s >> 40) as usize
            };
            let mut parts = [RAMP; 3];
            for _ in 0..2000 {
                let symbol = random() % SYMBOLS;
                for part in &mut parts {
                    lanes.adapt(part, symbol, (random() % 32_768) as i16);
                }
                let first = (random() % 65_476) as u16;
                let second = (random() % (65_476 - usize::from(first))) as u16;
                let ends = lanes.blend(parts.each_ref(), [first, second, 65_475 - first - second]);
                assert!(ends.0[0] > 0 && ends.0.windows(2).all(|w| w[0] < w[1]) && ends.0[SYMBOLS - 1] == 32_768);
                self.0.push((ends, lanes.count(&ends, (random() % 32_768) as u16)));
            }
        }
    }

    #[test]
    fn all_lanes_agree() {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        Trial(&mut a).run(Scalar);
        run_lanes(Trial(&mut b));
        assert_eq!(a, b);
        #[cfg(target_arch = "x86_64")]
        if x86::Avx2::supported() {
            b.clear();
            // SAFETY: the processor has the instructions.
            unsafe { x86::run_avx2(Trial(&mut b)) };
            assert_eq!(a, b);
        }
    }
}
