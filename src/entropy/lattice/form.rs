//! What a stream says of its coder, and how an array lies for it.

use crate::error::Result;
use crate::format::{Geometry, Reader, Writer};

/// Row length of one-dimensional arrays.
pub(super) const RIBBON: usize = 256;
/// In arrays of fewer rows than this, all of them longer than `WIDE`, each row is a ribbon: what is kept of each column would be
/// more than the array.
const FEW: usize = 32;
const WIDE: usize = 4096;

/// What a stream says of its coder, in one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// Integers have 64 bits, shifted down by this (below 63) for learning; `None`: 32 bits.
    pub(crate) wide: Option<u8>,
    /// The two [`halves`] are coded by themselves.
    pub(crate) halved: bool,
    /// A flag says whether an integer is the one to the west, then whether it is the one to the north.
    pub(crate) copies: bool,
    /// Slices are one below the other, rows of a single one.
    pub(crate) joined: bool,
}

impl Form {
    pub(crate) fn write(self, w: &mut Writer) {
        let flags = [self.halved, self.copies, self.joined];
        let wide = self.wide.map_or(0, |shift| u64::from(shift) + 1);
        w.varint(flags.iter().zip(6..).fold(wide, |form, (&flag, bit)| form | u64::from(flag) << bit));
    }

    /// # Errors
    /// Where the number has more than this.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self> {
        let form = r.count(511, "form of the lattice coder")?;
        let flag = |bit: u32| form >> bit & 1 != 0;
        let wide = (form as u8 & 63).checked_sub(1);
        Ok(Self { wide, halved: flag(6), copies: flag(7), joined: flag(8) })
    }

    /// The array as the coder sees it.
    pub(crate) fn geometry(self, array: &Geometry) -> Geometry {
        if self.joined && !is_ribbon(array) {
            Geometry { outer: Vec::new(), height: array.slices() * array.height, ..array.clone() }
        } else {
            array.clone()
        }
    }
}

/// The two parts of an array that may stand by themselves: the upper and the lower rows of a single slice, or the first and
/// the other slices. `None` for arrays of few rows.
pub(crate) fn halves(geometry: &Geometry) -> Option<[Geometry; 2]> {
    let slices = geometry.slices();
    let part = |n: usize| match slices {
        1 => Geometry { outer: Vec::new(), height: n, ..geometry.clone() },
        _ => Geometry { outer: vec![n], ..geometry.clone() },
    };
    let all = if slices == 1 { geometry.height } else { slices };
    let parts = [part(all / 2), part(all - all / 2)];
    (parts[0].slices() * parts[0].height >= FEW).then_some(parts)
}

/// Slices that the coder sees, and their elements.
pub(crate) fn slices(geometry: &Geometry) -> (usize, usize) {
    let (slices, plane) = (geometry.slices(), geometry.plane());
    if is_ribbon(geometry) { (slices * geometry.height, geometry.width) } else { (slices, plane) }
}

/// True for arrays each row of which is coded as a slice of short rows.
pub(crate) fn is_ribbon(geometry: &Geometry) -> bool {
    let rows = geometry.slices() * geometry.height;
    rows == 1 || rows < FEW && geometry.width > WIDE
}
