//! Networks on a GPU: bits against the processor, and speed against what the chip does at most. `benches/gpu/run`
//! builds it, adds compute-sanitizer and PyTorch, and keeps all tables. Without a GPU it says so and measures nothing.
//!
//! The stages are named by the arguments (all without one): `check`, `evaluate`, `train`, `many`, `fits`, and `probe`, the
//! checks with few points each for compute-sanitizer. `--dry`: sizes of almost nothing, to see whether the tables come out,
//! on a GPU or the emulated one of the tests (`benches/gpu/run --dry`).

use hiha::stages::gpu::{Bench, Training};
use hiha::{ArrayView, Bound, Coder, Config, DecodeOptions, Device, Stage};

/// Parameters of `[inputs, depth, width, outputs]`.
fn parameters([inputs, depth, width, outputs]: [usize; 4]) -> f64 {
    ((inputs + 1) * width + (depth - 1) * (width + 1) * width + (width + 1) * outputs) as f64
}

/// How much to measure.
struct Sizes {
    widths: &'static [usize],
    checked: usize,
    points: &'static [usize],
    batches: &'static [usize],
    samples: usize,
    /// Steps of the short run, and seconds that the long one shall take more.
    steps: (usize, f64),
    /// Networks fitted at once, samples of each, and those fitted by the core alone; of large ones fewer.
    fits: [usize; 3],
    shapes: &'static [[usize; 4]],
    dry: bool,
}

const FULL: Sizes = Sizes {
    widths: &[16, 32, 64, 128, 256],
    checked: 1_000_003,
    points: &[10_000, 1_000_000, 100_000_000],
    batches: &[1024, 16_384, 262_144],
    samples: 1_000_000,
    steps: (20, 0.25),
    fits: [1000, 4000, 8],
    // The encoder's base; the same with fewer layers; two that Levenberg-Marquardt leaves to Adam.
    shapes: &[[3, 3, 12, 1], [3, 2, 16, 1], [3, 2, 24, 1], [3, 3, 32, 1], [3, 3, 64, 1]],
    dry: false,
};

const DRY: Sizes = Sizes {
    widths: &[16, 64],
    checked: 200,
    points: &[300],
    batches: &[128],
    samples: 300,
    steps: (1, 0.0),
    fits: [3, 300, 1],
    shapes: &[[2, 1, 8, 1]],
    dry: true,
};

const STAGES: [&str; 5] = ["check", "evaluate", "train", "many", "fits"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let dry = arguments.iter().any(|a| a == "--dry");
    // cargo bench adds an option.
    let mut stages: Vec<&str> = arguments.iter().map(String::as_str).filter(|a| !a.starts_with("--")).collect();
    if let Some(unknown) = stages.iter().find(|s| **s != "probe" && !STAGES.contains(s)) {
        eprintln!("no stage {unknown}; there are probe, {}", STAGES.join(", "));
        std::process::exit(2);
    }
    if stages.is_empty() {
        stages = STAGES.into();
    }
    let bench = match Bench::open(0) {
        Ok(bench) => bench,
        Err(error) => {
            eprintln!("{error}\nNothing was measured.");
            std::process::exit(1);
        }
    };
    println!("{}, {}\n", bench.name(), bench.compiler());
    let sizes = if dry { DRY } else { FULL };
    if let Err(error) = stages.iter().try_for_each(|stage| run(&bench, &sizes, stage)) {
        eprintln!("failed: {error}");
        std::process::exit(1);
    }
}

fn run(bench: &Bench, sizes: &Sizes, stage: &str) -> hiha::Result<()> {
    let many = if sizes.dry { 3 } else { 300 };
    match stage {
        "probe" => check(bench, 3_000.min(sizes.checked), many.min(30)),
        "check" => check(bench, sizes.checked, many).and_then(|()| streams(sizes)),
        "many" => many_at_once(bench, sizes),
        "fits" => fits(bench, sizes),
        _ => {
            // An emulator has no ceiling.
            let ceilings = if sizes.dry { [1.0; 2] } else { [bench.peak(false)?, bench.peak(true)?] };
            let [ffma, tf32] = ceilings.map(|c| c * 1e-12);
            println!("ceilings, measured: {ffma:.1} TFLOP/s FP32, {tf32:.1} TFLOP/s TF32 by mma.sync\n");
            if stage == "evaluate" { evaluation(bench, sizes, ceilings[0]) } else { training(bench, sizes, ceilings) }
        }
    }
}

