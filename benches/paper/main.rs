//! The tables of the HiHa paper (Xu, Pan, Li, Wei, arXiv 2411.06155), measured on our fields in the paper's profile and in ours.
//!
//! ```text
//! cargo bench --features bench --bench paper -- [--effort N] [--frames N] [FILE.nc ...]
//! ```
//!
//! Prints Markdown: Table 2 (ratio and time by NRMSE, with and without the temporal residual), Table 3 (stages left out) and
//! Figure 5 (error and time by steps of the temporal residual). The paper's own figures are not repeated: its text was not at
//! hand when this was written.

mod field;

use field::Field;
use hiha::stages::paper::{frames, networks};
use hiha::{ArrayView, Axis, Bound, Coder, Config, Profile, Stage};
use std::time::Instant;

const TARGETS: [f64; 4] = [1e-2, 1e-3, 1e-4, 1e-5];
/// Of Table 3.
const ABLATION_TARGET: f64 = 1e-3;

/// One encoding.
struct Run {
    bytes: usize,
    ratio: f64,
    nrmse: f64,
    rmse: f64,
    psnr: f64,
    encode: f64,
    decode: f64,
    stages: String,
    /// RMSE of the networks alone, and their ratio.
    alone: Option<(f64, f64)>,
}

fn rmse(a: &[f32], b: &[f32]) -> f64 {
    (a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / a.len() as f64).sqrt()
}

fn psnr(range: f64, rmse: f64) -> f64 {
    20.0 * (range / rmse).log10()
}

fn run(field: &Field, config: &Config) -> Run {
    let view = ArrayView::new(&field.data, &field.shape).expect("a field");
    let start = Instant::now();
    let stream = hiha::encode(&view, config).expect("a valid configuration");
    let encode = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let decoded = hiha::decode(&stream).expect("our stream");
    let decode = start.elapsed().as_secs_f64();
    let error = rmse(&field.data, decoded.as_slice::<f32>().expect("float32"));
    let info = hiha::inspect(&stream).expect("our stream");
    let ratio = |bytes: usize| (4 * field.data.len()) as f64 / bytes.max(1) as f64;
    let bytes_of = |names: &[&str]| info.stages.iter().filter(|s| names.contains(&s.0)).map(|s| s.1).sum::<usize>();
    let alone = networks(&stream)
        .expect("our stream")
        .map(|base| (rmse(&field.data, &base), ratio(bytes_of(&["header", "low", "mid", "time"]))));
    let stages: Vec<String> = info
        .stages
        .iter()
        .filter(|s| !["header", "split"].contains(&s.0))
        .map(|s| format!("{} {}", s.0, s.1))
        .collect();
    Run {
        bytes: stream.len(),
        ratio: ratio(stream.len()),
        nrmse: error / field.range,
        rmse: error,
        psnr: psnr(field.range, error),
        encode,
        decode,
        stages: format!("{}: {}", info.method, stages.join(", ")),
        alone,
    }
}

fn config(field: &Field, target: f64, profile: Profile, effort: u8) -> Config {
    let first = if field.time { Axis::Time } else { Axis::Level };
    let axes = match field.shape.len() {
        3 => vec![first, Axis::Latitude, Axis::Longitude],
        _ => Vec::new(),
    };
    let effort = if profile == Profile::Paper { effort } else { Config::DEFAULT_EFFORT };
    Config { axes, periodic: true, profile, effort, ..Config::new(Bound::Nrmse(target)) }
}

