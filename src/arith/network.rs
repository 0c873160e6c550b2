//! Evaluation of a network in normative arithmetic (`codec-spec/arithmetic.md`).

use super::kernels::network::{POINTS, PackedLayer, TILE, layer};
use super::{Isa, for_each_part};
use crate::format::network::{Layer, Network, Shape};

impl PackedLayer {
    /// Pack `weight(input, output)` and biases, anew in the same memory.
    pub(crate) fn fill(&mut self, inputs: usize, outputs: usize, weight: impl Fn(usize, usize) -> f32, biases: &[f32]) {
        let padded = outputs.next_multiple_of(TILE);
        self.inputs = inputs;
        self.weights.clear();
        self.weights.resize(padded * inputs, 0.0);
        for (tile, to) in self.weights.chunks_exact_mut(inputs * TILE).enumerate() {
            for (i, to) in to.chunks_exact_mut(TILE).enumerate() {
                for (j, to) in (tile * TILE..outputs).zip(to) {
                    *to = weight(i, j);
                }
            }
        }
        self.biases.clear();
        self.biases.extend_from_slice(biases);
        self.biases.resize(padded, 0.0);
    }

    /// Pack a layer.
    pub(crate) fn set(&mut self, l: &Layer<'_>) {
        self.fill(l.inputs, l.outputs, |i, j| l.weights[i * l.outputs + j], l.biases);
    }
}

/// The layers of a network as the kernels want them.
fn pack(network: &Network) -> Vec<PackedLayer> {
    let packed = |l: Layer<'_>| {
        let mut packed = PackedLayer::default();
        packed.set(&l);
        packed
    };
    network.layers().map(packed).collect()
}

/// Points of the parts that threads share out.
const PART: usize = 64 * POINTS;

/// What evaluates networks: the same bits whatever it is.
pub(crate) trait Evaluator: Sync {
    /// Evaluate `network` on `n` points. Both arrays are planar: `points` is `[inputs][n]`, `out` is `[outputs][n]`.
    fn evaluate(&self, network: &Network, points: &[f32], out: &mut [f32]);
}

/// Evaluation and fitting on this processor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpu {
    pub(crate) isa: Isa,
    pub(crate) threads: usize,
}

impl Evaluator for Cpu {
    /// Memory: a copy of the parameters, and two blocks of activations for each thread.
    fn evaluate(&self, network: &Network, points: &[f32], out: &mut [f32]) {
        let n = out.len() / network.shape.outputs();
        let sizes = (n * network.shape.inputs(), n * network.shape.outputs());
        assert_eq!((points.len(), out.len()), sizes, "points and outputs must fit the network");
        if n == 0 {
            return;
        }
        let layers = pack(network);
        let mut parts: Vec<Vec<&mut [f32]>> = (0..n.div_ceil(PART)).map(|_| Vec::new()).collect();
        for plane in out.chunks_exact_mut(n) {
            plane.chunks_mut(PART).zip(&mut parts).for_each(|(rows, part)| part.push(rows));
        }
        for_each_part(&mut parts, 1, self.threads, |i, part| {
            evaluate_part(&layers, network.shape, points, n, i * PART, &mut part[0], self.isa);
        });
    }
}

/// Evaluate the points from `first` on, as many as there are in each plane of `out`.
fn evaluate_part(
    layers: &[PackedLayer],
    shape: Shape,
    points: &[f32],
    n: usize,
    first: usize,
    out: &mut [&mut [f32]],
    isa: Isa,
) {
    let rows = shape.width().next_multiple_of(TILE);
    let (mut x, mut y) = (vec![0.0; rows * POINTS], vec![0.0; rows * POINTS]);
    let len = out.first().map_or(0, |o| o.len());
    for at in (0..len).step_by(POINTS) {
        let count = POINTS.min(len - at);
        for (plane, row) in points.chunks_exact(n).zip(x.chunks_exact_mut(POINTS)) {
            row[..count].copy_from_slice(&plane[first + at..][..count]);
        }
        for (l, packed) in layers.iter().enumerate() {
            layer(isa, packed, POINTS, &x, &mut y, l < shape.depth());
            std::mem::swap(&mut x, &mut y);
        }
        for (plane, row) in out.iter_mut().zip(x.chunks_exact(POINTS)) {
            plane[at..at + count].copy_from_slice(&row[..count]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cpu, Evaluator, PART};
    use crate::arith::{Isa, sine};
    use crate::format::network::{Network, Shape};

    /// The rule of the specification, point by point.
    fn oracle(network: &Network, point: &[f32]) -> Vec<f32> {
        let mut x = point.to_vec();
        for (l, layer) in network.layers().enumerate() {
            let mut z = layer.biases.to_vec();
            for (&x, row) in x.iter().zip(layer.weights.chunks_exact(layer.outputs)) {
                z.iter_mut().zip(row).for_each(|(z, &w)| *z = x.mul_add(w, *z));
            }
            if l < network.shape.depth() {
                z.iter_mut().for_each(|z| *z = sine::sine(*z));
            }
            x = z;
        }
        x
    }

    fn noise(state: &mut u64) -> f32 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    #[test]
    fn every_isa_gives_the_bits_of_the_rule() {
        let mut seed = 1;
        for (inputs, depth, width, outputs, scale) in
            [(3, 2, 16, 1, 1.0), (2, 1, 8, 8, 10.0), (5, 5, 33, 3, 0.3), (4, 2, 254, 5, 1e7), (3, 3, 9, 2, 1e30)]
        {
            let mut network = Network::zeros(Shape::new(inputs, depth, width, outputs).unwrap());
            network.parameters.iter_mut().for_each(|p| *p = scale * noise(&mut seed));
            if scale == 1e30 {
                network.parameters[3] = f32::NAN;
                network.parameters[5] = f32::INFINITY;
            }
            for (n, threads) in [(1, 1), (63, 1), (64, 1), (130, 2), (if width == 9 { 2 * PART + 7 } else { 1 }, 3)] {
                let points: Vec<f32> = (0..n * inputs).map(|_| noise(&mut seed)).collect();
                for isa in Isa::ALL.into_iter().filter(|i| i.supported()) {
                    let mut out = vec![0.0; n * outputs];
                    Cpu { isa, threads }.evaluate(&network, &points, &mut out);
                    for p in 0..n {
                        let point: Vec<f32> = (0..inputs).map(|i| points[i * n + p]).collect();
                        for (o, want) in oracle(&network, &point).iter().enumerate() {
                            let got = out[o * n + p];
                            assert!(
                                got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan(),
                                "{isa:?}: {got} {want}"
                            );
                        }
                    }
                }
            }
        }
        let nothing = Network::zeros(Shape::new(3, 1, 8, 1).unwrap());
        Cpu { isa: Isa::detect(), threads: 2 }.evaluate(&nothing, &[], &mut []);
    }
}
