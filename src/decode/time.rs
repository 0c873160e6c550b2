//! Low and middle band frame by frame, bytes to values (paper, temporal residual compression): a frame's low band takes the
//! weights of the frame before, changed a little; its middle band is that of the frame before, and networks for what changed.

use super::{low, mid};
use crate::entropy::prob::Prob;
use crate::entropy::range::Decoder;
use crate::entropy::weights::{self, LARGEST};
use crate::error::{Result, corrupt};
use crate::format::low::LowParams;
use crate::format::network::Quantised;
use crate::format::time::{TimeParams, frame};
use crate::format::{Budget, Geometry, Reader};
use crate::worker::Worker;

/// Decode a section and add its bands to `values`, in the stream's order of elements.
pub(crate) fn add(
    mut reader: Reader<'_>,
    geometry: &Geometry,
    worker: &Worker,
    budget: &mut Budget,
    values: &mut [f32],
) -> Result<()> {
    let start = reader.offset();
    let Some(frame) = frame(geometry) else { return corrupt(start, "frames in an array without outer axes") };
    let params = TimeParams::read(&mut reader, &frame)?;
    let offset = reader.offset();
    let mut decoder = Decoder::new(reader.rest());
    let mut key_model = Prob::HALF;
    let mut weights = params.low.map(|l| Quantised::zeros(l.shape));
    let mut middle = vec![0.0; frame.slices() * frame.plane()];
    for out in values.chunks_exact_mut(middle.len().max(1)) {
        let key = key_model.code(&mut decoder, false);
        if let (Some(low), Some(weights)) = (&params.low, &mut weights) {
            next_weights(&mut decoder, weights, key);
            add_low(low, weights, &frame, worker, budget, offset, out)?;
        }
        if key {
            middle.fill(0.0);
        }
        let passes = if key { &params.key } else { &params.change };
        mid::add_passes(passes, &mut decoder, offset, &frame, worker, budget, &mut middle)?;
        out.iter_mut().zip(&middle).for_each(|(v, m)| *v += m);
    }
    Ok(())
}

/// The weights of a key frame, or those before and what is added to them.
fn next_weights(decoder: &mut Decoder<'_>, weights: &mut Quantised, key: bool) {
    let mut coded = Quantised::zeros(weights.shape);
    weights::code(decoder, &mut coded);
    if key {
        *weights = coded;
    } else {
        add_difference(weights, &coded);
    }
}

/// Add whole numbers; steps stay.
pub(crate) fn add_difference(weights: &mut Quantised, difference: &Quantised) {
    let largest = LARGEST as i32;
    let pairs = weights.integers.iter_mut().zip(&difference.integers);
    pairs.for_each(|(q, d)| *q = (*q + d).clamp(-largest, largest));
}

/// Add a frame's low band.
pub(crate) fn add_low(
    params: &LowParams,
    weights: &Quantised,
    frame: &Geometry,
    worker: &Worker,
    budget: &mut Budget,
    offset: usize,
    out: &mut [f32],
) -> Result<()> {
    budget.charge(params.shape.parameters(), low::points(params, frame), offset)?;
    let band = low::evaluate(params, &weights.network(), frame, worker);
    out.iter_mut().zip(&band).for_each(|(v, b)| *v += b);
    Ok(())
}
