//! Naive oracles in double precision.

use crate::format::network::{Network, Shape};

pub(super) fn noise(state: &mut u64) -> f32 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 40) as f32 / (1 << 23) as f32 - 1.0
}

pub(super) fn random(shape: Shape, scale: f32, seed: &mut u64) -> Network {
    Network { shape, parameters: (0..shape.parameters()).map(|_| scale * noise(seed)).collect() }
}

pub(super) struct Gradient {
    pub(super) parameters: Vec<f64>,
    /// Sum of weighted squares.
    pub(super) loss: f64,
}

/// Gradient of the weighted mean square by every parameter. `x` and `y` are interleaved.
pub(super) fn gradient(network: &Network, x: &[f32], y: &[f32], weight: &[f32]) -> Gradient {
    use std::f64::consts::TAU;
    let shape = network.shape;
    let mut out = Gradient { parameters: vec![0.0; shape.parameters()], loss: 0.0 };
    let scale = 2.0 / (weight.len() * shape.outputs()) as f64;
    for ((x, y), &weight) in x.chunks_exact(shape.inputs()).zip(y.chunks_exact(shape.outputs())).zip(weight) {
        let mut inputs: Vec<Vec<f64>> = vec![x.iter().map(|&v| f64::from(v)).collect()];
        let mut turns: Vec<Vec<f64>> = Vec::new();
        for layer in network.layers() {
            let h = inputs.last().unwrap();
            let z: Vec<f64> = (0..layer.outputs)
                .map(|j| {
                    f64::from(layer.biases[j])
                        + (0..layer.inputs).map(|i| h[i] * f64::from(layer.weights[i * layer.outputs + j])).sum::<f64>()
                })
                .collect();
            inputs.push(z.iter().map(|z| (TAU * z).sin()).collect());
            turns.push(z);
        }
        let errors: Vec<f64> = turns.pop().unwrap().iter().zip(y).map(|(z, &y)| z - f64::from(y)).collect();
        out.loss += f64::from(weight) * errors.iter().map(|e| e * e).sum::<f64>();
        let mut delta: Vec<f64> = errors.iter().map(|e| scale * f64::from(weight) * e).collect();
        let mut end = shape.parameters();
        for (l, layer) in network.layers().enumerate().collect::<Vec<_>>().into_iter().rev() {
            let (n, m) = (layer.inputs, layer.outputs);
            let part = &mut out.parameters[end - (n + 1) * m..end];
            end -= (n + 1) * m;
            for j in 0..m {
                (0..n).for_each(|i| part[i * m + j] += inputs[l][i] * delta[j]);
                part[n * m + j] += delta[j];
            }
            if l > 0 {
                let slope = |i: usize| TAU * (TAU * turns[l - 1][i]).cos();
                delta = (0..n)
                    .map(|i| slope(i) * (0..m).map(|j| f64::from(layer.weights[i * m + j]) * delta[j]).sum::<f64>())
                    .collect();
            }
        }
    }
    out
}

/// Point `i` of a step's batch. Twin of `draw` in `kernels/train.cu`.
fn draw(seed: u64, step: u32, i: u32, count: u64) -> u64 {
    let n = (u64::from(step) << 32 | u64::from(i)) + 1;
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(n));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    ((u128::from(z) * u128::from(count)) >> 64) as u64
}

/// Parameters after some steps with rate 1e-3 and the layers' factors 1, 1.1, 1.2...
pub(super) fn adam(
    network: &Network,
    x: &[f32],
    y: &[f32],
    weight: &[f32],
    [first, count, seed, _]: [u64; 4],
    steps: u32,
    batch: u32,
) -> Vec<f64> {
    let shape = network.shape;
    let mut network = network.clone();
    let mut p: Vec<f64> = network.parameters.iter().map(|&p| f64::from(p)).collect();
    let (mut m, mut v) = (vec![0.0; p.len()], vec![0.0; p.len()]);
    let groups = crate::format::network::Quantised::groups(shape);
    let rates: Vec<f64> =
        groups.enumerate().flat_map(|(g, n)| std::iter::repeat_n(1e-3 * (1.0 + 0.1 * g as f64), n)).collect();
    for step in 0..steps {
        let drawn: Vec<usize> = (0..batch).map(|i| (first + draw(seed, step, i, count)) as usize).collect();
        let take = |from: &[f32], n: usize| {
            drawn.iter().flat_map(|&d| &from[d * n..(d + 1) * n]).copied().collect::<Vec<f32>>()
        };
        let g = gradient(&network, &take(x, shape.inputs()), &take(y, shape.outputs()), &take(weight, 1)).parameters;
        for i in 0..p.len() {
            m[i] = 0.9 * m[i] + 0.1 * g[i];
            v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
            let t = step as i32 + 1;
            p[i] -= rates[i] * m[i] / (1.0 - 0.9_f64.powi(t)) / ((v[i] / (1.0 - 0.999_f64.powi(t))).sqrt() + 1e-8);
            network.parameters[i] = p[i] as f32;
        }
    }
    p
}
