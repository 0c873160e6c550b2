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
            for (i, pair) in rest.chunks_mut(2 * n).enumerate() {
                let at = end + 2 * i;
                let (first, second) = pair.split_at_mut(n);
                // The second row starts one column later; that one column of the lower triangle does not matter.
                if second.is_empty() {
                    apply(panel, [&mut first[at..]], n, at);
                } else {
                    apply(panel, [&mut first[at..], &mut second[at..]], n, at);
                }
            }
        }
    }
    true
}

/// Columns that are worked on together: four vectors at most.
const COLUMNS: usize = 16;

/// Subtract the panel's rows, each times its value in the column of each row's diagonal, from what `R` neighbouring rows
/// have from column `at` on.
#[inline(always)]
fn apply<const R: usize>(panel: &[f64], mut to: [&mut [f64]; R], n: usize, at: usize) {
    let mut rows = [&panel[..0]; PANEL];
    for (row, from) in rows.iter_mut().zip(panel.chunks_exact(n)) {
        *row = &from[at..];
    }
    let mut factors = [[0.0; PANEL]; R];
    for (r, factors) in factors.iter_mut().enumerate() {
        factors.iter_mut().zip(rows).for_each(|(f, row)| *f = -row[r]);
    }
    let whole = (n - at) / COLUMNS * COLUMNS;
    for c in (0..whole).step_by(COLUMNS) {
        update::<R, COLUMNS>(&rows, &factors, &mut to, c);
    }
    for c in whole..n - at {
        update::<R, 1>(&rows, &factors, &mut to, c);
    }
}

#[inline(always)]
fn update<const R: usize, const C: usize>(
    rows: &[&[f64]; PANEL],
    factors: &[[f64; PANEL]; R],
    to: &mut [&mut [f64]; R],
    c: usize,
) {
    let mut sums = [[0.0; C]; R];
    for (sum, to) in sums.iter_mut().zip(to.iter()) {
        sum.copy_from_slice(&to[c..c + C]);
    }
    for (k, row) in rows.iter().enumerate() {
        let row = &row[c..c + C];
        for (sum, factors) in sums.iter_mut().zip(factors) {
            for (s, &v) in sum.iter_mut().zip(row) {
                *s = factors[k].mul_add(v, *s);
            }
        }
    }
    for (sum, to) in sums.iter().zip(to.iter_mut()) {
        to[c..c + C].copy_from_slice(sum);
    }
}
