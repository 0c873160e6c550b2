//! A first look at what the lattice coder would need, far cheaper than its own estimate: the conditional entropy of the
//! residuals of a plain predictor on a few rows. That coder does better, by a third as a rule, so this only tells where it
//! is out of the question.

use super::estimate::halves_of_octaves;
use super::problem::{Problem, Target};
use crate::array::Element;
use std::ops::Range;

/// One row in so many, at most.
const ROWS: usize = 16;
/// Rows looked at, at least, of arrays that have so many.
const FEWEST_ROWS: usize = 64;
/// Magnitudes below this have a symbol of their own; above, each half of an octave has one.
const ALONE: u32 = 32;
const SYMBOLS: usize = 84;
/// Classes of neighbourhoods.
const CLASSES: usize = 64;
/// One row in so many of a few.
const ROWS_OF_FEW: usize = 4;
/// Values of which the least difference tells the step that they are multiples of.
const PICKED: usize = 4096;
/// Largest integer, so that sums of a few do not overflow.
const LARGEST: f64 = (1 << 27) as f64;

/// Residuals by class of neighbourhood.
struct Residuals {
    counts: Vec<[u32; SYMBOLS]>,
    /// Bits of signs and of what is beyond the symbols.
    bits: f64,
}

impl Residuals {
    fn new() -> Self {
        Self { counts: vec![[0; SYMBOLS]; CLASSES], bits: 0.0 }
    }

    /// A row of integers and the one before it, each by the median edge detector (Weinberger et al., "LOCO-I", 2000).
    fn row(&mut self, north: &[i32], here: &[i32]) {
        for x in 1..here.len() {
            let (w, n, nw) = (here[x - 1], north[x], north[x - 1]);
            let ne = north.get(x + 1).map_or(n, |&ne| ne);
            let prediction = (w + n - nw).clamp(w.min(n), w.max(n));
            let near = w.abs_diff(nw) + nw.abs_diff(n) + n.abs_diff(ne);
            let class = if near < 4 { near } else { halves_of_octaves(near) };
            let magnitude = here[x].abs_diff(prediction);
            let symbol = if magnitude < ALONE { magnitude } else { halves_of_octaves(magnitude) + 22 };
            self.counts[class as usize][symbol as usize] += 1;
            self.bits += if magnitude > 0 { 1.0 } else { 0.0 };
            if magnitude >= ALONE {
                self.bits += f64::from(magnitude.ilog2() - 1);
            }
        }
    }

    fn bits(&self) -> f64 {
        let entropy = |counts: &[u32; SYMBOLS]| {
            let total: u32 = counts.iter().sum();
            let bits = |&n: &u32| f64::from(n) * (f64::from(total) / f64::from(n)).log2();
            counts.iter().filter(|n| **n > 0).map(bits).sum::<f64>()
        };
        self.bits + self.counts.iter().map(entropy).sum::<f64>()
    }
}

/// About the bytes of the residuals of a plain predictor, within a slice or from slice to slice.
pub(super) struct Glance {
    pub(super) bytes: f64,
    /// Between the integers.
    step: f64,
}

impl Glance {
    /// `None` where few rows or an unknown lattice tell nothing.
    pub(super) fn new<T: Element>(problem: &Problem<T>) -> Option<Self> {
        if problem.geometry.height < 2 || problem.geometry.width < 8 {
            return None;
        }
        let mut step = step(problem.target)?;
        let (mut bytes, mut rmse) = look(problem, step, None)?;
        if let Target::Rmse(limit) = problem.target {
            // Where most values are the least one, the others may have larger errors.
            for _ in 0..4 {
                if rmse > 0.8 * limit {
                    break;
                }
                step *= (limit / rmse).min(4.0);
                (bytes, rmse) = look(problem, step, None)?;
            }
        }
        Some(Self { bytes, step })
    }

    /// The same if all rows were like some of each slice; 0 where nothing happens in them.
    pub(super) fn of_rows<T: Element>(&self, problem: &Problem<T>, rows: &[Range<usize>]) -> f64 {
        look(problem, self.step, Some(rows)).map_or(0.0, |(bytes, _)| bytes)
    }
}

/// The largest step of integers that keeps a bound, as a rule.
fn step(target: Target) -> Option<f64> {
    match target {
        Target::Lossless => None,
        Target::MaxAbs(eps) => Some(2.0 * eps),
        Target::Rmse(limit) => Some(limit * 12f64.sqrt()),
    }
}

