//! `hiha compare`: errors of one file against another, variable by variable, block by block.

use crate::climatology::ClimatologyArgs;
use crate::field::{Source, Var};
use crate::metrics::{Metrics, with_type};
use crate::plan;
use crate::plot;
use anyhow::{Context, Result, bail};
use clap::Args;
use hiha::{Bound, Element};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Most bytes of a variable read at once from each file.
const BLOCK_BYTES: usize = 32 << 20;

/// Arguments of `hiha compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// The original.
    a: PathBuf,
    /// The decoded or compressed file.
    b: PathBuf,
    /// Variable to compare; repeatable. Without it: every numeric variable of A.
    #[arg(long = "var", value_name = "NAME")]
    vars: Vec<String>,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
    /// Draw original, decoded and difference of the first map (of the first --var) as PNG, at the slice with the largest error.
    #[arg(long, value_name = "OUT.png")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    expect: Expect,
    #[command(flatten)]
    climatology: ClimatologyArgs,
}

/// Limits that every compared variable must keep, else the exit code is 1.
#[derive(Debug, Args)]
struct Expect {
    /// Largest error allowed, in the data's unit.
    #[arg(long, value_name = "X")]
    expect_max_abs: Option<f64>,
    /// Largest error allowed as a fraction of the range.
    #[arg(long, value_name = "X")]
    expect_max_rel: Option<f64>,
    /// Root mean square error allowed, in the data's unit.
    #[arg(long, value_name = "X")]
    expect_rmse: Option<f64>,
    /// Root mean square error allowed as a fraction of the range.
    #[arg(long, value_name = "X")]
    expect_nrmse: Option<f64>,
    /// Peak signal-to-noise ratio required, dB.
    #[arg(long, value_name = "DB")]
    expect_psnr: Option<f64>,
    /// Every bit must be the same (NaN payloads aside).
    #[arg(long)]
    expect_lossless: bool,
}

