//! Least squares in cells of 32 columns, row by row: sums of products that forget, and their solution. The sums of a row are
//! integers, the rest IEEE + - * / in a fixed order, so that both sides have the same on every machine.

use crate::ablation::{Part, without};
use crate::arith::{Aligned, Cells, OnCells, SAMPLES, Sums, Turned, run_cells, run_wide};
use std::ops::Range;

/// Neighbours and the target, filled up to tiles of four.
const ROWS: usize = 24;
/// Where weighted differences are larger than this, all of the column are made smaller, so that the products of a cell's row fit `i32`.
const LARGEST: f32 = 8190.0;
/// What each row leaves of the rows before it, at least; in narrow arrays more, so that about so many elements are remembered.
const KEEP: f64 = 0.7;
const MEMORY: f64 = 384.0;
/// What the cells on either side count for.
const BESIDE: f64 = 0.25;
/// Ridge as a part of the mean squared difference, and its least value.
const RIDGE: f64 = 3e-8;
const RIDGE_FLOOR: f64 = 384.0;
/// Fraction bits of a weight.
pub(crate) const WEIGHT_BITS: u32 = 16;
/// Weights that are larger are not believed.
const SANE: f64 = 64.0;

/// Cells side by side: so many, but for the last ones where at most half as many are left.
const WIDE: usize = 8;
const HALF: usize = WIDE / 2;

/// Columns of L found together, at most; two where there are fewer or registers are.
const PANEL: usize = 4;

/// Added to these, a number has the nearest integer in its low bits.
const TO_INTEGER: f64 = (3_u64 << 51) as f64;
const TO_SHORT: f32 = (3 << 22) as f32;

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
    /// What a row leaves of the rows before it.
    keep: f64,
    /// Products of differences, pair by pair (lower triangle row by row; row `N` is the target's), cell by cell, with a cell on
    /// either side that goes on around the globe or repeats the last one.
    products: Vec<f64>,
    /// Cells of a pair, those on either side and those that fill the last group included.
    stride: usize,
    wide: Box<Work<WIDE>>,
    half: Box<Work<HALF>>,
}

/// Memory for the work on `W` cells.
struct Work<const W: usize> {
    turned: [Turned<W>; ROWS],
    equations: Aligned<[[f64; W]; at(ROWS, ROWS)]>,
}

impl<const W: usize> Work<W> {
    fn new() -> Box<Self> {
        Box::new(Self {
            turned: [Aligned([[0; W]; SAMPLES / 2]); ROWS],
            equations: Aligned([[0.0; W]; at(ROWS, ROWS)]),
        })
    }
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
        let stride = cells.next_multiple_of(HALF) + 2;
        Self {
            width,
            cells,
            periodic,
            prior,
            keep: (1.0 - width as f64 / MEMORY).max(KEEP),
            products: vec![0.0; Self::PAIRS * stride],
            stride,
            wide: Work::new(),
            half: Work::new(),
        }
    }

    /// Learn a row; `weights` become those of each cell, of [`WEIGHT_BITS`].
    pub(crate) fn learn(&mut self, neighbours: [&[i32]; N], row: &Samples<'_>, weights: &mut [[i32; N]]) {
        let Self { width, cells, periodic, stride, keep, .. } = *self;
        let row = Samples { target: &row.target[..width], west: &row.west[..width], weight: &row.weight[..width] };
        // The last group is all in half vectors, or none of it.
        let rest = cells % WIDE;
        let wide = if rest > HALF { cells } else { cells - rest };
        self.wide.gather_all(0..wide, &mut self.products, stride, keep, neighbours, &row);
        self.half.gather_all(wide..cells, &mut self.products, stride, keep, neighbours, &row);
        let (before, after) = if periodic { (cells, 1) } else { (1, cells) };
        for row in self.products.chunks_exact_mut(stride) {
            (row[0], row[1 + cells]) = (row[before], row[after]);
        }
        let (weights, rest) = weights.split_at_mut(wide);
        self.wide.solve_all(&self.products, stride, &self.prior, weights);
        self.half.solve_all(&self.products[wide..], stride, &self.prior, rest);
    }
}

