//! The kernels' own text, compiled for the processor (`kernels/host/shim.h`), against the scalar twins.

use super::args::{ForwardArgs, TrainArgs};
use super::plan::{A100_SHARED, CONSUMER_SHARED, H100_SHARED, Plan, Training};
use super::shim_for_tests::{Host, address};
use super::source::Source;
use super::test_support::{Gradient, gradient, noise, random};
use crate::arith::{Cpu, Evaluator, Isa};
use crate::format::network::{Network, Shape};

/// The plans' kernels, as functions of one library.
pub(super) fn compile(plans: &[Plan]) -> Host {
    Host::compile(&plans.iter().map(Source::new).collect::<Vec<_>>())
}

/// Evaluate all networks by kernel `k` at `n` points each, planar as on the processor.
fn forward(
    (host, k): (&Host, usize),
    plan: &Plan,
    networks: &[Network],
    points: &[f32],
    n: usize,
    blocks: u32,
) -> Vec<f32> {
    let shape = plan.layout.shape();
    let packed = aligned(&plan.layout.pack_all(networks.iter().map(|n| &n.parameters[..])));
    let out = vec![f32::NAN; networks.len() * shape.outputs() * n];
    let args = ForwardArgs {
        params: address(packed.as_flattened()),
        x: address(points),
        y: address(&out),
        points: n as u64,
        x_network: (shape.inputs() * n) as u64,
        x_point: 1,
        x_input: n as u64,
        y_network: (shape.outputs() * n) as u64,
        y_point: 1,
        y_output: n as u64,
    };
    host.run(k, &args, blocks, networks.len() as u32);
    out
}

/// Device memory is aligned to 256 bytes; copies of 16 bytes rely on it.
fn aligned(data: &[f32]) -> Vec<[f32; 4]> {
    data.chunks_exact(4).map(|c| [c[0], c[1], c[2], c[3]]).collect()
}

/// Kernel `k`, which is that of the plan, gives the bits of the scalar twin.
pub(super) fn forward_bits(kernel: (&Host, usize), plan: &Plan, scale: f32) {
    let shape = plan.layout.shape();
    let mut seed = 7;
    let mut networks: Vec<Network> = (0..2).map(|_| random(shape, scale, &mut seed)).collect();
    networks[1].parameters[2] = 1e30;
    networks[1].parameters[5] = f32::NEG_INFINITY;
    // Ragged last tiles, more tiles than blocks, blocks without a tile.
    for (n, blocks) in [(1, 1), (plan.points - 1, 2), (3 * plan.points + 5, 2)] {
        let points: Vec<f32> = (0..networks.len() * shape.inputs() * n).map(|_| noise(&mut seed)).collect();
        let got = forward(kernel, plan, &networks, &points, n, blocks);
        let mut want = vec![0.0; got.len()];
        let each = points.chunks_exact(shape.inputs() * n).zip(want.chunks_exact_mut(shape.outputs() * n));
        networks
            .iter()
            .zip(each)
            .for_each(|(network, (x, y))| Cpu { isa: Isa::Scalar, threads: 1 }.evaluate(network, x, y));
        for (i, (g, w)) in got.iter().zip(&want).enumerate() {
            assert!(g.to_bits() == w.to_bits() || g.is_nan() && w.is_nan(), "{plan:?}, {n} points, at {i}: {g} {w}");
        }
    }
}

fn shape(inputs: usize, depth: usize, width: usize, outputs: usize) -> Shape {
    Shape::new(inputs, depth, width, outputs).unwrap()
}

#[test]
fn forward_gives_the_bits_of_the_processor() {
    for (i, d, w, o, scale) in [
        (2, 1, 8, 1, 1.0),
        (3, 2, 16, 1, 1.0),
        (4, 3, 9, 8, 3.0),
        (5, 5, 23, 3, 0.3),
        (3, 3, 37, 5, 10.0),
        (3, 5, 64, 1, 0.5),
        (2, 4, 65, 2, 0.5),
        (5, 2, 127, 8, 1e6),
        (3, 3, 130, 1, 0.2),
    ] {
        let plan = Plan::forward(shape(i, d, w, o), H100_SHARED).unwrap();
        forward_bits((&compile(std::slice::from_ref(&plan)), 0), &plan, scale);
    }
}

#[test]
fn forward_with_staged_weights_gives_the_bits_of_the_processor() {
    for (i, d, w, o, limit) in [(3, 2, 256, 1, A100_SHARED), (2, 3, 199, 4, CONSUMER_SHARED), (4, 5, 13, 2, 26_000)] {
        let plan = Plan::forward(shape(i, d, w, o), limit).unwrap();
        assert!(!plan.weights_shared, "{plan:?}");
        forward_bits((&compile(std::slice::from_ref(&plan)), 0), &plan, 0.3);
    }
}

