//! Coefficients of a level in the order in which they are coded: band after band, in parts of some block rows each that know
//! nothing of each other.

use super::band::Band;
use super::shape::Shape;
use crate::arith::{for_each_part, worthwhile};
use crate::format::pyramid::Level;

/// The coefficients of some block rows of a level, band after band.
pub(crate) struct Part {
    pub(super) shape: Shape,
    /// (slices, bands, rows, columns of blocks).
    pub(super) q: Vec<i32>,
    /// Whether anything but 0 is in a row of blocks: (slices, bands, rows).
    pub(super) occupied: Vec<bool>,
}

impl Part {
    /// The block rows of a level in `parts` nearly equal parts, with nothing in them.
    pub(crate) fn cut(level: &Level, slices: usize, parts: usize) -> Vec<Self> {
        let whole = Shape::new(level);
        let border = |k: usize| whole.rows * k / parts;
        (0..parts)
            .map(|k| {
                let shape = whole.part(border(k)..border(k + 1));
                let bands = slices * shape.all_bands();
                Self { q: vec![0; bands * shape.blocks()], occupied: vec![false; bands * shape.rows], shape }
            })
            .collect()
    }

    /// Band (u, v) of a slice.
    pub(super) fn band(&self, slice: usize, u: usize, v: usize) -> Band<'_> {
        let Self { shape, q, occupied } = self;
        let bands = shape.all_bands();
        let slice = (&q[slice * bands * shape.blocks()..], &occupied[slice * bands * shape.rows..]);
        Band::of(slice, shape, u, v)
    }

    /// Take the part's coefficients in a slice from rows of the level's plane: `quantise(y, row)` makes row `y`, and says whether
    /// anything in it is not 0.
    pub(crate) fn fill(&mut self, slice: usize, mut quantise: impl FnMut(usize, &mut [i32]) -> bool) {
        let Self { shape, q, occupied } = self;
        let bands = slice * shape.all_bands();
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

    /// Whether anything in a slice is not 0.
    pub(crate) fn occupies(&self, slice: usize) -> bool {
        let rows = self.shape.all_bands() * self.shape.rows;
        self.occupied[slice * rows..][..rows].contains(&true)
    }

    /// Put every coefficient that is not 0 into a volume (slices, height, width) of zeros.
    pub(crate) fn scatter(parts: &[Self], volume: &mut [f32], threads: usize) {
        let Some(first) = parts.first() else { return };
        let (width, height) = (first.shape.width, first.shape.plane() / first.shape.width);
        let mut rows = vec![(0, 0, 0); height];
        for (part, p) in parts.iter().enumerate() {
            p.shape.plane_rows().for_each(|(row, i, u)| rows[row] = (part, i, u));
        }
        let threads = worthwhile(threads, volume.len());
        for_each_part(volume, width, threads, |y, out| {
            let (part, i, u) = rows[y % height];
            let Self { shape, q, occupied } = &parts[part];
            for v in (0..shape.frequencies.1).filter(|&v| shape.is_coded(u, v)) {
                let at = (y / height * shape.all_bands() + shape.band(u, v)) * shape.rows + i;
                if occupied[at] {
                    let from = &q[at * shape.cols..][..shape.cols];
                    shape.range.1[v].clone().for_each(|j| out[shape.column(j, v)] = from[j] as f32);
                }
            }
        });
    }
}
