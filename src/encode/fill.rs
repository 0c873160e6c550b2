//! A smooth continuation of a field over its masked elements, for transforms, which see all elements.

use crate::arith::run_wide;
use crate::array::Element;
use crate::format::Geometry;

/// Turns of relaxation at each scale; more change little.
const TURNS: usize = 12;

/// Fill the masked elements (those of a `class` other than 0) of each slice from its others, at the finest scale that has any near
/// them, and relax them towards the mean of their neighbours (after the pull-push method of Gortler et al., "The Lumigraph", 1996).
/// A slice that has none takes what is in the one before, or after.
pub(super) fn fill<T: Element>(values: &mut [T], classes: &[u8], geometry: &Geometry) {
    let plane = geometry.plane();
    let mut known = None;
    for (slice, classes) in classes.chunks_exact(plane).enumerate() {
        let here = slice * plane..(slice + 1) * plane;
        if classes.iter().all(|&c| c != 0) {
            if let Some(known) = known.clone() {
                values.copy_within(known, here.start);
            }
            continue;
        }
        fill_plane(&mut values[here.clone()], classes, geometry);
        if known.is_none() {
            (0..slice).for_each(|before| values.copy_within(here.clone(), before * plane));
        }
        known = Some(here);
    }
}

/// One slice that has known elements.
fn fill_plane<T: Element>(values: &mut [T], classes: &[u8], &Geometry { height, width, periodic, .. }: &Geometry) {
    let known = classes.iter().map(|&c| c == 0).collect();
    let mut scales = vec![Scale { height, width, values: values.iter().map(|v| v.to_f64()).collect(), known }];
    while let Some(finer) = scales.last().filter(|s| s.known.contains(&false)) {
        scales.push(finer.coarser());
    }
    while let Some(coarse) = scales.pop() {
        match scales.last_mut() {
            Some(finer) => finer.fill_from(&coarse, periodic),
            None => {
                let masked = values.iter_mut().zip(&coarse.values).zip(classes).filter(|(_, c)| **c != 0);
                masked.for_each(|((v, &filled), _)| *v = T::from_f64(filled));
            }
        }
    }
}

/// A plane, each element of it the mean of four of the next finer one.
struct Scale {
    height: usize,
    width: usize,
    values: Vec<f64>,
    known: Vec<bool>,
}

impl Scale {
    /// Means of what is known.
    fn coarser(&self) -> Self {
        let (height, width) = (self.height.div_ceil(2), self.width.div_ceil(2));
        let (mut values, mut counts) = (vec![0.0; height * width], vec![0.0; height * width]);
        for (y, (row, known)) in
            self.values.chunks_exact(self.width).zip(self.known.chunks_exact(self.width)).enumerate()
        {
            for (x, (v, _)) in row.iter().zip(known).enumerate().filter(|(_, (_, known))| **known) {
                values[y / 2 * width + x / 2] += v;
                counts[y / 2 * width + x / 2] += 1.0;
            }
        }
        values.iter_mut().zip(&counts).filter(|(_, n)| **n > 0.0).for_each(|(v, n)| *v /= n);
        Self { height, width, values, known: counts.iter().map(|&n| n > 0.0).collect() }
    }

    /// Take what is not known from a scale that is full, and smooth it.
    fn fill_from(&mut self, coarse: &Self, periodic: bool) {
        let Self { height, width, .. } = *self;
        // The element above in the coarser scale, and the nearest one beside it.
        let near = |i: usize, n: usize, around: bool| {
            let (here, even) = (i / 2, i.is_multiple_of(2));
            let beside = if even { here.checked_sub(1) } else { Some(here + 1).filter(|&b| b < n) };
            let beyond = match (around, even) {
                (false, _) => here,
                (true, true) => n - 1,
                (true, false) => 0,
            };
            [here, beside.unwrap_or(beyond)]
        };
        for at in (0..self.values.len()).filter(|&at| !self.known[at]) {
            let [[row, other_row], [column, other]] =
                [near(at / width, coarse.height, false), near(at % width, coarse.width, periodic)];
            let between = |row: usize| {
                0.75 * coarse.values[row * coarse.width + column] + 0.25 * coarse.values[row * coarse.width + other]
            };
            self.values[at] = 0.75 * between(row) + 0.25 * between(other_row);
        }
        // The row as it was, between what is west and east of it.
        let mut old = vec![0.0; width + 2];
        for y in (0..TURNS).flat_map(|_| 0..height) {
            let (above, rest) = self.values.split_at_mut(y * width);
            let (here, below) = rest.split_at_mut(width);
            old[1..=width].copy_from_slice(here);
            (old[0], old[width + 1]) = if periodic { (old[width], old[1]) } else { (old[1], old[width]) };
            let north = above.rchunks_exact(width).next().unwrap_or(&old[1..=width]);
            let south = below.chunks_exact(width).next().unwrap_or(&old[1..=width]);
            let known = &self.known[y * width..][..width];
            run_wide(
                #[inline(always)]
                || {
                    let sides = old.iter().zip(&old[2..]).zip(north.iter().zip(south));
                    for ((v, &known), ((w, e), (n, s))) in here.iter_mut().zip(known).zip(sides) {
                        *v = if known { *v } else { 0.25 * ((n + s) + (w + e)) };
                    }
                },
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_goes_on_smoothly() {
        let geometry = Geometry::new(&[40, 64], true);
        let value = |i: usize| (i / 64) as f64 + 10.0 * ((i % 64) as f64 * std::f64::consts::TAU / 64.0).cos();
        let masked = |i: usize| (8..24).contains(&(i / 64)) && !(12..50).contains(&(i % 64));
        let classes: Vec<u8> = (0..40 * 64).map(|i| u8::from(masked(i))).collect();
        let mut values: Vec<f64> = (0..40 * 64).map(|i| if masked(i) { f64::NAN } else { value(i) }).collect();
        fill(&mut values, &classes, &geometry);
        for i in 0..40 * 64 {
            if masked(i) {
                // Inside, a harmonic function: between the ends of its borders, in steps that are not far from theirs.
                assert!((values[i] - value(i)).abs() < 10.0, "{i}: {} {}", values[i], value(i));
                assert!((values[i] - values[i - 64]).abs() < 3.0, "{i}");
            } else {
                assert_eq!(values[i], value(i));
            }
        }
    }

    #[test]
    fn slices_without_values_are_like_those_beside_them() {
        let geometry = Geometry::new(&[5, 3, 4], false);
        let classes: Vec<u8> = (0..60).map(|i| u8::from([0, 1, 3].contains(&(i / 12)) || i == 30)).collect();
        let mut values: Vec<f64> = (0..60).map(|i| if classes[i] == 0 { i as f64 } else { f64::NAN }).collect();
        fill(&mut values, &classes, &geometry);
        assert!(values.iter().all(|v| v.is_finite()));
        assert_eq!(values[..12], values[24..36]);
        assert_eq!(values[12..24], values[24..36]);
        assert_eq!(values[36..48], values[24..36]);
        assert!((25.0..35.0).contains(&values[30]));
    }
}
