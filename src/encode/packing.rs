//! Finds the lattice on which packed data lie: value = offset + k * step, rounded to the type.
//!
//! Archives hold 8- to 24-bit integers with scale and offset; their floats came from those.

use super::problem::PART;
use super::sums::extremes;
use crate::arith::run_wide;
use crate::array::Element;

/// An arithmetic lattice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Packing {
    pub(crate) offset: f64,
    pub(crate) step: f64,
    /// Every value is `T::from_f64(offset + k * step)` to the bit.
    pub(crate) exact: bool,
}

/// Values looked at first, and where they do not tell: sorting them is most of the work.
const SAMPLES: [usize; 2] = [4096, 32_768];
/// Largest index on a lattice, and places of a table of values.
const MAX_INDEX: f64 = 16_777_216.0;
const MAX_PLACES: usize = 1 << 18;

/// The lattice of these values (masked ones must have been replaced by others of them).
pub(crate) fn find<T: Element>(values: &[T]) -> Option<Packing> {
    let [few, many] = SAMPLES;
    let quickly = || (values.len() > few).then(|| find_by(values, few, false)).flatten();
    quickly().or_else(|| find_by(values, many, true))
}

/// The same, if a sample of so many values tells the step. Values of too many places for a table are sorted only if that is `thorough`.
fn find_by<T: Element>(values: &[T], sample: usize, thorough: bool) -> Option<Packing> {
    let stride = values.len().div_ceil(sample).max(1);
    let sample = distinct(values.iter().skip(stride / 2).step_by(stride).copied());
    let (base, step) = step_of::<T>(&sample)?;
    if let Some(packing) = binary(values, step) {
        return Some(packing);
    }
    let (all, (base, step)) = if stride == 1 {
        (sample, (base, step))
    } else {
        let sorted = || thorough.then(|| distinct(values.iter().copied()));
        let all = on_lattice(values, step).or_else(sorted)?;
        let refined = refine(&all, step)?;
        (all, refined)
    };
    let close = Packing { offset: base, step, exact: false };
    let exact = fit::<T>(&all, base, step).filter(|p| {
        all.iter().all(|&v| T::from_f64(p.offset + nearest((v.to_f64() - p.offset) / p.step) * p.step).same(v))
    });
    Some(exact.unwrap_or(close))
}

/// GRIB's packing with a binary scale, of which this is about the step: the least value and multiples of a power of two. Far less work to
/// test than to find.
fn binary<T: Element>(values: &[T], step: f64) -> Option<Packing> {
    let power = step.log2().round().exp2();
    let near = (power / step - 1.0).abs() < 1e-3;
    let (lo, hi) = if near { extremes(values)? } else { return None };
    let (offset, inverse) = (lo.to_f64(), 1.0 / power);
    let good = |v: T| T::from_f64(offset + ((v.to_f64() - offset) * inverse + 0.5).floor() * power).same(v);
    let all_good = |part: &[T]| {
        run_wide(
            #[inline(always)]
            || part.iter().fold(true, |all, &v| all & good(v)),
        )
    };
    let fits =
        inverse.is_finite() && (hi.to_f64() - offset) * inverse <= MAX_INDEX && values.chunks(PART).all(all_good);
    fits.then_some(Packing { offset, step: power, exact: true })
}

/// The number by which whole numbers must be divided to give these values to the bit, if that is what they are: decimals in f64,
/// which no multiple of a tenth or a thousandth hits every time.
pub(crate) fn divisor<T: Element>(values: &[T], packing: Packing) -> Option<f64> {
    let divisor = (1.0 / packing.step).round();
    let near = divisor >= 2.0 && (divisor * packing.step - 1.0).abs() < 1e-6;
    let whole = |v: &T| {
        let k = (v.to_f64() * divisor).round();
        // Adding 0 makes the zero positive.
        k.abs() < MAX_DIVIDED && T::from_f64((k + 0.0) / divisor).same(*v)
    };
    (near && values.iter().all(whole)).then_some(divisor)
}

/// Whole numbers that f64 holds, with room.
const MAX_DIVIDED: f64 = 4_503_599_627_370_496.0;

