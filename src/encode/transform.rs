//! The choice of the transform: basis of the planes, and what happens along the outer axes.

use super::aim::Aim;
use super::effort::{Effort, Told};
use super::estimate::{Sample, Start};
use super::ops::pyramid;
use super::outer::{self, Choice, Outer};
use crate::ablation::{Part, without};
use crate::arith::Isa;
use crate::format::pyramid::{Basis, Level, levels};
use crate::format::{AxisTransform, Geometry};
use std::borrow::Cow;

/// How much more than its share of the estimate the wavelet costs.
const BIAS: f64 = 1.06;
/// Estimates within this factor of each other are in doubt, and are settled by coding both ..
const DOUBT: f64 = 2.0;
/// .. below this many bits a value, ..
const FEW: f64 = 0.1;
/// .. or bits in all.
const SMALL: f64 = 131_072.0;
/// The same factor where there are more bits, for planes of fewer elements than this, whose few blocks tell little.
const DOUBT_OF_PLANES: f64 = 1.25;
const SMALL_PLANE: usize = 1 << 14;

/// A transformed field.
pub(super) struct Transformed {
    pub(super) basis: Basis,
    pub(super) levels: Vec<Level>,
    pub(super) axes: Vec<Outer>,
    /// Per level: (slices, height, width).
    pub(super) volumes: Vec<Vec<f32>>,
    /// Estimated bits; 0 where nothing is left to choose.
    pub(super) bits: f64,
    pub(super) start: Start,
}

impl Transformed {
    /// The field in the basis that promises fewer bytes at this root mean square error; in both, the better one first,
    /// where the field gets so small, or its planes are, that the estimate is poor. With little effort one that a part has told.
    pub(super) fn candidates(
        field: Cow<'_, [f32]>,
        geometry: &Geometry,
        aim: Aim,
        effort: Effort,
        isa: Isa,
    ) -> Vec<Self> {
        let count = field.len() as f64;
        let told = match middle(&field, geometry).filter(|_| effort.quick) {
            Some((slice, plane)) => Self::candidates(slice.into(), &plane, aim, Effort { told: None, ..effort }, isa)
                .first()
                .map(|c| Told::new(c.basis)),
            None => effort.told,
        };
        if let Some(Told { basis, .. }) = told {
            return vec![Self::new(basis, field, geometry, aim, Effort { told, ..effort }, isa)];
        }
        let wavelet = Self::new(Basis::Wavelet, Cow::Borrowed(&field), geometry, aim, effort, isa);
        let lapped = Self::new(Basis::Lapped, field, geometry, aim, effort, isa);
        let ratio = BIAS * wavelet.bits / lapped.bits;
        let doubt = match wavelet.bits.min(lapped.bits) {
            bits if bits < SMALL.max(FEW * count) => DOUBT,
            _ if geometry.plane() < SMALL_PLANE => DOUBT_OF_PLANES,
            _ => 1.0,
        };
        let doubtful = (1.0 / doubt..doubt).contains(&ratio);
        let mut candidates = if ratio < 1.0 { vec![wavelet, lapped] } else { vec![lapped, wavelet] };
        candidates.retain(|c| !without(if c.basis == Basis::Lapped { Part::Lapped } else { Part::Wavelet }));
        candidates.truncate(if doubtful && !effort.quick && !without(Part::CodingBoth) { 2 } else { 1 });
        candidates
    }

