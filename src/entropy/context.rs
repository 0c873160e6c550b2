//! What a coefficient's surroundings say about it before it is coded: rows of activities, 16 times a mean magnitude.

use super::activity::Activity;
use super::shape::Shape;
use crate::ablation::{Part, without};
use crate::arith::run_wide;
use std::ops::Range;

/// Activity classes.
pub(super) const CLASSES: usize = 24;
/// Magnitudes are held to this in contexts.
pub(super) const CAP: u32 = 2047;

/// Class of an activity: integer thresholds growing by a quarter, 0, 1, 2, 3, 4, 6, 8, 11, ..
pub(super) struct Classes([u8; 512]);

impl Classes {
    const TABLE: Self = {
        let mut table = [0; 512];
        let (mut e, mut class, mut next) = (0, 0, 1);
        while e < 512 {
            if e == next && class < CLASSES - 1 {
                class += 1;
                next = next + 1 + next / 4;
            }
            table[e] = class as u8;
            e += 1;
        }
        Self(table)
    };
    /// About the mean activity of a class.
    pub(super) fn typical(class: usize) -> u32 {
        let first = |c: usize| Self::TABLE.0.iter().position(|&t| usize::from(t) == c).unwrap_or(1024) as u32;
        if class == 0 { 1 } else { (first(class) + first(class + 1)) / 2 }
    }
    #[inline(always)]
    pub(super) fn of(activity: u32) -> usize {
        Self::TABLE.0[activity.min(511) as usize].into()
    }
}

/// Magnitude of a coefficient, as contexts see it.
#[inline(always)]
pub(super) fn magnitude(q: i32) -> u32 {
    q.unsigned_abs().min(CAP)
}

/// A band: an image with a coefficient for each block.
#[derive(Clone, Copy)]
pub(super) struct Band<'a> {
    pub(super) q: &'a [i32],
    /// Rows that have anything but 0.
    pub(super) occupied: &'a [bool],
    pub(super) cols: usize,
}

impl<'a> Band<'a> {
    /// Band (u, v) of a slice's coefficients and occupied rows.
    pub(super) fn of((q, occupied): (&'a [i32], &'a [bool]), shape: &Shape, u: usize, v: usize) -> Self {
        let band = shape.band(u, v);
        let (q, occupied) = (&q[band * shape.blocks()..], &occupied[band * shape.rows..]);
        Self { q: &q[..shape.blocks()], occupied: &occupied[..shape.rows], cols: shape.cols }
    }

    pub(super) fn row(&self, i: usize) -> &'a [i32] {
        &self.q[i * self.cols..][..self.cols]
    }

    /// Is anything but 0 in row `i`, or anywhere?
    pub(super) fn is_occupied(&self, i: usize) -> bool {
        self.occupied.get(i).is_some_and(|&o| o)
    }

    pub(super) fn any(&self) -> bool {
        self.occupied.contains(&true)
    }

    /// Is anything but 0 in row `i` or next to it?
    fn is_busy(&self, i: usize) -> bool {
        self.is_occupied(i) || self.is_occupied(i + 1) || i > 0 && self.is_occupied(i - 1)
    }

    /// For each place of row `i`: `centre` times its magnitude and those of its four neighbours, or its own for one outside.
    #[inline(always)]
    fn around(&self, i: usize, centre: u32, out: &mut [u32]) {
        let row = self.row(i);
        let north = if i > 0 { self.row(i - 1) } else { row };
        let south = if (i + 1) * self.cols < self.q.len() { self.row(i + 1) } else { row };
        for (((o, &m), &n), &s) in out.iter_mut().zip(row).zip(north).zip(south) {
            *o = centre * magnitude(m) + magnitude(n) + magnitude(s);
        }
        let (Some((&first, east)), Some((&last, west))) = (row.split_first(), row.split_last()) else { return };
        out.iter_mut().zip(east).for_each(|(o, &m)| *o += magnitude(m));
        out.iter_mut().skip(1).zip(west).for_each(|(o, &m)| *o += magnitude(m));
        out[0] += magnitude(first);
        out[self.cols - 1] += magnitude(last);
    }
}

