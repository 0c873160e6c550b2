//! `hiha compress`: one pass for the ranges that relative bounds need, one that encodes chunk by chunk.

use crate::args::{BoundArgs, ChunkShape, EffortArgs, FileArgs, VarSpec, parse_chunk, parse_var, usable};
use crate::climatology::{self, Climatology, ClimatologyArgs};
use crate::dataset::{self, Attribute, Dataset, Format, Model, Output, Storage};
use crate::plan;
use crate::progress;
use crate::stage_args::StageArgs;
use crate::temporary::Temporary;
use anyhow::{Context, Result, ensure};
use hiha::{ArrayView, Bound, ByteOrder, Config, DType, Device};
use indicatif::ProgressBar;

/// Memory for chunks that are encoded at a time with a GPU; what encoding takes for each byte, about; and most chunks.
const GPU_CHUNK_BYTES: usize = 4 << 30;
const ENCODER_BYTES: usize = 24;
const MOST_CHUNKS: usize = 128;

/// Arguments of `hiha compress`.
#[derive(Debug, clap::Args)]
pub(crate) struct CompressArgs {
    #[command(flatten)]
    pub(crate) files: FileArgs,
    /// The default for floating point data variables. Integers (packed data too), coordinates, variables that say where and how
    /// large the cells are (CF: `coordinates`, `bounds`, `cell_measures` and the like), and 1-D variables stay lossless.
    #[command(flatten)]
    pub(crate) bound: BoundArgs,
    /// NAME=BOUND gives one variable its own bound, such as `t=max_abs:0.01` or `q=lossless`. With plain
    /// NAMEs only those (and the ones with a BOUND) are lossy. Repeatable.
    #[arg(long, value_name = "NAME[=BOUND]", value_parser = parse_var)]
    pub(crate) var: Vec<VarSpec>,
    /// Chunk shape for variables with that many dimensions.
    #[arg(long, value_name = "N,N,...", value_parser = parse_chunk)]
    pub(crate) chunk: Option<ChunkShape>,
    #[command(flatten)]
    pub(crate) effort: EffortArgs,
    #[command(flatten)]
    pub(crate) stages: StageArgs,
    #[command(flatten)]
    pub(crate) climatology: ClimatologyArgs,
}

/// Run the verb.
pub(crate) fn run(args: &CompressArgs) -> Result<bool> {
    let default = args.bound.bound()?;
    let named = args.var.iter().any(|v| v.bound.is_some()) && args.var.iter().all(|v| v.bound.is_some());
    ensure!(
        default.is_some() || named,
        "a bound is needed: --max-abs, --max-rel, --rmse, --nrmse, --psnr or --lossless"
    );
    let format = Format::of(&args.files.output)?;
    let input = dataset::open(&args.files.input)?;
    let temporary = Temporary::new(&args.files.input, &args.files.output, args.files.overwrite)?;
    let bounds = plan::bounds(input.model(), default, &args.var)?;
    let climatology = args.climatology.load()?;
    if let Some(climatology) = &climatology {
        climatology::check_use(climatology, input.model(), |i| bounds[i] != Bound::Lossless)?;
    }
    let storage = plan_storage(&*input, &bounds, args, usable(args.effort.device)?)?;
    let model = with_history(input.model());
    let mut output = temporary.guarded(|| dataset::create(temporary.path(), format, &model, &storage))?;
    let threads = args.effort.threads();
    write_values(&*input, &mut *output, &storage, climatology.as_ref(), threads, &temporary)?;
    temporary.guarded(|| output.finish())?;
    temporary.keep()?;
    Ok(true)
}

fn plan_storage(input: &dyn Dataset, bounds: &[Bound], args: &CompressArgs, device: Device) -> Result<Vec<Storage>> {
    let asked = args.chunk.as_ref().map(|c| c.0.as_slice());
    let model = input.model();
    let mut matched = asked.is_none();
    let mut all = Vec::new();
    for (i, (var, &bound)) in model.variables.iter().zip(bounds).enumerate() {
        let explicit = bound != Bound::Lossless && (1..=hiha::MAX_DIMS).contains(&var.dims.len()) && var.len() > 0;
        if !plan::is_encodable(var) && !explicit {
            all.push(plain(model, var));
            continue;
        }
        matched |= asked.is_some_and(|a| a.len() == var.dims.len());
        let chunks = plan::chunk_shape(model, var, asked);
        let dtype = var.number().context("numbers")?;
        let bytes = chunks.iter().try_fold(dtype.size(), |n, &c| n.checked_mul(c)).unwrap_or(usize::MAX);
        ensure!((bytes as u64) < 1 << 32, "{}: a chunk of {chunks:?} has 4 GiB or more", var.path);
        let mut config = args.stages.apply(plan::config(input, i, bound, &chunks)?);
        if matches!(bound, Bound::MaxRel(_) | Bound::Nrmse(_) | Bound::Psnr(_)) {
            config.bound = bound.resolve(range(input, i, &config, &chunks)?);
        }
        config.effort = args.effort.effort;
        config.device = device;
        all.push(Storage::Hiha { config, chunks });
    }
    ensure!(matched, "--chunk {asked:?}: no variable to compress has that many dimensions");
    Ok(all)
}

