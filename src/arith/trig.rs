//! Cosine and sine by fixed polynomials in f64: plain multiplications and additions in a fixed
//! order, so that tables are the same everywhere. No `libm`.

use std::f64::consts::{FRAC_PI_4, PI};

/// `1/n!` with alternating signs for n = 1, 3, .., 17.
const SIN: [f64; 9] = [
    1.0,
    -1.0 / 6.0,
    1.0 / 120.0,
    -1.0 / 5_040.0,
    1.0 / 362_880.0,
    -1.0 / 39_916_800.0,
    1.0 / 6_227_020_800.0,
    -1.0 / 1_307_674_368_000.0,
    1.0 / 355_687_428_096_000.0,
];
/// `1/n!` with alternating signs for n = 0, 2, .., 16.
const COS: [f64; 9] = [
    1.0,
    -1.0 / 2.0,
    1.0 / 24.0,
    -1.0 / 720.0,
    1.0 / 40_320.0,
    -1.0 / 3_628_800.0,
    1.0 / 479_001_600.0,
    -1.0 / 87_178_291_200.0,
    1.0 / 20_922_789_888_000.0,
];

#[expect(clippy::suboptimal_flops, reason = "the rule is a rounded product, then a rounded sum")]
fn horner(coefficients: &[f64; 9], z: f64) -> f64 {
    let mut sum = coefficients[8];
    for &c in coefficients[..8].iter().rev() {
        sum = sum * z + c;
    }
    sum
}

/// Sine for `0 <= t <= pi/4`.
fn sin_poly(t: f64) -> f64 {
    t * horner(&SIN, t * t)
}

/// Cosine for `0 <= t <= pi/4`.
fn cos_poly(t: f64) -> f64 {
    horner(&COS, t * t)
}

/// `cos(pi * num / den)`; the argument is reduced to the first octant in integers.
pub(crate) fn cos_pi(num: u64, den: u64) -> f64 {
    let mut a = num % (2 * den);
    if a > den {
        a = 2 * den - a;
    }
    let negative = 2 * a > den;
    if negative {
        a = den - a;
    }
    let value = if 4 * a > den {
        sin_poly(PI * (den - 2 * a) as f64 / (2 * den) as f64)
    } else {
        cos_poly(PI * a as f64 / den as f64)
    };
    if negative { -value } else { value }
}

/// Sine and cosine part of the power-complementary window at sample `k` of a half overlap of `m`:
/// `sin` and `cos` of `pi/2 * sin(pi * (2m + 2k + 1) / (8m))^2`, rewritten by
/// `sin^2 = (1 - cos 2x) / 2` so that no argument leaves the first octant.
pub(super) fn window_pair(k: u64, m: u64) -> (f64, f64) {
    let t = FRAC_PI_4 * (1.0 + cos_pi(2 * m + 2 * k + 1, 4 * m));
    (cos_poly(t), sin_poly(t))
}

#[cfg(test)]
mod tests {
    use super::{cos_pi, window_pair};
    use std::f64::consts::{FRAC_PI_2, PI};

    /// Error of `got` rounded to f32, in units in the last place of f32.
    fn ulps(got: f64, want: f64) -> f64 {
        let rounded = got as f32;
        let ulp = f64::from(rounded.abs().next_up()) - f64::from(rounded.abs());
        (f64::from(rounded) - want).abs() / ulp
    }

    #[test]
    fn cosines_round_like_exact_ones() {
        for den in 1..=200_u64 {
            for num in 0..=5 * den {
                let got = cos_pi(num, den);
                // std's cosine of a rounded pi/2 is not 0; the exact rule is.
                if 2 * num % den == 0 && (2 * num / den) % 2 == 1 {
                    assert_eq!(got, 0.0);
                    continue;
                }
                // Reduced the same way, or the rounding of `pi * num` itself would be measured.
                let r = num % (2 * den);
                let (r, d) = (r.min(2 * den - r), den as f64);
                let want = if 4 * r > den && 4 * r < 3 * den {
                    (PI * (d - 2.0 * r as f64) / (2.0 * d)).sin()
                } else {
                    (PI * r as f64 / d).cos()
                };
                assert!(ulps(got, want) <= 0.500_000_1, "{num}/{den}: {got} {want}");
            }
        }
    }

    #[test]
    fn window_rounds_like_an_exact_one() {
        for m in 1..=17_u64 {
            for k in 0..m {
                let (s, c) = window_pair(k, m);
                let a = (PI * (2 * m + 2 * k + 1) as f64 / (8 * m) as f64).cos().powi(2) * FRAC_PI_2;
                assert!(ulps(s, a.cos()) <= 0.500_000_1 && ulps(c, a.sin()) <= 0.500_000_1, "{k} {m} {c} {}", a.sin());
                assert!((s * s + c * c - 1.0).abs() < 1e-15);
            }
        }
    }
}