impl Expect {
    fn bounds(&self) -> Vec<Bound> {
        [
            self.expect_max_abs.map(Bound::MaxAbs),
            self.expect_max_rel.map(Bound::MaxRel),
            self.expect_rmse.map(Bound::Rmse),
            self.expect_nrmse.map(Bound::Nrmse),
            self.expect_psnr.map(Bound::Psnr),
            self.expect_lossless.then_some(Bound::Lossless),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// A variable compared.
pub(crate) struct Compared {
    pub(crate) var: Var,
    pub(crate) metrics: Metrics,
    /// Bytes that it takes in B.
    stored_bytes: u64,
    /// Index of the largest error.
    pub(crate) worst: Vec<usize>,
}

/// Run; true when the shapes agree and every expectation is met.
pub(crate) fn run(args: &CompareArgs) -> Result<bool> {
    let climatology = args.climatology.load()?;
    let open = |path| Source::open(path, climatology.as_ref());
    let (a, b) = (open(&args.a)?, open(&args.b)?);
    let (in_a, in_b) = (a.variables()?, b.variables()?);
    if let Some(name) = args.vars.iter().find(|n| !in_a.iter().any(|v| v.name == **n)) {
        bail!("{} has no numeric variable {name}", args.a.display());
    }
    let expected = args.expect.bounds();
    let mut good = true;
    let mut complain = |what: String| {
        eprintln!("{what}");
        good = false;
    };
    if !args.json {
        println!("{HEADING}");
    }
    let mut to_plot: Option<Compared> = None;
    for var in in_a.iter().filter(|v| args.vars.is_empty() || args.vars.contains(&v.name)) {
        let Some(other) = in_b.iter().find(|v| v.name == var.name) else {
            complain(format!("{}: missing in {}", var.name, args.b.display()));
            continue;
        };
        if (&var.shape, var.dtype) != (&other.shape, other.dtype) {
            complain(format!(
                "{}: {} {:?} in A, {} {:?} in B",
                var.name, var.dtype, var.shape, other.dtype, other.shape
            ));
            continue;
        }
        let compared = compare(&a, &b, var, other).with_context(|| var.name.clone())?;
        println!("{}", if args.json { json(&compared).to_string() } else { row(&compared) });
        for bound in expected.iter().filter(|e| !compared.metrics.holds(e)) {
            complain(format!(
                "{}: {} is {:.6e}, expected {}; {} non-finite or fill values differ",
                var.name,
                bound.kind(),
                compared.metrics.achieved(bound),
                bound.value(),
                compared.metrics.mismatches()
            ));
        }
        if to_plot.is_none() && var.shape.iter().filter(|&&n| n > 1).count() >= 2 {
            to_plot = Some(compared);
        }
    }
    files(args)?;
    if let Some(path) = &args.plot {
        let compared = to_plot.context("no variable has two dimensions to draw")?;
        draw(&a, &b, &compared, path)?;
    }
    Ok(good)
}

fn compare(a: &Source, b: &Source, var: &Var, other: &Var) -> Result<Compared> {
    let mut total = Metrics::default();
    let mut worst = vec![0; var.shape.len()];
    let chunks = other.chunks.as_ref().or(var.chunks.as_ref());
    let block = block_shape(&var.shape, chunks.map(Vec::as_slice), var.dtype.size());
    for_each_block(&var.shape, &block, |start, count| {
        let (x, y) = (a.read(var, start, count)?, b.read(other, start, count)?);
        let mut part = Metrics::default();
        part.update_bytes(var.dtype, &x, &y, var.fill_value.as_deref());
        if part.max_abs > total.max_abs {
            let mut at = position_of_largest(var, &x, &y);
            for d in (0..count.len()).rev() {
                worst[d] = start[d] + at % count[d];
                at /= count[d];
            }
        }
        total.merge(&part);
        Ok(())
    })?;
    Ok(Compared { var: var.clone(), metrics: total, stored_bytes: other.stored_bytes, worst })
}

fn position_of_largest(var: &Var, x: &[u8], y: &[u8]) -> usize {
    with_type!(var.dtype, T => {
        let size = size_of::<T>();
        let value = |bytes: &[u8]| bytemuck::pod_read_unaligned::<T>(bytes).to_f64();
        let fill = var.fill_value.as_deref();
        let mut best = (0, -1.0);
        for (i, (p, q)) in x.chunks_exact(size).zip(y.chunks_exact(size)).enumerate() {
            let error = (value(p) - value(q)).abs();
            if error.is_finite() && error > best.1 && !plan::is_fill(p, fill) {
                best = (i, error);
            }
        }
        best.0
    })
}

/// A block of whole chunks, grown from the last dimension while it stays below [`BLOCK_BYTES`].
fn block_shape(shape: &[usize], chunks: Option<&[usize]>, element: usize) -> Vec<usize> {
    let mut block: Vec<usize> = match chunks {
        Some(chunks) => chunks.iter().zip(shape).map(|(&c, &n)| c.clamp(1, n)).collect(),
        None => vec![1; shape.len()],
    };
    for d in (0..shape.len()).rev() {
        let bytes = block.iter().product::<usize>() * element;
        block[d] = (block[d] * (BLOCK_BYTES / bytes).max(1)).min(shape[d]);
    }
    block
}

/// Call `f` with start and count of each block.
fn for_each_block(shape: &[usize], block: &[usize], mut f: impl FnMut(&[usize], &[usize]) -> Result<()>) -> Result<()> {
    let mut start = vec![0; shape.len()];
    loop {
        let count: Vec<usize> = (0..shape.len()).map(|d| block[d].min(shape[d] - start[d])).collect();
        f(&start, &count)?;
        let Some(d) = (0..shape.len()).rev().find(|&d| start[d] + block[d] < shape[d]) else { return Ok(()) };
        start[d] += block[d];
        start[d + 1..].fill(0);
    }
}

const HEADING: &str = "variable          shape                 max error    max/range         RMSE        NRMSE  PSNR dB  differing    ratio";

/// Bytes in memory over bytes in B.
fn ratio(c: &Compared) -> f64 {
    (c.metrics.total * c.var.dtype.size() as u64) as f64 / c.stored_bytes as f64
}

fn row(c: &Compared) -> String {
    let m = &c.metrics;
    let shape = c.var.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ");
    format!(
        "{:<16}  {:<18}  {:>11.4e}  {:>11.4e}  {:>11.4e}  {:>11.4e}  {:>7.2}  {:>9}  {:>7.2}",
        c.var.name,
        shape,
        m.max_abs,
        m.max_rel(),
        m.rmse(),
        m.nrmse(),
        m.psnr(),
        m.changed,
        ratio(c)
    )
}

fn json(c: &Compared) -> serde_json::Value {
    let m = &c.metrics;
    let finite = |v: f64| v.is_finite().then_some(v);
    json!({
        "var": c.var.name, "shape": c.var.shape, "dtype": c.var.dtype.name(), "raw_bytes": m.total * c.var.dtype.size() as u64,
        "max_abs": m.max_abs, "max_rel": finite(m.max_rel()), "rmse": m.rmse(), "nrmse": finite(m.nrmse()),
        "psnr": finite(m.psnr()), "range": m.range(), "changed": m.changed, "non_finite": m.non_finite,
        "fill": m.fill, "mismatches": m.mismatches(), "worst": c.worst,
        "bytes_a": c.var.stored_bytes, "bytes_b": c.stored_bytes, "ratio": finite(ratio(c)),
    })
}

/// Sizes of the two files on disk.
fn files(args: &CompareArgs) -> Result<()> {
    let (a, b) = (size_of_path(&args.a)?, size_of_path(&args.b)?);
    let ratio = a as f64 / b as f64;
    if args.json {
        println!("{}", json!({"file_a": args.a, "file_b": args.b, "bytes_a": a, "bytes_b": b, "file_ratio": ratio}));
    } else {
        println!("files: {a} and {b} bytes, {ratio:.2} to 1");
    }
    Ok(())
}

/// Bytes of a file, or of all files below a folder.
fn size_of_path(path: &Path) -> Result<u64> {
    let metadata = std::fs::metadata(path).with_context(|| path.display().to_string())?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    std::fs::read_dir(path)?.map(|entry| size_of_path(&entry?.path())).sum()
}

/// Read the slice with the largest error from both files and draw it.
fn draw(a: &Source, b: &Source, c: &Compared, path: &Path) -> Result<()> {
    let (rows_dim, columns_dim) = plan::map_dims(&c.var.dims, &c.var.shape);
    let (mut start, mut count) = (c.worst.clone(), vec![1; c.worst.len()]);
    for d in [rows_dim, columns_dim] {
        (start[d], count[d]) = (0, c.var.shape[d]);
    }
    let slice = (0..start.len()).filter(|d| ![rows_dim, columns_dim].contains(d));
    let slice: Vec<String> =
        slice.map(|d| format!("{} index {} of {}", c.var.dims[d], start[d], c.var.shape[d])).collect();
    let read = |source: &Source| -> Result<Vec<f64>> {
        let bytes = source.read(&c.var, &start, &count)?;
        let fill = c.var.fill_value.as_deref();
        Ok(with_type!(c.var.dtype, T => bytes
            .chunks_exact(size_of::<T>())
            .map(|e| if plan::is_fill(e, fill) { f64::NAN } else { bytemuck::pod_read_unaligned::<T>(e).to_f64() })
            .collect()))
    };
    let m = &c.metrics;
    let unit = c.var.units.clone().unwrap_or_default();
    let axis = |d: usize| plot::MapAxis { name: c.var.dims[d].clone(), values: a.coordinate(&c.var, d) };
    let frame = plot::Frame {
        rows: c.var.shape[rows_dim],
        columns: c.var.shape[columns_dim],
        vertical: axis(rows_dim),
        horizontal: axis(columns_dim),
        title: format!("{}{}{}", c.var.name, if slice.is_empty() { "" } else { ", " }, slice.join(", ")),
        subtitle: format!(
            "whole variable: max error {} {unit}   RMSE {} {unit}   NRMSE {}   PSNR {:.1} dB",
            plot::number(m.max_abs),
            plot::number(m.rmse()),
            plot::number(m.nrmse()),
            m.psnr(),
        ),
        unit,
    };
    plot::draw_comparison(&frame, &read(a)?, &read(b)?, path).with_context(|| format!("cannot draw {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_everything_and_stay_small() {
        let block = block_shape(&[1000, 721, 1440], Some(&[1, 721, 1440]), 4);
        assert_eq!(block, [8, 721, 1440]);
        assert_eq!(block_shape(&[24, 91, 180], None, 4), [24, 91, 180]);
        assert_eq!(block_shape(&[1 << 30], None, 8), [BLOCK_BYTES / 8]);
        let mut n = 0;
        for_each_block(&[5, 3, 7], &[2, 3, 4], |_, count| {
            n += count.iter().product::<usize>();
            Ok(())
        })
        .unwrap();
        assert_eq!(n, 105);
    }
}
