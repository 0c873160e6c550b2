//! One level of the CDF 9/7 wavelet by lifting (Daubechies and Sweldens, "Factoring wavelet transforms into
//! lifting steps", 1998): the inner loops, compiled by `kernels`.
//!
//! Every sample is scaled once for both axes, so the lifting factors are those of the scaled bands. A step adds
//! `fma(factor, left + right, sample)`. Columns are lifted row by row, a few rows behind the row transform, so that
//! rows are still in the cache.

/// Lifting factors in the order of the forward transform; odd samples first.
const STEPS: [f32; 4] = [-1.200_171, -0.070_018_01, 0.668_067_16, 0.586_134_3];
/// Powers -2 to 2 of sqrt(2) / 1.230174104914001, the factor of the low band that makes the wavelet nearly orthonormal.
const SCALES: [f32; 5] = [0.756_664_16, 0.869_864_46, 1.0, 1.149_604_4, 1.321_590_3];

/// Pairs of rows before and after a pair that its lifting back depends on.
pub(super) const REACH: usize = 2;

/// Which axes of an image are split into a low and a high half.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lifting {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) split_y: bool,
    pub(super) split_x: bool,
    /// The row's end touches its start; for even widths.
    pub(super) periodic: bool,
}

impl Lifting {
    /// Factor of samples in a low or high row and column.
    fn scale(self, high_y: bool, high_x: bool, inverse: bool) -> f32 {
        let power = |split, high| i32::from(split) * if high { -1 } else { 1 };
        let power = power(self.split_y, high_y) + power(self.split_x, high_x);
        SCALES[(2 + if inverse { -power } else { power }) as usize]
    }
}

/// `to += factor * (a + b)`.
#[inline(always)]
fn lift(to: &mut [f32], a: &[f32], b: &[f32], factor: f32) {
    for ((t, &a), &b) in to.iter_mut().zip(a).zip(b) {
        *t = factor.mul_add(a + b, *t);
    }
}

/// Lift one half of a row by the other.
#[inline(always)]
fn lift_row(low: &mut [f32], high: &mut [f32], step: usize, factor: f32, periodic: bool) {
    let (nl, nh) = (low.len(), high.len());
    if step.is_multiple_of(2) {
        lift(high, low, &low[1..], factor);
        if nh == nl {
            let next = if periodic { low[0] } else { low[nl - 1] };
            high[nh - 1] = factor.mul_add(low[nl - 1] + next, high[nh - 1]);
        }
    } else {
        let before = if periodic { high[nh - 1] } else { high[0] };
        low[0] = factor.mul_add(before + high[0], low[0]);
        lift(&mut low[1..], high, &high[1..], factor);
        if nl > nh {
            low[nl - 1] = factor.mul_add(high[nh - 1] + high[nh - 1], low[nl - 1]);
        }
    }
}

/// Rows of one half that a step lifts, and the two of the other half that it takes: a low row `i` lies between high rows
/// `i - 1` and `i`, a high one between low rows `i` and `i + 1`; beyond the ends the axis is mirrored.
#[inline(always)]
fn lift_rows(halves: (&mut [f32], &mut [f32]), width: usize, i: usize, step: usize, factor: f32) {
    let (low, high) = halves;
    let (to, from, a, b) =
        if step.is_multiple_of(2) { (high, low, i, i + 1) } else { (low, high, i.wrapping_sub(1), i) };
    let (rows, others) = (to.len() / width, from.len() / width);
    if i < rows && others > 0 {
        let a = if a == usize::MAX { 0 } else { a };
        let row = |k: usize| &from[k.min(others - 1) * width..][..width];
        lift(&mut to[i * width..][..width], row(a), row(b), factor);
    }
}

