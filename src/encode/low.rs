//! Fit of the low band: one small network to a coarse copy of the chunk (paper, multi-scale implicit neural representation).

use super::recipe::{Recipe, Start, Training};
use super::siren::Samples;
use crate::decode::low::{evaluate, outer_inputs, place};
use crate::entropy::{range::Encoder, weights};
use crate::format::low::{LowParams, inputs};
use crate::format::network::Quantised;
use crate::format::{Geometry, Writer};
use crate::worker::Worker;

/// A fitted low band.
pub(crate) struct Low {
    pub(crate) section: Vec<u8>,
    /// Its values, in the stream's order.
    pub(crate) values: Vec<f32>,
}

/// The network's size and the spacing of the grid it is evaluated on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Design {
    pub(crate) recipe: Recipe,
    pub(crate) ratio: u8,
    /// Samples that a network for one plane, and for several, is fitted to.
    pub(crate) samples: [usize; 2],
    /// Fewest samples for each parameter.
    pub(crate) fewest: f64,
}

impl Design {
    /// What pays most often: about 350 bytes.
    pub(crate) const SMALL: Self = Self {
        recipe: Recipe { depth: 3, width: 12, training: Training::Small { exchange: 200.0, bandwidth: None } },
        ratio: 3,
        samples: [4000, 12_000],
        fewest: 2.0,
    };
}

/// Fit to `values` (C order, all finite); `None` where a fit makes no sense: constants, and planes that are hardly larger than
/// the network.
pub(crate) fn fit(values: impl Fn(usize) -> f64, geometry: &Geometry, design: Design, worker: &Worker) -> Option<Low> {
    let (params, quantised) = fit_network(values, geometry, design, worker)?;
    let mut writer = Writer::default();
    params.write(&mut writer);
    let mut encoder = Encoder::new();
    weights::code(&mut encoder, &mut quantised.clone());
    writer.bytes(&encoder.finish());
    Some(Low { section: writer.0, values: evaluate(&params, &quantised.network(), geometry, worker) })
}

/// As [`fit`], the network alone.
pub(crate) fn fit_network(
    values: impl Fn(usize) -> f64,
    geometry: &Geometry,
    design: Design,
    worker: &Worker,
) -> Option<(LowParams, Quantised)> {
    let shape = design.recipe.shape(inputs(geometry))?;
    let coarse = Coarse::new(values, geometry, design.samples);
    if (coarse.means.len() as f64) < design.fewest * shape.parameters() as f64 {
        return None;
    }
    let mean = coarse.means.iter().sum::<f64>() / coarse.means.len() as f64;
    let peak = coarse.means.iter().fold(0.0f64, |m, v| m.max((v - mean).abs()));
    let params = LowParams { shape, ratio: design.ratio, offset: mean as f32, amplitude: peak as f32 };
    if !(params.offset.is_finite() && params.amplitude.is_finite() && params.amplitude > 0.0) {
        return None;
    }
    Some((params, coarse.fit(&params, geometry, design, worker)))
}

/// The network of other values under parameters that stay.
pub(crate) fn fit_again(
    params: &LowParams,
    values: impl Fn(usize) -> f64,
    geometry: &Geometry,
    design: Design,
    worker: &Worker,
) -> Quantised {
    Coarse::new(values, geometry, design.samples).fit(params, geometry, design, worker)
}

/// The network of other values, trained on from `before`.
pub(crate) fn refit(
    before: &(LowParams, Quantised),
    values: impl Fn(usize) -> f64,
    geometry: &Geometry,
    design: Design,
    worker: &Worker,
) -> Quantised {
    let (params, network) = before;
    let coarse = Coarse::new(values, geometry, design.samples);
    let targets = coarse.targets(params);
    design.recipe.remake(network, &Samples::new(params.shape, &coarse.points, &targets), worker.cpu.isa).0
}

/// Means over blocks, and where they lie.
struct Coarse {
    means: Vec<f64>,
    /// `[inputs][n]`.
    points: Vec<f32>,
}

