//! Harmonic detail, field to bytes: pyramid, outer axes, quantiser, coefficients.

use super::aim::Aim;
use super::effort::Effort;
use super::estimate::Start;
use super::outer::Outer;
use super::quantise::{Extent, RowQuantiser, Statistics};
use super::search::Search;
use super::sums::{peak, sum};
use super::transform::Transformed;
use crate::ablation::{Part as Ablated, without};
use crate::arith::{Isa, run_wide};
use crate::array::Element;
use crate::decode::base::Base;
use crate::decode::harmonic::{HarmonicField, synthesise, zeros};
use crate::entropy::bands;
use crate::entropy::coefficient::MAX_MAGNITUDE;
use crate::entropy::part::Part;
use crate::entropy::{klt as basis, range::Encoder};
use crate::format::pyramid::{Basis, Level};
use crate::format::{Cut, Geometry, HarmonicParams, Writer, short};
use std::borrow::Cow;
use std::ops::Range;

/// The transformed field, ready to be quantised at any step.
pub(crate) struct Analysis {
    geometry: Geometry,
    pub(super) basis: Basis,
    /// About the bytes at the root mean square error that was aimed at; 0 where nothing asked for them.
    pub(super) promised: f64,
    levels: Vec<Level>,
    /// Per level: (slices, height, width), divided by `scale`.
    volumes: Vec<Vec<f32>>,
    /// Of their rows.
    extents: Vec<Vec<Extent>>,
    axes: Vec<Outer>,
    /// What was subtracted before.
    base: Option<Base>,
    mean: f64,
    scale: f64,
    /// Where to start the search of the step, in units of `scale`.
    start: Start,
    /// Largest magnitude in `volumes`.
    peak: f64,
    isa: Isa,
}

/// Fewest elements of a field whose levels are in parts for threads: smaller ones gain nothing.
const WORTH_PARTS: usize = 1 << 19;
/// Fewest coefficients of a part that are not 0. Its models learn for themselves: of 5000, parts cost about 0.1 % in bytes.
const LEAST_CODED: f64 = 5e3;
/// What limits the parts of a level.
struct Limits {
    /// Most of them.
    parts: usize,
    /// Fewest rows of blocks of each, in the lapped basis and in the wavelet.
    rows: [usize; 2],
}

const PLANE: Limits = Limits { parts: 4, rows: [5, 40] };
const VOLUME: Limits = Limits { parts: 2, rows: [1, 6] };
/// Fewest slices of a part that has all of their rows: its first one knows nothing of the one before.
const LEAST_SLICES: usize = 4;

/// A step of the quantiser.
#[derive(Clone)]
pub(crate) struct Step {
    /// In the data's unit; a [`short`] number.
    pub(crate) size: f64,
    /// About the coefficients of each level that are not 0.
    coded: Vec<f64>,
    /// About the root mean square error, in the data's unit.
    pub(super) rmse: f64,
    /// The RMSE grows as about this power of the size.
    pub(crate) power: f64,
}

impl Step {
    /// About the coefficients that are not 0.
    pub(super) fn nonzeros(&self) -> f64 {
        self.coded.iter().sum()
    }
}

/// The share of a bound on the mean to aim at.
pub(super) const AIM: f64 = 0.9985;
/// Near enough to what is aimed at, by the coefficients.
const NEAR: Range<f64> = 0.9985..1.001;

/// Coefficients at a step.
pub(crate) struct Quantised {
    /// In the data's unit.
    pub(crate) step: f64,
    /// Of each level.
    levels: Vec<(Cut, Vec<Part>)>,
}

impl Quantised {
    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.levels.iter().flat_map(|(_, parts)| parts)
    }
}

impl Analysis {
    /// Transform `values` (C order, all finite, less the `base` if there is one). The choice of transforms depends on the `aim`, in the data's unit.
    /// More than one where coding has to tell, the likely best first; none
    /// where sums overflow.
    pub(crate) fn candidates<T: Element>(
        values: Cow<'_, [T]>,
        base: Option<Base>,
        geometry: &Geometry,
        aim: Aim,
        effort: Effort,
        isa: Isa,
    ) -> Vec<Self> {
        let mean = short(sum(&values, T::to_f64) / values.len() as f64);
        let peak = peak(&values, |v| (v.to_f64() - mean).abs());
        if !(mean.is_finite() && peak.is_finite()) {
            return Vec::new();
        }
        let scale = if peak > 0.0 { peak } else { 1.0 };
        let field: Vec<f32> = run_wide(
            #[inline(always)]
            || values.iter().map(|&v| ((v.to_f64() - mean) / scale) as f32).collect(),
        );
        drop(values);
        let candidates = Transformed::candidates(field.into(), geometry, aim.scaled(scale), effort, isa);
        candidates.into_iter().map(|t| Self::new(t, base.clone(), geometry, (mean, scale), isa)).collect()
    }

