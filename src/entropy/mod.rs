//! Entropy coding: models written once for both directions, generic over the side of the coder.

pub(crate) mod bands;
pub(crate) mod corrections;
pub(crate) mod mixer;
pub(crate) mod range;