/// Are the values themselves integers times a larger step than the bound asks for? A glance does not know that.
pub(super) fn is_coarse<T: Element>(problem: &Problem<T>) -> bool {
    let Some(step) = step(problem.target) else { return false };
    let stride = (problem.values.len() / PICKED).max(1);
    let mut picked: Vec<f64> = problem.values.iter().step_by(stride).map(|v| v.to_f64()).collect();
    picked.sort_unstable_by(f64::total_cmp);
    picked.windows(2).all(|w| w[0] == w[1] || w[1] - w[0] >= step)
}

/// About the bytes at a step, from all rows or from some of each slice, and the root mean square error.
fn look<T: Element>(problem: &Problem<T>, step: f64, few: Option<&[Range<usize>]>) -> Option<(f64, f64)> {
    let (geometry, (lo, _)) = (&problem.geometry, problem.extremes?);
    let (height, width, slices) = (geometry.height, geometry.width, geometry.slices());
    let (offset, inverse) = (lo.to_f64(), 1.0 / step);
    let index = |v: &T| ((v.to_f64() - offset) * inverse + 0.5).min(LARGEST) as i32;
    let most = if few.is_some() { ROWS_OF_FEW } else { ROWS };
    let stride = (slices * height / FEWEST_ROWS).clamp(1, most);
    let all = 1..height;
    let few = few.unwrap_or(std::slice::from_ref(&all));
    let mut q: [Vec<i32>; 4] = std::array::from_fn(|_| Vec::with_capacity(width));
    let (mut within, mut between) = (Residuals::new(), Residuals::new());
    let (mut rows, mut squares) = (0, 0.0);
    for slice in 0..slices {
        let skipped = (slice + stride / 2) % stride;
        for y in few.iter().flat_map(|rows| (rows.start.max(1) + skipped..rows.end).step_by(stride)) {
            let row = |slice: usize, y: usize| &problem.values[(slice * height + y) * width..][..width];
            let [north, here, north_before, before] = &mut q;
            let earlier = slice.saturating_sub(1);
            for (q, (slice, y)) in [
                (&mut *north, (slice, y - 1)),
                (here, (slice, y)),
                (north_before, (earlier, y - 1)),
                (before, (earlier, y)),
            ] {
                q.clear();
                q.extend(row(slice, y).iter().map(index));
            }
            let [north, here, north_before, before] = &mut q;
            let error = |(v, &q): (&T, &i32)| (v.to_f64() - offset) * inverse - f64::from(q);
            squares += row(slice, y).iter().zip(&*here).map(error).fold(0.0, |sum, e| sum + e * e);
            within.row(north, here);
            if slices > 1 {
                if slice > 0 {
                    north.iter_mut().zip(&*north_before).for_each(|(n, b)| *n -= b);
                    here.iter_mut().zip(&*before).for_each(|(n, b)| *n -= b);
                }
                between.row(north, here);
            }
            rows += 1;
        }
    }
    let bits = if slices > 1 { within.bits().min(between.bits()) } else { within.bits() };
    let rows = f64::from(rows.max(1));
    Some((bits / 8.0 * (slices * height) as f64 / rows, step * (squares / (rows * width as f64)).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::problem::tests::{noise, plane};

    /// Integers times a step are known where the bound asks for a smaller one; other values are not.
    #[test]
    fn coarse_values() {
        let whole = |i| (16.0 * noise(i)).floor();
        let coarse = |value: fn(usize) -> f32, target| is_coarse(&plane(value, 64, 64, target));
        assert!(coarse(whole, Target::MaxAbs(0.01)));
        assert!(coarse(whole, Target::Rmse(0.01)));
        assert!(!coarse(whole, Target::MaxAbs(1.0)));
        assert!(!coarse(whole, Target::Lossless));
        assert!(!coarse(noise, Target::MaxAbs(0.001)));
    }

    /// Rows alone stand for all: noise above, nothing below.
    #[test]
    fn some_rows() {
        let problem = plane(|i| if i < 128 * 64 { noise(i) } else { 0.5 }, 256, 64, Target::MaxAbs(0.001));
        let glance = Glance::new(&problem).unwrap();
        let of = |rows| glance.of_rows(&problem, &[rows]) / glance.bytes;
        assert!((1.8..2.1).contains(&of(0..128)), "{}", of(0..128));
        assert!(of(130..256) == 0.0, "{}", of(130..256));
    }
}
