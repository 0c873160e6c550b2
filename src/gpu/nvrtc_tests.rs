//! Every kind of kernel compiled for the GPUs we aim at, by the NVRTC that HIHA_NVRTC names. Needs no GPU.

use super::cache::Cache;
use super::compile::{compile, image};
use super::error::GpuError;
use super::nvrtc::{Compiler, target};
use super::plan::{A100_SHARED, CONSUMER_SHARED, H100_SHARED, Plan};
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

/// Compile for a GPU, print what the kernel takes, and bound it: `most` bytes of spills and of stack, the registers of the
/// blocks that shall share a multiprocessor, and its shared memory.
fn check(compiler: &Compiler, capability: (i32, i32), name: &str, source: &Source, blocks: usize, most: [usize; 2]) {
    let target = compiler.target(capability).unwrap();
    assert_eq!(target.name, format!("sm_{}{}", capability.0, capability.1));
    let compiled = compile(compiler, source, &target).unwrap();
    assert_eq!(&compiled.image[..4], b"\x7fELF");
    let (registers, spills, stack) = usage(&compiled.log);
    let (threads, shared) = (source.threads, source.shared_bytes);
    println!("{:<8} {name:<24} {threads:>8} {shared:>8} {registers:>10} {spills:>7} {stack:>6}", target.name);
    assert!(spills <= most[0] && stack <= most[1], "{name}: {spills} bytes of spills, {stack} of stack");
    assert!(registers * threads * blocks <= 65_536, "{name}: {registers} registers");
    let limit = if capability < (9, 0) { A100_SHARED } else { H100_SHARED };
    assert!(shared <= if capability < (12, 0) { limit } else { CONSUMER_SHARED }, "{name}: {shared} bytes");
}

fn check_plan(compiler: &Compiler, capability: (i32, i32), plan: &Plan) {
    let shape = plan.layout.shape();
    let kind = match plan.training {
        None => "evaluate",
        Some(t) if t.tf32 => "fit tf32",
        Some(_) => "fit",
    };
    let name = format!("{kind} {}-{}x{}-{}", shape.inputs(), shape.width(), shape.depth(), shape.outputs());
    check(compiler, capability, &name, &Source::new(plan), plan.blocks(), [64, 64]);
}

fn check_newton(compiler: &Compiler, capability: (i32, i32), [i, d, w, o]: [usize; 4], limit: usize) {
    let plan = SmallPlan::new(Shape::new(i, d, w, o).unwrap(), limit).unwrap();
    check(compiler, capability, &format!("newton {i}-{w}x{d}-{o}"), &Source::newton(&plan), 1, [16, 128]);
}

fn heading() {
    println!(
        "{:<8} {:<24} {:>8} {:>8} {:>10} {:>7} {:>6}",
        "target", "kernel", "threads", "shared", "registers", "spills", "stack"
    );
}

/// Every kernel, for all kinds of shapes.
fn check_all(capability: (i32, i32), limit: usize) {
    let Some(compiler) = compiler() else { return };
    heading();
    plans(limit).iter().for_each(|plan| check_plan(compiler, capability, plan));
    for of in [[2, 1, 8, 1], [3, 2, 16, 1], [3, 3, 12, 1], [4, 2, 20, 3], [5, 5, 13, 8], [3, 1, 199, 1]] {
        check_newton(compiler, capability, of, limit);
    }
    for tensor_cores in [false, true] {
        let source = Source::peak(tensor_cores);
        check(compiler, capability, source.kernel, &source, 4, [0, 0]);
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

/// Some of them for later GPUs, as far as this NVRTC knows them, and as PTX for those it does not.
#[test]
fn kernels_compile_for_others() {
    let Some(compiler) = compiler() else { return };
    heading();
    let shape = Shape::new(3, 3, 64, 1).unwrap();
    for (capability, limit) in
        [((8, 6), CONSUMER_SHARED), ((8, 9), CONSUMER_SHARED), ((10, 0), H100_SHARED), ((12, 0), CONSUMER_SHARED)]
    {
        if compiler.target(capability).unwrap().name.starts_with("compute") {
            continue;
        }
        check_plan(compiler, capability, &Plan::forward(shape, limit).unwrap());
        check_plan(compiler, capability, &Plan::training(shape, limit, true, true).unwrap());
        check_newton(compiler, capability, [3, 3, 12, 1], limit);
    }
    let target = compiler.target((99, 0)).unwrap();
    assert!(target.name.starts_with("compute_"), "{target:?}");
    let source = Source::new(&Plan::forward(shape, A100_SHARED).unwrap());
    let compiled = compile(compiler, &source, &target).unwrap();
    let text = std::str::from_utf8(&compiled.image).unwrap();
    assert!(text.contains(".entry siren_forward") && text.ends_with('\0'));
    // Without `rn` the driver may fuse a product with a sum, and the bits are others.
    let operations = || text.split_whitespace().filter(|w| w.ends_with(".f32"));
    assert!(operations().any(|w| w == "fma.rn.f32") && operations().any(|w| w == "mul.rn.f32"));
    let loose = ["fma.f32", "mad.f32", "mul.f32", "add.f32", "sub.f32"];
    assert!(!operations().any(|w| loose.contains(&w)));
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
    let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().path()).collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    let written = || std::fs::metadata(file).unwrap().modified().unwrap();
    let before = written();
    assert_eq!(image(compiler, &source, &target, &cache).unwrap(), fresh);
    assert_eq!(written(), before, "read, not compiled");
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
