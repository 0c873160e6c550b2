//! The Levenberg-Marquardt kernel, run by this processor, against the processor's own.

use super::gpu::tests::Processor;
use super::gpu::{Machine, newton_of};
use super::init::{Frequencies, Random, start};
use super::{Options, Samples};
use crate::arith::Isa;
use crate::format::network::{Network, Shape};
use crate::gpu::shim_for_tests::Host;
use crate::gpu::{self, Newton, SmallPlan, Source};

/// Fields of several networks: points, and smooth targets with a little noise.
fn fields(shape: Shape, counts: &[usize]) -> Vec<(Vec<f32>, Vec<f32>)> {
    let mut random = Random(17);
    let field = |&n: &usize| {
        let points: Vec<f32> = (0..n * shape.inputs()).map(|_| random.even(1.0)).collect();
        let wave = |p: usize, o: usize| {
            (0..shape.inputs()).map(|i| ((1 + i + o) as f32 * points[i * n + p] + o as f32).sin()).product::<f32>()
        };
        let targets: Vec<f32> =
            (0..shape.outputs()).flat_map(|o| (0..n).map(move |p| (p, o))).map(|(p, o)| wave(p, o)).collect();
        let noisy = targets.iter().map(|t| t + random.even(0.02)).collect();
        (points, noisy)
    };
    counts.iter().map(field).collect()
}

fn how(steps: usize) -> Newton {
    let base = Options::new(Shape::new(2, 1, 8, 1).unwrap()).steps;
    newton_of(super::gauss_newton::Steps { most: steps, ..base })
}

/// Losses of the kernel and of the processor, from the same starts.
fn both(plan: &SmallPlan, host: &Host, counts: &[usize], how: &Newton, blocks: usize) -> Vec<[f64; 2]> {
    let shape = plan.shape;
    let fields = fields(shape, counts);
    let samples: Vec<_> = fields.iter().map(|(p, t)| Samples::new(shape, p, t)).collect();
    let starts: Vec<Network> =
        (0..counts.len()).map(|k| start(shape, &Frequencies::Even(2.0), 1.0, k as u64)).collect();
    let (mut theirs, mut ours, mut again) = (starts.clone(), starts.clone(), starts);
    let found = host.newton(plan, &mut theirs, &samples, how, blocks);
    let want = Processor(Isa::detect()).newton(&mut ours, &samples, how).unwrap();
    // A run repeats itself, whatever the number of blocks.
    assert_eq!(host.newton(plan, &mut again, &samples, how, 1), found);
    assert_eq!(again, theirs);
    // The loss is that of the parameters.
    for ((network, (p, t)), loss) in theirs.iter().zip(&fields).zip(&found) {
        let mut tape = super::tape::Tape::new(shape, Isa::detect());
        let exact = super::gauss_newton::loss(&mut tape, network, &Samples::new(shape, p, t));
        assert!((exact - loss).abs() < 1e-12 * loss, "{exact} {loss}");
    }
    found.into_iter().zip(want).map(|(a, b)| [a, b]).collect()
}

#[test]
fn the_kernel_descends_as_the_processor_does() {
    // Ragged tiles, several outputs, depths, widths that are no multiple of anything; blocks with several networks.
    for (of, samples, threads, counts) in [
        ([2, 1, 8, 1], 8, 64, &[401, 277, 8][..]),
        ([3, 2, 9, 1], 16, 96, &[1333, 950][..]),
        ([5, 3, 9, 3], 8, 64, &[697][..]),
        ([4, 2, 8, 8], 32, 128, &[531, 264][..]),
        ([3, 2, 13, 2], 64, 256, &[1200][..]),
    ] {
        let [inputs, depth, width, outputs] = of;
        let plan = SmallPlan::with(Shape::new(inputs, depth, width, outputs).unwrap(), samples, threads);
        let host = Host::compile(&[Source::newton(&plan)]);
        // The head alone; one step; many.
        for (steps, tolerance) in [(0, 1e-5), (1, 1e-3), (12, 0.03)] {
            for [found, want] in both(&plan, &host, counts, &how(steps), 2) {
                println!("{of:?}, {steps} steps: {found:.6e}, on the processor {want:.6e}");
                // Fewer samples than the head has weights leave next to nothing.
                let least = 1e-7;
                assert!((found - want).abs() < tolerance * want + least, "{of:?}, {steps}: {found}, not {want}");
            }
        }
    }
}

#[test]
fn the_usual_network_is_fitted_as_by_the_processor() {
    let plan = SmallPlan::new(Shape::new(3, 3, 12, 1).unwrap(), gpu::H100_SHARED).unwrap();
    let host = Host::compile(&[Source::newton(&plan)]);
    for [found, want] in both(&plan, &host, &[1501], &how(4), 1) {
        println!("{} parameters: {found:.6e}, on the processor {want:.6e}", plan.shape.parameters());
        assert!((found / want - 1.0).abs() < 0.03, "{found}, not {want}");
    }
}

#[test]
fn what_has_no_solution_is_left_alone() {
    let shape = Shape::new(2, 1, 8, 1).unwrap();
    let plan = SmallPlan::with(shape, 8, 64);
    let host = Host::compile(&[Source::newton(&plan)]);
    let (points, targets) = (vec![f32::NAN; 40], vec![1.0; 20]);
    let before = start(shape, &Frequencies::Even(2.0), 1.0, 1);
    let mut networks = [before.clone()];
    let loss = host.newton(&plan, &mut networks, &[Samples::new(shape, &points, &targets)], &how(3), 1);
    assert!(loss[0].is_nan() || loss[0].is_finite());
    assert!(networks[0].parameters.iter().all(|p| p.is_finite()));
    // One sample, all parameters free.
    let mut networks = [before];
    let loss = host.newton(&plan, &mut networks, &[Samples::new(shape, &[0.5, 0.1], &[3.0])], &how(3), 1);
    assert!(loss[0] < 1e-6, "{loss:?}");
}