/// Weights as a SIREN starts with (Sitzmann et al. 2020), a few waves in the first layer.
fn siren(shape: Shape, seed: &mut u64) -> Network {
    let mut network = random(shape, (6.0 / shape.width() as f32).sqrt() / std::f32::consts::TAU, seed);
    network.parameters[..(shape.inputs() + 1) * shape.width()].iter_mut().for_each(|w| *w = noise(seed));
    network
}

/// What a fit reads and leaves.
struct Fit {
    x: Vec<f32>,
    y: Vec<f32>,
    weight: Vec<f32>,
    spans: Vec<[u64; 4]>,
    params: Vec<[f32; 4]>,
    gradient: Vec<f32>,
    loss: Vec<f32>,
}

/// `steps` steps of two networks with different points, by kernel `k` on `blocks` blocks each.
fn train(
    (host, k): (&Host, usize),
    plan: &Plan,
    networks: &[Network; 2],
    steps: u32,
    batch: u32,
    blocks: u32,
    only: bool,
) -> Fit {
    let shape = plan.layout.shape();
    let counts = [batch as usize + 11, batch as usize + 3];
    let total: usize = counts.iter().sum();
    let mut seed = 99;
    let mut fit = Fit {
        x: (0..total * shape.inputs()).map(|_| noise(&mut seed)).collect(),
        y: (0..total * shape.outputs()).map(|_| noise(&mut seed)).collect(),
        weight: (0..total).map(|_| 1.0 + 0.5 * noise(&mut seed)).collect(),
        spans: vec![[0, counts[0] as u64, 5, 1], [counts[0] as u64, counts[1] as u64, 6, 1]],
        params: aligned(&plan.layout.pack_all(networks.iter().map(|n| &n.parameters[..]))),
        gradient: vec![f32::NAN; 2 * blocks as usize * plan.layout.parameters()],
        loss: vec![f32::NAN; (2 * steps * blocks) as usize],
    };
    let moments = vec![[0.0_f32; 2]; 2 * plan.layout.parameters()];
    let (first, second) = moments.as_flattened().split_at(2 * plan.layout.parameters());
    let turns = vec![[f32::NAN; 4]; 2 * blocks as usize * plan.turns() / 4];
    let schedule: Vec<f32> = (1..=steps)
        .flat_map(|t| [1e-3 / (1.0 - 0.9_f32.powi(t as i32)), 1.0 / (1.0 - 0.999_f32.powi(t as i32))])
        .collect();
    let rates: Vec<f32> = (0..2 * shape.layers()).map(|l| 1.0 + 0.1 * l as f32).collect();
    let arrived = [0_u32; 2];
    let args = TrainArgs {
        x: address(&fit.x),
        y: address(&fit.y),
        weight: address(&fit.weight),
        spans: address(fit.spans.as_flattened()),
        params: address(fit.params.as_flattened()),
        first_moment: address(first),
        second_moment: address(second),
        gradient: address(&fit.gradient),
        turns: address(turns.as_flattened()),
        layer_rates: address(&rates),
        schedule: address(&schedule),
        loss: address(&fit.loss),
        arrived: address(&arrived),
        batch,
        first_step: 0,
        steps,
        in_order: only.into(),
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        gradient_only: only.into(),
    };
    host.run(k, &args, blocks, 2);
    // The kernel wrote through pointers that the compiler does not know.
    std::hint::black_box(&mut fit);
    fit
}

/// Largest difference from the oracle over the largest element, layer by layer.
fn gradient_error(plan: &Plan, got: &[f32], want: &Gradient) -> f64 {
    let shape = plan.layout.shape();
    let got = plan.layout.unpack(got);
    let want = Network { shape, parameters: want.parameters.iter().map(|&g| g as f32).collect() };
    let mut worst = 0.0_f64;
    for (g, w) in got.layers().zip(want.layers()) {
        // Of weights and biases together: the sum that is a single bias may come out near 0.
        let (got, want) = (g.weights.iter().chain(g.biases), w.weights.iter().chain(w.biases));
        let scale = want.clone().fold(0.0_f32, |m, v| m.max(v.abs()));
        let error = got.clone().zip(want).fold(0.0_f32, |m, (a, b)| m.max((a - b).abs()));
        assert!(got.clone().all(|v| v.is_finite()) && scale > 0.0, "{plan:?}");
        worst = worst.max(f64::from(error) / f64::from(scale));
    }
    worst
}

fn check_gradient(plan: &Plan, blocks: u32, tolerance: f64) {
    check_gradient_of((&compile(std::slice::from_ref(plan)), 0), plan, blocks, tolerance);
}

