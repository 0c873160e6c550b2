//! Cholesky factors of normal equations, in f64: updates of whole rows, so that no vector width can change a bit.

use super::simd::{Simd, for_each_isa};

/// Rows that are applied together, so that the rest of the matrix passes the cache less often.
const PANEL: usize = 8;

for_each_isa!(
    /// Factor a symmetric matrix of `n` rows, of which the upper triangle counts, into `U^T U`; `U` replaces the
    /// upper triangle. False if it is not positive definite; then the matrix is of no use.
    cholesky(matrix: &mut [f64], n: usize) -> bool, factor
);

#[inline(always)]
fn factor<S: Simd>(_: S, matrix: &mut [f64], n: usize) -> bool {
    for start in (0..n).step_by(PANEL) {
        let end = (start + PANEL).min(n);
        let (done, rest) = matrix[..n * n].split_at_mut(end * n);
        let panel = &mut done[start * n..];
        for k in 0..end - start {
            let (above, below) = panel.split_at_mut((k + 1) * n);
            let row = &mut above[k * n + start + k..];
            let pivot = row[0];
            if !(pivot > 0.0 && pivot.is_finite()) {
                return false;
            }
            let scale = 1.0 / pivot.sqrt();
            row.iter_mut().for_each(|v| *v *= scale);
            for (i, to) in below.chunks_exact_mut(n).enumerate() {
                let factor = -row[1 + i];
                let to = &mut to[start + k + 1 + i..];
                to.iter_mut().zip(&row[1 + i..]).for_each(|(t, &v)| *t = factor.mul_add(v, *t));
            }
        }
        if end - start == PANEL {
            for (i, to) in rest.chunks_exact_mut(n).enumerate() {
                apply(panel, &mut to[end + i..], n, end + i);
            }
        }
    }
    true
}

/// Subtract the panel's rows, each times its value in column `at`, from what a row has from there on.
#[inline(always)]
fn apply(panel: &[f64], to: &mut [f64], n: usize, at: usize) {
    let mut rows = [&panel[..0]; PANEL];
    let mut factors = [0.0; PANEL];
    for ((row, factor), from) in rows.iter_mut().zip(&mut factors).zip(panel.chunks_exact(n)) {
        *row = &from[at..][..to.len()];
        *factor = -row[0];
    }
    for (i, to) in to.iter_mut().enumerate() {
        let mut sum = *to;
        for (factor, row) in factors.iter().zip(rows) {
            sum = factor.mul_add(row[i], sum);
        }
        *to = sum;
    }
}
