//! The encoder's quantiser: magnitudes of a row of coefficients, and sums over them.
//!
//! **Order.** Element `x` goes to lane `x % 16`; then the lanes are added in one fixed tree.

use super::simd::{Simd, for_each_isa, total};
use crate::ablation::{Part, without};

/// What a neighbour counts at most, in steps.
const MOST_NEAR: f32 = 8.0;

/// A row of a plane and what lies around it.
pub(crate) struct Surroundings<'a> {
    /// The row between margins of `block` zeros, and zeros to fill 16 lanes.
    pub(crate) here: &'a [f32],
    /// The rows above and below, and those of the same frequency in the blocks there.
    pub(crate) rows: [&'a [f32]; 4],
    /// Distance to the same frequency in the neighbouring blocks.
    pub(crate) block: usize,
}

/// Sums over the coefficients of a row.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Tally {
    /// How many become 0.
    pub(crate) zeros: f32,
    /// Squared errors in squared steps, of these and of all.
    pub(crate) squares_of_zeros: f32,
    pub(crate) squares: f32,
}

for_each_isa!(
    /// The magnitudes of a row in steps of `1 / inverse`, as whole numbers, with a dead zone that is wider where the
    /// surroundings are quiet. `magnitudes` and `scaled`, a buffer, have the row's length, filled up to 16 lanes.
    quantise_row(
        around: &Surroundings<'_>, width: usize, inverse: f32, scaled: &mut [f32], magnitudes: &mut [f32],
    ) -> Tally,
    quantise_body
);

#[inline(always)]
fn quantise_body<S: Simd>(
    s: S,
    around: &Surroundings<'_>,
    width: usize,
    inverse: f32,
    scaled: &mut [f32],
    magnitudes: &mut [f32],
) -> Tally {
    let (filled, block) = (width.next_multiple_of(16), around.block);
    assert!(block > 0 && around.here.len() >= filled + 2 * block && around.rows.iter().all(|r| r.len() >= width));
    let (scaled, magnitudes) = (&mut scaled[..filled], &mut magnitudes[..filled]);
    let (inverse, most) = (s.splat(inverse), s.splat(MOST_NEAR));
    let size = |c: S::V| s.mul(s.abs(c), inverse);
    let mut tail = [0.0_f32; 16];
    for x in (0..filled).step_by(S::LANES) {
        let mut activity = s.splat(0.0);
        for row in around.rows {
            let mut from = row[x.min(width)..width].as_ptr();
            if x + S::LANES > width {
                let rest = &row[x.min(width)..width];
                tail[..rest.len()].copy_from_slice(rest);
                from = tail.as_ptr();
            }
            // SAFETY: the row goes on for as many values, or those of the tail are taken.
            activity = s.add(activity, s.min(size(unsafe { s.load(from) }), most));
        }
        // SAFETY: `here` has margins of `block` around `filled` values; so long are `scaled` and `magnitudes`, too.
        unsafe {
            let at = around.here.as_ptr().add(block + x);
            for neighbour in [at.sub(1), at.add(1), at.sub(block), at.add(block)] {
                activity = s.add(activity, s.min(size(s.load(neighbour)), most));
            }
            let here = size(s.load(at));
            s.store(scaled.as_mut_ptr().add(x), here);
            s.store(magnitudes.as_mut_ptr().add(x), magnitude(s, here, activity));
        }
    }
    tally(s, scaled, magnitudes, width)
}

/// A coefficient's magnitude by the sum of eight neighbours': the dead zone goes from 0.52 (busy) to 0.82 (quiet).
#[inline(always)]
fn magnitude<S: Simd>(s: S, scaled: S::V, activity: S::V) -> S::V {
    let t = s.mul(activity, s.splat(0.25));
    let busy = s.mul_add(s.mul(t, s.splat(0.5)), t, s.add(s.splat(1.0), t));
    let dead_zone = if without(Part::DeadZone) {
        s.splat(0.5)
    } else if without(Part::DeadZoneByNeighbours) {
        s.splat(0.62)
    } else {
        s.add(s.splat(0.52), s.div(s.splat(0.30), busy))
    };
    // Rounded down where 1 is added instead of a half.
    s.abs(s.round(s.add(scaled, s.sub(s.splat(0.5), dead_zone))))
}

