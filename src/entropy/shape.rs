//! Blocks and bands of a level of the harmonic transform, as the coefficient coder sees them.

use super::context::CLASSES;
use crate::format::pyramid::{AxisBlocks, Level};
use std::ops::Range;

/// Blocks and frequencies of one level.
#[derive(Clone)]
pub(super) struct Shape {
    /// Block rows, from `first` of the level's `whole`.
    pub(super) rows: usize,
    pub(super) first: usize,
    pub(super) whole: usize,
    pub(super) cols: usize,
    /// First row and column of each block in the level's plane, steps between its rows and columns, and the
    /// plane's width.
    starts: (Vec<usize>, Vec<usize>),
    strides: (usize, usize),
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) frequencies: (usize, usize),
    /// Frequencies below both of these belong to the coarser level.
    kept: (usize, usize),
    pub(super) dyadic: bool,
    /// Blocks that have a frequency, per axis (shorter blocks come first, or last).
    pub(super) range: (Vec<Range<usize>>, Vec<Range<usize>>),
}

impl Shape {
    pub(super) fn new(level: &Level) -> Self {
        let axis = |a: &AxisBlocks| {
            let longest = a.lens.iter().copied().max().unwrap_or(0);
            let first = |u: usize| a.lens.iter().take_while(|&&n| n <= u).count();
            let end = |u: usize| a.lens.len() - a.lens.iter().rev().take_while(|&&n| n <= u).count();
            let range = (0..longest).map(|u| first(u)..end(u)).collect::<Vec<_>>();
            let kept = if level.last { 0 } else { a.keep.unwrap_or(longest) };
            (a.lens.len(), longest, kept, range)
        };
        let (rows, fy, ky, range_y) = axis(&level.y);
        let (cols, fx, kx, range_x) = axis(&level.x);
        let starts = (level.y.starts.clone(), level.x.starts.clone());
        Self {
            rows,
            first: 0,
            whole: rows,
            cols,
            starts,
            strides: (level.y.stride, level.x.stride),
            width: level.width,
            height: level.height,
            frequencies: (fy, fx),
            kept: (ky, kx),
            dyadic: level.dyadic,
            range: (range_y, range_x),
        }
    }
    /// Some block rows of a whole level.
    pub(super) fn part(&self, rows: Range<usize>) -> Self {
        let clip = |r: &Range<usize>| {
            let inside = |i: usize| i.clamp(rows.start, rows.end) - rows.start;
            inside(r.start)..inside(r.end)
        };
        let mut part = self.clone();
        part.starts.0 = self.starts.0[rows.clone()].to_vec();
        part.range.0 = self.range.0.iter().map(clip).collect();
        (part.rows, part.first) = (rows.len(), rows.start);
        part
    }
    pub(super) const fn blocks(&self) -> usize {
        self.rows * self.cols
    }
    pub(super) const fn is_coded(&self, u: usize, v: usize) -> bool {
        u < self.frequencies.0 && v < self.frequencies.1 && !(u < self.kept.0 && v < self.kept.1)
    }
    /// Class of a band: its radius in frequency, or the orientation and size of a wavelet's band.
    pub(super) fn radius(&self, u: usize, v: usize) -> usize {
        if self.dyadic {
            let size = usize::BITS - self.whole.max(self.cols).leading_zeros();
            return 2 * u + v - 1 + 3 * size.clamp(5, 11).abs_diff(5) as usize;
        }
        let (fy, fx) = self.frequencies;
        let (ry, rx) = (u * CLASSES / fy, v * CLASSES / fx);
        (ry * ry + rx * rx).isqrt().min(CLASSES - 1)
    }
    /// Bands in coding order: by diagonal, then by u.
    pub(super) fn bands(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let (fy, fx) = self.frequencies;
        (0..(fy + fx).saturating_sub(1))
            .flat_map(move |d| (d.saturating_sub(fx - 1)..=d.min(fy - 1)).map(move |u| (u, d - u)))
            .filter(|&(u, v)| self.is_coded(u, v))
    }
    /// Number of a band in storage, of [`all_bands`](Self::all_bands); some are not coded.
    pub(super) const fn band(&self, u: usize, v: usize) -> usize {
        u * self.frequencies.1 + v
    }
    pub(super) const fn all_bands(&self) -> usize {
        self.frequencies.0 * self.frequencies.1
    }
    /// (row of the level's plane, block row, u) for all rows of the part.
    pub(super) fn plane_rows(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        let rows = self.range.0.iter().enumerate();
        rows.flat_map(move |(u, r)| r.clone().map(move |i| (self.starts.0[i] + u * self.strides.0, i, u)))
    }
    /// Column of the level's plane where coefficient v of block column j stands.
    #[inline]
    pub(super) fn column(&self, j: usize, v: usize) -> usize {
        self.starts.1[j] + v * self.strides.1
    }
}
