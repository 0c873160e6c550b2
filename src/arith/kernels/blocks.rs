//! The inner loops of the block transforms. Each is written once for arrays that the compiler turns into
//! vectors, and compiled once for each [`Isa`].
//!
//! **Order.** An output of a matrix product starts at 0.0 and takes `input * factor` by fused
//! multiply-add in ascending order of the input's index. No other order occurs, so neither the
//! vector width nor the number of threads can change a bit.

use super::simd::{Simd, for_each_isa};
use crate::arith::lapped::Axis;
use crate::arith::lifting::{self, Lifting};
use crate::arith::tables::Window;
use crate::arith::{Dct, Isa};
use std::ops::Range;
use wide::f32x4;

/// Compile `$body` for each instruction set behind one function that takes the `Isa` first.
macro_rules! dispatched {
    ($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*), $narrow:expr, $avx2:expr, $avx512:expr) => {
        $(#[$doc])*
        pub(in crate::arith) fn $name(isa: Isa, $($arg: $type),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($arg: $type),*) {
                    $avx2($($arg),*);
                }
                #[target_feature(enable = "avx512f,avx2,fma")]
                fn avx512($($arg: $type),*) {
                    $avx512($($arg),*);
                }
                match isa {
                    // SAFETY: the processor has the instructions.
                    Isa::Avx512 if isa.supported() => return unsafe { avx512($($arg),*) },
                    // SAFETY: the processor has the instructions.
                    Isa::Avx2 if isa.supported() => return unsafe { avx2($($arg),*) },
                    _ => {}
                }
            }
            let _ = isa;
            $narrow($($arg),*);
        }
    };
}

