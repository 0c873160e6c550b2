//! A band: an image with a coefficient for each block of a level.

use super::shape::Shape;

/// Magnitudes are held to this in contexts.
pub(super) const CAP: u32 = 2047;

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

    /// The row below row `i`; of the last row that row itself.
    #[inline(always)]
    pub(super) fn south(&self, i: usize) -> &'a [i32] {
        self.row(if (i + 1) * self.cols < self.q.len() { i + 1 } else { i })
    }

    /// Is anything but 0 in row `i`?
    pub(super) fn is_occupied(&self, i: usize) -> bool {
        self.occupied.get(i).is_some_and(|&o| o)
    }

    /// Is anything but 0 anywhere?
    pub(super) fn any(&self) -> bool {
        self.occupied.contains(&true)
    }

    /// Is anything but 0 in row `i` or next to it?
    pub(super) fn is_busy(&self, i: usize) -> bool {
        self.is_occupied(i) || self.is_occupied(i + 1) || i > 0 && self.is_occupied(i - 1)
    }

    /// For each place of row `i`: `centre` times its magnitude and those of its four neighbours, or its own for one outside.
    #[inline(always)]
    pub(super) fn around(&self, i: usize, centre: u32, out: &mut [u32]) {
        let row = self.row(i);
        let north = if i > 0 { self.row(i - 1) } else { row };
        let south = self.south(i);
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
