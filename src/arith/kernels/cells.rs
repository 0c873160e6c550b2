//! Work on eight or four cells side by side: a vector holds the same of all cells, so that no sum runs across one. Integers, and IEEE
//! operations that are not fused, so that every instruction set gives the same.

/// Samples of a cell.
pub(crate) const SAMPLES: usize = 32;
/// Pairs of neighbouring samples of a cell.
const PAIRS: usize = SAMPLES / 2;

/// Starts with a line of the cache, so that no vector lies across two.
#[repr(align(64))]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Aligned<T>(pub(crate) T);

/// All samples of `W` cells: pair by pair, cell by cell, the first of a pair in the low 16 bits.
pub(crate) type Turned<const W: usize> = Aligned<[[i32; W]; PAIRS]>;

/// For each of four neighbours and each of two others the sums of all cells.
pub(crate) type Sums<const W: usize> = Aligned<[[[i32; W]; 2]; 4]>;

/// What instruction sets do in their own way with `W` cells. A value is the proof that the processor has the instructions.
pub(crate) trait Cells<const W: usize>: Copy {
    /// Samples of each cell in the order of their columns, turned.
    fn turn(self, samples: &[[i16; SAMPLES]; W], out: &mut Turned<W>);
    /// The sums over the samples of the products of each `a` with each `b`, modulo 2^32.
    fn products(self, a: [&Turned<W>; 4], b: [&Turned<W>; 2], out: &mut Sums<W>);

    /// A number for each cell.
    type V: Copy;
    /// At least so many of them are in registers at once.
    const REGISTERS: usize;
    fn load(self, from: &[f64; W]) -> Self::V;
    fn store(self, v: Self::V, to: &mut [f64; W]);
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// Integers as numbers.
    fn whole(self, v: &[i32; W]) -> Self::V;
    /// `v` where `a > b`, elsewhere `w`.
    fn where_greater(self, a: Self::V, b: Self::V, v: Self::V, w: Self::V) -> Self::V;
}

/// Code that is generic over them.
pub(crate) trait OnCells {
    /// Run it; should be `#[inline(always)]` down to its loops, and integers or IEEE operations that are not fused.
    fn run<C: Cells<8> + Cells<4>>(self, cells: C);
}

