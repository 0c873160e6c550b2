//! Lattice payload to values.

use crate::arith::for_each_part;
use crate::array::Element;
use crate::entropy::fixed::Rest;
use crate::entropy::integer::Integer;
use crate::entropy::lattice::{Form, Lattice, halves, slices};
use crate::entropy::mapping::{Mappings, code_rest};
use crate::entropy::range::Decoder;
use crate::error::{Result, corrupt};
use crate::format::{Geometry, Reader};

/// Nudges that a stream may hold, per element.
pub(crate) const NUDGES_PER_ELEMENT: usize = 2;

/// A part of the array that stands by itself.
struct Band<'a, T> {
    geometry: Geometry,
    coded: &'a [u8],
    /// Index of its first element, and the elements.
    start: usize,
    values: &'a mut [T],
}

/// Fill `out`; elements that `mask` names are left to the caller.
pub(crate) fn decode<T: Element>(
    mut r: Reader<'_>,
    geometry: &Geometry,
    mask: Option<&[u8]>,
    out: &mut [T],
    threads: usize,
) -> Result<()> {
    let (slices, plane) = slices(geometry);
    let mappings = Mappings::read::<T>(&mut r, slices, plane, NUDGES_PER_ELEMENT * out.len())?;
    let at = r.offset();
    let form = Form::read(&mut r)?;
    let geometry = form.geometry(geometry);
    let mut bands = if form.halved {
        let Some([upper, lower]) = halves(&geometry) else {
            return corrupt(at, format!("{} slices of {} rows cannot be halved", geometry.slices(), geometry.height));
        };
        let len = r.count(r.rest().len(), "bytes of the first half")?;
        let first = r.bytes(len, "first half")?;
        let start = (upper.slices() * upper.plane()).min(out.len());
        let (head, tail) = out.split_at_mut(start);
        vec![
            Band { geometry: upper, coded: first, start: 0, values: head },
            Band { geometry: lower, coded: r.rest(), start, values: tail },
        ]
    } else {
        vec![Band { geometry, coded: r.rest(), start: 0, values: out }]
    };
    for_each_part(&mut bands, 1, threads, |_, bands| {
        for band in bands {
            if form.wide.is_some() {
                decode_band::<T, i64>(band, &mappings, plane, form, mask);
            } else {
                decode_band::<T, i32>(band, &mappings, plane, form, mask);
            }
        }
    });
    Ok(())
}

/// Decode one band; `plane` is the size of the array's slices.
fn decode_band<T: Element, Q: Integer>(
    band: &mut Band<'_, T>,
    mappings: &Mappings,
    plane: usize,
    form: Form,
    mask: Option<&[u8]>,
) {
    let mut coder = Decoder::new(band.coded);
    let mut lattice = Lattice::<Q>::new(&band.geometry, form);
    let mut rest = Rest::new();
    let mut q = vec![Q::default(); lattice.row_len()];
    let mut done = 0;
    while done < band.values.len() {
        let at = band.start + done;
        let slice = at / plane.max(1);
        if lattice.opens() || at.is_multiple_of(plane) {
            lattice.start(mappings.top(slice), mappings.change(slice));
        }
        let mapping = mappings.of(slice);
        let n = lattice.row_len().min(band.values.len() - done);
        let masked = mask.map(|m| &m[at..][..n]);
        let q = &mut q[..n];
        lattice.row(&mut coder, q, masked);
        let row = &mut band.values[done..done + n];
        mapping.values(q, row);
        code_rest(&mut coder, &mut rest, mapping, q, masked, row);
        done += n;
    }
}
