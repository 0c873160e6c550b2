//! Vectors of f32 behind one trait, so that a kernel is written once. A value of a [`Simd`] type is the proof that
//! the processor has the instructions.

/// Operations on vectors of [`LANES`](Simd::LANES) f32. All are the IEEE operations, lane by lane.
pub(super) trait Simd: Copy {
    /// A vector.
    type V: Copy;
    const LANES: usize;

    fn splat(self, x: f32) -> Self::V;
    /// # Safety
    /// `LANES` values can be read at `from`.
    unsafe fn load(self, from: *const f32) -> Self::V;
    /// # Safety
    /// `LANES` values can be written at `to`.
    unsafe fn store(self, to: *mut f32, v: Self::V);
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, rounded once.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The smaller; neither may be NaN unless the result is not used.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    fn abs(self, a: Self::V) -> Self::V;
    /// `magnitude`, which is not negative, with the sign of `sign`.
    fn with_sign(self, magnitude: Self::V, sign: Self::V) -> Self::V;
    /// To the nearest whole number, ties to even.
    fn round(self, a: Self::V) -> Self::V;
    /// `v` where `a < b`, elsewhere +0.
    fn where_less(self, a: Self::V, b: Self::V, v: Self::V) -> Self::V;

    /// Sixteen lanes, so that sums over points have one order whatever the instructions.
    type Wide: Copy;
    fn wide_splat(self, x: f32) -> Self::Wide;
    /// # Safety
    /// 16 values can be read at `from`.
    unsafe fn wide_load(self, from: *const f32) -> Self::Wide;
    fn wide_mul_add(self, a: Self::Wide, b: Self::Wide, c: Self::Wide) -> Self::Wide;
    /// `v` where `a < b`, elsewhere +0.
    fn wide_where_less(self, a: Self::Wide, b: Self::Wide, v: Self::Wide) -> Self::Wide;
    fn wide_array(self, v: Self::Wide) -> [f32; 16];
    /// The [`total`] of each.
    #[inline(always)]
    fn totals<const I: usize, const J: usize>(self, sums: &[[Self::Wide; J]; I]) -> [[f32; J]; I] {
        sums.map(|row| row.map(|v| total(&self.wide_array(v))))
    }
}

/// The sum of sixteen lanes, in the order that suits their transposition.
#[inline(always)]
pub(super) fn total(x: &[f32; 16]) -> f32 {
    let c = |e: usize| (x[e] + x[e + 8]) + (x[e + 4] + x[e + 12]);
    (c(0) + c(2)) + (c(1) + c(3))
}

/// Four lanes that the compiler turns into what the target has.
#[derive(Clone, Copy)]
pub(super) struct Portable;

macro_rules! lanes {
    (|$($x:ident),+| $value:expr) => {{
        let mut out = [0.0; 4];
        for (i, o) in out.iter_mut().enumerate() {
            $(let $x = $x[i];)+
            *o = $value;
        }
        out
    }};
}

