//! Bands already coded whose magnitudes are like those of the band that is coded: at lower frequencies, or on the coarser level.

use super::band::{Band, magnitude};
use super::shape::Shape;
use crate::ablation::{Part, without};

/// How much lower in frequency a band is, u and v; its weight at the same block, and at those to the east and south; and a weight that keeps
/// the two nearest apart.
const LOWER: [(usize, usize, u32, u32, u32); 5] =
    [(1, 0, 4, 1, 4), (0, 1, 4, 1, 1), (1, 1, 2, 0, 0), (2, 0, 2, 0, 0), (0, 2, 2, 0, 0)];

/// The bands next lower in frequency.
pub(super) struct Lower<'a> {
    /// Those of [`LOWER`] that there are.
    bands: [Option<Band<'a>>; LOWER.len()],
    /// Sum of their weights.
    total: u32,
}

impl<'a> Lower<'a> {
    #[inline(always)]
    pub(super) fn new(coded: (&'a [i32], &'a [bool]), shape: &Shape, (u, v): (usize, usize)) -> Self {
        let (mut bands, mut total) = ([None; LOWER.len()], 0);
        for (band, (du, dv, centre, side, _)) in bands.iter_mut().zip(LOWER) {
            let (Some(u), Some(v)) = (u.checked_sub(du), v.checked_sub(dv)) else { continue };
            if shape.is_coded(u, v) {
                total += centre + 2 * side;
                *band = Some(Band::of(coded, shape, u, v));
            }
        }
        Self { bands, total: if without(Part::LowerFrequencies) { 0 } else { total } }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Is anything but 0 near the blocks of row `i`?
    pub(super) fn is_busy(&self, i: usize) -> bool {
        self.bands.iter().flatten().any(|b| b.is_occupied(i) || b.is_occupied(i + 1))
    }

    /// Mean magnitude around each block of row `i`, times 16.
    #[inline(always)]
    pub(super) fn row(&self, i: usize, out: &mut [u32]) {
        out.fill(0);
        let mut any = false;
        for (band, (_, _, centre, side, _)) in self.bands.iter().zip(LOWER) {
            let Some(band) = band else { continue };
            let south = side > 0 && band.is_occupied(i + 1);
            if !band.is_occupied(i) && !south {
                continue;
            }
            any = true;
            let row = band.row(i);
            if side == 0 {
                out.iter_mut().zip(row).for_each(|(o, &q)| *o += centre * magnitude(q));
                continue;
            }
            for ((o, &q), &s) in out.iter_mut().zip(row).zip(band.south(i)) {
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
    }

    /// Adds the two nearest of each block of row `i`, two bits each.
    #[inline(always)]
    pub(super) fn nearest(&self, i: usize, out: &mut [u32]) {
        for (band, (.., weight)) in self.bands.iter().zip(LOWER) {
            let Some(band) = band.filter(|band| weight > 0 && band.is_occupied(i)) else { continue };
            out.iter_mut().zip(band.row(i)).for_each(|(o, &q)| *o += weight * q.unsigned_abs().min(3));
        }
    }
}

/// The same band on the coarser level, whose magnitudes are like those of the band that is coded: what a wavelet level has in place of
/// [`Lower`].
pub(super) struct Parent<'a> {
    band: Band<'a>,
    /// Where in the parent each column lies, unless they are the same.
    columns: Vec<usize>,
    /// Around the places of a row of the parent, 16 times a mean; which row; whether any is not 0.
    around: Vec<u32>,
    row: Option<usize>,
    any: bool,
}

impl<'a> Parent<'a> {
    pub(super) fn new(band: Band<'a>, shape: &Shape) -> Self {
        let columns = if band.cols == shape.cols { 0 } else { shape.cols };
        Self {
            band,
            columns: (0..columns).map(|j| j * band.cols / shape.cols).collect(),
            around: vec![0; band.cols],
            row: None,
            any: false,
        }
    }

    /// Go to row `place` of the parent. Is anything but 0 around it?
    #[inline(always)]
    pub(super) fn go(&mut self, place: usize) -> bool {
        if self.row != Some(place) {
            (self.row, self.any) = (Some(place), self.band.is_busy(place));
            if self.any {
                self.band.around(place, 4, &mut self.around);
                self.around.iter_mut().for_each(|o| *o *= 2);
            } else {
                self.around.fill(0);
            }
        }
        self.any
    }

    /// What is around each block's place in the parent.
    #[inline(always)]
    pub(super) fn row(&self, out: &mut [u32]) {
        if self.columns.is_empty() {
            out.copy_from_slice(&self.around);
        } else {
            out.iter_mut().zip(&self.columns).for_each(|(o, &j)| *o = self.around[j]);
        }
    }

    /// Rows of the parent.
    pub(super) const fn height(&self) -> usize {
        self.band.occupied.len()
    }
}
