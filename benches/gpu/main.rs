//! Networks on a GPU: bits against the processor, and speed against what the chip does at most. `benches/gpu/run`
//! builds it, adds compute-sanitizer and PyTorch, and prints all tables. Without a GPU it says so and measures nothing.
//!
//! `--check` does the checks alone, few points each: for compute-sanitizer.

use hiha::stages::gpu::{Bench, Training};

const WIDTHS: [usize; 5] = [16, 32, 64, 128, 256];

/// Parameters of `[inputs, depth, width, outputs]`.
fn parameters([inputs, depth, width, outputs]: [usize; 4]) -> f64 {
    ((inputs + 1) * width + (depth - 1) * (width + 1) * width + (width + 1) * outputs) as f64
}

fn main() {
    let check_only = std::env::args().any(|a| a == "--check");
    let bench = match Bench::open(0) {
        Ok(bench) => bench,
        Err(error) => return println!("{error}\nNothing was measured."),
    };
    let result = check(&bench, if check_only { 3_000 } else { 1_000_003 })
        .and_then(|()| if check_only { Ok(()) } else { measure(&bench) });
    if let Err(error) = result {
        eprintln!("failed: {error}");
        std::process::exit(1);
    }
}

fn check(bench: &Bench, n: usize) -> hiha::Result<()> {
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
        for (networks, tensor_cores) in [(1, false), (1, true), (300, shape[2] >= 64)] {
            let training = Training { shape, networks, samples: 1000.min(n), batch: 500, steps: 6, tensor_cores };
            let (first, second) = (bench.train(&training)?.1, bench.train(&training)?.1);
            let same = first.iter().zip(&second).all(|(a, b)| a.to_bits() == b.to_bits());
            if !same || !first.iter().all(|p| p.is_finite()) {
                return Err(hiha::Error::Unsupported(format!("training of {shape:?} does not repeat itself")));
            }
        }
    }
    println!("{}: training repeats itself bit for bit", bench.name());
    Ok(())
}

fn measure(bench: &Bench) -> hiha::Result<()> {
    let (ffma, tf32) = (bench.peak(false)?, bench.peak(true)?);
    println!("\nceilings, measured: {:.1} TFLOP/s FP32, {:.1} TFLOP/s TF32 by mma.sync\n", ffma * 1e-12, tf32 * 1e-12);

    println!("| evaluation, depth 3 | points | ms | GFLOP/s | of FP32 |\n|---|---|---|---|---|");
    for width in WIDTHS {
        for n in [10_000, 1_000_000, 100_000_000] {
            let shape = [3, 3, width, 1];
            let seconds = bench.evaluation_seconds(shape, n, if n > 10_000_000 { 3 } else { 20 })?;
            let rate = 2.0 * parameters(shape) * n as f64 / seconds;
            println!(
                "| width {width} | {n:e} | {:.3} | {:.0} | {:.0} % |",
                seconds * 1e3,
                rate * 1e-9,
                100.0 * rate / ffma
            );
        }
    }

    println!(
        "\n| training, depth 3 | products | batch | ms a step | GFLOP/s | of ceiling |\n|---|---|---|---|---|---|"
    );
    for width in WIDTHS {
        for tensor_cores in [false, true].into_iter().take(if width >= 64 { 2 } else { 1 }) {
            for batch in [1024, 16_384, 262_144] {
                let shape = [3, 3, width, 1];
                let steps = |steps| Training { shape, networks: 1, samples: 1_000_000, batch, steps, tensor_cores };
                // The difference of two lengths: transfers and compilation drop out.
                bench.train(&steps(2))?;
                let (few, many) = (bench.train(&steps(20))?.0, bench.train(&steps(220))?.0);
                let seconds = (many - few) / 200.0;
                let rate = 6.0 * parameters(shape) * batch as f64 / seconds;
                let ceiling = if tensor_cores { tf32 } else { ffma };
                println!(
                    "| width {width} | {} | {batch} | {:.4} | {:.0} | {:.0} % |",
                    if tensor_cores { "TF32" } else { "FP32" },
                    seconds * 1e3,
                    rate * 1e-9,
                    100.0 * rate / ceiling
                );
            }
        }
    }

    println!(
        "\n| 1000 fits, 2000 samples each | GPU and one core, s | one core alone, s (of 10, times 100) | factor |\n|---|---|---|---|"
    );
    for shape in [[3, 2, 16, 1], [3, 2, 24, 1], [3, 3, 32, 1], [3, 3, 64, 1]] {
        let [gpu, cpu] = bench.fit_seconds(shape, 2000, 1000, 10)?;
        let cpu = cpu * 100.0;
        println!("| {shape:?} | {gpu:.2} | {cpu:.0} | {:.0} |", cpu / gpu);
    }
    Ok(())
}
