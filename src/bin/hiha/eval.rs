//! `hiha eval`: encode and decode in memory, and report size, error and time.

use crate::args::usable;
use crate::climatology::{Climatology, ClimatologyArgs};
use crate::field::{Field, read_fields};
use crate::metrics::Metrics;
use crate::stage_args::StageArgs;
use anyhow::{Context, Result, bail};
use clap::Args;
use hiha::{ArrayView, Bound, ByteOrder, Config, DecodeOptions};
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

/// Arguments of `hiha eval`.
#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// Files to read.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Variable to evaluate; repeatable. Without it: every numeric variable that is no coordinate.
    #[arg(long = "var", value_name = "NAME")]
    vars: Vec<String>,
    #[command(flatten)]
    bounds: Bounds,
    /// Encode in chunks of this shape, such as 1,721,1440. Relative bounds are resolved over the whole variable first.
    #[arg(long, value_delimiter = ',', value_name = "N,N,…")]
    chunk: Vec<usize>,
    /// 1 (fast) to 9 (small).
    #[arg(long, default_value_t = Config::DEFAULT_EFFORT, value_parser = clap::value_parser!(u8).range(1..=9))]
    effort: u8,
    /// Worker threads for decoding: parts of large streams and the slices of 3-D chunks. Encoding uses one.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Where networks are fitted and evaluated: auto, cpu or cuda:N.
    #[arg(long, default_value_t)]
    device: hiha::Device,
    #[command(flatten)]
    stages: StageArgs,
    /// Take the longitude axis as spanning the globe, whatever the coordinates say.
    #[arg(long, conflicts_with = "no_periodic")]
    periodic: bool,
    /// Take the longitude axis as regional, whatever the coordinates say.
    #[arg(long)]
    no_periodic: bool,
    /// Encode and decode this often and report the median times.
    #[arg(long, default_value_t = 1, value_name = "K")]
    repeat: usize,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    climatology: ClimatologyArgs,
    /// Leave out this part of the coders, to measure what it earns; repeatable.
    #[cfg(feature = "ablation")]
    #[arg(long, value_name = "PART", value_parser = part)]
    without: Vec<hiha::ablation::Part>,
}

/// The bounds to try, in the order of this list.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Bounds {
    /// Largest error, in the data's unit; repeatable, as are the other bounds.
    #[arg(long, value_name = "X")]
    max_abs: Vec<f64>,
    /// Largest error as a fraction of the range.
    #[arg(long, value_name = "X")]
    max_rel: Vec<f64>,
    /// Root mean square error, in the data's unit.
    #[arg(long, value_name = "X")]
    rmse: Vec<f64>,
    /// Root mean square error as a fraction of the range.
    #[arg(long, value_name = "X")]
    nrmse: Vec<f64>,
    /// Peak signal-to-noise ratio, dB.
    #[arg(long, value_name = "DB")]
    psnr: Vec<f64>,
    /// Keep every bit.
    #[arg(long)]
    lossless: bool,
}

impl Bounds {
    fn list(&self) -> Vec<Bound> {
        let of = |values: &[f64], make: fn(f64) -> Bound| values.iter().map(|&v| make(v)).collect::<Vec<_>>();
        let mut list = of(&self.max_abs, Bound::MaxAbs);
        list.extend(of(&self.max_rel, Bound::MaxRel));
        list.extend(of(&self.rmse, Bound::Rmse));
        list.extend(of(&self.nrmse, Bound::Nrmse));
        list.extend(of(&self.psnr, Bound::Psnr));
        list.extend(self.lossless.then_some(Bound::Lossless));
        list
    }
}

/// A part by its name.
#[cfg(feature = "ablation")]
fn part(name: &str) -> Result<hiha::ablation::Part, String> {
    let all = hiha::ablation::Part::ALL;
    let names = || all.iter().map(|p| p.name()).collect::<Vec<_>>().join(", ");
    all.iter().find(|p| p.name() == name).copied().ok_or_else(|| format!("unknown part; there are {}", names()))
}

/// Run; true when every bound held.
pub(crate) fn run(args: &EvalArgs) -> Result<bool> {
    #[cfg(feature = "ablation")]
    hiha::ablation::leave_out(&args.without);
    usable(args.device)?;
    let bounds = args.bounds.list();
    let climatology = args.climatology.load()?;
    let mut all_hold = true;
    if !args.json {
        println!("{}", Report::HEADING);
    }
    for path in &args.files {
        let file = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for field in read_fields(path, &args.vars)? {
            for bound in &bounds {
                if !field.dtype.is_float() && !matches!(bound, Bound::MaxAbs(_) | Bound::Lossless) {
                    let why = format!("{} is {}: integers take max_abs or lossless", field.name, field.dtype);
                    if args.vars.is_empty() {
                        eprintln!("skipped: {why}");
                        continue;
                    }
                    bail!(why);
                }
                let report = evaluate(&field, *bound, climatology.as_ref(), args)
                    .with_context(|| format!("{file}, {}, {} {}", field.name, bound.kind(), bound.value()))?;
                all_hold &= report.holds();
                if args.json {
                    println!("{}", report.json(&file, &field, args));
                } else {
                    println!("{}", report.row(&file, &field));
                }
            }
        }
    }
    Ok(all_hold)
}

