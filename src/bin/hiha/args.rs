//! Command line.

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use hiha::{Bound, Device};
use std::path::PathBuf;

/// Error-bounded compression of gridded scientific data.
#[derive(Debug, Parser)]
#[command(name = "hiha", version, about, after_help = "Exit codes: 0 done, 1 a bound or check failed, 2 usage, I/O.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Compress a netCDF or Zarr file; everything but the values of lossy variables is kept exactly.
    Compress(crate::compress::CompressArgs),
    /// Write a HiHa file back as plain netCDF-4 or Zarr.
    Decompress(crate::decompress::DecompressArgs),
    /// Show how each variable is stored: shape, chunks, ratio, bound, bytes per stage.
    Inspect(crate::inspect::InspectArgs),
    /// Encode and decode variables in memory and report sizes, errors and times.
    Eval(crate::eval::EvalArgs),
    /// Compare two files variable by variable.
    Compare(crate::compare::CompareArgs),
    /// Show a small version of a variable, read from the front of its chunks.
    Preview(crate::preview::PreviewArgs),
    /// Print the HDF5 filter id and parameters for nccopy, h5repack, h5py and xarray.
    FilterParams(crate::filter_params::FilterParamsArgs),
}

/// The promise about error: at most one of these.
#[derive(Debug, Clone, Default, Args)]
#[group(multiple = false)]
pub(crate) struct BoundArgs {
    /// Every value within X of the original, in the data's unit.
    #[arg(long, value_name = "X")]
    pub(crate) max_abs: Option<f64>,
    /// Every value within X times the variable's range (maximum minus minimum).
    #[arg(long, value_name = "X")]
    pub(crate) max_rel: Option<f64>,
    /// Root mean square error at most X, in the data's unit.
    #[arg(long, value_name = "X")]
    pub(crate) rmse: Option<f64>,
    /// Root mean square error at most X times the variable's range.
    #[arg(long, value_name = "X")]
    pub(crate) nrmse: Option<f64>,
    /// Peak signal-to-noise ratio at least X dB, with the variable's range as peak.
    #[arg(long, value_name = "X")]
    pub(crate) psnr: Option<f64>,
    /// Keep every bit.
    #[arg(long)]
    pub(crate) lossless: bool,
}

impl BoundArgs {
    /// The bound given, if any.
    ///
    /// # Errors
    /// When its number is not positive and finite.
    pub(crate) fn bound(&self) -> Result<Option<Bound>> {
        let bound = [
            self.max_abs.map(Bound::MaxAbs),
            self.max_rel.map(Bound::MaxRel),
            self.rmse.map(Bound::Rmse),
            self.nrmse.map(Bound::Nrmse),
            self.psnr.map(Bound::Psnr),
            self.lossless.then_some(Bound::Lossless),
        ]
        .into_iter()
        .flatten()
        .next();
        if let Some(bound) = bound {
            bound.validate()?;
        }
        Ok(bound)
    }

    /// The bound given.
    ///
    /// # Errors
    /// When there is none, or its number is out of range.
    pub(crate) fn required(&self) -> Result<Bound> {
        self.bound()?.context("a bound is needed: --max-abs, --max-rel, --rmse, --nrmse, --psnr or --lossless")
    }
}

/// `NAME` or `NAME=BOUND`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct VarSpec {
    pub(crate) name: String,
    pub(crate) bound: Option<Bound>,
}

/// Parse `NAME`, `NAME=lossless`, `NAME=max_abs:0.01` and the like.
pub(crate) fn parse_var(text: &str) -> Result<VarSpec, String> {
    let Some((name, bound)) = text.split_once('=') else {
        return Ok(VarSpec { name: text.to_owned(), bound: None });
    };
    let bound = parse_bound(bound).map_err(|e| format!("{e:#}"))?;
    Ok(VarSpec { name: name.to_owned(), bound: Some(bound) })
}

