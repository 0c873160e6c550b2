//! Corrections of points that missed the bound, bytes to whole multiples of a unit.

use crate::entropy::corrections::Corrections as Model;
use crate::entropy::range::Decoder;
use crate::error::{Error, Result};
use crate::format::Reader;

/// What is added to some elements of a field; nothing by default.
#[derive(Default)]
pub(crate) struct Corrections {
    pub(crate) unit: f64,
    /// Elements in rising order, and how many units each takes.
    pub(crate) counts: Vec<(usize, i32)>,
}

impl Corrections {
    /// Decode the section of a field of `len` elements in rows of `width`.
    pub(crate) fn decode(mut reader: Reader<'_>, len: usize, width: usize) -> Result<Self> {
        let unit = reader.finite_f64("correction unit")?;
        let (mut decoder, mut model) = (Decoder::new(reader.rest()), Model::new(width));
        let (mut row, mut counts) = (vec![0; width], Vec::<(usize, i32)>::new());
        for start in (0..len).step_by(width.max(1)) {
            let row = &mut row[..width.min(len - start)];
            model.row(&mut decoder, row);
            let corrected = row.iter().filter(|k| **k != 0).count();
            counts.try_reserve(corrected).map_err(|_| Error::Limit {
                what: "corrections",
                needed: 2 * size_of_val(&counts[..]) as u64,
                limit: 0,
            })?;
            counts.extend(row.iter().enumerate().filter(|(_, k)| **k != 0).map(|(x, &k)| (start + x, k)));
        }
        Ok(Self { unit, counts })
    }
}