fn table_2(field: &Field, effort: u8) {
    println!("\n## Table 2: {} {:?}\n", field.name, field.shape);
    println!("| NRMSE | pipeline | bytes | ratio | NRMSE reached | encode s | decode s | bytes of stages |");
    println!("|---|---|---|---|---|---|---|---|");
    for target in TARGETS {
        let paper = config(field, target, Profile::Paper, effort);
        let ours = config(field, target, Profile::Default, effort);
        let mut pipelines = vec![("paper, no TRC", Config { time: Stage::Off, ..paper.clone() }), ("ours", ours)];
        if field.time {
            pipelines.insert(0, ("paper, TRC", paper));
        }
        for (name, config) in pipelines {
            let r = run(field, &config);
            println!(
                "| {target:e} | {name} | {} | {:.2} | {:.2e} | {:.1} | {:.2} | {} |",
                r.bytes, r.ratio, r.nrmse, r.encode, r.decode, r.stages
            );
        }
    }
}

fn table_3(field: &Field, effort: u8) {
    println!("\n## Table 3: {} {:?}, NRMSE {ABLATION_TARGET:e}\n", field.name, field.shape);
    println!("No SSM: the networks alone, which keep no bound. TRC is off throughout.\n");
    println!("| pipeline | PSNR dB | RMSE | ratio | encode s |");
    println!("|---|---|---|---|---|");
    let paper = Config { time: Stage::Off, ..config(field, ABLATION_TARGET, Profile::Paper, effort) };
    let ours = config(field, ABLATION_TARGET, Profile::Default, effort);
    for (name, config) in [
        ("paper", paper.clone()),
        ("paper, no MIM", Config { low: Stage::Off, ..paper.clone() }),
        ("paper, no IDM", Config { mid: Stage::Off, ..paper.clone() }),
        ("paper, harmonic detail for SSM", Config { coder: Coder::Harmonic, ..paper }),
        ("ours", ours),
    ] {
        let r = run(field, &config);
        println!("| {name} | {:.2} | {:.3e} | {:.2} | {:.1} |", r.psnr, r.rmse, r.ratio, r.encode);
        if let (Some((rmse, ratio)), "paper") = (r.alone, name) {
            println!("| paper, no SSM | {:.2} | {rmse:.3e} | {ratio:.2} | |", psnr(field.range, rmse));
        }
    }
}

fn figure_5(field: &Field, effort: u8) {
    println!("\n## Figure 5: {} {:?}\n", field.name, field.shape);
    println!(
        "Of the networks alone, without a key frame after the first; \"paper\" with the paper's layer sizes, \"ours\" with small ones.\n"
    );
    println!("| TRC step | NRMSE, paper | s, paper | NRMSE, ours | s, ours |");
    println!("|---|---|---|---|---|");
    let of = |profile| {
        let c = Config { time: Stage::On, mid: Stage::On, ..config(field, ABLATION_TARGET, profile, effort) };
        frames(&field.data, &field.shape, &c, ABLATION_TARGET * field.range, f64::INFINITY).unwrap_or_default()
    };
    let (paper, ours) = (of(Profile::Paper), of(Profile::Default));
    for (k, (p, o)) in paper.iter().zip(&ours).enumerate() {
        let key = if p.key { " (key)" } else { "" };
        let range = field.range;
        println!(
            "| {k}{key} | {:.2e} | {:.2} | {:.2e} | {:.2} |",
            p.rmse / range,
            p.seconds,
            o.rmse / range,
            o.seconds
        );
    }
}

/// The number after a flag.
fn number(args: &mut Vec<String>, flag: &str, default: usize) -> usize {
    let Some(at) = args.iter().position(|a| a == flag) else { return default };
    let value = args.get(at + 1).and_then(|v| v.parse().ok()).unwrap_or_else(|| panic!("{flag} needs a number"));
    args.drain(at..at + 2);
    value
}

fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let effort = number(&mut args, "--effort", 5) as u8;
    let frames = number(&mut args, "--frames", 12);
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        model.lines().find(|l| l.starts_with("model name")).and_then(|l| l.split(": ").nth(1)).unwrap_or("unknown");
    println!("Machine: {model}, one thread; effort {effort} of the paper's profile.");
    for field in field::read(&args, frames) {
        table_2(&field, effort);
        table_3(&field, effort);
        if field.time {
            figure_5(&field, effort);
        }
    }
}
