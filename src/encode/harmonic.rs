//! Harmonic detail, field to bytes: pyramid, outer axes, quantiser, sparse coefficients.

use super::outer::Outer;
use super::transform::Transformed;
use crate::arith::Isa;
use crate::decode::base::Base;
use crate::decode::harmonic::{HarmonicField, reconstruct, synthesise};
use crate::entropy::bands::{Activity, Bands, MAX_MAGNITUDE, Models};
use crate::entropy::{klt as basis, range::Encoder};
use crate::format::pyramid::{Basis, Level};
use crate::format::{Geometry, HarmonicParams, Writer};
use sprs::CsMatI;

/// The transformed field, ready to be quantised at any step.
pub(crate) struct Analysis {
    geometry: Geometry,
    basis: Basis,
    levels: Vec<Level>,
    /// Per level: (slices, height, width), divided by `scale`.
    volumes: Vec<Vec<f32>>,
    axes: Vec<Outer>,
    /// What was subtracted before.
    base: Option<Base>,
    mean: f64,
    scale: f64,
    /// Where to start the search of the step, in units of `scale`.
    start: f64,
    /// Largest magnitude in `volumes`.
    peak: f32,
}

/// Sums over coefficients by quantised magnitude: 0, 1, 2, 3, 4 and more.
#[derive(Default, Clone, Copy)]
struct Statistics {
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
    #[inline]
    fn add(&mut self, magnitude: f32, c: f32) {
        let class = (magnitude as usize).min(4);
        let e = f64::from(c - magnitude);
        self.count[class] += 1.0;
        self.excess[class] += e;
        self.excess_squared[class] += e * e;
    }

    fn add_all(&mut self, other: &Self, weight: f64) {
        for k in 0..5 {
            self.count[k] += weight * other.count[k];
            self.excess[k] += weight * other.excess[k];
            self.excess_squared[k] += weight * other.excess_squared[k];
        }
    }

    /// Best reconstruction points, in 1/512 step below the magnitude.
    fn shrink(&self) -> [u8; 4] {
        std::array::from_fn(|k| {
            let mean = -self.excess[k + 1] / self.count[k + 1].max(1.0);
            (mean * 512.0).round().clamp(0.0, 255.0) as u8
        })
    }

    /// Sum of squared errors with those points, in squared steps.
    fn squared_error(&self, shrink: [u8; 4]) -> f64 {
        (0..5)
            .map(|k| {
                let r = if k == 0 { 0.0 } else { -f64::from(shrink[k - 1]) / 512.0 };
                self.excess_squared[k] - 2.0 * r * self.excess[k] + self.count[k] * r * r
            })
            .sum()
    }
}

impl Analysis {
    /// Transform `values` (C order, all finite, less the `base` if there is one). `target` is the RMSE to aim at, in the data's unit:
    /// the choice of transforms depends on it. More than one where coding has to tell, the likely best first.
    pub(crate) fn candidates(
        values: impl ExactSizeIterator<Item = f64> + Clone,
        base: Option<Base>,
        geometry: &Geometry,
        target: f64,
        isa: Isa,
    ) -> Vec<Self> {
        let n = values.len() as f64;
        let mean = values.clone().sum::<f64>() / n;
        let peak = values.clone().fold(0.0, |m: f64, v| m.max((v - mean).abs()));
        let scale = if peak > 0.0 { peak } else { 1.0 };
        let field = values.map(|v| ((v - mean) / scale) as f32).collect::<Vec<f32>>();
        let candidates = Transformed::candidates(field, geometry, target / scale, isa);
        candidates.into_iter().map(|t| Self::new(t, base.clone(), geometry, mean, scale)).collect()
    }