/// Sorted, each once.
fn distinct<T: Element>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut ordinals: Vec<i64> = values.map(T::to_ordinal).collect();
    ordinals.sort_unstable();
    ordinals.dedup();
    ordinals.into_iter().map(T::from_ordinal).collect()
}

/// The same of values that are multiples of a step above the least, each in a place of its own; `None` if they are not.
fn on_lattice<T: Element>(values: &[T], step: f64) -> Option<Vec<T>> {
    let (lo, hi) = extremes(values)?;
    let (base, inverse) = (lo.to_f64(), 1.0 / step);
    let places = ((hi.to_f64() - base) * inverse + 2.0).min(MAX_INDEX) as usize;
    if places > MAX_PLACES {
        return None;
    }
    let mut table = vec![None; places];
    for &v in values {
        let place = table.get_mut(((v.to_f64() - base) * inverse + 0.5) as usize)?;
        if !place.get_or_insert(v).same(v) {
            return None;
        }
    }
    Some(table.into_iter().flatten().collect())
}

/// Half the distance between neighbouring floats at `v`.
pub(crate) fn half_ulp<T: Element>(v: T) -> f64 {
    let away = if v.to_f64() < 0.0 { -1 } else { 1 };
    let next = T::from_ordinal(v.to_ordinal().wrapping_add(away)).to_f64();
    let d = (next - v.to_f64()).abs() / 2.0;
    if d.is_finite() { d } else { 0.0 }
}

/// The nearest whole number of one that is not below -1/2.
fn nearest(x: f64) -> f64 {
    (x + 0.5) as i64 as f64
}

/// Base and step of a lattice that holds the sample: its step the smallest difference, or a half to a fourth of it.
fn step_of<T: Element>(sample: &[T]) -> Option<(f64, f64)> {
    let smallest = sample.windows(2).map(|w| w[1].to_f64() - w[0].to_f64()).min_by(f64::total_cmp)?;
    // Native floats differ by single ulps.
    if sample.len() < 3 || smallest < 2.0 * tolerance(sample) {
        return None;
    }
    (1..=4).map(|d| smallest / f64::from(d)).find_map(|s| refine(sample, s))
}

/// What rounding does to the difference of two values, at most, and a little more.
fn tolerance<T: Element>(sorted: &[T]) -> f64 {
    // In f64 the arithmetic rounds as much as the values.
    let factor = if T::DTYPE == crate::DType::F64 { 40.0 } else { 2.5 };
    sorted.first().zip(sorted.last()).map_or(0.0, |(&a, &b)| factor * half_ulp(a).max(half_ulp(b)))
}

/// Base and step of the lattice that holds all values, from a rough step. Differences over more and
/// more values give the step: each round only those short enough that their index is certain.
fn refine<T: Element>(sorted: &[T], mut step: f64) -> Option<(f64, f64)> {
    // The longest differences are those that tell most.
    const WINDOWS: [usize; 2] = [512, 4096];
    let tolerance = tolerance(sorted);
    // Relative error of the step.
    let mut doubt = tolerance / step;
    if doubt > 0.4 {
        return None;
    }
    let mut lag = 1;
    while lag < sorted.len() {
        let (mut distances, mut indices, mut n) = (0.0, 0.0, 0.0);
        let windows = WINDOWS[usize::from(8 * lag > sorted.len())];
        for i in (0..sorted.len() - lag).step_by((sorted.len() - lag).div_ceil(windows)) {
            let d = sorted[i + lag].to_f64() - sorted[i].to_f64();
            let k = nearest(d / step);
            if k * doubt > 0.25 && k > 1.0 {
                continue;
            }
            if (d - k * step).abs() > tolerance + k * step * doubt {
                return None;
            }
            (distances, indices, n) = (distances + d, indices + k, n + 1.0);
        }
        if indices > 0.0 {
            step = distances / indices;
            // Sums round, too.
            doubt = doubt.min((tolerance * n / distances).max(n * f64::EPSILON));
        }
        lag *= 2;
    }
    let base = sorted.first()?.to_f64();
    let on = |&v: &T| {
        let d = v.to_f64() - base;
        let k = nearest(d / step);
        k <= MAX_INDEX && k * doubt < 0.4 && (d - k * step).abs() <= tolerance + k * step * doubt
    };
    sorted.iter().all(on).then_some((base, step))
}

