//! Work on eight cells side by side: a vector holds the same of all cells, so that no sum runs across one. Integers, and IEEE
//! operations that are not fused, so that every instruction set gives the same.

/// Cells side by side.
pub(crate) const CELLS: usize = 8;
/// Samples of a cell.
pub(crate) const SAMPLES: usize = 32;
/// Pairs of neighbouring samples of a cell.
const PAIRS: usize = SAMPLES / 2;

/// For each cell a sum, or a pair of neighbouring samples, the first one in the low 16 bits.
#[repr(align(32))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PerCell(pub(crate) [i32; CELLS]);

/// For each cell a number.
#[repr(align(64))]
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Numbers(pub(crate) [f64; CELLS]);

/// All samples of eight cells: pair by pair, cell by cell.
pub(crate) type Turned = [PerCell; PAIRS];
pub(crate) const NO_SAMPLES: Turned = [PerCell([0; CELLS]); PAIRS];

/// What instruction sets do in their own way. A value is the proof that the processor has the instructions.
pub(crate) trait Cells: Copy {
    /// Samples in the order of their columns, turned.
    fn turn(self, samples: &[i16; CELLS * SAMPLES], out: &mut Turned);
    /// The sums over the samples of the products of each `a` with each `b`, modulo 2^32.
    fn products(self, a: [&Turned; 4], b: [&Turned; 2]) -> [[PerCell; 2]; 4];

    /// A number for each cell.
    type V: Copy;
    fn load(self, from: &[f64; CELLS]) -> Self::V;
    fn store(self, v: Self::V, to: &mut [f64; CELLS]);
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// Integers as numbers.
    fn whole(self, v: &PerCell) -> Self::V;
    /// `v` where `a > b`, elsewhere `w`.
    fn where_greater(self, a: Self::V, b: Self::V, v: Self::V, w: Self::V) -> Self::V;
}

/// Code that is generic over them.
pub(crate) trait OnCells {
    /// Run it; should be `#[inline(always)]` down to its loops, and integers or IEEE operations that are not fused.
    fn run<C: Cells>(self, cells: C);
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

impl Cells for Scalar {
    #[inline(always)]
    fn turn(self, samples: &[i16; CELLS * SAMPLES], out: &mut Turned) {
        for (p, out) in out.iter_mut().enumerate() {
            for (o, cell) in out.0.iter_mut().zip(samples.chunks_exact(SAMPLES)) {
                *o = i32::from(cell[2 * p] as u16) | i32::from(cell[2 * p + 1]) << 16;
            }
        }
    }

    #[inline(always)]
    fn products(self, a: [&Turned; 4], b: [&Turned; 2]) -> [[PerCell; 2]; 4] {
        let product = |a: i32, b: i32| i32::from(a as i16).wrapping_mul((b as i16).into());
        a.map(|a| {
            b.map(|b| {
                let mut sums = [0i32; CELLS];
                for (a, b) in a.iter().zip(b) {
                    for ((s, &a), &b) in sums.iter_mut().zip(&a.0).zip(&b.0) {
                        *s = s.wrapping_add(product(a, b)).wrapping_add(product(a >> 16, b >> 16));
                    }
                }
                PerCell(sums)
            })
        })
    }

    type V = [f64; CELLS];

