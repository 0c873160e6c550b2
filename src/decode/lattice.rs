//! Lattice payload to values.

use crate::arith::for_each_part;
use crate::array::Element;
use crate::entropy::fixed::Rest;
use crate::entropy::integer::Integer;
use crate::entropy::lattice::{Form, Lattice, band_rows, slices};
use crate::entropy::mapping::{Mappings, code_rest};
use crate::entropy::range::Decoder;
use crate::error::{Result, corrupt};
use crate::format::{Geometry, Reader};

/// Nudges that a stream may hold, per element.
pub(crate) const NUDGES_PER_ELEMENT: usize = 2;

/// Rows of all slices that stand by themselves.
struct Band<'a, T> {
    geometry: Geometry,
    coded: &'a [u8],
    /// In each slice the index of the first element, and the elements.
    pieces: Vec<(usize, &'a mut [T])>,
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
    let form = Form::from_byte(r.u8("form")?);
    let mut bands = if form.halved {
        let Some(rows) = band_rows(geometry) else {
            return corrupt(at, format!("{} rows cannot be halved", geometry.height));
        };
        let len = r.count(r.rest().len(), "bytes of the first half")?;
        let first = r.bytes(len, "first half")?;
        let mut bands = [(rows[0], first), (rows[1], r.rest())].map(|(height, coded)| Band {
            geometry: Geometry { height, ..geometry.clone() },
            coded,
            pieces: Vec::with_capacity(slices),
        });
        for (slice, values) in out.chunks_mut(plane.max(1)).enumerate() {
            let start = rows[0] * geometry.width;
            let (first, second) = values.split_at_mut(start.min(values.len()));
            bands[0].pieces.push((slice * plane, first));
            bands[1].pieces.push((slice * plane + start, second));
        }
        Vec::from(bands)
    } else {
        vec![Band { geometry: geometry.clone(), coded: r.rest(), pieces: vec![(0, out)] }]
    };
    for_each_part(&mut bands, 1, threads, |_, bands| {
        for band in bands {
            if form.narrow {
                decode_band::<T, i32>(band, &mappings, plane, form.shift, mask);
            } else {
                decode_band::<T, i64>(band, &mappings, plane, form.shift, mask);
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
    shift: u8,
    mask: Option<&[u8]>,
) {
    let mut coder = Decoder::new(band.coded);
    let mut lattice = Lattice::<Q>::new(&band.geometry, shift.into());
    let mut rest = Rest::new();
    let mut q = vec![Q::default(); lattice.row_len()];
    for (start, values) in &mut band.pieces {
        let mut done = 0;
        while done < values.len() {
            let slice = (*start + done) / plane.max(1);
            if lattice.opens() {
                lattice.start(mappings.top(slice), mappings.change(slice));
            }
            let mapping = mappings.of(slice);
            let n = lattice.row_len().min(values.len() - done);
            let masked = mask.map(|m| &m[*start + done..][..n]);
            let q = &mut q[..n];
            lattice.row(&mut coder, q, masked);
            let row = &mut values[done..done + n];
            mapping.values(q, row);
            code_rest(&mut coder, &mut rest, mapping, q, masked, row);
            done += n;
        }
    }
}