    fn new(
        transformed: Transformed,
        base: Option<Base>,
        geometry: &Geometry,
        (mean, scale): (f64, f64),
        isa: Isa,
    ) -> Self {
        let Transformed { basis, levels, axes, volumes, bits, start } = transformed;
        let extents = |(level, volume): (&Level, &Vec<f32>)| volume.chunks_exact(level.width).map(Extent::of).collect();
        let extents: Vec<Vec<Extent>> = levels.iter().zip(&volumes).map(extents).collect();
        let peak = extents.iter().flatten().map(|e| e.peak).fold(0.0, f64::max);
        let (geometry, promised) = (geometry.clone(), bits / 8.0);
        Self { geometry, basis, promised, levels, volumes, extents, axes, base, mean, scale, start, peak, isa }
    }

    /// The step whose RMSE is about `target` (in the data's unit), by the coefficients. The search starts where the sample that chose
    /// the basis says.
    pub(crate) fn step_for_rmse(&self, target: f64) -> Step {
        let mut search = Search::new(target, self.start.power);
        let mut size = self.start.step * self.scale;
        let mut found = None;
        for _ in 0..24 {
            let step = self.step(size);
            let next = search.next(size, step.rmse);
            if NEAR.contains(&(step.rmse / target)) {
                return Step { size: short(size), power: search.power, ..step };
            }
            if search.low() == Some(size) || found.is_none() {
                found = Some(step);
            }
            match next {
                Some(next) => size = next,
                None => break,
            }
        }
        let found = found.unwrap_or_else(|| self.step(size));
        Step { size: short(search.low().unwrap_or(size)), power: search.power, ..found }
    }

    /// A step of this size.
    pub(crate) fn step(&self, size: f64) -> Step {
        let n = (self.geometry.slices() * self.geometry.plane()) as f64;
        let dropped = self.axes.iter().map(|a| a.dropped).sum::<f64>() * self.scale * self.scale;
        let (statistics, coded) = self.tally(size);
        let rmse = ((statistics.squared_error() * size * size + dropped) / n).sqrt();
        Step { size, coded, rmse, power: 1.0 }
    }

    /// The planes of a level, with the extents of their rows.
    fn planes(&self, l: usize) -> impl Iterator<Item = (&[f32], &[Extent])> {
        let Level { height, width, .. } = self.levels[l];
        self.volumes[l].chunks_exact(height * width).zip(self.extents[l].chunks_exact(height))
    }

    /// What a step of this size makes of all coefficients, and how many of each level are not 0.
    fn tally(&self, size: f64) -> (Statistics, Vec<f64>) {
        let inverse = (self.scale / size) as f32;
        let (mut total, mut coded) = (Statistics::default(), Vec::with_capacity(self.levels.len()));
        for (l, level) in self.levels.iter().enumerate() {
            let mut rows = RowQuantiser::new(level, inverse, self.isa);
            for (plane, extents) in self.planes(l) {
                (0..level.height).for_each(|y| _ = rows.row(plane, extents, y, None));
            }
            coded.push(rows.statistics.coded());
            total.add_level(level, rows.statistics);
        }
        (total, coded)
    }

    /// The coefficients at a step, in parts for threads where these cost little.
    pub(crate) fn quantised(&self, step: &Step) -> Quantised {
        let slices = self.geometry.slices();
        let limits = if slices > 1 { &VOLUME } else { &PLANE };
        let in_parts = slices * self.geometry.plane() >= WORTH_PARTS && !without(Ablated::FinestInParts);
        let quantise = |(l, &coded): (usize, &f64)| {
            let parts = if in_parts { ((coded / LEAST_CODED) as usize).clamp(1, limits.parts) } else { 1 };
            if parts > 1
                && slices >= parts * LEAST_SLICES
                && let Some(whole) = self.level(l, &Cut::Rows(1), step.size).pop()
                && let Some(borders) = borders(&whole.weights(), parts)
            {
                let parts = whole.split(&borders);
                return (Cut::Slices(borders), parts);
            }
            let level = &self.levels[l];
            let cut = Cut::Rows((level.y.lens.len() / limits.rows[usize::from(level.dyadic)]).clamp(1, parts));
            let parts = self.level(l, &cut, step.size);
            (cut, parts)
        };
        Quantised { step: step.size, levels: step.coded.iter().enumerate().map(quantise).collect() }
    }

    /// The coefficients of a level at a step.
    fn level(&self, l: usize, cut: &Cut, step: f64) -> Vec<Part> {
        debug_assert!(step == short(step));
        let level = &self.levels[l];
        let mut rows = RowQuantiser::new(level, (self.scale / step) as f32, self.isa);
        let mut parts = Part::cut(level, self.geometry.slices(), Some(cut));
        for (slice, (plane, extents)) in self.planes(l).enumerate() {
            let parts = parts.iter_mut().filter(|p| p.has(slice));
            parts.for_each(|p| p.fill(slice, |y, row| rows.row(plane, extents, y, Some(row))));
        }
        parts
    }

