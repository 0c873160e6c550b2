//! A layer of a network on a block of points: small matrix products, then the sine.
//!
//! **Order.** An output starts at its bias and takes `input * weight` by fused multiply-add in ascending order of the
//! input's index. Points fill the lanes, so no vector width can change a bit.

use super::simd::{Simd, for_each_isa};
use crate::arith::sine::{COEFFICIENTS, LIMIT};

/// Blocks hold a multiple of this many points.
pub(crate) const POINTS: usize = 64;
/// Outputs that are computed together; layers are padded to a multiple of it.
pub(crate) const TILE: usize = 4;

/// The weights of a layer in tiles of [`TILE`] outputs.
#[derive(Debug, Clone, Default)]
pub(crate) struct PackedLayer {
    pub(in crate::arith) inputs: usize,
    /// Weight of input `i` in output `j` at `(j / TILE * inputs + i) * TILE + j % TILE`; 0 past the last output.
    pub(in crate::arith) weights: Vec<f32>,
    /// Padded with 0.
    pub(in crate::arith) biases: Vec<f32>,
}

/// What becomes of the sums of a layer.
trait Finish: Copy {
    /// `at` is the place in the block of outputs.
    fn finish<S: Simd>(self, s: S, at: usize, z: S::V) -> S::V;
}

#[derive(Clone, Copy)]
struct Linear;
impl Finish for Linear {
    #[inline(always)]
    fn finish<S: Simd>(self, _: S, _: usize, z: S::V) -> S::V {
        z
    }
}

#[derive(Clone, Copy)]
struct Sine;
impl Finish for Sine {
    #[inline(always)]
    fn finish<S: Simd>(self, s: S, _: usize, z: S::V) -> S::V {
        sine(s, z)
    }
}

/// The sine, and its slope to be kept.
#[derive(Clone, Copy)]
struct SineAndSlope(*mut f32);
impl Finish for SineAndSlope {
    #[inline(always)]
    fn finish<S: Simd>(self, s: S, at: usize, z: S::V) -> S::V {
        let a = s.abs(s.sub(z, s.round(z)));
        let cosine = odd_polynomial(s, s.sub(s.splat(0.25), a));
        // SAFETY: the slopes have the size of the outputs.
        unsafe { s.store(self.0.add(at), s.mul(s.splat(std::f32::consts::TAU), cosine)) };
        sine(s, z)
    }
}

/// Times the slope.
#[derive(Clone, Copy)]
struct TimesSlope(*const f32);
impl Finish for TimesSlope {
    #[inline(always)]
    fn finish<S: Simd>(self, s: S, at: usize, z: S::V) -> S::V {
        // SAFETY: the slopes have the size of the outputs.
        s.mul(z, unsafe { s.load(self.0.add(at)) })
    }
}

for_each_isa!(
    /// One layer on blocks of `stride` points, a multiple of [`POINTS`]. `x` and `out` hold a row of `stride` for each
    /// input and for each output, `out` up to a whole tile.
    layer(layer: &PackedLayer, stride: usize, x: &[f32], out: &mut [f32], activate: bool), layer_body
);
for_each_isa!(
    /// As [`layer`], activated; keeps the slopes of the outputs.
    layer_and_slope(layer: &PackedLayer, stride: usize, x: &[f32], out: &mut [f32], slope: &mut [f32]), slope_body
);
for_each_isa!(
    /// As [`layer`], not activated; the outputs are multiplied by the slopes.
    layer_times_slope(layer: &PackedLayer, stride: usize, x: &[f32], out: &mut [f32], slope: &[f32]), times_body
);

#[inline(always)]
fn layer_body<S: Simd>(s: S, layer: &PackedLayer, stride: usize, x: &[f32], out: &mut [f32], activate: bool) {
    if activate {
        products(s, layer, stride, x, out, Sine);
    } else {
        products(s, layer, stride, x, out, Linear);
    }
}

