//! Fit of low and middle band frame by frame (paper, temporal residual compression).

use super::low::{self, Design};
use super::mid::{Canvas, PassDesign, code, fit_pass, params};
use crate::decode::time::{add_difference, add_low};
use crate::entropy::blocks::Node;
use crate::entropy::prob::Prob;
use crate::entropy::range::Encoder;
use crate::entropy::weights::{self, LARGEST};
use crate::format::mid::{Block, PassParams};
use crate::format::network::Quantised;
use crate::format::time::{TimeParams, frame};
use crate::format::{Budget, Geometry, Writer};
use crate::worker::Worker;
use std::time::Instant;

/// How frames are fitted.
#[derive(Debug, Clone)]
pub(crate) struct TimeDesign {
    pub(crate) low: Option<Design>,
    /// The middle band of key frames, and what changes from frame to frame.
    pub(crate) key: Vec<PassDesign>,
    pub(crate) change: Vec<PassDesign>,
    /// A frame that leaves more than this many times the RMSE of the last key frame becomes a key frame.
    pub(crate) threshold: f64,
}

/// How a frame came out.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "bench"), allow(dead_code))]
pub(crate) struct FrameReport {
    pub(crate) key: bool,
    /// Of what its bands leave.
    pub(crate) rmse: f64,
    pub(crate) seconds: f64,
}

/// Fitted frames.
pub(crate) struct Time {
    pub(crate) section: Vec<u8>,
    /// The sum of the bands, in the stream's order.
    pub(crate) values: Vec<f32>,
    #[cfg_attr(not(feature = "bench"), allow(dead_code))]
    pub(crate) frames: Vec<FrameReport>,
}

/// One way to hold a frame.
struct Attempt {
    key: bool,
    weights: Option<Quantised>,
    /// As coded: whole, or what changes.
    coded: Option<Quantised>,
    /// For each pass.
    trees: Vec<Vec<Node>>,
    middle: Vec<f32>,
    values: Vec<f32>,
    rmse: f64,
    budget: Budget,
}

struct Frames<'a> {
    design: &'a TimeDesign,
    params: TimeParams,
    geometry: Geometry,
    target: f64,
    worker: &'a Worker,
}

/// Fit to `source` (in the data's unit); `None` without an axis of frames, or where the first frame gets no network.
pub(crate) fn fit(
    source: &[f32],
    geometry: &Geometry,
    design: &TimeDesign,
    target: f64,
    worker: &Worker,
) -> Option<Time> {
    let geometry = frame(geometry)?;
    let len = geometry.slices() * geometry.plane();
    let mut before = None;
    let frames = Frames::new(source, geometry, design, target, worker, &mut before)?;
    let mut budget = Budget::new(source.len());
    let mut encoder = Encoder::new();
    let mut key_model = Prob::HALF;
    let (mut values, mut reports) = (Vec::with_capacity(source.len()), Vec::new());
    let mut last_key = f64::INFINITY;
    let mut last: Option<Attempt> = None;
    for source in source.chunks_exact(len) {
        let start = Instant::now();
        let changed = last.as_ref().and_then(|last| frames.change(source, last, budget));
        let attempt = match changed {
            Some(a) if a.rmse <= design.threshold * last_key.max(target) => a,
            other => {
                let key = frames.key(source, before.take(), budget);
                // Nothing may be left of the budget for a key frame.
                match (key, other) {
                    (Some(key), _) => key,
                    (None, Some(other)) => other,
                    (None, None) => return None,
                }
            }
        };
        if attempt.key {
            last_key = attempt.rmse;
        }
        frames.encode(&attempt, &mut encoder, &mut key_model);
        budget = attempt.budget;
        values.extend_from_slice(&attempt.values);
        reports.push(FrameReport { key: attempt.key, rmse: attempt.rmse, seconds: start.elapsed().as_secs_f64() });
        last = Some(attempt);
    }
    let mut writer = Writer::default();
    frames.params.write(&mut writer);
    writer.bytes(&encoder.finish());
    Some(Time { section: writer.0, values, frames: reports })
}

