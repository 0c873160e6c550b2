//! From a plan to machine code, once a plan and machine.

use super::cache::Cache;
use super::error::GpuError;
use super::nvrtc::{Compiled, Compiler, Target};
use super::plan::Plan;
use super::source::source;

/// Options beside the target. Without contraction, so that only what is written `fmaf` is fused.
fn options(plan: &Plan) -> Vec<String> {
    let fixed = ["--std=c++17", "--fmad=false", "--device-as-default-execution-space", "--ptxas-options=-v"];
    fixed.into_iter().map(String::from).chain(plan.defines().iter().map(|d| format!("-D{d}"))).collect()
}

/// Compile a plan, whatever is on disk.
pub(crate) fn compile(compiler: &Compiler, plan: &Plan, target: &Target) -> Result<Compiled, GpuError> {
    compiler.compile(&source(plan), &options(plan), target)
}

/// Machine code of a plan: from disk, or compiled and kept there.
pub(crate) fn image(compiler: &Compiler, plan: &Plan, target: &Target, cache: &Cache) -> Result<Vec<u8>, GpuError> {
    let key = Cache::key(&source(plan), &options(plan), &target.name, &compiler.version);
    if let Some(image) = cache.read(&key) {
        return Ok(image);
    }
    let image = compile(compiler, plan, target)?.image;
    cache.write(&key, &image);
    Ok(image)
}
