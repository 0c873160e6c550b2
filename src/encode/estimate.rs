//! What coding transformed planes will cost, estimated from a sample of their rows: the conditional entropy of
//! quantised magnitudes given a few neighbours that the coefficient coder sees as well. Good enough to choose
//! between transforms, far cheaper than coding.

use super::aim::Aim;
use super::magnitudes::{BINS, Magnitudes, bin, middle};
use super::quantise::{WAVELET_ERROR, zeroed_weight};
use crate::arith::run_wide;
use crate::format::pyramid::Level;

/// Rows taken of a level, at least.
const FEWEST_ROWS: usize = 16;
/// Magnitudes below this have a symbol of their own; above, each half of an octave has one.
const ALONE: u32 = 8;
const SYMBOLS: usize = 32;
/// Classes of neighbourhoods.
const CLASSES: usize = 22;

/// Rows of one level, each after its neighbour: (slices, pairs of rows, width).
#[derive(Clone)]
struct Rows {
    width: usize,
    pairs: usize,
    /// Distance of the neighbours in a row that is no frequency's neighbour.
    block: usize,
    /// Rows of the level for each row taken.
    weight: f64,
    dyadic: bool,
    values: Vec<f32>,
}

/// Where to start the search of a step.
#[derive(Clone, Copy)]
pub(super) struct Start {
    pub(super) step: f64,
    /// The root mean square error grows as about this power of the step.
    pub(super) power: f64,
}

/// How many magnitudes, and the sum of their squares.
#[derive(Clone, Copy, Default)]
struct Below {
    count: f64,
    squares: f64,
}

/// A sample of the planes of all levels.
#[derive(Clone)]
pub(super) struct Sample {
    rows: Vec<Rows>,
    slices: usize,
    /// Elements of the field.
    count: f64,
    /// Sum of the squares of what is left out of it.
    dropped: f64,
}

impl Rows {
    fn new(level: &Level, volume: &[f32], slices: usize, budget: usize) -> Self {
        let (h, width) = (level.height, level.width);
        let block = |lens: &[usize], n: usize| if lens[0] < n { lens[0] } else { 1 };
        let up = if h == 1 {
            0
        } else if level.dyadic {
            1
        } else {
            block(&level.y.lens, h)
        };
        let rest = h - up;
        let pairs = (budget / width).max(FEWEST_ROWS).min(rest);
        // Multiples of the golden ratio spread over all frequencies and blocks.
        let at = |k: usize| {
            let place = if pairs == rest { k } else { ((k as f64 * 0.618_033_988_75).fract() * rest as f64) as usize };
            up + place.min(rest - 1)
        };
        let mut values = Vec::with_capacity(slices * pairs * 2 * width);
        for plane in volume.chunks_exact(h * width) {
            for y in (0..pairs).map(at) {
                match up {
                    0 => values.resize(values.len() + width, 0.0),
                    _ => values.extend_from_slice(&plane[(y - up) * width..][..width]),
                }
                values.extend_from_slice(&plane[y * width..][..width]);
            }
        }
        let weight = h as f64 / pairs as f64;
        Self { width, pairs, block: block(&level.x.lens, width), weight, dyadic: level.dyadic, values }
    }
}

impl Sample {
    /// Of the finest level one row in `share`, and as many values of each other level.
    pub(super) fn new(levels: &[Level], volumes: &[Vec<f32>], slices: usize, share: usize) -> Self {
        let budget = levels.first().map_or(0, |l| l.height * l.width / share);
        let rows = levels.iter().zip(volumes).map(|(l, v)| Rows::new(l, v, slices, budget)).collect();
        let count = levels.first().map_or(0, |l| l.height * l.width * slices) as f64;
        Self { rows, slices, count, dropped: 0.0 }
    }

    /// The same after a transform of the slices: `f(values, inner)` does that of rows whose slices have `inner` values, and returns the
    /// sum of the squares of what it leaves out.
    pub(super) fn transformed(&self, f: impl Fn(&mut [f32], usize) -> f64) -> Self {
        let mut sample = self.clone();
        for rows in &mut sample.rows {
            let dropped = f(&mut rows.values, 2 * rows.pairs * rows.width);
            // Every other row stands for some of the field.
            sample.dropped += 0.5 * rows.weight * dropped;
        }
        sample
    }

    /// Estimated bits of the whole at the root mean square error of `aim`, and the quantiser's step for it.
    pub(super) fn bits(&self, aim: Aim) -> (f64, Start) {
        let start = self.start(aim);
        let inverse = (1.0 / start.step) as f32;
        let mut counts = vec![[0.0f64; SYMBOLS]; CLASSES];
        let mut bits = 0.0;
        for rows in &self.rows {
            bits += rows.count(inverse, self.slices, &mut counts);
            for class in &mut counts {
                let total: f64 = class.iter().sum();
                bits += class.iter().filter(|&&n| n > 0.0).map(|n| n * (total / n).log2()).sum::<f64>();
                class.fill(0.0);
            }
        }
        (bits, start)
    }