fn check(bench: &Bench, n: usize, many: usize) -> hiha::Result<()> {
    let shapes = [
        [2, 1, 8, 1],
        [3, 2, 16, 1],
        [4, 3, 9, 8],
        [5, 5, 33, 3],
        [3, 3, 64, 1],
        [3, 5, 64, 2],
        [3, 2, 127, 1],
        [2, 4, 200, 4],
        [3, 3, 256, 1],
    ];
    for shape in shapes {
        bench.same_bits(shape, n)?;
    }
    println!("{}: evaluation has the processor's bits, {} shapes, {n} points each", bench.name(), shapes.len());
    for shape in [[3, 2, 16, 1], [3, 3, 64, 1], [3, 2, 160, 1]] {
        for (networks, tensor_cores) in [(1, false), (1, true), (many, shape[2] >= 64)] {
            let training = Training { shape, networks, samples: 1000.min(n), batch: 500, steps: 6, tensor_cores };
            let (first, second) = (bench.train(&training)?.1, bench.train(&training)?.1);
            let same = first.iter().zip(&second).all(|(a, b)| a.to_bits() == b.to_bits());
            if !same || !first.iter().all(|p| p.is_finite()) {
                return Err(hiha::Error::Unsupported(format!("training of {shape:?} does not repeat itself")));
            }
        }
    }
    println!("{}: training repeats itself bit for bit", bench.name());
    // Levenberg-Marquardt and all that leads to it.
    let fits = bench.fits([3, 2, 8, 1], 600, 3, 3)?;
    if !(0.7..1.4).contains(&fits.error) {
        return Err(hiha::Error::Unsupported(format!("fits leave {} of the processor's RMSE", fits.error)));
    }
    println!("{}: fits leave {:.3} of the processor's RMSE", bench.name(), fits.error);
    Ok(())
}

/// Whole streams, of networks fitted on either device, decode to the same bits on both.
fn streams(sizes: &Sizes) -> hiha::Result<()> {
    let (h, w) = if sizes.dry { (24, 46) } else { (181, 360) };
    let wave = |y: f32, x: f32| (7.0 * y).sin() * 30.0 + (9.0 * x + 3.0 * y).cos() * 5.0 + 0.1 * (90.0 * x * y).sin();
    let at = |i: usize| ((i / w) as f32 / h as f32, (i % w) as f32 / w as f32);
    let field: Vec<f32> = (0..h * w).map(at).map(|(y, x)| wave(y, x)).collect();
    let shape = [h, w];
    let array = ArrayView::new(&field, &shape)?;
    let bound = Bound::Nrmse(1e-3);
    let low = Config { low: Stage::On, coder: Coder::Harmonic, ..Config::new(bound) };
    let paper = Config { mid: Stage::On, ..low.clone() };
    for config in if sizes.dry { vec![low] } else { vec![low, paper] } {
        for fitted in [Device::Cpu, Device::Cuda(0)] {
            let stream = hiha::encode(&array, &Config { device: fitted, ..config.clone() })?;
            let decoded = |device| hiha::decode_with(&stream, &DecodeOptions { device, ..DecodeOptions::default() });
            if decoded(Device::Cpu)?.bytes() != decoded(Device::Cuda(0))?.bytes() {
                return Err(hiha::Error::Unsupported(format!("a stream fitted on {fitted} decodes to other bits")));
            }
        }
    }
    println!("whole streams decode to the same bits on both, fitted on either");
    Ok(())
}

