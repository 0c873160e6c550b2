//! Coefficients to whole numbers, and what that loses.

use crate::ablation::{Part, without};
use crate::arith::{Isa, Surroundings, Tally, quantise_row, run_wide};
use crate::format::pyramid::Level;

/// Sums over coefficients by quantised magnitude: 0, 1, 2, 3, 4 and more.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Statistics {
    count: [f64; 5],
    /// Sum of (|c| - magnitude), in steps.
    excess: [f64; 5],
    excess_squared: [f64; 5],
}

/// The wavelet is not quite orthonormal: squared errors of its coefficients count a little more in the field ..
pub(super) const WAVELET_ERROR: f64 = 1.05;

/// .. and still more where a level is nearly all zero.
pub(super) fn zeroed_weight(zeros: f64, count: f64) -> f64 {
    1.0 + 0.12 * (1.0 - 25.0 * (1.0 - zeros / count)).max(0.0)
}

impl Statistics {
    fn add_row(&mut self, tally: &Tally) {
        let add = |sums: &mut [f64; 5], below: &[f32; 5]| {
            for k in 0..5 {
                sums[k] += f64::from(below[k]) - if k > 0 { f64::from(below[k - 1]) } else { 0.0 };
            }
        };
        add(&mut self.count, &tally.count);
        add(&mut self.excess, &tally.excess);
        add(&mut self.excess_squared, &tally.excess_squared);
    }

    /// Add those of a level.
    pub(super) fn add_level(&mut self, level: &Level, mut other: Self) {
        let mut weight = 1.0;
        if level.dyadic {
            other.excess_squared[0] *= zeroed_weight(other.count[0], other.count.iter().sum());
            weight = WAVELET_ERROR;
        }
        for k in 0..5 {
            self.count[k] += weight * other.count[k];
            self.excess[k] += weight * other.excess[k];
            self.excess_squared[k] += weight * other.excess_squared[k];
        }
    }

    /// How many are not 0.
    pub(super) fn coded(&self) -> f64 {
        self.count[1..].iter().sum()
    }

    /// Best reconstruction points, in 1/512 step below the magnitude.
    pub(super) fn shrink(&self) -> [u8; 4] {
        std::array::from_fn(|k| {
            let mean = -self.excess[k + 1] / self.count[k + 1].max(1.0);
            let most = if without(Part::Centroids) { 0.0 } else { 255.0 };
            (mean * 512.0).round().clamp(0.0, most) as u8
        })
    }

    /// Sum of squared errors with those points, in squared steps.
    pub(super) fn squared_error(&self, shrink: [u8; 4]) -> f64 {
        (0..5)
            .map(|k| {
                let r = if k == 0 { 0.0 } else { -f64::from(shrink[k - 1]) / 512.0 };
                self.excess_squared[k] - 2.0 * r * self.excess[k] + self.count[k] * r * r
            })
            .sum()
    }
}

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

    /// Quantise row `y` of a plane into `q`, if that is wanted. The kept corners are zero and stay so.
    pub(super) fn row(&mut self, plane: &[f32], y: usize, q: Option<&mut [i32]>) {
        let (h, w) = (self.level.height, self.level.width);
        let row = |y: usize| &plane[y * w..][..w];
        let (by, bx) = self.block;
        self.here[bx..bx + w].copy_from_slice(row(y));
        let around = Surroundings {
            here: &self.here,
            rows: [y.saturating_sub(1), (y + 1).min(h - 1), y.saturating_sub(by), (y + by).min(h - 1)].map(row),
            block: bx,
        };
        let tally = quantise_row(self.isa, &around, w, self.inverse, &mut self.scaled, &mut self.magnitudes);
        self.statistics.add_row(&tally);
        if let Some(q) = q {
            run_wide(
                #[inline(always)]
                || {
                    for ((q, &m), &c) in q.iter_mut().zip(&self.magnitudes).zip(row(y)) {
                        *q = if c < 0.0 { -m } else { m } as i32;
                    }
                },
            );
        }
    }
}
