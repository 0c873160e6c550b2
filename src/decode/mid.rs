//! The middle band, bytes to values: networks on blocks of the chunk (paper, iterative decomposition).

use crate::arith::Evaluator;
use crate::entropy::blocks;
use crate::entropy::range::Decoder;
use crate::error::Result;
use crate::format::mid::{Block, PassParams, along, read_passes};
use crate::format::network::Network;
use crate::format::{Budget, Geometry, Reader};
use crate::worker::Worker;

/// Decode a section and add its networks to `values`, in the stream's order of elements.
pub(crate) fn add(
    mut reader: Reader<'_>,
    geometry: &Geometry,
    worker: &Worker,
    budget: &mut Budget,
    values: &mut [f32],
) -> Result<()> {
    let passes = read_passes(&mut reader, geometry)?;
    let offset = reader.offset();
    add_passes(&passes, &mut Decoder::new(reader.rest()), offset, geometry, worker, budget, values)
}

/// Decode passes whose parameters are known and add their networks.
pub(crate) fn add_passes(
    passes: &[PassParams],
    decoder: &mut Decoder<'_>,
    offset: usize,
    geometry: &Geometry,
    worker: &Worker,
    budget: &mut Budget,
    values: &mut [f32],
) -> Result<()> {
    for pass in passes {
        let roots = Block::roots(geometry, pass.grid);
        blocks::code(decoder, roots, pass.shape, &[], budget, offset, |block, network| {
            evaluate(&network.network(), block, pass.amplitude, geometry, worker, values);
        })?;
    }
    Ok(())
}

/// Add a block's network to its elements, plane by plane.
pub(crate) fn evaluate(
    network: &Network,
    block: &Block,
    amplitude: f32,
    geometry: &Geometry,
    worker: &Worker,
    values: &mut [f32],
) {
    let (rows, columns) = (block.rows.len(), block.columns.len());
    let n = rows * columns;
    let mut points = vec![0.0; n * network.shape.inputs()];
    for (i, p) in points.iter_mut().take(n).enumerate() {
        *p = along(i / columns, rows);
    }
    for (i, p) in points.iter_mut().skip(n).take(n).enumerate() {
        *p = along(i % columns, columns);
    }
    let mut out = vec![0.0; n];
    for (k, slice) in block.slices.clone().enumerate() {
        points.iter_mut().skip(2 * n).for_each(|p| *p = along(k, block.slices.len()));
        worker.evaluate(network, &points, &mut out);
        for (row, y) in out.chunks_exact(columns).zip(block.rows.clone()) {
            let start = (slice * geometry.height + y) * geometry.width + block.columns.start;
            let to = values.iter_mut().skip(start).take(columns);
            to.zip(row).for_each(|(v, &o)| *v += o * amplitude);
        }
    }
}
