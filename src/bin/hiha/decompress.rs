//! `hiha decompress`: back to a file that needs no HiHa.

use crate::args::{DeviceArgs, FileArgs};
use crate::climatology::ClimatologyArgs;
use crate::compress::{copy, plain};
use crate::dataset::{self, Format};
use crate::decoding;
use crate::progress;
use crate::temporary::Temporary;
use anyhow::Result;

/// Arguments of `hiha decompress`.
#[derive(Debug, clap::Args)]
pub(crate) struct DecompressArgs {
    #[command(flatten)]
    pub(crate) files: FileArgs,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    #[command(flatten)]
    pub(crate) climatology: ClimatologyArgs,
}

/// Run the verb.
pub(crate) fn run(args: &DecompressArgs) -> Result<bool> {
    let format = Format::of(&args.files.output)?;
    let input = decoding::open(&args.files.input, args.climatology.load()?.as_ref(), args.device.device)?;
    let temporary = Temporary::new(&args.files.input, &args.files.output, args.files.overwrite)?;
    let model = input.model();
    let storage: Vec<_> = model.variables.iter().map(|v| plain(model, v)).collect();
    let mut output = temporary.guarded(|| dataset::create(temporary.path(), format, model, &storage))?;
    let bar = progress::bar(model.variables.len() as u64);
    for i in 0..model.variables.len() {
        copy(&*input, &mut *output, i, &temporary)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    temporary.guarded(|| output.finish())?;
    temporary.keep()?;
    Ok(true)
}
