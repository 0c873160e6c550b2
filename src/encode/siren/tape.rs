//! A network on blocks of points, forward and back, keeping what gradients need.

use super::Samples;
use crate::arith::{Isa, POINTS, PackedLayer, Part, TILE, inner_products, layer, layer_and_slope, layer_times_slope};
use crate::format::network::{Network, Shape};

/// Activations, slopes and adjoints of one block of points; all are rows of `stride` points.
pub(crate) struct Tape {
    isa: Isa,
    shape: Shape,
    /// Points of a block.
    pub(super) stride: usize,
    layers: Vec<PackedLayer>,
    /// Transposed weights of layers 1 and on, at their index less 1.
    transposed: Vec<PackedLayer>,
    /// Inputs of each layer, then a row of ones, then up to a whole tile.
    inputs: Vec<Vec<f32>>,
    /// `d h / d z` of each sine layer.
    slopes: Vec<Vec<f32>>,
    /// What the network gives.
    pub(super) outputs: Vec<f32>,
    /// Adjoints of the pre-activations of each layer, whole tiles.
    adjoints: Vec<Vec<f32>>,
}

impl Tape {
    pub(crate) fn new(shape: Shape, isa: Isa) -> Self {
        // As many points as the second cache holds, or half of it.
        let stride = if shape.width() <= 32 { 4 * POINTS } else { 2 * POINTS };
        let rows = |n: usize| vec![0.0; n.next_multiple_of(TILE) * stride];
        let dims: Vec<_> = (0..shape.layers()).map(|l| shape.layer(l)).collect();
        Self {
            isa,
            shape,
            stride,
            layers: vec![PackedLayer::default(); dims.len()],
            transposed: vec![PackedLayer::default(); dims.len() - 1],
            inputs: dims.iter().map(|d| rows(d.0 + 1)).collect(),
            slopes: dims[1..].iter().map(|d| rows(d.0)).collect(),
            outputs: rows(shape.outputs()),
            adjoints: dims.iter().map(|d| rows(d.1)).collect(),
        }
    }

    /// Evaluate `network` from now on.
    pub(super) fn set(&mut self, network: &Network) {
        for (l, from) in network.layers().enumerate() {
            self.layers[l].set(&from);
            if l > 0 {
                let weight = |i: usize, j: usize| from.weights[j * from.outputs + i];
                let zeros = vec![0.0; from.inputs];
                self.transposed[l - 1].fill(from.outputs, from.inputs, weight, &zeros);
            }
        }
    }

    /// Put the points `at..` of `samples` on the tape; how many there are. The rest of the block is 0.
    pub(super) fn load(&mut self, samples: &Samples<'_>, at: usize) -> usize {
        let count = self.stride.min(samples.len() - at);
        for (plane, row) in samples.points.chunks_exact(samples.len()).zip(self.inputs[0].chunks_exact_mut(self.stride))
        {
            row[..count].copy_from_slice(&plane[at..at + count]);
            row[count..].fill(0.0);
        }
        count
    }

    /// From the points to the outputs; `keep` the slopes for a way back.
    pub(super) fn forward(&mut self, keep: bool) {
        let depth = self.shape.depth();
        for l in 0..depth {
            let (from, to) = self.inputs.split_at_mut(l + 1);
            if keep {
                layer_and_slope(self.isa, &self.layers[l], self.stride, &from[l], &mut to[0], &mut self.slopes[l]);
            } else {
                layer(self.isa, &self.layers[l], self.stride, &from[l], &mut to[0], true);
            }
        }
        layer(self.isa, &self.layers[depth], self.stride, &self.inputs[depth], &mut self.outputs, false);
        // The rows of ones, where the padding of the layers went over them.
        for (l, rows) in self.inputs.iter_mut().enumerate() {
            let n = self.shape.layer(l).0;
            rows[n * self.stride..(n + 1) * self.stride].fill(1.0);
            rows[(n + 1) * self.stride..].fill(0.0);
        }
    }

    /// The adjoints of the outputs.
    pub(super) fn seeds(&self) -> &[f32] {
        &self.adjoints[self.shape.depth()]
    }

