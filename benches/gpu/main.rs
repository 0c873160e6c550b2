//! Networks on a GPU: bits against the processor, and speed against what the chip does at most. `benches/gpu/run`
//! builds it, adds compute-sanitizer and PyTorch, and prints all tables. Without a GPU it says so and measures nothing.
//!
//! `--check` does the checks alone, few points each: for compute-sanitizer. `--dry` does everything with sizes of almost
//! nothing: whether the tables come out, on a GPU or the emulated one of the tests (`benches/gpu/run --dry`).

use hiha::stages::gpu::{Bench, Training};

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
    /// Steps of the short and the long run.
    steps: [usize; 2],
    /// Networks fitted at once, samples of each, and those fitted by the core alone.
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
    steps: [20, 220],
    fits: [1000, 4000, 10],
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
    steps: [1, 2],
    fits: [3, 300, 1],
    shapes: &[[2, 1, 8, 1]],
    dry: true,
};

fn main() {
    let given = |name: &str| std::env::args().any(|a| a == name);
    let bench = match Bench::open(0) {
        Ok(bench) => bench,
        Err(error) => {
            eprintln!("{error}\nNothing was measured.");
            std::process::exit(1);
        }
    };
    let sizes = if given("--dry") { DRY } else { FULL };
    let points = if given("--check") { 3_000.min(sizes.checked) } else { sizes.checked };
    let result = check(&bench, points, if sizes.dry { 3 } else { 300 })
        .and_then(|()| if given("--check") { Ok(()) } else { measure(&bench, &sizes) });
    if let Err(error) = result {
        eprintln!("failed: {error}");
        std::process::exit(1);
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

fn measure(bench: &Bench, sizes: &Sizes) -> hiha::Result<()> {
    // An emulator has no ceiling.
    let ceilings = if sizes.dry { [1.0; 2] } else { [bench.peak(false)?, bench.peak(true)?] };
    let [ffma, tf32] = ceilings.map(|c| c * 1e-12);
    println!("\nceilings, measured: {ffma:.1} TFLOP/s FP32, {tf32:.1} TFLOP/s TF32 by mma.sync\n");
    evaluation(bench, sizes, ceilings[0])?;
    training(bench, sizes, ceilings)?;
    many(bench, sizes)?;
    fits(bench, sizes)
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

/// Seconds of a step: the difference of two lengths, so that transfers and compilation drop out.
fn step_seconds(bench: &Bench, sizes: &Sizes, of: impl Fn(usize) -> Training) -> hiha::Result<f64> {
    let [few, many] = sizes.steps;
    bench.train(&of(1))?;
    let seconds = [bench.train(&of(few))?.0, bench.train(&of(many))?.0];
    Ok((seconds[1] - seconds[0]) / (many - few) as f64)
}

fn training(bench: &Bench, sizes: &Sizes, ceilings: [f64; 2]) -> hiha::Result<()> {
    println!(
        "\n| training, depth 3 | products | batch | ms a step | GFLOP/s | of ceiling |\n|---|---|---|---|---|---|"
    );
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
fn many(bench: &Bench, sizes: &Sizes) -> hiha::Result<()> {
    let networks = sizes.fits[0];
    println!("\n| {networks} networks at once, 1000 points each | ms a step | GFLOP/s |\n|---|---|---|");
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
        "\n| {networks} whole fits, {samples} samples each | GPU and one core, s | one core alone, s (from {few}) | factor | RMSE over the core's |\n|---|---|---|---|---|"
    );
    for &shape in sizes.shapes {
        let fits = bench.fits(shape, samples, networks, few)?;
        let factor = fits.cpu / fits.gpu;
        println!("| {shape:?} | {:.2} | {:.0} | {factor:.0} | {:.3} |", fits.gpu, fits.cpu, fits.error);
    }
    Ok(())
}