impl Coarse {
    fn new(values: impl Fn(usize) -> f64, geometry: &Geometry, samples: [usize; 2]) -> Self {
        let (h, w) = (geometry.height, geometry.width);
        let wanted = samples[usize::from(geometry.slices() > 1)];
        // Of many slices some, of each plane square blocks.
        let slices = geometry.slices().min(64);
        let block = ((h * w * slices) as f64 / wanted as f64).sqrt().round().max(1.0) as usize;
        let (rows, columns) = (h.div_ceil(block), w.div_ceil(block));
        let mut means = Vec::with_capacity(slices * rows * columns);
        let mut points = vec![Vec::with_capacity(means.capacity()); inputs(geometry)];
        for k in 0..slices {
            let slice = if slices > 1 { k * (geometry.slices() - 1) / (slices - 1) } else { 0 };
            let outer: Vec<f32> = outer_inputs(geometry, slice).collect();
            for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
                let (y0, x0) = (i * h / rows, j * w / columns);
                let (y1, x1) = ((i + 1) * h / rows, (j + 1) * w / columns);
                let at = |y: usize, x: usize| values((slice * h + y) * w + x);
                let sum: f64 = (y0..y1).flat_map(|y| (x0..x1).map(move |x| (y, x))).map(|(y, x)| at(y, x)).sum();
                means.push(sum / ((y1 - y0) * (x1 - x0)) as f64);
                let middle = (0.5 * (y0 + y1 - 1) as f64, 0.5 * (x0 + x1 - 1) as f64);
                let place = place(geometry, middle);
                points.iter_mut().zip(place.into_iter().chain(outer.iter().copied())).for_each(|(p, v)| p.push(v));
            }
        }
        Self { means, points: points.concat() }
    }

    /// A network of the means.
    fn fit(&self, params: &LowParams, geometry: &Geometry, design: Design, worker: &Worker) -> Quantised {
        let targets = self.targets(params);
        let samples = Samples::new(params.shape, &self.points, &targets);
        let recipe = design.recipe.for_slices(geometry.slices());
        recipe.make(&samples, params.shape, Start::Random, geometry.slices() * geometry.plane(), worker).0
    }

    /// The means as outputs.
    fn targets(&self, params: &LowParams) -> Vec<f32> {
        let (offset, amplitude) = (f64::from(params.offset), f64::from(params.amplitude));
        self.means.iter().map(|v| ((v - offset) / amplitude) as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arith::{Cpu, Isa};
    use crate::decode::low::read;
    use crate::format::{Budget, Reader};
    use std::f64::consts::{PI, TAU};

    fn cpu(isa: Isa, threads: usize) -> Worker {
        Worker::cpu(Cpu { isa, threads })
    }

    fn check(geometry: &Geometry, wave: impl Fn(f64, f64, f64) -> f64, share: f64) {
        let (h, w) = (geometry.height, geometry.width);
        let value = |i: usize| {
            let slice = (i / (h * w)) as f64 / geometry.slices() as f64;
            250.0 + 40.0 * wave(slice, (i / w % h) as f64 / h as f64, (i % w) as f64 / w as f64)
        };
        let low = fit(value, geometry, Design::SMALL, &cpu(Isa::detect(), 1)).unwrap();
        let n = geometry.slices() * h * w;
        let mean = (0..n).map(value).sum::<f64>() / n as f64;
        let (mut left, mut all) = (0.0, 0.0);
        for (i, &v) in low.values.iter().enumerate() {
            left += (value(i) - f64::from(v)).powi(2);
            all += (value(i) - mean).powi(2);
        }
        assert!(left < share * all, "{left} of {all}");
        assert!(low.section.len() < 600, "{}", low.section.len());
        let budget = &mut Budget::new(n);
        let (params, network) = read(Reader::new(&low.section, 0), geometry, budget).unwrap();
        for isa in Isa::ALL.into_iter().filter(|i| i.supported()) {
            let again = evaluate(&params, &network, geometry, &cpu(isa, 2));
            assert!(again.iter().zip(&low.values).all(|(a, b)| a.to_bits() == b.to_bits()), "{isa:?}");
        }
    }

    #[test]
    fn smooth_fields_are_mostly_low() {
        let globe = Geometry { outer: vec![], height: 91, width: 180, periodic: true };
        check(&globe, |_, y, x| (PI * y).sin() * (TAU * (x + 0.3)).cos() + 0.8 * (3.0 * PI * y).cos(), 0.01);
        let region = Geometry { outer: vec![], height: 90, width: 130, periodic: false };
        check(&region, |_, y, x| (4.0 * y).sin() * (5.0 * x + 1.0).cos() + x, 0.01);
        let hours = Geometry { outer: vec![5], height: 46, width: 90, periodic: true };
        check(&hours, |t, y, x| (PI * y).sin() * (TAU * (x + t)).cos() + t, 0.02);
    }

    #[test]
    fn constants_and_small_planes_have_none() {
        let plane = |h, w| Geometry { outer: vec![], height: h, width: w, periodic: false };
        assert!(fit(|_| 3.0, &plane(90, 90), Design::SMALL, &cpu(Isa::detect(), 1)).is_none());
        assert!(fit(|i| i as f64, &plane(20, 20), Design::SMALL, &cpu(Isa::detect(), 1)).is_none());
    }
}
