//! What a coefficient's surroundings say about it before it is coded: rows of activities, 16 times a mean magnitude.

use super::shape::Shape;

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

/// Sum over the previous slice's neighbourhood: centre twice, four neighbours once; times 16 over 6.
pub(super) fn previous_row(band: &[u16], i: usize, cols: usize, out: &mut [u32]) {
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
pub(super) struct Parents {
    /// Start of the band, weight of the same block, weight of the blocks to the east and south.
    list: Vec<(usize, u32, u32)>,
    total: u32,
    nearest: [Option<usize>; 2],
}

impl Parents {
    pub(super) fn new(shape: &Shape, u: usize, v: usize) -> Self {
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
    pub(super) fn row(&self, magnitudes: &[u16], shape: &Shape, i: usize, activity: &[u32], out: &mut [u32]) {
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
    pub(super) fn nearest(&self, magnitudes: &[u16], block: usize) -> u32 {
        let m = |k: usize| self.nearest[k].map_or(0, |start| u32::from(magnitudes[start + block]).min(3));
        m(0) * 4 + m(1)
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
    pub(super) fn sibling(magnitudes: &'a [u16], shape: &Shape, (u, v): (usize, usize)) -> Option<Self> {
        let band = magnitudes.get(shape.index(u, v)..)?.get(..shape.blocks())?;
        shape.is_coded(u, v).then_some(Self { magnitudes: band, rows: shape.rows, cols: shape.cols })
    }

    /// Adds 16 times the mean around each place of row `i` of `rows`: centre four times, four neighbours once.
    pub(super) fn add_row(&self, i: usize, rows: usize, out: &mut [u32]) {
        let (i, cols) = (i * self.rows / rows, self.cols);
        let row = &self.magnitudes[i * cols..][..cols];
        let north = if i > 0 { &self.magnitudes[(i - 1) * cols..][..cols] } else { row };
        let south = self.magnitudes.get((i + 1) * cols..(i + 2) * cols).unwrap_or(row);
        let around = |j: usize| {
            let sides = [row[j.saturating_sub(1)], row[(j + 1).min(cols - 1)], north[j], south[j]];
            2 * (4 * u32::from(row[j]) + sides.map(u32::from).iter().sum::<u32>())
        };
        if out.len() == cols {
            out.iter_mut().enumerate().for_each(|(j, o)| *o += around(j));
        } else {
            let scale = out.len();
            out.iter_mut().enumerate().for_each(|(j, o)| *o += around(j * cols / scale));
        }
    }
}
