//! Lattice payload to values.

use crate::array::Element;
use crate::entropy::fixed::Rest;
use crate::entropy::lattice::{Lattice, slices};
use crate::entropy::mapping::{Mapping, Mappings, code_rest};
use crate::entropy::range::Decoder;
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
    let (slices, plane) = slices(geometry);
    let mappings = Mappings::read::<T>(&mut r, slices, plane, NUDGES_PER_ELEMENT * out.len())?;
    let shift = r.u8("shift")?;
    let mut coder = Decoder::new(r.rest());
    let mut lattice = Lattice::new(geometry, shift.into());
    let mut rest = Rest::new();
    let range = Mapping::range::<T>();
    let mut q = vec![0i64; lattice.row_len()];
    let mut done = 0;
    while done < out.len() {
        let slice = done / plane.max(1);
        if lattice.opens() {
            lattice.start(mappings.top(slice), mappings.change(slice));
        }
        let mapping = mappings.of(slice);
        let n = lattice.row_len();
        let part = done..done + n;
        let masked = mask.map(|m| &m[part.clone()]);
        lattice.row(&mut coder, &mut q[..n], masked);
        let row = &mut out[part];
        for (o, &q) in row.iter_mut().zip(&q) {
            *o = mapping.value(q, range);
        }
        code_rest(&mut coder, &mut rest, mapping, &q, masked, row);
        done += n;
    }
    Ok(())
}
