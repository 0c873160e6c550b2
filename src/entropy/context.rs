//! What a coefficient's surroundings say about it before it is coded: rows of activities, 16 times a mean magnitude.

use super::activity::Activity;
use super::band::Band;
use super::relatives::{Lower, Parent};
use super::shape::Shape;
use crate::arith::run_wide;
use std::ops::Range;

/// Activity classes.
pub(super) const CLASSES: usize = 24;

/// The greatest class of a group of blocks that has a flag of its own.
pub(super) const FAINT: usize = 5;

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

/// What surrounds the bands of one slice of a part.
pub(super) struct Surroundings<'a> {
    pub(super) shape: &'a Shape,
    coarser: Option<&'a Activity>,
    /// The same for each block.
    activity: Vec<u32>,
    /// Coefficients and occupied rows of the slice before.
    previous: Option<(&'a [i32], &'a [bool])>,
    /// Of the finest level.
    finest: bool,
}

/// What surrounds one band.
pub(super) struct Neighbours<'a> {
    surroundings: &'a Surroundings<'a>,
    lower: Lower<'a>,
    parent: Option<Box<Parent<'a>>>,
    previous: Option<Band<'a>>,
}

/// What the magnitudes around a coefficient count for in the one that is expected, of 256.
#[derive(Clone, Copy)]
pub(super) struct Weights {
    pub(super) west: u32,
    pub(super) west2: u32,
    north: u32,
    north_west: u32,
    north_east: u32,
    north_east2: u32,
    parents: u32,
    other: u32,
}

impl Weights {
    const fn new([west, west2, north, north_west, north_east, north_east2, parents, other]: [u32; 8]) -> Self {
        Self { west, west2, north, north_west, north_east, north_east2, parents, other }
    }
    /// In the lapped pyramid and in the wavelet: in the first slice, and in later ones.
    const LAPPED: [Self; 2] = [Self::new([28, 10, 18, 8, 8, 0, 184, 0]), Self::new([22, 8, 8, 4, 4, 0, 130, 80])];
    const WAVELET: [Self; 2] =
        [Self::new([112, 20, 60, 10, 18, 6, 30, 0]), Self::new([50, 16, 36, 10, 22, 10, 32, 80])];
}

/// What surrounds the blocks of a row of a band; activities are 16 times a mean magnitude. Memory that serves all bands.
pub(super) struct Rows {
    /// Magnitudes of the row, and of the two above it, with a margin of two on either side.
    pub(super) current: Vec<u32>,
    above: [Vec<u32>; 2],
    /// The part of the expected magnitude that takes nothing of the row itself, 256 times.
    pub(super) known: Vec<u32>,
    pub(super) parents: Vec<u32>,
    pub(super) other: Vec<u32>,
    /// Two bits each of N and the nearest lower bands.
    pub(super) near: Vec<u32>,
    /// Not all of the rows above, of `parents`, and of the slice before are 0.
    busy: bool,
    /// All but the magnitudes are 0.
    clear: bool,
}

impl<'a> Surroundings<'a> {
    pub(super) fn new(
        shape: &'a Shape,
        coarser: Option<&'a Activity>,
        previous: Option<(&'a [i32], &'a [bool])>,
        finest: bool,
    ) -> Self {
        let activity = coarser.map_or_else(|| vec![0; shape.blocks()], |c| c.for_part(shape));
        Self { shape, coarser, activity, previous, finest }
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
    #[inline(always)]
    pub(super) fn band(&'a self, coded: (&'a [i32], &'a [bool]), band: (usize, usize)) -> Neighbours<'a> {
        let parent = self.coarser.and_then(|c| c.band(band)).map(|p| Box::new(Parent::new(p, self.shape)));
        Neighbours {
            surroundings: self,
            lower: Lower::new(coded, self.shape, band),
            parent,
            previous: self.before(band),
        }
    }
}

impl<'a> Neighbours<'a> {
    pub(super) const fn shape(&self) -> &'a Shape {
        self.surroundings.shape
    }

    /// Whether the band is of the finest level.
    pub(super) const fn finest(&self) -> bool {
        self.surroundings.finest
    }

    /// Activity of the coarser level at the blocks of row `i`.
    pub(super) fn activity(&self, i: usize) -> &'a [u32] {
        let cols = self.surroundings.shape.cols;
        &self.surroundings.activity[i * cols..][..cols]
    }

    /// What surrounds the blocks of row `i`. `above` tells whether any magnitude of the two rows before it is not 0.
    pub(super) fn fill(&mut self, rows: &mut Rows, i: usize, above: bool) {
        run_wide(
            #[inline(always)]
            || self.fill_wide(rows, i, above),
        );
    }

