//! The kernels' own text as functions of this processor (`kernels/host/shim.h`).

use std::path::Path;
use std::process::Command;

use super::args::{NewtonArgs, NewtonHow};
use super::batch::Points;
use super::newton::Newton;
use super::small::SmallPlan;
use super::source::Source;
use crate::arith::Samples;
use crate::format::network::Network;

/// Kernels as functions of the processor. One library's kernels run one after the other.
pub(crate) struct Host {
    /// Never unloaded: its fibers and the C++ runtime's exit handlers would not survive that.
    library: std::mem::ManuallyDrop<libloading::Library>,
    _dir: tempfile::TempDir,
}

impl Host {
    /// Compile the texts that NVRTC gets, together: most of a compiler's time goes to the headers of the shim.
    pub(crate) fn compile(sources: &[Source]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (file, library) = (dir.path().join("kernels.cpp"), dir.path().join("kernels.so"));
        let shim = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels/host/shim.h");
        let parts = sources.iter().enumerate().map(|(k, source)| part(k, source));
        let text = format!("#define HIHA_HOST\n#include \"{}\"\n{}", shim.display(), parts.collect::<String>());
        std::fs::write(&file, text).unwrap();
        let output = Command::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into()))
            .args(["-std=c++17", "-O1", "-march=native", "-ffp-contract=off", "-U_FORTIFY_SOURCE", "-shared", "-fPIC"])
            .arg(&file)
            .arg("-o")
            .arg(&library)
            .output()
            .expect("a C++ compiler: set CXX");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // SAFETY: the library has no initialisers of its own beyond the C++ runtime's.
        let library = unsafe { libloading::Library::new(&library) }.unwrap();
        Self { library: std::mem::ManuallyDrop::new(library), _dir: dir }
    }

    /// Run kernel `k` on `blocks` x `networks` blocks.
    pub(crate) fn run<T>(&self, k: usize, args: &T, blocks: u32, networks: u32) {
        type Function<T> = unsafe extern "C" fn(*const T, u32, u32);
        // SAFETY: the functions have this type; `args` points at arrays that the caller keeps.
        unsafe { self.library.get::<Function<T>>(format!("run_{k}").as_bytes()).unwrap()(args, blocks, networks) };
    }

    /// Levenberg-Marquardt by the first kernel, of networks of one shape, as [`newton`](super::newton()) has it on a GPU.
    pub(crate) fn newton(
        &self,
        plan: &SmallPlan,
        networks: &mut [Network],
        samples: &[Samples<'_>],
        how: &Newton,
        blocks: usize,
    ) -> Vec<f64> {
        let points = Points::new(plan.shape, samples, &vec![0; samples.len()]);
        let mut params: Vec<f32> = networks.iter().flat_map(|n| &n.parameters).copied().collect();
        let mut losses = vec![f64::NAN; networks.len()];
        let (rows, head) = (SmallPlan::rows(plan.shape).pow(2), SmallPlan::head_rows(plan.shape).pow(2));
        // Device memory is aligned to 256 bytes.
        let (sums, head) = (vec![[f32::NAN; 4]; blocks * rows / 4], vec![[f32::NAN; 4]; blocks * head / 4]);
        let factor = vec![[f64::NAN; 2]; blocks * rows / 2];
        let args = NewtonArgs {
            x: address(&points.x),
            y: address(&points.y),
            spans: address(points.spans.as_flattened()),
            params: params.as_mut_ptr() as u64,
            loss: losses.as_mut_ptr() as u64,
            sums: address(&sums),
            head: address(&head),
            factor: address(&factor),
            how: NewtonHow::new(networks.len(), how),
        };
        self.run(0, &args, blocks as u32, 1);
        // The kernel wrote through pointers that the compiler does not know.
        std::hint::black_box((&mut params, &mut losses, &sums, &head, &factor));
        for (network, params) in networks.iter_mut().zip(params.chunks_exact(plan.shape.parameters())) {
            network.parameters.copy_from_slice(params);
        }
        losses
    }
}

/// A source in a namespace of its own, and the function that runs it.
fn part(k: usize, source: &Source) -> String {
    let (kernel, args) = (source.kernel, source.arguments());
    let both = |f: &dyn Fn(&str, &str) -> String| -> String {
        source.defines.iter().filter_map(|d| d.split_once('=')).map(|(name, value)| f(name, value)).collect()
    };
    let defines = both(&|name, value| format!("#define {name} {value}\n"));
    let undefines = both(&|name, _| format!("#undef {name}\n"));
    format!(
        "{defines}#define {kernel} {kernel}_{k}\nnamespace k{k} {{\n{}}}\n\
         extern \"C\" void run_{k}(const k{k}::{args}* a, u32 blocks, u32 networks) {{\n\
         k{k}::{args} args = *a;\n\
         host::launch({{blocks, networks, 1}}, {{{}, 1, 1}}, {}, [args] {{ k{k}::{kernel}(args); }});\n}}\n\
         {undefines}#undef {kernel}\n",
        source.text, source.threads, source.shared_bytes
    )
}

pub(crate) fn address<T>(slice: &[T]) -> u64 {
    if slice.is_empty() { 0 } else { slice.as_ptr() as u64 }
}
