//! Which networks a configuration asks for: ours, which are small and stay only where bytes fall, and the paper's.

use super::low::Design;
use super::mid::PassDesign;
use super::recipe::{Recipe, Training};
use super::time::TimeDesign;
use crate::Device;
use crate::config::{Axis, Coder, Config, Profile, Stage};

/// Least effort at which a low band is tried unasked: it takes longer than all the rest and gains 1 percent at best.
const EFFORT_FOR_LOW: u8 = 7;
/// Least effort at which `auto` tries the middle band: it hardly ever pays. Frames one by one never did against a transform
/// along time, so that `auto` leaves them out (`benches/PAPER.md`).
const EFFORT_FOR_MID: u8 = 9;

/// The stages to try.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) low: Option<Design>,
    pub(crate) mid: Vec<PassDesign>,
    pub(crate) time: Option<TimeDesign>,
    /// Detail coder.
    pub(crate) coder: Coder,
    /// Stages that stay even if the stream is larger with them.
    pub(crate) keeps: Keeps,
    /// What fits the networks.
    pub(crate) device: Device,
}

/// See [`Plan::keeps`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keeps {
    pub(crate) low: bool,
    pub(crate) mid: bool,
    pub(crate) time: bool,
}

impl Keeps {
    /// Some stage stays whatever it costs.
    pub(crate) const fn any(self) -> bool {
        self.low || self.mid || self.time
    }
}

impl Plan {
    /// `outer_axes` is how many the chunk has beside rows and columns.
    pub(crate) fn new(config: &Config, outer_axes: usize) -> Self {
        let paper = config.profile == Profile::Paper;
        // Without roles the outermost axis may be anything.
        let has_time = outer_axes > 0 && config.axes.contains(&Axis::Time);
        let tried = |stage: Stage, auto: bool| stage == Stage::On || stage == Stage::Auto && auto;
        let kept = |stage: Stage| stage == Stage::On || stage == Stage::Auto && paper;
        let low = if paper { paper_low(config.effort) } else { Design::SMALL };
        let again = config.split.again()[1];
        let mid = if paper { paper_mid(config.effort, again) } else { small_mid(again) };
        let framed_low = (config.low != Stage::Off).then_some(low);
        let low = tried(config.low, paper || config.effort >= EFFORT_FOR_LOW).then_some(low);
        let mid = if tried(config.mid, paper || config.effort >= EFFORT_FOR_MID) { mid } else { Vec::new() };
        let time = tried(config.time, paper && has_time).then(|| {
            let change = if paper { paper_change(config.effort, again) } else { small_mid(again) };
            TimeDesign { low: framed_low, key: mid.clone(), change, threshold: THRESHOLD }
        });
        Self {
            low,
            mid,
            time,
            coder: if paper && config.coder == Coder::Auto { Coder::Spatial } else { config.coder },
            keeps: Keeps { low: kept(config.low), mid: kept(config.mid), time: kept(config.time) },
            device: config.device,
        }
    }

    /// No stage is tried.
    pub(crate) fn is_empty(&self) -> bool {
        self.low.is_none() && self.mid.is_empty() && self.time.is_none()
    }
}

/// Key frame when a frame leaves this many times the RMSE of the last key frame.
const THRESHOLD: f64 = 1.5;

/// One network of about 200 bytes for a block of many.
fn small_mid(cutoff: f64) -> Vec<PassDesign> {
    vec![PassDesign {
        recipe: Recipe { depth: 2, width: 12, training: Training::Small { exchange: 40.0, bandwidth: None } },
        grid: [1, 2, 2],
        levels: 1,
        samples: 3000,
        fewest: 16.0,
        keep: 0.6,
        cutoff,
    }]
}

/// The paper's training, with fewer steps: `steps` at effort 5, in proportion at others. The authors' published code goes on for
/// up to 20 000 steps (first network) and 2000 (blocks), and stops earlier at a mean error.
fn paper_training(omega: f32, steps: usize, effort: u8) -> Training {
    Training::Adam { omega, steps: (steps * usize::from(effort)).div_ceil(5), batch: 2048 }
}

/// MIM: 3 layers of 256, Omega 14, on a copy at a third of the scale.
fn paper_low(effort: u8) -> Design {
    let recipe = Recipe { depth: 3, width: 256, training: paper_training(14.0, 1500, effort) };
    Design { recipe, ratio: 3, samples: [60_000, 60_000], fewest: 0.1 }
}

/// The residual of MIM on 27 blocks (2 layers, Omega 15), then IDM: an octree of networks with 4 layers of 128, Omega 22.
fn paper_mid(effort: u8, cutoff: f64) -> Vec<PassDesign> {
    let pass = |depth, width, omega, grid, levels| PassDesign {
        recipe: Recipe { depth, width, training: paper_training(omega, 600, effort) },
        grid,
        levels,
        samples: 32_768,
        fewest: 0.5,
        keep: 0.95,
        cutoff,
    };
    vec![pass(2, 256, 15.0, [3, 3, 3], 0), pass(4, 128, 22.0, [1, 1, 1], 2)]
}

/// TRC: 3 layers (Omega 15), then 2 (16), for what changes from frame to frame. Their width is ours.
fn paper_change(effort: u8, cutoff: f64) -> Vec<PassDesign> {
    let pass = |depth, omega| PassDesign {
        recipe: Recipe { depth, width: 64, training: paper_training(omega, 300, effort) },
        grid: [1, 1, 1],
        levels: 1,
        samples: 16_384,
        fewest: 1.0,
        keep: 0.97,
        cutoff,
    };
    vec![pass(3, 15.0), pass(2, 16.0)]
}
