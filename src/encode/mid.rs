//! Fit of the middle band: networks on the blocks that miss the target, in an octree (paper, iterative decomposition and the
//! residual networks of the multi-scale stage).

use super::recipe::{Recipe, Start};
use super::siren::Samples;
use super::split::below;
use super::waves::strongest;
use crate::decode::mid::evaluate;
use crate::entropy::blocks::{self, Node};
use crate::entropy::range::Encoder;
use crate::format::mid::{Block, MAX_DEPTH, PassParams, inputs, write_passes};
use crate::format::network::Quantised;
use crate::format::{Budget, Geometry, Writer};
use crate::worker::Worker;

/// A block whose residual has less than this share of its variance below the upper cut-off is left to the detail.
const LEAST_BELOW: f64 = 0.1;

/// One pass over the chunk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PassDesign {
    pub(crate) recipe: Recipe,
    /// Roots along slices, rows and columns.
    pub(crate) grid: [u8; 3],
    /// Splits from a root to a leaf at most.
    pub(crate) levels: usize,
    /// Samples that a network is fitted to at most.
    pub(crate) samples: usize,
    /// Fewest elements of a block for each parameter of its network.
    pub(crate) fewest: f64,
    /// A network stays when it leaves at most this share of the RMSE.
    pub(crate) keep: f64,
    /// Upper cut-off of the harmonic decomposition of blocks that do not fit, in cycles along an axis.
    pub(crate) cutoff: f64,
}

/// What a band is fitted to, and what is there of it.
pub(crate) struct Canvas<'a> {
    /// In the data's unit, the stream's order.
    pub(crate) source: &'a [f32],
    /// As the decoder has them so far.
    pub(crate) values: &'a mut [f32],
    pub(crate) geometry: &'a Geometry,
    pub(crate) budget: &'a mut Budget,
    pub(crate) worker: &'a Worker,
}

/// The section of the passes, whose networks are added to the canvas; `None` when no block gets a network.
pub(crate) fn fit(canvas: &mut Canvas<'_>, designs: &[PassDesign], target: f64) -> Option<Vec<u8>> {
    let (mut passes, mut trees) = (Vec::new(), Vec::new());
    for design in designs {
        if let Some(params) = params(canvas, design) {
            trees.push(fit_pass(canvas, design, params, target));
            passes.push(params);
        }
    }
    if !trees.iter().flatten().any(|n| n.network.is_some()) {
        return None;
    }
    let mut writer = Writer::default();
    write_passes(&mut writer, &passes);
    let mut encoder = Encoder::new();
    passes.iter().zip(&trees).for_each(|(p, t)| code(&mut encoder, p, t, canvas.geometry));
    writer.bytes(&encoder.finish());
    Some(writer.0)
}

/// The parameters of a pass over a canvas; `None` where nothing is left or there is no such network.
pub(crate) fn params(canvas: &Canvas<'_>, design: &PassDesign) -> Option<PassParams> {
    let shape = design.recipe.shape(inputs(canvas.geometry))?;
    let whole = Block::roots(canvas.geometry, [1; 3]).pop()?;
    let amplitude = 4.0 * canvas.rmse(&whole) as f32;
    (amplitude.is_normal()).then_some(PassParams { shape, grid: design.grid, amplitude })
}

/// Code the nodes of a pass.
pub(crate) fn code(encoder: &mut Encoder, params: &PassParams, nodes: &[Node], geometry: &Geometry) {
    // The fit has kept the budget.
    let mut budget = Budget::new(usize::MAX);
    let roots = Block::roots(geometry, params.grid);
    let kept = blocks::code(encoder, roots, params.shape, nodes, &mut budget, 0, |_, _| ());
    debug_assert!(kept.is_ok());
}

/// Fit the blocks that miss the target, and add their networks to the canvas. The nodes in the order of the stream.
pub(crate) fn fit_pass(canvas: &mut Canvas<'_>, design: &PassDesign, params: PassParams, target: f64) -> Vec<Node> {
    let goal = canvas.source.to_vec();
    let mut fit = Fit { canvas, design, params, target, goal, nodes: Vec::new() };
    for root in Block::roots(fit.canvas.geometry, params.grid) {
        fit.visit(root, 0);
    }
    fit.nodes
}

