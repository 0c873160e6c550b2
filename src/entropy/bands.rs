//! The coefficient coder of the harmonic pyramid: models for quantised coefficients, written once
//! for both directions (`codec-spec/format.md`, "Harmonic detail").
//!
//! The coefficients of one frequency (u, v) of all blocks of a level form a *band*: a small image with
//! one coefficient per block. Bands are coded from low to high frequency, so that a coefficient sees its
//! lower neighbours in frequency in all surrounding blocks, its own frequency in the blocks
//! before it, the same place in the previous slice and the activity of the coarser level.

use super::mixer::{Mixer, Prob, exp_golomb};
use super::range::Coder;
use crate::format::pyramid::{AxisBlocks, Level};

/// Largest quantised magnitude.
pub(crate) const MAX_MAGNITUDE: u32 = 1 << 30;

/// Magnitudes are held to this in contexts.
const CONTEXT_CAP: u32 = 2047;
/// Activity classes.
const CLASSES: usize = 24;
/// Bins of the unary part of a magnitude.
const UNARY: usize = 15;
/// Blocks that share one "all zero" flag.
const GROUP: usize = 16;

/// Class of an activity: integer thresholds growing by a quarter, 0, 1, 2, 3, 4, 6, 8, 11, ..
struct Classes([u8; 1024]);

impl Classes {
    const TABLE: Self = {
        let mut table = [0; 1024];
        let (mut e, mut class, mut next) = (0, 0, 1);
        while e < 1024 {
            if e == next && class < CLASSES - 1 {
                class += 1;
                next = next + 1 + next / 4;
            }
            table[e] = class as u8;
            e += 1;
        }
        Self(table)
    };
    #[inline]
    fn of(activity: u32) -> usize {
        Self::TABLE.0[activity.min(1023) as usize].into()
    }
}

/// Blocks and frequencies of one level.
struct Shape {
    rows: usize,
    cols: usize,
    /// First row and column of each block in the level's plane, and the plane's width.
    starts: (Vec<usize>, Vec<usize>),
    width: usize,
    frequencies: (usize, usize),
    /// Frequencies below both of these belong to the coarser level.
    kept: (usize, usize),
    /// First block that has a frequency, per axis (shorter blocks come first).
    first: (Vec<usize>, Vec<usize>),
}

impl Shape {
    fn new(level: &Level) -> Self {
        let axis = |a: &AxisBlocks| {
            let longest = a.lens.iter().copied().max().unwrap_or(0);
            let first = (0..longest).map(|u| a.lens.iter().take_while(|&&n| n <= u).count()).collect::<Vec<_>>();
            let kept = if level.last { 0 } else { a.keep.unwrap_or(longest) };
            (a.lens.len(), longest, kept, first)
        };
        let (rows, fy, ky, first_y) = axis(&level.y);
        let (cols, fx, kx, first_x) = axis(&level.x);
        let starts = (level.y.starts.clone(), level.x.starts.clone());
        Self {
            rows,
            cols,
            starts,
            width: level.width,
            frequencies: (fy, fx),
            kept: (ky, kx),
            first: (first_y, first_x),
        }
    }
    const fn blocks(&self) -> usize {
        self.rows * self.cols
    }
    const fn is_coded(&self, u: usize, v: usize) -> bool {
        u < self.frequencies.0 && v < self.frequencies.1 && !(u < self.kept.0 && v < self.kept.1)
    }
    /// Bands in coding order: by diagonal, then by u.
    fn bands(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let (fy, fx) = self.frequencies;
        (0..(fy + fx).saturating_sub(1))
            .flat_map(move |d| (d.saturating_sub(fx - 1)..=d.min(fy - 1)).map(move |u| (u, d - u)))
            .filter(|&(u, v)| self.is_coded(u, v))
    }
    const fn index(&self, u: usize, v: usize) -> usize {
        (u * self.frequencies.1 + v) * self.blocks()
    }
    /// Calls `f(block, place in the level's plane)` for every block that has frequency (u, v).
    fn places(&self, (u, v): (usize, usize), mut f: impl FnMut(usize, usize)) {
        for i in self.first.0[u]..self.rows {
            let row = (self.starts.0[i] + u) * self.width + v;
            for j in self.first.1[v]..self.cols {
                f(i * self.cols + j, row + self.starts.1[j]);
            }
        }
    }
}

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
        Activity { rows: s.rows, cols: s.cols, blocks: sum }
    }
}

/// How busy the highest frequencies of one slice are on one level: 16 times a mean magnitude for each block.
pub(crate) struct Activity {
    rows: usize,
    cols: usize,
    blocks: Vec<u32>,
}

impl Activity {
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
    magnitude: Mixer<5>,
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
}

