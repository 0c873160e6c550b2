//! The coefficient coder of the harmonic pyramid: models for quantised coefficients, written once
//! for both directions (`codec-spec/format.md`, "Harmonic detail").
//!
//! The coefficients of one frequency (u, v) of all blocks of a level form a *band*: a small image with
//! one coefficient per block. Bands are coded from low to high frequency, so that a coefficient sees its
//! lower neighbours in frequency in all surrounding blocks, its own frequency in the blocks
//! before it, the same place in the previous slice and the activity of the coarser level.

use super::context::{CLASSES, Classes, Parents, Related, previous_row};
use super::mixer::{Prob, exp_golomb};
use super::symbol::{Distribution, Mixture};
use super::range::Coder;
use super::shape::Shape;
use crate::format::pyramid::Level;
use std::ops::Range;

/// Largest quantised magnitude.
pub(crate) const MAX_MAGNITUDE: u32 = 1 << 30;

/// Magnitudes are held to this in contexts.
const CONTEXT_CAP: u32 = 2047;
/// Bins of the unary part of a magnitude.
const UNARY: usize = 15;
/// Blocks that share one "all zero" flag.
const GROUP: usize = 16;

/// What the coder remembers of one level: magnitudes, band after band.
pub(crate) struct Bands {
    shape: Shape,
    /// min(|q|, cap) of this slice, and of the previous one if there are several.
    magnitudes: Vec<u16>,
    previous: Vec<u16>,
    has_previous: bool,
    /// The band that is coded.
    q: Vec<i32>,
}

impl Bands {
    /// For a field of `slices` slices.
    pub(crate) fn new(level: &Level, slices: usize) -> Self {
        let shape = Shape::new(level);
        let n = shape.frequencies.0 * shape.frequencies.1 * shape.blocks();
        let previous = if slices > 1 { vec![0; n] } else { Vec::new() };
        Self { q: vec![0; shape.blocks()], shape, magnitudes: vec![0; n], previous, has_previous: false }
    }

    /// Make ready for the next slice; the last one becomes context.
    pub(crate) fn next_slice(&mut self) {
        if self.previous.is_empty() {
            return;
        }
        std::mem::swap(&mut self.magnitudes, &mut self.previous);
        self.magnitudes.fill(0);
        self.has_previous = true;
    }

    /// Activity of this level's highest frequencies in the slice just coded: context for the next finer level.
    pub(crate) fn activity(&self) -> Activity {
        let s = &self.shape;
        let from = (s.frequencies.0 * 2 / 3, s.frequencies.1 * 2 / 3);
        let mut sum = vec![0u32; s.blocks()];
        let mut bands = 0u32;
        for (u, v) in s.bands().filter(|&(u, v)| u >= from.0 || v >= from.1) {
            let at = s.index(u, v);
            for (a, &m) in sum.iter_mut().zip(&self.magnitudes[at..]) {
                *a += u32::from(m).min(255);
            }
            bands += 1;
        }
        let bands = bands.max(1);
        sum.iter_mut().for_each(|a| *a = *a * 16 / bands);
        let copy = |(u, v)| ((u, v), self.magnitudes[s.index(u, v)..][..s.blocks()].to_vec());
        let bands = if s.dyadic { s.bands().map(copy).collect() } else { Vec::new() };
        Activity { rows: s.rows, cols: s.cols, blocks: sum, bands }
    }
}

/// How busy the highest frequencies of one slice are on one level: 16 times a mean magnitude for each block.
pub(crate) struct Activity {
    rows: usize,
    cols: usize,
    blocks: Vec<u32>,
    /// Magnitudes of the bands of a wavelet level.
    bands: Vec<((usize, usize), Vec<u16>)>,
}

impl Activity {
    /// The band (u, v), if this is a level of the wavelet and has it.
    fn band(&self, (u, v): (usize, usize)) -> Option<Related<'_>> {
        let (_, magnitudes) = self.bands.iter().find(|b| b.0 == (u, v))?;
        Some(Related { magnitudes, rows: self.rows, cols: self.cols })
    }

    /// For every block of the finer level, that of the block it lies in.
    fn for_level(&self, fine: &Shape) -> Vec<u32> {
        (0..fine.blocks())
            .map(|b| {
                let (i, j) = (b / fine.cols * self.rows / fine.rows, b % fine.cols * self.cols / fine.cols);
                self.blocks[i * self.cols + j]
            })
            .collect()
    }
}

/// Adaptive state shared by all levels and slices of a stream.
pub(crate) struct Models {
    magnitude: Mixture,
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
    turn: usize,
}

impl Models {
    pub(crate) fn new() -> Self {
        let by_class = || {
            let classes = (0..2 * CLASSES).flat_map(|c| [Distribution::geometric(Classes::typical(c % CLASSES), 5); CLASSES]);
            classes.collect::<Vec<_>>()
        };
        let near = vec![Distribution::geometric(8, 1); 2 * 256];
        Self {
            magnitude: Mixture::new([by_class(), by_class(), by_class(), near], 2 * 3, 90),
            band_zero: vec![Prob::HALF; 6],
            group_zero: vec![Prob::new(1 << 13, 1); CLASSES * CLASSES],
            escape: vec![Prob::HALF; 31],
            low: vec![Prob::HALF; 32 * 4],
        }
    }

