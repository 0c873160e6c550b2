//! `hiha`: compress, decompress, inspect, preview and compare gridded data files.

mod args;
mod climatology;
mod compare;
mod compress;
mod dataset;
mod decoding;
mod decompress;
mod eval;
mod field;
mod filter_params;
mod inspect;
mod metrics;
mod plan;
mod plot;
mod preview;
mod progress;
mod small_file;
mod stage_args;
mod temporary;

use args::{Cli, Verb};
use clap::Parser;
use std::process::ExitCode;

/// Keeps memory that is freed for the next chunk: asking the system for fresh pages takes longer than decoding a smooth field.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A verb returns false when a bound or an expectation does not hold.
    let result = match Cli::parse().verb {
        Verb::Compress(args) => compress::run(&args),
        Verb::Decompress(args) => decompress::run(&args),
        Verb::Inspect(args) => inspect::run(&args),
        Verb::Eval(args) => eval::run(&args),
        Verb::Compare(args) => compare::run(&args),
        Verb::Preview(args) => preview::run(&args),
        Verb::FilterParams(args) => filter_params::run(&args),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("hiha: {error:#}");
            ExitCode::from(2)
        }
    }
}