/// Parse `lossless`, `max_abs:0.01` and the like (`-` is as good as `_`).
pub(crate) fn parse_bound(text: &str) -> Result<Bound> {
    if text == "lossless" {
        return Ok(Bound::Lossless);
    }
    let (kind, number) = text.split_once(':').with_context(|| format!("{text:?}: expected KIND:NUMBER or lossless"))?;
    let value: f64 = number.parse().with_context(|| format!("{number:?} is not a number"))?;
    let bound = match kind.replace('-', "_").as_str() {
        "max_abs" => Bound::MaxAbs(value),
        "max_rel" => Bound::MaxRel(value),
        "rmse" => Bound::Rmse(value),
        "nrmse" => Bound::Nrmse(value),
        "psnr" => Bound::Psnr(value),
        _ => bail!("{kind:?}: expected max_abs, max_rel, rmse, nrmse, psnr or lossless"),
    };
    bound.validate()?;
    Ok(bound)
}

/// A list of chunk lengths, `1,721,1440`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChunkShape(pub(crate) Vec<usize>);

/// Parse chunk lengths.
pub(crate) fn parse_chunk(text: &str) -> Result<ChunkShape, String> {
    let lengths: Result<Vec<usize>, _> = text.split(',').map(|n| n.trim().parse::<usize>()).collect();
    match lengths {
        Ok(lengths) if lengths.iter().all(|&n| n > 0) => Ok(ChunkShape(lengths)),
        _ => Err(format!("{text:?}: expected positive lengths such as 1,721,1440")),
    }
}

/// How hard and how parallel.
#[derive(Debug, Clone, Args)]
pub(crate) struct EffortArgs {
    /// 1 (fast) to 9 (small); every effort keeps the bound.
    #[arg(long, default_value_t = hiha::Config::DEFAULT_EFFORT, value_parser = clap::value_parser!(u8).range(1..=9))]
    pub(crate) effort: u8,
    /// Worker threads; the bytes do not depend on it, memory does. 0: one for each core.
    #[arg(long, default_value_t = 0)]
    pub(crate) threads: usize,
    /// Where networks are fitted: auto (a GPU if one works), cpu or cuda:N. Every device keeps the bound; the bytes differ.
    #[arg(long, default_value_t)]
    pub(crate) device: hiha::Device,
}

impl EffortArgs {
    /// Number of threads to use.
    pub(crate) fn threads(&self) -> usize {
        worker_threads(self.threads)
    }
}

/// `wanted`, or the number of cores for 0.
pub(crate) fn worker_threads(wanted: usize) -> usize {
    if wanted > 0 { wanted } else { std::thread::available_parallelism().map_or(1, usize::from) }
}

/// Where networks are evaluated.
#[derive(Debug, Clone, Args)]
pub(crate) struct DeviceArgs {
    /// Where networks are evaluated: auto (a GPU if one works), cpu or cuda:N. The values do not depend on it.
    #[arg(long, default_value_t)]
    pub(crate) device: hiha::Device,
}

/// A device that can be used: what was asked for, or the processor where `auto` finds no GPU, and then say what is missing.
pub(crate) fn usable(device: Device) -> hiha::Result<Device> {
    if device != Device::Auto {
        return device.check().map(|()| device);
    }
    Ok(match Device::Cuda(0).check() {
        Ok(()) => Device::Auto,
        Err(why) => {
            eprintln!("hiha: the processor does the work of a GPU: {why}");
            Device::Cpu
        }
    })
}

/// Where the result goes.
#[derive(Debug, Clone, Args)]
pub(crate) struct FileArgs {
    /// File to read: netCDF (.nc, .nc4, .h5) or Zarr (.zarr).
    #[arg(value_name = "IN")]
    pub(crate) input: PathBuf,
    /// File to write: netCDF-4 (.nc, .nc4, .h5) or Zarr (.zarr).
    #[arg(value_name = "OUT")]
    pub(crate) output: PathBuf,
    /// Replace OUT if it exists.
    #[arg(long)]
    pub(crate) overwrite: bool,
}
