//! The coefficient coder of the harmonic pyramid: models for quantised coefficients, written once
//! for both directions (`codec-spec/format.md`, "Harmonic detail").
//!
//! The coefficients of one frequency (u, v) of all blocks of a level form a *band*: a small image with
//! one coefficient per block. Bands are coded from low to high frequency, so that a coefficient sees its
//! lower neighbours in frequency in all surrounding blocks, its own frequency in the blocks
//! before it, the same place in the previous slice and the activity of the coarser level.

use super::activity::Activity;
use super::context::{CLASSES, Classes, Rows, Surroundings, magnitude};
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

/// What a magnitude past the alphabet is coded as.
const ESCAPE: usize = SYMBOLS - 1;
/// Blocks that share one "all zero" flag.
const GROUP: usize = 16;

/// Code the coefficients of all levels, coarse ones first, on up to `threads` threads. The finest levels are in so many parts as `cuts`
/// says, all others in one. The first coder codes these and the first part of the next level; each part after that
/// has a coder of its own. `begin` is given the parts of a level before they are coded, `end` afterwards.
pub(crate) fn code<C: Coder + Send>(
    coders: &mut [C],
    levels: &[Level],
    cuts: &[usize],
    slices: usize,
    threads: usize,
    mut begin: impl FnMut(usize, &mut [Part]),
    mut end: impl FnMut(usize, &[Part]),
) {
    let mut models = vec![Models::new()];
    let mut coarser = Vec::new();
    let mut first = 0;
    for (l, level) in levels.iter().enumerate().rev() {
        let n = cuts.get(l).map_or(1, |&n| n);
        let mut parts = Part::cut(level, slices, n);
        begin(l, &mut parts);
        if models.len() != n {
            models = (0..n).map(|k| models[k * models.len() / n].clone()).collect();
        }
        let mut tasks: Vec<_> = coders.iter_mut().skip(first).zip(&mut models).zip(&mut parts).collect();
        for_each_part(&mut tasks, 1, threads, |_, tasks| {
            for ((coder, models), part) in tasks {
                models.part(*coder, part, &coarser);
            }
        });
        if l < cuts.len() {
            first += n;
        }
        end(l, &parts);
        if l > 0 {
            coarser = (0..slices).map(|slice| Activity::new(&parts, slice)).collect();
        }
    }
}

