//! Values to lattice payload: which integers, then code them.

use super::packing::{self, half_ulp};
use super::problem::{Problem, Target};
use crate::array::Element;
use crate::decode::NUDGES_PER_ELEMENT;
use crate::entropy::lattice::Lattice;
use crate::entropy::range::{Coder, Counter, Encoder};
use crate::entropy::values::{MAX_NUDGES, Mapping};
use crate::format::{Geometry, Writer};
use std::ops::Range;

/// Largest index that f64 arithmetic keeps apart from its neighbours.
const MAX_INDEX: f64 = 1e15;

/// How a problem becomes integers.
pub(crate) struct Plan {
    mapping: Mapping,
    /// Shift of differences for learning.
    shift: u8,
}

impl Plan {
    pub(crate) fn new<T: Element>(problem: &Problem<T>) -> Self {
        let mapping = choose(problem);
        let shift = learning_shift(problem, &Quantiser::new(&mapping));
        Self { mapping, shift }
    }

    /// The payload.
    pub(crate) fn encode<T: Element>(&self, problem: &Problem<T>) -> Vec<u8> {
        let mut w = Writer::default();
        self.mapping.write(&mut w);
        w.u8(self.shift);
        let mut coder = Encoder::new();
        let mut lattice = Lattice::new(&problem.geometry, self.shift.into());
        let mut q = vec![0i64; lattice.row_len()];
        let mut done = 0;
        while done < problem.values.len() {
            let part = done..done + lattice.row_len();
            done = part.end;
            self.row(problem, part, &mut q, &mut lattice, &mut coder);
        }
        w.bytes(&coder.finish());
        w.0
    }

    /// About how many bytes [`encode`](Self::encode) would take: a quarter of the rows, in bands
    /// spread over the array.
    pub(crate) fn estimate<T: Element>(&self, problem: &Problem<T>) -> usize {
        let width = problem.geometry.width;
        let rows = problem.values.len() / width;
        if rows < 64 {
            return 0;
        }
        let band = (rows / 16).max(8);
        let bands = (rows / (4 * band)).max(1);
        let mut counter = Counter::default();
        let mut q = vec![0i64; width];
        for b in 0..bands {
            let geometry = Geometry { outer: Vec::new(), height: band, ..problem.geometry.clone() };
            let mut lattice = Lattice::new(&geometry, self.shift.into());
            let start = b * (rows - band) / (bands.max(2) - 1);
            for y in start..(start + band).min(rows) {
                self.row(problem, y * width..(y + 1) * width, &mut q, &mut lattice, &mut counter);
            }
        }
        // A band pays for learning anew; a long run does not, and has the slice before to learn from.
        let gain = if problem.geometry.outer.is_empty() { 9 } else { 7 };
        (counter.bytes() as usize * rows / (bands * band)) * gain / 10
    }

    /// Quantise and code one row.
    fn row<T: Element, C: Coder>(
        &self,
        problem: &Problem<T>,
        part: Range<usize>,
        q: &mut [i64],
        lattice: &mut Lattice,
        coder: &mut C,
    ) {
        let quantiser = Quantiser::new(&self.mapping);
        for (q, &v) in q.iter_mut().zip(&problem.values[part.clone()]) {
            *q = quantiser.index(v);
        }
        lattice.row(coder, &mut q[..part.len()], problem.classes.as_ref().map(|c| &c[part]));
    }
}

/// Values to integers.
pub(crate) struct Quantiser<'a> {
    mapping: &'a Mapping,
    inverse: f64,
}

impl<'a> Quantiser<'a> {
    fn new(mapping: &'a Mapping) -> Self {
        let inverse = match *mapping {
            Mapping::Ordinals { .. } => 0.0,
            Mapping::Scaled { step, .. } | Mapping::Nudged { step, .. } => 1.0 / step,
        };
        Self { mapping, inverse }
    }
    #[inline]
    fn index<T: Element>(&self, v: T) -> i64 {
        match *self.mapping {
            Mapping::Ordinals { base, step: 1 } => v.to_ordinal().wrapping_sub(base),
            Mapping::Ordinals { base, step } => {
                let d = i128::from(v.to_ordinal()) - i128::from(base);
                let half = i128::from(step / 2);
                (d + half).div_euclid(step.into()) as i64
            }
            Mapping::Scaled { offset, .. } | Mapping::Nudged { offset, .. } => {
                let x = (v.to_f64() - offset) * self.inverse;
                (if x < 0.0 { x - 0.5 } else { x + 0.5 }) as i64
            }
        }
    }
}

