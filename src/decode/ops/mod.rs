//! Building blocks of decoding.

pub(crate) mod outer;
pub(crate) mod pyramid;
