//! Backward-adaptive linear prediction of integers on a grid.
//!
//! Each cell of 32 columns has its own weights, fitted by least squares to the rows already coded
//! (Wu, Barthel & Zhang, "Piecewise 2D autoregression for predictive image coding", 1998). Weights
//! are solved once a row, from earlier rows only, with IEEE + - * / in a fixed order, and rounded to
//! integers, so that both sides have the same on every machine.

use super::integer::Integer;
use crate::arith::run_wide;

/// Columns of a cell.
const CELL: usize = 32;
/// Most neighbours.
const MOST: usize = 22;
/// Cells solved side by side.
const LANES: usize = 4;
/// Fraction bits of a weight.
pub(crate) const WEIGHT_BITS: u32 = 16;
/// Weighted differences are held to this, so that the products of a cell's row fit `i32`.
const CLAMP: f32 = 8190.0;
/// What each row leaves of the rows before it.
const KEEP: f64 = 0.75;

type Lanes = [f64; LANES];

/// Weights of `N` neighbours, as differences to the western one.
pub(crate) struct Predictor<const N: usize> {
    width: usize,
    cells: usize,
    periodic: bool,
    /// Per cell: the products of differences, lower triangle row by row; row `N` is the target's.
    products: Vec<f64>,
    weights: Vec<[i32; N]>,
    /// Sums of those of rows above, and those of the elements two and three to the west.
    late: Vec<[i32; 3]>,
    prior: [f64; N],
}

/// Place of the pair (i, j), j <= i, in a lower triangle.
const fn at(i: usize, j: usize) -> usize {
    i * (i + 1) / 2 + j
}

impl<const N: usize> Predictor<N> {
    /// Products kept of a cell: all pairs but the target with itself.
    const PAIRS: usize = at(N, N);