fn evaluation(bench: &Bench, sizes: &Sizes, ceiling: f64) -> hiha::Result<()> {
    println!("| evaluation, depth 3 | points | ms | GFLOP/s | of FP32 |\n|---|---|---|---|---|");
    for &width in sizes.widths {
        for &n in sizes.points {
            let shape = [3, 3, width, 1];
            let seconds = bench.evaluation_seconds(shape, n, if n > 10_000_000 { 3 } else { 20 })?;
            let rate = 2.0 * parameters(shape) * n as f64 / seconds;
            let (ms, share) = (seconds * 1e3, 100.0 * rate / ceiling);
            println!("| width {width} | {n:e} | {ms:.3} | {:.0} | {share:.0} % |", rate * 1e-9);
        }
    }
    Ok(())
}

/// Seconds of a step: the difference of two lengths, so that transfers and compilation drop out; the longer as long as it
/// takes to be measured well.
fn step_seconds(bench: &Bench, sizes: &Sizes, of: impl Fn(usize) -> Training) -> hiha::Result<f64> {
    let (few, enough) = sizes.steps;
    bench.train(&of(1))?;
    let short = bench.train(&of(few))?.0;
    let mut many = 5 * few;
    loop {
        let more = bench.train(&of(many))?.0 - short;
        if more >= enough || many >= 20_000 {
            return Ok(more.max(1e-9) / (many - few) as f64);
        }
        many *= 4;
    }
}

fn training(bench: &Bench, sizes: &Sizes, ceilings: [f64; 2]) -> hiha::Result<()> {
    println!("| training, depth 3 | products | batch | ms a step | GFLOP/s | of ceiling |\n|---|---|---|---|---|---|");
    for &width in sizes.widths {
        for tensor_cores in [false, true].into_iter().take(if width >= 64 { 2 } else { 1 }) {
            for &batch in sizes.batches {
                let (shape, samples) = ([3, 3, width, 1], sizes.samples);
                let of = |steps| Training { shape, networks: 1, samples, batch, steps, tensor_cores };
                let seconds = step_seconds(bench, sizes, of)?;
                let rate = 6.0 * parameters(shape) * batch as f64 / seconds;
                let (products, ceiling) = [("FP32", ceilings[0]), ("TF32", ceilings[1])][usize::from(tensor_cores)];
                let (ms, share) = (seconds * 1e3, 100.0 * rate / ceiling);
                println!("| width {width} | {products} | {batch} | {ms:.4} | {:.0} | {share:.0} % |", rate * 1e-9);
            }
        }
    }
    Ok(())
}

/// Small networks at once, each on all of 1000 points.
fn many_at_once(bench: &Bench, sizes: &Sizes) -> hiha::Result<()> {
    let networks = sizes.fits[0];
    println!("| {networks} networks at once, 1000 points each | ms a step | GFLOP/s |\n|---|---|---|");
    for &shape in sizes.shapes {
        let of = |steps| Training { shape, networks, samples: 1000, batch: 1000, steps, tensor_cores: shape[2] >= 64 };
        let seconds = step_seconds(bench, sizes, of)?;
        let rate = 6e-9 * parameters(shape) * 1000.0 * networks as f64 / seconds;
        println!("| {shape:?} | {:.3} | {rate:.0} |", seconds * 1e3);
    }
    Ok(())
}

fn fits(bench: &Bench, sizes: &Sizes) -> hiha::Result<()> {
    let [networks, samples, few] = sizes.fits;
    println!(
        "| {networks} whole fits, {samples} samples each | GPU and one core, s | one core alone, s | fitted there | factor | RMSE over the core's |\n|---|---|---|---|---|---|"
    );
    for &shape in sizes.shapes {
        let few = if parameters(shape) > 1000.0 { few.div_ceil(4) } else { few };
        let fits = bench.fits(shape, samples, networks, few)?;
        let factor = fits.cpu / fits.gpu;
        println!("| {shape:?} | {:.2} | {:.0} | {few} | {factor:.0} | {:.3} |", fits.gpu, fits.cpu, fits.error);
    }
    Ok(())
}
