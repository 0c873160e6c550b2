//! Coefficients to field: the inverse lapped pyramid.

use crate::arith::{Isa, forward_image, inverse_image, inverse_wavelet};
use crate::format::pyramid::Level;

/// Rebuild the image in `planes[0]` from the coefficient planes of all levels, finest first; each
/// has `height * width` samples of its level. The kept corners of planes that are not last are not
/// read: they come from the coarser level. Planes other than the first hold no result afterwards.
pub(crate) fn inverse(levels: &[Level], periodic_x: bool, planes: &mut [Vec<f32>], isa: Isa, threads: usize) {
    for l in (0..levels.len().min(planes.len())).rev() {
        let level = &levels[l];
        if !level.last {
            let (fine, coarse) = planes.split_at_mut(l + 1);
            if let (Some(fine), Some(coarse)) = (fine.last_mut(), coarse.first_mut()) {
                if level.dyadic {
                    inverse_wavelet(level, periodic_x, coarse, fine, isa);
                    continue;
                }
                let axes = (&level.y.coarse(), &level.x.coarse());
                forward_image(axes, periodic_x, coarse, level.x.coarse_len(), isa);
                scatter(level, coarse, fine);
            }
        }
        inverse_image((&level.y, &level.x), periodic_x, &mut planes[l], level.width, isa, threads);
    }
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
