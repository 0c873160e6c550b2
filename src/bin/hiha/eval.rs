//! `hiha eval`.

use crate::Outcome;
use crate::args::{BoundArgs, ChunkShape, EffortArgs, parse_chunk};
use anyhow::{Result, bail};
use std::path::PathBuf;

/// Arguments of `hiha eval`.
#[derive(Debug, clap::Args)]
pub(crate) struct EvalArgs {
    /// File to read.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) bound: BoundArgs,
    /// Only this variable; repeatable.
    #[arg(long, value_name = "NAME")]
    pub(crate) var: Vec<String>,
    /// Chunk shape; by default each variable is one chunk.
    #[arg(long, value_parser = parse_chunk)]
    pub(crate) chunk: Option<ChunkShape>,
    #[command(flatten)]
    pub(crate) effort: EffortArgs,
    /// One JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Run the verb.
pub(crate) fn run(_args: &EvalArgs) -> Result<Outcome> {
    bail!("eval is not built yet")
}
