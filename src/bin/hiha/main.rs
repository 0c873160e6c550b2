//! `hiha`: error-bounded compression of gridded data from the command line.

mod compare;
mod eval;
mod field;
mod metrics;
mod plot;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Error-bounded compression of gridded scientific data.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Encode and decode variables in memory; report size, error and time.
    Eval(eval::EvalArgs),
    /// Compare two files variable by variable; report errors and sizes, draw the difference.
    Compare(compare::CompareArgs),
}

fn main() -> ExitCode {
    let result = match Cli::parse().verb {
        Verb::Eval(args) => eval::run(&args),
        Verb::Compare(args) => compare::run(&args),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(e) => {
            eprintln!("hiha: {e:#}");
            ExitCode::from(2)
        }
    }
}