/// Adaptive state shared by all levels and slices of a stream.
#[derive(Clone)]
struct Models {
    magnitude: Mixture,
    /// Of what is left of a magnitude that is past the alphabet.
    large: Vec<Distribution>,
    /// Of a coefficient being 0, and of its magnitude if it is not, where all around is 0.
    lone: Vec<Prob>,
    lone_by_radius: Vec<Prob>,
    lone_magnitude: Vec<Distribution>,
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
            lone: (0..CLASSES * CLASSES).map(|c| Prob::new((65_536 * Classes::typical(c / CLASSES) / (Classes::typical(c / CLASSES) + 16) / 2) as u16, 4)).collect(),
            lone_by_radius: vec![Prob::new(1 << 12, 5); CLASSES],
            lone_magnitude: vec![Distribution::geometric(2, 1); CLASSES],
            band_zero: vec![Prob::HALF; 6],
            group_zero: vec![Prob::new(1 << 13, 1); CLASSES * CLASSES],
            escape: vec![Prob::HALF; 31],
            low: vec![Prob::HALF; 32 * 4],
        }
    }

    /// Code a part of a level, slice by slice.
    fn part<C: Coder>(&mut self, coder: &mut C, part: &mut Part, coarser: &[Activity]) {
        let Part { shape, q, occupied } = part;
        let (size, rows) = (shape.all_bands() * shape.blocks(), shape.all_bands() * shape.rows);
        if size == 0 {
            return;
        }
        for slice in 0..q.len() / size {
            let (before, q) = q.split_at_mut(slice * size);
            let (rows_before, occupied) = occupied.split_at_mut(slice * rows);
            let previous = slice.checked_sub(1).map(|s| (&before[s * size..], &rows_before[s * rows..]));
            let surroundings = Surroundings::new(shape, coarser.get(slice), previous);
            self.slice(coder, &surroundings, &mut q[..size], &mut occupied[..rows]);
        }
    }

    fn slice<C: Coder>(
        &mut self,
        coder: &mut C,
        surroundings: &Surroundings<'_>,
        q: &mut [i32],
        occupied: &mut [bool],
    ) {
        let shape = surroundings.shape;
        let mut zero = false;
        for (u, v) in shape.bands() {
            let band = shape.band(u, v);
            let (coded, q) = q.split_at_mut(band * shape.blocks());
            let (coded_rows, occupied) = occupied.split_at_mut(band * shape.rows);
            let (q, occupied) = (&mut q[..shape.blocks()], &mut occupied[..shape.rows]);
            let context = match surroundings.was_occupied((u, v)) {
                None => 0,
                Some(true) => 1,
                Some(false) => 2,
            };
            zero = self.band_zero[usize::from(zero) * 3 + context].code(coder, !occupied.contains(&true));
            if !zero {
                let rows = surroundings.band((coded, coded_rows), (u, v));
                self.band(coder, rows, shape, (u, v), q, occupied);
            }
        }
    }

    fn band<C: Coder>(
        &mut self,
        coder: &mut C,
        mut rows: Rows<'_>,
        shape: &Shape,
        (u, v): (usize, usize),
        q: &mut [i32],
        occupied: &mut [bool],
    ) {
        let cols = shape.cols;
        let radius = shape.radius(u, v);
        // Rows with a margin of two on either side.
        let [mut north, mut north2, mut current] = std::array::from_fn(|_| vec![0u32; cols + 4]);
        for i in shape.range.0[u].clone() {
            let above = i > 0 && occupied[i - 1] || i > 1 && occupied[i - 2];
            rows.next(i, above.then_some([&north, &north2]));
            let other = rows.other();
            current.fill(0);
            let mut any = 0;
            let Range { start: mut j, end: last } = shape.range.1[v].clone();
            let q = &mut q[i * cols..][..cols];
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
                        other: other[j],
                        radius,
                        near: (w.min(3) * 64 + rows.near[j]) as usize,
                        dyadic: shape.dyadic,
                        learn: j % 2 == 0,
                    };
                    q[j] = self.coefficient(coder, q[j], &context);
                    current[j + 2] = magnitude(q[j]);
                    any |= q[j];
                }
                j = end;
            }
            occupied[i] = any != 0;
            std::mem::swap(&mut north, &mut north2);
            std::mem::swap(&mut north, &mut current);
        }
    }

    #[inline]
    fn coefficient<C: Coder>(&mut self, coder: &mut C, q: i32, c: &Context) -> i32 {
        if c.band | c.parents == 0 && c.near == 0 {
            return self.lone_coefficient(coder, q, Classes::of(c.other), c.radius);
        }
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

    /// One with nothing but 0 around it, so that it will be 0 too.
    #[inline]
    fn lone_coefficient<C: Coder>(&mut self, coder: &mut C, q: i32, other: usize, radius: usize) -> i32 {
        if !Prob::code_by_two(&mut self.lone[other * CLASSES + radius], &mut self.lone_by_radius[radius], coder, q != 0) {
            return 0;
        }
        let rest = q.unsigned_abs().wrapping_sub(1);
        let mut value = self.lone_magnitude[radius].code(coder, (rest as usize).min(ESCAPE)) as u64;
        if value == ESCAPE as u64 {
            value += exp_golomb(coder, &mut self.escape, u64::from(rest).wrapping_sub(value));
        }
        let value = (value + 1).min(MAX_MAGNITUDE.into()) as i32;
        if coder.even(q < 0, true) { -value } else { value }
    }
}