/// Run with the widest instructions of this processor.
pub(crate) fn run_cells(task: impl OnCells) {
    #[cfg(target_arch = "x86_64")]
    {
        if x86::Vnni::supported() {
            // SAFETY: the processor has the instructions.
            return unsafe { x86::run_vnni(task) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has the instructions.
            return unsafe { x86::run_avx2(task) };
        }
    }
    task.run(Scalar);
}

/// One cell at a time.
#[derive(Clone, Copy)]
struct Scalar;

impl<const W: usize> Cells<W> for Scalar {
    #[inline(always)]
    fn turn(self, samples: &[[i16; SAMPLES]; W], out: &mut Turned<W>) {
        for (p, out) in out.0.iter_mut().enumerate() {
            for (o, cell) in out.iter_mut().zip(samples) {
                *o = i32::from(cell[2 * p] as u16) | i32::from(cell[2 * p + 1]) << 16;
            }
        }
    }

    #[inline(always)]
    fn products(self, a: [&Turned<W>; 4], b: [&Turned<W>; 2], out: &mut Sums<W>) {
        let product = |a: i32, b: i32| i32::from(a as i16).wrapping_mul((b as i16).into());
        for (out, a) in out.0.iter_mut().zip(a) {
            for (sums, b) in out.iter_mut().zip(b) {
                *sums = [0; W];
                for (a, b) in a.0.iter().zip(&b.0) {
                    for ((s, &a), &b) in sums.iter_mut().zip(a).zip(b) {
                        *s = s.wrapping_add(product(a, b)).wrapping_add(product(a >> 16, b >> 16));
                    }
                }
            }
        }
    }

    type V = [f64; W];
    const REGISTERS: usize = 4;

    #[inline(always)]
    fn load(self, from: &[f64; W]) -> Self::V {
        *from
    }
    #[inline(always)]
    fn store(self, v: Self::V, to: &mut [f64; W]) {
        *to = v;
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] / b[i])
    }
    #[inline(always)]
    fn whole(self, v: &[i32; W]) -> Self::V {
        v.map(f64::from)
    }
    #[inline(always)]
    fn where_greater(self, a: Self::V, b: Self::V, v: Self::V, w: Self::V) -> Self::V {
        std::array::from_fn(|i| if a[i] > b[i] { v[i] } else { w[i] })
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Cells, OnCells, PAIRS, SAMPLES, Sums, Turned};
    use std::arch::x86_64::*;

    #[derive(Clone, Copy)]
    pub(super) struct Avx2(());

    /// AVX-512 with its products of 16 bits.
    #[derive(Clone, Copy)]
    pub(super) struct Vnni(());

    impl Vnni {
        pub(super) fn supported() -> bool {
            is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni")
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn run_avx2(task: impl OnCells) {
        task.run(Avx2(()));
    }

    #[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
    pub(super) fn run_vnni(task: impl OnCells) {
        task.run(Vnni(()));
    }

    /// A square of 32-bit elements, its rows as columns.
    #[target_feature(enable = "avx2")]
    fn transpose(r: [__m256i; 8]) -> [__m256i; 8] {
        let low = |a, b| _mm256_unpacklo_epi32(r[a], r[b]);
        let high = |a, b| _mm256_unpackhi_epi32(r[a], r[b]);
        // Elements 0, 1 and 2, 3 of each half, of two rows each.
        let (a, b, c, d) = (low(0, 1), low(2, 3), low(4, 5), low(6, 7));
        let (e, f, g, h) = (high(0, 1), high(2, 3), high(4, 5), high(6, 7));
        let quarters = [
            (_mm256_unpacklo_epi64(a, b), _mm256_unpacklo_epi64(c, d)),
            (_mm256_unpackhi_epi64(a, b), _mm256_unpackhi_epi64(c, d)),
            (_mm256_unpacklo_epi64(e, f), _mm256_unpacklo_epi64(g, h)),
            (_mm256_unpackhi_epi64(e, f), _mm256_unpackhi_epi64(g, h)),
        ];
        std::array::from_fn(|i| {
            let (a, b) = quarters[i & 3];
            if i < 4 { _mm256_permute2x128_si256::<0x20>(a, b) } else { _mm256_permute2x128_si256::<0x31>(a, b) }
        })
    }

    #[target_feature(enable = "avx2")]
    fn turn8(samples: &[[i16; SAMPLES]; 8], out: &mut Turned<8>) {
        for (half, out) in out.0.chunks_exact_mut(8).enumerate() {
            // SAFETY: 16 of the 32 samples of a cell.
            let row = |c: usize| unsafe { _mm256_loadu_si256(samples[c][16 * half..][..16].as_ptr().cast()) };
            for (o, v) in out.iter_mut().zip(transpose(std::array::from_fn(row))) {
                // SAFETY: 32 bytes.
                unsafe { _mm256_storeu_si256(o.as_mut_ptr().cast(), v) };
            }
        }
    }

    #[target_feature(enable = "avx2")]
    fn turn4(samples: &[[i16; SAMPLES]; 4], out: &mut Turned<4>) {
        for (quarter, out) in out.0.chunks_exact_mut(4).enumerate() {
            // SAFETY: 8 of the 32 samples of a cell.
            let row = |c: usize| unsafe { _mm_loadu_si128(samples[c][8 * quarter..][..8].as_ptr().cast()) };
            let r: [_; 4] = std::array::from_fn(row);
            let (a, b) = (_mm_unpacklo_epi32(r[0], r[1]), _mm_unpacklo_epi32(r[2], r[3]));
            let (c, d) = (_mm_unpackhi_epi32(r[0], r[1]), _mm_unpackhi_epi32(r[2], r[3]));
            let pairs = [
                _mm_unpacklo_epi64(a, b),
                _mm_unpackhi_epi64(a, b),
                _mm_unpacklo_epi64(c, d),
                _mm_unpackhi_epi64(c, d),
            ];
            for (o, v) in out.iter_mut().zip(pairs) {
                // SAFETY: 16 bytes.
                unsafe { _mm_storeu_si128(o.as_mut_ptr().cast(), v) };
            }
        }
    }

    /// What does not depend on the numbers' vectors: products by an instruction that adds those of two pairs to a sum.
    macro_rules! samples {
        ($width:literal, $features:literal, $turn:ident, $add:expr, $store:expr) => {
            #[inline(always)]
            fn turn(self, samples: &[[i16; SAMPLES]; $width], out: &mut Turned<$width>) {
                // SAFETY: `self` proves that the processor has the instructions.
                unsafe { $turn(samples, out) }
            }

            #[inline(always)]
            fn products(self, a: [&Turned<$width>; 4], b: [&Turned<$width>; 2], out: &mut Sums<$width>) {
                #[target_feature(enable = $features)]
                fn products(a: [&Turned<$width>; 4], b: [&Turned<$width>; 2], out: &mut Sums<$width>) {
                    // One pair of eight cells, or two of four.
                    let vectors = |v| -> &[[i32; 8]; 2 * $width] { bytemuck::cast_ref::<[[i32; $width]; PAIRS], _>(v) };
                    // SAFETY: 32 bytes, which begin at a multiple of as many.
                    let load = |v: &[i32; 8]| unsafe { _mm256_load_si256(v.as_ptr().cast()) };
                    let (a, b) = (a.map(|a| vectors(&a.0)), b.map(|b| vectors(&b.0)));
                    let mut sums = [[_mm256_setzero_si256(); 2]; 4];
                    for p in 0..2 * $width {
                        let b = [load(&b[0][p]), load(&b[1][p])];
                        for (sums, a) in sums.iter_mut().zip(a) {
                            let a = load(&a[p]);
                            *sums = [$add(sums[0], a, b[0]), $add(sums[1], a, b[1])];
                        }
                    }
                    for (o, &s) in out.0.as_flattened_mut().iter_mut().zip(sums.as_flattened()) {
                        $store(s, o);
                    }
                }
                // SAFETY: `self` proves that the processor has the instructions.
                unsafe { products(a, b, out) }
            }
        };
    }

    /// Sums of eight cells.
    #[target_feature(enable = "avx2")]
    fn sums8(s: __m256i, out: &mut [i32; 8]) {
        // SAFETY: 32 bytes.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), s) };
    }

    /// Sums of four cells, of the first and the second pairs of two.
    #[target_feature(enable = "avx2")]
    fn sums4(s: __m256i, out: &mut [i32; 4]) {
        let sum = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256::<1>(s));
        // SAFETY: 16 bytes.
        unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), sum) };
    }

    /// The methods that are a few intrinsics each.
    macro_rules! numbers {
        ($($name:ident($($arg:ident: $type:ty),+) -> $result:ty = $value:expr;)+) => {
            $(
                #[inline(always)]
                fn $name(self, $($arg: $type),+) -> $result {
                    // SAFETY: `self` proves that the processor has the instructions; arrays have as many elements as are taken.
                    unsafe { $value }
                }
            )+
        };
    }

    #[target_feature(enable = "avx2")]
    fn add_avx2(sum: __m256i, a: __m256i, b: __m256i) -> __m256i {
        _mm256_add_epi32(sum, _mm256_madd_epi16(a, b))
    }

    impl Cells<8> for Avx2 {
        samples!(8, "avx2", turn8, add_avx2, sums8);

        type V = [__m256d; 2];
        const REGISTERS: usize = 8;
        numbers! {
            load(from: &[f64; 8]) -> Self::V = {
                [_mm256_loadu_pd(from.as_ptr()), _mm256_loadu_pd(from.as_ptr().add(4))]
            };
            store(v: Self::V, to: &mut [f64; 8]) -> () = {
                _mm256_storeu_pd(to.as_mut_ptr(), v[0]);
                _mm256_storeu_pd(to.as_mut_ptr().add(4), v[1]);
            };
            add(a: Self::V, b: Self::V) -> Self::V = [_mm256_add_pd(a[0], b[0]), _mm256_add_pd(a[1], b[1])];
            sub(a: Self::V, b: Self::V) -> Self::V = [_mm256_sub_pd(a[0], b[0]), _mm256_sub_pd(a[1], b[1])];
            mul(a: Self::V, b: Self::V) -> Self::V = [_mm256_mul_pd(a[0], b[0]), _mm256_mul_pd(a[1], b[1])];
            div(a: Self::V, b: Self::V) -> Self::V = [_mm256_div_pd(a[0], b[0]), _mm256_div_pd(a[1], b[1])];
            whole(v: &[i32; 8]) -> Self::V = {
                let at = |half| _mm_loadu_si128(v.as_ptr().cast::<__m128i>().add(half));
                [_mm256_cvtepi32_pd(at(0)), _mm256_cvtepi32_pd(at(1))]
            };
            where_greater(a: Self::V, b: Self::V, v: Self::V, w: Self::V) -> Self::V = {
                let half = |h: usize| _mm256_blendv_pd(w[h], v[h], _mm256_cmp_pd::<_CMP_GT_OQ>(a[h], b[h]));
                [half(0), half(1)]
            };
        }
    }

    impl Cells<8> for Vnni {
        samples!(8, "avx2,avx512f,avx512bw,avx512vl,avx512vnni", turn8, _mm256_dpwssd_epi32, sums8);

        type V = __m512d;
        const REGISTERS: usize = 32;
        numbers! {
            load(from: &[f64; 8]) -> Self::V = _mm512_loadu_pd(from.as_ptr());
            store(v: Self::V, to: &mut [f64; 8]) -> () = _mm512_storeu_pd(to.as_mut_ptr(), v);
            add(a: Self::V, b: Self::V) -> Self::V = _mm512_add_pd(a, b);
            sub(a: Self::V, b: Self::V) -> Self::V = _mm512_sub_pd(a, b);
            mul(a: Self::V, b: Self::V) -> Self::V = _mm512_mul_pd(a, b);
            div(a: Self::V, b: Self::V) -> Self::V = _mm512_div_pd(a, b);
            whole(v: &[i32; 8]) -> Self::V = _mm512_cvtepi32_pd(_mm256_loadu_si256(v.as_ptr().cast()));
            where_greater(a: Self::V, b: Self::V, v: Self::V, w: Self::V) -> Self::V = {
                _mm512_mask_blend_pd(_mm512_cmp_pd_mask::<_CMP_GT_OQ>(a, b), w, v)
            };
        }
    }

    /// Four numbers are one vector of either.
    macro_rules! four {
        ($set:ty, $features:literal, $add:expr) => {
            impl Cells<4> for $set {
                samples!(4, $features, turn4, $add, sums4);

                type V = __m256d;
                const REGISTERS: usize = 16;
                numbers! {
                    load(from: &[f64; 4]) -> Self::V = _mm256_loadu_pd(from.as_ptr());
                    store(v: Self::V, to: &mut [f64; 4]) -> () = _mm256_storeu_pd(to.as_mut_ptr(), v);
                    add(a: Self::V, b: Self::V) -> Self::V = _mm256_add_pd(a, b);
                    sub(a: Self::V, b: Self::V) -> Self::V = _mm256_sub_pd(a, b);
                    mul(a: Self::V, b: Self::V) -> Self::V = _mm256_mul_pd(a, b);
                    div(a: Self::V, b: Self::V) -> Self::V = _mm256_div_pd(a, b);
                    whole(v: &[i32; 4]) -> Self::V = _mm256_cvtepi32_pd(_mm_loadu_si128(v.as_ptr().cast()));
                    where_greater(a: Self::V, b: Self::V, v: Self::V, w: Self::V) -> Self::V = {
                        _mm256_blendv_pd(w, v, _mm256_cmp_pd::<_CMP_GT_OQ>(a, b))
                    };
                }
            }
        };
    }
    four!(Avx2, "avx2", add_avx2);
    four!(Vnni, "avx2,avx512f,avx512bw,avx512vl,avx512vnni", _mm256_dpwssd_epi32);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What some instructions make of many random samples and numbers.
    struct Trial<'a>(&'a mut Vec<i64>);

    impl OnCells for Trial<'_> {
        fn run<C: Cells<8> + Cells<4>>(self, cells: C) {
            trial::<C, 8>(cells, self.0);
            trial::<C, 4>(cells, self.0);
        }
    }

    fn trial<C: Cells<W>, const W: usize>(c: C, out: &mut Vec<i64>) {
        let mut s = 1u64;
        let mut random = || {
            s = s.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            s >> 32
        };
        for _ in 0..50 {
            let mut turned = || {
                let mut out = Aligned([[0; W]; PAIRS]);
                c.turn(&std::array::from_fn(|_| std::array::from_fn(|_| (random() >> 16) as i16)), &mut out);
                out
            };
            let (a, b) = ([turned(), turned(), turned(), turned()], [turned(), turned()]);
            out.extend(a.iter().flat_map(|a| a.0.as_flattened()).map(|&v| i64::from(v)));
            let mut sums = Aligned([[[0; W]; 2]; 4]);
            c.products(a.each_ref(), b.each_ref(), &mut sums);
            out.extend(sums.0.as_flattened().as_flattened().iter().map(|&v| i64::from(v)));
            let mut numbers = || c.whole(&std::array::from_fn(|_| random() as i32));
            let (a, b, d) = (numbers(), numbers(), numbers());
            for v in [c.add(a, c.div(b, d)), c.sub(a, b), c.mul(a, b), c.where_greater(a, b, b, d)] {
                let mut n = [0.0f64; W];
                c.store(v, &mut n);
                let mut again = [0.0; W];
                c.store(c.load(&n), &mut again);
                assert_eq!(n, again);
                out.extend(n.map(|n| n.to_bits() as i64));
            }
        }
    }

    fn products_of<const W: usize>() {
        let sample = |k: usize| -> [[i16; SAMPLES]; W] {
            std::array::from_fn(|c| std::array::from_fn(|i| (((c * SAMPLES + i) * (31 - 20 * k)) % 1999) as i16 - 900))
        };
        let (a, b) = (sample(0), sample(1));
        let (mut ta, mut tb) = (Aligned([[0; W]; PAIRS]), Aligned([[0; W]; PAIRS]));
        Scalar.turn(&a, &mut ta);
        Scalar.turn(&b, &mut tb);
        let mut sums = Aligned([[[0; W]; 2]; 4]);
        Scalar.products([&ta, &tb, &ta, &ta], [&tb, &ta], &mut sums);
        for c in 0..W {
            let dot = |a: &[i16], b: &[i16]| a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum::<i32>();
            let expected = (dot(&a[c], &b[c]), dot(&b[c], &b[c]), dot(&a[c], &a[c]));
            assert_eq!((sums.0[0][0][c], sums.0[1][0][c], sums.0[3][1][c]), expected);
        }
    }

    #[test]
    fn products_are_those_of_the_samples() {
        products_of::<8>();
        products_of::<4>();
    }

    #[test]
    fn all_instructions_agree() {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        Trial(&mut a).run(Scalar);
        run_cells(Trial(&mut b));
        assert_eq!(a, b);
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            b.clear();
            // SAFETY: the processor has the instructions.
            unsafe { x86::run_avx2(Trial(&mut b)) };
            assert_eq!(a, b);
        }
    }
}
