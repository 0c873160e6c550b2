//! Coefficients of a level in the order in which they are coded: band after band, in parts of some block rows each that know
//! nothing of each other.

use super::band::Band;
use super::shape::Shape;
use crate::format::pyramid::Level;

/// Rows of a volume, with their numbers in it.
pub(crate) type PlaneRows<'v> = Vec<(usize, &'v mut [f32])>;

/// The coefficients of some block rows of a level, band after band.
pub(crate) struct Part {
    pub(super) shape: Shape,
    slices: usize,
    /// (slices, bands, rows, columns of blocks), once there is [room](Self::make_room).
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
                Self { shape, slices, q: Vec::new(), occupied: Vec::new() }
            })
            .collect()
    }

    /// Coefficients that are all 0, unless there are some: made by the thread that needs them.
    pub(super) fn make_room(&mut self) {
        if self.q.is_empty() {
            let bands = self.slices * self.shape.all_bands();
            self.q = vec![0; bands * self.shape.blocks()];
            self.occupied = vec![false; bands * self.shape.rows];
        }
    }

    /// Band (u, v) of a slice.
    pub(super) fn band(&self, slice: usize, u: usize, v: usize) -> Band<'_> {
        let Self { shape, q, occupied, .. } = self;
        let bands = shape.all_bands();
        let slice = (&q[slice * bands * shape.blocks()..], &occupied[slice * bands * shape.rows..]);
        Band::of(slice, shape, u, v)
    }

    /// Take the part's coefficients in a slice from rows of the level's plane: `quantise(y, row)` makes row `y`, and says whether
    /// anything in it is not 0.
    pub(crate) fn fill(&mut self, slice: usize, mut quantise: impl FnMut(usize, &mut [i32]) -> bool) {
        self.make_room();
        let Self { shape, q, occupied, .. } = self;
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

    /// The rows of a volume (slices, height, width), for each part those that it fills.
    pub(crate) fn share<'v>(parts: &[Self], volume: &'v mut [f32]) -> Vec<PlaneRows<'v>> {
        let Some(Shape { width, height, .. }) = parts.first().map(|p| &p.shape) else { return Vec::new() };
        let mut owner = vec![0; *height];
        for (k, part) in parts.iter().enumerate() {
            part.shape.plane_rows().for_each(|(row, ..)| owner[row] = k);
        }
        let mut shares: Vec<PlaneRows<'v>> = parts.iter().map(|_| Vec::new()).collect();
        for (y, row) in volume.chunks_mut(*width).enumerate() {
            shares[owner[y % height]].push((y, row));
        }
        shares
    }

    /// Put every coefficient that is not 0 into its place in the part's rows of a volume of zeros.
    pub(crate) fn scatter(&self, rows: PlaneRows<'_>) {
        let Self { shape, q, occupied, .. } = self;
        let mut places = vec![(0, 0); shape.height];
        shape.plane_rows().for_each(|(row, i, u)| places[row] = (i, u));
        for (y, out) in rows {
            let (i, u) = places[y % shape.height];
            for v in (0..shape.frequencies.1).filter(|&v| shape.is_coded(u, v)) {
                let at = (y / shape.height * shape.all_bands() + shape.band(u, v)) * shape.rows + i;
                if occupied[at] {
                    let from = &q[at * shape.cols..][..shape.cols];
                    shape.range.1[v].clone().for_each(|j| out[shape.column(j, v)] = from[j] as f32);
                }
            }
        }
    }
}