struct Fit<'a, 'b> {
    canvas: &'a mut Canvas<'b>,
    design: &'a PassDesign,
    params: PassParams,
    target: f64,
    /// What the next networks are fitted to: the source, in parts of blocks that did not fit its lower harmonics.
    goal: Vec<f32>,
    nodes: Vec<Node>,
}

impl Fit<'_, '_> {
    /// A block. If it does not fit what is left of it is decomposed again: its higher harmonics are left to the detail, its lower
    /// ones to the blocks that it is split into. True if any block got a network.
    fn visit(&mut self, block: Block, depth: usize) -> bool {
        let at = self.nodes.len();
        self.nodes.push(Node { block: block.clone(), network: None, split: false });
        let before = self.canvas.rmse(&block);
        if before <= self.target || !self.room(&block) {
            return false;
        }
        if let Some(network) = self.network(&block, before) {
            self.nodes[at].network = Some(network);
        }
        let children = block.children();
        let smallest = children.iter().map(Block::len).min().unwrap_or(0);
        let deeper = depth < self.design.levels.min(MAX_DEPTH) && self.enough(smallest);
        if deeper && self.canvas.rmse(&block) > self.target && self.decompose(&block) >= LEAST_BELOW {
            let start = self.nodes.len();
            let mut any = false;
            for child in children {
                any |= self.visit(child, depth + 1);
            }
            self.nodes[at].split = any;
            if !any {
                self.nodes.truncate(start);
            }
        }
        self.nodes[at].network.is_some() || self.nodes[at].split
    }

    /// Make the lower harmonics of what is left in a block the goal there; their share of its variance.
    fn decompose(&mut self, block: &Block) -> f64 {
        let (canvas, columns) = (&self.canvas, block.columns.len());
        let rest = canvas.rows(block).flat_map(|at| at..at + columns).map(|i| canvas.source[i] - canvas.values[i]);
        let rest: Vec<f32> = rest.collect();
        let low = below(&rest, [block.slices.len(), block.rows.len(), columns], self.design.cutoff);
        for (at, low) in canvas.rows(block).zip(low.chunks_exact(columns)) {
            let values = &canvas.values[at..at + columns];
            self.goal[at..at + columns].iter_mut().zip(values.iter().zip(low)).for_each(|(g, (v, l))| *g = v + l);
        }
        let mean = rest.iter().map(|&v| f64::from(v)).sum::<f64>() / rest.len() as f64;
        let variance: f64 = rest.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum();
        let above: f64 = rest.iter().zip(&low).map(|(v, l)| f64::from(v - l).powi(2)).sum();
        if variance > 0.0 { 1.0 - above / variance } else { 0.0 }
    }

    fn enough(&self, elements: usize) -> bool {
        elements as f64 >= self.design.fewest * self.params.shape.parameters() as f64
    }

    fn room(&self, block: &Block) -> bool {
        self.enough(block.len()) && self.canvas.budget.allows(self.params.shape.parameters(), block.len())
    }

    /// A network for the block's residual, added to the canvas if it takes enough of the RMSE `before`.
    fn network(&mut self, block: &Block, before: f64) -> Option<Quantised> {
        let Self { canvas, params, design, goal, .. } = self;
        let cells = Cells::new(canvas, goal, block, params, design.samples);
        let samples = Samples::new(params.shape, &cells.points, &cells.targets);
        let start = design.recipe.waves().map(|count| cells.waves(design.cutoff, count));
        let start = start.filter(|w| !w.is_empty()).map_or(Start::Random, Start::Waves);
        let (network, _) = design.recipe.make(&samples, params.shape, start, block.len(), canvas.worker);
        let old = canvas.copy(block);
        evaluate(&network.network(), block, params.amplitude, canvas.geometry, canvas.worker, canvas.values);
        if canvas.rmse(block) > design.keep * before {
            canvas.restore(block, &old);
            return None;
        }
        canvas.budget.charge(params.shape.parameters(), block.len(), 0).ok()?;
        Some(network)
    }
}

