//! A layer of a network on a block of points: small matrix products, then the sine.
//!
//! **Order.** An output starts at its bias and takes `input * weight` by fused multiply-add in ascending order of the
//! input's index. Points fill the lanes, so no vector width can change a bit.

use super::simd::{Simd, for_each_isa};
use crate::arith::sine::{COEFFICIENTS, LIMIT};

/// Points of a block.
pub(in crate::arith) const POINTS: usize = 64;
/// Outputs that are computed together; layers are padded to a multiple of it.
pub(in crate::arith) const TILE: usize = 4;

/// A layer with its outputs in tiles of [`TILE`].
#[derive(Debug, Clone)]
pub(in crate::arith) struct PackedLayer {
    pub(in crate::arith) inputs: usize,
    pub(in crate::arith) outputs: usize,
    /// Weight of input `i` in output `j` at `(j / TILE * inputs + i) * TILE + j % TILE`; 0 past the last output.
    pub(in crate::arith) weights: Vec<f32>,
    /// Padded with 0.
    pub(in crate::arith) biases: Vec<f32>,
}

for_each_isa!(
    /// One layer on [`POINTS`] points. `x` and `out` hold one row of [`POINTS`] for each input and for each output, `out`
    /// up to a whole tile.
    layer(layer: &PackedLayer, x: &[f32], out: &mut [f32], activate: bool), layer_body
);

#[inline(always)]
fn layer_body<S: Simd>(s: S, layer: &PackedLayer, x: &[f32], out: &mut [f32], activate: bool) {
    // Enough sums to hide the latency of the multiplier, few enough for the registers.
    if S::LANES == 16 {
        layer_tiles::<S, 4>(s, layer, x, out, activate);
    } else {
        layer_tiles::<S, 2>(s, layer, x, out, activate);
    }
}

#[inline(always)]
fn layer_tiles<S: Simd, const B: usize>(s: S, layer: &PackedLayer, x: &[f32], out: &mut [f32], activate: bool) {
    let x = &x[..layer.inputs * POINTS];
    let tiles = layer.weights.chunks_exact(layer.inputs * TILE);
    for ((weights, biases), out) in tiles.zip(layer.biases.chunks_exact(TILE)).zip(out.chunks_exact_mut(TILE * POINTS))
    {
        for p in (0..POINTS).step_by(B * S::LANES) {
            let mut sums = [[s.splat(0.0); B]; TILE];
            for (sum, &b) in sums.iter_mut().zip(biases) {
                *sum = [s.splat(b); B];
            }
            for (w, x) in weights.chunks_exact(TILE).zip(x.chunks_exact(POINTS)) {
                let mut v = [s.splat(0.0); B];
                for (k, v) in v.iter_mut().enumerate() {
                    // SAFETY: a row has POINTS values, a multiple of B * LANES, and p + B * LANES <= POINTS.
                    *v = unsafe { s.load(x.as_ptr().add(p + k * S::LANES)) };
                }
                for (sum, &w) in sums.iter_mut().zip(w) {
                    let w = s.splat(w);
                    for (sum, &v) in sum.iter_mut().zip(&v) {
                        *sum = s.mul_add(v, w, *sum);
                    }
                }
            }
            for (row, sum) in out.chunks_exact_mut(POINTS).zip(&sums) {
                for (k, &z) in sum.iter().enumerate() {
                    let h = if activate { sine(s, z) } else { z };
                    // SAFETY: as above.
                    unsafe { s.store(row.as_mut_ptr().add(p + k * S::LANES), h) };
                }
            }
        }
    }
}

/// The normative `sin(2 pi t)`; see [`crate::arith::sine`].
#[inline(always)]
pub(super) fn sine<S: Simd>(s: S, t: S::V) -> S::V {
    let r = s.sub(t, s.round(t));
    let a = s.abs(r);
    // The smaller of the two is the fold: 1/2 - a is exact where it is taken.
    let folded = s.with_sign(s.min(a, s.sub(s.splat(0.5), a)), r);
    s.where_less(s.abs(t), s.splat(LIMIT), odd_polynomial(s, folded))
}

#[inline(always)]
pub(super) fn odd_polynomial<S: Simd>(s: S, x: S::V) -> S::V {
    let u = s.mul(x, x);
    let [c0, c1, c2, c3, c4] = COEFFICIENTS;
    let p = s.mul_add(s.splat(c4), u, s.splat(c3));
    let p = s.mul_add(p, u, s.splat(c2));
    let p = s.mul_add(p, u, s.splat(c1));
    let p = s.mul_add(p, u, s.splat(c0));
    s.mul(x, p)
}