    /// `prior`: the weights where nothing has been learned.
    pub(crate) fn new(width: usize, periodic: bool, prior: [f64; N]) -> Self {
        let cells = width.div_ceil(CELL);
        Self {
            width,
            cells,
            periodic,
            products: vec![0.0; cells * Self::PAIRS],
            weights: vec![prior.map(fixed); cells],
            late: vec![late(&prior.map(fixed)); cells],
            prior,
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

    /// Learn a row. `neighbours[t][x]` and `target[x]` are values scaled to fit 32 bits, `west[x]` what
    /// they are differences to, `weight[x]` what column x counts for; each at least as long as the row.
    pub(crate) fn learn(&mut self, neighbours: [&[i32]; N], target: &[i32], west: &[i32], weight: &[f32]) {
        run_wide(
            #[inline(always)]
            || {
                self.gather(neighbours, target, west, weight);
                self.solve();
            },
        );
    }

    /// Take the row's products into those of the rows before.
    #[inline(always)]
    fn gather(&mut self, neighbours: [&[i32]; N], target: &[i32], west: &[i32], weight: &[f32]) {
        for (cell, products) in self.products.chunks_exact_mut(Self::PAIRS).enumerate() {
            let part = cell * CELL..(cell * CELL + CELL).min(self.width);
            let mut samples = [[0i16; CELL]; MOST + 1];
            for (samples, source) in samples.iter_mut().zip(neighbours.into_iter().chain([target])) {
                let pairs = source[part.clone()].iter().zip(&west[part.clone()]);
                for ((o, (&s, &w)), &k) in samples.iter_mut().zip(pairs).zip(&weight[part.clone()]) {
                    let d = (s.wrapping_sub(w) as f32 * k).clamp(-CLAMP, CLAMP);
                    // Added to 1.5 * 2^23, the low bits are the nearest integer.
                    *o = (d + 12_582_912.0).to_bits() as i16;
                }
            }
            let mut k = 0;
            for i in 0..=N {
                for j in 0..=i.min(N - 1) {
                    products[k] = products[k] * KEEP + f64::from(dot(&samples[i], &samples[j]));
                    k += 1;
                }
            }
        }
    }

    /// New weights for every cell from its own products and those of the cells beside it.
    #[inline(always)]
    fn solve(&mut self) {
        let mut m = vec![[0.0; LANES]; Self::PAIRS];
        for first in (0..self.cells).step_by(LANES) {
            for lane in 0..LANES {
                let cell = (first + lane).min(self.cells - 1);
                let (before, after) = if self.periodic {
                    ((cell + self.cells - 1) % self.cells, (cell + 1) % self.cells)
                } else {
                    (cell.saturating_sub(1), (cell + 1).min(self.cells - 1))
                };
                let part = |c: usize| &self.products[c * Self::PAIRS..][..Self::PAIRS];
                for (((m, a), b), c) in m.iter_mut().zip(part(before)).zip(part(cell)).zip(part(after)) {
                    m[lane] = a + b + c;
                }
            }
            let solved = self.solve_lanes(&mut m);
            for (lane, weights) in self.weights[first..].iter_mut().take(LANES).enumerate() {
                let w: [f64; N] = std::array::from_fn(|i| solved[i][lane]);
                let sane = w.iter().all(|v| v.abs() < 64.0);
                *weights = if sane { w } else { self.prior }.map(fixed);
                self.late[first + lane] = late(weights);
            }
        }
    }

    /// Solve (A + ridge) w = b + ridge * prior by LDL^T; `m` holds A, then b, and is overwritten.
    #[inline(always)]
    fn solve_lanes(&self, m: &mut [Lanes]) -> [Lanes; N] {
        let each = |f: &dyn Fn(usize) -> f64| -> Lanes { std::array::from_fn(f) };
        let mut trace = [0.0; LANES];
        for i in 0..N {
            for l in 0..LANES {
                trace[l] += m[at(i, i)][l];
            }
        }
        let ridge = each(&|l| trace[l] * (RIDGE / N as f64) + RIDGE_FLOOR);
        let mut w: [Lanes; N] = [[0.0; LANES]; N];
        for i in 0..N {
            for l in 0..LANES {
                m[at(i, i)][l] += ridge[l];
                w[i][l] = m[at(N, i)][l] + ridge[l] * self.prior[i];
            }
        }
        let mut inverse = [[0.0; LANES]; N];
        let mut scaled = [[0.0; LANES]; N];
        for i in 0..N {
            // Row i of L: m(i, j) becomes L(i, j) * D(j) first, then L(i, j).
            for j in 0..i {
                let mut s = m[at(i, j)];
                for k in 0..j {
                    let (a, b) = (scaled[k], m[at(j, k)]);
                    for l in 0..LANES {
                        s[l] -= a[l] * b[l];
                    }
                }
                scaled[j] = s;
            }
            let mut d = m[at(i, i)];
            for j in 0..i {
                for l in 0..LANES {
                    let f = scaled[j][l] * inverse[j][l];
                    d[l] -= scaled[j][l] * f;
                    m[at(i, j)][l] = f;
                }
            }
            for l in 0..LANES {
                // Rounding may leave nothing of a pivot; the ridge is its least value.
                inverse[i][l] = 1.0 / if d[l] > ridge[l] * 0.5 { d[l] } else { ridge[l] };
            }
            for j in 0..i {
                for l in 0..LANES {
                    w[i][l] -= m[at(i, j)][l] * w[j][l];
                }
            }
        }
        for i in (0..N).rev() {
            for l in 0..LANES {
                w[i][l] *= inverse[i][l];
            }
            for j in i + 1..N {
                for l in 0..LANES {
                    w[i][l] -= m[at(j, i)][l] * w[j][l];
                }
            }
        }
        w
    }
}

/// See [`Predictor::late`].
fn late<const N: usize>(weights: &[i32; N]) -> [i32; 3] {
    let at = |i: usize| weights.get(i).copied().unwrap_or(0);
    let all = weights.iter().fold(0i32, |a, &w| a.wrapping_add(w));
    [all.wrapping_sub(at(3)).wrapping_sub(at(9)), at(3), at(9)]
}

/// Ridge as a part of the mean squared difference, and its least value.
const RIDGE: f64 = 1e-6;
const RIDGE_FLOOR: f64 = 256.0;

/// To fixed point, nearest.
fn fixed(w: f64) -> i32 {
    let v = w * f64::from(1 << WEIGHT_BITS);
    (if v < 0.0 { v - 0.5 } else { v + 0.5 }) as i32
}

#[inline(always)]
fn dot(a: &[i16; CELL], b: &[i16; CELL]) -> i32 {
    let mut s = 0i32;
    for (&a, &b) in a.iter().zip(b) {
        s = s.wrapping_add(i32::from(a) * i32::from(b));
    }
    s
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learns_a_linear_law() {
        // target = west + 0.75 a - 0.25 b, with a and b differences to west.
        let width = 100;
        let mut p = Predictor::<2>::new(width, false, [0.0, 0.0]);
        let mut s = 1u32;
        for _ in 0..20 {
            let mut row = || -> Vec<i32> {
                (0..width)
                    .map(|_| {
                        s = s.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        (s >> 20) as i32
                    })
                    .collect()
            };
            let (w, a, b) = (row(), row(), row());
            let t: Vec<i32> = (0..width).map(|x| w[x] + (3 * (a[x] - w[x]) - (b[x] - w[x])) / 4).collect();
            p.learn([&a, &b], &t, &w, &vec![1.0; width]);
        }
        for x in 0..width {
            let [a, b] = p.weights[x / CELL].map(f64::from);
            assert!((a / 65_536.0 - 0.75).abs() < 2e-3 && (b / 65_536.0 + 0.25).abs() < 2e-3, "{a} {b}");
        }
    }
}
