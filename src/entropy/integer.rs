//! Integers of the lattice coder: 32 bits where the encoder says that they suffice, else 64. All arithmetic wraps.

/// An integer of a lattice stream.
pub(crate) trait Integer: Copy + Default + Eq + Send + Sync {
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
    /// Low 32 bits of the integer shifted down.
    fn low(self, shift: u32) -> i32;
}

/// Halves away from zero.
fn rounded(v: f64) -> f64 {
    if v < 0.0 { v - 0.5 } else { v + 0.5 }
}

impl Integer for i32 {
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
    fn low(self, shift: u32) -> i32 {
        self >> shift.min(31)
    }
}

impl Integer for i64 {
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
