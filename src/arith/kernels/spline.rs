//! Rows of a cubic spline.

use super::simd::{Simd, for_each_isa};

for_each_isa!(
    /// `out[i] = ((w0 * rows[0][i] + w1 * rows[1][i]) + ..)`: the first product rounded, the others by fused multiply-add.
    combine(rows: [&[f32]; 4], weights: &[f32; 4], out: &mut [f32]), combine_body
);
for_each_isa!(
    /// Solve for the coefficients along rows of a grid whose rows have `width` values: see `spline`.
    solve_rows(grid: &mut [f32], width: usize, factors: &[[f32; 2]]), solve_rows_body
);
for_each_isa!(
    /// As `solve_rows` along each row.
    solve_columns(grid: &mut [f32], width: usize, factors: &[[f32; 2]]), solve_columns_body
);

#[inline(always)]
fn combine_body<S: Simd>(_: S, rows: [&[f32]; 4], weights: &[f32; 4], out: &mut [f32]) {
    let [a, b, c, d] = rows;
    for ((((o, &a), &b), &c), &d) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        *o = weights[3].mul_add(d, weights[2].mul_add(c, weights[1].mul_add(b, weights[0] * a)));
    }
}

#[inline(always)]
fn solve_rows_body<S: Simd>(_: S, grid: &mut [f32], width: usize, factors: &[[f32; 2]]) {
    let n = factors.len();
    for k in 1..n.saturating_sub(1) {
        let (before, here) = grid[(k - 1) * width..(k + 1) * width].split_at_mut(width);
        let [six, one] = factors[k];
        here.iter_mut().zip(before).for_each(|(h, b)| *h = six.mul_add(*h, -(one * *b)));
    }
    for k in (1..n.saturating_sub(1)).rev() {
        let (here, after) = grid[k * width..(k + 2) * width].split_at_mut(width);
        let [_, one] = factors[k];
        here.iter_mut().zip(after).for_each(|(h, a)| *h = (-one).mul_add(*a, *h));
    }
}

#[inline(always)]
fn solve_columns_body<S: Simd>(_: S, grid: &mut [f32], width: usize, factors: &[[f32; 2]]) {
    for row in grid.chunks_exact_mut(width) {
        let n = factors.len().min(row.len());
        for k in 1..n.saturating_sub(1) {
            let [six, one] = factors[k];
            row[k] = six.mul_add(row[k], -(one * row[k - 1]));
        }
        for k in (1..n.saturating_sub(1)).rev() {
            let [_, one] = factors[k];
            row[k] = (-one).mul_add(row[k + 1], row[k]);
        }
    }
}
