//! The low band, bytes to values: a network on a coarse grid, brought up by a spline (paper, multi-scale implicit neural
//! representation).

use super::base::whole;
use crate::arith::{Cpu, Evaluator, Isa, cos_pi, nodes, upsample};
use crate::entropy::{range::Decoder, weights};
use crate::error::Result;
use crate::format::low::{LowParams, on_sphere, outer_lengths};
use crate::format::mid::along;
use crate::format::network::{Network, Quantised};
use crate::format::{Budget, Geometry, Reader, SectionId, Stream};
use crate::worker::Worker;
use std::f64::consts::{PI, TAU};

/// The section's parameters and network.
pub(crate) fn read(mut reader: Reader<'_>, geometry: &Geometry, budget: &mut Budget) -> Result<(LowParams, Network)> {
    let start = reader.offset();
    let params = LowParams::read(&mut reader, geometry)?;
    budget.charge(params.shape.parameters(), points(&params, geometry), start)?;
    let mut quantised = Quantised::zeros(params.shape);
    weights::code(&mut Decoder::new(reader.rest()), &mut quantised);
    Ok((params, quantised.network()))
}

/// Points at which the network is evaluated.
pub(crate) fn points(params: &LowParams, geometry: &Geometry) -> usize {
    let ratio = usize::from(params.ratio);
    (nodes(geometry.height, ratio).saturating_mul(nodes(geometry.width, ratio))).saturating_mul(geometry.slices())
}

/// Values of all elements, in the data's unit and the stream's order.
pub(crate) fn evaluate(params: &LowParams, network: &Network, geometry: &Geometry, worker: &Worker) -> Vec<f32> {
    let ratio = usize::from(params.ratio);
    let size = (geometry.height, geometry.width);
    let n = nodes(size.0, ratio) * nodes(size.1, ratio);
    let mut points = vec![0.0; n * params.shape.inputs()];
    plane_points(geometry, ratio, &mut points);
    let plane_inputs = params.shape.inputs() - outer_lengths(geometry).len();
    let mut grid = vec![0.0; n];
    let mut out = vec![0.0; geometry.slices() * geometry.plane()];
    for (slice, plane) in out.chunks_exact_mut(geometry.plane()).enumerate() {
        for (row, v) in points.chunks_exact_mut(n).skip(plane_inputs).zip(outer_inputs(geometry, slice)) {
            row.fill(v);
        }
        worker.evaluate(network, &points, &mut grid);
        upsample(&mut grid, size, ratio, worker.cpu.isa, plane);
        plane.iter_mut().for_each(|v| *v = *v * params.amplitude + params.offset);
    }
    out
}

/// The outer axes' inputs of a slice: -1 at the first, 1 at the last element.
pub(crate) fn outer_inputs(geometry: &Geometry, slice: usize) -> impl Iterator<Item = f32> {
    let lengths = outer_lengths(geometry);
    let mut inner: usize = lengths.iter().product();
    lengths.into_iter().map(move |n| {
        inner /= n;
        along(slice / inner % n, n)
    })
}

/// Input of a sample, whole or not, of `n` along an axis of a plane that is on no sphere.
fn across(sample: f64, n: usize) -> f32 {
    if n > 1 { (2.0 * sample / (n - 1) as f64 - 1.0) as f32 } else { 0.0 }
}