/// What one variable became under one bound.
struct Report {
    bound: Bound,
    periodic: bool,
    metrics: Metrics,
    bytes: usize,
    chunks: usize,
    stages: Vec<(&'static str, usize)>,
    methods: Vec<&'static str>,
    encode_s: f64,
    decode_s: f64,
}

fn evaluate(field: &Field, bound: Bound, climatology: Option<&Climatology>, args: &EvalArgs) -> Result<Report> {
    let stages = args.stages.apply(field.config(bound));
    let mut config = Config { effort: args.effort, threads: args.threads, device: args.device, ..stages };
    config.periodic = (config.periodic || args.periodic) && !args.no_periodic;
    let chunk = if args.chunk.is_empty() { field.shape.clone() } else { args.chunk.clone() };
    if chunk.len() != field.shape.len() || chunk.contains(&0) {
        bail!("chunk {chunk:?} does not fit the shape {:?}", field.shape);
    }
    let mut report = Report {
        bound,
        periodic: config.periodic,
        metrics: Metrics::default(),
        bytes: 0,
        chunks: 0,
        stages: Vec::new(),
        methods: Vec::new(),
        encode_s: 0.0,
        decode_s: 0.0,
    };
    if chunk.iter().zip(&field.shape).any(|(c, n)| c < n) {
        config.bound = bound.resolve(range_of(field));
        // A chunk that is a part of the globe has no neighbour around it.
        let longitude = config.axes.iter().position(|&a| a == hiha::Axis::Longitude).unwrap_or(chunk.len() - 1);
        config.periodic &= chunk[longitude] >= field.shape[longitude];
    }
    let climatology = climatology.filter(|c| c.fits(&field.shape));
    for_each_chunk(field, &chunk, |data, start, shape| {
        config.reference = climatology.map(|c| c.part(start, shape, shape)).transpose()?;
        report.add_chunk(field, data, shape, &config, args.repeat.max(1))
    })?;
    Ok(report)
}

fn range_of(field: &Field) -> f64 {
    let mut m = Metrics::default();
    m.update_bytes(field.dtype, &field.data, &field.data, field.fill_value.as_deref());
    m.range()
}

/// Call `f` with the bytes, start and shape of each chunk; chunks at the end may be smaller.
fn for_each_chunk(
    field: &Field,
    chunk: &[usize],
    mut f: impl FnMut(&[u8], &[usize], &[usize]) -> Result<()>,
) -> Result<()> {
    let shape = &field.shape;
    let size = field.dtype.size();
    if chunk.iter().zip(shape).all(|(c, n)| c >= n) {
        return f(&field.data, &vec![0; shape.len()], shape);
    }
    let n = shape.len();
    let mut start = vec![0; n];
    loop {
        let part: Vec<usize> = (0..n).map(|d| chunk[d].min(shape[d] - start[d])).collect();
        let row = part[n - 1] * size;
        let mut data = Vec::with_capacity(part.iter().product::<usize>() * size);
        for r in 0..part[..n - 1].iter().product::<usize>() {
            // Index of the row within the chunk, then its offset in the field.
            let (mut rest, mut offset, mut stride) = (r, start[n - 1], shape[n - 1]);
            for d in (0..n - 1).rev() {
                offset += (start[d] + rest % part[d]) * stride;
                rest /= part[d];
                stride *= shape[d];
            }
            data.extend_from_slice(&field.data[offset * size..][..row]);
        }
        f(&data, &start, &part)?;
        let Some(d) = (0..n).rev().find(|&d| start[d] + chunk[d] < shape[d]) else { return Ok(()) };
        start[d] += chunk[d];
        start[d + 1..].fill(0);
    }
}

impl Report {
    fn add_chunk(&mut self, field: &Field, data: &[u8], shape: &[usize], config: &Config, repeat: usize) -> Result<()> {
        let view = ArrayView::from_bytes(data, field.dtype, ByteOrder::NATIVE, shape)?;
        let options = DecodeOptions {
            threads: config.threads,
            max_bytes: u64::MAX,
            reference: config.reference.clone(),
            device: config.device,
        };
        let mut decoded = vec![0; data.len()];
        let mut stream = Vec::new();
        self.encode_s += median_time(repeat, || {
            stream = hiha::encode(&view, config)?;
            Ok(())
        })?;
        self.decode_s +=
            median_time(repeat, || Ok(hiha::decode_into(&stream, &mut decoded, ByteOrder::NATIVE, &options)?))?;
        self.metrics.update_bytes(field.dtype, data, &decoded, config.fill_value.as_deref());
        let info = hiha::inspect(&stream)?;
        self.bytes += stream.len();
        self.chunks += 1;
        for (name, bytes) in info.stages {
            match self.stages.iter_mut().find(|(n, _)| *n == name) {
                Some((_, sum)) => *sum += bytes,
                None => self.stages.push((name, bytes)),
            }
        }
        if !self.methods.contains(&info.method) {
            self.methods.push(info.method);
        }
        Ok(())
    }