/// The mapping that keeps the target in the fewest levels.
fn choose<T: Element>(problem: &Problem<T>) -> Mapping {
    let Some((lo, hi)) = problem.extremes else { return Mapping::Ordinals { base: 0, step: 1 } };
    let exact = Mapping::Ordinals { base: lo.to_ordinal(), step: 1 };
    if !T::DTYPE.is_float() {
        let Target::MaxAbs(eps) = problem.target else { return exact };
        // Twice the bound and one, as far as 64 bits go.
        let half = eps.floor().min((1u64 << 62) as f64) as u64;
        return Mapping::Ordinals { base: lo.to_ordinal(), step: 2 * half + 1 };
    }
    let rounding = half_ulp(lo).max(half_ulp(hi));
    let packing = packing::find(&problem.values);
    let plain = match problem.target {
        Target::Lossless => None,
        Target::MaxAbs(eps) => Some(2.0 * (eps - rounding) * (1.0 - 1e-9)),
        Target::Rmse(limit) => Some(rmse_step(problem, limit)),
    }
    .filter(|&s| s > 4.0 * rounding && s >= f64::MIN_POSITIVE && problem.range() / s < MAX_INDEX);
    if let (Some(p), Target::Lossless) = (packing, problem.target)
        && !p.exact
    {
        return nudged(problem, p).unwrap_or(exact);
    }
    if let Some(p) = packing {
        let multiple = match problem.target {
            Target::Lossless => Some(1.0),
            Target::MaxAbs(eps) => {
                let half = ((eps - 2.0 * rounding) / p.step).floor();
                Some(2.0 * half.max(0.0) + 1.0).filter(|_| half >= 0.0 || p.exact)
            }
            Target::Rmse(_) => Some(1.0),
        };
        if let Some(m) = multiple.filter(|m| plain.is_none_or(|s| m * p.step >= s)) {
            return Mapping::Scaled { offset: p.offset, step: m * p.step };
        }
    }
    // The least value as origin: indices start at 0.
    plain.map_or(exact, |step| Mapping::Scaled { offset: lo.to_f64(), step })
}

/// Packed data that no offset and step reproduce to the bit: say for each lattice point by how much
/// its values are off.
fn nudged<T: Element>(problem: &Problem<T>, packing: packing::Packing) -> Option<Mapping> {
    let (offset, step) = (packing.offset, packing.step);
    let plain = Mapping::Scaled { offset, step };
    let quantiser = Quantiser::new(&plain);
    let span = quantiser.index(problem.extremes?.1).checked_add(1)?;
    let limit = (NUDGES_PER_ELEMENT * problem.values.len()).min(MAX_NUDGES);
    let span = usize::try_from(span).ok().filter(|&s| s <= limit)?;
    let mut nudges = vec![0i8; span];
    for (i, &v) in problem.values.iter().enumerate() {
        let q = quantiser.index(v);
        let y: T = plain.value(q, (0, 0));
        if problem.ordinary(i) {
            *nudges.get_mut(usize::try_from(q).ok()?)? =
                i8::try_from(v.to_ordinal().wrapping_sub(y.to_ordinal())).unwrap_or(0);
        }
    }
    Some(Mapping::Nudged { offset, step, nudges })
}

/// The step whose measured RMSE is just below the limit. Uniform errors have step / sqrt(12).
fn rmse_step<T: Element>(problem: &Problem<T>, limit: f64) -> f64 {
    let offset = problem.extremes.map_or(0.0, |(lo, _)| lo.to_f64());
    let measure = |step: f64| {
        let mapping = Mapping::Scaled { offset, step };
        let quantiser = Quantiser::new(&mapping);
        problem.rmse(|i| mapping.value(quantiser.index(problem.values[i]), (0, 0)))
    };
    let mut step = limit * 12f64.sqrt() * 0.9995;
    let mut good = 0.0f64;
    for _ in 0..8 {
        let rmse = measure(step);
        if rmse <= limit {
            good = good.max(step);
            if rmse >= 0.985 * limit || rmse == 0.0 {
                break;
            }
        }
        step *= (0.995 * limit / rmse).clamp(0.5, 2.0);
    }
    good
}

/// Shift that brings the typical difference of neighbours to some hundreds.
fn learning_shift<T: Element>(problem: &Problem<T>, quantiser: &Quantiser<'_>) -> u8 {
    let stride = (problem.values.len() / 65_536).max(1);
    let mut sum = 0u128;
    let mut n = 0u128;
    for pair in problem.values.windows(2).step_by(stride) {
        sum += u128::from(quantiser.index(pair[0]).abs_diff(quantiser.index(pair[1])));
        n += 1;
    }
    let mean = (sum / n.max(1)) as u64;
    (64 - mean.leading_zeros()).saturating_sub(9) as u8
}
