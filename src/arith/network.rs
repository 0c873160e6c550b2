//! Evaluation of a network in normative arithmetic (`codec-spec/arithmetic.md`).

use super::Isa;
use super::kernels::network::{POINTS, PackedLayer, TILE, layer};
use crate::format::network::{Layer, Network};

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

/// Evaluate `network` on `n` points. Both arrays are planar: `points` is `[inputs][n]`, `out` is `[outputs][n]`.
///
/// The same bits on every processor. Memory: a copy of the parameters and two blocks of activations.
pub(crate) fn evaluate(network: &Network, points: &[f32], out: &mut [f32], isa: Isa) {
    let (inputs, outputs) = (network.shape.inputs(), network.shape.outputs());
    let n = out.len() / outputs;
    assert_eq!((points.len(), out.len()), (n * inputs, n * outputs), "points and outputs must fit the network");
    let layers = pack(network);
    let rows = network.shape.width().max(inputs).max(outputs).next_multiple_of(TILE);
    let (mut x, mut y) = (vec![0.0; rows * POINTS], vec![0.0; rows * POINTS]);
    for at in (0..n).step_by(POINTS) {
        let count = POINTS.min(n - at);
        for (plane, row) in points.chunks_exact(n).zip(x.chunks_exact_mut(POINTS)) {
            row[..count].copy_from_slice(&plane[at..at + count]);
        }
        for (l, packed) in layers.iter().enumerate() {
            layer(isa, packed, POINTS, &x, &mut y, l + 1 < layers.len());
            std::mem::swap(&mut x, &mut y);
        }
        for (plane, row) in out.chunks_exact_mut(n).zip(x.chunks_exact(POINTS)) {
            plane[at..at + count].copy_from_slice(&row[..count]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::evaluate;
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
            for n in [1, 63, 64, 130] {
                let points: Vec<f32> = (0..n * inputs).map(|_| noise(&mut seed)).collect();
                for isa in Isa::ALL.into_iter().filter(|i| i.supported()) {
                    let mut out = vec![0.0; n * outputs];
                    evaluate(&network, &points, &mut out, isa);
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
        evaluate(&Network::zeros(Shape::new(3, 1, 8, 1).unwrap()), &[], &mut [], Isa::detect());
    }
}
