//! Harmonic detail, bytes to field: coefficients, outer axes, pyramid.

use super::base::Base;
use super::corrections::Corrections;
use super::ops::outer::Inverse;
use super::ops::pyramid::{self, views};
use crate::arith::{Isa, Job, TRANSFORMED, for_each_part, run_wide, worthwhile};
use crate::array::Element;
use crate::entropy::bands;
use crate::entropy::part::Part;
use crate::entropy::range::Decoder;
use crate::error::Result;
use crate::format::pyramid::{Level, levels};
use crate::format::{Geometry, HarmonicParams, Reader};

/// A decoded harmonic field: value = mean + step * field + base, and what is added to some of them.
pub(crate) struct HarmonicField {
    /// What the detail is added to, if anything.
    pub(crate) base: Option<Base>,
    pub(crate) mean: f64,
    pub(crate) step: f64,
    /// In steps, C order.
    pub(crate) field: Vec<f32>,
    pub(crate) corrections: Corrections,
}

impl HarmonicField {
    /// Of detail alone. A mean of -0 counts as 0, so that the sign of a 0 in the field, which depends on the instructions, is lost.
    pub(crate) fn new(mean: f64, step: f64, field: Vec<f32>) -> Self {
        Self { base: None, mean: mean + 0.0, step, field, corrections: Corrections::default() }
    }

    /// The value of element `i`, before it is corrected and rounded to the array's type.
    #[inline]
    pub(crate) fn value(&self, i: usize) -> f64 {
        let detail = self.mean + self.step * f64::from(self.field[i]);
        self.base.as_ref().map_or(detail, |base| detail + f64::from(base[i]))
    }

    /// The values of the elements from `start` on, rounded but not corrected.
    pub(crate) fn rounded<T: Element>(&self, start: usize, out: &mut [T]) {
        let (mean, step) = (self.mean, self.step);
        let detail = |v: f32| mean + step * f64::from(v);
        let field = self.field.get(start..).unwrap_or_default();
        run_wide(
            #[inline(always)]
            || match self.base.as_ref().map(|base| base.get(start..).unwrap_or_default()) {
                None => out.iter_mut().zip(field).for_each(|(o, &v)| *o = T::from_f64(number(detail(v)))),
                Some(base) => {
                    for ((o, &v), &b) in out.iter_mut().zip(field).zip(base) {
                        *o = T::from_f64(number(detail(v) + f64::from(b)));
                    }
                }
            },
        );
    }
}

/// Elements that a thread rounds in one go, and in about a millisecond.
const ROUNDED: usize = 1 << 14;
const ROUNDED_SOON: usize = 1 << 22;
/// Bytes of coefficients that a thread decodes in about two milliseconds: with less, one thread is as fast as two.
const DECODED_SOON: usize = 1 << 14;

/// Write the values of a field.
pub(crate) fn write_values<T: Element>(field: &HarmonicField, threads: usize, out: &mut [T]) {
    let threads = worthwhile(threads, out.len(), ROUNDED_SOON);
    for_each_part(out, ROUNDED, threads, |i, part| field.rounded(i * ROUNDED, part));
    let Corrections { unit, counts } = &field.corrections;
    for &(i, count) in counts {
        out[i] = T::from_f64(number(field.value(i) + f64::from(count) * unit));
    }
}

/// Infinity minus infinity, in a damaged stream, is 0: the bits of that NaN differ by processor.
fn number(v: f64) -> f64 {
    if v.is_nan() { 0.0 } else { v }
}