/// Gradients by kernel `k`, which is that of the plan, against double precision.
pub(super) fn check_gradient_of(kernel: (&Host, usize), plan: &Plan, blocks: u32, tolerance: f64) {
    let shape = plan.layout.shape();
    let mut seed = 3;
    let networks = [siren(shape, &mut seed), siren(shape, &mut seed)];
    let batch = plan.points + 37;
    let fit = train(kernel, plan, &networks, 1, batch as u32, blocks, true);
    for (n, network) in networks.iter().enumerate() {
        let at = fit.spans[n][0] as usize;
        let x = &fit.x[at * shape.inputs()..][..batch * shape.inputs()];
        let y = &fit.y[at * shape.outputs()..][..batch * shape.outputs()];
        let want = gradient(network, x, y, &fit.weight[at..at + batch]);
        let mut sum = vec![0.0; plan.layout.parameters()];
        for part in fit.gradient.chunks_exact(sum.len()).skip(n * blocks as usize).take(blocks as usize) {
            sum.iter_mut().zip(part).for_each(|(s, p)| *s += p);
        }
        let error = gradient_error(plan, &sum, &want);
        println!(
            "{}x{} tf32 {}: gradient error {error:.1e}",
            shape.width(),
            shape.depth(),
            plan.training.unwrap().tf32
        );
        assert!(error < tolerance, "{plan:?}: gradient off by {error:e}");
        let loss: f32 = fit.loss[n * blocks as usize..][..blocks as usize].iter().sum();
        assert!((f64::from(loss) / want.loss - 1.0).abs() < tolerance, "{plan:?}: loss {loss}, not {}", want.loss);
    }
}

#[test]
fn gradients_agree_with_double_precision() {
    for (i, d, w, o) in [(2, 1, 8, 1), (3, 2, 16, 1), (4, 3, 9, 8), (5, 3, 23, 3), (3, 5, 37, 5), (2, 2, 56, 2)] {
        check_gradient(&Plan::training(shape(i, d, w, o), H100_SHARED, false, false).unwrap(), 1, 1e-5);
    }
}

#[test]
fn gradients_of_wide_layers_agree_with_double_precision() {
    for (i, d, w, o, limit) in [
        (3, 3, 64, 1, H100_SHARED),
        (2, 2, 100, 4, A100_SHARED),
        (5, 2, 125, 8, CONSUMER_SHARED),
        (3, 2, 250, 1, H100_SHARED),
    ] {
        check_gradient(&Plan::training(shape(i, d, w, o), limit, false, false).unwrap(), 1, 1e-5);
    }
}

#[test]
fn gradients_of_several_blocks_agree_with_double_precision() {
    let plan = Plan::training(shape(3, 3, 20, 2), H100_SHARED, false, true).unwrap();
    check_gradient(&plan, 3, 1e-5);
}

#[test]
fn gradients_of_staged_weights_agree_with_double_precision() {
    let plan = Plan::training(shape(3, 5, 20, 2), 36_000, false, false).unwrap();
    assert!(!plan.weights_shared);
    check_gradient(&plan, 1, 1e-5);
}

#[test]
fn gradients_on_tensor_cores_agree_to_their_precision() {
    for (i, d, w, o, limit) in [(3, 3, 64, 1, A100_SHARED), (2, 2, 77, 8, H100_SHARED), (3, 2, 160, 1, A100_SHARED)] {
        check_gradient(&Plan::training(shape(i, d, w, o), limit, true, false).unwrap(), 1, 5e-3);
    }
}

/// Adam as everyone writes it, on the gradients of the oracle, with the kernel's draws.
#[test]
fn steps_agree_with_adam() {
    let shape = shape(3, 2, 16, 1);
    let mut seed = 11;
    let networks = [random(shape, 0.3, &mut seed), random(shape, 0.3, &mut seed)];
    let (steps, batch) = (4, 150);
    for (many, blocks) in [(false, 1), (true, 2)] {
        let plan = Plan::training(shape, H100_SHARED, false, many).unwrap();
        let host = compile(std::slice::from_ref(&plan));
        let fit = train((&host, 0), &plan, &networks, steps, batch, blocks, false);
        for (n, network) in networks.iter().enumerate() {
            let want = super::test_support::adam(network, &fit.x, &fit.y, &fit.weight, fit.spans[n], steps, batch);
            let got = plan
                .layout
                .unpack(&fit.params.as_flattened()[n * plan.layout.parameters()..][..plan.layout.parameters()]);
            for (i, (g, w)) in got.parameters.iter().zip(&want).enumerate() {
                assert!((f64::from(*g) - w).abs() < 2e-5, "network {n}, parameter {i}: {g}, not {w}");
            }
        }
        let again = train((&host, 0), &plan, &networks, steps, batch, blocks, false);
        assert!(again.params == fit.params && again.loss == fit.loss, "a run repeats itself");
    }
}

#[test]
fn training_plans_are_of_the_kind_they_are_tested_as() {
    let tf32 = Plan::training(shape(3, 3, 64, 1), A100_SHARED, true, false).unwrap();
    assert_eq!(tf32.training, Some(Training { tf32: true, gradient_shared: false, turns_shared: true }));
}