    /// What the decoder will make of the coefficients, without coding anything.
    pub(crate) fn field(&self, quantised: &Quantised) -> HarmonicField {
        let mut volumes = zeros(&self.levels, &self.geometry);
        for (volume, (_, parts)) in volumes.iter_mut().zip(&quantised.levels) {
            parts.iter().zip(Part::share(parts, volume)).for_each(|(part, rows)| part.scatter(rows));
        }
        synthesise(&mut volumes, self.axes.iter().map(|a| &a.inverse), &self.geometry, &self.levels, self.isa, 1);
        let detail = HarmonicField::new(self.mean, quantised.step, volumes.swap_remove(0));
        HarmonicField { base: self.base.clone(), ..detail }
    }

    /// The coefficients at a step, and what the decoder will make of them.
    pub(crate) fn at(&self, step: &Step) -> (Quantised, HarmonicField) {
        let quantised = self.quantised(step);
        let field = self.field(&quantised);
        (quantised, field)
    }

    fn params(&self, step: f64, cuts: Vec<Cut>) -> HarmonicParams {
        let axes = self.axes.iter().map(|a| a.kind).collect();
        HarmonicParams { mean: self.mean, step, basis: self.basis, cuts, axes }
    }

    /// Can every coefficient be held at this step?
    pub(crate) fn fits(&self, step: f64) -> bool {
        step.is_finite() && self.peak * self.scale / step < f64::from(MAX_MAGNITUDE)
    }

    /// Elements along an outer axis up to the last with a coefficient that is not 0; at least 1.
    fn used(&self, axis: usize, quantised: &Quantised) -> usize {
        let inner: usize = self.geometry.outer[axis + 1..].iter().product();
        let place = |slice: usize| slice / inner % self.geometry.outer[axis];
        let occupied = |slice: &usize| quantised.parts().any(|p| p.occupies(*slice));
        (0..self.geometry.slices()).filter(occupied).map(|slice| place(slice) + 1).max().unwrap_or(1)
    }

    /// Code the coefficients.
    pub(crate) fn code(&self, mut quantised: Quantised) -> Vec<u8> {
        let mut cuts: Vec<Cut> = quantised.levels.iter().map(|(cut, _)| cut.clone()).collect();
        cuts.truncate(cuts.iter().rposition(|cut| cut.parts() > 1).map_or(0, |l| l + 1));
        let params = self.params(quantised.step, cuts);
        let mut encoders: Vec<_> = (0..params.payloads(0)).map(|_| Encoder::new()).collect();
        for (axis, klt) in self.axes.iter().enumerate().filter_map(|(i, a)| Some((i, a.klt.as_ref()?))) {
            let n = self.geometry.outer[axis];
            basis::code(&mut encoders[0], &mut klt.leading(self.used(axis, &quantised)), n);
        }
        let mut detail = bands::Levels::new(&mut encoders, quantised.levels.len(), 0, params.cuts.len());
        for (_, parts) in quantised.levels.iter_mut().rev() {
            detail.code(parts, Vec::new(), Vec::new(), self.geometry.slices(), 1);
        }
        let mut writer = Writer::default();
        params.write(&mut writer);
        let payloads: Vec<_> = encoders.into_iter().map(Encoder::finish).collect();
        payloads[1..].iter().zip(&payloads).for_each(|(_, p)| writer.varint(p.len() as u64));
        payloads.iter().for_each(|p| writer.bytes(p));
        writer.0
    }
}

