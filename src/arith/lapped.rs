//! The lapped cosine transform of an image, in place: folding over block borders, then a DCT-IV of
//! each block. Outside an axis that is not periodic the first block is even (as DCT-IV is) and the
//! last block uses DCT-II.

use super::kernels::blocks::{Strips, TILE, columns, fold_rows, forward_rows, inverse_rows};
use super::tables::{Dct, Decimated, Kind, Window, dct, decimated, window};
use super::{Isa, for_each_part, worthwhile};
use crate::format::pyramid::AxisBlocks;

/// Longest block of a transform along an outer axis.
const OUTER_BLOCK: usize = 32;

/// Elements whose transform takes a thread about a millisecond.
pub(crate) const TRANSFORMED: usize = 1 << 19;

/// The transform of one axis.
#[derive(Debug)]
pub(crate) struct Axis<'a> {
    pub(super) blocks: &'a AxisBlocks,
    pub(super) periodic: bool,
    /// Matrices of each block, there and back.
    matrices: Vec<[&'static Dct; 2]>,
}

impl<'a> Axis<'a> {
    /// `None` for an axis that is left untransformed.
    pub(crate) fn new(blocks: &'a AxisBlocks, periodic: bool) -> Option<Self> {
        if blocks.identity || blocks.lens.is_empty() {
            return None;
        }
        let mut this = Self { blocks, periodic, matrices: Vec::with_capacity(blocks.lens.len()) };
        let mut before: Option<(Decimated, [&'static Dct; 2])> = None;
        for (i, &len) in blocks.lens.iter().enumerate() {
            let last = !periodic && i + 1 == blocks.lens.len();
            let Some(kept) = blocks.keep else {
                let (to, from) = if last { (Kind::Two, Kind::TwoInverse) } else { (Kind::Four, Kind::Four) };
                this.matrices.push([dct(to, len), dct(from, len)]);
                continue;
            };
            let overlap = |border: usize| match border {
                0 if !periodic => 0,
                _ if border == blocks.lens.len() && !periodic => 0,
                _ => this.overlap(border % blocks.lens.len()),
            };
            let block = Decimated {
                len,
                overlaps: (overlap(i), overlap(i + 1)),
                last,
                kept,
                typical: blocks.lens[blocks.lens.len() / 2],
            };
            let same = before.filter(|(b, _)| *b == block).map(|(_, m)| m);
            let matrices = same.unwrap_or_else(|| decimated(block).each_ref());
            before = Some((block, matrices));
            this.matrices.push(matrices);
        }
        Some(this)
    }

    /// The matrix of block `i`.
    #[inline(always)]
    pub(super) fn dct(&self, i: usize, inverse: bool) -> &'static Dct {
        self.matrices[i][usize::from(inverse)]
    }

    /// Half overlap of the border before block `i`; before block 0 is the wrap-around.
    fn overlap(&self, i: usize) -> usize {
        let lens = &self.blocks.lens;
        let before = if i == 0 { lens.len() - 1 } else { i - 1 };
        lens[before].min(lens[i]) / 2
    }

    /// The window of that border.
    #[inline(always)]
    pub(super) fn window(&self, i: usize) -> &'static Window {
        window(self.overlap(i))
    }
}

/// Fold or unfold the border before block `i` of the y axis, in an image that starts with block `first`.
fn fold_border(y: &Axis<'_>, i: usize, first: usize, image: &mut [f32], width: usize, isa: Isa, inverse: bool) {
    let (lo, hi) = image.split_at_mut((y.blocks.starts[i] - y.blocks.starts[first]) * width);
    fold_rows(isa, lo, hi, width, y.window(i), inverse);
}

/// Samples of block `i` of the y axis, in an image that starts with block `first`.
fn block(blocks: &AxisBlocks, i: usize, first: usize, width: usize) -> std::ops::Range<usize> {
    let start = blocks.starts[i] - blocks.starts[first];
    start * width..(start + blocks.lens[i]) * width
}

/// Image to coefficients: each row along x, then each column along y. `y` is never periodic;
/// `width` is the length of a row.
///
/// Works one block row at a time, so that it stays in the cache between the two directions.
pub(crate) fn forward_image(
    (y_blocks, x_blocks): (&AxisBlocks, &AxisBlocks),
    periodic_x: bool,
    image: &mut [f32],
    width: usize,
    isa: Isa,
) {
    let (y, x) = (Axis::new(y_blocks, false), Axis::new(x_blocks, periodic_x));
    let (count, mut strips) = (y_blocks.lens.len(), Strips::default());
    for i in 0..=count {
        if let Some(x) = &x
            && i < count
        {
            forward_rows(isa, &mut image[block(y_blocks, i, 0, width)], width, x, &mut strips);
        }
        if let Some(y) = &y
            && i > 0
        {
            if i < count {
                fold_border(y, i, 0, image, width, isa, false);
            }
            let rows = &mut image[block(y_blocks, i - 1, 0, width)];
            columns(isa, &mut rows.chunks_exact_mut(width).collect::<Vec<_>>(), y.dct(i - 1, false));
        }
    }
}

