//! `hiha inspect`: how each variable is stored. Nothing is decoded.

use crate::dataset::{self, Dataset};
use crate::plan;
use anyhow::{Context, Result};
use hiha::{Cutoffs, DType};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Arguments of `hiha inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct InspectArgs {
    /// File to read.
    pub(crate) file: PathBuf,
    /// One JSON object a line, one for each variable.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Run the verb.
pub(crate) fn run(args: &InspectArgs) -> Result<bool> {
    let input = dataset::open(&args.file)?;
    for i in 0..input.model().variables.len() {
        let report = describe(&*input, i)?;
        if args.json {
            println!("{}", Value::Object(report));
            continue;
        }
        println!("{}", input.model().variables[i].path);
        for (key, value) in report.iter().filter(|(k, v)| *k != "var" && !v.is_null()) {
            println!("  {key:<12} {}", value.to_string().replace('"', ""));
        }
    }
    Ok(true)
}

fn describe(input: &dyn Dataset, i: usize) -> Result<Map<String, Value>> {
    let model = input.model();
    let var = &model.variables[i];
    let stored = input.stored_bytes(i)?;
    let bytes = (var.len() * var.number().map_or(1, DType::size)) as u64;
    let mut report = Map::new();
    let mut put = |key: &str, value: Value| report.insert(key.to_owned(), value);
    put("var", json!(var.path));
    put("dtype", json!(var.dtype.to_string()));
    put("shape", json!(var.shape));
    put("dims", json!(model.dim_names(var)));
    put("chunks", json!(var.chunks));
    put("filters", json!(var.filters.iter().map(|f| &f.name).collect::<Vec<_>>()));
    put("bytes", json!(bytes));
    put("stored", json!(stored));
    put("ratio", if stored > 0 { json!(bytes as f64 / stored as f64) } else { Value::Null });
    if let (true, Some(chunks)) = (var.is_hiha(), &var.chunks) {
        let (mut methods, mut stages, mut bounds) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (mut splits, mut cutoffs) = (Vec::new(), None);
        let mut references = BTreeSet::new();
        for offset in plan::offsets(&var.shape, chunks) {
            let Some(stream) = input.raw_chunk(i, &offset)? else { continue };
            let info = hiha::inspect(&stream).with_context(|| format!("{}: chunk at {offset:?}", var.path))?;
            *methods.entry(info.method).or_insert(0u64) += 1;
            *bounds.entry(format!("{}:{}", info.bound.kind(), info.bound.value())).or_insert(0u64) += 1;
            for (name, n) in info.stages {
                *stages.entry(name).or_insert(0u64) += n as u64;
            }
            splits.extend(info.split);
            cutoffs = cutoffs.or(info.cutoffs);
            references.extend(info.reference);
        }
        put("bounds", json!(bounds));
        put("methods", json!(methods));
        put("stages", json!(stages));
        put("split", mean_split(&splits));
        put("cutoffs", cutoffs.as_ref().map_or(Value::Null, describe_cutoffs));
        put("references", if references.is_empty() { Value::Null } else { json!(references) });
    }
    Ok(report)
}

/// Shares of the variance in the three bands of the harmonic split, mean over the chunks that vary; null if none does.
fn mean_split(splits: &[[f64; 3]]) -> Value {
    if splits.is_empty() {
        return Value::Null;
    }
    // Streams hold the shares to half a decibel: more digits would mean nothing.
    let mean = |band: usize| {
        let share = splits.iter().map(|s| s[band]).sum::<f64>() / splits.len() as f64;
        format!("{share:.2e}").parse::<f64>().unwrap_or(share)
    };
    json!({ "low": mean(0), "middle": mean(1), "high": mean(2) })
}

/// The cut-offs in cycles along an axis, and what they were made of; on re-decomposition those of the middle band's blocks.
fn describe_cutoffs(cutoffs: &Cutoffs) -> Value {
    let pair = |omega: f32, n: u16, [f1, f2]: [f64; 2]| {
        let rounded = |f: f64| (1e4 * f).round() / 1e4;
        // As it was written, not with all digits of its f64.
        let omega = omega.to_string().parse::<f64>().unwrap_or_default();
        json!({ "omega": omega, "n": n, "f1": rounded(f1), "f2": rounded(f2) })
    };
    let mut described = pair(cutoffs.omega, cutoffs.n, cutoffs.first());
    described["again"] = pair(cutoffs.omega_again, cutoffs.n_again, cutoffs.again());
    described
}
