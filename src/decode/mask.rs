//! Mask section to classes.

use crate::array::Element;
use crate::entropy::values::{MOST_FILLS, class, special};
use crate::entropy::{mask::code, range::Decoder};
use crate::error::{Result, corrupt};
use crate::format::{Geometry, Reader};

/// The classes of all elements, and the fill values that the stream holds.
pub(crate) struct Mask<T> {
    pub(crate) classes: Vec<u8>,
    fills: Vec<T>,
}

impl<T: Element> Mask<T> {
    pub(crate) fn read(mut r: Reader<'_>, geometry: &Geometry, len: usize) -> Result<Self> {
        let at = r.offset();
        let n = usize::from(r.u8("number of fill values")?);
        if n > MOST_FILLS {
            return corrupt(at, format!("there may be {MOST_FILLS} fill values, found {n}"));
        }
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
        Ok(Self { classes, fills })
    }

    /// The class of an element, or 0 where it stands for -0.0, which is a value as good as others.
    pub(crate) fn missing(&self, i: usize) -> u8 {
        let class = self.classes[i];
        if class >= class::FILL && self.value(class).to_f64() == 0.0 && self.value(class).to_ordinal() == -1 {
            0
        } else {
            class
        }
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
