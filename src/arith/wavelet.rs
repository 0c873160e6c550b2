//! One level of the wavelet: an image to its bands and back.

use super::kernels::blocks::{forward_lifting, inverse_lifting};
use super::lifting::{Lifting, REACH};
use super::{Isa, for_each_part, worthwhile};
use crate::format::pyramid::Level;
use std::ops::Range;

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

/// Elements that take a thread about a millisecond.
const LIFTED: usize = 1 << 19;

/// Pairs of rows that a thread lifts, and their bands between those of the pairs that they depend on.
struct Strip {
    pairs: Range<usize>,
    within: Range<usize>,
    bands: Vec<f32>,
}

/// `bands`, with `coarse` as its low band, becomes the image. On up to `threads` threads.
pub(crate) fn inverse_wavelet(
    level: &Level,
    periodic_x: bool,
    coarse: &[f32],
    bands: &mut [f32],
    isa: Isa,
    threads: usize,
) {
    let lifting = lifting(level, periodic_x);
    let (width, cols, low_rows) = (level.width, level.x.coarse_len(), level.y.coarse_len());
    let most = if lifting.split_y { low_rows / (4 * REACH) } else { 1 };
    let count = worthwhile(threads, bands.len(), LIFTED).clamp(1, most.max(1));
    let mut strips: Vec<_> = (0..count)
        .map(|k| {
            let pairs = low_rows * k / count..low_rows * (k + 1) / count;
            let within = pairs.start.saturating_sub(REACH)..low_rows.min(pairs.end + REACH);
            Strip { pairs, within, bands: Vec::new() }
        })
        .collect();
    for_each_part(&mut strips, 1, threads, |_, strips| {
        for Strip { within, bands: copy, .. } in strips {
            let high = low_rows + within.start..level.height.min(low_rows + within.end);
            copy.reserve_exact((within.len() + high.len()) * width);
            for y in within.clone().chain(high) {
                copy.extend_from_slice(&bands[y * width..][..width]);
            }
            let low = coarse[within.start * cols..].chunks_exact(cols);
            copy.chunks_exact_mut(width)
                .take(within.len())
                .zip(low)
                .for_each(|(row, low)| row[..cols].copy_from_slice(low));
        }
    });
    let mut rest = bands;
    let mut parts = Vec::with_capacity(count);
    for strip in strips {
        let rows = if lifting.split_y { 2 * strip.pairs.len() } else { strip.pairs.len() };
        let (image, after) = rest.split_at_mut(rest.len().min(rows * width));
        parts.push((strip, image));
        rest = after;
    }
    for_each_part(&mut parts, 1, threads, |_, parts| {
        for (Strip { pairs, within, bands }, image) in parts {
            let lifting = Lifting { height: bands.len() / width, ..lifting };
            inverse_lifting(isa, bands, image, &lifting, pairs.start - within.start);
        }
    });
}
