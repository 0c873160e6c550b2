//! Symmetric linear systems in f64.

use crate::arith::{Isa, cholesky};

/// A factored system `U^T U x = b`.
pub(super) struct Factor {
    n: usize,
    /// `U` in the upper triangle.
    upper: Vec<f64>,
}

impl Factor {
    /// Factor a matrix of `n` rows of which the upper triangle counts; `None` if it is not positive definite.
    pub(super) fn new(mut matrix: Vec<f64>, n: usize, isa: Isa) -> Option<Self> {
        cholesky(isa, &mut matrix, n).then_some(Self { n, upper: matrix })
    }

    /// Number of rows.
    pub(super) const fn len(&self) -> usize {
        self.n
    }

    /// Row `k` of `U` from the diagonal on.
    pub(super) fn row(&self, k: usize) -> &[f64] {
        &self.upper[k * self.n + k..(k + 1) * self.n]
    }

    /// Solve in place.
    pub(super) fn solve(&self, b: &mut [f64]) {
        for k in 0..self.n {
            let (row, rest) = (self.row(k), &mut b[k..]);
            rest[0] /= row[0];
            let y = -rest[0];
            rest[1..].iter_mut().zip(&row[1..]).for_each(|(b, &u)| *b += y * u);
        }
        for k in (0..self.n).rev() {
            let row = self.row(k);
            let sum: f64 = row[1..].iter().zip(&b[k + 1..]).map(|(&u, &x)| u * x).sum();
            b[k] = (b[k] - sum) / row[0];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Factor;
    use crate::arith::Isa;

    #[test]
    fn solves_systems_of_any_size() {
        for n in [1, 3, 8, 9, 33, 64] {
            let entry = |i: usize, j: usize| 1.0 / (1 + i.abs_diff(j)) as f64 + if i == j { 2.0 } else { 0.0 };
            let matrix = (0..n * n).map(|k| entry(k / n, k % n)).collect();
            let want: Vec<f64> = (0..n).map(|i| (i as f64).sin()).collect();
            let b: Vec<f64> = (0..n).map(|i| (0..n).map(|j| entry(i, j) * want[j]).sum()).collect();
            let mut bits = Vec::new();
            for isa in Isa::ALL.into_iter().filter(|i| i.supported()) {
                let mut x = b.clone();
                Factor::new(Vec::clone(&matrix), n, isa).unwrap().solve(&mut x);
                assert!(x.iter().zip(&want).all(|(x, w)| (x - w).abs() < 1e-12), "{n}: {x:?}");
                bits.push(x);
            }
            assert!(bits.windows(2).all(|w| w[0] == w[1]));
        }
        assert!(Factor::new(vec![1.0, 2.0, 2.0, 1.0], 2, Isa::detect()).is_none());
        assert!(Factor::new(vec![f64::NAN], 1, Isa::detect()).is_none());
    }
}
