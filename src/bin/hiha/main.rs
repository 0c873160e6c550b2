//! `hiha`: compress, decompress, inspect and compare gridded data files.

mod args;
mod compare;
mod compress;
mod dataset;
mod decompress;
mod eval;
mod field;
mod filter_params;
mod inspect;
mod metrics;
mod plan;
mod plot;
mod progress;
mod temporary;

use args::{Cli, Verb};
use clap::Parser;
use std::process::ExitCode;

/// What a verb that ran to its end found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Exit code 0.
    Good,
    /// A bound or an expectation does not hold: exit code 1.
    CheckFailed,
}

fn main() -> ExitCode {
    let result = match Cli::parse().verb {
        Verb::Compress(args) => compress::run(&args),
        Verb::Decompress(args) => decompress::run(&args),
        Verb::Inspect(args) => inspect::run(&args),
        Verb::Eval(args) => eval::run(&args),
        Verb::Compare(args) => compare::run(&args),
        Verb::FilterParams(args) => filter_params::run(&args),
    };
    match result {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::CheckFailed) => ExitCode::from(1),
        Err(error) => {
            eprintln!("hiha: {error:#}");
            ExitCode::from(2)
        }
    }
}
