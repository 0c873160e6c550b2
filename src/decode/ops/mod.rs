//! Building blocks of decoding.

pub(crate) mod pyramid;
