//! The normative sine: `sin(2 pi t)` for `t` in turns, by exact reduction to a quarter turn and one odd
//! polynomial. At most 1.8e-7 from the exact value.

/// Minimax coefficients of `sin(2 pi s) / s` in powers of `s^2` for `0 <= s <= 1/4`, each rounded to f32 and the
/// next ones fitted anew. Written by their bits, which are normative.
pub(super) const COEFFICIENTS: [f32; 5] = [
    f32::from_bits(0x40c9_0fdb), // 6.2831855
    f32::from_bits(0xc225_5df8), // -41.341766
    f32::from_bits(0x42a3_379f), // 81.608635
    f32::from_bits(0xc299_74ba), // -76.72798
    f32::from_bits(0x4223_80ef), // 40.87591
];

/// Arguments of this size and larger, and NaN, give 0: they have no fraction worth speaking of.
pub(super) const LIMIT: f32 = 4_194_304.0;

/// `sin(2 pi t)`: the scalar twin of the vector kernels.
#[cfg(test)]
pub(super) fn sine(t: f32) -> f32 {
    if t.abs() < LIMIT { odd_polynomial(quarter(t - t.round_ties_even())) } else { 0.0 }
}

/// Fold a fraction of a turn, -1/2 to 1/2, to the quarter turn with the same sine. Exact.
#[cfg(test)]
fn quarter(r: f32) -> f32 {
    let a = r.abs();
    if a > 0.25 { (0.5 - a).copysign(r) } else { r }
}

#[cfg(test)]
fn odd_polynomial(s: f32) -> f32 {
    let u = s * s;
    let [c0, c1, c2, c3, c4] = COEFFICIENTS;
    let p = c4.mul_add(u, c3).mul_add(u, c2).mul_add(u, c1).mul_add(u, c0);
    s * p
}

#[cfg(test)]
mod tests {
    use super::{LIMIT, sine};

    #[test]
    fn close_to_the_exact_sine() {
        for i in -2_000_000..2_000_000_i32 {
            let t = i as f32 * 1.234_567e-6;
            let exact = (f64::from(t) * std::f64::consts::TAU).sin();
            assert!((f64::from(sine(t)) - exact).abs() < 1.8e-7, "{t}: {} {exact}", sine(t));
        }
        for (t, exact) in [(0.0, 0.0), (0.25, 1.0), (0.5, 0.0), (-0.75, 1.0), (1e6 + 0.25, 1.0), (1.0 / 12.0, 0.5)] {
            assert!((sine(t) - exact).abs() < 1e-6, "{t}");
        }
    }

    #[test]
    fn hostile_arguments_give_zero() {
        for t in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, LIMIT, -LIMIT, f32::MAX] {
            assert_eq!(sine(t).to_bits(), 0, "{t}");
        }
        assert_eq!(sine(f32::MIN_POSITIVE / 2.0), 0.0 + f32::MIN_POSITIVE / 2.0 * std::f32::consts::TAU);
    }
}
