//! Mask section to classes.

use crate::array::Element;
use crate::entropy::values::{class, special};
use crate::entropy::{mask::code, range::Decoder};
use crate::error::{Result, corrupt};
use crate::format::{Geometry, Reader};

/// The classes of all elements, and the fill value when the stream holds one.
pub(crate) struct Mask<T> {
    pub(crate) classes: Vec<u8>,
    fill: Option<T>,
}

impl<T: Element> Mask<T> {
    pub(crate) fn read(mut r: Reader<'_>, geometry: &Geometry, len: usize) -> Result<Self> {
        let at = r.offset();
        let fill = match r.u8("mask flags")? {
            0 => None,
            1 => Some(read_value::<T>(&mut r)?),
            other => return corrupt(at, format!("mask flags must be 0 or 1, found {other}")),
        };
        let at = r.offset();
        let mut classes = vec![0; len];
        code(&mut Decoder::new(r.rest()), &mut classes, geometry);
        let wrong = |&&c: &&u8| {
            c > class::LAST || c == class::FILL && fill.is_none() || c > 0 && c < class::FILL && !T::DTYPE.is_float()
        };
        if let Some(c) = classes.iter().find(wrong) {
            return corrupt(at, format!("class {c} in a mask of {}", T::DTYPE));
        }
        Ok(Self { classes, fill })
    }

    /// What stands for a class.
    pub(crate) fn value(&self, class: u8) -> T {
        special(class, self.fill)
    }

    /// Put the special values where they belong.
    pub(crate) fn apply(&self, out: &mut [T]) {
        let values: [T; class::LAST as usize + 1] = std::array::from_fn(|c| special(c as u8, self.fill));
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