impl<const W: usize> Work<W> {
    /// [`Gather`] in these cells, `W` at a time.
    fn gather_all<'a, const N: usize>(
        &'a mut self,
        cells: Range<usize>,
        products: &'a mut [f64],
        stride: usize,
        keep: f64,
        neighbours: [&'a [i32]; N],
        row: &Samples<'a>,
    ) where
        for<'b> Gather<'b, W, N>: OnCells,
    {
        for first in cells.step_by(W) {
            let part = first * SAMPLES..row.target.len().min((first + W) * SAMPLES);
            run_cells(Gather {
                work: self,
                products: &mut products[1 + first..],
                stride,
                keep,
                neighbours: neighbours.map(|n| &n[part.clone()]),
                row: Samples {
                    target: &row.target[part.clone()],
                    west: &row.west[part.clone()],
                    weight: &row.weight[part],
                },
            });
        }
    }

    /// [`Solve`] in all cells that have weights, `W` at a time.
    fn solve_all<const N: usize>(&mut self, products: &[f64], stride: usize, prior: &[f64; N], weights: &mut [[i32; N]])
    where
        for<'b> Solve<'b, W, N>: OnCells,
    {
        for (group, weights) in weights.chunks_mut(W).enumerate() {
            run_cells(Solve { work: self, products: &products[group * W..], stride, prior, weights });
        }
    }
}

/// Takes the products of a row in `W` cells into those of the rows before, `products`, pair by pair from the first of the cells on.
struct Gather<'a, const W: usize, const N: usize> {
    work: &'a mut Work<W>,
    products: &'a mut [f64],
    stride: usize,
    keep: f64,
    neighbours: [&'a [i32]; N],
    row: Samples<'a>,
}

/// Finds the weights of `W` cells from their own products and those of the cells beside them, pair by pair from the cell before them on.
struct Solve<'a, const W: usize, const N: usize> {
    work: &'a mut Work<W>,
    products: &'a [f64],
    stride: usize,
    prior: &'a [f64; N],
    weights: &'a mut [[i32; N]],
}

macro_rules! on_cells {
    ($($width:ident)+) => {
        $(
            impl<const N: usize> OnCells for Gather<'_, $width, N> {
                #[inline(always)]
                fn run<C: Cells<WIDE> + Cells<HALF>>(self, cells: C) {
                    self.gather(cells);
                }
            }

            impl<const N: usize> OnCells for Solve<'_, $width, N> {
                #[inline(always)]
                fn run<C: Cells<WIDE> + Cells<HALF>>(self, cells: C) {
                    self.solve(cells);
                }
            }
        )+
    };
}
on_cells!(WIDE HALF);

impl<const W: usize, const N: usize> Gather<'_, W, N> {
    #[inline(always)]
    fn gather<C: Cells<W>>(self, c: C) {
        let Self { work, products, stride, keep, neighbours, row } = self;
        if turn(c, &mut work.turned, neighbours, &row, row.weight) > LARGEST {
            turn(c, &mut work.turned, neighbours, &row, &fitting(neighbours, &row));
        }
        let mut sums: Sums<W> = Aligned([[[0; W]; 2]; 4]);
        for i in (0..=N).step_by(4) {
            for j in (0..N.min(i + 4)).step_by(2) {
                let a = std::array::from_fn(|k| &work.turned[i + k]);
                c.products(a, [&work.turned[j], &work.turned[j + 1]], &mut sums);
                for (i, sums) in (i..=N).zip(&sums.0) {
                    for (j, sums) in (j..=i.min(N - 1)).zip(sums) {
                        add(c, &mut products[at(i, j) * stride..], keep, sums);
                    }
                }
            }
        }
    }
}

/// Weighted differences of the neighbours and the target to the west, turned; and the largest magnitude, beyond [`LARGEST`] of which they are
/// of no use.
#[inline(always)]
fn turn<C: Cells<W>, const W: usize, const N: usize>(
    c: C,
    turned: &mut [Turned<W>; ROWS],
    neighbours: [&[i32]; N],
    row: &Samples<'_>,
    weight: &[f32],
) -> f32 {
    // As integers, the bits of positive numbers have the same order.
    let mut largest = 0;
    for (turned, source) in turned.iter_mut().zip(neighbours.into_iter().chain([row.target])) {
        c.turn(&differences(source, row.west, weight, &mut largest), turned);
    }
    f32::from_bits(largest)
}

