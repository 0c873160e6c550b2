//! Entropy coding: models written once for both directions, generic over the side of the coder.

pub(crate) mod mixer;
pub(crate) mod range;