/// Where to begin parts of slices that weigh so much, if parts are even enough for as many threads.
fn borders(weights: &[usize], parts: usize) -> Option<Vec<usize>> {
    let all: usize = weights.iter().sum();
    let (mut borders, mut largest) = (Vec::new(), 0);
    let (mut before, mut part) = (0, 0);
    for (slice, &weight) in weights.iter().enumerate() {
        // As near as can be to a whole number of equal parts.
        if slice > 0 && borders.len() + 1 < parts && (2 * before + weight) * parts > 2 * (borders.len() + 1) * all {
            borders.push(slice);
            part = 0;
        }
        (before, part) = (before + weight, part + weight);
        largest = largest.max(part);
    }
    (!borders.is_empty() && 5 * parts * largest <= 6 * all).then_some(borders)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Reader;

    /// Rounds trip through the decoder; the RMSE predicted from the coefficients is the field's, or near it.
    fn check(basis: Basis, values: &[f32], geometry: &Geometry, target: f64) {
        let isa = Isa::detect();
        let transformed = Transformed::new(basis, values.into(), geometry, Aim::all(target), Effort::new(5), isa);
        let a = Analysis::new(transformed, None, geometry, (0.0, 1.0), isa);
        let step = a.step_for_rmse(target);
        assert!(a.fits(step.size));
        let bytes = a.code(a.quantised(&step));
        let (f, read) = crate::decode::harmonic::decode(Reader::new(&bytes, 0), geometry, 0, None, isa, 1).unwrap();
        assert!(read + 8 >= bytes.len(), "{read} of {}", bytes.len());
        let sum: f64 =
            values.iter().zip(&f.field).map(|(&v, &y)| (f64::from(v) - (f.mean + f.step * f64::from(y))).powi(2)).sum();
        let rmse = (sum / values.len() as f64).sqrt();
        let (least, most) = if basis == Basis::Lapped { (0.95, 1.01) } else { (0.75, 1.1) };
        assert!(rmse <= most * target && rmse > least * target, "{basis:?} {geometry:?}: {rmse} for {target}");
    }

    /// The field is the same in however many parts its levels are coded, on however many threads, and so is its coarser image.
    #[test]
    fn parts_change_nothing() {
        let geometry = Geometry { outer: vec![3], height: 90, width: 120, periodic: false };
        let coarse = |l: &Level| Geometry { height: l.height, width: l.width, ..geometry.clone() };
        let values: Vec<f32> = (0..3 * 90 * 120).map(|i| ((i % 120) as f32 * 0.3).sin() + (i as f32).sin()).collect();
        let isa = Isa::detect();
        for basis in [Basis::Lapped, Basis::Wavelet] {
            let transformed =
                Transformed::new(basis, values.as_slice().into(), &geometry, Aim::all(0.01), Effort::new(5), isa);
            let a = Analysis::new(transformed, None, &geometry, (0.0, 1.0), isa);
            let step = a.step_for_rmse(0.01);
            let fields = |cuts: Vec<Cut>, threads: usize| {
                let cut = |l| cuts.get(l).cloned().unwrap_or(Cut::Rows(1));
                let levels = (0..a.levels.len()).map(|l| (cut(l), a.level(l, &cut(l), step.size))).collect();
                let bytes = a.code(Quantised { step: step.size, levels });
                let decode = |geometry: &Geometry, finer: usize| {
                    crate::decode::harmonic::decode(Reader::new(&bytes, 0), geometry, finer, None, isa, threads)
                        .unwrap()
                };
                let (whole, small) = (decode(&geometry, 0), decode(&coarse(&a.levels[1]), 1));
                assert!(small.1 < whole.1 && whole.1 <= bytes.len() + 8);
                (whole.0.field, small.0.field)
            };
            let one = fields(Vec::new(), 1);
            let rows = |parts: &[usize]| parts.iter().map(|&n| Cut::Rows(n)).collect::<Vec<_>>();
            let mixed = vec![Cut::Rows(3), Cut::Slices(vec![1, 2]), Cut::Slices(vec![1])];
            let slices = vec![Cut::Slices(vec![2]), Cut::Rows(1), Cut::Slices(vec![1])];
            for cuts in [rows(&[3]), rows(&[1, 2]), rows(&[4, 2]), rows(&[2, 1, 1]), mixed, slices] {
                assert!(fields(cuts.clone(), 1) == one && fields(cuts.clone(), 3) == one, "{basis:?} in {cuts:?}");
            }
        }
    }

    #[test]
    fn slices_part_evenly() {
        assert_eq!(borders(&[1; 6], 3), Some(vec![2, 4]));
        assert_eq!(borders(&[3, 3, 2, 1, 1, 0, 0], 2), Some(vec![2]));
        assert_eq!(borders(&[2, 1, 1, 1, 0], 2), Some(vec![2]));
        for uneven in [&[9, 1, 1, 1][..], &[1, 1, 1], &[0, 5, 0], &[5], &[0, 0]] {
            assert_eq!(borders(uneven, 2), None);
        }
    }

    #[test]
    fn waves_round_trip() {
        for (outer, h, w, periodic) in
            [(vec![], 61, 97, false), (vec![5], 40, 72, true), (vec![], 1, 300, false), (vec![2, 3], 17, 50, false)]
        {
            let geometry = Geometry { outer, height: h, width: w, periodic };
            let values: Vec<f32> = (0..geometry.slices() * h * w)
                .map(|i| {
                    let (x, y) = ((i % w) as f32, (i / w % h) as f32);
                    280.0 + 20.0 * (y * 0.05).cos() + 5.0 * (x * 0.3 + y * 0.1).sin() + (x * y * 0.37).sin()
                })
                .collect();
            for target in [0.5, 0.05, 0.001] {
                check(Basis::Lapped, &values, &geometry, target);
                check(Basis::Wavelet, &values, &geometry, target);
            }
        }
    }
}