/// Weighted differences of `W` cells, 0 where there are no columns.
#[inline(always)]
fn differences<const W: usize>(source: &[i32], west: &[i32], weight: &[f32], largest: &mut u32) -> [[i16; SAMPLES]; W] {
    let mut samples = [[0; SAMPLES]; W];
    let each = samples.as_flattened_mut().iter_mut();
    for ((o, (&s, &w)), &k) in each.zip(source.iter().zip(west)).zip(weight) {
        let d = s.wrapping_sub(w) as f32 * k;
        *largest = d.abs().to_bits().max(*largest);
        *o = (d + TO_SHORT).to_bits() as i16;
    }
    samples
}

/// Weights by which the differences of a column are no larger than [`LARGEST`].
#[cold]
fn fitting<const N: usize>(neighbours: [&[i32]; N], row: &Samples<'_>) -> Vec<f32> {
    let mut largest = vec![0; row.weight.len()];
    run_wide(
        #[inline(always)]
        || {
            for source in neighbours.into_iter().chain([row.target]) {
                for ((l, &s), &w) in largest.iter_mut().zip(source).zip(row.west) {
                    *l = s.wrapping_sub(w).unsigned_abs().max(*l);
                }
            }
            let held = |(l, &k): (f32, &f32)| if l * k > LARGEST { LARGEST / l } else { k };
            largest.iter().map(|&l| l as f32).zip(row.weight).map(held).collect()
        },
    )
}

#[inline(always)]
fn add<C: Cells<W>, const W: usize>(c: C, products: &mut [f64], keep: f64, sums: &[i32; W]) {
    if let Some(p) = products.first_chunk_mut() {
        c.store(c.add(c.mul(c.load(p), c.load(&[keep; W])), c.whole(sums)), p);
    }
}

impl<const W: usize, const N: usize> Solve<'_, W, N> {
    #[inline(always)]
    fn solve<C: Cells<W>>(self, c: C) {
        let Self { work, products, stride, prior, weights } = self;
        let m = &mut work.equations.0[..at(N, N)];
        for (m, row) in m.iter_mut().zip(products.chunks(stride)) {
            let row = |at: usize| row[at..].first_chunk().map_or(c.load(&[0.0; W]), |r| c.load(r));
            let beside = c.mul(c.add(row(0), row(2)), c.load(&[BESIDE; W]));
            c.store(if without(Part::CellsBeside) { row(1) } else { c.add(row(1), beside) }, m);
        }
        let solved = solution(c, m, prior);
        let all = |v: f64| c.load(&[v; W]);
        let sane = solved.iter().fold(all(1.0), |sane, w| {
            let w = c.load(w);
            let above = c.where_greater(w, all(-SANE), sane, all(0.0));
            c.where_greater(all(SANE), w, above, all(0.0))
        });
        for (i, w) in solved.iter().enumerate() {
            let w = c.where_greater(sane, all(0.0), c.load(w), all(prior[i]));
            let mut fixed = [0.0; W];
            c.store(c.add(c.mul(w, all(f64::from(1 << WEIGHT_BITS))), all(TO_INTEGER)), &mut fixed);
            for (weights, fixed) in weights.iter_mut().zip(fixed) {
                weights[i] = fixed.to_bits() as i32;
            }
        }
    }
}

/// Solve (A + ridge) w = b + ridge * prior by LDL^T; `m` holds A, then b, and is overwritten.
#[inline(always)]
fn solution<C: Cells<W>, const W: usize, const N: usize>(c: C, m: &mut [[f64; W]], prior: &[f64; N]) -> [[f64; W]; N] {
    let all = |v: f64| c.load(&[v; W]);
    let trace = (0..N).fold(all(0.0), |t, i| c.add(t, c.load(&m[at(i, i)])));
    let ridge = c.add(c.mul(trace, all(RIDGE / N as f64)), all(RIDGE_FLOOR));
    for i in 0..N {
        c.store(c.add(c.load(&m[at(i, i)]), ridge), &mut m[at(i, i)]);
        c.store(c.add(c.load(&m[at(N, i)]), c.mul(ridge, all(prior[i]))), &mut m[at(N, i)]);
    }
    // Rounding may leave nothing of a pivot; the ridge is its least value.
    let least = c.mul(ridge, all(0.5));
    let inverse = |pivot: C::V| c.div(all(1.0), c.where_greater(pivot, least, pivot, ridge));
    let mut system = System { m, columns: Aligned([[[0.0; W]; PANEL]; N]), w: [[0.0; W]; N] };
    let mut k = 0;
    while k < N {
        // What they leave of two rows is found with the factors of both in registers.
        if C::REGISTERS > 3 * PANEL && N - k >= PANEL {
            system.panel::<C, PANEL>(c, k, inverse);
            k += PANEL;
        } else {
            system.panel::<C, 2>(c, k, inverse);
            k += 2;
        }
    }
    let System { m, mut w, .. } = system;
    for j in (1..N).rev() {
        let factor = c.load(&w[j]);
        for (w, m) in w[..j].iter_mut().zip(&m[at(j, 0)..]) {
            c.store(c.sub(c.load(w), c.mul(c.load(m), factor)), w);
        }
    }
    w
}