/// The bands next lower in frequency.
struct Lower<'a> {
    /// Weight of the same block, and of those to the east and south.
    list: Vec<(Band<'a>, u32, u32)>,
    total: u32,
    /// The two nearest, with weights that keep them apart.
    nearest: Vec<(Band<'a>, u32)>,
}

impl<'a> Lower<'a> {
    fn new(coded: (&'a [i32], &'a [bool]), shape: &Shape, (u, v): (usize, usize)) -> Self {
        let mut lower = Self { list: Vec::with_capacity(5), total: 0, nearest: Vec::with_capacity(2) };
        for (du, dv, centre, side, apart) in
            [(1, 0, 4, 1, 4), (0, 1, 4, 1, 1), (1, 1, 2, 0, 0), (2, 0, 2, 0, 0), (0, 2, 2, 0, 0)]
        {
            let (Some(u), Some(v)) = (u.checked_sub(du), v.checked_sub(dv)) else { continue };
            if shape.is_coded(u, v) {
                let band = Band::of(coded, shape, u, v);
                if !without(Part::LowerFrequencies) {
                    lower.list.push((band, centre, side));
                    lower.total += centre + 2 * side;
                }
                if apart > 0 {
                    lower.nearest.push((band, apart));
                }
            }
        }
        lower
    }

    /// Mean magnitude around each block of row `i`, times 16. Is any of them not 0?
    #[inline(always)]
    fn row(&self, i: usize, out: &mut [u32]) -> bool {
        out.fill(0);
        let mut any = false;
        for &(band, centre, side) in &self.list {
            let south = band.is_occupied(i + 1) && side > 0;
            if !band.is_occupied(i) && !south {
                continue;
            }
            any = true;
            let row = band.row(i);
            if side == 0 {
                out.iter_mut().zip(row).for_each(|(o, &q)| *o += centre * magnitude(q));
                continue;
            }
            let south = if (i + 1) * band.cols < band.q.len() { band.row(i + 1) } else { row };
            for ((o, &q), &s) in out.iter_mut().zip(row).zip(south) {
                *o += centre * magnitude(q) + side * magnitude(s);
            }
            out.iter_mut().zip(&row[1..]).for_each(|(o, &q)| *o += side * magnitude(q));
            if let (Some(o), Some(&q)) = (out.last_mut(), row.last()) {
                *o += side * magnitude(q);
            }
        }
        if any {
            let scale = (16 << 12) / self.total;
            out.iter_mut().for_each(|o| *o = (*o * scale) >> 12);
        }
        any
    }

    /// Adds the two nearest of each block of row `i`, two bits each.
    #[inline(always)]
    fn nearest(&self, i: usize, out: &mut [u32]) {
        for (band, weight) in self.nearest.iter().filter(|(band, _)| band.is_occupied(i)) {
            out.iter_mut().zip(band.row(i)).for_each(|(o, &q)| *o += weight * q.unsigned_abs().min(3));
        }
    }
}

/// The same band on the coarser level, whose magnitudes are like those of the band that is coded: with its siblings, what a
/// wavelet level has in place of [`Lower`].
struct Parent<'a> {
    band: Band<'a>,
    /// Where in the parent each column lies, unless they are the same.
    columns: Vec<usize>,
    siblings: Vec<Band<'a>>,
    /// Around the places of a row of the parent, 16 times a mean; which row; whether any is not 0.
    around: Vec<u32>,
    row: Option<usize>,
    any: bool,
}

