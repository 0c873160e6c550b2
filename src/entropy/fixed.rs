//! Native floats as integers: multiples of a power of two, towards zero, and the digits below it. Predictions stay
//! linear in the values, which the order of bit patterns is not where exponents or signs differ.

use super::prob::{Prob, exp_golomb};
use super::range::Coder;
use crate::array::{DType, Element};
use std::ops::RangeInclusive;

/// Exponents of the smallest and the largest unit in the last place of any float.
pub(crate) const EXPONENTS: RangeInclusive<i32> = -1074..=971;

/// 2^n, from the smallest f64 up; 0 below, infinity above.
pub(crate) const fn exp2(n: i32) -> f64 {
    match n {
        ..-1074 => 0.0,
        -1074..-1022 => f64::from_bits(1 << (n + 1074)),
        -1022..1024 => f64::from_bits(((n + 1023) as u64) << 52),
        _ => f64::INFINITY,
    }
}

/// floor(log2(x)) of a positive finite number.
pub(crate) const fn log2(x: f64) -> i32 {
    let exponent = (x.to_bits() >> 52 & 0x7ff) as i32;
    if exponent > 0 { exponent - 1023 } else { 63 - (x.to_bits() | 1).leading_zeros() as i32 - 1074 }
}

/// Binary digits of a type, and the exponent of its smallest number.
pub(crate) const fn digits(dtype: DType) -> (u32, i32) {
    match dtype {
        DType::F16 => (11, -24),
        DType::BF16 => (8, -133),
        DType::F32 => (24, -149),
        _ => (53, -1074),
    }
}

/// The models of what stands below the unit.
pub(crate) struct Rest {
    zero: Prob,
    minus: Prob,
    gaps: [Prob; 16],
}

impl Rest {
    pub(crate) const fn new() -> Self {
        Self { zero: Prob::HALF, minus: Prob::HALF, gaps: [Prob::HALF; 16] }
    }

    /// Code a value whose magnitude holds `q` times 2^`exponent`.
    #[inline]
    pub(crate) fn code<T: Element, C: Coder>(&mut self, coder: &mut C, v: T, q: i64, exponent: i32) -> T {
        let (precision, least) = digits(T::DTYPE);
        let x = v.to_f64();
        let (negative, whole, unit) = if q == 0 {
            if !self.zero.code(coder, x != 0.0) {
                let minus = self.minus.code(coder, x.is_sign_negative());
                return T::from_f64(if minus { -0.0 } else { 0.0 });
            }
            let negative = coder.raw(u64::from(x < 0.0), 1) == 1;
            // The leading digit stands further down.
            let gap = if C::ENCODES { exponent - 1 - log2(x.abs()) } else { 0 };
            let gap = exp_golomb(coder, &mut self.gaps, gap as u64).min(4096) as i32;
            (negative, 1, (exponent - 1 - gap).max(least))
        } else {
            (q < 0, q.unsigned_abs(), exponent)
        };
        let room = i64::from(unit) - i64::from(least);
        let count = i64::from(precision.saturating_sub(whole.ilog2() + 1)).min(room).max(0) as u32;
        let last = exp2(unit - count as i32);
        let low = if C::ENCODES { (x.abs() / last) as u64 & ((1 << count) - 1) } else { 0 };
        let m = whole << count | coder.apart(low, count);
        let x = m as f64 * last;
        T::from_f64(if negative { -x } else { x })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::range::{Decoder, Encoder};

    fn round_trip<T: Element>(values: &[T], exponent: i32) {
        let q: Vec<i64> = values.iter().map(|v| (v.to_f64() / exp2(exponent)) as i64).collect();
        let (mut e, mut rest) = (Encoder::new(), Rest::new());
        for (&v, &q) in values.iter().zip(&q) {
            assert!(rest.code(&mut e, v, q, exponent).same(v), "{v:?}");
        }
        let bytes = e.finish();
        let (mut d, mut rest) = (Decoder::new(&bytes), Rest::new());
        for (&v, &q) in values.iter().zip(&q) {
            assert!(rest.code(&mut d, T::zeroed(), q, exponent).same(v), "{v:?}");
        }
    }

    #[test]
    fn all_digits_come_back() {
        let values = [0.0, -0.0, 1.0, -1.0, 0.1, -3.4e-5, 17.25, -250.016, 1e-45, -1e-40, f32::MIN_POSITIVE, 65_535.99];
        for exponent in [-30, -20, -8, 0, 3] {
            round_trip::<f32>(&values, exponent);
            round_trip::<f64>(&values.map(|v| f64::from(v) / 3.0), exponent);
        }
        round_trip::<f32>(&[1e-45, -1e-40, f32::MIN_POSITIVE, 3e-37, 0.0], -149);
        round_trip::<f64>(&[f64::MAX, -1e300, 5e-324, -1e-310, 0.0], 971);
        round_trip::<f64>(&[5e-324, -1e-310, 2.3e-308], -1074);
        let halves = [0.1f32, -7.0, 6e-8, 1000.0, 0.0];
        round_trip(&halves.map(half::f16::from_f32), -5);
        round_trip(&halves.map(half::bf16::from_f32), -5);
    }
}
