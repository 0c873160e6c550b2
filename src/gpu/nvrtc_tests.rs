//! Every kind of kernel compiled for the GPUs we aim at, by the NVRTC that HIHA_NVRTC names. Needs no GPU.

use super::cache::Cache;
use super::compile::{compile, image};
use super::error::GpuError;
use super::nvrtc::{Compiler, target};
use super::plan::{A100_SHARED, H100_SHARED, Plan};
use super::small::SmallPlan;
use super::source::Source;
use crate::format::network::Shape;

/// The compiler, or nothing where the tests were not told of one.
fn compiler() -> Option<&'static Compiler> {
    if std::env::var_os("HIHA_NVRTC").is_none() {
        eprintln!("skipped: HIHA_NVRTC does not name an NVRTC");
        return None;
    }
    Some(Compiler::get(i32::MAX).unwrap())
}

/// What the assembler says of a kernel and the functions it calls: most registers, bytes of spills and of stack.
fn usage(log: &str) -> (usize, usize, usize) {
    let most = |what: &str| -> usize {
        let numbers = log.match_indices(what).map(|(at, _)| log[..at].split_whitespace().last().unwrap());
        numbers.map(|n| n.parse().unwrap()).max().unwrap_or_else(|| panic!("no {what:?} in {log}"))
    };
    (most(" registers"), most(" bytes spill stores"), most(" bytes stack frame"))
}

fn plans(limit: usize) -> Vec<Plan> {
    let mut plans = Vec::new();
    for (i, d, w, o) in
        [(2, 1, 8, 1), (3, 2, 16, 1), (5, 5, 24, 8), (4, 3, 33, 3), (3, 3, 64, 1), (3, 3, 100, 2), (3, 4, 256, 1)]
    {
        let shape = Shape::new(i, d, w, o).unwrap();
        plans.push(Plan::forward(shape, limit));
        plans.push(Plan::training(shape, limit, false, false));
        if w >= 64 {
            plans.push(Plan::training(shape, limit, true, w > 100));
        } else if w == 16 {
            plans.push(Plan::training(shape, limit, false, true));
        }
    }
    plans.into_iter().map(Option::unwrap).collect()
}

fn check_all(capability: (i32, i32), limit: usize) {
    let Some(compiler) = compiler() else { return };
    let target = compiler.target(capability).unwrap();
    assert_eq!(target.name, format!("sm_{}{}", capability.0, capability.1));
    println!(
        "{:<8} {:>12} {:>6} {:>8} {:>8} {:>10} {:>7} {:>6}",
        "target", "network", "kind", "threads", "shared", "registers", "spills", "stack"
    );
    for plan in plans(limit) {
        let compiled = compile(compiler, &Source::new(&plan), &target).unwrap();
        assert_eq!(&compiled.image[..4], b"\x7fELF");
        let (registers, spills, stack) = usage(&compiled.log);
        let shape = plan.layout.shape();
        let kind = match plan.training {
            None => "eval",
            Some(t) if t.tf32 => "tf32",
            Some(_) => "fit",
        };
        let name = format!("{}-{}x{}-{}", shape.inputs(), shape.width(), shape.depth(), shape.outputs());
        println!(
            "{:<8} {name:>12} {kind:>6} {:>8} {:>8} {registers:>10} {spills:>7} {stack:>6}",
            target.name, plan.threads, plan.shared_bytes
        );
        assert!(spills <= 64 && stack <= 64, "{name} {kind}: {spills} bytes of spills, {stack} of stack");
        assert!(registers * plan.threads * plan.blocks() <= 65_536, "{name} {kind}: {registers} registers");
        assert!(plan.shared_bytes <= limit);
    }
    for (i, d, w, o) in [(2, 1, 8, 1), (3, 2, 16, 1), (3, 3, 12, 1), (4, 2, 20, 3), (5, 5, 13, 8), (3, 1, 199, 1)] {
        let plan = SmallPlan::new(Shape::new(i, d, w, o).unwrap(), limit).unwrap();
        let (registers, spills, stack) = usage(&compile(compiler, &Source::newton(&plan), &target).unwrap().log);
        let name = format!("{i}-{w}x{d}-{o}");
        println!(
            "{:<8} {name:>12} newton {:>8} {:>8} {registers:>10} {spills:>7} {stack:>6}",
            target.name, plan.threads, plan.shared_bytes
        );
        assert!(spills == 0 && stack <= 128, "{name} newton: {spills} bytes of spills, {stack} of stack");
        assert!(registers * plan.threads <= 65_536, "{name} newton: {registers} registers");
    }
}

#[test]
fn kernels_compile_for_a100() {
    check_all((8, 0), A100_SHARED);
}

#[test]
fn kernels_compile_for_h100() {
    check_all((9, 0), H100_SHARED);
}

#[test]
fn errors_show_the_log_and_the_cache_spares_the_compiler() {
    let Some(compiler) = compiler() else { return };
    let target = compiler.target((9, 0)).unwrap();
    match compiler.compile("__global__ void k() { syntax }", &[], &target) {
        Err(GpuError::Compile(log)) => assert!(log.contains("hiha.cu(1): error") && log.contains("syntax"), "{log}"),
        other => panic!("{other:?}"),
    }
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::at(dir.path().into());
    let source = Source::new(&Plan::forward(Shape::new(3, 1, 8, 1).unwrap(), A100_SHARED).unwrap());
    let fresh = image(compiler, &source, &target, &cache).unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    let began = std::time::Instant::now();
    assert_eq!(image(compiler, &source, &target, &cache).unwrap(), fresh);
    assert!(began.elapsed().as_millis() < 100, "read, not compiled");
}

#[test]
fn the_peak_kernels_compile() {
    let Some(compiler) = compiler() else { return };
    for tensor_cores in [false, true] {
        let compiled = compile(compiler, &Source::peak(tensor_cores), &compiler.target((8, 0)).unwrap()).unwrap();
        let (_, spills, stack) = usage(&compiled.log);
        assert_eq!((spills, stack), (0, 0));
    }
}

#[test]
fn targets() {
    let target = |major, minor| target(&[50, 75, 80, 86, 89, 90], (major, minor)).map(|t| t.name);
    assert_eq!(target(8, 0).unwrap(), "sm_80");
    // Not machine code of 8.6: that does not run on embedded GPUs.
    assert_eq!(target(8, 7).unwrap(), "compute_86");
    assert_eq!(target(9, 0).unwrap(), "sm_90");
    assert_eq!(target(12, 0).unwrap(), "compute_90");
    assert_eq!(target(7, 5), None);
}
