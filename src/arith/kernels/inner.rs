//! Inner products of rows over the points of a block: gradients and normal equations.
//!
//! **Order.** Point `p` goes to lane `p % 16` by fused multiply-add; then the lanes are added in one fixed tree.

use super::simd::{Simd, for_each_isa};

/// Rows of `b` that stay in the first cache.
const PANEL: usize = 24;

/// Which products are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    All,
    /// Tiles on and below the diagonal.
    Lower,
}

for_each_isa!(
    /// `out[i * columns + j] += sum over p of a[i * stride + p] * b[j * stride + p]` for all rows of `a` and `columns` rows
    /// of `b`. Rows of `a`, `columns` and `stride` are multiples of 4, 4 and 16.
    inner_products(stride: usize, a: &[f32], b: &[f32], out: &mut [f32], columns: usize, part: Part), inner_body
);

#[inline(always)]
fn inner_body<S: Simd>(s: S, stride: usize, a: &[f32], b: &[f32], out: &mut [f32], columns: usize, part: Part) {
    if S::LANES == 16 {
        tiles::<S, 4, 4>(s, stride, a, b, out, columns, part);
    } else {
        tiles::<S, 2, 2>(s, stride, a, b, out, columns, part);
    }
}

#[inline(always)]
fn tiles<S: Simd, const I: usize, const J: usize>(
    s: S,
    stride: usize,
    a: &[f32],
    b: &[f32],
    out: &mut [f32],
    columns: usize,
    part: Part,
) {
    assert!(stride.is_multiple_of(16) && columns.is_multiple_of(J) && a.len().is_multiple_of(I * stride));
    assert!(columns > 0 && out.len() >= a.len() / stride * columns);
    for (panel, b) in b[..columns * stride].chunks(PANEL * stride).enumerate() {
        for (i, a) in a.chunks_exact(I * stride).enumerate() {
            for (j, b) in b.chunks_exact(J * stride).enumerate() {
                let (row, column) = (i * I, panel * PANEL + j * J);
                if part == Part::Lower && column >= row + I {
                    break;
                }
                // SAFETY: both hold whole rows, 4 of them at most.
                let sums = unsafe { tile::<S, I, J>(s, stride, a, b) };
                for (out, sums) in out[row * columns..].chunks_mut(columns).zip(&sums) {
                    for (out, sum) in out[column..column + J].iter_mut().zip(sums) {
                        *out += sum;
                    }
                }
            }
        }
    }
}

/// # Safety
/// `a` holds `I`, `b` holds `J` rows of `stride`, a multiple of 16.
#[inline(always)]
unsafe fn tile<S: Simd, const I: usize, const J: usize>(s: S, stride: usize, a: &[f32], b: &[f32]) -> [[f32; J]; I] {
    let mut sums = [[s.wide_splat(0.0); J]; I];
    for p in (0..stride).step_by(16) {
        let mut rows = [s.wide_splat(0.0); I];
        for (i, row) in rows.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *row = unsafe { s.wide_load(a.as_ptr().add(i * stride + p)) };
        }
        for j in 0..J {
            // SAFETY: the caller's promise.
            let column = unsafe { s.wide_load(b.as_ptr().add(j * stride + p)) };
            for (sum, &row) in sums.iter_mut().zip(&rows) {
                sum[j] = s.wide_mul_add(row, column, sum[j]);
            }
        }
    }
    s.totals(&sums)
}
