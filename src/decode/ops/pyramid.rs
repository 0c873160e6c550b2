//! Coefficients to field: the inverse lapped pyramid.

use crate::arith::{Isa, forward_image, inverse_image, inverse_wavelet};
use crate::format::pyramid::Level;

/// Rebuild the image in `planes[0]` from the coefficient planes of all levels, finest first; each
/// has `height * width` samples of its level. The kept corners of planes that are not last are not
/// read: they come from the coarser level. Planes other than the first hold no result afterwards.
pub(crate) fn inverse(levels: &[Level], periodic_x: bool, planes: &mut [&mut [f32]], isa: Isa, threads: usize) {
    let (Some(level), Some((fine, coarse))) = (levels.first(), planes.split_first_mut()) else { return };
    inverse_coarse(levels, periodic_x, coarse, isa, threads);
    inverse_finest(level, periodic_x, fine, coarse, isa, threads);
}

/// Whole planes, as [`inverse`] takes them.
pub(crate) fn views(planes: &mut [Vec<f32>]) -> Vec<&mut [f32]> {
    planes.iter_mut().map(Vec::as_mut_slice).collect()
}

/// All but the finest level: `coarse`, the planes of the others, then begin with what the finest one needs.
pub(crate) fn inverse_coarse(levels: &[Level], periodic_x: bool, coarse: &mut [&mut [f32]], isa: Isa, threads: usize) {
    let Some((level, coarser)) = levels.split_first() else { return };
    inverse(coarser, periodic_x, coarse, isa, threads);
    if let Some(image) = coarse.first_mut().filter(|_| !level.last && !level.dyadic) {
        forward_image((&level.y.coarse(), &level.x.coarse()), periodic_x, image, level.x.coarse_len(), isa);
    }
}

/// The finest level, after [`inverse_coarse`].
pub(crate) fn inverse_finest(
    level: &Level,
    periodic_x: bool,
    fine: &mut [f32],
    coarse: &[&mut [f32]],
    isa: Isa,
    threads: usize,
) {
    if let Some(coarse) = coarse.first().filter(|_| !level.last) {
        if level.dyadic {
            return inverse_wavelet(level, periodic_x, coarse, fine, isa, threads);
        }
        scatter(level, coarse, fine);
    }
    inverse_image((&level.y, &level.x), periodic_x, fine, level.width, isa, threads);
}

/// Put the coarser level's coefficients into the kept corners.
fn scatter(level: &Level, coarse: &[f32], fine: &mut [f32]) {
    let mut rows = coarse.chunks_exact(level.x.coarse_len());
    for (bi, &y) in level.y.starts.iter().enumerate() {
        for (row, mut from) in (y..y + level.y.kept(bi)).zip(rows.by_ref()) {
            let to = &mut fine[row * level.width..][..level.width];
            for (bj, &x) in level.x.starts.iter().enumerate() {
                let (corner, rest) = from.split_at(level.x.kept(bj));
                to[x..x + corner.len()].copy_from_slice(corner);
                from = rest;
            }
        }
    }
}
