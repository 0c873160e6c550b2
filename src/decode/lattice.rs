//! Lattice payload to values.

use crate::array::Element;
use crate::entropy::lattice::Lattice;
use crate::entropy::range::Decoder;
use crate::entropy::values::Mapping;
use crate::error::Result;
use crate::format::{Geometry, Reader};

/// Nudges that a stream may hold, per element.
pub(crate) const NUDGES_PER_ELEMENT: usize = 2;

/// Fill `out`; elements that `mask` names are left to the caller.
pub(crate) fn decode<T: Element>(
    mut r: Reader<'_>,
    geometry: &Geometry,
    mask: Option<&[u8]>,
    out: &mut [T],
) -> Result<()> {
    let mapping = Mapping::read(&mut r, NUDGES_PER_ELEMENT * out.len())?;
    let shift = r.u8("shift")?;
    let mut coder = Decoder::new(r.rest());
    let mut lattice = Lattice::new(geometry, shift.into());
    let range = Mapping::range::<T>();
    let mut q = vec![0i64; lattice.row_len()];
    let mut done = 0;
    while done < out.len() {
        let n = lattice.row_len();
        let part = done..done + n;
        lattice.row(&mut coder, &mut q[..n], mask.map(|m| &m[part.clone()]));
        for (o, &q) in out[part].iter_mut().zip(&q) {
            *o = mapping.value(q, range);
        }
        done += n;
    }
    Ok(())
}
