//! What a coefficient's surroundings say about it before it is coded: rows of activities, 16 times a mean magnitude.

use super::activity::Activity;
use super::shape::Shape;
use std::ops::Range;

/// Activity classes.
pub(super) const CLASSES: usize = 24;

/// Class of an activity: integer thresholds growing by a quarter, 0, 1, 2, 3, 4, 6, 8, 11, ..
pub(super) struct Classes([u8; 1024]);

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
    /// About the mean activity of a class.
    pub(super) fn typical(class: usize) -> u32 {
        let first = |c: usize| Self::TABLE.0.iter().position(|&t| usize::from(t) == c).unwrap_or(1024) as u32;
        if class == 0 { 1 } else { (first(class) + first(class + 1)) / 2 }
    }
    #[inline]
    pub(super) fn of(activity: u32) -> usize {
        Self::TABLE.0[activity.min(1023) as usize].into()
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
                for (o, &m) in out.iter_mut().zip(&row[1..]) {
                    *o += side * u32::from(m);
                }
                if let (Some(o), Some(&m)) = (out.last_mut(), row.last()) {
                    *o += side * u32::from(m);
                }
            }
        }
        let scale = (16 << 12) / self.total;
        for o in out {
            *o = (*o * scale) >> 12;
        }
    }

    /// The two nearest parents of each block of a row that starts at block `first`, two bits each.
    fn nearest(&self, magnitudes: &[u16], first: usize, out: &mut [u32]) {
        out.fill(0);
        for (start, weight) in self.nearest.iter().zip([4, 1]).filter_map(|(start, weight)| Some(((*start)?, weight))) {
            out.iter_mut().zip(&magnitudes[start + first..]).for_each(|(o, &m)| *o += weight * u32::from(m.min(3)));
        }
    }
}

/// A band, or its parent on the coarser level, whose magnitudes are like those of the band that is coded: what a
/// wavelet level has in place of [`Parents`].
pub(super) struct Related<'a> {
    pub(super) magnitudes: &'a [u16],
    pub(super) rows: usize,
    pub(super) cols: usize,
}

impl<'a> Related<'a> {
    /// Band (u, v) of a level, if it is among those already coded.
    fn sibling(magnitudes: &'a [u16], shape: &Shape, (u, v): (usize, usize)) -> Option<Self> {
        let band = magnitudes.get(shape.index(u, v)..)?.get(..shape.blocks())?;
        shape.is_coded(u, v).then_some(Self { magnitudes: band, rows: shape.rows, cols: shape.cols })
    }

    /// Adds 16 times the mean around each place of row `i`: centre four times, four neighbours once. `columns` are the places for
    /// each of `out`; all of them, if there are none.
    fn add_row(&self, i: usize, columns: &[usize], out: &mut [u32]) {
        let cols = self.cols;
        let row = &self.magnitudes[i * cols..][..cols];
        let north = if i > 0 { &self.magnitudes[(i - 1) * cols..][..cols] } else { row };
        let south = self.magnitudes.get((i + 1) * cols..(i + 2) * cols).unwrap_or(row);
        let around = |j: usize| {
            let sides = [row[j.saturating_sub(1)], row[(j + 1).min(cols - 1)], north[j], south[j]];
            2 * (4 * u32::from(row[j]) + sides.map(u32::from).iter().sum::<u32>())
        };
        if columns.is_empty() {
            out.iter_mut().enumerate().for_each(|(j, o)| *o += around(j));
        } else {
            out.iter_mut().zip(columns).for_each(|(o, &j)| *o += around(j));
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

/// What surrounds the bands of one slice of a level.
pub(super) struct Surroundings<'a> {
    pub(super) shape: &'a Shape,
    coarser: Option<&'a Activity>,
    /// The same for each block.
    activity: Vec<u32>,
    /// Magnitudes of the slice before.
    pub(super) previous: Option<&'a [u16]>,
}

/// What surrounds the blocks of a row of one band; activities are 16 times a mean magnitude.
pub(super) struct Rows<'a> {
    surroundings: &'a Surroundings<'a>,
    /// Magnitudes of the bands before.
    coded: &'a [u16],
    band: (usize, usize),
    lower: Parents,
    parent: Option<Related<'a>>,
    /// Where in the parent each column lies, unless they are the same.
    columns: Vec<usize>,
    siblings: Vec<Related<'a>>,
    /// Of the coarser level.
    pub(super) activity: &'a [u32],
    /// In the rows above: 4 N + 2 (NW + NE) + NN.
    pub(super) north: Vec<u32>,
    pub(super) parents: Vec<u32>,
    pub(super) other: Vec<u32>,
    /// Two bits each of N and the nearest parents.
    pub(super) near: Vec<u32>,
}

impl<'a> Surroundings<'a> {
    pub(super) fn new(shape: &'a Shape, coarser: Option<&'a Activity>, previous: Option<&'a [u16]>) -> Self {
        let activity = coarser.map_or_else(|| vec![0; shape.blocks()], |c| c.for_level(shape));
        Self { shape, coarser, activity, previous }
    }