impl<'a> Parent<'a> {
    fn new(band: Band<'a>, coded: (&'a [i32], &'a [bool]), shape: &Shape) -> Self {
        let columns = if band.cols == shape.cols { 0 } else { shape.cols };
        let has = |&&(u, v): &&(usize, usize)| {
            (shape.band(u, v) + 1) * shape.blocks() <= coded.0.len() && shape.is_coded(u, v)
        };
        Self {
            band,
            columns: (0..columns).map(|j| j * band.cols / shape.cols).collect(),
            siblings: [(0, 1), (1, 0)]
                .iter()
                .filter(|_| !without(Part::SiblingBands))
                .filter(has)
                .map(|&(u, v)| Band::of(coded, shape, u, v))
                .collect(),
            around: vec![0; band.cols],
            row: None,
            any: false,
        }
    }

    /// Go to row `i` of the parent. Is anything around it?
    #[inline(always)]
    fn go(&mut self, i: usize) -> bool {
        if self.row != Some(i) {
            (self.row, self.any) = (Some(i), self.band.is_busy(i));
            if self.any {
                self.band.around(i, 4, &mut self.around);
                self.around.iter_mut().for_each(|o| *o *= 2);
            } else {
                self.around.fill(0);
            }
        }
        self.any
    }

    /// What is around each block's place in the parent, and the mean of that and what is around it in the siblings. Is any of it not 0?
    #[inline(always)]
    fn rows(&self, i: usize, other: &mut [u32], parents: &mut [u32], scratch: &mut [u32]) -> bool {
        if self.columns.is_empty() {
            other.copy_from_slice(&self.around);
        } else {
            other.iter_mut().zip(&self.columns).for_each(|(o, &j)| *o = self.around[j]);
        }
        parents.copy_from_slice(other);
        let mut any = self.any;
        for sibling in self.siblings.iter().filter(|s| s.is_busy(i)) {
            any = true;
            sibling.around(i, 4, scratch);
            parents.iter_mut().zip(&*scratch).for_each(|(p, s)| *p += 2 * s);
        }
        match self.siblings.len() {
            0 => {}
            1 => parents.iter_mut().for_each(|p| *p /= 2),
            _ => parents.iter_mut().for_each(|p| *p /= 3),
        }
        any
    }
}

/// What surrounds the bands of one slice of a part.
pub(super) struct Surroundings<'a> {
    pub(super) shape: &'a Shape,
    coarser: Option<&'a Activity>,
    /// The same for each block.
    activity: Vec<u32>,
    /// Coefficients and occupied rows of the slice before.
    previous: Option<(&'a [i32], &'a [bool])>,
}

/// What surrounds the blocks of a row of one band; activities are 16 times a mean magnitude.
pub(super) struct Rows<'a> {
    surroundings: &'a Surroundings<'a>,
    lower: Lower<'a>,
    parent: Option<Parent<'a>>,
    previous: Option<Band<'a>>,
    /// Of the coarser level.
    pub(super) activity: &'a [u32],
    /// In the rows above: 4 N + 2 (NW + NE) + NN.
    pub(super) north: Vec<u32>,
    pub(super) parents: Vec<u32>,
    other: Vec<u32>,
    /// Two bits each of N and the nearest lower bands.
    pub(super) near: Vec<u32>,
    scratch: Vec<u32>,
    /// Not all of `north` and `parents`, and of the slice before, are 0.
    busy: bool,
    /// All rows but the activity are 0.
    clear: bool,
}

impl<'a> Surroundings<'a> {
    pub(super) fn new(
        shape: &'a Shape,
        coarser: Option<&'a Activity>,
        previous: Option<(&'a [i32], &'a [bool])>,
    ) -> Self {
        let activity = coarser.map_or_else(|| vec![0; shape.blocks()], |c| c.for_part(shape));
        Self { shape, coarser, activity, previous }
    }

