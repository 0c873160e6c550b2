//! Sums and largest values in one fixed order that the compiler turns into vectors.

use crate::arith::run_wide;

/// Values that are added side by side.
const LANES: usize = 8;
/// Values that are compared side by side: the order does not matter.
const WIDE: usize = 32;

/// The sum of `f` over the elements.
pub(super) fn sum<T: Copy>(values: &[T], f: impl Fn(T) -> f64) -> f64 {
    fold(values, 0.0, f, |a, b| a + b)
}

/// The sum of the squares.
pub(super) fn energy(values: &[f32]) -> f64 {
    sum(values, |v| f64::from(v) * f64::from(v))
}

/// The greatest of `f`, which is not NaN, over the elements; at least 0.
pub(super) fn peak<T: Copy>(values: &[T], f: impl Fn(T) -> f64) -> f64 {
    fold(values, 0.0, f, |a, b| if b > a { b } else { a })
}

/// The sum of `f` over pairs of elements.
pub(super) fn sum_of_pairs<T: Copy>(a: &[T], b: &[T], f: impl Fn(T, T) -> f64) -> f64 {
    run_wide(
        #[inline(always)]
        || {
            let mut lanes = [0.0; LANES];
            let (mut a, mut b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
            for (a, b) in a.by_ref().zip(b.by_ref()) {
                for ((lane, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
                    *lane += f(a, b);
                }
            }
            for ((lane, &a), &b) in lanes.iter_mut().zip(a.remainder()).zip(b.remainder()) {
                *lane += f(a, b);
            }
            lanes.into_iter().sum()
        },
    )
}

/// The least and the greatest element, of which none is NaN.
pub(super) fn extremes<T: Copy + PartialOrd>(values: &[T]) -> Option<(T, T)> {
    let &first = values.first()?;
    let lesser = |a: T, b: T| if b < a { b } else { a };
    let greater = |a: T, b: T| if b > a { b } else { a };
    Some(run_wide(
        #[inline(always)]
        || {
            let (mut least, mut most) = ([first; WIDE], [first; WIDE]);
            let mut chunks = values.chunks_exact(WIDE);
            for chunk in chunks.by_ref() {
                for ((least, most), &v) in least.iter_mut().zip(&mut most).zip(chunk) {
                    (*least, *most) = (lesser(*least, v), greater(*most, v));
                }
            }
            let rest = chunks.remainder().iter().copied();
            (
                least.into_iter().chain(rest.clone()).fold(first, lesser),
                most.into_iter().chain(rest).fold(first, greater),
            )
        },
    ))
}

#[inline(always)]
fn fold<T: Copy>(values: &[T], start: f64, f: impl Fn(T) -> f64, join: impl Fn(f64, f64) -> f64) -> f64 {
    run_wide(
        #[inline(always)]
        || {
            let mut lanes = [start; LANES];
            let mut chunks = values.chunks_exact(LANES);
            for chunk in chunks.by_ref() {
                for (lane, &v) in lanes.iter_mut().zip(chunk) {
                    *lane = join(*lane, f(v));
                }
            }
            for (lane, &v) in lanes.iter_mut().zip(chunks.remainder()) {
                *lane = join(*lane, f(v));
            }
            lanes.into_iter().fold(start, join)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_counts_once() {
        for n in [0usize, 1, 7, 8, 9, 31] {
            let values: Vec<f32> = (0..n).map(|i| i as f32 - 3.0).collect();
            let plain: f64 = values.iter().map(|&v| f64::from(v)).sum();
            assert_eq!(sum(&values, f64::from), plain);
            assert_eq!(sum_of_pairs(&values, &values, |a, b| f64::from(a) + f64::from(b)), 2.0 * plain);
            let most = values.iter().fold(0.0, |m: f64, &v| m.max(v.abs().into()));
            assert_eq!(extremes(&values), (n > 0).then(|| (-3.0, n as f32 - 4.0)));
            assert_eq!(peak(&values, |v| v.abs().into()), most);
        }
    }
}
