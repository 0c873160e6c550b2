//! Spatial detail, field to bytes: the points that the base misses (paper, sparse storage; the authors keep them as a CSR
//! matrix too). It holds every detail point by point, so it is for the paper profile and for what is truly sparse.

use super::problem::{Problem, Target};
use crate::array::Element;
use crate::decode::base::Base;
use crate::decode::harmonic::HarmonicField;
use crate::entropy::range::Encoder;
use crate::entropy::sparse::{LARGEST, Sparse};
use crate::format::Writer;
use sprs::CsMatI;

/// The residual's points in whole steps, rows of all planes one after the other.
pub(crate) struct Spatial {
    mean: f64,
    step: f64,
    points: CsMatI<i32, u32>,
}

impl Spatial {
    /// Points that miss half a step, to the nearest multiple of the step.
    fn new<T: Element>(problem: &Problem<T>, base: Option<&Base>, mean: f64, step: f64) -> Self {
        let width = problem.geometry.width;
        let (mut starts, mut columns, mut values) = (vec![0], Vec::new(), Vec::new());
        for (y, row) in problem.values.chunks(width).enumerate() {
            for (x, v) in row.iter().enumerate().filter(|(x, _)| problem.ordinary(y * width + x)) {
                let expected = mean + base.map_or(0.0, |b| f64::from(b[y * width + x]));
                let q = ((v.to_f64() - expected) / step).round();
                if q != 0.0 {
                    columns.push(x as u32);
                    values.push(q.clamp(-f64::from(LARGEST), f64::from(LARGEST)) as i32);
                }
            }
            starts.push(columns.len() as u32);
        }
        Self { mean, step, points: CsMatI::new((starts.len() - 1, width), starts, columns, values) }
    }

    /// For the problem's bound; `None` for lossless ones.
    pub(crate) fn fit<T: Element>(problem: &Problem<T>, base: Option<&Base>) -> Option<Self> {
        let expected = |i: usize| base.map_or(0.0, |b| f64::from(b[i]));
        let sum: f64 = (0..problem.values.len())
            .filter(|&i| problem.ordinary(i))
            .map(|i| problem.values[i].to_f64() - expected(i))
            .sum();
        // With a base the mean is its business.
        let mean = if base.is_some() { 0.0 } else { sum / problem.count.max(1) as f64 };
        match problem.target {
            Target::Lossless => None,
            // Rounding to the type takes a little.
            Target::MaxAbs(eps) => Some(Self::new(problem, base, mean, 2.0 * eps * (1.0 - 1e-6))),
            Target::Rmse(limit) => {
                let rmse = |this: &Self| {
                    let field = this.field(base);
                    problem.rmse(|i| T::from_f64(field.value(i)))
                };
                // All points coded have a step over sqrt(12); where none is, the error is what the base leaves.
                let (mut low, mut high) = (limit * 12f64.sqrt() * 0.98, limit * 64.0);
                let mut best = Self::new(problem, base, mean, low);
                for _ in 0..9 {
                    let step = (low * high).sqrt();
                    let this = Self::new(problem, base, mean, step);
                    if rmse(&this) <= limit {
                        (low, best) = (step, this);
                    } else {
                        high = step;
                    }
                }
                Some(best)
            }
        }
    }

    /// What the decoder makes of it.
    fn field(&self, base: Option<&Base>) -> HarmonicField {
        let width = self.points.cols();
        let mut field = vec![0.0; self.points.rows() * width];
        for (&v, (y, x)) in &self.points {
            field[y as usize * width + x as usize] = v as f32;
        }
        HarmonicField { base: base.cloned(), ..HarmonicField::new(self.mean, self.step, field) }
    }

    /// The section.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::default();
        w.f64(self.mean);
        w.f64(self.step);
        let (mut encoder, mut model) = (Encoder::new(), Sparse::new());
        let mut entries = Vec::new();
        for row in self.points.outer_iterator() {
            entries.clear();
            entries.extend(row.iter().map(|(x, &v)| (x as u32, v)));
            model.row(&mut encoder, self.points.cols(), &mut entries);
        }
        w.bytes(&encoder.finish());
        w.0
    }
}
