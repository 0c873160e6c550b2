//! Least squares in cells of 32 columns, row by row: sums of products that forget, and their solution. The sums of a row are
//! integers, the rest IEEE + - * / in a fixed order, so that both sides have the same on every machine.

use crate::ablation::{Part, without};
use crate::arith::{CELLS, Cells, NO_SAMPLES, Numbers, OnCells, PerCell, SAMPLES, Turned, run_cells};

/// Neighbours and the target, filled up to tiles of four.
const ROWS: usize = 24;
/// Weighted differences are held to this, so that the products of a cell's row fit `i32`.
const CLAMP: f32 = 8190.0;
/// What each row leaves of the rows before it.
const KEEP: f64 = 0.75;
/// Ridge as a part of the mean squared difference, and its least value.
const RIDGE: f64 = 1e-6;
const RIDGE_FLOOR: f64 = 256.0;
/// Weights that are larger are not believed.
const SANE: f64 = 64.0;

const NONE: Numbers = Numbers([0.0; CELLS]);

/// A row to learn from: values scaled to fit 32 bits, what they are differences to, and what each column counts for; each at
/// least as long as the row.
pub(crate) struct Samples<'a> {
    pub(crate) target: &'a [i32],
    pub(crate) west: &'a [i32],
    pub(crate) weight: &'a [f32],
}

/// Normal equations of `N` neighbours, as differences to the western one, in every cell.
pub(crate) struct Normal<const N: usize> {
    width: usize,
    cells: usize,
    periodic: bool,
    prior: [f64; N],
    /// Products of differences, pair by pair (lower triangle row by row; row `N` is the target's), cell by cell, with a cell on
    /// either side that goes on around the globe or repeats the last one.
    products: Vec<f64>,
    /// Cells of a pair, those on either side and those that fill the last group included.
    stride: usize,
    turned: Box<[Turned; ROWS]>,
    /// The equations of a group of cells.
    equations: Vec<Numbers>,
}

/// Place of the pair (i, j), j <= i, in a lower triangle.
const fn at(i: usize, j: usize) -> usize {
    i * (i + 1) / 2 + j
}

impl<const N: usize> Normal<N> {
    /// Products kept of a cell: all pairs but the target with itself.
    const PAIRS: usize = at(N, N);

    /// `prior`: the weights where nothing has been learned.
    pub(crate) fn new(width: usize, periodic: bool, prior: [f64; N]) -> Self {
        const { assert!(N < ROWS && N.is_multiple_of(2)) }
        let cells = width.div_ceil(SAMPLES);
        let stride = cells.next_multiple_of(CELLS) + 2;
        Self {
            width,
            cells,
            periodic,
            prior,
            products: vec![0.0; Self::PAIRS * stride],
            stride,
            turned: Box::new([NO_SAMPLES; ROWS]),
            equations: vec![NONE; Self::PAIRS],
        }
    }

    /// Learn a row, and call `take` with the new weights of each cell.
    pub(crate) fn learn(&mut self, neighbours: [&[i32]; N], row: &Samples<'_>, take: impl FnMut(usize, [f64; N])) {
        run_cells(Learn { normal: self, neighbours, row, take });
    }

    /// Take the row's products into those of the rows before.
    #[inline(always)]
    fn gather<C: Cells>(&mut self, c: C, neighbours: [&[i32]; N], row: &Samples<'_>) {
        for group in 0..self.cells.div_ceil(CELLS) {
            let first = group * CELLS * SAMPLES;
            let part = first..self.width.min(first + CELLS * SAMPLES);
            for (turned, source) in self.turned.iter_mut().zip(neighbours.into_iter().chain([row.target])) {
                let source = &source[part.clone()];
                c.turn(&differences(source, &row.west[part.clone()], &row.weight[part.clone()]), turned);
            }
            let place = 1 + group * CELLS;
            for i in (0..=N).step_by(4) {
                for j in (0..N.min(i + 4)).step_by(2) {
                    let a = std::array::from_fn(|k| &self.turned[i + k]);
                    let sums = c.products(a, [&self.turned[j], &self.turned[j + 1]]);
                    for (i, sums) in (i..=N).zip(&sums) {
                        for (j, sums) in (j..=i.min(N - 1)).zip(sums) {
                            add(c, &mut self.products[at(i, j) * self.stride + place..], sums);
                        }
                    }
                }
            }
        }
        let (before, after) = if self.periodic { (self.cells, 1) } else { (1, self.cells) };
        for row in self.products.chunks_exact_mut(self.stride) {
            (row[0], row[1 + self.cells]) = (row[before], row[after]);
        }
    }

    /// New weights for every cell from its own products and those of the cells beside it.
    #[inline(always)]
    fn solve<C: Cells>(&mut self, c: C, mut take: impl FnMut(usize, [f64; N])) {
        for first in (0..self.cells).step_by(CELLS) {
            for (equation, row) in self.equations.iter_mut().zip(self.products.chunks_exact(self.stride)) {
                let row = |at: usize| row[first + at..].first_chunk().map_or(c.load(&NONE.0), |r| c.load(r));
                let sum = if without(Part::CellsBeside) { row(1) } else { c.add(c.add(row(0), row(1)), row(2)) };
                c.store(sum, &mut equation.0);
            }
            let solved = solve_group(c, &mut self.equations, &self.prior);
            for lane in 0..CELLS.min(self.cells - first) {
                let w: [f64; N] = std::array::from_fn(|i| solved[i].0[lane]);
                take(first + lane, if w.iter().all(|v| v.abs() < SANE) { w } else { self.prior });
            }
        }
    }
}

