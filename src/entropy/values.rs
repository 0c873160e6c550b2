//! Values that stand for themselves: NaN, infinities, fill values.

use crate::array::Element;

/// Classes of elements in the mask; 0 is an ordinary value.
pub(crate) mod class {
    pub(crate) const NAN: u8 = 1;
    pub(crate) const PLUS_INFINITY: u8 = 2;
    pub(crate) const MINUS_INFINITY: u8 = 3;
    /// The first fill value; the others follow.
    pub(crate) const FILL: u8 = 4;
    pub(crate) const LAST: u8 = 7;
}

/// Most fill values.
pub(crate) const MOST_FILLS: usize = (class::LAST - class::FILL) as usize + 1;

/// As many fill values as there may be, so that loops over elements have no loop in them: the first one again for those that are not there.
pub(crate) fn padded<T: Element>(fills: &[T]) -> Option<[T; MOST_FILLS]> {
    fills.first().map(|&f| std::array::from_fn(|i| fills.get(i).copied().unwrap_or(f)))
}

/// The value that a class stands for; the first of `fills` that is a NaN gives NaN its bits.
pub(crate) fn special<T: Element>(class: u8, fills: &[T]) -> T {
    match class {
        class::PLUS_INFINITY => T::from_f64(f64::INFINITY),
        class::MINUS_INFINITY => T::from_f64(f64::NEG_INFINITY),
        class::FILL.. => fills.get(usize::from(class - class::FILL)).copied().unwrap_or_else(T::zeroed),
        _ => fills.iter().copied().find(|f| T::DTYPE.is_float() && f.to_f64().is_nan()).unwrap_or_else(|| {
            // The quiet NaN without payload.
            T::from_ordinal(match T::DTYPE {
                crate::DType::F16 => 0x7e00,
                crate::DType::BF16 => 0x7fc0,
                crate::DType::F32 => 0x7fc0_0000,
                _ => 0x7ff8 << 48,
            })
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_nan() {
        assert!(special::<f32>(class::NAN, &[]).is_nan() && special::<f64>(class::NAN, &[]).is_nan());
        assert!(special::<half::f16>(class::NAN, &[]).is_nan() && special::<half::bf16>(class::NAN, &[]).is_nan());
    }
}
