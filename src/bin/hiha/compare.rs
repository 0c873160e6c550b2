//! `hiha compare`.

use crate::Outcome;
use anyhow::{Result, bail};
use std::path::PathBuf;

/// Arguments of `hiha compare`.
#[derive(Debug, clap::Args)]
pub(crate) struct CompareArgs {
    /// The original.
    pub(crate) a: PathBuf,
    /// The decoded file.
    pub(crate) b: PathBuf,
    /// Only this variable; repeatable.
    #[arg(long, value_name = "NAME")]
    pub(crate) var: Vec<String>,
    /// One JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Run the verb.
pub(crate) fn run(_args: &CompareArgs) -> Result<Outcome> {
    bail!("compare is not built yet")
}