/// Both slices have `width` values, filled up with zeros to 16 lanes.
#[inline(always)]
fn tally<S: Simd>(s: S, scaled: &[f32], magnitudes: &[f32], width: usize) -> Tally {
    let one = s.wide_splat(1.0);
    let [mut zeros, mut squares_of_zeros, mut squares] = [s.wide_splat(0.0); 3];
    for (scaled, magnitudes) in scaled.chunks_exact(16).zip(magnitudes.chunks_exact(16)) {
        // SAFETY: both have 16 values.
        let (scaled, magnitude) = unsafe { (s.wide_load(scaled.as_ptr()), s.wide_load(magnitudes.as_ptr())) };
        let error = s.wide_mul_add(magnitude, s.wide_splat(-1.0), scaled);
        let of_zero = s.wide_where_less(magnitude, one, error);
        zeros = s.wide_mul_add(s.wide_where_less(magnitude, one, one), one, zeros);
        squares_of_zeros = s.wide_mul_add(of_zero, of_zero, squares_of_zeros);
        squares = s.wide_mul_add(error, error, squares);
    }
    let total = |v: S::Wide| total(&s.wide_array(v));
    // The zeros at the end were counted, too.
    let filling = (magnitudes.len() - width) as f32;
    Tally { zeros: total(zeros) - filling, squares_of_zeros: total(squares_of_zeros), squares: total(squares) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arith::Isa;

    fn value(i: usize) -> f32 {
        let noise = (i as u32).wrapping_mul(2_654_435_761) as f32 / u32::MAX as f32 - 0.5;
        noise * noise * noise * if i % 97 < 50 { 40.0 } else { 4.0 }
    }

    /// The same, written plainly.
    fn plainly(planes: &[Vec<f32>], block: usize, inverse: f32) -> Vec<f32> {
        let here = &planes[0];
        let size = |row: &[f32], x: usize| row.get(x).map_or(0.0, |c| c.abs() * inverse);
        let near = |row: &[f32], x: usize| size(row, x).min(8.0);
        let at = |x: usize| {
            let rows: f32 = planes[1..].iter().map(|r| near(r, x)).sum();
            let sides = [x.wrapping_sub(1), x + 1, x.wrapping_sub(block), x + block];
            let t = (rows + sides.into_iter().map(|x| near(here, x)).sum::<f32>()) / 4.0;
            size(here, x) + 1.0 - (0.52 + 0.30 / (1.0 + t + 0.5 * t * t))
        };
        (0..here.len()).map(at).collect()
    }

    #[test]
    fn rows_are_quantised_alike_on_every_instruction_set() {
        for (width, block) in [(1, 1), (16, 3), (37, 24), (100, 1), (61, 61)] {
            let rows: Vec<Vec<f32>> = (0..5).map(|r| (0..width).map(|x| value(r * 1000 + x)).collect()).collect();
            let filled = width.next_multiple_of(16);
            let mut here = vec![0.0; filled + 2 * block];
            here[block..block + width].copy_from_slice(&rows[0]);
            let around = Surroundings { here: &here, rows: std::array::from_fn(|r| &rows[r + 1][..]), block };
            let exact = plainly(&rows, block, 1.7);
            for isa in Isa::ALL.into_iter().filter(|i| i.supported()) {
                let (mut scaled, mut magnitudes) = (vec![0.0; filled], vec![0.0; filled]);
                let tally = quantise_row(isa, &around, width, 1.7, &mut scaled, &mut magnitudes);
                let mut plain = Tally::default();
                for (x, &m) in magnitudes[..width].iter().enumerate() {
                    assert!((exact[x] - m - 0.5).abs() <= 0.5001 && m.fract() == 0.0, "{isa:?} {x}: {m} {}", exact[x]);
                    let square = (rows[0][x].abs() * 1.7 - m).powi(2);
                    plain.squares += square;
                    if m == 0.0 {
                        plain.zeros += 1.0;
                        plain.squares_of_zeros += square;
                    }
                }
                assert_eq!(tally.zeros, plain.zeros);
                let pairs = [(tally.squares, plain.squares), (tally.squares_of_zeros, plain.squares_of_zeros)];
                assert!(pairs.iter().all(|(a, b)| (a - b).abs() < 1e-4), "{pairs:?}");
                let first = quantise_row(Isa::Scalar, &around, width, 1.7, &mut scaled, &mut vec![0.0; filled]);
                assert_eq!(tally, first);
            }
        }
    }
}
