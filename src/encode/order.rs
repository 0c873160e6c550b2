//! The order in which the pipeline sees the axes of an array.

use super::candidate::TELLING;
use super::effort::Effort;
use super::{encode_typed, problem};
use crate::ablation::{Part, without};
use crate::array::{ArrayView, with_element};
use crate::config::{Config, Profile, Stage};
use crate::error::Result;
use crate::format::{Geometry, Permutation};

/// Maps of fewer elements, or narrower ones, are little to predict from.
const SMALL: usize = 32 * 32;
const NARROW: usize = 8;
/// Fewest elements for which two orders are tried.
const FEWEST: usize = 256;
/// Elements of a part that stands for all, and fewest of them along the longest axis.
const PART: usize = 1 << 15;
const LEAST_LENGTH: usize = 64;

/// Encode with maps last or, where they are small and that is smaller, with the longest axes last: long series at few points are
/// coded as series.
pub(super) fn encode(array: &ArrayView<'_>, config: &Config) -> Result<Vec<u8>> {
    let mut orders = orders(array.shape(), config);
    if orders.len() > 1
        && let Some((bytes, shape, config)) = part(array, config)?
    {
        let part = ArrayView::from_bytes(&bytes, array.dtype(), array.byte_order(), &shape)?;
        let (best, stream) = smallest(&part, &orders, &config)?;
        if stream.len() >= TELLING {
            orders = vec![orders.swap_remove(best)];
        }
    }
    Ok(smallest(array, &orders, config)?.1)
}

/// The orders worth a try; that of maps comes first.
fn orders(shape: &[usize], config: &Config) -> Vec<Option<Permutation>> {
    let maps_last = Permutation::for_axes(&config.axes);
    let longest_last = Permutation::longest_last(shape);
    let geometry = |order: &Option<Permutation>| {
        Geometry::new(&order.as_ref().map_or_else(|| shape.to_vec(), |p| p.shape(shape)), false)
    };
    let maps = geometry(&maps_last);
    let small = maps.plane() < SMALL || maps.height.min(maps.width) < NARROW;
    let asked = [config.low, config.mid, config.time].contains(&Stage::On) || config.profile == Profile::Paper;
    let few = shape.iter().product::<usize>() < FEWEST;
    if !small || few || asked || maps == geometry(&longest_last) || without(Part::AxisOrder) {
        return vec![maps_last];
    }
    vec![maps_last, longest_last]
}

/// The smallest of the streams in these orders, and which it is.
fn smallest(array: &ArrayView<'_>, orders: &[Option<Permutation>], config: &Config) -> Result<(usize, Vec<u8>)> {
    let mut best: Option<(usize, Vec<u8>)> = None;
    for (k, order) in orders.iter().enumerate() {
        let stream = in_order(array, order.clone(), config)?;
        if best.as_ref().is_none_or(|(_, b)| stream.len() < b.len()) {
            best = Some((k, stream));
        }
    }
    Ok(best.unwrap_or_default())
}

fn in_order(array: &ArrayView<'_>, order: Option<Permutation>, config: &Config) -> Result<Vec<u8>> {
    let Some(order) = order else {
        return with_element!(array.dtype(), T => encode_typed::<T>(array, array.shape(), None, config));
    };
    let size = array.dtype().size();
    let mut bytes = vec![0; array.bytes().len()];
    order.for_each(array.shape(), |to, from| {
        bytes[to * size..][..size].copy_from_slice(&array.bytes()[from * size..][..size]);
    });
    let ordered = order.shape(array.shape());
    let view = ArrayView::from_bytes(&bytes, array.dtype(), array.byte_order(), &ordered)?;
    with_element!(array.dtype(), T => encode_typed::<T>(&view, array.shape(), Some(order), config))
}

/// A part from the middle of the longest axis, its shape, and the configuration with a bound that means the same there; `None`
/// where only all of the array tells.
#[allow(clippy::type_complexity)]
fn part(array: &ArrayView<'_>, config: &Config) -> Result<Option<(Vec<u8>, Vec<usize>, Config)>> {
    let mut shape = array.shape().to_vec();
    let Some(longest) = (0..shape.len()).max_by_key(|&k| shape[k]) else { return Ok(None) };
    let n = shape[longest];
    let length = (PART / (array.len() / n)).max(LEAST_LENGTH);
    if Effort::new(config.effort).thorough || config.reference.is_some() || 2 * length > n {
        return Ok(None);
    }
    let range = with_element!(array.dtype(), T => problem::range::<T>(array, config)?);
    let inner = shape[longest + 1..].iter().product::<usize>() * array.dtype().size();
    let start = (n - length) / 2;
    let runs = array.bytes().chunks_exact(n * inner).flat_map(|all| &all[start * inner..][..length * inner]);
    let bytes = runs.copied().collect();
    shape[longest] = length;
    Ok(Some((bytes, shape, Config { bound: config.bound.resolve(range), ..config.clone() })))
}
