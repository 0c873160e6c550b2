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
use crate::arith::{Dct, Isa, MAX_BLOCK};

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
// A shape of its own for each: LLVM 22 optimises a shared body before it inlines it, at half the
// speed, and does not vectorise wider shapes.
dispatched!(
    /// Fold each row along x, then transform its blocks.
    forward_rows(data: &mut [f32], width: usize, axis: &Axis<'_>),
    forward_rows_body::<4, 16>, forward_rows_body::<8, 8>, forward_rows_body::<6, 8>
);
dispatched!(
    /// Inverse-transform the blocks of each row, then unfold along x.
    inverse_rows(data: &mut [f32], width: usize, axis: &Axis<'_>),
    inverse_rows_body::<4, 16>, inverse_rows_body::<8, 8>, inverse_rows_body::<6, 8>
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

/// `sum[a][j] += factors[a] * vector[j]`.
#[inline(always)]
fn accumulate<const K: usize, const W: usize>(sums: &mut [[f32; W]; K], factors: &[f32; K], vector: &[f32; W]) {
    for (sum, &factor) in sums.iter_mut().zip(factors) {
        for (s, &v) in sum.iter_mut().zip(vector) {
            *s = factor.mul_add(v, *s);
        }
    }
}

/// Outputs of a column at a time: a divisor of a table's stride.
const OUTPUTS: usize = 4;
/// Vectors of columns at a time. With the outputs they make sums enough to hide the latency of a multiply-add.
const VECTORS: usize = 2;
/// Columns of a tile, of the widest vectors.
const TILE: usize = VECTORS * 16;

/// Some columns at a time: they are copied, then their outputs replace them. The vectors are explicit because LLVM leaves
/// this loop scalar.
#[inline(always)]
fn columns_body<S: Simd>(s: S, data: &mut [f32], width: usize, dct: &Dct) {
    let lanes = VECTORS * S::LANES;
    let mut tile = vec![[0.0_f32; TILE]; dct.len];
    let mut out = [[0.0_f32; TILE]; OUTPUTS];
    for x in (0..width).step_by(lanes) {
        let columns = lanes.min(width - x);
        for (tile, row) in tile.iter_mut().zip(data.chunks_exact(width)) {
            tile[..columns].copy_from_slice(&row[x..x + columns]);
        }
        for (k, rows) in data.chunks_mut(OUTPUTS * width).enumerate() {
            products(s, &tile, dct, k * OUTPUTS, &mut out);
            for (row, out) in rows.chunks_exact_mut(width).zip(&out) {
                row[x..x + columns].copy_from_slice(&out[..columns]);
            }
        }
    }
}

/// Outputs `k` and following of the columns of a tile.
#[inline(always)]
fn products<S: Simd>(s: S, tile: &[[f32; TILE]], dct: &Dct, k: usize, out: &mut [[f32; TILE]; OUTPUTS]) {
    let mut sums = [[s.splat(0.0); VECTORS]; OUTPUTS];
    for (inputs, factors) in tile.iter().zip(dct.table.chunks_exact(dct.stride)) {
        let Some(factors) = factors[k..].first_chunk::<OUTPUTS>() else { continue };
        // SAFETY: a row of the tile holds all vectors.
        let inputs: [S::V; VECTORS] = std::array::from_fn(|v| unsafe { s.load(inputs.as_ptr().add(v * S::LANES)) });
        for (sums, &factor) in sums.iter_mut().zip(factors) {
            let factor = s.splat(factor);
            for (sum, &input) in sums.iter_mut().zip(&inputs) {
                *sum = s.mul_add(factor, input, *sum);
            }
        }
    }
    for (out, sums) in out.iter_mut().zip(sums) {
        for (v, sum) in sums.into_iter().enumerate() {
            // SAFETY: a row of the outputs holds all vectors.
            unsafe { s.store(out.as_mut_ptr().add(v * S::LANES), sum) };
        }
    }
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

/// All borders of one row.
#[inline(always)]
fn fold_row(row: &mut [f32], axis: &Axis<'_>, inverse: bool) {
    for border in usize::from(!axis.periodic)..axis.blocks.starts.len() {
        let at = axis.blocks.starts[border];
        let window = axis.window(border);
        if at == 0 {
            // The wrap-around: its two sides may share one block, but never a sample.
            let (lo, hi) = row.split_at_mut(row.len() - window.0.len());
            fold_rows_body(hi, lo, 1, window, inverse);
        } else {
            let (lo, hi) = row.split_at_mut(at);
            fold_rows_body(lo, hi, 1, window, inverse);
        }
    }
}

/// Transform the blocks of `R` rows (or of what is left of them), `W` outputs of each at a time.
#[inline(always)]
fn transform_rows<const R: usize, const W: usize>(rows: &mut [f32], width: usize, axis: &Axis<'_>, inverse: bool) {
    for (i, &start) in axis.blocks.starts.iter().enumerate() {
        transform_block::<R, W>(rows, width, start, axis.dct(i, inverse));
    }
}

#[inline(always)]
fn transform_block<const R: usize, const W: usize>(rows: &mut [f32], width: usize, start: usize, dct: &Dct) {
    let mut out = [[0.0_f32; 64]; R];
    // Inputs side by side, so that the loop below has no bounds to check.
    let mut inputs = [[0.0_f32; R]; MAX_BLOCK];
    let inputs = &mut inputs[..dct.len];
    for (r, row) in rows.chunks_exact(width).enumerate().take(R) {
        for (input, &v) in inputs.iter_mut().zip(&row[start..start + dct.len]) {
            input[r] = v;
        }
    }
    for o in (0..dct.len).step_by(W) {
        let mut sums = [[0.0; W]; R];
        for (input, factors) in inputs.iter().zip(dct.table.chunks_exact(dct.stride)) {
            if let Some(factors) = factors[o..].first_chunk::<W>() {
                accumulate(&mut sums, input, factors);
            }
        }
        for (out, sum) in out.iter_mut().zip(&sums) {
            out[o..o + W].copy_from_slice(sum);
        }
    }
    for (row, out) in rows.chunks_exact_mut(width).zip(&out) {
        row[start..start + dct.len].copy_from_slice(&out[..dct.len]);
    }
}

#[inline(always)]
fn forward_rows_body<const R: usize, const W: usize>(data: &mut [f32], width: usize, axis: &Axis<'_>) {
    for rows in data.chunks_mut(R * width) {
        rows.chunks_exact_mut(width).for_each(|row| fold_row(row, axis, false));
        transform_rows::<R, W>(rows, width, axis, false);
    }
}

#[inline(always)]
fn inverse_rows_body<const R: usize, const W: usize>(data: &mut [f32], width: usize, axis: &Axis<'_>) {
    for rows in data.chunks_mut(R * width) {
        transform_rows::<R, W>(rows, width, axis, true);
        rows.chunks_exact_mut(width).for_each(|row| fold_row(row, axis, true));
    }
}
