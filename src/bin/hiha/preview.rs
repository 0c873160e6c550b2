//! `hiha preview`: a small version of a variable, from the front of its chunks.

use crate::args::{DeviceArgs, usable};
use crate::climatology::{Climatology, ClimatologyArgs};
use crate::dataset::{self, Dataset, Variable};
use crate::metrics::with_type;
use crate::{plan, plot, small_file};
use anyhow::{Context, Result, bail, ensure};
use hiha::{CellMeans, DType, DecodeOptions, Element, Error};
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

/// Bytes of a chunk that are read first.
const FIRST_READ: u64 = 1 << 16;

/// Arguments of `hiha preview`.
#[derive(Debug, clap::Args)]
pub(crate) struct PreviewArgs {
    /// File to read: netCDF (.nc, .nc4, .h5) or Zarr (.zarr).
    file: PathBuf,
    /// Variable to look at.
    #[arg(long, value_name = "NAME")]
    var: String,
    /// How small: 1/8 (or 8) makes one element of 8 x 8 along latitude and longitude (the last two axes, where
    /// names say nothing). Chunks in HiHa's harmonic form are read only as far as that needs; they hold the scales
    /// 1/3, 1/9, 1/27 and so on, or 1/2, 1/4, 1/8 where the encoder took a wavelet.
    #[arg(long, value_name = "1/N", default_value = "1/9", value_parser = parse_scale)]
    scale: usize,
    /// One index of another dimension, such as time=3 (counted from 0); repeatable. Without it: all.
    #[arg(long, value_name = "DIM=INDEX", value_parser = parse_at)]
    at: Vec<(String, usize)>,
    /// Draw the first map as PNG.
    #[arg(long, value_name = "OUT.png")]
    plot: Option<PathBuf>,
    /// Write the small variable and its coordinates: netCDF-4 (.nc, .nc4, .h5) or Zarr (.zarr).
    #[arg(long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Replace the output if it exists.
    #[arg(long)]
    overwrite: bool,
    /// Worker threads that decode a chunk. 0: one for each core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// A JSON object instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    climatology: ClimatologyArgs,
}

/// Parse `1/8` or `8`.
fn parse_scale(text: &str) -> Result<usize, String> {
    let number = text.strip_prefix("1/").unwrap_or(text);
    number.parse().ok().filter(|&n| n > 0).ok_or_else(|| format!("{text:?}: expected 1/N, such as 1/8"))
}

/// Parse `time=3`.
fn parse_at(text: &str) -> Result<(String, usize), String> {
    let parts = text.split_once('=').and_then(|(name, index)| Some((name.to_owned(), index.parse().ok()?)));
    parts.ok_or_else(|| format!("{text:?}: expected DIM=INDEX, such as time=3"))
}

/// A small variable.
pub(crate) struct Small {
    /// Index of the variable in its file.
    pub(crate) variable: usize,
    pub(crate) dtype: DType,
    /// Borders of its cells along each dimension, in elements of the whole variable.
    pub(crate) borders: Vec<Vec<f64>>,
    /// Means in C order; NaN where most is missing.
    pub(crate) values: Vec<f64>,
}

impl Small {
    /// Length of each dimension.
    pub(crate) fn shape(&self) -> Vec<usize> {
        self.borders.iter().map(|b| b.len() - 1).collect()
    }

    /// Means of a dimension's coordinates over the cells.
    pub(crate) fn coordinate(&self, dim: usize, values: &[f64]) -> Vec<f64> {
        let mut means = CellMeans::new(vec![self.borders[dim].clone()]);
        means.add(&[unit(0, values.len())], |i| values[i]);
        means.finish()
    }
}

/// What it took.
#[derive(Default)]
struct Cost {
    chunks: usize,
    bytes_read: u64,
    bytes_stored: u64,
    /// Scale at which chunks were decoded, the largest and the smallest.
    scales: Option<(f64, f64)>,
}

/// Run the verb.
pub(crate) fn run(args: &PreviewArgs) -> Result<bool> {
    usable(args.device.device)?;
    let input = dataset::open(&args.file)?;
    let model = input.model();
    let variable =
        model.find(&args.var).with_context(|| format!("{} has no variable {}", args.file.display(), args.var))?;
    let var = &model.variables[variable];
    let dtype = var.number().with_context(|| format!("{}: type {} is not numeric", var.path, var.dtype))?;
    ensure!(var.len() > 0 && !var.shape.is_empty(), "{}: nothing to look at", var.path);
    let start = Instant::now();
    let borders = grid(&model.dim_names(var), &var.shape, args)?;
    let (values, cost) = means(&*input, variable, borders.clone(), args).with_context(|| var.path.clone())?;
    let seconds = start.elapsed().as_secs_f64();
    let small = Small { variable, dtype, borders, values };
    if let Some(path) = &args.output {
        small_file::write(&*input, &small, &args.file, path, args.overwrite)?;
    }
    if let Some(path) = &args.plot {
        draw(&*input, &small, args, path)?;
    }
    report(var, &small, &cost, seconds, args);
    Ok(true)
}