    /// Band (u, v) of the slice before.
    fn before(&self, (u, v): (usize, usize)) -> Option<Band<'a>> {
        self.previous.map(|p| Band::of(p, self.shape, u, v))
    }

    /// Whether anything but 0 is in band (u, v) of the slice before.
    pub(super) fn was_occupied(&self, band: (usize, usize)) -> Option<bool> {
        self.before(band).map(|b| b.any())
    }

    /// Those of band (u, v); `coded` are the coefficients and occupied rows of all before it.
    pub(super) fn band(&'a self, coded: (&'a [i32], &'a [bool]), band: (usize, usize)) -> Rows<'a> {
        let shape = self.shape;
        let row = || vec![0; shape.cols];
        Rows {
            surroundings: self,
            lower: Lower::new(coded, shape, band),
            parent: self.coarser.and_then(|c| c.band(band)).map(|p| Parent::new(p, coded, shape)),
            previous: self.before(band),
            activity: &[],
            north: row(),
            parents: row(),
            other: row(),
            near: row(),
            scratch: row(),
            busy: false,
            clear: true,
        }
    }
}

impl Rows<'_> {
    /// Go to row `i`. `above` are the magnitudes of the two rows before it, with a margin of two on either side, if any is not 0.
    pub(super) fn next(&mut self, i: usize, above: Option<[&[u32]; 2]>) {
        let Surroundings { shape, activity, .. } = self.surroundings;
        self.activity = &activity[i * shape.cols..][..shape.cols];
        run_wide(
            #[inline(always)]
            || self.fill(i, above),
        );
    }

    #[inline(always)]
    fn fill(&mut self, i: usize, above: Option<[&[u32]; 2]>) {
        let shape = self.surroundings.shape;
        let parent = match &mut self.parent {
            Some(p) => {
                p.go((shape.first + i) * p.band.occupied.len() / shape.whole) || p.siblings.iter().any(|s| s.is_busy(i))
            }
            None if self.lower.list.is_empty() => self.activity.iter().any(|&a| a != 0),
            None => self.lower.list.iter().any(|(b, ..)| b.is_occupied(i) || b.is_occupied(i + 1)),
        };
        let before = self.previous.filter(|p| p.is_busy(i));
        self.busy = above.is_some() || parent || before.is_some();
        if !self.busy {
            if !self.clear {
                for row in [&mut self.north, &mut self.parents, &mut self.other, &mut self.near] {
                    row.fill(0);
                }
                self.clear = true;
            }
            return;
        }
        self.clear = false;
        self.near.fill(0);
        self.lower.nearest(i, &mut self.near);
        if let Some([one, two]) = above {
            let n = shape.cols;
            let (nw, here, ne, nn) = (&one[1..][..n], &one[2..][..n], &one[3..][..n], &two[2..][..n]);
            for (j, o) in self.north.iter_mut().enumerate() {
                *o = 4 * here[j] + 2 * (nw[j] + ne[j]) + nn[j];
            }
            self.near.iter_mut().zip(here).for_each(|(o, &n)| *o += 16 * n.min(3));
        } else {
            self.north.fill(0);
        }
        if let Some(p) = &self.parent {
            p.rows(i, &mut self.other, &mut self.parents, &mut self.scratch);
        } else if self.lower.list.is_empty() {
            self.parents.copy_from_slice(self.activity);
        } else {
            self.lower.row(i, &mut self.parents);
        }
        if let Some(p) = before {
            p.around(i, 2, &mut self.other);
            self.other.iter_mut().for_each(|o| *o = *o * 16 / 6);
        } else if self.previous.is_some() {
            self.other.fill(0);
        }
    }

    /// Of the slice before; in the first, of the coarser level.
    pub(super) fn other(&self) -> &[u32] {
        if self.previous.is_none() && self.parent.is_none() { self.activity } else { &self.other }
    }

    /// Nothing but zeros near these blocks, above, at lower frequencies and in the slice before.
    pub(super) fn are_quiet(&self, blocks: Range<usize>) -> bool {
        let any = |row: &[u32]| row[blocks.clone()].iter().fold(0, |any, &m| any | m);
        !self.busy || any(&self.north) | any(&self.parents) == 0 && (self.previous.is_none() || any(&self.other) == 0)
    }
}