/// Coefficients to image: each column along y, then each row along x. Up to `threads` threads take some block rows each.
pub(crate) fn inverse_image(
    (y_blocks, x_blocks): (&AxisBlocks, &AxisBlocks),
    periodic_x: bool,
    image: &mut [f32],
    width: usize,
    isa: Isa,
    threads: usize,
) {
    let (y, x) = (Axis::new(y_blocks, false), Axis::new(x_blocks, periodic_x));
    let count = y_blocks.lens.len();
    // At least two block rows each: one next to either border.
    let groups = worthwhile(threads, image.len(), TRANSFORMED).clamp(1, (count / 2).max(1));
    let border = |group: usize| count * group / groups;
    let rows = |image: &mut [f32], i: usize, first: usize, strips: &mut Strips| {
        if let Some(x) = &x {
            inverse_rows(isa, &mut image[block(y_blocks, i, first, width)], width, x, strips);
        }
    };
    let unfold = |image: &mut [f32], i: usize, first: usize| {
        if let Some(y) = &y {
            fold_border(y, i, first, image, width, isa, true);
        }
    };
    let mut parts = Vec::with_capacity(groups);
    let mut rest = &mut *image;
    for group in 0..groups {
        let range = border(group)..border(group + 1);
        let height: usize = y_blocks.lens[range.clone()].iter().sum();
        let (part, after) = rest.split_at_mut(height * width);
        parts.push((range, part));
        rest = after;
    }
    for_each_part(&mut parts, 1, threads, |_, parts| {
        for (range, part) in parts {
            let (first, mut strips) = (range.start, Strips::default());
            for i in range.clone() {
                if let Some(y) = &y {
                    let rows = &mut part[block(y_blocks, i, first, width)];
                    columns(isa, &mut rows.chunks_exact_mut(width).collect::<Vec<_>>(), y.dct(i, true));
                }
                if i > first {
                    unfold(part, i, first);
                    // The block row at a border to another group waits for it.
                    if i > first + 1 || first == 0 {
                        rows(part, i - 1, first, &mut strips);
                    }
                }
            }
            if range.end == count && count > 0 {
                rows(part, count - 1, first, &mut strips);
            }
        }
    });
    let mut strips = Strips::default();
    for i in (1..groups).map(border) {
        unfold(image, i, 0);
        rows(image, i - 1, 0, &mut strips);
        rows(image, i, 0, &mut strips);
    }
}

/// Columns next to each other, row by row, and their transform.
type Strip<'a> = (Vec<&'a mut [f32]>, &'a Dct);

/// The columns of `data`, which has `dct.len` rows of `width` samples, in up to `count` strips, all but the last of whole tiles.
fn strips<'a>(data: &'a mut [f32], width: usize, dct: &'a Dct, count: usize) -> Vec<Strip<'a>> {
    let strip = width.div_ceil(count.max(1)).next_multiple_of(TILE);
    let mut strips = Vec::new();
    strips.resize_with(width.div_ceil(strip), || (Vec::with_capacity(dct.len), dct));
    for row in data.chunks_exact_mut(width) {
        strips.iter_mut().zip(row.chunks_mut(strip)).for_each(|((rows, _), part)| rows.push(part));
    }
    strips
}

/// DCT-II (or its inverse) along the middle axis of `volume`, an array of shape
/// `(outer, n, inner)`, in `ceil(n / 32)` blocks of nearly equal length, longer ones last. On up to `threads` threads.
pub(crate) fn transform_outer(volume: &mut [f32], n: usize, inner: usize, kind: Kind, isa: Isa, threads: usize) {
    if n > 0 {
        let blocks = AxisBlocks::cut(n, n.div_ceil(OUTER_BLOCK), None);
        let matrices: Vec<_> = blocks.lens.iter().map(|&len| dct(kind, len)).collect();
        along_middle(volume, inner, &matrices, isa, threads);
    }
}

/// Apply a matrix along the middle axis of `volume`, an array of shape `(outer, matrix.len, inner)`. On up to `threads` threads.
pub(crate) fn columns_by(volume: &mut [f32], inner: usize, matrix: &Dct, isa: Isa, threads: usize) {
    along_middle(volume, inner, &[matrix], isa, threads);
}

/// Apply matrices, each to the next `len` elements, along the middle axis of an array of shape `(outer, sum of all len, inner)`.
fn along_middle(volume: &mut [f32], inner: usize, matrices: &[&Dct], isa: Isa, threads: usize) {
    let n: usize = matrices.iter().map(|m| m.len).sum();
    if n == 0 || inner == 0 {
        return;
    }
    let threads = worthwhile(threads, volume.len(), TRANSFORMED);
    let mut all = Vec::new();
    for mut part in volume.chunks_exact_mut(n * inner) {
        for matrix in matrices {
            let (block, rest) = part.split_at_mut(matrix.len * inner);
            all.extend(strips(block, inner, matrix, threads));
            part = rest;
        }
    }
    for_each_part(&mut all, 1, threads, |_, strips| strips.iter_mut().for_each(|(rows, dct)| columns(isa, rows, dct)));
}
