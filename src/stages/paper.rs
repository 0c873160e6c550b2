//! The paper's stages, for its tables.

use crate::arith::{Cpu, Isa};
use crate::config::Config;
use crate::decode::DecodeOptions;
use crate::decode::base::of_stream;
use crate::encode::{Plan, time};
use crate::error::Result;
use crate::format::{Geometry, Stream};
use crate::worker::Worker;

/// What the networks of a stream give without any detail; `None` where there are none. Axes in the stream's order.
///
/// # Errors
/// As [`decode`](crate::decode()).
pub fn networks(stream: &[u8]) -> Result<Option<Vec<f32>>> {
    let base = of_stream(&Stream::read(stream)?, &DecodeOptions::default())?;
    Ok(base.map(|b| b.to_vec()))
}

/// How one frame came out.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// All anew, or from the frame before.
    pub key: bool,
    /// Of what the networks leave.
    pub rmse: f64,
    /// To fit it.
    pub seconds: f64,
}

/// Fit the bands frame by frame along the first axis (paper, temporal residual compression). A frame that leaves more than
/// `threshold` times the RMSE of the last key frame becomes one. `None` where there are no frames or no networks.
#[must_use]
pub fn frames(data: &[f32], shape: &[usize], config: &Config, target: f64, threshold: f64) -> Option<Vec<Frame>> {
    let geometry = Geometry::new(shape, config.periodic);
    let mut design = Plan::new(config, geometry.outer.len()).time?;
    design.threshold = threshold;
    let worker = Worker::open(config.device, Cpu { isa: Isa::detect(), threads: 1 }).ok()?;
    let fitted = time::fit(data, &geometry, &design, target, &worker)?;
    worker.check().ok()?;
    Some(fitted.frames.iter().map(|f| Frame { key: f.key, rmse: f.rmse, seconds: f.seconds }).collect())
}
