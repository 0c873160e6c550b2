//! Building blocks of encoding.

pub(crate) mod pyramid;