/// `out` becomes the four bands of `image`: low rows first, low columns first.
#[inline(always)]
pub(super) fn forward_body(image: &[f32], out: &mut [f32], l: &Lifting) {
    let w = l.width;
    let low_rows = if l.split_y { l.height.div_ceil(2) } else { l.height };
    let (low, high) = out.split_at_mut(low_rows * w);
    for i in 0..low_rows + 2 {
        if l.split_y {
            for (half, high_y, y) in [(&mut *low, false, 2 * i), (&mut *high, true, 2 * i + 1)] {
                if y < l.height {
                    forward_row(&image[y * w..][..w], &mut half[i * w..][..w], l, high_y);
                }
            }
            for (step, &factor) in STEPS.iter().enumerate() {
                if let Some(i) = i.checked_sub(1 + step / 2) {
                    lift_rows((low, high), w, i, step, factor);
                }
            }
        } else if i < low_rows {
            forward_row(&image[i * w..][..w], &mut low[i * w..][..w], l, false);
        }
    }
}

#[inline(always)]
fn forward_row(row: &[f32], out: &mut [f32], l: &Lifting, high_y: bool) {
    let (even, odd) = (l.scale(high_y, false, false), l.scale(high_y, true, false));
    if !l.split_x {
        out.iter_mut().zip(row).for_each(|(o, &v)| *o = v * even);
        return;
    }
    let (low, high) = out.split_at_mut(l.width.div_ceil(2));
    for ((pair, l), h) in row.chunks_exact(2).zip(&mut *low).zip(&mut *high) {
        *l = pair[0] * even;
        *h = pair[1] * odd;
    }
    if low.len() > high.len() {
        low[high.len()] = row[row.len() - 1] * even;
    }
    for (step, &factor) in STEPS.iter().enumerate() {
        lift_row(low, high, step, factor, l.periodic);
    }
}

/// `image` becomes rows of what [`forward_body`] made `bands` of: those from pair `first` on (without `split_y` it is 0), as many as it
/// has. `bands` holds no result afterwards.
#[inline(always)]
pub(super) fn inverse_body(bands: &mut [f32], image: &mut [f32], l: &Lifting, first: usize) {
    let w = l.width;
    let low_rows = if l.split_y { l.height.div_ceil(2) } else { l.height };
    let (low, high) = bands.split_at_mut(low_rows * w);
    for i in 0..low_rows + REACH {
        if l.split_y {
            for (step, &factor) in STEPS.iter().enumerate().rev() {
                if let Some(i) = i.checked_sub((4 - step) / 2) {
                    lift_rows((low, high), w, i, step, -factor);
                }
            }
            let Some(i) = i.checked_sub(REACH) else { continue };
            let Some(pair) = i.checked_sub(first) else { continue };
            let rows = image.chunks_exact_mut(w).skip(2 * pair);
            for ((half, high_y), row) in [(&mut *low, false), (&mut *high, true)].into_iter().zip(rows) {
                inverse_row(&mut half[i * w..][..w], row, l, high_y);
            }
        } else if i < low_rows {
            inverse_row(&mut low[i * w..][..w], &mut image[i * w..][..w], l, false);
        }
    }
}

#[inline(always)]
fn inverse_row(row: &mut [f32], out: &mut [f32], l: &Lifting, high_y: bool) {
    let (even, odd) = (l.scale(high_y, false, true), l.scale(high_y, true, true));
    if !l.split_x {
        out.iter_mut().zip(row).for_each(|(o, &mut v)| *o = v * even);
        return;
    }
    let (low, high) = row.split_at_mut(l.width.div_ceil(2));
    for (step, &factor) in STEPS.iter().enumerate().rev() {
        lift_row(low, high, step, -factor, l.periodic);
    }
    for ((pair, &mut l), &mut h) in out.chunks_exact_mut(2).zip(&mut *low).zip(&mut *high) {
        pair[0] = l * even;
        pair[1] = h * odd;
    }
    if low.len() > high.len() {
        out[l.width - 1] = low[high.len()] * even;
    }
}