impl Simd for Portable {
    type V = [f32; 4];
    const LANES: usize = 4;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        [x; 4]
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::V {
        // SAFETY: the caller's promise; an array of f32 has the alignment of f32.
        unsafe { from.cast::<[f32; 4]>().read() }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: Self::V) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[f32; 4]>().write(v) }
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        lanes!(|a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        lanes!(|a, b| a - b)
    }
    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        lanes!(|a, b| a / b)
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        lanes!(|a, b| a * b)
    }
    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        lanes!(|a, b, c| a.mul_add(b, c))
    }
    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        lanes!(|a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn abs(self, a: Self::V) -> Self::V {
        lanes!(|a| a.abs())
    }
    #[inline(always)]
    fn with_sign(self, magnitude: Self::V, sign: Self::V) -> Self::V {
        lanes!(|magnitude, sign| magnitude.copysign(sign))
    }
    #[inline(always)]
    fn round(self, a: Self::V) -> Self::V {
        lanes!(|a| a.round_ties_even())
    }
    #[inline(always)]
    fn where_less(self, a: Self::V, b: Self::V, v: Self::V) -> Self::V {
        lanes!(|a, b, v| if a < b { v } else { 0.0 })
    }

    type Wide = [[f32; 4]; 4];
    #[inline(always)]
    fn wide_splat(self, x: f32) -> Self::Wide {
        [[x; 4]; 4]
    }
    #[inline(always)]
    unsafe fn wide_load(self, from: *const f32) -> Self::Wide {
        // SAFETY: the caller's promise; an array of f32 has the alignment of f32.
        unsafe { from.cast::<[[f32; 4]; 4]>().read() }
    }
    #[inline(always)]
    fn wide_mul_add(self, a: Self::Wide, b: Self::Wide, c: Self::Wide) -> Self::Wide {
        std::array::from_fn(|i| self.mul_add(a[i], b[i], c[i]))
    }
    #[inline(always)]
    fn wide_where_less(self, a: Self::Wide, b: Self::Wide, v: Self::Wide) -> Self::Wide {
        std::array::from_fn(|i| self.where_less(a[i], b[i], v[i]))
    }
    #[inline(always)]
    fn wide_array(self, v: Self::Wide) -> [f32; 16] {
        bytemuck::cast(v)
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Simd;
    use std::arch::x86_64::*;

    /// The processor has AVX2 and FMA.
    #[derive(Clone, Copy)]
    pub(in crate::arith::kernels) struct Avx2(());

    /// The processor has AVX-512F.
    #[derive(Clone, Copy)]
    pub(in crate::arith::kernels) struct Avx512(());

    impl Avx2 {
        /// # Safety
        /// The processor has AVX2 and FMA.
        #[inline(always)]
        pub(in crate::arith::kernels) const unsafe fn new() -> Self {
            Self(())
        }
    }

    impl Avx512 {
        /// # Safety
        /// The processor has AVX-512F.
        #[inline(always)]
        pub(in crate::arith::kernels) const unsafe fn new() -> Self {
            Self(())
        }
    }

    /// The methods that are one intrinsic each.
    macro_rules! intrinsics {
        ($($name:ident($($arg:ident),+) = $intrinsic:expr;)+) => {
            $(
                #[inline(always)]
                fn $name(self, $($arg: Self::V),+) -> Self::V {
                    // SAFETY: `self` proves that the processor has the instruction.
                    unsafe { $intrinsic }
                }
            )+
        };
    }

    impl Simd for Avx2 {
        type V = __m256;
        const LANES: usize = 8;

        #[inline(always)]
        fn splat(self, x: f32) -> __m256 {
            // SAFETY: `self` proves that the processor has the instruction.
            unsafe { _mm256_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(self, from: *const f32) -> __m256 {
            // SAFETY: the caller's promise, and as above.
            unsafe { _mm256_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32, v: __m256) {
            // SAFETY: the caller's promise, and as above.
            unsafe { _mm256_storeu_ps(to, v) }
        }
        intrinsics! {
            add(a, b) = _mm256_add_ps(a, b);
            sub(a, b) = _mm256_sub_ps(a, b);
            div(a, b) = _mm256_div_ps(a, b);
            mul(a, b) = _mm256_mul_ps(a, b);
            mul_add(a, b, c) = _mm256_fmadd_ps(a, b, c);
            min(a, b) = _mm256_min_ps(a, b);
            abs(a) = _mm256_andnot_ps(_mm256_set1_ps(-0.0), a);
            with_sign(magnitude, sign) = _mm256_or_ps(magnitude, _mm256_and_ps(_mm256_set1_ps(-0.0), sign));
            round(a) = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a);
            where_less(a, b, v) = _mm256_and_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(a, b), v);
        }

        type Wide = [__m256; 2];
        #[inline(always)]
        fn wide_splat(self, x: f32) -> Self::Wide {
            [self.splat(x); 2]
        }
        #[inline(always)]
        unsafe fn wide_load(self, from: *const f32) -> Self::Wide {
            // SAFETY: the caller's promise.
            unsafe { [self.load(from), self.load(from.add(8))] }
        }
        #[inline(always)]
        fn wide_mul_add(self, a: Self::Wide, b: Self::Wide, c: Self::Wide) -> Self::Wide {
            [self.mul_add(a[0], b[0], c[0]), self.mul_add(a[1], b[1], c[1])]
        }
        #[inline(always)]
        fn wide_where_less(self, a: Self::Wide, b: Self::Wide, v: Self::Wide) -> Self::Wide {
            [self.where_less(a[0], b[0], v[0]), self.where_less(a[1], b[1], v[1])]
        }
        #[inline(always)]
        fn wide_array(self, v: Self::Wide) -> [f32; 16] {
            let mut out = [0.0; 16];
            // SAFETY: both halves lie inside `out`.
            unsafe {
                self.store(out.as_mut_ptr(), v[0]);
                self.store(out.as_mut_ptr().add(8), v[1]);
            }
            out
        }
    }

    /// The totals of sixteen vectors in one: that of `sums[i][j]` in lane `4 i + j`.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn transpose_and_add(sums: &[[__m512; 4]; 4]) -> __m512 {
        let lo = pair(column(sums, 0), column(sums, 1));
        let hi = pair(column(sums, 2), column(sums, 3));
        let (lo, hi) = (_mm512_castps_pd(lo), _mm512_castps_pd(hi));
        _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(lo, hi)), _mm512_castpd_ps(_mm512_unpackhi_pd(lo, hi)))
    }

    /// The quarters of each of four vectors added: that of `sums[i][j]` in quarter `i`.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn column(sums: &[[__m512; 4]; 4], j: usize) -> __m512 {
        let (a, b, c, d) = (sums[0][j], sums[1][j], sums[2][j], sums[3][j]);
        let ab = _mm512_add_ps(_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0xee>(a, b));
        let cd = _mm512_add_ps(_mm512_shuffle_f32x4::<0x44>(c, d), _mm512_shuffle_f32x4::<0xee>(c, d));
        _mm512_add_ps(_mm512_shuffle_f32x4::<0x88>(ab, cd), _mm512_shuffle_f32x4::<0xdd>(ab, cd))
    }

    /// In each quarter the halves of two vectors added, alternating.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn pair(v: __m512, w: __m512) -> __m512 {
        _mm512_add_ps(_mm512_unpacklo_ps(v, w), _mm512_unpackhi_ps(v, w))
    }

    impl Simd for Avx512 {
        type V = __m512;
        const LANES: usize = 16;

        #[inline(always)]
        fn splat(self, x: f32) -> __m512 {
            // SAFETY: `self` proves that the processor has the instruction.
            unsafe { _mm512_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(self, from: *const f32) -> __m512 {
            // SAFETY: the caller's promise, and as above.
            unsafe { _mm512_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32, v: __m512) {
            // SAFETY: the caller's promise, and as above.
            unsafe { _mm512_storeu_ps(to, v) }
        }
        intrinsics! {
            add(a, b) = _mm512_add_ps(a, b);
            sub(a, b) = _mm512_sub_ps(a, b);
            div(a, b) = _mm512_div_ps(a, b);
            mul(a, b) = _mm512_mul_ps(a, b);
            mul_add(a, b, c) = _mm512_fmadd_ps(a, b, c);
            min(a, b) = _mm512_min_ps(a, b);
            abs(a) = _mm512_abs_ps(a);
            with_sign(magnitude, sign) = {
                let bit = _mm512_set1_epi32(i32::MIN);
                let (m, s) = (_mm512_castps_si512(magnitude), _mm512_castps_si512(sign));
                _mm512_castsi512_ps(_mm512_or_si512(m, _mm512_and_si512(bit, s)))
            };
            round(a) = _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a);
            where_less(a, b, v) = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b), v);
        }

        type Wide = __m512;
        #[inline(always)]
        fn wide_splat(self, x: f32) -> Self::Wide {
            self.splat(x)
        }
        #[inline(always)]
        unsafe fn wide_load(self, from: *const f32) -> Self::Wide {
            // SAFETY: the caller's promise.
            unsafe { self.load(from) }
        }
        #[inline(always)]
        fn wide_mul_add(self, a: Self::Wide, b: Self::Wide, c: Self::Wide) -> Self::Wide {
            self.mul_add(a, b, c)
        }
        #[inline(always)]
        fn wide_where_less(self, a: Self::Wide, b: Self::Wide, v: Self::Wide) -> Self::Wide {
            self.where_less(a, b, v)
        }
        #[inline(always)]
        fn wide_array(self, v: Self::Wide) -> [f32; 16] {
            let mut out = [0.0; 16];
            // SAFETY: `out` holds 16 values.
            unsafe { self.store(out.as_mut_ptr(), v) };
            out
        }
        #[inline(always)]
        fn totals<const I: usize, const J: usize>(self, sums: &[[__m512; J]; I]) -> [[f32; J]; I] {
            let mut out = [[0.0; J]; I];
            if I == 4 && J == 4 {
                let mut square = [[self.splat(0.0); 4]; 4];
                for i in 0..I {
                    for j in 0..J {
                        square[i][j] = sums[i][j];
                    }
                }
                // SAFETY: `self` proves that the processor has the instructions.
                let all = self.wide_array(unsafe { transpose_and_add(&square) });
                for (row, all) in out.iter_mut().zip(all.chunks_exact(4)) {
                    row.copy_from_slice(all);
                }
                return out;
            }
            for (out, sums) in out.as_flattened_mut().iter_mut().zip(sums.as_flattened()) {
                *out = super::total(&self.wide_array(*sums));
            }
            out
        }
    }
}

