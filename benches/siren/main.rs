//! The SIREN engine: training speed, and what bases of the development fields cost and reach.
//!
//! ```text
//! cargo bench --features bench --bench siren -- steps 3-2-16-1 16384 1.0      one line of JSON
//! cargo bench --features bench --bench siren -- fit [FILE.nc ...]            a table
//! cargo bench --features bench --bench siren -- base [REPEATS]               the low band of chunks of a quarter of a degree
//! ```

mod base;
mod fields;

use fields::Field;
use hiha::stages::siren::{Settings, Training, fit_network, multiply_adds};
use std::hint::black_box;
use std::time::Instant;

/// Seconds of CPU time of this process, where Linux tells; otherwise seconds.
fn seconds(since: Instant) -> f64 {
    let read = || std::fs::read_to_string("/proc/self/schedstat").ok()?.split(' ').next()?.parse::<f64>().ok();
    read().map_or_else(|| since.elapsed().as_secs_f64(), |ns| ns * 1e-9)
}

/// Run `f` once; its result and the seconds it took.
fn timed<T>(f: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let before = seconds(start);
    let result = f();
    (result, seconds(start) - before)
}

/// Training steps a second, and the share of the fused multiply-adds that this core can do.
fn steps(shape: &str, points: usize, least: f64) {
    let sizes: Vec<usize> = shape.split('-').map(|n| n.parse().expect("inputs-depth-width-outputs")).collect();
    let mut training = Training::new(sizes.try_into().expect("four numbers"), points);
    training.run(3);
    // The clock of CPU time ticks every few milliseconds: look at it seldom.
    let start = Instant::now();
    training.run(10);
    let chunk = (3.0 * least / start.elapsed().as_secs_f64()).ceil() as usize;
    let (mut count, mut time, mut peaks) = (0, 0.0, Vec::new());
    while time < least {
        let ((sum, value), peak) = timed(|| multiply_adds(40_000_000));
        black_box(value);
        peaks.push(2e-9 * sum as f64 / peak);
        time += timed(|| black_box(training.run(chunk))).1;
        count += chunk;
    }
    peaks.sort_by(f64::total_cmp);
    let rate = count as f64 / time;
    let flops = 2e-9 * training.products() as f64 * rate;
    println!("{{\"steps_per_s\": {rate:.2}, \"gflops\": {flops:.2}, \"peak_gflops\": {:.2}}}", peaks[peaks.len() / 2]);
}

/// One row for each shape: error and bytes of a base, with its times.
fn fit(field: &Field) {
    let (samples, all) = (field.samples(field.thinning), field.samples(1));
    let inputs = if field.levels > 1 { 4 } else { 3 };
    for (depth, width) in [(2, 16), (3, 12), (3, 16), (2, 24), (2, 32)] {
        let (fitted, time) =
            timed(|| fit_network(&samples.points, &samples.targets, [inputs, depth, width, 1], &Settings::default()));
        let mut out = vec![0.0; all.targets.len()];
        let ((), evaluation) = timed(|| fitted.evaluate(&all.points, &mut out));
        let before = all.nrmse(&out);
        for exchange in [60.0, 200.0, 1000.0] {
            let (rounded, rounding) = timed(|| fitted.quantise(&samples.points, &samples.targets, exchange));
            rounded.fitted.evaluate(&all.points, &mut out);
            println!(
                "| {} | {inputs}-{width}x{depth}-1 | {} | {before:.3e} | {exchange} | {} | {:.3e} | {time:.3} | {rounding:.3} | {evaluation:.4} |",
                field.name,
                samples.targets.len(),
                rounded.bytes,
                all.nrmse(&out)
            );
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["steps", shape, points, least] => {
            steps(shape, points.parse().expect("a number of points"), least.parse().expect("seconds"));
        }
        ["fit", ..] | [] => {
            println!(
                "| field | network | samples | NRMSE | exchange | bytes | NRMSE quantised | fit s | quantise s | evaluate s |"
            );
            println!("|---|---|---|---|---|---|---|---|---|---|");
            fields::read(args.get(1..).unwrap_or_default()).iter().for_each(fit);
        }
        ["base", ..] => base::run(args.get(1).map_or(3, |n| n.parse().expect("a number of repeats"))),
        _ => panic!("expected: steps SHAPE POINTS SECONDS, fit [FILE.nc ...], or base [REPEATS]"),
    }
}