impl Canvas<'_> {
    /// Starts of the rows of a block.
    fn rows(&self, block: &Block) -> impl Iterator<Item = usize> + use<> {
        let (height, width, start) = (self.geometry.height, self.geometry.width, block.columns.start);
        let rows = block.rows.clone();
        block.slices.clone().flat_map(move |s| rows.clone().map(move |y| (s * height + y) * width + start))
    }

    /// Of what is left in a block.
    pub(crate) fn rmse(&self, block: &Block) -> f64 {
        let mut sum = 0.0;
        for at in self.rows(block) {
            let part = at..at + block.columns.len();
            let pairs = self.source[part.clone()].iter().zip(&self.values[part]);
            sum += pairs.map(|(s, v)| f64::from(s - v).powi(2)).sum::<f64>();
        }
        (sum / block.len() as f64).sqrt()
    }

    fn copy(&self, block: &Block) -> Vec<f32> {
        self.rows(block).flat_map(|at| &self.values[at..at + block.columns.len()]).copied().collect()
    }

    fn restore(&mut self, block: &Block, old: &[f32]) {
        let columns = block.columns.len();
        self.rows(block)
            .zip(old.chunks(columns))
            .for_each(|(at, row)| self.values[at..at + columns].copy_from_slice(row));
    }
}

/// Means over cells of what a block lacks of a goal, and where they lie.
struct Cells {
    /// `[inputs][n]`.
    points: Vec<f32>,
    targets: Vec<f32>,
    /// Slices, rows and columns.
    dims: [usize; 3],
}

impl Cells {
    /// The strongest waves below the lower cut-off: what a network can hold from its start.
    fn waves(&self, upper_cutoff: f64, count: usize) -> Vec<f32> {
        // Half cycles; the lower cut-off is a third of the upper one.
        let limit = (2.0 * upper_cutoff / 3.0).ceil() as usize;
        strongest(&self.targets, self.dims, limit, count)
    }

    fn new(canvas: &Canvas<'_>, goal: &[f32], block: &Block, params: &PassParams, most: usize) -> Self {
        let (h, w) = (block.rows.len(), block.columns.len());
        // Of many slices some, of each plane square cells.
        let slices = block.slices.len().min((most / 64).max(1));
        let side = ((h * w * slices) as f64 / most as f64).sqrt().ceil().max(1.0) as usize;
        let (rows, columns) = (h.div_ceil(side), w.div_ceil(side));
        let mut points = vec![Vec::with_capacity(slices * rows * columns); params.shape.inputs()];
        let mut targets = Vec::with_capacity(slices * rows * columns);
        let middle = |from: usize, to: usize, n: usize| {
            if n > 1 { ((from + to - 1) as f64 / (n - 1) as f64 - 1.0) as f32 } else { 0.0 }
        };
        for k in 0..slices {
            let slice = if slices > 1 { k * (block.slices.len() - 1) / (slices - 1) } else { 0 };
            let plane = (block.slices.start + slice) * canvas.geometry.plane();
            for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
                let (y0, y1) = (i * h / rows, (i + 1) * h / rows);
                let (x0, x1) = (j * w / columns, (j + 1) * w / columns);
                let mut sum = 0.0;
                for y in y0..y1 {
                    let at = plane + (block.rows.start + y) * canvas.geometry.width + block.columns.start;
                    sum += (at + x0..at + x1).map(|i| f64::from(goal[i] - canvas.values[i])).sum::<f64>();
                }
                targets.push((sum / ((y1 - y0) * (x1 - x0)) as f64 / f64::from(params.amplitude)) as f32);
                let place = [middle(y0, y1, h), middle(x0, x1, w), middle(slice, slice + 1, block.slices.len())];
                points.iter_mut().zip(place).for_each(|(p, v)| p.push(v));
            }
        }
        Self { points: points.concat(), targets, dims: [slices, rows, columns] }
    }
}
