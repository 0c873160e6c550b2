//! Entropy coding: models written once for both directions, generic over the side of the coder.

pub(crate) mod bands;
mod blend;
pub(crate) mod blocks;
mod context;
pub(crate) mod corrections;
mod edges;
pub(crate) mod fixed;
pub(crate) mod integer;
pub(crate) mod klt;
pub(crate) mod lattice;
pub(crate) mod mapping;
pub(crate) mod mask;
pub(crate) mod mixer;
mod predict;
pub(crate) mod range;
mod residual;
mod rows;
mod shape;
pub(crate) mod sparse;
pub(crate) mod values;
pub(crate) mod weights;
