//! What the bytes of a stream mean (`codec-spec/format.md`), shared by encoder and decoder.

use crate::array::MAX_DIMS;

mod budget;
mod geometry;
mod harmonic;
mod header;
pub(crate) mod klt;
pub(crate) mod low;
pub(crate) mod mid;
pub(crate) mod network;
mod permutation;
pub(crate) mod pyramid;
mod split;
pub(crate) mod time;
mod wire;

pub(crate) use budget::Budget;
pub(crate) use geometry::Geometry;
pub(crate) use harmonic::{AxisTransform, Cut, HarmonicParams};
pub use header::{FORMAT_VERSION, MAGIC};
pub(crate) use header::{Header, Method, Section, SectionId, Stream};
pub(crate) use permutation::Permutation;
pub use split::Cutoffs;
pub(crate) use split::Split;
pub(crate) use wire::{Reader, Writer, short};

/// Bytes of a stream that are neither dimensions nor section payloads, at most: magic, version,
/// type, bound, method, axis order, section table, checksum.
pub(crate) const MAX_OVERHEAD: usize = 4 + 1 + 1 + 1 + 9 + 1 + MAX_DIMS + 1 + SectionId::ALL.len() * 11 + 4;
