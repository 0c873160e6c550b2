//! The kernels' own text on the processor over all shapes: every width, and with it every depth, number of inputs and of
//! outputs. Slower than `host_tests.rs`; the gradients of every width only where they are asked for.

use super::host_tests::{check_gradient_of, compile, forward_bits};
use super::plan::{A100_SHARED, CONSUMER_SHARED, H100_SHARED, Plan};
use crate::format::network::Shape;

/// Widths 8 to 256, each with another depth, number of inputs and of outputs: after 160 widths all their combinations have
/// come by.
fn shapes() -> Vec<Shape> {
    (0..249)
        .map(|k| {
            let k160 = k * 7 % 160;
            Shape::new(2 + k160 % 4, 1 + k160 / 4 % 5, 8 + k, 1 + k160 / 20).unwrap()
        })
        .collect()
}

/// Some kernels a library, on one thread for each core: f(plan, the library and its kernel).
fn each(plans: &[Plan], check: impl Fn((&super::shim_for_tests::Host, usize), &Plan) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let parts: Vec<&[Plan]> = plans.chunks(8).collect();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(part) = parts.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let host = compile(part);
                    part.iter().enumerate().for_each(|(k, plan)| check((&host, k), plan));
                }
            });
        }
    });
}

#[test]
fn the_shapes_are_all() {
    let mut combinations: Vec<_> = shapes().iter().map(|s| (s.inputs(), s.depth(), s.outputs())).collect();
    combinations.sort_unstable();
    combinations.dedup();
    assert_eq!(combinations.len(), 4 * 5 * 8);
    assert!(shapes().iter().map(|s| s.width()).eq(8..=256));
}

#[test]
fn forward_gives_the_bits_of_the_processor_at_every_width() {
    // Less shared memory with every other one: weights held and staged.
    let limits = [H100_SHARED, A100_SHARED, CONSUMER_SHARED];
    let plans = shapes().into_iter().zip(limits.into_iter().cycle());
    let plans: Vec<Plan> = plans.map(|(shape, limit)| Plan::forward(shape, limit).unwrap()).collect();
    assert!(plans.iter().any(|p| p.weights_shared) && plans.iter().any(|p| !p.weights_shared));
    each(&plans, |kernel, plan| forward_bits(kernel, plan, 0.5));
}

/// The fewest and the most outputs that a layer has in the same memory.
fn at_an_end(shape: &Shape) -> bool {
    let unit = if shape.width() <= 64 {
        8
    } else if shape.width() <= 128 {
        16
    } else {
        32
    };
    shape.width() % unit <= 1
}

fn gradients(of: impl Fn(&Shape) -> bool, tf32: bool, tolerance: f64) {
    let limits = [(H100_SHARED, false), (A100_SHARED, true), (CONSUMER_SHARED, true)];
    let shapes = shapes().into_iter().filter(|s| of(s) && (!tf32 || s.width() >= 64));
    let plans: Vec<Plan> = (shapes.zip(limits.into_iter().cycle()))
        .map(|(shape, (limit, many))| {
            let limit = if shape.width() > 128 { limit.max(A100_SHARED) } else { limit };
            Plan::training(shape, limit, tf32, many).unwrap()
        })
        .collect();
    each(&plans, |kernel, plan| {
        check_gradient_of(
            kernel,
            plan,
            if plan.training.is_some_and(|t| t.gradient_shared) { 1 } else { 2 },
            tolerance,
        );
    });
}

#[test]
fn gradients_at_the_ends_of_every_layout() {
    gradients(at_an_end, false, 1e-5);
}

#[test]
#[ignore = "minutes: every width"]
fn gradients_at_every_width() {
    gradients(|_| true, false, 1e-5);
}

#[test]
#[ignore = "minutes: every width of 64 and more on tensor cores"]
fn gradients_on_tensor_cores_at_every_width() {
    gradients(|_| true, true, 5e-3);
}