/// As it was; unlimited dimensions need chunks.
pub(crate) fn plain(model: &Model, var: &dataset::Variable) -> Storage {
    let unlimited = var.dims.iter().any(|&d| model.dimension(d).unlimited);
    let fits = var.chunks.as_ref().filter(|c| c.iter().zip(&var.shape).all(|(c, n)| unlimited || c <= n));
    Storage::Plain { chunks: fits.cloned() }
}

/// Maximum minus minimum of the finite values that are no fill value.
fn range(input: &dyn Dataset, variable: usize, config: &Config, chunk: &[usize]) -> Result<f64> {
    let var = &input.model().variables[variable];
    let dtype = var.number().context("numbers")?;
    let skip: Vec<f64> = config.fill_value.iter().flat_map(|f| plan::to_f64(f, dtype)).collect();
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for offset in plan::offsets(&var.shape, chunk) {
        let bytes = input.read(variable, &offset, &plan::counts(&var.shape, chunk, &offset))?.fixed()?;
        for v in plan::to_f64(&bytes, dtype).into_iter().filter(|v| v.is_finite() && !skip.contains(v)) {
            low = low.min(v);
            high = high.max(v);
        }
    }
    Ok(if low <= high { high - low } else { 0.0 })
}

/// The same structure with one more line of CF history.
pub(crate) fn with_history(model: &Model) -> Model {
    let mut model = model.clone();
    let command: Vec<String> = std::env::args().skip(1).collect();
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let mut line = format!("{}: hiha {}", utc(seconds), command.join(" "));
    let attributes = &mut model.groups[0].attributes;
    let old = attributes.iter().position(|a| a.name == "history");
    if let Some(text) = old.and_then(|i| attributes[i].text()) {
        line = format!("{line}\n{text}");
    }
    let new = Attribute::from_text("history", &line);
    match old {
        Some(i) => attributes[i] = new,
        None => attributes.push(new),
    }
    model
}

