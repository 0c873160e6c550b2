//! Networks on an NVIDIA GPU: kernels (`kernels/*.cu`) compiled at run time for each shape.
//!
//! ```text
//! shape -> plan (defines) -> source -> nvrtc, or the cache on disk -> kernel -> launch: evaluate | fit | newton
//! ```
//!
//! Driver and NVRTC are loaded when they are first asked for. Whatever is missing is an error with a message, never a
//! panic: cudarc's panics end in `nvrtc::guarded`.

mod accelerator;
mod args;
mod batch;
mod cache;
mod compile;
mod device;
mod error;
mod evaluate;
mod fit;
mod join;
mod launch;
mod layout;
mod newton;
mod nvrtc;
mod nvrtc_api;
mod peak;
mod plan;
mod small;
mod source;

#[cfg(test)]
mod host_sweep;
#[cfg(test)]
mod host_tests;
#[cfg(test)]
mod nvrtc_tests;
#[cfg(test)]
pub(crate) mod shim_for_tests;
#[cfg(test)]
mod test_support;

pub(crate) use accelerator::Accelerator;
pub(crate) use batch::Descent;
pub(crate) use device::Gpu;
pub(crate) use error::GpuError;
pub(crate) use evaluate::evaluate;
pub(crate) use fit::descend;
pub(crate) use join::Joint;
pub(crate) use newton::{Newton, newton};
pub(crate) use peak::{evaluation_seconds, peak};
#[cfg(test)]
pub(crate) use plan::H100_SHARED;
#[cfg(test)]
pub(crate) use small::SmallPlan;
#[cfg(test)]
pub(crate) use source::Source;