/// Decode a harmonic detail section, or the front of one with the geometry of a coarser image of the pyramid (`finer` levels
/// less; the field is then that image, orthonormal), without a base. Also returns how many of its bytes that took. What is to be done
/// `beside` has about so many bytes to decode.
pub(crate) fn decode(
    mut reader: Reader<'_>,
    geometry: &Geometry,
    finer: usize,
    mut beside: Option<(usize, Job<'_>)>,
    isa: Isa,
    threads: usize,
) -> Result<(HarmonicField, usize)> {
    let start = reader.offset();
    let decoding = worthwhile(threads, reader.rest().len(), DECODED_SOON);
    let params = HarmonicParams::read(&mut reader, geometry)?;
    let levels = levels(params.basis, geometry.height, geometry.width);
    let mut payloads = payloads(&mut reader, params.payloads(0))?;
    payloads.truncate(params.payloads(finer));
    let mut decoders: Vec<_> = payloads.iter().map(|p| Decoder::new(p.rest())).collect();
    let mut axes = Vec::with_capacity(params.axes.len());
    for (&kind, &n) in params.axes.iter().zip(&geometry.outer) {
        axes.push(Inverse::read(kind, n, &mut decoders[0], start)?);
    }
    let cuts = &params.cuts[finer.min(params.cuts.len())..];
    let mut volumes = zeros(&levels, geometry);
    let mut detail = bands::Levels::new(&mut decoders, levels.len(), finer, cuts.len());
    // The coarser levels of a plane are put together while the finest is decoded.
    let is_plane = geometry.outer.is_empty();
    for (l, level) in levels.iter().enumerate().rev() {
        let mut parts = Part::cut(level, geometry.slices(), cuts.get(l));
        let Some((fine, coarse)) = volumes[l..].split_first_mut() else { break };
        let rows = Part::share(&parts, fine);
        let coarse = || pyramid::inverse_coarse(&levels, geometry.periodic, &mut views(coarse), isa, 1);
        let coarse = (is_plane && l == 0).then(|| (0, Box::new(coarse) as Job<'_>));
        let beside = beside.take_if(|_| l == 0).into_iter().chain(coarse).collect();
        detail.code(&mut parts, rows, beside, geometry.slices(), decoding);
    }
    match (levels.first(), volumes.split_first_mut()) {
        (Some(level), Some((fine, coarse))) if is_plane => {
            pyramid::inverse_finest(level, geometry.periodic, fine, &views(coarse), isa, threads);
        }
        _ => synthesise(&mut volumes, axes.iter(), geometry, &levels, isa, threads),
    }
    let read = |(p, d): (&Reader<'_>, &Decoder<'_>)| p.offset() - start + d.read();
    let bytes = payloads.iter().zip(&decoders).map(read).max().unwrap_or(0);
    Ok((HarmonicField::new(params.mean, params.step, volumes.swap_remove(0)), bytes))
}

/// Coefficients of no level yet: (slices, height, width) each.
pub(crate) fn zeros(levels: &[Level], geometry: &Geometry) -> Vec<Vec<f32>> {
    levels.iter().map(|l| vec![0.0; l.height * l.width * geometry.slices()]).collect()
}

/// The range-coded payloads, of which the last ones may be cut short or missing: they hold the finest level.
fn payloads<'a>(reader: &mut Reader<'a>, count: usize) -> Result<Vec<Reader<'a>>> {
    let mut lengths = Vec::with_capacity(count);
    for _ in 1..count {
        lengths.push(usize::try_from(reader.varint("length of a part")?).unwrap_or(usize::MAX));
    }
    Ok((0..count).map(|k| reader.front(lengths.get(k).copied().unwrap_or(usize::MAX))).collect())
}

/// Invert the transforms in place: outer axes first, then the pyramid of every slice. The field is left in `volumes[0]`.
pub(crate) fn synthesise<'a>(
    volumes: &mut [Vec<f32>],
    axes: impl DoubleEndedIterator<Item = &'a Inverse> + ExactSizeIterator,
    geometry: &Geometry,
    levels: &[Level],
    isa: Isa,
    threads: usize,
) {
    let slices = geometry.slices();
    let mut inner_slices = 1;
    for (&n, axis) in geometry.outer.iter().zip(axes).rev() {
        for (volume, level) in volumes.iter_mut().zip(levels) {
            axis.apply(volume, n, inner_slices * level.height * level.width, isa, threads);
        }
        inner_slices *= n;
    }
    if slices == 1 {
        pyramid::inverse(levels, geometry.periodic, &mut views(volumes), isa, threads);
        return;
    }
    let mut stacks: Vec<Vec<&mut [f32]>> = Vec::new();
    stacks.resize_with(slices, || Vec::with_capacity(levels.len()));
    for (volume, level) in volumes.iter_mut().zip(levels) {
        let planes = volume.chunks_exact_mut((level.height * level.width).max(1));
        stacks.iter_mut().zip(planes).for_each(|(stack, plane)| stack.push(plane));
    }
    let threads = worthwhile(threads, slices * geometry.plane(), TRANSFORMED);
    for_each_part(&mut stacks, 1, threads, |_, stacks| {
        stacks.iter_mut().for_each(|planes| pyramid::inverse(levels, geometry.periodic, planes, isa, 1));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infinities_that_cancel_are_zero() {
        let corrections = Corrections { unit: -f64::MAX, counts: vec![(0, 4)] };
        let field = HarmonicField { corrections, ..HarmonicField::new(0.0, f64::MAX, vec![4.0, 0.0]) };
        let mut out = [1.0f64; 2];
        write_values(&field, 1, &mut out);
        assert_eq!(out, [0.0, 0.0]);
    }
}