    fn new(transformed: Transformed, base: Option<Base>, geometry: &Geometry, mean: f64, scale: f64) -> Self {
        let Transformed { basis, levels, axes, volumes, start, .. } = transformed;
        let peak = volumes.iter().flatten().fold(0.0, |m, &c| c.abs().max(m));
        Self { geometry: geometry.clone(), basis, levels, volumes, axes, base, mean, scale, start, peak }
    }

    /// The step (in the data's unit) whose RMSE is just below `target`, by the coefficients. The search starts at
    /// `start`, or where the sample that chose the basis says.
    pub(crate) fn step_for_rmse(&self, target: f64, start: Option<f64>) -> f64 {
        let n = (self.geometry.slices() * self.geometry.plane()) as f64;
        let goal = target * 0.9965;
        let dropped = self.axes.iter().map(|a| a.dropped).sum::<f64>() * self.scale * self.scale;
        // Step and RMSE of what was tried: the last, the best below and above the goal.
        let (mut last, mut low, mut high) = (None::<(f64, f64)>, None::<(f64, f64)>, None::<(f64, f64)>);
        let mut step = start.unwrap_or(self.start * self.scale);
        for _ in 0..24 {
            let statistics = self.quantise(step, |_, _, _, _| ());
            let lost = statistics.squared_error(statistics.shrink()) * step * step + dropped;
            let rmse = (lost / n).sqrt();
            let here = (step, rmse);
            if rmse <= goal {
                low = Some(here);
                if rmse > goal * 0.997 || rmse == 0.0 {
                    break;
                }
            } else {
                high = Some(here);
            }
            // The RMSE grows as a power of the step: 1 where all is quantised, less where most is zero.
            let other = match (low, high) {
                (Some(l), Some(h)) => Some(if here == l { h } else { l }),
                _ => last,
            };
            let power = other.map_or(0.6, |o| ((rmse / o.1).ln() / (step / o.0).ln()).clamp(0.1, 1.2));
            let ratio = (goal * 0.9985 / rmse).powf(1.0 / power).clamp(0.25, 4.0);
            last = Some(here);
            step *= if ratio.is_finite() { ratio } else { 4.0 };
            if let (Some((l, _)), Some((h, _))) = (low, high)
                && !(step > l && step < h)
            {
                step = (l * h).sqrt();
            }
        }
        low.map_or(step, |l| l.0)
    }

    /// Quantise all coefficients with a dead zone that is wider where the surroundings are quiet.
    /// `f(level, slice, row, q)` receives each row.
    fn quantise(&self, step: f64, mut f: impl FnMut(usize, usize, usize, &[i32])) -> Statistics {
        let inverse = (self.scale / step) as f32;
        let mut total = Statistics::default();
        for (l, level) in self.levels.iter().enumerate() {
            let size = level.height * level.width;
            let mut rows = RowQuantiser::new(level, inverse);
            let mut statistics = Statistics::default();
            for (s, plane) in self.volumes[l].chunks_exact(size).enumerate() {
                for y in 0..level.height {
                    f(l, s, y, rows.quantise(plane, y, &mut statistics));
                }
            }
            if level.dyadic {
                statistics.excess_squared[0] *= zeroed_weight(statistics.count[0], self.volumes[l].len() as f64);
                total.add_all(&statistics, WAVELET_ERROR);
            } else {
                total.add_all(&statistics, 1.0);
            }
        }
        total
    }

    /// What the decoder will make of [`encode`](Self::encode) at this step, without coding anything.
    pub(crate) fn reconstruct(&self, step: f64, isa: Isa) -> HarmonicField {
        let mut quantised: Vec<Vec<i32>> = self.volumes.iter().map(|v| Vec::with_capacity(v.len())).collect();
        let statistics = self.quantise(step, |l, _, _, row| quantised[l].extend_from_slice(row));
        let params = self.params(step, statistics.shrink());
        let mut volumes: Vec<Vec<f32>> = quantised.into_iter().map(|v| reconstruct(v, &params)).collect();
        synthesise(&mut volumes, self.axes.iter().map(|a| &a.inverse), &self.geometry, &self.levels, isa, 1);
        HarmonicField { base: self.base.clone(), mean: self.mean, step, field: volumes.swap_remove(0) }
    }