    /// The field in one basis.
    pub(super) fn new(
        basis: Basis,
        field: Cow<'_, [f32]>,
        geometry: &Geometry,
        aim: Aim,
        effort: Effort,
        isa: Isa,
    ) -> Self {
        let levels = levels(basis, geometry.height, geometry.width);
        let mut volumes = planes(field, geometry, &levels, isa);
        let sample = |volumes: &[Vec<f32>]| Sample::new(&levels, volumes, geometry.slices(), effort.rows());
        // The last sample that counts, and its bits once they are known.
        let (mut now, mut known) = (sample(&volumes), None);
        // Bits of what the transforms along outer axes take themselves.
        let (mut axes, mut side) = (Vec::with_capacity(geometry.outer.len()), 0.0);
        for (axis, &n) in geometry.outer.iter().enumerate().rev() {
            let inner: usize = geometry.outer[axis + 1..].iter().product();
            let sizes: Vec<usize> = levels.iter().map(|l| l.height * l.width * inner).collect();
            let (likely, rivals) = outer::choices(&volumes, n, &sizes, aim, effort, isa);
            let alone = rivals.is_empty();
            let choice = if alone {
                likely
            } else {
                let attempt = |choice: Choice| {
                    let then = now.transformed(|v, size| choice.attempt(v, n, size * inner, isa));
                    (then.bits(aim), then, choice)
                };
                let total = |(known, _, choice): &((f64, Start), Sample, Choice)| choice.bits(known.0);
                let attempts = rivals.into_iter().map(attempt);
                let best = attempts.fold(attempt(likely), |a, b| if total(&b) < total(&a) { b } else { a });
                (known, now) = (Some(best.0), best.1);
                best.2
            };
            side += choice.bits(0.0);
            let outer = choice.apply(&mut volumes, n, &sizes, aim, isa);
            if alone && outer.kind != AxisTransform::None {
                (known, now) = (None, sample(&volumes));
            }
            axes.insert(0, outer);
        }
        // Where nothing is left to choose, only the step is in question.
        let (bits, start) = match known {
            Some(known) => known,
            None if effort.told.is_some() => (0.0, now.start(aim)),
            None => now.bits(aim),
        };
        Self { basis, levels, axes, volumes, bits: bits + side, start }
    }
}

/// The slice in the middle, if there are several.
fn middle<'a>(field: &'a [f32], geometry: &Geometry) -> Option<(&'a [f32], Geometry)> {
    let slice = field.chunks_exact(geometry.plane()).nth(geometry.slices() / 2)?;
    (geometry.slices() > 1).then(|| (slice, Geometry { outer: Vec::new(), ..geometry.clone() }))
}

/// The planes of every slice: a volume for each level.
fn planes(field: Cow<'_, [f32]>, geometry: &Geometry, levels: &[Level], isa: Isa) -> Vec<Vec<f32>> {
    if geometry.slices() == 1 {
        return pyramid::forward(levels, geometry.periodic, field, isa);
    }
    let mut volumes: Vec<Vec<f32>> =
        levels.iter().map(|l| Vec::with_capacity(l.height * l.width * geometry.slices())).collect();
    for plane in field.chunks_exact(geometry.plane()) {
        let planes = pyramid::forward(levels, geometry.periodic, plane.into(), isa);
        volumes.iter_mut().zip(planes).for_each(|(volume, p)| volume.extend_from_slice(&p));
    }
    volumes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The basis that comes first for a field of 240 x 320 at a thousandth of its range.
    fn first(field: impl Fn(f32, f32) -> f32) -> Basis {
        let geometry = Geometry { outer: Vec::new(), height: 240, width: 320, periodic: false };
        let values = (0..240 * 320).map(|i| field((i / 320) as f32, (i % 320) as f32)).collect();
        Transformed::candidates(Cow::Owned(values), &geometry, Aim::all(1e-3), Effort::new(5), Isa::detect())[0].basis
    }

    #[test]
    fn waves_are_lapped_and_coasts_are_wavelets() {
        let wave = |y: f32, x: f32| 0.5 + 0.3 * (0.31 * y).sin() * (0.23 * x + 0.1 * y).cos();
        assert_eq!(first(wave), Basis::Lapped);
        let coast =
            |y: f32, x: f32| if (x - 160.0).hypot(y - 120.0) < 70.0 + 20.0 * (0.1 * y).sin() { 1.0 } else { 0.0 };
        assert_eq!(first(coast), Basis::Wavelet);
    }

    #[test]
    fn a_steady_axis_is_transformed_and_a_lone_event_is_not() {
        let geometry = Geometry { outer: vec![8], height: 40, width: 50, periodic: false };
        let axis = |size: fn(usize) -> f32| {
            let mut seed = 1u32;
            let values = (0..8 * 2000).map(|i| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (seed >> 8) as f32 / (1 << 24) as f32 - 0.5;
                size(i) + noise * if size(i) == 0.0 && i / 2000 == 2 { 50.0 } else { 0.1 }
            });
            Transformed::candidates(values.collect(), &geometry, Aim::all(0.1), Effort::new(5), Isa::detect())[0].axes
                [0]
            .kind
        };
        assert_ne!(axis(|i| 20.0 * (1.0 + i as f32 % 2000.0 * 0.7).sin()), AxisTransform::None);
        assert_eq!(axis(|_| 0.0), AxisTransform::None);
    }
}
