//! What the integers of the lattice coder stand for.

use super::fixed::{self, Rest};
use super::integer::Integer;
use super::prob::Prob;
use super::range::{Coder, Decoder, Encoder};
use super::table;
use crate::arith::run_wide;
use crate::array::Element;
use crate::error::{Result, corrupt};
use crate::format::{Reader, Writer};

/// Most lattice points that may have a nudge.
pub(crate) const MAX_NUDGES: usize = 1 << 22;
/// Fewest elements of a slice that may have a mapping of its own.
const OWN_MAPPING: usize = 64;

/// May each of so many slices, of `plane` elements, have a mapping of its own?
pub(crate) const fn may_differ(slices: usize, plane: usize) -> bool {
    slices > 1 && plane >= OWN_MAPPING
}

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
    /// Multiples of 2^exponent towards zero, the rest of the value's digits by themselves: native floats.
    Fixed { exponent: i32 },
    /// The values with these ordinals, which rise: data that went through a table, as those of a sensor's counts.
    Table { ordinals: Vec<i64> },
    /// `(base + q) / divisor`, divided in f64, rounded once to the type: decimals.
    Divided { base: i64, divisor: f64 },
}

/// The value `nudges[q]` steps up in the order of the type's values.
#[inline(always)]
fn nudged<T: Element>(v: T, nudges: &[i8], q: i64) -> T {
    let nudge = usize::try_from(q).ok().and_then(|q| nudges.get(q)).copied().unwrap_or(0);
    T::from_ordinal(v.to_ordinal().wrapping_add(nudge.into()))
}

impl Mapping {
    /// The value of `q`, of a `Fixed` mapping without its rest.
    #[inline]
    pub(crate) fn value<T: Element>(&self, q: i64, range: (i64, i64)) -> T {
        match *self {
            Self::Ordinals { base, step: 1 } => T::from_ordinal(base.wrapping_add(q)),
            Self::Ordinals { base, step } => {
                let v = i128::from(base) + i128::from(q) * i128::from(step);
                T::from_ordinal(v.clamp(range.0.into(), range.1.into()) as i64)
            }
            Self::Scaled { offset, step } => T::from_f64(offset + q as f64 * step),
            Self::Nudged { offset, step, ref nudges } => nudged(T::from_f64(offset + q as f64 * step), nudges, q),
            Self::Fixed { exponent } => T::from_f64(q as f64 * fixed::exp2(exponent)),
            Self::Divided { base, divisor } => T::from_f64(base.wrapping_add(q) as f64 / divisor),
            Self::Table { ref ordinals } => {
                let place = usize::try_from(q.max(0)).unwrap_or(usize::MAX).min(ordinals.len().saturating_sub(1));
                T::from_ordinal(ordinals.get(place).copied().unwrap_or(0))
            }
        }
    }

    /// The values of a row.
    pub(crate) fn values<T: Element, Q: Integer>(&self, q: &[Q], out: &mut [T]) {
        let range = Self::range::<T>();
        run_wide(
            #[inline(always)]
            || match *self {
                Self::Scaled { offset, step } => {
                    out.iter_mut().zip(q).for_each(|(o, q)| *o = T::from_f64(offset + q.float() * step));
                }
                Self::Nudged { offset, step, ref nudges } => {
                    for (o, q) in out.iter_mut().zip(q) {
                        *o = nudged(T::from_f64(offset + q.float() * step), nudges, q.wide());
                    }
                }
                Self::Fixed { exponent } => {
                    let unit = fixed::exp2(exponent);
                    out.iter_mut().zip(q).for_each(|(o, q)| *o = T::from_f64(q.float() * unit));
                }
                Self::Ordinals { base, step: 1 } => {
                    out.iter_mut().zip(q).for_each(|(o, q)| *o = T::from_ordinal(base.wrapping_add(q.wide())));
                }
                _ => out.iter_mut().zip(q).for_each(|(o, q)| *o = self.value(q.wide(), range)),
            },
        );
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

    /// Offset and step of mappings that are linear, or nearly.
    const fn line(&self) -> Option<(f64, f64)> {
        match *self {
            Self::Scaled { offset, step } | Self::Nudged { offset, step, .. } => Some((offset, step)),
            Self::Fixed { exponent } => Some((0.0, fixed::exp2(exponent))),
            Self::Divided { base, divisor } => Some((base as f64 / divisor, 1.0 / divisor)),
            _ => None,
        }
    }

    fn write(&self, w: &mut Writer) {
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
            Self::Fixed { exponent } => {
                w.u8(4);
                w.svarint(exponent.into());
            }
            Self::Divided { base, divisor } => {
                w.u8(6);
                w.svarint(base);
                w.f64(divisor);
            }
            Self::Table { ref ordinals } => {
                w.u8(5);
                w.varint(ordinals.len() as u64);
                w.svarint(ordinals.first().copied().unwrap_or(0));
                let mut e = Encoder::new();
                table::code(&mut e, &mut ordinals.clone());
                let bytes = e.finish();
                w.varint(bytes.len() as u64);
                w.bytes(&bytes);
            }
        }
    }