/// Equations on their way to L, and what is known of the solution.
struct System<'a, const W: usize, const N: usize> {
    m: &'a mut [[f64; W]],
    /// Those of L that were found last.
    columns: Aligned<[[[f64; W]; PANEL]; N]>,
    w: [[f64; W]; N],
}

impl<const W: usize, const N: usize> System<'_, W, N> {
    /// The next `K` columns of L, from `k` on, and what they leave of the columns after them. Each element has the columns' shares
    /// taken from it in their order.
    #[inline(always)]
    fn panel<C: Cells<W>, const K: usize>(&mut self, c: C, k: usize, inverse: impl Fn(C::V) -> C::V) {
        let Self { m, columns: Aligned(columns), w } = self;
        let zero = c.load(&[0.0; W]);
        let (mut l, mut inverses) = ([[zero; K]; K], [zero; K]);
        for r in 0..K {
            let row = &mut m[at(k + r, k)..=at(k + r, k + r)];
            let factors = left(c, &row[..r], &l);
            let mut pivot = c.load(&row[r]);
            for p in 0..r {
                l[r][p] = c.mul(factors[p], inverses[p]);
                pivot = c.sub(pivot, c.mul(factors[p], l[r][p]));
                c.store(l[r][p], &mut row[p]);
            }
            inverses[r] = inverse(pivot);
        }
        for i in (k + K..N).step_by(2) {
            let (upper, lower) = m[at(i, k)..=at(i + 1, i + 1)].split_at_mut(at(i + 1, k) - at(i, k));
            let factors = [left(c, upper, &l), left(c, lower, &l)];
            for p in 0..K {
                for (side, row) in [&mut *upper, &mut *lower].into_iter().enumerate() {
                    let v = c.mul(factors[side][p], inverses[p]);
                    c.store(v, &mut row[p]);
                    c.store(v, &mut columns[i + side][p]);
                }
            }
            let (rest, last) = (&columns[k + K..=i], &columns[i + 1]);
            for ((upper, lower), column) in upper[K..].iter_mut().zip(&mut lower[K..]).zip(rest) {
                less(c, upper, &factors[0], column);
                less(c, lower, &factors[1], column);
            }
            less(c, &mut lower[i + 1 - k], &factors[1], last);
        }
        let target = &mut m[at(N, k)..at(N, N)];
        let factors = left(c, target, &l);
        for p in 0..K {
            c.store(c.mul(factors[p], inverses[p]), &mut w[k + p]);
        }
        target[K..].iter_mut().zip(&columns[k + K..]).for_each(|(v, column)| less(c, v, &factors, column));
    }
}

/// What the columns of a panel before each leave of a row's elements in it; `l` is its top.
#[inline(always)]
fn left<C: Cells<W>, const W: usize, const K: usize>(c: C, row: &[[f64; W]], l: &[[C::V; K]; K]) -> [C::V; K] {
    let mut left = [c.load(&[0.0; W]); K];
    for (r, v) in row.iter().enumerate().take(K) {
        left[r] = (0..r).fold(c.load(v), |v, p| c.sub(v, c.mul(left[p], l[r][p])));
    }
    left
}

/// What a panel leaves of an element.
#[inline(always)]
fn less<C: Cells<W>, const W: usize, const K: usize>(
    c: C,
    v: &mut [f64; W],
    factors: &[C::V; K],
    column: &[[f64; W]; PANEL],
) {
    c.store((0..K).fold(c.load(v), |v, p| c.sub(v, c.mul(factors[p], c.load(&column[p])))), v);
}
