//! An orthonormal basis from whole numbers: Gram-Schmidt in f64, operation by operation in a fixed order.

use super::run_wide;
use super::tables::Dct;
use crate::format::klt::Klt;

/// A vector whose square is less than this after the vectors before it were taken out counts as none.
const NOTHING: f64 = 1e-6;

/// The orthonormal vectors; zeros where a row depends on those before it.
fn orthonormal(klt: &Klt) -> Vec<Vec<f64>> {
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(klt.rows.len());
    for row in &klt.rows {
        let unit = f64::from(1u32 << row.exponent);
        let mut v: Vec<f64> = row.q.iter().map(|&q| f64::from(q) / unit).collect();
        run_wide(
            #[inline(always)]
            || {
                for u in &basis {
                    let along = product(&v, u);
                    v.iter_mut().zip(u).for_each(|(v, &u)| *v -= along * u);
                }
                let square = product(&v, &v);
                let length = square.sqrt();
                v.iter_mut().for_each(|v| *v = if square < NOTHING { 0.0 } else { *v / length });
            },
        );
        basis.push(v);
    }
    basis
}

/// Sum of the products, of every eighth one at first.
#[inline(always)]
fn product(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a, rest_a) = a.as_chunks::<8>();
    let (b, rest_b) = b.as_chunks::<8>();
    for (a, b) in a.iter().zip(b) {
        for k in 0..8 {
            sums[k] += a[k] * b[k];
        }
    }
    for ((sum, a), b) in sums.iter_mut().zip(rest_a).zip(rest_b) {
        *sum += a * b;
    }
    for half in [4, 2, 1] {
        for k in 0..half {
            sums[k] += sums[k + half];
        }
    }
    sums[0]
}

/// Matrix from the coefficients of the basis vectors to the `n` elements of the axis.
pub(crate) fn inverse(klt: &Klt, n: usize) -> Dct {
    let basis = orthonormal(klt);
    Dct::new(basis.len(), n, |k, i| basis[k][i])
}

/// Matrix from the `n` elements of the axis to as many coefficients; `None` when a vector is missing.
pub(crate) fn forward(klt: &Klt, n: usize) -> Option<Dct> {
    let basis = orthonormal(klt);
    let complete = basis.len() == n && basis.iter().all(|v| v.iter().any(|&v| v != 0.0));
    complete.then(|| Dct::new(n, n, |i, k| basis[k][i]))
}
