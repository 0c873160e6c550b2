//! One level of the wavelet: an image to its bands and back.

use super::Isa;
use super::kernels::blocks::{forward_lifting, inverse_lifting};
use super::lifting::Lifting;
use crate::format::pyramid::Level;

fn lifting(level: &Level, periodic_x: bool) -> Lifting {
    Lifting {
        height: level.height,
        width: level.width,
        split_y: !level.y.identity,
        split_x: !level.x.identity,
        periodic: periodic_x && level.width.is_multiple_of(2),
    }
}

/// The bands of an image, and its low band: the coarser image. The low band's place among the bands is 0.
pub(crate) fn forward_wavelet(level: &Level, periodic_x: bool, image: &[f32], isa: Isa) -> (Vec<f32>, Vec<f32>) {
    let mut bands = vec![0.0; image.len()];
    forward_lifting(isa, image, &mut bands, &lifting(level, periodic_x));
    let (rows, cols) = (level.y.coarse_len(), level.x.coarse_len());
    let mut coarse = Vec::with_capacity(rows * cols);
    for row in bands.chunks_exact_mut(level.width).take(rows) {
        coarse.extend_from_slice(&row[..cols]);
        row[..cols].fill(0.0);
    }
    (bands, coarse)
}

/// `bands`, with `coarse` as its low band, becomes the image.
pub(crate) fn inverse_wavelet(level: &Level, periodic_x: bool, coarse: &[f32], bands: &mut [f32], isa: Isa) {
    let cols = level.x.coarse_len();
    let mut from = bands.to_vec();
    for (row, low) in from.chunks_exact_mut(level.width).zip(coarse.chunks_exact(cols)) {
        row[..cols].copy_from_slice(low);
    }
    inverse_lifting(isa, &mut from, bands, &lifting(level, periodic_x));
}
