//! Normative arithmetic (`codec-spec/arithmetic.md`): the same bits on every processor.

mod isa;
mod kernels;
pub(crate) mod klt;
mod lapped;
mod lifting;
mod network;
mod parallel;
mod sine;
mod spline;
mod tables;
mod training;
mod trig;
mod wavelet;

pub(crate) use isa::Isa;
pub(crate) use kernels::cells::{Aligned, Cells, OnCells, SAMPLES, Sums, Turned, run_cells};
pub(crate) use kernels::cholesky::cholesky;
pub(crate) use kernels::inner::{Part, inner_products};
pub(crate) use kernels::network::{POINTS, PackedLayer, TILE, layer, layer_and_slope, layer_times_slope};
#[cfg(feature = "bench")]
pub(crate) use kernels::peak::fused_multiply_adds;
pub(crate) use kernels::quantise::{Surroundings, Tally, quantise_row};
pub(crate) use kernels::symbols::{Ends, Lanes, SYMBOLS, Task, run_lanes};
pub(crate) use kernels::wide::run_wide;
pub(crate) use lapped::{TRANSFORMED, columns_by, forward_image, inverse_image, transform_outer};
pub(crate) use network::{Cpu, Evaluator};
pub(crate) use parallel::{Job, for_each_part, run_jobs, worthwhile};
pub(crate) use spline::{nodes, upsample};
pub(crate) use tables::{Dct, Kind};
pub(crate) use training::{BETA, EPSILON, Samples, Schedule};
pub(crate) use trig::cos_pi;
pub(crate) use wavelet::{forward_wavelet, inverse_wavelet};

/// Longest block that is transformed.
pub(crate) const MAX_BLOCK: usize = 35;