    fn holds(&self) -> bool {
        self.metrics.holds(&self.bound)
    }
    fn ratio(&self, field: &Field) -> f64 {
        field.data.len() as f64 / self.bytes as f64
    }
    fn method(&self) -> String {
        self.methods.join("+")
    }
    /// Megabytes of decoded data a second.
    fn rate(field: &Field, seconds: f64) -> f64 {
        field.data.len() as f64 / 1e6 / seconds
    }

    fn json(&self, file: &str, field: &Field, args: &EvalArgs) -> serde_json::Value {
        let m = &self.metrics;
        let stages: serde_json::Map<_, _> = self.stages.iter().map(|(n, b)| ((*n).to_owned(), json!(b))).collect();
        json!({
            "file": file, "var": field.name, "shape": field.shape, "dtype": field.dtype.name(),
            "bound": self.bound.kind(), "value": self.bound.value(), "holds": self.holds(),
            "achieved": finite(m.achieved(&self.bound)),
            "bytes": self.bytes, "raw_bytes": field.data.len(), "ratio": self.ratio(field),
            "bits_per_value": self.bytes as f64 * 8.0 / m.total as f64,
            "rmse": m.rmse(), "nrmse": finite(m.nrmse()), "psnr": finite(m.psnr()),
            "max_abs": m.max_abs, "max_rel": finite(m.max_rel()),
            "range": m.range(), "non_finite": m.non_finite, "fill": m.fill, "mismatches": m.mismatches(),
            "encode_s": self.encode_s, "decode_s": self.decode_s,
            "encode_mb_s": Self::rate(field, self.encode_s), "decode_mb_s": Self::rate(field, self.decode_s),
            "stages": stages, "method": self.method(), "chunks": self.chunks,
            "effort": args.effort, "threads": args.threads, "device": args.device.to_string(), "periodic": self.periodic,
        })
    }

    const HEADING: &str = "file                       var        bound          bytes     ratio  bits/value  \
                           NRMSE     max/range  PSNR dB  enc MB/s  dec MB/s  method    held";

    fn row(&self, file: &str, field: &Field) -> String {
        let m = &self.metrics;
        format!(
            "{:<26} {:<10} {:<8} {:<7} {:>9}  {:>7.2}  {:>7.4}  {:>9.3e}  {:>9.3e}  {:>6.2}  {:>8.1}  {:>8.1}  {:<9} {}",
            file,
            field.name,
            self.bound.kind(),
            if self.bound == Bound::Lossless { String::new() } else { self.bound.value().to_string() },
            self.bytes,
            self.ratio(field),
            self.bytes as f64 * 8.0 / m.total as f64,
            m.nrmse(),
            m.max_rel(),
            m.psnr(),
            Self::rate(field, self.encode_s),
            Self::rate(field, self.decode_s),
            self.method(),
            if self.holds() { "yes" } else { "NO" }
        )
    }
}

/// JSON has no infinity: null stands for one.
fn finite(v: f64) -> Option<f64> {
    v.is_finite().then_some(v)
}

/// Median time of `repeat` runs, in seconds.
fn median_time(repeat: usize, mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut times = Vec::with_capacity(repeat);
    for _ in 0..repeat {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed().as_secs_f64());
    }
    Ok(median(&mut times))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    (values[(n - 1) / 2] + values[n / 2]) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_the_field_once() {
        let shape = vec![3, 5, 7];
        let values: Vec<u16> = (0..105).collect();
        let field = Field {
            name: "v".into(),
            dtype: hiha::DType::U16,
            shape,
            data: bytemuck::cast_slice(&values).to_vec(),
            fill_value: None,
            suggested: Config::new(Bound::Lossless),
        };
        let mut seen: Vec<u16> = Vec::new();
        let mut shapes = Vec::new();
        for_each_chunk(&field, &[2, 2, 4], |data, _, shape| {
            seen.extend(bytemuck::pod_collect_to_vec::<u8, u16>(data));
            shapes.push(shape.to_vec());
            Ok(())
        })
        .unwrap();
        assert_eq!((shapes.len(), shapes[0].clone(), shapes[11].clone()), (12, vec![2, 2, 4], vec![1, 1, 3]));
        assert_eq!(seen[..8], [0, 1, 2, 3, 7, 8, 9, 10], "rows of the first chunk");
        seen.sort_unstable();
        assert_eq!(seen, values);
    }

    #[test]
    fn medians() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