    /// Read what follows the byte `kind`, which stands at `at`; there may be nudges for `limit` lattice points.
    fn read<T: Element>(r: &mut Reader<'_>, kind: u8, at: usize, limit: usize) -> Result<Self> {
        match kind {
            0 => Ok(Self::Ordinals { base: r.svarint("base")?, step: r.varint("step")? }),
            1 => Ok(Self::Scaled { offset: r.finite_f64("offset")?, step: r.finite_f64("step")? }),
            2 => {
                let (offset, step) = (r.finite_f64("offset")?, r.finite_f64("step")?);
                let mut nudges = vec![0; r.count(limit.min(MAX_NUDGES), "nudges")?];
                let len = r.count(usize::MAX, "nudge bytes")?;
                code_nudges(&mut Decoder::new(r.bytes(len, "nudges")?), &mut nudges);
                Ok(Self::Nudged { offset, step, nudges })
            }
            4 if T::DTYPE.is_float() => {
                let exponent = r.svarint("exponent")?;
                match i32::try_from(exponent) {
                    Ok(exponent) if fixed::EXPONENTS.contains(&exponent) => Ok(Self::Fixed { exponent }),
                    _ => corrupt(at, format!("exponent must be in {:?}, found {exponent}", fixed::EXPONENTS)),
                }
            }
            5 => {
                let n = r.count(limit.min(table::MOST_VALUES), "values of a table")?;
                let mut ordinals = vec![0; n];
                let Some(first) = ordinals.first_mut() else { return corrupt(at, "a table without values") };
                *first = r.svarint("first value")?;
                let len = r.count(usize::MAX, "bytes of a table")?;
                table::code(&mut Decoder::new(r.bytes(len, "table")?), &mut ordinals);
                Ok(Self::Table { ordinals })
            }
            6 if T::DTYPE.is_float() => {
                Ok(Self::Divided { base: r.svarint("base")?, divisor: r.finite_f64("divisor")? })
            }
            other => corrupt(at, format!("mapping must be 0 to 6, but not 4 or 6 for integers, found {other}")),
        }
    }
}

/// The mappings of an array: one for all, or one for each slice.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mappings {
    /// With the greatest integer where all are known to lie in 0..=top; else 0.
    each: Vec<(Mapping, i64)>,
}

impl Mappings {
    /// One for all slices, or one for each; the greatest integer beside it, or 0.
    pub(crate) const fn new(each: Vec<(Mapping, i64)>) -> Self {
        Self { each }
    }

    /// That of a slice.
    pub(crate) fn of(&self, slice: usize) -> &Mapping {
        &self.each[slice.min(self.each.len() - 1)].0
    }

    /// The greatest integer of a slice, or 0.
    pub(crate) fn top(&self, slice: usize) -> i64 {
        self.each[slice.min(self.each.len() - 1)].1
    }

    /// Integers of the slice before in the units of this one: the constant and the factor, if they differ.
    pub(crate) fn change(&self, slice: usize) -> Option<(f64, f64)> {
        let [(before, _), (now, _)] = self.each.get(slice.checked_sub(1)?..=slice)? else { return None };
        let ((o, s), (p, t)) = (before.line()?, now.line()?);
        (before != now).then(|| ((o - p) / t, s / t))
    }

    /// The greatest integer, where all slices share a mapping.
    pub(crate) fn only_top(&self) -> Option<i64> {
        if let [(_, top)] = self.each[..] { Some(top) } else { None }
    }