for_each_isa!(
    /// Transform the columns of `dct.len` rows of one length.
    columns(rows: &mut [&mut [f32]], dct: &Dct), columns_body
);
dispatched!(
    /// Fold (or unfold) rows: the first rows of `hi` with the last ones of `lo`.
    fold_rows(lo: &mut [f32], hi: &mut [f32], width: usize, window: &Window, inverse: bool),
    fold_rows_body, fold_rows_body, fold_rows_body
);
for_each_isa!(
    /// Fold each row along x, then transform its blocks.
    forward_rows(data: &mut [f32], width: usize, axis: &Axis<'_>, strips: &mut Strips), forward_rows_body
);
for_each_isa!(
    /// Inverse-transform the blocks of each row, then unfold along x.
    inverse_rows(data: &mut [f32], width: usize, axis: &Axis<'_>, strips: &mut Strips), inverse_rows_body
);
dispatched!(
    /// One level of the wavelet forward.
    forward_lifting(image: &[f32], out: &mut [f32], lifting: &Lifting),
    lifting::forward_body, lifting::forward_body, lifting::forward_body
);
dispatched!(
    /// One level of the wavelet back, or rows of it.
    inverse_lifting(bands: &mut [f32], image: &mut [f32], lifting: &Lifting, first: usize),
    lifting::inverse_body, lifting::inverse_body, lifting::inverse_body
);

/// Outputs of a column at a time: a divisor of a table's stride.
const OUTPUTS: usize = 4;
/// Vectors of columns at a time. With the outputs they make sums enough to hide the latency of a multiply-add.
const VECTORS: usize = 2;
/// Columns of a tile, of the widest vectors.
pub(in crate::arith) const TILE: usize = VECTORS * 16;

/// The first [`VECTORS`] vectors.
#[inline(always)]
fn load<S: Simd>(s: S, from: &[f32]) -> [S::V; VECTORS] {
    assert!(from.len() >= VECTORS * S::LANES);
    // SAFETY: so many there are.
    std::array::from_fn(|v| unsafe { s.load(from.as_ptr().add(v * S::LANES)) })
}

#[inline(always)]
fn store<S: Simd>(s: S, vectors: [S::V; VECTORS], to: &mut [f32]) {
    assert!(to.len() >= VECTORS * S::LANES);
    for (v, vector) in vectors.into_iter().enumerate() {
        // SAFETY: so many fit.
        unsafe { s.store(to.as_mut_ptr().add(v * S::LANES), vector) };
    }
}

/// Some columns at a time: they are copied, then their outputs replace them. The vectors are explicit because LLVM leaves
/// this loop scalar.
#[inline(always)]
fn columns_body<S: Simd>(s: S, rows: &mut [&mut [f32]], dct: &Dct) {
    let lanes = VECTORS * S::LANES;
    let width = rows.iter().map(|row| row.len()).min().unwrap_or(0);
    let mut tile = vec![[0.0_f32; TILE]; dct.len];
    for x in (0..width).step_by(lanes) {
        let columns = x..width.min(x + lanes);
        for (tile, row) in tile.iter_mut().zip(&*rows) {
            match &row[columns.clone()] {
                whole if whole.len() == lanes => store(s, load(s, whole), tile),
                some => tile[..some.len()].copy_from_slice(some),
            }
        }
        let tile = used(&tile);
        for (k, rows) in rows.chunks_mut(OUTPUTS).enumerate() {
            let sums = products(s, tile, 0, dct, k * OUTPUTS);
            for (row, sums) in rows.iter_mut().zip(sums) {
                match &mut row[columns.clone()] {
                    whole if whole.len() == lanes => store(s, sums, whole),
                    some => {
                        let mut out = [0.0; TILE];
                        store(s, sums, &mut out);
                        some.copy_from_slice(&out[..some.len()]);
                    }
                }
            }
        }
    }
}

/// The inputs of a tile up to the last that is not +0: what comes after it would add nothing but the sign of a 0.
#[inline(always)]
fn used(tile: &[[f32; TILE]]) -> &[[f32; TILE]] {
    let any = |input: &[f32; TILE]| input.iter().fold(0, |any, v| any | v.to_bits()) != 0;
    &tile[..tile.iter().rposition(any).map_or(0, |i| i + 1)]
}

/// Outputs `k` and following of as many columns of a tile as one step takes, from column `x` on.
#[inline(always)]
fn products<S: Simd>(s: S, tile: &[[f32; TILE]], x: usize, dct: &Dct, k: usize) -> [[S::V; VECTORS]; OUTPUTS] {
    let mut sums = [[s.splat(0.0); VECTORS]; OUTPUTS];
    for (inputs, factors) in tile.iter().zip(dct.table.chunks_exact(dct.stride)) {
        let Some(factors) = factors[k..].first_chunk::<OUTPUTS>() else { continue };
        let inputs = load(s, &inputs[x..]);
        for (sums, &factor) in sums.iter_mut().zip(factors) {
            let factor = s.splat(factor);
            for (sum, &input) in sums.iter_mut().zip(&inputs) {
                *sum = s.mul_add(factor, input, *sum);
            }
        }
    }
    sums
}

/// The butterfly of one pair: `r` after the border, `l` before it.
#[inline(always)]
fn butterfly(l: &mut f32, r: &mut f32, s: f32, c: f32, inverse: bool) {
    let (a, b) = (*l, *r);
    if inverse {
        *r = s.mul_add(b, -(c * a));
        *l = s.mul_add(a, c * b);
    } else {
        *r = s.mul_add(b, c * a);
        *l = s.mul_add(a, -(c * b));
    }
}

#[inline(always)]
fn fold_rows_body(lo: &mut [f32], hi: &mut [f32], width: usize, window: &Window, inverse: bool) {
    let pairs = lo.chunks_exact_mut(width).rev().zip(hi.chunks_exact_mut(width));
    for ((low, high), (&s, &c)) in pairs.zip(window.0.iter().zip(&window.1)) {
        if inverse {
            low.iter_mut().zip(high).for_each(|(l, r)| butterfly(l, r, s, c, true));
        } else {
            low.iter_mut().zip(high).for_each(|(l, r)| butterfly(l, r, s, c, false));
        }
    }
}

/// Blocks of a row that are transformed in one go: few enough for the cache.
const SEGMENT: usize = 16;

/// A segment of some rows, turned into columns, and what becomes of it.
#[derive(Default)]
pub(in crate::arith) struct Strips {
    from: Vec<[f32; TILE]>,
    to: Vec<[f32; TILE]>,
}

impl Strips {
    /// Transform the blocks `segment` of up to [`TILE`] rows, and fold (or unfold) the borders between them.
    #[inline(always)]
    fn transform<S: Simd>(
        &mut self,
        s: S,
        (rows, width): (&mut [f32], usize),
        axis: &Axis<'_>,
        segment: Range<usize>,
        inverse: bool,
    ) {
        let starts = &axis.blocks.starts;
        let columns = starts[segment.start]..starts.get(segment.end).copied().unwrap_or(width);
        self.from.resize(columns.len(), [0.0; TILE]);
        self.to.resize(columns.len(), [0.0; TILE]);
        stand(rows, width, columns.clone(), &mut self.from);
        if !inverse {
            fold_strip(s, &mut self.from, axis, segment.clone(), false);
        }
        for i in segment.clone() {
            let dct = axis.dct(i, inverse);
            let block = starts[i] - columns.start..starts[i] - columns.start + dct.len;
            let (from, to) = (used(&self.from[block.clone()]), &mut self.to[block]);
            for (k, out) in to.chunks_mut(OUTPUTS).enumerate() {
                for x in (0..rows.len() / width).step_by(VECTORS * S::LANES) {
                    let sums = products(s, from, x, dct, k * OUTPUTS);
                    out.iter_mut().zip(sums).for_each(|(out, sums)| store(s, sums, &mut out[x..]));
                }
            }
        }
        if inverse {
            fold_strip(s, &mut self.to, axis, segment, true);
        }
        lie(&self.to, rows, width, columns);
    }
}

/// Fold (or unfold) the borders inside a segment of rows that stand as columns.
#[inline(always)]
fn fold_strip<S: Simd>(s: S, strip: &mut [[f32; TILE]], axis: &Axis<'_>, segment: Range<usize>, inverse: bool) {
    let starts = &axis.blocks.starts;
    for border in segment.clone().skip(1) {
        let (lo, hi) = strip.split_at_mut(starts[border] - starts[segment.start]);
        let window = axis.window(border);
        for ((low, high), (&sine, &cosine)) in lo.iter_mut().rev().zip(hi).zip(window.0.iter().zip(&window.1)) {
            fold_columns(s, low, high, sine, if inverse { -cosine } else { cosine });
        }
    }
}

/// The [`butterfly`]s of two columns.
#[inline(always)]
fn fold_columns<S: Simd>(s: S, low: &mut [f32; TILE], high: &mut [f32; TILE], sine: f32, cosine: f32) {
    let (sine, cosine, minus) = (s.splat(sine), s.splat(cosine), s.splat(-cosine));
    for x in (0..TILE).step_by(VECTORS * S::LANES) {
        let (mut a, mut b) = (load(s, &low[x..]), load(s, &high[x..]));
        for (a, b) in a.iter_mut().zip(&mut b) {
            (*a, *b) = (s.mul_add(sine, *a, s.mul(minus, *b)), s.mul_add(sine, *b, s.mul(cosine, *a)));
        }
        store(s, a, &mut low[x..]);
        store(s, b, &mut high[x..]);
    }
}

/// Rows and columns that change places at a time.
const SQUARE: usize = 4;

/// Columns of some rows, one after the other.
#[inline(always)]
fn stand(rows: &[f32], width: usize, columns: Range<usize>, strip: &mut [[f32; TILE]]) {
    for (k, rows) in rows.chunks(SQUARE * width).enumerate() {
        let at = k * SQUARE;
        let mut from = 0;
        if rows.len() == SQUARE * width {
            let (squares, _) = strip.as_chunks_mut::<SQUARE>();
            for (x, square) in squares.iter_mut().enumerate() {
                let mut values = [f32x4::ZERO; SQUARE];
                for (r, values) in values.iter_mut().enumerate() {
                    *values = f32x4::from(&rows[r * width + columns.start + x * SQUARE..][..SQUARE]);
                }
                for (column, values) in square.iter_mut().zip(f32x4::transpose(values)) {
                    column[at..at + SQUARE].copy_from_slice(values.as_array());
                }
            }
            from = squares.len() * SQUARE;
        }
        for (r, row) in rows.chunks_exact(width).enumerate() {
            for (column, &v) in strip[from..].iter_mut().zip(&row[columns.clone()][from..]) {
                column[at + r] = v;
            }
        }
    }
}

/// The other way.
#[inline(always)]
fn lie(strip: &[[f32; TILE]], rows: &mut [f32], width: usize, columns: Range<usize>) {
    for (k, rows) in rows.chunks_mut(SQUARE * width).enumerate() {
        let at = k * SQUARE;
        let mut from = 0;
        if rows.len() == SQUARE * width {
            let (squares, _) = strip.as_chunks::<SQUARE>();
            for (x, square) in squares.iter().enumerate() {
                let mut values = [f32x4::ZERO; SQUARE];
                for (values, column) in values.iter_mut().zip(square) {
                    *values = f32x4::from(&column[at..at + SQUARE]);
                }
                for (r, values) in f32x4::transpose(values).iter().enumerate() {
                    rows[r * width + columns.start + x * SQUARE..][..SQUARE].copy_from_slice(values.as_array());
                }
            }
            from = squares.len() * SQUARE;
        }
        for (r, row) in rows.chunks_exact_mut(width).enumerate() {
            for (v, column) in row[columns.clone()][from..].iter_mut().zip(&strip[from..]) {
                *v = column[at + r];
            }
        }
    }
}

/// Fold (or unfold) the borders of some rows that lie between their segments.
#[inline(always)]
fn fold_segments(rows: &mut [f32], width: usize, axis: &Axis<'_>, inverse: bool) {
    let first = if axis.periodic { 0 } else { SEGMENT };
    for row in rows.chunks_exact_mut(width) {
        for border in (first..axis.blocks.starts.len()).step_by(SEGMENT) {
            let window = axis.window(border);
            // The wrap-around: its two sides may share one block, but never a sample.
            let (lo, hi) = match axis.blocks.starts[border] {
                0 => {
                    let (hi, lo) = row.split_at_mut(row.len() - window.0.len());
                    (lo, hi)
                }
                at => row.split_at_mut(at),
            };
            fold_rows_body(lo, hi, 1, window, inverse);
        }
    }
}

#[inline(always)]
fn segments(axis: &Axis<'_>) -> impl Iterator<Item = Range<usize>> {
    let blocks = axis.blocks.starts.len();
    (0..blocks).step_by(SEGMENT).map(move |first| first..blocks.min(first + SEGMENT))
}

#[inline(always)]
fn forward_rows_body<S: Simd>(s: S, data: &mut [f32], width: usize, axis: &Axis<'_>, strips: &mut Strips) {
    for rows in data.chunks_mut(TILE * width) {
        fold_segments(rows, width, axis, false);
        for segment in segments(axis) {
            strips.transform(s, (rows, width), axis, segment, false);
        }
    }
}

#[inline(always)]
fn inverse_rows_body<S: Simd>(s: S, data: &mut [f32], width: usize, axis: &Axis<'_>, strips: &mut Strips) {
    for rows in data.chunks_mut(TILE * width) {
        for segment in segments(axis) {
            strips.transform(s, (rows, width), axis, segment, true);
        }
        fold_segments(rows, width, axis, true);
    }
}