/// Borders of the cells: `scale` elements along the two dimensions of the map, one along others.
fn grid(names: &[&str], shape: &[usize], args: &PreviewArgs) -> Result<Vec<Vec<f64>>> {
    let (rows, columns) = plan::map_dims(names, shape);
    let mut borders: Vec<Vec<f64>> = shape.iter().map(|&n| unit(0, n)).collect();
    for d in [rows, columns] {
        if let (Some(b), Some(&n)) = (borders.get_mut(d), shape.get(d)) {
            *b = (0..n).step_by(args.scale).chain([n]).map(|i| i as f64).collect();
        }
    }
    for (name, index) in &args.at {
        let d = names.iter().position(|n| n == name).with_context(|| format!("--at {name}: no such dimension"))?;
        ensure!(d != rows && d != columns, "--at {name}: a dimension of the map");
        ensure!(*index < shape[d], "--at {name}={index}: its length is {}", shape[d]);
        borders[d] = unit(*index, *index + 1);
    }
    Ok(borders)
}

/// from, from + 1, .. to.
fn unit(from: usize, to: usize) -> Vec<f64> {
    (from..=to).map(|i| i as f64).collect()
}

/// Means over the cells, chunk by chunk.
fn means(input: &dyn Dataset, i: usize, borders: Vec<Vec<f64>>, args: &PreviewArgs) -> Result<(Vec<f64>, Cost)> {
    let model = input.model();
    let var = &model.variables[i];
    let chunk = match &var.chunks {
        Some(chunks) => chunks.clone(),
        None => plan::chunk_shape(model, var, None),
    };
    let touched = |(&(start, count), b): (&(usize, usize), &Vec<f64>)| {
        b.first().is_some_and(|&f| f < (start + count) as f64) && b.last().is_some_and(|&l| l > start as f64)
    };
    let climatology = args.climatology.load()?;
    let mut means = CellMeans::new(borders.clone());
    let mut cost = Cost::default();
    for offset in plan::offsets(&var.shape, &chunk) {
        let count = plan::counts(&var.shape, &chunk, &offset);
        let place: Vec<(usize, usize)> = offset.iter().copied().zip(count.iter().copied()).collect();
        if !place.iter().zip(&borders).all(touched) {
            continue;
        }
        cost.chunks += 1;
        if var.is_hiha() {
            from_stream(input, i, &offset, args, climatology.as_ref(), &mut means, &mut cost)?;
        } else {
            let bytes = input.read(i, &offset, &count)?.fixed()?;
            let cells: Vec<Vec<f64>> = place.iter().map(|&(o, n)| unit(o, o + n)).collect();
            add(var, &bytes, &cells, &mut means)?;
        }
    }
    if !var.is_hiha() {
        let stored = input.stored_bytes(i)?;
        (cost.bytes_read, cost.bytes_stored) = (stored, stored);
    }
    Ok((means.finish(), cost))
}

/// Read the front of a chunk, as far as it takes.
fn from_stream(
    input: &dyn Dataset,
    i: usize,
    offset: &[usize],
    args: &PreviewArgs,
    climatology: Option<&Climatology>,
    means: &mut CellMeans,
    cost: &mut Cost,
) -> Result<()> {
    let var = &input.model().variables[i];
    let chunk = var.chunks.as_deref().unwrap_or_default();
    let part = |c: &Climatology| c.part(offset, &plan::counts(&var.shape, chunk, offset), chunk);
    let options = DecodeOptions {
        threads: crate::args::worker_threads(args.threads),
        reference: climatology.filter(|c| c.fits(&var.shape)).map(part).transpose()?,
        device: args.device.device,
        ..DecodeOptions::default()
    };
    let (rows, columns) = plan::map_dims(&input.model().dim_names(var), &var.shape);
    let (mut wanted, mut scale) = (FIRST_READ, args.scale);
    let preview = loop {
        // A chunk that was never written is missing.
        let Some((mut front, stored)) = input.chunk_front(i, offset, wanted)? else { return Ok(()) };
        if !front.starts_with(&hiha::MAGIC) {
            // The bytes are not where the file says (an HDF5 user block): leave it to the library.
            let Some(whole) = input.raw_chunk(i, offset)? else { return Ok(()) };
            front = whole;
        }
        match hiha::preview(&front, scale, &options) {
            Err(Error::Truncated { .. }) if (front.len() as u64) < stored => wanted = wanted.saturating_mul(4),
            Err(e) => bail!("chunk at {offset:?}: {e}"),
            Ok(preview) => {
                // Small maps in long series are held as series: those keep their length here.
                let shortened = |(d, borders): (usize, &Vec<f64>)| {
                    d != rows && d != columns && borders.last().is_some_and(|&n| (borders.len() as f64) < n + 1.0)
                };
                if scale > 1 && preview.cells.iter().enumerate().any(shortened) {
                    scale = 1;
                    continue;
                }
                cost.bytes_stored += stored;
                break preview;
            }
        }
    };
    cost.bytes_read += preview.bytes_read as u64;
    let scale = preview.scale();
    cost.scales = Some(cost.scales.map_or((scale, scale), |(a, b)| (a.max(scale), b.min(scale))));
    let mut cells = preview.cells.clone();
    ensure!(cells.len() == offset.len(), "chunk at {offset:?}: its stream has {} dimensions", cells.len());
    for (borders, &o) in cells.iter_mut().zip(offset) {
        borders.iter_mut().for_each(|b| *b += o as f64);
    }
    ensure!(Some(preview.array.dtype()) == var.number(), "chunk at {offset:?}: its type is {}", preview.array.dtype());
    add(var, preview.array.bytes(), &cells, means)
}

