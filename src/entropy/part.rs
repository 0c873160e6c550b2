//! Coefficients of a level in the order in which they are coded: band after band, in parts of some slices or some block rows each that
//! know nothing of each other.

use super::band::Band;
use super::bands::GROUP;
use super::shape::Shape;
use crate::format::Cut;
use crate::format::pyramid::Level;
use std::iter::once;
use std::ops::Range;

/// Rows of a volume, with their numbers in it.
pub(crate) type PlaneRows<'v> = Vec<(usize, &'v mut [f32])>;

/// The coefficients of some slices or block rows of a level, band after band.
pub(crate) struct Part {
    pub(super) shape: Shape,
    pub(super) slices: Range<usize>,
    /// (slices, bands, rows, columns of blocks), once there is [room](Self::make_room).
    pub(super) q: Vec<i32>,
    /// Whether anything but 0 is in a row of blocks: (slices, bands, rows).
    pub(super) occupied: Vec<bool>,
}

impl Part {
    const fn of(shape: Shape, slices: Range<usize>) -> Self {
        Self { shape, slices, q: Vec::new(), occupied: Vec::new() }
    }

    /// The parts of a level, with nothing in them.
    pub(crate) fn cut(level: &Level, slices: usize, cut: Option<&Cut>) -> Vec<Self> {
        let whole = Shape::new(level);
        match cut {
            None => vec![Self::of(whole, 0..slices)],
            Some(&Cut::Rows(n)) => {
                let border = |k: usize| whole.rows * k / n;
                (0..n).map(|k| Self::of(whole.part(border(k)..border(k + 1)), 0..slices)).collect()
            }
            Some(Cut::Slices(borders)) => {
                let starts = once(0).chain(borders.iter().copied());
                let ends = borders.iter().copied().chain(once(slices));
                starts.zip(ends).map(|(start, end)| Self::of(whole.clone(), start..end)).collect()
            }
        }
    }

    /// What has all slices, in parts that begin before each of these.
    pub(crate) fn split(mut self, borders: &[usize]) -> Vec<Self> {
        let (bands, blocks, rows) = (self.shape.all_bands(), self.shape.blocks(), self.shape.rows);
        let mut parts: Vec<_> = borders
            .iter()
            .rev()
            .map(|&border| Self {
                q: self.q.split_off(border * bands * blocks),
                occupied: self.occupied.split_off(border * bands * rows),
                slices: border..std::mem::replace(&mut self.slices.end, border),
                shape: self.shape.clone(),
            })
            .collect();
        parts.push(self);
        parts.reverse();
        parts
    }

    /// For each slice, about how long it takes to code: in coefficients of groups that have any. A row takes as long as 8 before its first,
    /// 32 where there is nothing as long as one.
    pub(crate) fn weights(&self) -> Vec<usize> {
        let Self { shape, q, occupied, .. } = self;
        let rows = (shape.all_bands() * shape.rows).max(1);
        let group = |group: &[i32]| if group.iter().any(|&q| q != 0) { group.len() } else { 0 };
        let row = |(row, _): (&[i32], &bool)| 8 + row.chunks(GROUP).map(group).sum::<usize>();
        let slice = |(q, occupied): (&[i32], &[bool])| {
            let occupied = q.chunks_exact(shape.cols).zip(occupied).filter(|(_, any)| **any);
            q.len() / 32 + occupied.map(row).sum::<usize>()
        };
        q.chunks_exact(rows * shape.cols).zip(occupied.chunks_exact(rows)).map(slice).collect()
    }

    /// Coefficients that are all 0, unless there are some: made by the thread that needs them.
    pub(super) fn make_room(&mut self) {
        if self.q.is_empty() {
            let bands = self.slices.len() * self.shape.all_bands();
            self.q = vec![0; bands * self.shape.blocks()];
            self.occupied = vec![false; bands * self.shape.rows];
        }
    }

    /// Band (u, v) of one of its slices.
    pub(super) fn band(&self, slice: usize, u: usize, v: usize) -> Band<'_> {
        let Self { shape, slices, q, occupied } = self;
        let bands = (slice - slices.start) * shape.all_bands();
        Band::of((&q[bands * shape.blocks()..], &occupied[bands * shape.rows..]), shape, u, v)
    }

    /// Take the part's coefficients in one of its slices from rows of the level's plane: `quantise(y, row)` makes row `y`, and says whether
    /// anything in it is not 0.
    pub(crate) fn fill(&mut self, slice: usize, mut quantise: impl FnMut(usize, &mut [i32]) -> bool) {
        self.make_room();
        let Self { shape, slices, q, occupied } = self;
        let bands = (slice - slices.start) * shape.all_bands();
        let mut row = vec![0; shape.width];
        for (y, i, u) in shape.plane_rows() {
            if !quantise(y, &mut row) {
                continue;
            }
            for v in (0..shape.frequencies.1).filter(|&v| shape.is_coded(u, v)) {
                let at = (bands + shape.band(u, v)) * shape.rows + i;
                let blocks = shape.range.1[v].clone();
                // Memory that stays 0 is not touched.
                if blocks.clone().fold(0, |any, j| any | row[shape.column(j, v)]) != 0 {
                    let to = &mut q[at * shape.cols..][..shape.cols];
                    blocks.for_each(|j| to[j] = row[shape.column(j, v)]);
                    occupied[at] = true;
                }
            }
        }
    }

    /// Whether the part has coefficients of a slice.
    pub(crate) fn has(&self, slice: usize) -> bool {
        self.slices.contains(&slice)
    }

    /// Whether any of these is not 0.
    pub(crate) fn occupies(&self, slice: usize) -> bool {
        let rows = self.shape.all_bands() * self.shape.rows;
        self.has(slice) && self.occupied[(slice - self.slices.start) * rows..][..rows].contains(&true)
    }

    /// The rows of a volume (slices, height, width), for each part those that it fills.
    pub(crate) fn share<'v>(parts: &[Self], volume: &'v mut [f32]) -> Vec<PlaneRows<'v>> {
        let Some(Shape { width, height, .. }) = parts.first().map(|p| &p.shape) else { return Vec::new() };
        let mut of_row = vec![0; *height];
        for (k, part) in parts.iter().enumerate() {
            part.shape.plane_rows().for_each(|(row, ..)| of_row[row] = k);
        }
        let in_slices = parts.iter().any(|part| part.slices.start > 0);
        let mut shares: Vec<PlaneRows<'v>> = parts.iter().map(|_| Vec::new()).collect();
        for (y, row) in volume.chunks_mut(*width).enumerate() {
            let of_slice = || parts.partition_point(|part| part.slices.end <= y / height);
            shares[if in_slices { of_slice() } else { of_row[y % height] }].push((y, row));
        }
        shares
    }

    /// Put every coefficient that is not 0 into its place in the part's rows of a volume of zeros.
    pub(crate) fn scatter(&self, rows: PlaneRows<'_>) {
        let Self { shape, slices, q, occupied } = self;
        let mut places = vec![(0, 0); shape.height];
        shape.plane_rows().for_each(|(row, i, u)| places[row] = (i, u));
        for (y, out) in rows {
            let (i, u) = places[y % shape.height];
            for v in (0..shape.frequencies.1).filter(|&v| shape.is_coded(u, v)) {
                let slice = y / shape.height - slices.start;
                let at = (slice * shape.all_bands() + shape.band(u, v)) * shape.rows + i;
                if occupied[at] {
                    let from = &q[at * shape.cols..][..shape.cols];
                    shape.range.1[v].clone().for_each(|j| out[shape.column(j, v)] = from[j] as f32);
                }
            }
        }
    }
}
