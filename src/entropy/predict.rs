//! Backward-adaptive linear prediction of integers on a grid.
//!
//! Each cell of 32 columns has its own weights, fitted by least squares to the rows already coded
//! (Wu, Barthel & Zhang, "Piecewise 2D autoregression for predictive image coding", 1998), from earlier rows only, and
//! rounded to integers.

use super::integer::Integer;
use super::normal::{Normal, Samples, WEIGHT_BITS};
use crate::arith::SAMPLES as CELL;

/// Weights of `N` neighbours, as differences to the western one.
pub(crate) struct Predictor<const N: usize> {
    normal: Normal<N>,
    weights: Vec<[i32; N]>,
    /// Sums of those of rows above, and those of the elements two and three to the west.
    late: Vec<[i32; 3]>,
}

impl<const N: usize> Predictor<N> {
    /// `prior`: the weights where nothing has been learned.
    pub(crate) fn new(width: usize, periodic: bool, prior: [f64; N]) -> Self {
        let cells = width.div_ceil(CELL);
        Self {
            normal: Normal::new(width, periodic, prior),
            weights: vec![prior.map(fixed); cells],
            late: vec![late(&prior.map(fixed)); cells],
        }
    }

    /// Weights at a column of what the row itself adds: the difference of north and west for all that is known before,
    /// and those of the elements one and two further west.
    #[inline(always)]
    pub(crate) fn late(&self, x: usize) -> &[i32; 3] {
        &self.late[x / CELL]
    }

    /// Weighted differences to `north` of those neighbours in the rows above that `which` names.
    #[inline(always)]
    pub(crate) fn foresee<Q: Integer, const K: usize>(
        &self,
        north: &[Q],
        taps: [&[Q]; K],
        which: [usize; K],
        known: &mut [i64],
    ) {
        for (cell, (known, weights)) in known.chunks_mut(CELL).zip(&self.weights).enumerate() {
            let part = cell * CELL..cell * CELL + known.len();
            let north = &north[part.clone()];
            known.fill(0);
            for (taps, i) in taps.into_iter().zip(which) {
                let w = weights[i];
                for ((k, &t), &n) in known.iter_mut().zip(&taps[part.clone()]).zip(north) {
                    *k = k.wrapping_add(t.minus(n).times(w));
                }
            }
        }
    }

    /// Learn a row.
    pub(crate) fn learn(&mut self, neighbours: [&[i32]; N], row: &Samples<'_>) {
        self.normal.learn(neighbours, row, &mut self.weights);
        self.late.iter_mut().zip(&self.weights).for_each(|(l, w)| *l = late(w));
    }
}

/// See [`Predictor::late`].
fn late<const N: usize>(weights: &[i32; N]) -> [i32; 3] {
    let at = |i: usize| weights.get(i).copied().unwrap_or(0);
    let all = weights.iter().fold(0i32, |a, &w| a.wrapping_add(w));
    [all.wrapping_sub(at(3)).wrapping_sub(at(9)), at(3), at(9)]
}

/// To fixed point.
fn fixed(w: f64) -> i32 {
    (w * f64::from(1 << WEIGHT_BITS)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learns_a_linear_law() {
        // target = west + 0.75 a - 0.25 b, with a and b differences to west; of 12 bits, and of 24, far more than products hold.
        let width = 100;
        for shift in [20, 8] {
            let mut p = Predictor::<2>::new(width, false, [0.0, 0.0]);
            let mut s = 1u32;
            for _ in 0..20 {
                let mut row = || -> Vec<i32> {
                    (0..width)
                        .map(|_| {
                            s = s.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                            (s >> shift) as i32
                        })
                        .collect()
                };
                let (w, a, b) = (row(), row(), row());
                let t: Vec<i32> = (0..width).map(|x| w[x] + (3 * (a[x] - w[x]) - (b[x] - w[x])) / 4).collect();
                p.learn([&a, &b], &Samples { target: &t, west: &w, weight: &vec![1.0; width] });
            }
            for x in 0..width {
                let [a, b] = p.weights[x / CELL].map(f64::from);
                let off = [a / 65_536.0 - 0.75, b / 65_536.0 + 0.25];
                assert!(off.iter().all(|o| o.abs() < 2e-3), "{shift}: {a} {b}");
            }
        }
    }

    #[test]
    fn cells_in_half_a_vector_learn_as_others_do() {
        // The first cell knows itself and the second one: of four cells, in half a vector, or of five.
        let first_weights = |width: usize| {
            let mut p = Predictor::<4>::new(width, false, [1.0, -1.0, 0.0, 0.0]);
            for y in 0..6u32 {
                let row = |k: u32| -> Vec<i32> {
                    let noise = |x: u32| (x * 7919 + y * 104_729 + k * 1299).wrapping_mul(2_654_435_761) >> 22;
                    (0..width as u32).map(|x| noise(x) as i32 - 500).collect()
                };
                let weight: Vec<f32> = row(9).iter().map(|&w| 0.25 + (w & 7) as f32).collect();
                let rows = [row(0), row(1), row(2), row(3)];
                let samples = Samples { target: &row(4), west: &row(5), weight: &weight };
                p.learn(rows.each_ref().map(|r| &r[..]), &samples);
            }
            p.weights[0]
        };
        let weights = first_weights(4 * CELL);
        assert_eq!(weights, first_weights(5 * CELL));
        assert_ne!(weights, first_weights(CELL));
    }
}
