//! `hiha decompress`: back to a file that needs no HiHa.

use crate::args::FileArgs;
use crate::climatology::{self, ClimatologyArgs};
use crate::compress::{copy, plain};
use crate::dataset::{self, Format};
use crate::progress;
use crate::temporary::Temporary;
use anyhow::Result;

/// Arguments of `hiha decompress`.
#[derive(Debug, clap::Args)]
pub(crate) struct DecompressArgs {
    #[command(flatten)]
    pub(crate) files: FileArgs,
    #[command(flatten)]
    pub(crate) climatology: ClimatologyArgs,
}

/// Run the verb.
pub(crate) fn run(args: &DecompressArgs) -> Result<bool> {
    let format = Format::of(&args.files.output)?;
    let input = climatology::open(&args.files.input, args.climatology.load()?.as_ref())?;
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
