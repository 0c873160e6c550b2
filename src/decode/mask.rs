//! Mask section to classes.

use crate::array::Element;
use crate::entropy::values::{MOST_FILLS, class, special};
use crate::entropy::{mask::code, range::Decoder};
use crate::error::{Result, corrupt};
use crate::format::{Geometry, Reader};

/// The classes of all elements, and the values that they stand for.
pub(crate) struct Mask<T> {
    pub(crate) classes: Vec<u8>,
    /// Fill values, then values as good as others that the encoder set apart.
    fills: Vec<T>,
    /// How many are fill values.
    declared: usize,
}

impl<T: Element> Mask<T> {
    pub(crate) fn read(mut r: Reader<'_>, geometry: &Geometry, len: usize) -> Result<Self> {
        let at = r.offset();
        let counts = usize::from(r.u8("number of fill values")?);
        let (n, apart) = (counts & 15, counts >> 4);
        let Some(declared) = n.checked_sub(apart).filter(|_| n <= MOST_FILLS) else {
            return corrupt(at, format!("there may be {MOST_FILLS} fill values, found {n}, {apart} of them set apart"));
        };
        let fills = (0..n).map(|_| read_value::<T>(&mut r)).collect::<Result<Vec<T>>>()?;
        let at = r.offset();
        let mut classes = vec![0; len];
        code(&mut Decoder::new(r.rest()), &mut classes, geometry);
        let wrong = |&&c: &&u8| {
            usize::from(c) >= usize::from(class::FILL) + n || c > 0 && c < class::FILL && !T::DTYPE.is_float()
        };
        if let Some(c) = classes.iter().find(wrong) {
            return corrupt(at, format!("class {c} in a mask of {}", T::DTYPE));
        }
        Ok(Self { classes, fills, declared })
    }

    /// The class of an element, or 0 where it stands for a value as good as others.
    pub(crate) fn missing(&self, i: usize) -> u8 {
        let class = self.classes[i];
        if usize::from(class) < usize::from(class::FILL) + self.declared { class } else { 0 }
    }

    /// Classes of values as good as others.
    pub(crate) fn apart(&self) -> impl Iterator<Item = u8> {
        (self.declared..self.fills.len()).map(|i| class::FILL + i as u8)
    }

    /// What stands for a class.
    pub(crate) fn value(&self, class: u8) -> T {
        special(class, &self.fills)
    }

    /// Put the special values where they belong.
    pub(crate) fn apply(&self, out: &mut [T]) {
        let values: [T; class::LAST as usize + 1] = std::array::from_fn(|c| special(c as u8, &self.fills));
        for (o, &c) in out.iter_mut().zip(&self.classes) {
            if c != 0 {
                *o = values[usize::from(c.min(class::LAST))];
            }
        }
    }
}

/// One value in little-endian bytes.
pub(crate) fn read_value<T: Element>(r: &mut Reader<'_>) -> Result<T> {
    let v: T = bytemuck::pod_read_unaligned(r.bytes(size_of::<T>(), "value")?);
    Ok(if cfg!(target_endian = "big") { v.swap() } else { v })
}
