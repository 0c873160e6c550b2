//! What a stream says of its coder, and how an array lies for it.

use crate::format::Geometry;

/// Row length of one-dimensional arrays.
pub(super) const RIBBON: usize = 256;
/// Arrays of fewer rows than this, all of them longer than `WIDE`, count as one-dimensional: what is kept of
/// each column would be more than the array.
const FEW: usize = 32;
const WIDE: usize = 4096;

/// Fewest rows of a slice whose halves may stand by themselves.
const HALVED: usize = 2 * FEW;

/// What a stream says of its coder, in one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// Shift of differences for learning, below 64.
    pub(crate) shift: u8,
    /// Integers have 32 bits.
    pub(crate) narrow: bool,
    /// The upper and the lower rows of all slices are coded by themselves.
    pub(crate) halved: bool,
}

impl Form {
    pub(crate) const fn from_byte(byte: u8) -> Self {
        Self { shift: byte & 63, narrow: byte & 64 != 0, halved: byte & 128 != 0 }
    }

    pub(crate) const fn byte(self) -> u8 {
        self.shift | (self.narrow as u8) << 6 | (self.halved as u8) << 7
    }
}

/// Rows of the two halves of each slice, where it may be halved.
pub(crate) const fn band_rows(geometry: &Geometry) -> Option<[usize; 2]> {
    let first = geometry.height / 2;
    if geometry.height < HALVED { None } else { Some([first, geometry.height - first]) }
}

/// Slices that the coder sees, and their elements.
pub(crate) fn slices(geometry: &Geometry) -> (usize, usize) {
    let (slices, plane) = (geometry.slices(), geometry.plane());
    if is_ribbon(geometry) { (1, slices * plane) } else { (slices, plane) }
}

/// True for arrays that are coded as if they had one dimension.
pub(super) fn is_ribbon(geometry: &Geometry) -> bool {
    let rows = geometry.slices() * geometry.height;
    rows == 1 || rows < FEW && geometry.width > WIDE
}