impl<'a> Frames<'a> {
    /// With parameters that suit the first frame and the first change. `network` is left that frame's low band.
    fn new(
        source: &[f32],
        geometry: Geometry,
        design: &'a TimeDesign,
        target: f64,
        worker: &'a Worker,
        network: &mut Option<Quantised>,
    ) -> Option<Self> {
        let len = geometry.slices() * geometry.plane();
        let first = source.get(..len)?;
        let low = match design.low {
            None => None,
            Some(low) => low::fit_network(|i| first[i].into(), &geometry, low, worker).map(|(params, q)| {
                *network = Some(q);
                params
            }),
        };
        let mut budget = Budget::new(source.len());
        let mut values = vec![0.0; len];
        if let (Some(low), Some(weights)) = (&low, &network) {
            add_low(low, weights, &geometry, worker, &mut budget, 0, &mut values).ok()?;
        }
        let passes = |source: &[f32], values: &mut [f32], designs: &[PassDesign]| -> Vec<PassParams> {
            let mut budget = budget;
            let canvas = Canvas { source, values, geometry: &geometry, budget: &mut budget, worker };
            designs.iter().filter_map(|d| params(&canvas, d)).collect()
        };
        let key = passes(first, &mut values, &design.key);
        let change = match source.get(len..2 * len) {
            None => Vec::new(),
            Some(second) => passes(second, &mut first.to_vec(), &design.change),
        };
        let suits = key.len() == design.key.len() && (change.len() == design.change.len() || source.len() < 2 * len);
        let params = TimeParams { low, key, change };
        (suits && (params.low.is_some() || !params.key.is_empty())).then_some(Self {
            design,
            params,
            geometry,
            target,
            worker,
        })
    }

    /// All anew. `weights` may hold the low band already.
    fn key(&self, source: &[f32], weights: Option<Quantised>, budget: Budget) -> Option<Attempt> {
        let weights = match (&self.params.low, self.design.low, weights) {
            (Some(_), _, Some(weights)) => Some(weights),
            (Some(params), Some(design), None) => {
                Some(low::fit_again(params, |i| source[i].into(), &self.geometry, design, self.worker))
            }
            _ => None,
        };
        let middle = vec![0.0; source.len()];
        self.attempt(source, true, weights.clone(), weights, middle, budget)
    }

    /// From the frame before.
    fn change(&self, source: &[f32], last: &Attempt, budget: Budget) -> Option<Attempt> {
        let (mut weights, mut coded) = (None, None);
        if let (Some(params), Some(design), Some(before)) = (self.params.low, self.design.low, &last.weights) {
            let wanted =
                low::refit(&(params, before.clone()), |i| source[i].into(), &self.geometry, design, self.worker);
            let mut difference = wanted.clone();
            difference.steps.fill([0; 2]);
            let largest = LARGEST as i32;
            let pairs = difference.integers.iter_mut().zip(&before.integers);
            pairs.for_each(|(d, b)| *d = (*d - b).clamp(-largest, largest));
            let mut after = before.clone();
            add_difference(&mut after, &difference);
            (weights, coded) = (Some(after), Some(difference));
        }
        self.attempt(source, false, weights, coded, last.middle.clone(), budget)
    }

    fn attempt(
        &self,
        source: &[f32],
        key: bool,
        weights: Option<Quantised>,
        coded: Option<Quantised>,
        mut middle: Vec<f32>,
        mut budget: Budget,
    ) -> Option<Attempt> {
        let mut values = vec![0.0; source.len()];
        if let (Some(low), Some(weights)) = (&self.params.low, &weights) {
            add_low(low, weights, &self.geometry, self.worker, &mut budget, 0, &mut values).ok()?;
        }
        let left: Vec<f32> = source.iter().zip(&values).map(|(s, v)| s - v).collect();
        let designs = if key { &self.design.key } else { &self.design.change };
        let mut canvas = Canvas {
            source: &left,
            values: &mut middle,
            geometry: &self.geometry,
            budget: &mut budget,
            worker: self.worker,
        };
        let passes = self.passes(key);
        let trees = passes.iter().zip(designs).map(|(&p, d)| fit_pass(&mut canvas, d, p, self.target)).collect();
        let rmse = canvas.rmse(&Block::roots(&self.geometry, [1; 3])[0]);
        values.iter_mut().zip(&middle).for_each(|(v, m)| *v += m);
        Some(Attempt { key, weights, coded, trees, middle, values, rmse, budget })
    }

    fn passes(&self, key: bool) -> &[PassParams] {
        if key { &self.params.key } else { &self.params.change }
    }

    fn encode(&self, attempt: &Attempt, encoder: &mut Encoder, key_model: &mut Prob) {
        key_model.code(encoder, attempt.key);
        if let Some(coded) = &attempt.coded {
            weights::code(encoder, &mut coded.clone());
        }
        for (params, tree) in self.passes(attempt.key).iter().zip(&attempt.trees) {
            code(encoder, params, tree, &self.geometry);
        }
    }
}
