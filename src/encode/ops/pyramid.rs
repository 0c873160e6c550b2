//! Field to coefficients: the lapped pyramid.

use crate::arith::{Isa, forward_image, forward_wavelet, inverse_image};
use crate::format::pyramid::Level;
use std::borrow::Cow;

/// The coefficient planes of all levels, finest first. The kept corners of planes that are not
/// last are 0, so the squares of all planes sum to nearly those of the image.
pub(crate) fn forward(levels: &[Level], periodic_x: bool, mut image: Cow<'_, [f32]>, isa: Isa) -> Vec<Vec<f32>> {
    let mut planes = Vec::with_capacity(levels.len());
    for level in levels {
        if level.dyadic {
            let (plane, coarse) = forward_wavelet(level, periodic_x, &image, isa);
            planes.push(plane);
            image = coarse.into();
            continue;
        }
        let mut plane = image.into_owned();
        forward_image((&level.y, &level.x), periodic_x, &mut plane, level.width, isa);
        let mut coarse = Vec::new();
        if !level.last {
            coarse = gather(level, &mut plane);
            let axes = (&level.y.coarse(), &level.x.coarse());
            inverse_image(axes, periodic_x, &mut coarse, level.x.coarse_len(), isa, 1);
        }
        planes.push(plane);
        image = coarse.into();
    }
    planes
}

/// Take the kept corners out of a plane, leaving zeros.
fn gather(level: &Level, fine: &mut [f32]) -> Vec<f32> {
    let mut coarse = Vec::with_capacity(level.y.coarse_len() * level.x.coarse_len());
    for (bi, &y) in level.y.starts.iter().enumerate() {
        for row in fine[y * level.width..].chunks_exact_mut(level.width).take(level.y.kept(bi)) {
            for (bj, &x) in level.x.starts.iter().enumerate() {
                let corner = &mut row[x..x + level.x.kept(bj)];
                coarse.extend_from_slice(corner);
                corner.fill(0.0);
            }
        }
    }
    coarse
}

#[cfg(test)]
#[path = "pyramid_tests.rs"]
mod tests;
