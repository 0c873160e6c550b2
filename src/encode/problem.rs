//! What there is to encode: values, mask, and the promise in absolute terms.

use super::sums::{extremes, sum_of_pairs};
use crate::arith::run_wide;
use crate::array::{ArrayView, Element};
use crate::config::{Bound, Config};
use crate::decode::base::{Base, from_reference};
use crate::entropy::values::{MOST_FILLS, class, padded};
use crate::entropy::{mask::code, range::Encoder};
use crate::error::{Result, invalid};
use crate::format::{Geometry, Header, Writer};
use crate::reference::Hash;
use std::borrow::Cow;

/// The bound, free of the range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Target {
    /// Every value within this distance.
    MaxAbs(f64),
    /// Root mean square error at most this.
    Rmse(f64),
    /// Every bit.
    Lossless,
}

/// An array to encode. Masked elements hold a smooth continuation of their neighbours.
pub(crate) struct Problem<'a, T: Clone> {
    pub(crate) values: Cow<'a, [T]>,
    /// Class of each element (`class`), if any is not ordinary.
    pub(crate) classes: Option<Vec<u8>>,
    /// Values that the mask holds: those declared, then those set apart (`apart`).
    pub(crate) fills: Vec<T>,
    /// How many are declared.
    pub(crate) declared: usize,
    pub(crate) geometry: Geometry,
    pub(crate) target: Target,
    /// Least and greatest ordinary value; `None` when there is none.
    pub(crate) extremes: Option<(T, T)>,
    /// Number of ordinary values.
    pub(crate) count: usize,
    /// The reference's hash, and its values in the stream's order of axes.
    pub(crate) reference: Option<(Hash, Base)>,
}

/// Elements looked at together.
pub(crate) const PART: usize = 1024;
/// Fewest rows and columns of a part that stands for all, and fewest elements of which one is taken.
const LEAST_SIDE: usize = 32;
const LEAST_TO_CUT: usize = 1 << 17;
/// The least root mean square whose square is a normal number, with room.
const LEAST_RMSE: f64 = 1e-140;

/// Without a branch.
pub(super) fn is_finite<T: Element>(v: T) -> bool {
    v.to_f64().abs() <= f64::MAX
}

impl<'a, T: Element> Problem<'a, T> {
    pub(crate) fn new(array: &ArrayView<'a>, config: &Config, header: &Header) -> Result<Self> {
        let geometry = header.geometry();
        let reference = match &config.reference {
            Some(r) => Some((r.hash_bytes(), from_reference(r, header)?)),
            None => None,
        };
        let fills = fill_values::<T>(config)?;
        let values = array.elements::<T>();
        let (classes, extremes, count) = survey(&values, &fills);
        let target = resolve::<T>(config.bound, span(extremes))?;
        let declared = fills.len();
        let mut problem = Self { values, classes, fills, declared, geometry, target, extremes, count, reference };
        problem.continue_smoothly();
        Ok(problem)
    }

