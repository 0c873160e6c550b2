//! The kernels' own text as functions of this processor (`kernels/host/shim.h`).

use std::path::Path;
use std::process::Command;

use super::args::NewtonArgs;
use super::batch::Points;
use super::newton::Newton;
use super::small::SmallPlan;
use crate::arith::Samples;
use crate::format::network::Network;

/// A kernel as a function of the processor.
pub(crate) struct Host {
    /// Never unloaded: its fibers and the C++ runtime's exit handlers would not survive that.
    library: std::mem::ManuallyDrop<libloading::Library>,
    _dir: tempfile::TempDir,
}

impl Host {
    /// Compile `file` of `kernels/host`.
    pub(crate) fn compile(file: &str, defines: &[String]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let library = dir.path().join("kernel.so");
        let output = Command::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into()))
            .args(["-std=c++17", "-O2", "-march=native", "-ffp-contract=off", "-U_FORTIFY_SOURCE", "-shared", "-fPIC"])
            .args(defines.iter().map(|d| format!("-D{d}")))
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels/host").join(file))
            .arg("-o")
            .arg(&library)
            .output()
            .expect("a C++ compiler: set CXX");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // SAFETY: the library has no initialisers of its own beyond the C++ runtime's.
        let library = unsafe { libloading::Library::new(&library) }.unwrap();
        Self { library: std::mem::ManuallyDrop::new(library), _dir: dir }
    }

    pub(crate) fn run<T>(&self, name: &str, args: &T, blocks: u32, networks: u32) {
        type Function<T> = unsafe extern "C" fn(*const T, u32, u32);
        // SAFETY: the functions of `kernels/host/*.cpp` have this type; `args` points at arrays that the caller keeps.
        unsafe { self.library.get::<Function<T>>(name.as_bytes()).unwrap()(args, blocks, networks) };
    }

    /// Levenberg-Marquardt of networks of one shape, as [`newton`](super::newton()) has it on a GPU.
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
            networks: networks.len() as u32,
            steps: how.steps as u32,
            tries: how.tries as u32,
            patience: how.patience as u32,
            least: how.least,
            damping: how.damping,
            ridge: how.ridge,
            floor: how.floor,
        };
        self.run("host_newton", &args, blocks as u32, 1);
        // The kernel wrote through pointers that the compiler does not know.
        std::hint::black_box((&mut params, &mut losses, &sums, &head, &factor));
        for (network, params) in networks.iter_mut().zip(params.chunks_exact(plan.shape.parameters())) {
            network.parameters.copy_from_slice(params);
        }
        losses
    }
}

pub(crate) fn address<T>(slice: &[T]) -> u64 {
    if slice.is_empty() { 0 } else { slice.as_ptr() as u64 }
}