    fn params(&self, step: f64, shrink: [u8; 4]) -> HarmonicParams {
        let axes = self.axes.iter().map(|a| a.kind).collect();
        HarmonicParams { mean: self.mean, step, basis: self.basis, axes, shrink }
    }

    /// Can every coefficient be held at this step?
    pub(crate) fn fits(&self, step: f64) -> bool {
        f64::from(self.peak) * self.scale / step < f64::from(MAX_MAGNITUDE)
    }

    /// Elements along an outer axis up to the last with a coefficient that is not 0; at least 1.
    fn used(&self, axis: usize, sparse: &[Vec<SparsePlane>]) -> usize {
        let inner: usize = self.geometry.outer[axis + 1..].iter().product();
        let place = |slice: usize| slice / inner % self.geometry.outer[axis];
        let planes = sparse.iter().flat_map(|planes| planes.iter().enumerate());
        planes.filter(|(_, p)| !p.values.is_empty()).map(|(slice, _)| place(slice) + 1).max().unwrap_or(1)
    }

    /// Code at this step (in the data's unit).
    pub(crate) fn encode(&self, step: f64) -> Vec<u8> {
        let slices = self.geometry.slices();
        let mut sparse: Vec<Vec<SparsePlane>> =
            self.levels.iter().map(|l| (0..slices).map(|_| SparsePlane::new(l.width)).collect()).collect();
        let statistics = self.quantise(step, |l, s, _, row| sparse[l][s].push_row(row));
        sparse.iter_mut().flatten().for_each(SparsePlane::shrink);
        let params = self.params(step, statistics.shrink());
        let mut writer = Writer::default();
        params.write(&mut writer);
        let mut encoder = Encoder::new();
        for (axis, klt) in self.axes.iter().enumerate().filter_map(|(i, a)| Some((i, a.klt.as_ref()?))) {
            let n = self.geometry.outer[axis];
            basis::code(&mut encoder, &mut klt.leading(self.used(axis, &sparse)), n);
        }
        code(&mut encoder, &self.levels, sparse, slices);
        writer.bytes(&encoder.finish());
        writer.0
    }
}

/// Range-code quantised planes, given for each level and slice; coarse levels first.
fn code(encoder: &mut Encoder, levels: &[Level], sparse: Vec<Vec<SparsePlane>>, slices: usize) {
    let mut models = Models::new();
    let mut coarser: Vec<Activity> = Vec::new();
    for ((l, level), planes) in levels.iter().enumerate().zip(sparse).rev() {
        let mut bands = Bands::new(level, slices);
        let mut dense = vec![0; level.height * level.width];
        let mut activities = Vec::with_capacity(slices);
        for (slice, plane) in planes.into_iter().enumerate() {
            dense.fill(0);
            for (&value, (y, x)) in &plane.finish() {
                dense[y as usize * level.width + x as usize] = value;
            }
            models.level(encoder, &mut bands, coarser.get(slice), &mut dense);
            if l > 0 {
                activities.push(bands.activity());
            }
            bands.next_slice();
        }
        coarser = activities;
    }
}

/// Quantised coefficients of a plane that passed the threshold, in compressed sparse rows
/// (the paper's sparse storage module).
struct SparsePlane {
    width: usize,
    row_starts: Vec<u32>,
    columns: Vec<u32>,
    values: Vec<i32>,
}

