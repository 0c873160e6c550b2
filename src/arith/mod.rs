//! Normative arithmetic (`codec-spec/arithmetic.md`): the same bits on every processor.

mod isa;
mod kernels;
mod lapped;
mod network;
mod parallel;
mod sine;
mod tables;
mod trig;

pub(crate) use isa::Isa;
pub(crate) use lapped::{forward_image, inverse_image, transform_outer};
pub(crate) use network::evaluate;
pub(crate) use parallel::for_each_part;
pub(crate) use tables::{Dct, Kind};

/// Longest block that is transformed.
pub(crate) const MAX_BLOCK: usize = 35;