impl Models {
    pub(crate) fn new() -> Self {
        let n = 2 * UNARY * CLASSES * CLASSES;
        Self {
            magnitude: Mixer::new([n, n, n, n, 2 * UNARY * 256], 2 * UNARY * 3, 250),
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
                self.band(coder, bands, (u, v), &activity);
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

    fn band<C: Coder>(&mut self, coder: &mut C, bands: &mut Bands, (u, v): (usize, usize), activity: &[u32]) {
        let Bands { shape, q, magnitudes, previous, has_previous } = bands;
        let (rows, cols, n) = (shape.rows, shape.cols, shape.blocks());
        let at = shape.index(u, v);
        let parents = Parents::new(shape, u, v);
        let (fy, fx) = shape.frequencies;
        let (ry, rx) = (u * CLASSES / fy, v * CLASSES / fx);
        let radius = (ry * ry + rx * rx).isqrt().min(CLASSES - 1);
        // Rows with a margin of two on either side.
        let mut above = [vec![0u32; cols + 4], vec![0u32; cols + 4]];
        let mut current = vec![0u32; cols + 4];
        let mut from_parents = vec![0u32; cols];
        let mut from_other = vec![0u32; cols];
        for i in shape.first.0[u]..rows {
            parents.row(magnitudes, shape, i, &activity[i * cols..][..cols], &mut from_parents);
            if *has_previous {
                previous_row(&previous[at..at + n], i, cols, &mut from_other);
            } else {
                from_other.copy_from_slice(&activity[i * cols..][..cols]);
            }
            current.fill(0);
            let mut j = shape.first.1[v];
            while j < cols {
                let end = (j + GROUP).min(cols);
                let quiet = current[j..j + 2] == [0, 0]
                    && above[0][j + 1..end + 3].iter().all(|&m| m == 0)
                    && from_parents[j..end].iter().all(|&m| m == 0)
                    && (!*has_previous || from_other[j..end].iter().all(|&m| m == 0));
                if quiet {
                    let zero = C::ENCODES && q[i * cols + j..i * cols + end].iter().all(|&q| q == 0);
                    let context = radius * CLASSES + Classes::of(activity[i * cols + j]);
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
                        near: (w.min(3) * 64 + nn.min(3) * 16 + parents.nearest(magnitudes, i * cols + j)) as usize,
                    };
                    let place = &mut q[i * cols + j];
                    *place = self.coefficient(coder, *place, &context);
                    let magnitude = place.unsigned_abs().min(CONTEXT_CAP);
                    current[j + 2] = magnitude;
                    magnitudes[at + i * cols + j] = magnitude as u16;
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
        let mean = (3 * c.band + 4 * c.parents) / 7;
        // Large magnitudes: low bits apart, so that the unary part stays short.
        let k = if mean < 6 * 16 { 0 } else { (mean >> 4).ilog2() - 1 };
        let large = usize::from(k > 0) * UNARY;
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
        let mut value = 0;
        while value < UNARY {
            let bin = large + value;
            let row = bin * CLASSES * CLASSES;
            let contexts = [row + base[0], row + base[1], row + base[2], row + base[3], bin * 256 + c.near];
            if !self.magnitude.code(coder, high > value, contexts, bin * 3 + selector) {
                break;
            }
            value += 1;
        }
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
        if value == 0 {
            0
        } else if coder.raw(u64::from(q < 0), 1) == 1 {
            -value
        } else {
            value
        }
    }
}

/// Sum over the previous slice's neighbourhood: centre twice, four neighbours once; times 16 over 6.
fn previous_row(band: &[u16], i: usize, cols: usize, out: &mut [u32]) {
    let row = &band[i * cols..][..cols];
    let north = if i > 0 { &band[(i - 1) * cols..][..cols] } else { row };
    let south = band.get((i + 1) * cols..(i + 2) * cols).unwrap_or(row);
    for (j, o) in out.iter_mut().enumerate() {
        let west = row[j.saturating_sub(1)];
        let east = row[(j + 1).min(cols - 1)];
        let sum = 2 * u32::from(row[j]) + [west, east, north[j], south[j]].map(u32::from).iter().sum::<u32>();
        *o = sum * 16 / 6;
    }
}

/// The bands next lower in frequency, with weights.
struct Parents {
    /// Start of the band, weight of the same block, weight of the blocks to the east and south.
    list: Vec<(usize, u32, u32)>,
    total: u32,
    nearest: [Option<usize>; 2],
}

impl Parents {
    fn new(shape: &Shape, u: usize, v: usize) -> Self {
        let mut list = Vec::with_capacity(5);
        let mut total = 0;
        let mut nearest = [None; 2];
        for (k, (du, dv, centre, side)) in
            [(1, 0, 4, 1), (0, 1, 4, 1), (1, 1, 2, 0), (2, 0, 2, 0), (0, 2, 2, 0)].into_iter().enumerate()
        {
            let (Some(pu), Some(pv)) = (u.checked_sub(du), v.checked_sub(dv)) else { continue };
            if shape.is_coded(pu, pv) {
                list.push((shape.index(pu, pv), centre, side));
                total += centre + 2 * side;
                if k < 2 {
                    nearest[k] = Some(shape.index(pu, pv));
                }
            }
        }
        Self { list, total, nearest }
    }

    /// Mean magnitude around each block of row `i`, times 16; where there is no parent, the coarser level's.
    fn row(&self, magnitudes: &[u16], shape: &Shape, i: usize, activity: &[u32], out: &mut [u32]) {
        if self.total == 0 {
            out.copy_from_slice(activity);
            return;
        }
        out.fill(0);
        let cols = shape.cols;
        for &(start, centre, side) in &self.list {
            let row = &magnitudes[start + i * cols..][..cols];
            for (o, &m) in out.iter_mut().zip(row) {
                *o += centre * u32::from(m);
            }
            if side > 0 {
                let south = if i + 1 < shape.rows { &magnitudes[start + (i + 1) * cols..][..cols] } else { row };
                for (o, &m) in out.iter_mut().zip(south) {
                    *o += side * u32::from(m);
                }
                for (o, &m) in out.iter_mut().zip(row.iter().skip(1).chain(row.last())) {
                    *o += side * u32::from(m);
                }
            }
        }
        let scale = (16 << 12) / self.total;
        for o in out {
            *o = ((u64::from(*o) * u64::from(scale)) >> 12) as u32;
        }
    }

    /// The two nearest parents in the same block, two bits each.
    fn nearest(&self, magnitudes: &[u16], block: usize) -> u32 {
        let m = |k: usize| self.nearest[k].map_or(0, |start| u32::from(magnitudes[start + block]).min(3));
        m(0) * 4 + m(1)
    }
}