    /// The same with values of its own.
    pub(super) fn to_owned(&self) -> Problem<'static, T> {
        Problem {
            values: self.values.to_vec().into(),
            classes: self.classes.clone(),
            fills: self.fills.clone(),
            geometry: self.geometry.clone(),
            reference: self.reference.clone(),
            ..*self
        }
    }

    fn continue_smoothly(&mut self) {
        if let (Some(classes), Some((lo, _))) = (&self.classes, self.extremes) {
            continue_smoothly(self.values.to_mut(), classes, self.geometry.width, lo);
        }
    }

    /// Hold the ordinary elements that are `value` in the mask. Their errors are 0, so that the others' mean may be larger.
    pub(super) fn set_apart(&mut self, value: T) {
        let class = class::FILL + self.fills.len() as u8;
        let mut classes = self.classes.take().unwrap_or_else(|| vec![0; self.values.len()]);
        for (c, v) in classes.iter_mut().zip(&*self.values) {
            if *c == 0 && v.same(value) {
                *c = class;
            }
        }
        self.fills.push(value);
        let all = self.count;
        (self.extremes, self.count) = ordinary_extremes(&self.values, Some(&classes));
        if let Target::Rmse(limit) = &mut self.target {
            *limit *= (all as f64 / self.count.max(1) as f64).sqrt() * (1.0 - 4.0 * f64::EPSILON);
        }
        self.classes = Some(classes);
        self.continue_smoothly();
    }

    /// Greatest minus least ordinary value.
    pub(crate) fn range(&self) -> f64 {
        span(self.extremes)
    }

    /// True when element `i` is neither masked nor special.
    pub(crate) fn ordinary(&self, i: usize) -> bool {
        self.classes.as_ref().is_none_or(|c| c[i] == 0)
    }

    /// Root mean square error over ordinary elements, if element `i` decodes to `decoded(i)`.
    pub(crate) fn rmse(&self, decoded: impl Fn(usize) -> T) -> f64 {
        self.rmse_of(|start, out| (start..).zip(out).for_each(|(i, o)| *o = decoded(i)))
    }

    /// The same, if `decode(start, out)` fills `out` with the elements from `start` on.
    pub(crate) fn rmse_of(&self, decode: impl Fn(usize, &mut [T])) -> f64 {
        self.rmse_of_parts(1, decode)
    }

    /// The same over one of `every` parts of the elements; `out` has no more than [`PART`].
    pub(crate) fn rmse_of_parts(&self, every: usize, decode: impl Fn(usize, &mut [T])) -> f64 {
        let mut part = [T::zeroed(); PART];
        let (mut squares, mut count) = (0.0, 0);
        for (k, values) in self.values.chunks(PART).enumerate().skip(every / 2).step_by(every) {
            let (start, decoded) = (k * PART, &mut part[..values.len()]);
            decode(start, decoded);
            count += values.len();
            if let Some(classes) = &self.classes {
                let masked = classes[start..].iter().zip(values).zip(&mut *decoded).filter(|((c, _), _)| **c != 0);
                masked.for_each(|((_, &v), d)| (*d, count) = (v, count - 1));
            }
            squares += sum_of_pairs(values, decoded, |v, d| (v.to_f64() - d.to_f64()).powi(2));
        }
        (squares / count.max(1) as f64).sqrt()
    }

    /// A part of the planes that stands for all, of about one in `share` elements: from the upper half, where latitudes
    /// differ, all slices. `None` of fields that are small, have another part known, or that part has no values.
    pub(crate) fn cut(&self, share: usize) -> Option<Problem<'static, T>> {
        let Geometry { height, width, .. } = self.geometry;
        let side = |n: usize, part: usize| (n / part).max(LEAST_SIDE);
        let across = share.ilog2() / 2;
        let (h, w) = (side(height, share >> across), side(width, 1 << across));
        let large = h * w * share * 3 / 4 > height * width || self.values.len() < LEAST_TO_CUT;
        if self.reference.is_some() || 2 * h > height || 2 * w > width || large {
            return None;
        }
        let (top, left) = (height / 4, (width - w) / 2);
        let places = |slice: usize| (top..top + h).map(move |y| (slice * height + y) * width + left);
        let rows = || (0..self.geometry.slices()).flat_map(places);
        let values: Vec<T> = rows().flat_map(|at| self.values[at..at + w].iter().copied()).collect();
        let classes = self.classes.as_ref().map(|c| rows().flat_map(|at| c[at..at + w].iter().copied()).collect());
        let extremes = ordinary_extremes(&values, classes.as_deref());
        let (extremes, count) = (Some(extremes.0?), extremes.1);
        let geometry = Geometry { outer: self.geometry.outer.clone(), height: h, width: w, periodic: false };
        let (fills, declared, target) = (self.fills.clone(), self.declared, self.target);
        let (values, reference) = (values.into(), None);
        Some(Problem { values, classes, fills, declared, geometry, target, extremes, count, reference })
    }

    /// The mask section; empty without a mask.
    pub(crate) fn mask_section(&self) -> Vec<u8> {
        let Some(classes) = &self.classes else { return Vec::new() };
        let mut w = Writer::default();
        w.u8(self.fills.len() as u8 | ((self.fills.len() - self.declared) as u8) << 4);
        for &fill in &self.fills {
            write_value(&mut w, fill);
        }
        let mut e = Encoder::new();
        code(&mut e, &mut classes.clone(), &self.geometry);
        w.bytes(&e.finish());
        w.0
    }
}

/// Least and greatest ordinary value, and how many there are.
fn ordinary_extremes<T: Element>(values: &[T], classes: Option<&[u8]>) -> (Option<(T, T)>, usize) {
    let Some(classes) = classes else { return (extremes(values), values.len()) };
    let ordinary: Vec<T> = values.iter().zip(classes).filter(|(_, c)| **c == 0).map(|(v, _)| *v).collect();
    (extremes(&ordinary), ordinary.len())
}

/// Greatest minus least ordinary value of an array.
///
/// # Errors
/// If the configuration's fill values are none of this type.
pub(super) fn range<T: Element>(array: &ArrayView<'_>, config: &Config) -> Result<f64> {
    Ok(span(survey(&array.elements::<T>(), &fill_values::<T>(config)?).1))
}

/// Greatest minus least.
fn span<T: Element>(extremes: Option<(T, T)>) -> f64 {
    extremes.map_or(0.0, |(lo, hi)| hi.to_f64() - lo.to_f64())
}

/// One value in little-endian bytes.
pub(crate) fn write_value<T: Element>(w: &mut Writer, v: T) {
    w.bytes(bytemuck::bytes_of(&if cfg!(target_endian = "big") { v.swap() } else { v }));
}