    /// Bytes that these take in a stream.
    pub(crate) fn len(&self) -> usize {
        let mut w = Writer::default();
        self.write(&mut w);
        w.0.len()
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        if self.each.len() > 1 {
            w.u8(3);
        }
        for (mapping, top) in &self.each {
            mapping.write(w);
            w.varint(*top as u64);
        }
    }

    /// Read those of `slices` slices of `plane` elements each.
    pub(crate) fn read<T: Element>(r: &mut Reader<'_>, slices: usize, plane: usize, limit: usize) -> Result<Self> {
        let at = r.offset();
        let one = |r: &mut Reader<'_>, kind, at, limit| -> Result<(Mapping, i64)> {
            let mapping = Mapping::read::<T>(r, kind, at, limit)?;
            Ok((mapping, r.varint("greatest integer")?.min(i64::MAX as u64) as i64))
        };
        let kind = r.u8("mapping")?;
        if kind != 3 {
            return Ok(Self { each: vec![one(r, kind, at, limit)?] });
        }
        if !may_differ(slices, plane) {
            return corrupt(at, format!("{slices} slices of {plane} elements cannot have their own mappings"));
        }
        let mut each = Vec::new();
        for _ in 0..slices {
            let at = r.offset();
            match r.u8("mapping")? {
                kind @ (1 | 2 | 4 | 6) => each.push(one(r, kind, at, limit / slices)?),
                other => return corrupt(at, format!("mapping of a slice must be 1, 2, 4 or 6, found {other}")),
            }
        }
        Ok(Self { each })
    }
}

/// Code the digits of a row's values that its integers do not hold. `row` has the values or gets them.
pub(crate) fn code_rest<T: Element, Q: Integer, C: Coder>(
    coder: &mut C,
    rest: &mut Rest,
    mapping: &Mapping,
    q: &[Q],
    masked: Option<&[u8]>,
    row: &mut [T],
) {
    let Mapping::Fixed { exponent } = *mapping else { return };
    for (x, (v, &q)) in row.iter_mut().zip(q).enumerate() {
        if masked.is_none_or(|m| m.get(x).is_none_or(|&m| m == 0)) {
            *v = rest.code(coder, *v, q.wide(), exponent);
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
    fn mappings_come_back() {
        let scaled = |offset, step| (Mapping::Scaled { offset, step }, 99);
        let one = Mappings::new(vec![scaled(273.15, 0.01)]);
        let nudged = Mapping::Nudged { offset: 0.0, step: 0.5, nudges: vec![0, -1, 1] };
        let each = Mappings::new(vec![
            scaled(250.0, 0.5),
            scaled(260.0, 0.25),
            (Mapping::Fixed { exponent: -20 }, 0),
            (nudged, 2),
            (Mapping::Divided { base: 10, divisor: 4.0 }, 7),
        ]);
        for m in [one, each.clone()] {
            let mut w = Writer::default();
            m.write(&mut w);
            let mut r = Reader::new(&w.0, 0);
            assert_eq!(Mappings::read::<f32>(&mut r, 5, 64, 15).unwrap(), m);
            assert!(r.rest().is_empty());
            // Each slice may have nudges for its own elements, not for those of all.
            assert_eq!(Mappings::read::<f32>(&mut Reader::new(&w.0, 0), 5, 64, 14).is_err(), m == each);
        }
        assert_eq!(each.change(1), Some((-40.0, 2.0)));
        assert_eq!(each.change(4), Some((-10.0, 2.0)));
        assert_eq!((each.change(0), each.top(1), each.top(2)), (None, 99, 0));
    }

    #[test]
    fn small_slices_and_integers_are_refused() {
        let mut w = Writer::default();
        Mappings::new(vec![(Mapping::Fixed { exponent: 0 }, 0); 2]).write(&mut w);
        assert!(Mappings::read::<f32>(&mut Reader::new(&w.0, 0), 2, 63, 0).is_err());
        assert!(Mappings::read::<i32>(&mut Reader::new(&w.0, 0), 2, 64, 0).is_err());
        assert!(Mappings::read::<f32>(&mut Reader::new(&w.0, 0), 2, 64, 0).is_ok());
    }
}
