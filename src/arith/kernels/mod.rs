//! The inner loops, compiled once for each [`Isa`](super::Isa): the only `unsafe` code of the library.

pub(super) mod blocks;
pub(super) mod cells;
pub(super) mod cholesky;
pub(super) mod inner;
pub(super) mod network;
#[cfg(feature = "bench")]
pub(super) mod peak;
pub(super) mod quantise;
mod simd;
pub(super) mod spline;
pub(super) mod symbols;
pub(super) mod wide;