/// Offset and step such that every value is the rounding of its lattice point: a linear program in
/// two unknowns (Seidel, "Small-dimensional linear programming and convex hulls made easy", 1991).
fn fit<T: Element>(all: &[T], base: f64, step: f64) -> Option<Packing> {
    let last = all.last()?.to_f64();
    let length = ((last - base) / step).round().max(1.0);
    let unit = half_ulp(*all.last()?).max(half_ulp(all[0]));
    if unit == 0.0 {
        return None;
    }
    // (t, low, high): low <= a + t b <= high, in units of half an ulp.
    let mut rows: Vec<(f64, f64, f64)> = all
        .iter()
        .map(|&v| {
            let x = v.to_f64();
            let k = nearest((x - base) / step);
            let rest = (x - (base + k * step)) / unit;
            let below = half_ulp(T::from_f64(x.next_down().min(x))) / unit;
            let half = half_ulp(v).min(below.max(half_ulp(v) * 0.5) * unit) / unit * (1.0 - 1e-6);
            (k / length, rest - half, rest + half)
        })
        .collect();
    let mut seed = 1u64;
    for i in (1..rows.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        rows.swap(i, (seed >> 33) as usize % (i + 1));
    }
    let up = extreme(&rows, 1.0)?;
    let down = extreme(&rows, -1.0)?;
    let (a, b) = ((up.0 + down.0) / 2.0, (up.1 + down.1) / 2.0);
    Some(Packing { offset: base + a * unit, step: step + b * unit / length, exact: true })
}

/// The point (a, b) within all rows that has the greatest `sign * b`.
fn extreme(rows: &[(f64, f64, f64)], sign: f64) -> Option<(f64, f64)> {
    const BOX: f64 = 1e3;
    let (mut a, mut b) = (0.0, sign * BOX);
    for (i, &(t, low, high)) in rows.iter().enumerate() {
        let v = a + t * b;
        if v >= low && v <= high {
            continue;
        }
        // The optimum lies on the border that is violated: a = edge - t b.
        let edge = if v < low { low } else { high };
        let (mut from, mut to) = (-BOX, BOX);
        for &(u, low, high) in &rows[..i] {
            let slope = u - t;
            if slope == 0.0 {
                if edge < low - 1e-9 || edge > high + 1e-9 {
                    return None;
                }
                continue;
            }
            let (p, q) = ((low - edge) / slope, (high - edge) / slope);
            from = from.max(p.min(q));
            to = to.min(p.max(q));
        }
        if from > to + 1e-12 {
            return None;
        }
        b = if sign > 0.0 { to } else { from };
        a = edge - t * b;
    }
    Some((a, b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(n: u64, levels: u64, scale: f64, offset: f64) -> Vec<f32> {
        (0..n)
            .map(|i| (offset + scale * ((i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % levels) as f64) as f32)
            .collect()
    }

    #[test]
    fn packed_data_are_recognised() {
        for (levels, scale, offset) in [
            (65_535, 0.001_163_478_9, 265.7),
            (4096, 1.0 / 64.0, -12.345),
            (200, 0.1, 0.0),
            (40_000, 7.3e-9, 1.0e-5),
            (65_000, 3.33, -100_000.0),
        ] {
            let p = find(&packed(200_000, levels, scale, offset)).unwrap();
            assert!(p.exact && (p.step / scale - 1.0).abs() < 1e-5, "{levels} {scale} {offset}: {p:?}");
        }
    }

    #[test]
    fn native_floats_are_not() {
        let v: Vec<f32> = (0..100_000).map(|i| (f64::from(i) * 0.37).sin() as f32 + 280.0).collect();
        assert_eq!(find(&v), None);
        assert_eq!(find(&[1.0f32; 10]), None);
    }
}
