//! Harmonic detail, bytes to field: coefficients, outer axes, pyramid.

use super::ops::pyramid;
use crate::arith::Isa;
use crate::entropy::bands::{Bands, Models};
use crate::entropy::range::Decoder;
use crate::error::Result;
use crate::format::pyramid::{Level, levels};
use crate::format::{AxisTransform, Geometry, HarmonicParams, Reader};

/// A decoded harmonic field: value = mean + step * field.
pub(crate) struct HarmonicField {
    pub(crate) mean: f64,
    pub(crate) step: f64,
    /// In steps, C order.
    pub(crate) field: Vec<f32>,
}

/// Decode a harmonic payload that starts at `offset` of the stream.
pub(crate) fn decode(payload: &[u8], offset: usize, geometry: &Geometry, isa: Isa) -> Result<HarmonicField> {
    let mut reader = Reader::new(payload, offset);
    let params = HarmonicParams::read(&mut reader, geometry.outer.len())?;
    let levels = levels(geometry.height, geometry.width);
    let mut volumes = coefficients(reader.rest(), &params, geometry, &levels);
    synthesise(&mut volumes, &params.axes, geometry, &levels, isa);
    Ok(HarmonicField { mean: params.mean, step: params.step, field: volumes.swap_remove(0) })
}

/// Read all coefficients: a volume (slices, level height, level width) for each level, in steps.
fn coefficients(input: &[u8], params: &HarmonicParams, geometry: &Geometry, levels: &[Level]) -> Vec<Vec<f32>> {
    let mut decoder = Decoder::new(input);
    let mut models = Models::new();
    let mut bands: Vec<Bands> = levels.iter().map(Bands::new).collect();
    let mut volumes: Vec<Vec<f32>> = levels.iter().map(|l| vec![0.0; l.height * l.width * geometry.slices()]).collect();
    for slice in 0..geometry.slices() {
        for l in (0..levels.len()).rev() {
            let (fine, coarse) = bands.split_at_mut(l + 1);
            models.level(&mut decoder, &mut fine[l], coarse.first());
            let size = levels[l].height * levels[l].width;
            let plane = &mut volumes[l][slice * size..][..size];
            let q = &fine[l].q;
            Bands::for_each_place(&levels[l], |index, place| plane[place] = params.reconstruct(q[index]));
        }
        bands.iter_mut().for_each(Bands::next_slice);
    }
    volumes
}

/// Invert the transforms in place: outer axes first, then the pyramid of every slice. The field is left in `volumes[0]`.
pub(crate) fn synthesise(
    volumes: &mut [Vec<f32>],
    axes: &[AxisTransform],
    geometry: &Geometry,
    levels: &[Level],
    isa: Isa,
) {
    let mut inner_slices = 1;
    for (&n, &axis) in geometry.outer.iter().zip(axes).rev() {
        if axis == AxisTransform::Dct {
            for (volume, level) in volumes.iter_mut().zip(levels) {
                pyramid::inverse_axis(volume, n, inner_slices * level.height * level.width, isa);
            }
        }
        inner_slices *= n;
    }
    if geometry.slices() == 1 {
        pyramid::inverse(levels, geometry.periodic, volumes, isa);
        return;
    }
    let mut planes: Vec<Vec<f32>> = levels.iter().map(|l| vec![0.0; l.height * l.width]).collect();
    for slice in 0..geometry.slices() {
        for (plane, volume) in planes.iter_mut().zip(volumes.iter()) {
            let size = plane.len();
            plane.copy_from_slice(&volume[slice * size..][..size]);
        }
        pyramid::inverse(levels, geometry.periodic, &mut planes, isa);
        let size = planes[0].len();
        volumes[0][slice * size..][..size].copy_from_slice(&planes[0]);
    }
}
