//! The coefficient coder of the harmonic pyramid: models for quantised coefficients, written once
//! for both directions (`codec-spec/format.md`, "Harmonic detail").
//!
//! The coefficients of one frequency (u, v) of all blocks of a level form a *band*: a small image with
//! one coefficient per block. Bands are coded from low to high frequency, so that a coefficient sees its
//! lower neighbours in frequency in all surrounding blocks, its own frequency in the blocks
//! before it, the same place in the previous slice and the activity of the coarser level.

use super::activity::Activity;
use super::context::{CLASSES, Classes, Surroundings};
use super::mixer::{Prob, exp_golomb};
use super::part::Part;
use super::range::Coder;
use super::shape::Shape;
use super::symbol::{Distribution, Mixture, SYMBOLS};
use crate::arith::for_each_part;
use crate::format::pyramid::Level;
use std::ops::Range;

/// Largest quantised magnitude.
pub(crate) const MAX_MAGNITUDE: u32 = 1 << 30;

/// Magnitudes are held to this in contexts.
const CONTEXT_CAP: u32 = 2047;
/// What a magnitude past the alphabet is coded as.
const ESCAPE: usize = SYMBOLS - 1;
/// Blocks that share one "all zero" flag.
const GROUP: usize = 16;

/// Code the coefficients of all levels, coarse ones first. The finest is coded in one part for each coder, on up to `threads` threads;
/// all others by the first coder. `begin` is given the parts of a level before they are coded, `end` afterwards.
pub(crate) fn code<C: Coder + Send>(
    coders: &mut [C],
    levels: &[Level],
    slices: usize,
    threads: usize,
    mut begin: impl FnMut(usize, &mut [Part]),
    mut end: impl FnMut(usize, &[Part]),
) {
    let Some((finest, coarse)) = levels.split_first() else { return };
    let mut models = Models::new();
    let mut coarser = Vec::new();
    for (l, level) in coarse.iter().enumerate().rev() {
        let mut parts = Part::cut(level, slices, 1);
        begin(l + 1, &mut parts);
        if let ([part], Some(coder)) = (&mut *parts, coders.first_mut()) {
            coarser = models.level(coder, part, &coarser);
        }
        end(l + 1, &parts);
    }
    let mut parts = Part::cut(finest, slices, coders.len());
    begin(0, &mut parts);
    let models = vec![models; coders.len()];
    let mut tasks: Vec<_> = coders.iter_mut().zip(models).zip(parts.iter_mut()).collect();
    for_each_part(&mut tasks, 1, threads, |_, tasks| {
        for ((coder, models), part) in tasks {
            models.slices(*coder, part, &coarser, |_, _| ());
        }
    });
    end(0, &parts);
}

/// Adaptive state shared by all levels and slices of a stream.
#[derive(Clone)]
struct Models {
    magnitude: Mixture,
    /// Of what is left of a magnitude that is past the alphabet.
    large: Vec<Distribution>,
    band_zero: Vec<Prob>,
    group_zero: Vec<Prob>,
    escape: Vec<Prob>,
    low: Vec<Prob>,
}

/// What is known about a coefficient before it is coded. Activities are 16 times a mean magnitude.
struct Context {
    band: u32,
    parents: u32,
    other: u32,
    radius: usize,
    near: usize,
    dyadic: bool,
    learn: bool,
}

impl Models {
    fn new() -> Self {
        let by_class = || {
            let classes =
                (0..2 * CLASSES).flat_map(|c| [Distribution::geometric(Classes::typical(c % CLASSES), 5); CLASSES]);
            classes.collect::<Vec<_>>()
        };
        let near = vec![Distribution::geometric(8, 1); 2 * 256];
        Self {
            magnitude: Mixture::new([by_class(), by_class(), by_class(), near], 2 * 3),
            large: (0..2 * CLASSES).map(|c| Distribution::geometric(Classes::typical(c % CLASSES), 5)).collect(),
            band_zero: vec![Prob::HALF; 6],
            group_zero: vec![Prob::new(1 << 13, 1); CLASSES * CLASSES],
            escape: vec![Prob::HALF; 31],
            low: vec![Prob::HALF; 32 * 4],
        }
    }

    /// Code a whole level; what the next finer one will want to know of each slice.
    fn level<C: Coder>(&mut self, coder: &mut C, level: &mut Part, coarser: &[Activity]) -> Vec<Activity> {
        let mut activities = Vec::new();
        self.slices(coder, level, coarser, |shape, magnitudes| activities.push(Activity::new(shape, magnitudes)));
        activities
    }

    /// Code a part of a level, slice by slice; `done` sees the magnitudes of each.
    fn slices<C: Coder>(
        &mut self,
        coder: &mut C,
        part: &mut Part,
        coarser: &[Activity],
        mut done: impl FnMut(&Shape, &[u16]),
    ) {
        let Part { shape, q, occupied } = part;
        let (bands, blocks) = (shape.all_bands(), shape.blocks());
        let slices = occupied.len() / bands.max(1);
        let mut magnitudes = vec![0; bands * blocks];
        let mut previous = if slices > 1 { magnitudes.clone() } else { Vec::new() };
        for slice in 0..slices {
            let here = slice * bands..(slice + 1) * bands;
            let before = (slice > 0).then_some(&*previous);
            let surroundings = Surroundings::new(shape, coarser.get(slice), before);
            let q = &mut q[here.start * blocks..here.end * blocks];
            self.slice(coder, &surroundings, q, &mut occupied[here], &mut magnitudes);
            done(shape, &magnitudes);
            if slices > 1 {
                std::mem::swap(&mut magnitudes, &mut previous);
                magnitudes.fill(0);
            }
        }
    }

