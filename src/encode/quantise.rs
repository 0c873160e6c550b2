//! Coefficients to whole numbers, and what that loses.

use super::sums::{energy, peak};
use crate::arith::{Isa, Surroundings, Tally, quantise_row, run_wide};
use crate::format::pyramid::Level;

/// Sums over coefficients.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Statistics {
    count: f64,
    /// Of those that become 0.
    zeros: f64,
    /// Squared errors in squared steps, of those that become 0 and of all others.
    lost: f64,
    rounded: f64,
}

/// The wavelet is not quite orthonormal: squared errors of its coefficients count a little more in the field ..
pub(super) const WAVELET_ERROR: f64 = 1.05;

/// .. and still more where a level is nearly all zero.
pub(super) fn zeroed_weight(zeros: f64, count: f64) -> f64 {
    1.0 + 0.12 * (1.0 - 25.0 * (1.0 - zeros / count)).max(0.0)
}

impl Statistics {
    /// Add a row that becomes 0.
    fn add_zeros(&mut self, width: usize, squares: f64) {
        self.count += width as f64;
        self.zeros += width as f64;
        self.lost += squares;
    }

    fn add_row(&mut self, width: usize, tally: &Tally) {
        self.count += width as f64;
        self.zeros += f64::from(tally.zeros);
        self.lost += f64::from(tally.squares_of_zeros);
        self.rounded += f64::from(tally.squares) - f64::from(tally.squares_of_zeros);
    }

    /// Add those of a level.
    pub(super) fn add_level(&mut self, level: &Level, other: Self) {
        let (lost, rounded) = match level.dyadic {
            true => (WAVELET_ERROR * zeroed_weight(other.zeros, other.count), WAVELET_ERROR),
            false => (1.0, 1.0),
        };
        self.count += other.count;
        self.zeros += other.zeros;
        self.lost += lost * other.lost;
        self.rounded += rounded * other.rounded;
    }

    /// How many are not 0.
    pub(super) fn coded(&self) -> f64 {
        self.count - self.zeros
    }

    /// Sum of squared errors, in squared steps.
    pub(super) fn squared_error(&self) -> f64 {
        self.lost + self.rounded
    }
}

/// How large the coefficients of a row are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) peak: f64,
    /// Sum of their squares.
    energy: f64,
}

impl Extent {
    pub(super) fn of(row: &[f32]) -> Self {
        Self { peak: peak(row, |c| c.abs().into()), energy: energy(row) }
    }
}

/// What is no larger, in steps, becomes 0 whatever its surroundings: the dead zone is wider.
const SURELY_ZERO: f64 = 0.5;

/// Quantises a level's plane row by row, with a dead zone that is wider where the surroundings are quiet.
pub(super) struct RowQuantiser<'a> {
    level: &'a Level,
    /// Steps per unit of the plane.
    inverse: f32,
    isa: Isa,
    /// Distance to the same frequency in the neighbouring blocks.
    block: (usize, usize),
    /// The row between margins.
    here: Vec<f32>,
    scaled: Vec<f32>,
    magnitudes: Vec<f32>,
    pub(super) statistics: Statistics,
}

impl<'a> RowQuantiser<'a> {
    pub(super) fn new(level: &'a Level, inverse: f32, isa: Isa) -> Self {
        let (block, filled) = ((level.y.lens[0], level.x.lens[0]), level.width.next_multiple_of(16));
        Self {
            level,
            inverse,
            isa,
            block,
            here: vec![0.0; filled + 2 * block.1],
            scaled: vec![0.0; filled],
            magnitudes: vec![0.0; filled],
            statistics: Statistics::default(),
        }
    }

    /// Quantise row `y` of a plane into `q`, if that is wanted and anything is not 0: is it? The kept corners are zero and stay so.
    pub(super) fn row(&mut self, plane: &[f32], extents: &[Extent], y: usize, q: Option<&mut [i32]>) -> bool {
        let (h, w) = (self.level.height, self.level.width);
        let inverse = f64::from(self.inverse);
        if extents[y].peak * inverse <= SURELY_ZERO {
            self.statistics.add_zeros(w, extents[y].energy * inverse * inverse);
            return false;
        }
        let row = |y: usize| &plane[y * w..][..w];
        let (by, bx) = self.block;
        self.here[bx..bx + w].copy_from_slice(row(y));
        let around = Surroundings {
            here: &self.here,
            rows: [y.saturating_sub(1), (y + 1).min(h - 1), y.saturating_sub(by), (y + by).min(h - 1)].map(row),
            block: bx,
        };
        let tally = quantise_row(self.isa, &around, w, self.inverse, &mut self.scaled, &mut self.magnitudes);
        self.statistics.add_row(w, &tally);
        let any = (tally.zeros as usize) < w;
        if let Some(q) = q.filter(|_| any) {
            run_wide(
                #[inline(always)]
                || {
                    for ((q, &m), &c) in q.iter_mut().zip(&self.magnitudes).zip(row(y)) {
                        *q = if c < 0.0 { -m } else { m } as i32;
                    }
                },
            );
        }
        any
    }
}