    /// Those of band (u, v); `coded` are the magnitudes of all before it.
    pub(super) fn band(&'a self, coded: &'a [u16], (u, v): (usize, usize)) -> Rows<'a> {
        let shape = self.shape;
        let row = || vec![0; shape.cols];
        let parent = self.coarser.and_then(|c| c.band((u, v)));
        let columns = match &parent {
            Some(p) if p.cols != shape.cols => (0..shape.cols).map(|j| j * p.cols / shape.cols).collect(),
            _ => Vec::new(),
        };
        Rows {
            surroundings: self,
            coded,
            band: (u, v),
            lower: Parents::new(shape, u, v),
            parent,
            columns,
            siblings: [(0, 1), (1, 0)].iter().filter_map(|&b| Related::sibling(coded, shape, b)).collect(),
            activity: &[],
            north: row(),
            parents: row(),
            other: row(),
            near: row(),
        }
    }
}

impl Rows<'_> {
    /// Go to row `i`. `above` are the magnitudes of the two rows before it, with a margin of two on either side.
    pub(super) fn next(&mut self, i: usize, above: &[Vec<u32>; 2]) {
        let Surroundings { shape, activity, previous, .. } = self.surroundings;
        let cols = shape.cols;
        self.activity = &activity[i * cols..][..cols];
        let [one, two] = above;
        for (j, n) in self.north.iter_mut().enumerate() {
            *n = 4 * one[j + 2] + 2 * (one[j + 1] + one[j + 3]) + two[j + 2];
        }
        self.lower.nearest(self.coded, i * cols, &mut self.near);
        self.near.iter_mut().zip(&one[2..]).for_each(|(o, &n)| *o += 16 * n.min(3));
        if let Some(parent) = &self.parent {
            let place = shape.first + i;
            self.other.fill(0);
            parent.add_row(place * parent.rows / shape.whole, &self.columns, &mut self.other);
            self.parents.copy_from_slice(&self.other);
            for sibling in &self.siblings {
                sibling.add_row(i, &[], &mut self.parents);
            }
            let count = 1 + self.siblings.len() as u32;
            self.parents.iter_mut().for_each(|p| *p /= count);
        } else {
            self.other.copy_from_slice(self.activity);
            self.lower.row(self.coded, shape, i, self.activity, &mut self.parents);
        }
        if let Some(previous) = previous {
            let at = shape.index(self.band.0, self.band.1);
            previous_row(&previous[at..at + shape.blocks()], i, cols, &mut self.other);
        }
    }

    /// Nothing but zeros near these blocks, above, at lower frequencies and in the slice before.
    pub(super) fn are_quiet(&self, blocks: Range<usize>) -> bool {
        let any = |row: &[u32]| row[blocks.clone()].iter().fold(0, |any, &m| any | m);
        any(&self.north) | any(&self.parents) == 0 && (self.surroundings.previous.is_none() || any(&self.other) == 0)
    }
}