fn fill_values<T: Element>(config: &Config) -> Result<Vec<T>> {
    let bytes = config.fill_value.as_deref().unwrap_or_default();
    let (size, n) = (size_of::<T>(), bytes.len() / size_of::<T>());
    if !bytes.len().is_multiple_of(size) || n > MOST_FILLS || n == 0 && config.fill_value.is_some() {
        let dtype = T::DTYPE;
        return invalid(format!(
            "fill value has {} bytes, an element of {dtype} has {size}; there may be 1 to {MOST_FILLS} of them",
            bytes.len()
        ));
    }
    Ok(bytes.chunks_exact(size).map(bytemuck::pod_read_unaligned).collect())
}

/// Classes of the elements, unless all are ordinary; least and greatest ordinary value, and how many there are.
#[allow(clippy::type_complexity)]
fn survey<T: Element>(values: &[T], fills: &[T]) -> (Option<Vec<u8>>, Option<(T, T)>, usize) {
    let fills = padded(fills);
    let one = |v: T| {
        if T::DTYPE.is_float() {
            let f = v.to_f64();
            if f.is_nan() {
                return class::NAN;
            }
            if f.is_infinite() {
                return if f > 0.0 { class::PLUS_INFINITY } else { class::MINUS_INFINITY };
            }
        }
        // Of equal ones the first.
        let class = |all: [T; MOST_FILLS]| {
            all.iter().enumerate().rev().fold(0, |class, (i, f)| if f.same(v) { class::FILL + i as u8 } else { class })
        };
        fills.map_or(0, class)
    };
    // Parts without a branch for each value, each looked at twice while it is near.
    let mut ends = None;
    let masked = |part: &[T]| {
        let any = run_wide(
            #[inline(always)]
            || match fills {
                None if T::DTYPE.is_float() => !part.iter().fold(true, |all, &v| all & is_finite(v)),
                _ => part.iter().fold(0, |all, &v| all | one(v)) != 0,
            },
        );
        if !any && let Some((lo, hi)) = extremes(part) {
            let (least, most) = ends.unwrap_or((lo, hi));
            ends = Some((if lo < least { lo } else { least }, if hi > most { hi } else { most }));
        }
        any
    };
    let Some(first) = values.chunks(PART).position(masked) else { return (None, ends, values.len()) };
    let mut classes = vec![0; values.len()];
    for (c, &v) in classes.iter_mut().zip(values).skip(first * PART) {
        *c = one(v);
    }
    let (extremes, count) = ordinary_extremes(values, Some(&classes));
    (Some(classes), extremes, count)
}

/// Masked elements take the value before them in their row, or the one above, or the first after.
fn continue_smoothly<T: Element>(values: &mut [T], classes: &[u8], width: usize, start: T) {
    let mut last = classes.iter().position(|&c| c == 0).map_or(start, |i| values[i]);
    for i in 0..values.len() {
        if classes[i] == 0 {
            last = values[i];
            continue;
        }
        if i % width == 0 && i >= width {
            last = values[i - width];
        }
        values[i] = last;
    }
}

fn resolve<T: Element>(bound: Bound, range: f64) -> Result<Target> {
    if !T::DTYPE.is_float() {
        return match bound {
            Bound::Lossless => Ok(Target::Lossless),
            Bound::MaxAbs(e) if e < 1.0 => Ok(Target::Lossless),
            Bound::MaxAbs(e) => Ok(Target::MaxAbs(e)),
            _ => invalid(format!("bound {} is not for {}: integers take max_abs or lossless", bound.kind(), T::DTYPE)),
        };
    }
    Ok(match bound.resolve(range) {
        Bound::MaxAbs(e) => Target::MaxAbs(e),
        // Squares of so little would be 0; a bound on single values is one on their mean.
        Bound::Rmse(e) if e < LEAST_RMSE => Target::MaxAbs(e),
        Bound::Rmse(e) => Target::Rmse(e),
        _ => Target::Lossless,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Of the number, from 0 to 1.
    pub(in crate::encode) fn noise(i: usize) -> f32 {
        ((i as f64 * 12.9898).sin() * 43_758.545).abs().fract() as f32
    }

    /// A plane of values of their places, all ordinary.
    pub(in crate::encode) fn plane(
        value: impl Fn(usize) -> f32,
        height: usize,
        width: usize,
        target: Target,
    ) -> Problem<'static, f32> {
        let values: Vec<f32> = (0..height * width).map(value).collect();
        let (extremes, count) = ordinary_extremes(&values, None);
        let geometry = Geometry { outer: Vec::new(), height, width, periodic: false };
        let (classes, fills, reference) = (None, Vec::new(), None);
        Problem { values: values.into(), classes, fills, declared: 0, geometry, target, extremes, count, reference }
    }
}