    /// Code all coefficients of one level of a slice, to or from the level's `plane` (zeros before decoding);
    /// `coarser` is the same slice's activity on the next coarser level.
    pub(crate) fn level<C: Coder>(
        &mut self,
        coder: &mut C,
        bands: &mut Bands,
        coarser: Option<&Activity>,
        plane: &mut [i32],
    ) {
        let shape = &bands.shape;
        let n = shape.blocks();
        let activity = coarser.map_or_else(|| vec![0; n], |c| c.for_level(shape));
        let order: Vec<_> = shape.bands().collect();
        let mut last_was_zero = false;
        for (u, v) in order {
            let at = bands.shape.index(u, v);
            let Bands { shape, q, .. } = bands;
            if C::ENCODES {
                shape.places((u, v), |block, place| q[block] = plane[place]);
            }
            let previous_zero = if bands.has_previous {
                1 + usize::from(bands.previous[at..at + n].iter().all(|&m| m == 0))
            } else {
                0
            };
            let zero = C::ENCODES && bands.q.iter().all(|&q| q == 0);
            last_was_zero = self.band_zero[usize::from(last_was_zero) * 3 + previous_zero].code(coder, zero);
            if !last_was_zero {
                self.band(coder, bands, coarser, (u, v), &activity);
                let Bands { shape, q, .. } = bands;
                if !C::ENCODES {
                    shape.places((u, v), |block, place| {
                        if q[block] != 0 {
                            plane[place] = q[block];
                        }
                    });
                }
                q.fill(0);
            }
        }
    }

    fn band<C: Coder>(
        &mut self,
        coder: &mut C,
        bands: &mut Bands,
        coarser: Option<&Activity>,
        (u, v): (usize, usize),
        activity: &[u32],
    ) {
        let Bands { shape, q, magnitudes, previous, has_previous } = bands;
        let (cols, n) = (shape.cols, shape.blocks());
        let at = shape.index(u, v);
        let (coded, magnitudes) = magnitudes.split_at_mut(at);
        let parents = Parents::new(shape, u, v);
        let parent = coarser.and_then(|c| c.band((u, v)));
        let siblings: Vec<_> = [(0, 1), (1, 0)].iter().filter_map(|&b| Related::sibling(coded, shape, b)).collect();
        let radius = shape.radius(u, v);
        // Rows with a margin of two on either side.
        let mut above = [vec![0u32; cols + 4], vec![0u32; cols + 4]];
        let mut current = vec![0u32; cols + 4];
        let mut from_parents = vec![0u32; cols];
        let mut from_other = vec![0u32; cols];
        for i in shape.range.0[u].clone() {
            let activity = &activity[i * cols..][..cols];
            from_other.copy_from_slice(activity);
            if let Some(parent) = &parent {
                from_other.fill(0);
                parent.add_row(i, shape.rows, &mut from_other);
                from_parents.copy_from_slice(&from_other);
                for sibling in &siblings {
                    sibling.add_row(i, shape.rows, &mut from_parents);
                }
                let count = 1 + siblings.len() as u32;
                from_parents.iter_mut().for_each(|p| *p /= count);
            } else {
                parents.row(coded, shape, i, activity, &mut from_parents);
            }
            if *has_previous {
                previous_row(&previous[at..at + n], i, cols, &mut from_other);
            }
            current.fill(0);
            let Range { start: mut j, end: last } = shape.range.1[v].clone();
            while j < last {
                let end = (j + GROUP).min(last);
                let quiet = current[j..j + 2] == [0, 0]
                    && above[0][j + 1..end + 3].iter().all(|&m| m == 0)
                    && from_parents[j..end].iter().all(|&m| m == 0)
                    && (!*has_previous || from_other[j..end].iter().all(|&m| m == 0));
                if quiet {
                    let zero = C::ENCODES && q[i * cols + j..i * cols + end].iter().all(|&q| q == 0);
                    let context = radius * CLASSES + Classes::of(activity[j]);
                    if !self.group_zero[context].code(coder, !zero) {
                        j = end;
                        continue;
                    }
                }
                for j in j..end {
                    let [north, north2] = &above;
                    let (w, ww) = (current[j + 1], current[j]);
                    let (nn, nw, ne, nnn) = (north[j + 2], north[j + 1], north[j + 3], north2[j + 2]);
                    let context = Context {
                        band: (4 * (w + nn) + 2 * (nw + ne) + ww + nnn) * 16 / 14,
                        parents: from_parents[j],
                        other: from_other[j],
                        radius,
                        dyadic: shape.dyadic,
                        turn: j,
                        near: (w.min(3) * 64 + nn.min(3) * 16 + parents.nearest(coded, i * cols + j)) as usize,
                    };
                    let place = &mut q[i * cols + j];
                    *place = self.coefficient(coder, *place, &context);
                    let magnitude = place.unsigned_abs().min(CONTEXT_CAP);
                    current[j + 2] = magnitude;
                    magnitudes[i * cols + j] = magnitude as u16;
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
        let value = self.magnitude.code(coder, high.min(UNARY), contexts, large * 3 + selector, c.turn);
        let mut value = value as u64;
        if value == UNARY as u64 {
            value += exp_golomb(coder, &mut self.escape, (high as u64).wrapping_sub(UNARY as u64));
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
