//! Entropy coding: models written once for both directions, generic over the side of the coder.

mod activity;
pub(crate) mod bands;
mod blend;
pub(crate) mod blocks;
pub(crate) mod coefficient;
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
mod normal;
pub(crate) mod part;
mod predict;
pub(crate) mod range;
mod residual;
mod rows;
mod shape;
pub(crate) mod sparse;
pub(crate) mod symbol;
pub(crate) mod values;
pub(crate) mod weights;