/// Add elements in native byte order; fill values are missing.
fn add(var: &Variable, bytes: &[u8], cells: &[Vec<f64>], means: &mut CellMeans) -> Result<()> {
    let fill = plan::fill_value(var);
    let dtype = var.number().context("numbers")?;
    with_type!(dtype, T => {
        const SIZE: usize = size_of::<T>();
        means.add(cells, |i| match bytes.get(i * SIZE..(i + 1) * SIZE) {
            Some(e) if !plan::is_fill(e, fill.as_deref()) => {
                let v = bytemuck::pod_read_unaligned::<T>(e).to_f64();
                if v.is_finite() { v } else { f64::NAN }
            }
            _ => f64::NAN,
        });
    });
    Ok(())
}

fn draw(input: &dyn Dataset, small: &Small, args: &PreviewArgs, path: &std::path::Path) -> Result<()> {
    let model = input.model();
    let var = &model.variables[small.variable];
    let (names, shape) = (model.dim_names(var), small.shape());
    let (rows, columns) = plan::map_dims(&names, &var.shape);
    ensure!(shape.len() > 1 && rows < columns, "{}: no two dimensions to draw", var.path);
    let stride = |d: usize| shape[d + 1..].iter().product::<usize>();
    let values: Vec<f64> = (0..shape[rows])
        .flat_map(|y| (0..shape[columns]).map(move |x| (y, x)))
        .map(|(y, x)| small.values[y * stride(rows) + x * stride(columns)])
        .collect();
    let axis = |d: usize| -> Result<plot::MapAxis> {
        let whole = plan::coordinate(input, var.dims[d])?;
        Ok(plot::MapAxis { name: names[d].to_owned(), values: whole.map(|v| small.coordinate(d, &v)) })
    };
    let others = (0..shape.len()).filter(|&d| d != rows && d != columns && var.shape[d] > 1);
    let slice: Vec<String> =
        others.map(|d| format!(", {} index {} of {}", names[d], small.borders[d][0], var.shape[d])).collect();
    let frame = plot::Frame {
        rows: shape[rows],
        columns: shape[columns],
        vertical: axis(rows)?,
        horizontal: axis(columns)?,
        title: format!("{}{}", var.name, slice.concat()),
        subtitle: format!("preview at 1/{} of {} x {}", args.scale, var.shape[rows], var.shape[columns]),
        unit: var.attribute("units").and_then(dataset::Attribute::text).unwrap_or_default(),
    };
    plot::draw_map(&frame, "Preview", &values, path).with_context(|| format!("cannot draw {}", path.display()))
}

fn report(var: &Variable, small: &Small, cost: &Cost, seconds: f64, args: &PreviewArgs) {
    let (coarse, fine) = cost.scales.unwrap_or((1.0, 1.0));
    if args.json {
        println!(
            "{}",
            json!({
                "var": var.path, "shape": var.shape, "preview_shape": small.shape(), "scale": args.scale,
                "decoded_scale": [fine, coarse], "chunks": cost.chunks, "bytes_read": cost.bytes_read,
                "bytes_stored": cost.bytes_stored, "seconds": seconds,
            })
        );
        return;
    }
    let by = |lengths: &[usize]| lengths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ");
    let share = 100.0 * cost.bytes_read as f64 / cost.bytes_stored.max(1) as f64;
    let decoded = if fine == coarse { format!("1/{coarse:.1}") } else { format!("1/{coarse:.1} to 1/{fine:.1}") };
    println!("{}: {} at 1/{}, {}", var.path, by(&var.shape), args.scale, by(&small.shape()));
    println!(
        "  {} of {} bytes ({share:.1} %) in {} chunks, decoded at {decoded}, {:.1} ms",
        cost.bytes_read,
        cost.bytes_stored,
        cost.chunks,
        1e3 * seconds
    );
}
