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
    /// Transform the columns of `data`, which has `dct.len` rows of `width` samples.
    columns(data: &mut [f32], width: usize, dct: &Dct), columns_body
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
    /// One level of the wavelet back.
    inverse_lifting(bands: &mut [f32], image: &mut [f32], lifting: &Lifting),
    lifting::inverse_body, lifting::inverse_body, lifting::inverse_body
);

/// Outputs of a column at a time: a divisor of a table's stride.
const OUTPUTS: usize = 4;
/// Vectors of columns at a time. With the outputs they make sums enough to hide the latency of a multiply-add.
const VECTORS: usize = 2;
/// Columns of a tile, of the widest vectors.
const TILE: usize = VECTORS * 16;

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
fn columns_body<S: Simd>(s: S, data: &mut [f32], width: usize, dct: &Dct) {
    let lanes = VECTORS * S::LANES;
    let mut tile = vec![[0.0_f32; TILE]; dct.len];
    for x in (0..width).step_by(lanes) {
        let columns = x..width.min(x + lanes);
        for (tile, row) in tile.iter_mut().zip(data.chunks_exact(width)) {
            match &row[columns.clone()] {
                whole if whole.len() == lanes => store(s, load(s, whole), tile),
                some => tile[..some.len()].copy_from_slice(some),
            }
        }
        let tile = used(&tile);
        for (k, rows) in data.chunks_mut(OUTPUTS * width).enumerate() {
            let sums = products(s, tile, 0, dct, k * OUTPUTS);
            for (row, sums) in rows.chunks_exact_mut(width).zip(sums) {
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

/// Some rows turned into columns, and what becomes of them: room for one row of [`TILE`] samples for each column.
#[derive(Default)]
pub(in crate::arith) struct Strips {
    from: Vec<[f32; TILE]>,
    to: Vec<[f32; TILE]>,
}

impl Strips {
    fn make_room(&mut self, width: usize) {
        self.from.resize(width, [0.0; TILE]);
        self.to.resize(width, [0.0; TILE]);
    }

    /// Transform the blocks of the first `rows` rows.
    #[inline(always)]
    fn transform<S: Simd>(&mut self, s: S, rows: usize, axis: &Axis<'_>, inverse: bool) {
        for (i, &start) in axis.blocks.starts.iter().enumerate() {
            let dct = axis.dct(i, inverse);
            let (from, to) = (used(&self.from[start..start + dct.len]), &mut self.to[start..start + dct.len]);
            for (k, out) in to.chunks_mut(OUTPUTS).enumerate() {
                for x in (0..rows).step_by(VECTORS * S::LANES) {
                    let sums = products(s, from, x, dct, k * OUTPUTS);
                    out.iter_mut().zip(sums).for_each(|(out, sums)| store(s, sums, &mut out[x..]));
                }
            }
        }
    }
}

/// Fold (or unfold) all borders along x of rows that stand as columns.
#[inline(always)]
fn fold_strip<S: Simd>(s: S, strip: &mut [[f32; TILE]], axis: &Axis<'_>, inverse: bool) {
    for border in usize::from(!axis.periodic)..axis.blocks.starts.len() {
        let at = axis.blocks.starts[border];
        let window = axis.window(border);
        // The wrap-around: its two sides may share one block, but never a sample.
        let middle = if at == 0 { strip.len() - window.0.len() } else { at };
        let (before, after) = strip.split_at_mut(middle);
        let (lo, hi) = if at == 0 { (after, before) } else { (before, after) };
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

/// Rows to columns.
#[inline(always)]
fn stand(rows: &[f32], width: usize, strip: &mut [[f32; TILE]]) {
    let whole = width - width % SQUARE;
    for (k, rows) in rows.chunks(SQUARE * width).enumerate() {
        let at = k * SQUARE;
        let mut from = 0;
        if rows.len() == SQUARE * width && at + SQUARE <= TILE {
            for (x, columns) in strip.as_chunks_mut::<SQUARE>().0.iter_mut().enumerate() {
                let mut square = [f32x4::ZERO; SQUARE];
                for (r, row) in square.iter_mut().enumerate() {
                    *row = f32x4::from(&rows[r * width + x * SQUARE..][..SQUARE]);
                }
                for (column, values) in columns.iter_mut().zip(f32x4::transpose(square)) {
                    column[at..at + SQUARE].copy_from_slice(values.as_array());
                }
            }
            from = whole;
        }
        for (r, row) in rows.chunks_exact(width).enumerate() {
            for (column, &v) in strip.iter_mut().zip(row).skip(from) {
                column[at + r] = v;
            }
        }
    }
}

/// Columns to rows.
#[inline(always)]
fn lie(strip: &[[f32; TILE]], rows: &mut [f32], width: usize) {
    let whole = width - width % SQUARE;
    for (k, rows) in rows.chunks_mut(SQUARE * width).enumerate() {
        let at = k * SQUARE;
        let mut from = 0;
        if rows.len() == SQUARE * width && at + SQUARE <= TILE {
            for (x, columns) in strip.as_chunks::<SQUARE>().0.iter().enumerate() {
                let mut square = [f32x4::ZERO; SQUARE];
                for (row, column) in square.iter_mut().zip(columns) {
                    *row = f32x4::from(&column[at..at + SQUARE]);
                }
                for (r, values) in f32x4::transpose(square).iter().enumerate() {
                    rows[r * width + x * SQUARE..][..SQUARE].copy_from_slice(values.as_array());
                }
            }
            from = whole;
        }
        for (r, row) in rows.chunks_exact_mut(width).enumerate() {
            for (v, column) in row.iter_mut().zip(strip).skip(from) {
                *v = column[at + r];
            }
        }
    }
}

#[inline(always)]
fn forward_rows_body<S: Simd>(s: S, data: &mut [f32], width: usize, axis: &Axis<'_>, strips: &mut Strips) {
    strips.make_room(width);
    for rows in data.chunks_mut(TILE * width) {
        stand(rows, width, &mut strips.from);
        fold_strip(s, &mut strips.from, axis, false);
        strips.transform(s, rows.len() / width, axis, false);
        lie(&strips.to, rows, width);
    }
}

#[inline(always)]
fn inverse_rows_body<S: Simd>(s: S, data: &mut [f32], width: usize, axis: &Axis<'_>, strips: &mut Strips) {
    strips.make_room(width);
    for rows in data.chunks_mut(TILE * width) {
        stand(rows, width, &mut strips.from);
        strips.transform(s, rows.len() / width, axis, true);
        fold_strip(s, &mut strips.to, axis, true);
        lie(&strips.to, rows, width);
    }
}
