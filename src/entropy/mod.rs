//! Entropy coding: models written once for both directions, generic over the side of the coder.

pub(crate) mod bands;
mod context;
pub(crate) mod corrections;
pub(crate) mod klt;
pub(crate) mod lattice;
pub(crate) mod mask;
pub(crate) mod mixer;
mod predict;
pub(crate) mod range;
mod residual;
mod shape;
pub(crate) mod values;
pub(crate) mod weights;
