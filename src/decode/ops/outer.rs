//! Inverse transforms along an outer axis.

use crate::arith::{Dct, Isa, Kind, columns_by, klt, transform_outer};
use crate::entropy::{klt as basis, range::Decoder};
use crate::error::{Result, corrupt};
use crate::format::AxisTransform;
use crate::format::klt::{Klt, MAX_KLT};

/// How to invert what was done along an axis.
pub(crate) enum Inverse {
    None,
    /// DCT-II in blocks.
    Dct,
    /// A product with this matrix.
    Klt(Dct),
}

impl Inverse {
    /// Of an axis of `n` elements; a basis is read from `decoder`, at `offset` in the stream.
    pub(crate) fn read(kind: AxisTransform, n: usize, decoder: &mut Decoder<'_>, offset: usize) -> Result<Self> {
        Ok(match kind {
            AxisTransform::None => Self::None,
            AxisTransform::Dct => Self::Dct,
            AxisTransform::Klt if !(2..=MAX_KLT).contains(&n) => {
                return corrupt(offset, format!("a basis for an axis of {n}; at most {MAX_KLT} elements have one"));
            }
            AxisTransform::Klt => {
                let mut rows = Klt::default();
                basis::code(decoder, &mut rows, n);
                Self::Klt(klt::inverse(&rows, n))
            }
        })
    }

    /// Apply along the middle axis of an array of shape `(outer, n, inner)`, in place, on up to `threads` threads.
    pub(crate) fn apply(&self, volume: &mut [f32], n: usize, inner: usize, isa: Isa, threads: usize) {
        match self {
            Self::None => (),
            Self::Dct => transform_outer(volume, n, inner, Kind::TwoInverse, isa, threads),
            Self::Klt(matrix) => columns_by(volume, inner, matrix, isa, threads),
        }
    }
}