/// Make `$name(isa, args..)`, which calls `$body(simd, args..)`, generic over [`Simd`], compiled for each `Isa`.
macro_rules! for_each_isa {
    ($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)?, $body:ident) => {
        $(#[$doc])*
        pub(crate) fn $name(isa: crate::arith::Isa, $($arg: $type),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            {
                use crate::arith::Isa;
                use crate::arith::kernels::simd::{Avx2, Avx512};
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $type),*) $(-> $result)? {
                    // SAFETY: this function is only called where the processor has the instructions.
                    $body(unsafe { Avx2::new() }, $($arg),*)
                }
                #[target_feature(enable = "avx512f,avx2,fma")]
                fn avx512($($arg: $type),*) $(-> $result)? {
                    // SAFETY: this function is only called where the processor has the instructions.
                    $body(unsafe { Avx512::new() }, $($arg),*)
                }
                match isa {
                    // SAFETY: the processor has the instructions.
                    Isa::Avx512 if isa.supported() => return unsafe { avx512($($arg),*) },
                    // SAFETY: the processor has the instructions.
                    Isa::Avx2 if isa.supported() => return unsafe { avx2($($arg),*) },
                    _ => {}
                }
            }
            let _ = isa;
            $body(crate::arith::kernels::simd::Portable, $($arg),*)
        }
    };
}
pub(super) use for_each_isa;
