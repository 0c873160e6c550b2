//! The networks' bands of an array, each fitted to what those before it leave.

use super::low::{self, Design};
use super::mid::{self, Canvas, PassDesign};
use super::problem::{Problem, Target};
use super::time::{self, TimeDesign};
use crate::array::Element;
use crate::decode::base::{Base, join};
use crate::decode::low::points;
use crate::format::low::LowParams;
use crate::format::{Budget, Reader};
use crate::worker::Worker;

/// Sections, and what they stand for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bands {
    pub(crate) low: Vec<u8>,
    pub(crate) mid: Vec<u8>,
    pub(crate) time: Vec<u8>,
    /// Their sum, in the data's unit and the stream's order; empty without any.
    values: Vec<f32>,
}

impl Bands {
    /// Bytes of the sections.
    pub(crate) const fn len(&self) -> usize {
        self.low.len() + self.mid.len() + self.time.len()
    }

    /// With the base `below`.
    pub(crate) fn base(&self, below: Option<&Base>) -> Option<Base> {
        if self.values.is_empty() { below.cloned() } else { Some(join(below, self.values.clone())) }
    }

    /// A low band alone.
    pub(crate) fn low<T: Element>(
        problem: &Problem<T>,
        below: Option<&Base>,
        design: Design,
        worker: &Worker,
    ) -> Option<Self> {
        let value = |i: usize| problem.values[i].to_f64() - below.map_or(0.0, |b| f64::from(b[i]));
        let low = low::fit(value, &problem.geometry, design, worker)?;
        Some(Self { low: low.section, values: low.values, ..Self::default() })
    }

    /// These and a middle band.
    pub(crate) fn with_mid<T: Element>(
        &self,
        problem: &Problem<T>,
        below: Option<&Base>,
        passes: &[PassDesign],
        worker: &Worker,
    ) -> Option<Self> {
        let source = source(problem, below);
        let mut values = self.values.clone();
        values.resize(source.len(), 0.0);
        let mut budget = Budget::new(source.len());
        if !self.low.is_empty() {
            let params = LowParams::read(&mut Reader::new(&self.low, 0), &problem.geometry).ok()?;
            budget.charge(params.shape.parameters(), points(&params, &problem.geometry), 0).ok()?;
        }
        let mut canvas =
            Canvas { source: &source, values: &mut values, geometry: &problem.geometry, budget: &mut budget, worker };
        let mid = mid::fit(&mut canvas, passes, target(problem)?)?;
        Some(Self { mid, values, ..self.clone() })
    }

    /// Frame by frame.
    pub(crate) fn time<T: Element>(
        problem: &Problem<T>,
        below: Option<&Base>,
        design: &TimeDesign,
        worker: &Worker,
    ) -> Option<Self> {
        let source = source(problem, below);
        let time = time::fit(&source, &problem.geometry, design, target(problem)?, worker)?;
        Some(Self { time: time.section, values: time.values, ..Self::default() })
    }
}

/// What the bands are fitted to.
fn source<T: Element>(problem: &Problem<T>, below: Option<&Base>) -> Vec<f32> {
    let value = |(i, v): (usize, &T)| (v.to_f64() - below.map_or(0.0, |b| f64::from(b[i]))) as f32;
    problem.values.iter().enumerate().map(value).collect()
}

/// The RMSE at which a block fits; `None` where none does.
fn target<T: Element>(problem: &Problem<T>) -> Option<f64> {
    match problem.target {
        Target::Lossless => None,
        Target::Rmse(limit) => Some(limit),
        // Evenly spread errors up to the bound.
        Target::MaxAbs(eps) => Some(eps / 3f64.sqrt()),
    }
}