/// Inputs of the nodes of a plane, one row for each input.
fn plane_points(geometry: &Geometry, ratio: usize, points: &mut [f32]) {
    let (rows, columns) = (nodes(geometry.height, ratio), nodes(geometry.width, ratio));
    let n = rows * columns;
    if !on_sphere(geometry) {
        let sample = |k: usize| k as f64 * ratio as f64 - ratio as f64;
        for i in 0..n {
            points[i] = across(sample(i / columns), geometry.height);
            points[n + i] = across(sample(i % columns), geometry.width);
        }
        return;
    }
    let (h, w) = (geometry.height as u64, geometry.width as u64);
    // Columns at multiples of the full turn over w, from -ratio on.
    let around: Vec<(f64, f64)> = (0..columns as u64)
        .map(|k| {
            let at = 4 * (k * ratio as u64 + (ratio as u64).div_ceil(w) * w - ratio as u64);
            (cos_pi(at, 2 * w), cos_pi(at + 3 * w, 2 * w))
        })
        .collect();
    for (k, row) in (0..n).step_by(columns).enumerate() {
        // Distance from the first pole, over pi: (2 sample + 1) / 2h; before the first row it is negative.
        let at = 2 * (k * ratio) as u64 + 1;
        let distance = at.abs_diff(2 * ratio as u64);
        let before = at < 2 * ratio as u64;
        let z = cos_pi(distance, 2 * h);
        let sine = cos_pi(distance + 3 * h, 2 * h);
        let across = if before { -sine } else { sine };
        for (j, &(cos, sin)) in around.iter().enumerate() {
            points[row + j] = (across * cos) as f32;
            points[n + row + j] = (across * sin) as f32;
            points[2 * n + row + j] = z as f32;
        }
    }
}

/// A plane's inputs at row and column, in ordinary arithmetic.
pub(crate) fn place(geometry: &Geometry, (y, x): (f64, f64)) -> Vec<f32> {
    if on_sphere(geometry) {
        let (h, w) = (geometry.height as f64, geometry.width as f64);
        let (from_pole, around) = (PI * (y + 0.5) / h, TAU * x / w);
        let across = from_pole.sin();
        return vec![(across * around.cos()) as f32, (across * around.sin()) as f32, from_pole.cos() as f32];
    }
    vec![across(y, geometry.height), across(x, geometry.width)]
}

/// The low band of a stream: a network that is a function of position, apart from the rest of the stream.
#[derive(Debug, Clone)]
pub struct LowBand {
    geometry: Geometry,
    params: LowParams,
    network: Network,
    bytes_read: usize,
}

impl LowBand {
    /// Read it from the front of a stream, which may end after it: the checksum is not verified. `None` for streams
    /// without a low band.
    ///
    /// # Errors
    /// `Truncated`, `Corrupt` or `Unsupported`; see [`Error`](crate::Error).
    pub fn read(stream: &[u8]) -> Result<Option<Self>> {
        let front = Stream::read_front(stream)?;
        let Some(section) = whole(&front, SectionId::Low)? else { return Ok(None) };
        let geometry = front.header.geometry();
        let bytes_read = section.offset() + section.rest().len();
        let mut budget = Budget::new(front.header.len());
        let (params, network) = read(section, &geometry, &mut budget)?;
        Ok(Some(Self { geometry, params, network, bytes_read }))
    }

    /// Bytes of the stream that this took, counted from its start.
    #[must_use]
    pub const fn bytes_read(&self) -> usize {
        self.bytes_read
    }

    /// Number of weights and biases.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.params.shape.parameters()
    }

    /// Its values in plane `slice` (of all planes of the last two axes longer than 1, in the stream's order), at
    /// `rows` and `columns` counted in elements of the array, whole or not, in the data's unit: `rows.len()` rows of
    /// `columns.len()` values. Between elements the decoder interpolates instead, so that values there
    /// differ a little; a reference is not added.
    #[must_use]
    pub fn evaluate(&self, slice: usize, rows: &[f64], columns: &[f64]) -> Vec<f32> {
        let outer: Vec<f32> = outer_inputs(&self.geometry, slice).collect();
        let n = rows.len() * columns.len();
        let mut points = vec![0.0; n * self.params.shape.inputs()];
        for (k, at) in rows.iter().flat_map(|&y| columns.iter().map(move |&x| (y, x))).enumerate() {
            let inputs = place(&self.geometry, at).into_iter().chain(outer.iter().copied());
            points.iter_mut().skip(k).step_by(n).zip(inputs).for_each(|(p, v)| *p = v);
        }
        let mut out = vec![0.0; n];
        Cpu { isa: Isa::detect(), threads: 1 }.evaluate(&self.network, &points, &mut out);
        out.iter_mut().for_each(|v| *v = *v * self.params.amplitude + self.params.offset);
        out
    }
}