#[inline(always)]
fn slope_body<S: Simd>(s: S, layer: &PackedLayer, stride: usize, x: &[f32], out: &mut [f32], slope: &mut [f32]) {
    let slope = &mut slope[..layer.biases.len() * stride];
    products(s, layer, stride, x, out, SineAndSlope(slope.as_mut_ptr()));
}

#[inline(always)]
fn times_body<S: Simd>(s: S, layer: &PackedLayer, stride: usize, x: &[f32], out: &mut [f32], slope: &[f32]) {
    let slope = &slope[..layer.biases.len() * stride];
    products(s, layer, stride, x, out, TimesSlope(slope.as_ptr()));
}

#[inline(always)]
fn products<S: Simd, F: Finish>(s: S, layer: &PackedLayer, stride: usize, x: &[f32], out: &mut [f32], finish: F) {
    // Enough sums to hide the latency of the multiplier, few enough for the registers.
    if S::LANES == 16 {
        tiles::<S, F, 4>(s, layer, stride, x, out, finish);
    } else {
        tiles::<S, F, 2>(s, layer, stride, x, out, finish);
    }
}

#[inline(always)]
fn tiles<S: Simd, F: Finish, const B: usize>(
    s: S,
    layer: &PackedLayer,
    stride: usize,
    x: &[f32],
    out: &mut [f32],
    finish: F,
) {
    assert!(stride.is_multiple_of(POINTS) && POINTS.is_multiple_of(B * S::LANES));
    let x = &x[..layer.inputs * stride];
    let out = &mut out[..layer.biases.len() * stride];
    // Columns outside, so that those of the inputs stay in the first cache for all tiles.
    for p in (0..stride).step_by(B * S::LANES) {
        let tiles = layer.weights.chunks_exact(layer.inputs * TILE);
        for (t, (weights, biases)) in tiles.zip(layer.biases.chunks_exact(TILE)).enumerate() {
            let mut sums = [[s.splat(0.0); B]; TILE];
            for (sum, &b) in sums.iter_mut().zip(biases) {
                *sum = [s.splat(b); B];
            }
            for (w, x) in weights.chunks_exact(TILE).zip(x.chunks_exact(stride)) {
                let mut v = [s.splat(0.0); B];
                for (k, v) in v.iter_mut().enumerate() {
                    // SAFETY: p + B * LANES <= stride, the length of a row.
                    *v = unsafe { s.load(x.as_ptr().add(p + k * S::LANES)) };
                }
                for (sum, &w) in sums.iter_mut().zip(w) {
                    let w = s.splat(w);
                    for (sum, &v) in sum.iter_mut().zip(&v) {
                        *sum = s.mul_add(v, w, *sum);
                    }
                }
            }
            for (j, sum) in sums.iter().enumerate() {
                for (k, &z) in sum.iter().enumerate() {
                    let at = (t * TILE + j) * stride + p + k * S::LANES;
                    let h = finish.finish(s, at, z);
                    // SAFETY: row t * TILE + j exists, since biases are whole tiles; within it as above.
                    unsafe { s.store(out.as_mut_ptr().add(at), h) };
                }
            }
        }
    }
}

/// The normative `sin(2 pi t)`; see [`crate::arith::sine`].
#[inline(always)]
fn sine<S: Simd>(s: S, t: S::V) -> S::V {
    let r = s.sub(t, s.round(t));
    let a = s.abs(r);
    // The smaller of the two is the fold: 1/2 - a is exact where it is taken.
    let folded = s.with_sign(s.min(a, s.sub(s.splat(0.5), a)), r);
    s.where_less(s.abs(t), s.splat(LIMIT), odd_polynomial(s, folded))
}

#[inline(always)]
fn odd_polynomial<S: Simd>(s: S, x: S::V) -> S::V {
    let u = s.mul(x, x);
    let [c0, c1, c2, c3, c4] = COEFFICIENTS;
    let p = s.mul_add(s.splat(c4), u, s.splat(c3));
    let p = s.mul_add(p, u, s.splat(c2));
    let p = s.mul_add(p, u, s.splat(c1));
    let p = s.mul_add(p, u, s.splat(c0));
    s.mul(x, p)
}
