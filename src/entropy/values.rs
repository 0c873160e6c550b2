//! What the integers of the lattice coder stand for.

use crate::array::Element;
use crate::entropy::mixer::Prob;
use crate::entropy::range::{Coder, Decoder, Encoder};
use crate::error::{Result, corrupt};
use crate::format::{Reader, Writer};

/// Most lattice points that may have a nudge.
pub(crate) const MAX_NUDGES: usize = 1 << 22;

/// Integers to values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Mapping {
    /// `base + q * step` in the order of the type's values: exact for a step of 1.
    Ordinals { base: i64, step: u64 },
    /// `offset + q * step`, multiplied and added in f64, rounded once to the type.
    Scaled { offset: f64, step: f64 },
    /// `Scaled`, then `nudges[q]` steps up in the order of the type's values: packed data whose
    /// maker rounded in another way.
    Nudged { offset: f64, step: f64, nudges: Vec<i8> },
}

impl Mapping {
    /// The value of `q`.
    #[inline]
    pub(crate) fn value<T: Element>(&self, q: i64, range: (i64, i64)) -> T {
        match *self {
            Self::Ordinals { base, step: 1 } => T::from_ordinal(base.wrapping_add(q)),
            Self::Ordinals { base, step } => {
                let v = i128::from(base) + i128::from(q) * i128::from(step);
                T::from_ordinal(v.clamp(range.0.into(), range.1.into()) as i64)
            }
            Self::Scaled { offset, step } => T::from_f64(offset + q as f64 * step),
            Self::Nudged { offset, step, ref nudges } => {
                let v = T::from_f64(offset + q as f64 * step);
                let nudge = usize::try_from(q).ok().and_then(|q| nudges.get(q)).copied().unwrap_or(0);
                T::from_ordinal(v.to_ordinal().wrapping_add(nudge.into()))
            }
        }
    }

    /// Least and greatest ordinal of a type.
    pub(crate) fn range<T: Element>() -> (i64, i64) {
        let bits = 8 * size_of::<T>() as u32;
        let unsigned = T::from_ordinal(-1).to_ordinal() != -1;
        match (unsigned, bits) {
            (_, 64) => (i64::MIN, i64::MAX),
            (true, _) => (0, (1 << bits) - 1),
            (false, _) => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
        }
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        match *self {
            Self::Ordinals { base, step } => {
                w.u8(0);
                w.svarint(base);
                w.varint(step);
            }
            Self::Scaled { offset, step } => {
                w.u8(1);
                w.f64(offset);
                w.f64(step);
            }
            Self::Nudged { offset, step, ref nudges } => {
                w.u8(2);
                w.f64(offset);
                w.f64(step);
                w.varint(nudges.len() as u64);
                let mut e = Encoder::new();
                code_nudges(&mut e, &mut nudges.clone());
                let bytes = e.finish();
                w.varint(bytes.len() as u64);
                w.bytes(&bytes);
            }
        }
    }

    /// Read; there may be nudges for `limit` lattice points.
    pub(crate) fn read(r: &mut Reader<'_>, limit: usize) -> Result<Self> {
        let at = r.offset();
        match r.u8("mapping")? {
            0 => Ok(Self::Ordinals { base: r.svarint("base")?, step: r.varint("step")? }),
            1 => Ok(Self::Scaled { offset: r.finite_f64("offset")?, step: r.finite_f64("step")? }),
            2 => {
                let (offset, step) = (r.finite_f64("offset")?, r.finite_f64("step")?);
                let mut nudges = vec![0; r.count(limit.min(MAX_NUDGES), "nudges")?];
                let len = r.count(usize::MAX, "nudge bytes")?;
                code_nudges(&mut Decoder::new(r.bytes(len, "nudges")?), &mut nudges);
                Ok(Self::Nudged { offset, step, nudges })
            }
            other => corrupt(at, format!("mapping must be 0, 1 or 2, found {other}")),
        }
    }
}

/// Code the nudges: zero or not, sign, size in unary, each in the light of the one before.
fn code_nudges<C: Coder>(coder: &mut C, nudges: &mut [i8]) {
    let mut models = [[Prob::HALF; 2]; 9];
    let mut size = [Prob::HALF; 16];
    let (mut last, mut before) = (0i8, 0i8);
    for v in nudges {
        let kind = |v: i8| (v.signum() + 1) as usize;
        let m = &mut models[kind(last) * 3 + kind(before)];
        before = last;
        last = 0;
        if m[0].code(coder, *v != 0) {
            let negative = m[1].code(coder, *v < 0);
            let mut n = 1i8;
            while n < i8::MAX && size[n.min(15) as usize].code(coder, v.unsigned_abs() > n as u8) {
                n += 1;
            }
            last = if negative { -n } else { n };
        }
        *v = last;
    }
}

/// Classes of elements in the mask; 0 is an ordinary value.
pub(crate) mod class {
    pub(crate) const NAN: u8 = 1;
    pub(crate) const PLUS_INFINITY: u8 = 2;
    pub(crate) const MINUS_INFINITY: u8 = 3;
    pub(crate) const FILL: u8 = 4;
    pub(crate) const LAST: u8 = FILL;
}

/// The value that a class stands for; `fill` also gives NaN its bits when it is one.
pub(crate) fn special<T: Element>(class: u8, fill: Option<T>) -> T {
    match class {
        class::PLUS_INFINITY => T::from_f64(f64::INFINITY),
        class::MINUS_INFINITY => T::from_f64(f64::NEG_INFINITY),
        class::FILL => fill.unwrap_or_else(T::zeroed),
        _ => fill.filter(|f| T::DTYPE.is_float() && f.to_f64().is_nan()).unwrap_or_else(|| {
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
    fn ranges() {
        assert_eq!(Mapping::range::<u8>(), (0, 255));
        assert_eq!(Mapping::range::<i8>(), (-128, 127));
        assert_eq!(Mapping::range::<u32>(), (0, u32::MAX.into()));
        assert_eq!(Mapping::range::<f32>(), (i32::MIN.into(), i32::MAX.into()));
        assert_eq!(Mapping::range::<u64>(), (i64::MIN, i64::MAX));
    }

    #[test]
    fn nan_is_nan() {
        assert!(special::<f32>(class::NAN, None).is_nan() && special::<f64>(class::NAN, None).is_nan());
        assert!(special::<half::f16>(class::NAN, None).is_nan() && special::<half::bf16>(class::NAN, None).is_nan());
    }
}