    fn slice<C: Coder>(
        &mut self,
        coder: &mut C,
        surroundings: &Surroundings<'_>,
        q: &mut [i32],
        occupied: &mut [bool],
        magnitudes: &mut [u16],
    ) {
        let shape = surroundings.shape;
        let n = shape.blocks();
        let mut zero = false;
        for (u, v) in shape.bands() {
            let (band, at) = (shape.band(u, v), shape.index(u, v));
            let previous_zero =
                surroundings.previous.map_or(0, |p| 1 + usize::from(p[at..at + n].iter().all(|&m| m == 0)));
            zero = self.band_zero[usize::from(zero) * 3 + previous_zero].code(coder, !occupied[band]);
            occupied[band] = !zero;
            if !zero {
                self.band(coder, surroundings, (u, v), &mut q[at..at + n], magnitudes);
            }
        }
    }

    fn band<C: Coder>(
        &mut self,
        coder: &mut C,
        surroundings: &Surroundings<'_>,
        (u, v): (usize, usize),
        q: &mut [i32],
        magnitudes: &mut [u16],
    ) {
        let shape = surroundings.shape;
        let cols = shape.cols;
        let (coded, magnitudes) = magnitudes.split_at_mut(shape.index(u, v));
        let radius = shape.radius(u, v);
        let mut rows = surroundings.band(coded, (u, v));
        // Rows with a margin of two on either side.
        let mut above = [vec![0u32; cols + 4], vec![0u32; cols + 4]];
        let mut current = vec![0u32; cols + 4];
        for i in shape.range.0[u].clone() {
            rows.next(i, &above);
            current.fill(0);
            let Range { start: mut j, end: last } = shape.range.1[v].clone();
            let (q, magnitudes) = (&mut q[i * cols..][..cols], &mut magnitudes[i * cols..][..cols]);
            while j < last {
                let end = (j + GROUP).min(last);
                if current[j..j + 2] == [0, 0] && rows.are_quiet(j..end) {
                    let zero = C::ENCODES && q[j..end].iter().all(|&q| q == 0);
                    let context = radius * CLASSES + Classes::of(rows.activity[j]);
                    if !self.group_zero[context].code(coder, !zero) {
                        j = end;
                        continue;
                    }
                }
                for j in j..end {
                    let (w, ww) = (current[j + 1], current[j]);
                    let context = Context {
                        band: (rows.north[j] + 4 * w + ww) * 16 / 14,
                        parents: rows.parents[j],
                        other: rows.other[j],
                        radius,
                        near: (w.min(3) * 64 + rows.near[j]) as usize,
                        dyadic: shape.dyadic,
                        learn: j % 2 == 0,
                    };
                    q[j] = self.coefficient(coder, q[j], &context);
                    let magnitude = q[j].unsigned_abs().min(CONTEXT_CAP);
                    current[j + 2] = magnitude;
                    magnitudes[j] = magnitude as u16;
                }
                j = end;
            }
            let [north, north2] = &mut above;
            std::mem::swap(north, north2);
            std::mem::swap(north, &mut current);
        }
    }

    #[inline]
    fn coefficient<C: Coder>(&mut self, coder: &mut C, q: i32, c: &Context) -> i32 {
        let weight = if c.dyadic { 5 } else { 3 };
        let mean = (weight * c.band + (7 - weight) * c.parents) / 7;
        // Large magnitudes: low bits apart, so that the unary part stays short.
        let k = if mean < 6 * 16 { 0 } else { (mean >> 4).ilog2() - 1 };
        let large = usize::from(k > 0);
        let class = Classes::of;
        let (band, parents, both, other) =
            (class(c.band >> k), class(c.parents >> k), class(mean >> k), class(c.other >> k));
        let base = [
            band * CLASSES + parents,
            both * CLASSES + c.radius,
            parents * CLASSES + other,
            other * CLASSES + c.radius,
        ];
        let selector = if both == 0 { 0 } else { 1 + usize::from(both > 6) };
        let magnitude = q.unsigned_abs();
        let high = (magnitude >> k) as usize;
        let row = large * CLASSES * CLASSES;
        let contexts = [row + base[0], row + base[1], row + base[2], large * 256 + c.near];
        let mut value = self.magnitude.code(coder, high.min(ESCAPE), contexts, large * 3 + selector, c.learn);
        if value == ESCAPE {
            value += self.large[large * CLASSES + both].code(coder, (high.wrapping_sub(ESCAPE)).min(ESCAPE));
        }
        let mut value = value as u64;
        if value == 2 * ESCAPE as u64 {
            value += exp_golomb(coder, &mut self.escape, (high as u64).wrapping_sub(value));
        }
        if k > 0 {
            let top = &mut self.low[k as usize * 4 + value.min(3) as usize];
            let bit = top.code(coder, magnitude >> (k - 1) & 1 == 1);
            let rest = coder.raw(u64::from(magnitude) & ((1 << (k - 1)) - 1), k - 1);
            value = value << k | u64::from(bit) << (k - 1) | rest;
        }
        let value = value.min(MAX_MAGNITUDE.into()) as i32;
        if coder.even(q < 0, value != 0) { -value } else { value }
    }
}