    #[inline(always)]
    fn load(self, from: &[f64; CELLS]) -> Self::V {
        *from
    }
    #[inline(always)]
    fn store(self, v: Self::V, to: &mut [f64; CELLS]) {
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
    fn whole(self, v: &PerCell) -> Self::V {
        v.0.map(f64::from)
    }
    #[inline(always)]
    fn where_greater(self, a: Self::V, b: Self::V, v: Self::V, w: Self::V) -> Self::V {
        std::array::from_fn(|i| if a[i] > b[i] { v[i] } else { w[i] })
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{CELLS, Cells, OnCells, PAIRS, PerCell, SAMPLES, Turned};
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
    fn turn(samples: &[i16; CELLS * SAMPLES], out: &mut Turned) {
        for (half, out) in out.chunks_exact_mut(CELLS).enumerate() {
            // SAFETY: of each of the 8 cells the first or last 16 of its 32 samples.
            let row = |c: usize| unsafe { _mm256_loadu_si256(samples.as_ptr().add(c * SAMPLES + 16 * half).cast()) };
            for (o, v) in out.iter_mut().zip(transpose(std::array::from_fn(row))) {
                // SAFETY: 32 aligned bytes.
                unsafe { _mm256_store_si256(o.0.as_mut_ptr().cast(), v) };
            }
        }
    }

    /// The products by an instruction that adds those of two pairs to a sum.
    macro_rules! products {
        ($add:expr) => {
            #[inline(always)]
            fn turn(self, samples: &[i16; CELLS * SAMPLES], out: &mut Turned) {
                // SAFETY: `self` proves that the processor has the instructions.
                unsafe { turn(samples, out) }
            }

            #[inline(always)]
            fn products(self, a: [&Turned; 4], b: [&Turned; 2]) -> [[PerCell; 2]; 4] {
                // SAFETY: `self` proves that the processor has the instructions; loads and stores are of 32 aligned bytes.
                unsafe {
                    let load = |v: &PerCell| _mm256_load_si256(v.0.as_ptr().cast());
                    let mut sums = [[_mm256_setzero_si256(); 2]; 4];
                    for p in 0..PAIRS {
                        let b = [load(&b[0][p]), load(&b[1][p])];
                        for (sums, a) in sums.iter_mut().zip(a) {
                            let a = load(&a[p]);
                            *sums = [$add(sums[0], a, b[0]), $add(sums[1], a, b[1])];
                        }
                    }
                    let mut out = [[PerCell([0; CELLS]); 2]; 4];
                    for (o, &s) in out.as_flattened_mut().iter_mut().zip(sums.as_flattened()) {
                        _mm256_store_si256(o.0.as_mut_ptr().cast(), s);
                    }
                    out
                }
            }
        };
    }

    /// The methods that are a few intrinsics each.
    macro_rules! numbers {
        ($($name:ident($($arg:ident: $type:ty),+) -> $result:ty = $value:expr;)+) => {
            $(
                #[inline(always)]
                fn $name(self, $($arg: $type),+) -> $result {
                    // SAFETY: `self` proves that the processor has the instructions; arrays have 8 elements.
                    unsafe { $value }
                }
            )+
        };
    }

    impl Cells for Avx2 {
        products!(|sum, a, b| _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)));

        type V = [__m256d; 2];
        numbers! {
            load(from: &[f64; CELLS]) -> Self::V = {
                [_mm256_loadu_pd(from.as_ptr()), _mm256_loadu_pd(from.as_ptr().add(4))]
            };
            store(v: Self::V, to: &mut [f64; CELLS]) -> () = {
                _mm256_storeu_pd(to.as_mut_ptr(), v[0]);
                _mm256_storeu_pd(to.as_mut_ptr().add(4), v[1]);
            };
            add(a: Self::V, b: Self::V) -> Self::V = [_mm256_add_pd(a[0], b[0]), _mm256_add_pd(a[1], b[1])];
            sub(a: Self::V, b: Self::V) -> Self::V = [_mm256_sub_pd(a[0], b[0]), _mm256_sub_pd(a[1], b[1])];
            mul(a: Self::V, b: Self::V) -> Self::V = [_mm256_mul_pd(a[0], b[0]), _mm256_mul_pd(a[1], b[1])];
            div(a: Self::V, b: Self::V) -> Self::V = [_mm256_div_pd(a[0], b[0]), _mm256_div_pd(a[1], b[1])];
            whole(v: &PerCell) -> Self::V = {
                let at = |half| _mm_load_si128(v.0.as_ptr().cast::<__m128i>().add(half));
                [_mm256_cvtepi32_pd(at(0)), _mm256_cvtepi32_pd(at(1))]
            };
            where_greater(a: Self::V, b: Self::V, v: Self::V, w: Self::V) -> Self::V = {
                let half = |h: usize| _mm256_blendv_pd(w[h], v[h], _mm256_cmp_pd::<_CMP_GT_OQ>(a[h], b[h]));
                [half(0), half(1)]
            };
        }
    }

    impl Cells for Vnni {
        products!(|sum, a, b| _mm256_dpwssd_epi32(sum, a, b));

        type V = __m512d;
        numbers! {
            load(from: &[f64; CELLS]) -> Self::V = _mm512_loadu_pd(from.as_ptr());
            store(v: Self::V, to: &mut [f64; CELLS]) -> () = _mm512_storeu_pd(to.as_mut_ptr(), v);
            add(a: Self::V, b: Self::V) -> Self::V = _mm512_add_pd(a, b);
            sub(a: Self::V, b: Self::V) -> Self::V = _mm512_sub_pd(a, b);
            mul(a: Self::V, b: Self::V) -> Self::V = _mm512_mul_pd(a, b);
            div(a: Self::V, b: Self::V) -> Self::V = _mm512_div_pd(a, b);
            whole(v: &PerCell) -> Self::V = _mm512_cvtepi32_pd(_mm256_load_si256(v.0.as_ptr().cast()));
            where_greater(a: Self::V, b: Self::V, v: Self::V, w: Self::V) -> Self::V = {
                _mm512_mask_blend_pd(_mm512_cmp_pd_mask::<_CMP_GT_OQ>(a, b), w, v)
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What some instructions make of many random samples.
    struct Trial<'a>(&'a mut Vec<PerCell>);

    impl OnCells for Trial<'_> {
        fn run<C: Cells>(self, cells: C) {
            let mut s = 1u64;
            let mut turned = || {
                let mut out = NO_SAMPLES;
                let samples = std::array::from_fn(|_| {
                    s = s.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (s >> 48) as i16
                });
                cells.turn(&samples, &mut out);
                out
            };
            for _ in 0..50 {
                let (a, b) = ([turned(), turned(), turned(), turned()], [turned(), turned()]);
                self.0.extend(a.as_flattened());
                self.0.extend(cells.products(a.each_ref(), b.each_ref()).as_flattened());
            }
        }
    }

    #[test]
    fn products_are_those_of_the_samples() {
        let (mut a, mut b) = ([0i16; CELLS * SAMPLES], [0i16; CELLS * SAMPLES]);
        for i in 0..a.len() {
            (a[i], b[i]) = (i as i16 * 31 - 4000, 700 - (i as i16 % 77) * 19);
        }
        let (mut ta, mut tb) = (NO_SAMPLES, NO_SAMPLES);
        Scalar.turn(&a, &mut ta);
        Scalar.turn(&b, &mut tb);
        let sums = Scalar.products([&ta, &tb, &ta, &ta], [&tb, &ta]);
        for c in 0..CELLS {
            let part = c * SAMPLES..(c + 1) * SAMPLES;
            let dot = |a: &[i16], b: &[i16]| a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum::<i32>();
            let (a, b) = (&a[part.clone()], &b[part]);
            assert_eq!((sums[0][0].0[c], sums[1][0].0[c], sums[3][1].0[c]), (dot(a, b), dot(b, b), dot(a, a)));
        }
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