    /// The quantiser step whose error is about that of `aim`.
    pub(super) fn start(&self, aim: Aim) -> Start {
        let rmse = aim.rmse;
        let sums: Vec<Vec<Below>> = self.rows.iter().map(Rows::sums).collect();
        let error = |step: f64| {
            let limit = 0.7 * step;
            let first = bin(limit as f32);
            let first = first + usize::from(middle(first) < limit);
            let mut sum = 0.0;
            for (below, rows) in sums.iter().zip(&self.rows) {
                let (zeroed, total) = (below[first], below[BINS].count);
                let rest = (total - zeroed.count) * step * step / 12.0;
                sum += match rows.dyadic {
                    true => WAVELET_ERROR * (zeroed.squares * zeroed_weight(zeroed.count, total) + rest),
                    false => zeroed.squares + rest,
                };
            }
            sum
        };
        let all = rmse * rmse * self.count;
        let goal = all - self.dropped.min(aim.most_dropped(self.count));
        let mut step = rmse * 12f64.sqrt();
        while error(step * 1.1) < goal && step < rmse * 100.0 {
            step *= 1.1;
        }
        // Over two octaves: bins are coarse.
        let power = (error(2.0 * step) / error(0.5 * step)).ln() / 16f64.ln();
        let power = if power.is_finite() { power.clamp(0.1, 1.0) } else { 0.6 };
        let further = (goal / error(step)).powf(0.5 / power);
        Start { step: step * if further.is_finite() { further.clamp(1.0, 1.1) } else { 1.0 }, power }
    }
}

impl Rows {
    /// Of the magnitudes below each bin, and below all.
    fn sums(&self) -> Vec<Below> {
        let mut all = Magnitudes::new();
        self.values.chunks_exact(self.width).skip(1).step_by(2).for_each(|row| all.add(row, self.weight));
        let mut below = vec![Below::default(); BINS + 1];
        all.bins().for_each(|(k, c, n)| below[k + 1] = Below { count: n, squares: n * c * c });
        for k in 0..BINS {
            let Below { count, squares } = below[k];
            below[k + 1].count += count;
            below[k + 1].squares += squares;
        }
        below
    }

    /// Adds magnitudes by class of neighbourhood; returns bits of signs and of what is beyond the symbols.
    fn count(&self, inverse: f32, slices: usize, counts: &mut [[f64; SYMBOLS]]) -> f64 {
        let size = self.pairs * 2 * self.width;
        let mut bits = 0.0;
        let near = Near::new(&self.values, self.width, inverse);
        for slice in 0..slices {
            for pair in 0..self.pairs {
                let at = slice * size + pair * 2 * self.width;
                let row = &self.values[at + self.width..][..self.width];
                let before = if slice > 0 { at + self.width - size } else { at };
                let [north, other, here] = [at, before, at + self.width].map(|from| near.row(from / self.width));
                for (part, values) in row.chunks(PART).enumerate() {
                    let x = part * PART;
                    if !(north.any[part]
                        || other.any[part]
                        || here.any[(x.saturating_sub(self.block) / PART)..=part].contains(&true))
                    {
                        // Nothing here or around it: the kept corners aside, all are zeros of the first class.
                        counts[0][0] += self.weight * values.iter().filter(|c| **c != 0.0).count() as f64;
                        continue;
                    }
                    for (x, &c) in (x..).zip(values) {
                        // The kept corners.
                        if c == 0.0 {
                            continue;
                        }
                        let west = if x > 0 { here.magnitudes[x - 1] } else { 0 };
                        let far = if x >= self.block { here.magnitudes[x - self.block] } else { 0 };
                        let [west, far] = [west, far].map(u32::from);
                        let sum = 2 * (west + u32::from(north.magnitudes[x])) + far + u32::from(other.magnitudes[x]);
                        let class = if sum < 4 { sum } else { halves_of_octaves(sum) };
                        let t = sum as f32 * (2.0 / 6.0);
                        let dead_zone = 0.5 + 0.3 / (1.0 + t + 0.5 * t * t);
                        let m = (c.abs() * inverse + (1.0 - dead_zone)) as u32;
                        let symbol = if m < ALONE { m } else { halves_of_octaves(m) + 2 };
                        counts[class as usize][(symbol as usize).min(SYMBOLS - 1)] += self.weight;
                        if m > 0 {
                            bits += self.weight;
                        }
                        if m >= ALONE {
                            bits += self.weight * f64::from(m.ilog2() - 1);
                        }
                    }
                }
            }
        }
        bits
    }
}

/// Twice the binary logarithm, rounded down as if linear between powers of 2; 4 for 4, 6 for 8.
pub(super) const fn halves_of_octaves(n: u32) -> u32 {
    2 * n.ilog2() + (n >> (n.ilog2() - 1) & 1)
}

/// Values of a row looked at together.
const PART: usize = 32;

/// Quantised magnitudes of rows, as their neighbours see them.
struct Near {
    width: usize,
    /// Parts of a row.
    parts: usize,
    magnitudes: Vec<u8>,
    /// Whether any of a part of a row is not 0.
    any: Vec<bool>,
}

/// A row of them.
struct NearRow<'a> {
    magnitudes: &'a [u8],
    any: &'a [bool],
}

impl Near {
    fn new(values: &[f32], width: usize, inverse: f32) -> Self {
        let parts = width.div_ceil(PART);
        let mut magnitudes = vec![0; values.len()];
        let mut any = vec![false; values.len() / width * parts];
        run_wide(
            #[inline(always)]
            || {
                for (to, &c) in magnitudes.iter_mut().zip(values) {
                    *to = (c.abs() * inverse + 0.4).min(255.0) as i32 as u8;
                }
                for (any, row) in any.chunks_mut(parts).zip(magnitudes.chunks(width)) {
                    for (any, part) in any.iter_mut().zip(row.chunks(PART)) {
                        *any = part.iter().fold(0, |all, q| all | q) != 0;
                    }
                }
            },
        );
        Self { width, parts, magnitudes, any }
    }

    fn row(&self, y: usize) -> NearRow<'_> {
        let Self { width, parts, .. } = *self;
        NearRow { magnitudes: &self.magnitudes[y * width..][..width], any: &self.any[y * parts..][..parts] }
    }
}