    #[inline(always)]
    fn fill_wide(&mut self, rows: &mut Rows, i: usize, above: bool) {
        let activity = self.activity(i);
        let shape = self.surroundings.shape;
        let parent = match &mut self.parent {
            Some(p) => p.go((shape.first + i) * p.height() / shape.whole),
            None if self.lower.is_empty() => activity.iter().any(|&a| a != 0),
            None => self.lower.is_busy(i),
        };
        let before = self.previous.filter(|p| p.is_busy(i));
        rows.busy = above || parent || before.is_some();
        if !rows.busy {
            rows.clear();
            return;
        }
        rows.clear = false;
        rows.near.fill(0);
        self.lower.nearest(i, &mut rows.near);
        if above {
            rows.near.iter_mut().zip(&rows.above[0][2..]).for_each(|(o, &n)| *o += 16 * n.min(3));
        }
        if let Some(p) = &self.parent {
            p.row(&mut rows.parents);
        } else if self.lower.is_empty() {
            rows.parents.copy_from_slice(activity);
        } else {
            self.lower.row(i, &mut rows.parents);
        }
        if let Some(p) = before {
            p.around(i, 2, &mut rows.other);
            rows.other.iter_mut().for_each(|o| *o = *o * 16 / 6);
        } else if self.previous.is_some() {
            rows.other.fill(0);
        }
        let Weights { north, north_west, north_east, north_east2, parents, other, .. } = self.weights();
        if above {
            let (row, n) = (&rows.above[0], shape.cols);
            let [nw, here, ne, nee] = [1, 2, 3, 4].map(|at| &row[at..][..n]);
            for (j, o) in rows.known.iter_mut().enumerate() {
                *o = 16 * (north * here[j] + north_west * nw[j] + north_east * ne[j] + north_east2 * nee[j]);
            }
        } else {
            rows.known.fill(0);
        }
        rows.known.iter_mut().zip(&rows.parents).for_each(|(o, &p)| *o += parents * p);
        if before.is_some() {
            rows.known.iter_mut().zip(&rows.other).for_each(|(o, &p)| *o += other * p);
        }
    }

    pub(super) const fn weights(&self) -> Weights {
        let sets = if self.shape().dyadic { Weights::WAVELET } else { Weights::LAPPED };
        sets[self.previous.is_some() as usize]
    }

    /// Around the blocks of row `i`, of the slice before; in the first, of the coarser level.
    #[inline(always)]
    pub(super) fn other<'r>(&self, other: &'r [u32], i: usize) -> &'r [u32]
    where
        'a: 'r,
    {
        if self.previous.is_none() { self.activity(i) } else { other }
    }

    /// Class of the most around any of these blocks at lower frequencies and in the slice before; `None` if more than a little is there,
    /// or anything above.
    #[inline(always)]
    pub(super) fn faintness(&self, rows: &Rows, blocks: Range<usize>) -> Option<usize> {
        if !rows.busy {
            return Some(0);
        }
        let [north, north2] = &rows.above;
        let above = north[blocks.start + 1..blocks.end + 3].iter().chain(&north2[blocks.start + 2..blocks.end + 2]);
        if above.fold(0, |any, &m| any | m) != 0 {
            return None;
        }
        let most = |row: &[u32]| row[blocks.clone()].iter().fold(0, |most, &m| m.max(most));
        let most = most(&rows.parents).max(if self.previous.is_none() { 0 } else { most(&rows.other) });
        Some(Classes::of(most)).filter(|&class| class <= FAINT)
    }
}

impl Rows {
    pub(super) fn new(cols: usize) -> Self {
        let (row, wide) = (|| vec![0; cols], || vec![0; cols + 4]);
        Self {
            current: wide(),
            above: [wide(), wide()],
            known: row(),
            parents: row(),
            other: row(),
            near: row(),
            busy: false,
            clear: true,
        }
    }

    /// Go to the first row of a band.
    pub(super) fn begin(&mut self) {
        self.current.fill(0);
        self.above.iter_mut().for_each(|row| row.fill(0));
    }

    /// Go to the next row.
    pub(super) fn go(&mut self) {
        let [north, north2] = &mut self.above;
        std::mem::swap(north, north2);
        std::mem::swap(north, &mut self.current);
        self.current.fill(0);
    }

    fn clear(&mut self) {
        if !self.clear {
            for row in [&mut self.known, &mut self.parents, &mut self.other, &mut self.near] {
                row.fill(0);
            }
            self.clear = true;
        }
    }
}