/// ISO 8601 in UTC (days to civil date after Howard Hinnant's algorithm).
fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86400 + 719_468, seconds % 86400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (d, m) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let y = year + era * 400 + u64::from(m <= 2);
    format!("{y:04}-{m:02}-{d:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Copy or encode every variable: plain ones first, as `Output` asks.
fn write_values(
    input: &dyn Dataset,
    output: &mut dyn Output,
    storage: &[Storage],
    climatology: Option<&Climatology>,
    threads: usize,
    temporary: &Temporary,
) -> Result<()> {
    let bar = progress::bar(input.model().variables.iter().map(bytes_of).sum());
    for (i, _) in storage.iter().enumerate().filter(|(_, s)| matches!(s, Storage::Plain { .. })) {
        copy(input, output, i, temporary)?;
        bar.inc(bytes_of(&input.model().variables[i]));
    }
    for (i, s) in storage.iter().enumerate() {
        if let Storage::Hiha { config, chunks } = s {
            bar.set_message(input.model().variables[i].path.clone());
            encode(input, output, i, config, chunks, climatology, threads, temporary, &bar)
                .with_context(|| input.model().variables[i].path.clone())?;
        }
    }
    bar.finish_and_clear();
    Ok(())
}

fn bytes_of(var: &dataset::Variable) -> u64 {
    (var.len() * var.number().map_or(1, DType::size)) as u64
}

/// Copy a variable's values in pieces of a few million values.
pub(crate) fn copy(input: &dyn Dataset, output: &mut dyn Output, i: usize, temporary: &Temporary) -> Result<()> {
    let model = input.model();
    let var = &model.variables[i];
    let piece = plan::chunk_shape(model, var, var.chunks.as_deref());
    for offset in plan::offsets(&var.shape, &piece) {
        let count = plan::counts(&var.shape, &piece, &offset);
        let values = input.read(i, &offset, &count)?;
        temporary.guarded(|| output.write(i, &offset, &count, &values))?;
    }
    Ok(())
}

/// Encode a variable, `threads` chunks at a time; chunks are written in order.
#[allow(clippy::too_many_arguments)]
fn encode(
    input: &dyn Dataset,
    output: &mut dyn Output,
    variable: usize,
    config: &Config,
    chunk: &[usize],
    climatology: Option<&Climatology>,
    threads: usize,
    temporary: &Temporary,
    bar: &ProgressBar,
) -> Result<()> {
    let var = &input.model().variables[variable];
    let dtype = var.number().context("numbers")?;
    let offsets = plan::offsets(&var.shape, chunk);
    let climatology = climatology.filter(|c| c.fits(&var.shape));
    let bytes = chunk.iter().product::<usize>() * dtype.size();
    for batch in offsets.chunks(at_once(config, threads.max(1), bytes)) {
        let mut jobs = Vec::new();
        for offset in batch {
            let count = plan::counts(&var.shape, chunk, offset);
            let bytes = input.read(variable, offset, &count)?.fixed()?;
            let mut config = for_edge(config, &count, chunk, threads / batch.len());
            config.reference = climatology.map(|c| c.part(offset, &count, chunk)).transpose()?;
            jobs.push((pad(bytes, &count, chunk, dtype.size()), config));
        }
        let streams: Vec<hiha::Result<Vec<u8>>> = std::thread::scope(|scope| {
            let workers: Vec<_> = jobs
                .iter()
                .map(|(bytes, config)| {
                    scope.spawn(move || {
                        hiha::encode(&ArrayView::from_bytes(bytes, dtype, ByteOrder::NATIVE, chunk)?, config)
                    })
                })
                .collect();
            workers.into_iter().map(|w| w.join().unwrap_or_else(|p| std::panic::resume_unwind(p))).collect()
        });
        for (offset, stream) in batch.iter().zip(streams) {
            temporary.guarded(|| output.write_chunk(variable, offset, &stream?))?;
            bar.inc((plan::counts(&var.shape, chunk, offset).iter().product::<usize>() * dtype.size()) as u64);
        }
    }
    Ok(())
}

/// Chunks that are encoded at a time. A GPU fits the networks of many together, so there are more than there are threads,
/// as far as memory goes. The device is one that can be used, so `auto` is a GPU.
fn at_once(config: &Config, threads: usize, chunk_bytes: usize) -> usize {
    if config.device == Device::Cpu {
        return threads;
    }
    let fit = GPU_CHUNK_BYTES / (chunk_bytes.max(1) * ENCODER_BYTES);
    fit.clamp(threads, MOST_CHUNKS.max(threads))
}

/// Padding counts in a chunk's mean square error, so an edge chunk needs a stricter bound for the
/// values inside to keep theirs.
fn for_edge(config: &Config, count: &[usize], chunk: &[usize], threads: usize) -> Config {
    let mut config = Config { threads: threads.max(1), ..config.clone() };
    if let (Bound::Rmse(v), true) = (config.bound, count != chunk) {
        let inside = count.iter().product::<usize>() as f64 / chunk.iter().product::<usize>() as f64;
        config.bound = Bound::Rmse((v * inside.sqrt()).next_down());
    }
    config
}

/// Fill the part of an edge chunk outside the array by repeating the last values inside.
fn pad(bytes: Vec<u8>, count: &[usize], chunk: &[usize], size: usize) -> Vec<u8> {
    if count == chunk {
        return bytes;
    }
    let mut out = Vec::with_capacity(chunk.iter().product::<usize>() * size);
    repeat_last(&bytes, count, chunk, size, &mut out);
    out
}

fn repeat_last(bytes: &[u8], count: &[usize], chunk: &[usize], size: usize, out: &mut Vec<u8>) {
    let Some((&n, rest)) = count.split_first() else {
        out.extend_from_slice(bytes);
        return;
    };
    let row = rest.iter().product::<usize>() * size;
    for i in 0..chunk[0] {
        let at = i.min(n - 1) * row;
        repeat_last(&bytes[at..at + row], rest, &chunk[1..], size, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_repeats_the_last_values() {
        assert_eq!(pad(vec![1, 2, 3, 4], &[2, 2], &[3, 3], 1), [1, 2, 2, 3, 4, 4, 3, 4, 4]);
    }

    #[test]
    fn a_gpu_gets_more_chunks_as_far_as_memory_goes() {
        let on = |device| Config { device, ..Config::new(Bound::Lossless) };
        assert_eq!(at_once(&on(Device::Cpu), 4, 1 << 20), 4);
        assert_eq!(at_once(&on(Device::Cuda(0)), 4, 1 << 20), MOST_CHUNKS);
        assert_eq!(at_once(&on(Device::Auto), 4, 1 << 20), MOST_CHUNKS);
        assert_eq!(at_once(&on(Device::Cuda(0)), 4, 1 << 24), 10);
        assert_eq!(at_once(&on(Device::Cuda(0)), 4, 1 << 30), 4);
        assert_eq!(at_once(&on(Device::Cuda(0)), 300, 1), 300);
    }

    #[test]
    fn dates() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_735_689_599), "2024-12-31T23:59:59Z");
    }
}