/// A row to learn.
struct Learn<'a, const N: usize, F> {
    normal: &'a mut Normal<N>,
    neighbours: [&'a [i32]; N],
    row: &'a Samples<'a>,
    take: F,
}

impl<const N: usize, F: FnMut(usize, [f64; N])> OnCells for Learn<'_, N, F> {
    #[inline(always)]
    fn run<C: Cells>(self, cells: C) {
        self.normal.gather(cells, self.neighbours, self.row);
        self.normal.solve(cells, self.take);
    }
}

/// Weighted differences of a group of cells, 0 where it has no columns.
#[inline(always)]
fn differences(source: &[i32], west: &[i32], weight: &[f32]) -> [i16; CELLS * SAMPLES] {
    let mut samples = [0; CELLS * SAMPLES];
    for ((o, (&s, &w)), &k) in samples.iter_mut().zip(source.iter().zip(west)).zip(weight) {
        let d = (s.wrapping_sub(w) as f32 * k).clamp(-CLAMP, CLAMP);
        // Added to 1.5 * 2^23, the low bits are the nearest integer.
        *o = (d + 12_582_912.0).to_bits() as i16;
    }
    samples
}

#[inline(always)]
fn add<C: Cells>(c: C, products: &mut [f64], sums: &PerCell) {
    if let Some(p) = products.first_chunk_mut() {
        c.store(c.add(c.mul(c.load(p), c.load(&[KEEP; CELLS])), c.whole(sums)), p);
    }
}

/// Solve (A + ridge) w = b + ridge * prior by LDL^T; `m` holds A, then b, and is overwritten.
#[inline(always)]
fn solve_group<C: Cells, const N: usize>(c: C, m: &mut [Numbers], prior: &[f64; N]) -> [Numbers; N] {
    let all = |v: f64| c.load(&[v; CELLS]);
    let trace = (0..N).fold(all(0.0), |t, i| c.add(t, c.load(&m[at(i, i)].0)));
    let ridge = c.add(c.mul(trace, all(RIDGE / N as f64)), all(RIDGE_FLOOR));
    for i in 0..N {
        c.store(c.add(c.load(&m[at(i, i)].0), ridge), &mut m[at(i, i)].0);
        c.store(c.add(c.load(&m[at(N, i)].0), c.mul(ridge, all(prior[i]))), &mut m[at(N, i)].0);
    }
    // Rounding may leave nothing of a pivot; the ridge is its least value.
    let least = c.mul(ridge, all(0.5));
    let inverse = |pivot: &Numbers| {
        let pivot = c.load(&pivot.0);
        c.div(all(1.0), c.where_greater(pivot, least, pivot, ridge))
    };
    let mut w = [NONE; N];
    // Two columns of L at a time, and what they leave of the columns after them.
    let mut columns = [[NONE; 2]; N];
    for k in (0..N).step_by(2) {
        for (side, k) in [k, k + 1].into_iter().enumerate() {
            let inverse = inverse(&m[at(k, k)]);
            for i in k + 1..N {
                c.store(c.mul(c.load(&m[at(i, k)].0), inverse), &mut columns[i][side].0);
            }
            c.store(c.mul(c.load(&m[at(N, k)].0), inverse), &mut w[k].0);
            if side == 0 {
                let other = c.load(&columns[k + 1][0].0);
                for i in k + 1..=N {
                    let (factor, m) = (c.load(&m[at(i, k)].0), &mut m[at(i, k + 1)].0);
                    c.store(c.sub(c.load(m), c.mul(factor, other)), m);
                }
            }
        }
        for i in k + 2..=N {
            let end = i.min(N - 1);
            let factors = [c.load(&m[at(i, k)].0), c.load(&m[at(i, k + 1)].0)];
            for (m, [a, b]) in m[at(i, 0) + k + 2..=at(i, end)].iter_mut().zip(&columns[k + 2..=end]) {
                let first = c.sub(c.load(&m.0), c.mul(factors[0], c.load(&a.0)));
                c.store(c.sub(first, c.mul(factors[1], c.load(&b.0))), &mut m.0);
            }
        }
        m[at(k + 1, k)] = columns[k + 1][0];
        for i in k + 2..N {
            (m[at(i, k)], m[at(i, k + 1)]) = (columns[i][0], columns[i][1]);
        }
    }
    for j in (1..N).rev() {
        let factor = c.load(&w[j].0);
        for (w, m) in w[..j].iter_mut().zip(&m[at(j, 0)..]) {
            c.store(c.sub(c.load(&w.0), c.mul(c.load(&m.0), factor)), &mut w.0);
        }
    }
    w
}