    /// Seed with 1 at output `o` of the first `count` points.
    pub(super) fn seed_one(&mut self, o: usize, count: usize) {
        let seeds = &mut self.adjoints[self.shape.depth()];
        seeds.fill(0.0);
        seeds[o * self.stride..][..count].fill(1.0);
    }

    /// Seed with `output - target` of the first `count` points and 0 past them.
    pub(super) fn seed_residuals(&mut self, targets: &[f32], count: usize) {
        let rows = self.adjoints[self.shape.depth()].chunks_exact_mut(self.stride);
        let known = self.outputs.chunks_exact(self.stride).zip(targets.chunks_exact(self.stride));
        for (row, (output, target)) in rows.zip(known) {
            row.iter_mut().zip(output).zip(target).for_each(|((r, y), t)| *r = y - t);
            row[count..].fill(0.0);
        }
    }

    /// From the adjoints of the outputs to those of all layers.
    pub(super) fn backward(&mut self) {
        for l in (0..self.shape.depth()).rev() {
            let (to, from) = self.adjoints.split_at_mut(l + 1);
            let slopes = &self.slopes[l];
            layer_times_slope(self.isa, &self.transposed[l], self.stride, &from[0], &mut to[l], slopes);
        }
    }

    /// Add to `sums` the gradient of each layer: rows of inputs and bias, columns of outputs, both up to whole tiles.
    pub(super) fn add_gradient(&self, sums: &mut [Vec<f32>]) {
        for ((inputs, adjoints), sums) in self.inputs.iter().zip(&self.adjoints).zip(sums) {
            let columns = adjoints.len() / self.stride;
            inner_products(self.isa, self.stride, inputs, adjoints, sums, columns, Part::All);
        }
    }

    /// Empty sums for [`add_gradient`](Self::add_gradient).
    pub(super) fn gradient_sums(&self) -> Vec<Vec<f32>> {
        let size = |(i, a): (&Vec<f32>, &Vec<f32>)| i.len() / self.stride * (a.len() / self.stride);
        self.inputs.iter().zip(&self.adjoints).map(size).map(|n| vec![0.0; n]).collect()
    }

    /// Sums in the order of parameters, times `factor`.
    pub(super) fn unpack(&self, sums: &[Vec<f32>], factor: f32, gradient: &mut [f32]) {
        let mut rest = gradient.iter_mut();
        for (l, sums) in sums.iter().enumerate() {
            let (inputs, outputs) = self.shape.layer(l);
            for row in sums.chunks_exact(outputs.next_multiple_of(TILE)).take(inputs + 1) {
                rest.by_ref().zip(&row[..outputs]).for_each(|(g, s)| *g = factor * s);
            }
        }
    }

    /// The derivative of the seeded output by each parameter: a row of points for each.
    pub(super) fn jacobian(&self, rows: &mut [f32]) {
        let mut rows = rows.chunks_exact_mut(self.stride);
        for l in 0..self.shape.layers() {
            let (inputs, outputs) = self.shape.layer(l);
            for x in self.inputs[l].chunks_exact(self.stride).take(inputs + 1) {
                let adjoints = self.adjoints[l].chunks_exact(self.stride).take(outputs);
                for (d, row) in adjoints.zip(rows.by_ref()) {
                    row.iter_mut().zip(x).zip(d).for_each(|((r, x), d)| *r = x * d);
                }
            }
        }
    }

    /// Add the products of the head's inputs (and the ones), of the first `count` points, with each other and with the
    /// targets, which are 0 past `count`.
    pub(super) fn head_products(&mut self, count: usize, targets: &[f32], squares: &mut [f32], products: &mut [f32]) {
        let inputs = &mut self.inputs[self.shape.depth()];
        if count < self.stride {
            inputs.chunks_exact_mut(self.stride).for_each(|row| row[count..].fill(0.0));
        }
        let rows = inputs.len() / self.stride;
        inner_products(self.isa, self.stride, inputs, inputs, squares, rows, Part::Lower);
        inner_products(self.isa, self.stride, inputs, targets, products, targets.len() / self.stride, Part::All);
    }

    /// The inner products of rows of this block.
    pub(super) fn products(&self, a: &[f32], b: &[f32], sums: &mut [f32], columns: usize, part: Part) {
        inner_products(self.isa, self.stride, a, b, sums, columns, part);
    }
}
