//! Spatial detail, bytes to field: the points that the base misses, in compressed sparse rows (paper, sparse storage).

use super::harmonic::HarmonicField;
use crate::entropy::range::Decoder;
use crate::entropy::sparse::Sparse;
use crate::error::Result;
use crate::format::{Geometry, Reader};

/// Decode the section, without a base.
pub(crate) fn decode(mut reader: Reader<'_>, geometry: &Geometry) -> Result<HarmonicField> {
    let mean = reader.finite_f64("mean")?;
    let step = reader.finite_f64("step")?;
    let mut decoder = Decoder::new(reader.rest());
    let mut model = Sparse::new();
    let mut field = vec![0.0; geometry.slices() * geometry.plane()];
    let mut entries = Vec::new();
    for row in field.chunks_exact_mut(geometry.width) {
        model.row(&mut decoder, geometry.width, &mut entries);
        for &(column, value) in &entries {
            if let Some(v) = row.get_mut(column as usize) {
                *v = value as f32;
            }
        }
    }
    Ok(HarmonicField::new(mean, step, field))
}
