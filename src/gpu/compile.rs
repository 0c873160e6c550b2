//! From source to machine code, once a source and machine.

use super::cache::Cache;
use super::error::GpuError;
use super::nvrtc::{Compiled, Compiler, Target};
use super::source::Source;

/// Options beside the target. Without contraction, so that only what is written `fmaf` is fused.
fn options(source: &Source) -> Vec<String> {
    let fixed = ["--std=c++17", "--fmad=false", "--device-as-default-execution-space", "--ptxas-options=-v"];
    fixed.into_iter().map(String::from).chain(source.defines.iter().map(|d| format!("-D{d}"))).collect()
}

/// Compile, whatever is on disk.
pub(crate) fn compile(compiler: &Compiler, source: &Source, target: &Target) -> Result<Compiled, GpuError> {
    compiler.compile(&source.text, &options(source), target)
}

/// Machine code: from disk, or compiled and kept there.
pub(crate) fn image(compiler: &Compiler, source: &Source, target: &Target, cache: &Cache) -> Result<Vec<u8>, GpuError> {
    let key = Cache::key(&source.text, &options(source), &target.name, &compiler.version);
    if let Some(image) = cache.read(&key) {
        return Ok(image);
    }
    let image = compile(compiler, source, target)?.image;
    cache.write(&key, &image);
    Ok(image)
}