impl SparsePlane {
    fn new(width: usize) -> Self {
        Self { width, row_starts: vec![0], columns: Vec::new(), values: Vec::new() }
    }
    fn push_row(&mut self, row: &[i32]) {
        for (x, &q) in row.iter().enumerate().filter(|&(_, &q)| q != 0) {
            self.columns.push(x as u32);
            self.values.push(q);
        }
        self.row_starts.push(self.columns.len() as u32);
    }
    fn shrink(&mut self) {
        self.columns.shrink_to_fit();
        self.values.shrink_to_fit();
    }
    fn finish(self) -> CsMatI<i32, u32> {
        CsMatI::new((self.row_starts.len() - 1, self.width), self.row_starts, self.columns, self.values)
    }
}

/// Quantises a level's plane row by row.
struct RowQuantiser<'a> {
    level: &'a Level,
    /// Steps per unit of the plane.
    inverse: f32,
    /// Distance to the same frequency in the neighbouring blocks.
    block: (usize, usize),
    activity: Vec<f32>,
    q: Vec<i32>,
}

impl<'a> RowQuantiser<'a> {
    fn new(level: &'a Level, inverse: f32) -> Self {
        Self {
            level,
            inverse,
            block: (level.y.lens[0], level.x.lens[0]),
            activity: vec![0.0; level.width],
            q: vec![0; level.width],
        }
    }

    fn quantise(&mut self, plane: &[f32], y: usize, total: &mut Statistics) -> &[i32] {
        let (h, w) = (self.level.height, self.level.width);
        let row = |y: usize| &plane[y * w..][..w];
        let (by, bx) = self.block;
        let neighbours = [y.saturating_sub(1), (y + 1).min(h - 1), y.saturating_sub(by), (y + by).min(h - 1)].map(row);
        let here = row(y);
        let near = |c: f32| (c.abs() * self.inverse).min(8.0);
        for (x, a) in self.activity.iter_mut().enumerate() {
            *a = near(neighbours[0][x]) + near(neighbours[1][x]) + near(neighbours[2][x]) + near(neighbours[3][x]);
        }
        for d in [1, bx] {
            for x in d..w {
                self.activity[x] += near(here[x - d]);
            }
            for x in 0..w.saturating_sub(d) {
                self.activity[x] += near(here[x + d]);
            }
        }
        for ((q, &c), &a) in self.q.iter_mut().zip(here).zip(&self.activity) {
            let t = a * (2.0 / 8.0);
            // Dead zone from 0.52 (busy) to 0.82 (quiet).
            let dead_zone = 0.52 + 0.30 / (1.0 + t + 0.5 * t * t);
            let magnitude = (c.abs() * self.inverse + (1.0 - dead_zone)) as i32;
            *q = if c < 0.0 { -magnitude } else { magnitude };
        }
        // The kept corners are zero and stay so.
        for (&q, &c) in self.q.iter().zip(here) {
            total.add(q.unsigned_abs() as f32, c.abs() * self.inverse);
        }
        &self.q
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Reader;

    /// Rounds trip through the decoder; the RMSE predicted from the coefficients is the field's, or near it.
    fn check(basis: Basis, values: &[f32], geometry: &Geometry, target: f64) {
        let isa = Isa::detect();
        let transformed = Transformed::new(basis, values.to_vec(), geometry, target, isa);
        let a = Analysis::new(transformed, None, geometry, 0.0, 1.0);
        let step = a.step_for_rmse(target, None);
        assert!(a.fits(step));
        let bytes = a.encode(step);
        let (f, read) = crate::decode::harmonic::decode(Reader::new(&bytes, 0), geometry, isa, 1).unwrap();
        assert!(read + 8 >= bytes.len(), "{read} of {}", bytes.len());
        let sum: f64 =
            values.iter().zip(&f.field).map(|(&v, &y)| (f64::from(v) - (f.mean + f.step * f64::from(y))).powi(2)).sum();
        let rmse = (sum / values.len() as f64).sqrt();
        let (least, most) = if basis == Basis::Lapped { (0.95, 1.01) } else { (0.75, 1.1) };
        assert!(rmse <= most * target && rmse > least * target, "{basis:?} {geometry:?}: {rmse} for {target}");
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
