//! Integers of the lattice coder: 32 bits where the encoder says that they suffice, else 64. All arithmetic wraps.

use std::ops::Add;

/// The size of a residual, as the models see it.
pub(crate) trait Size: Copy + Default + Add<Output = Self> + Into<u64> + Send + Sync {
    /// The largest; 32 of them do not overflow.
    const MOST: u64;
    /// A size of at most [`Self::MOST`].
    fn of(v: u64) -> Self;
}

impl Size for u32 {
    const MOST: u64 = 1 << 26;

    #[inline(always)]
    fn of(v: u64) -> Self {
        v as Self
    }
}

impl Size for u64 {
    const MOST: u64 = 1 << 48;

    #[inline(always)]
    fn of(v: u64) -> Self {
        v
    }
}

/// An integer of a lattice stream.
pub(crate) trait Integer: Copy + Default + Eq + Send + Sync {
    /// Sizes of residuals.
    type Size: Size;
    /// The integer modulo 2^bits.
    fn wrap(v: i64) -> Self;
    /// The integer nearest to a number; 0 for none.
    fn nearest(v: f64) -> Self;
    /// The whole part of a number that is in range.
    fn cut(v: f64) -> Self;
    /// Its value.
    fn wide(self) -> i64;
    /// Its value.
    fn float(self) -> f64;
    /// The difference, modulo 2^bits.
    fn minus(self, other: Self) -> Self;
    /// The product with a weight, modulo 2^64.
    fn times(self, weight: i32) -> i64;
    /// Low 32 bits of the integer shifted down, which integers of 32 bits are not.
    fn low(self, shift: u32) -> i32;
}

/// Halves away from zero.
fn rounded(v: f64) -> f64 {
    if v < 0.0 { v - 0.5 } else { v + 0.5 }
}

impl Integer for i32 {
    type Size = u32;

    #[inline(always)]
    fn wrap(v: i64) -> Self {
        v as Self
    }

    #[inline(always)]
    fn nearest(v: f64) -> Self {
        rounded(v) as Self
    }

    #[inline(always)]
    fn cut(v: f64) -> Self {
        v as Self
    }

    #[inline(always)]
    fn float(self) -> f64 {
        self.into()
    }

    #[inline(always)]
    fn wide(self) -> i64 {
        self.into()
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }

    #[inline(always)]
    fn times(self, weight: i32) -> i64 {
        i64::from(self) * i64::from(weight)
    }

    #[inline(always)]
    fn low(self, _: u32) -> i32 {
        self
    }
}

impl Integer for i64 {
    type Size = u64;

    #[inline(always)]
    fn wrap(v: i64) -> Self {
        v
    }

    #[inline(always)]
    fn nearest(v: f64) -> Self {
        rounded(v) as Self
    }

    #[inline(always)]
    fn cut(v: f64) -> Self {
        v as Self
    }

    #[inline(always)]
    fn float(self) -> f64 {
        self as f64
    }

    #[inline(always)]
    fn wide(self) -> i64 {
        self
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }

    #[inline(always)]
    fn times(self, weight: i32) -> i64 {
        self.wrapping_mul(weight.into())
    }

    #[inline(always)]
    fn low(self, shift: u32) -> i32 {
        (self >> shift) as i32
    }
}
