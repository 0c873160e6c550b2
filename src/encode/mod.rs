//! Array to stream.

pub(crate) mod aim;
mod apart;
mod atoms;
mod bands;
mod candidate;
mod columns;
mod detail;
pub(crate) mod effort;
mod estimate;
mod fill;
mod forms;
mod glance;
pub(crate) mod harmonic;
mod karhunen;
mod lattice;
mod lattice_step;
pub(crate) mod low;
mod magnitudes;
mod mapping;
mod mid;
pub(crate) mod ops;
mod order;
mod outer;
mod packing;
mod pointwise;
mod problem;
mod profile;
mod quantise;
mod recipe;
mod rival;
mod search;
pub(crate) mod siren;
mod spatial;
pub(crate) mod split;
mod sums;
mod table;
pub(crate) mod time;
mod transform;
mod verify;
mod waves;

use crate::ablation::{Part, unless};
use crate::array::{ArrayView, DType, Element};
use crate::config::Config;
use crate::decode::harmonic::HarmonicField;
use crate::decode::{self, DecodeOptions};
use crate::error::{Result, invalid};
use crate::format::{Header, MAX_OVERHEAD, Method, Permutation, SectionId, Split, Stream, Writer};
use effort::Effort;
use problem::{Problem, write_value};
#[cfg(feature = "bench")]
pub(crate) use profile::Plan;
use split::split;

/// Most bytes that [`encode`] returns for an array of this type and shape.
#[must_use]
pub fn max_encoded_size(dtype: DType, shape: &[usize]) -> usize {
    shape.iter().fold(dtype.size(), |n, &d| n.saturating_mul(d)).saturating_add(shape.len() * 10 + MAX_OVERHEAD)
}

/// Encode an array under the configuration's bound. The result has been decoded and verified.
///
/// # Errors
/// `InvalidArgument` for a configuration that does not fit the array, `Device` for a device asked for by name that fails.
pub fn encode(array: &ArrayView<'_>, config: &Config) -> Result<Vec<u8>> {
    config.validate()?;
    config.device.check()?;
    if !config.axes.is_empty() && config.axes.len() != array.shape().len() {
        return invalid(format!("{} axes configured for {} dimensions", config.axes.len(), array.shape().len()));
    }
    order::encode(array, config)
}

/// The pipeline, field to bytes. `shape` is that before the permutation.
fn encode_typed<T: Element>(
    array: &ArrayView<'_>,
    shape: &[usize],
    permutation: Option<Permutation>,
    config: &Config,
) -> Result<Vec<u8>> {
    // A longitude that is not last any more has no ends that touch.
    let last = Permutation::for_axes(&config.axes).map_or(shape.len() - 1, |p| p.last());
    let periodic = config.periodic && permutation.as_ref().map_or(shape.len() - 1, Permutation::last) == last;
    let mut header = Header {
        dtype: T::DTYPE,
        order: array.byte_order(),
        shape: shape.to_vec(),
        permutation,
        bound: config.bound,
        periodic,
        method: Method::Stored,
    };
    let (problem, (mut best, values)) = apart::best(Problem::<T>::new(array, config, &header)?, config)?;
    let split = split(&problem.values, problem.range(), &problem.geometry, config.split);
    let split = unless(Part::SplitSection, split.map_or(Vec::new(), Split::section));
    let mask = problem.mask_section();
    // The decoder's own functions made this field, or these values, of the integers that were coded, so the bound holds for what
    // they say if integers come back as they went in. Both directions of the coders are one function each (`entropy::bands`,
    // `entropy::lattice`), and more effort, and every debug build, decode them as well.
    let field = best.field.take().filter(|_| Effort::new(config.effort).quick);
    let corrected = !best.corrections.is_empty();
    header.method = best.method;
    let mut sections = vec![
        (SectionId::Split, split),
        (SectionId::Mask, mask),
        (SectionId::Reference, best.reference),
        (SectionId::Low, best.bands.low),
        (SectionId::Mid, best.bands.mid),
        (SectionId::Time, best.bands.time),
        (SectionId::Detail, best.detail),
        (SectionId::Corrections, best.corrections),
    ];
    let first = Stream::write(&header, &sections);
    let proven = !corrected
        && field.as_ref().is_some_and(|field| verify::holds(&problem, |start, out| field.rounded(start, out)));
    let checked = cfg!(debug_assertions) && (field.is_some() || values.is_some());
    let exact = if proven && !checked {
        Some(Vec::new())
    } else {
        let known = match values {
            Some(values) => values,
            None => decoded::<T>(&first, config, field)?,
        };
        if checked {
            let all = decoded::<T>(&first, config, None)?;
            let same = |i: usize| all[i].same(known[i]) || !problem.ordinary(i);
            assert!((0..all.len()).all(same), "the field is not what its stream says");
        }
        let exact = verify::repair(&problem, known);
        debug_assert!(!proven || exact.as_ref().is_some_and(Vec::is_empty));
        exact
    };
    let Some(exact) = exact else { return Ok(stored::<T>(array, &header)) };
    let stream = if exact.is_empty() {
        first
    } else {
        sections.push((SectionId::Exact, exact));
        Stream::write(&header, &sections)
    };
    let plain = stored_len(&header, array);
    Ok(if stream.len() < plain { stream } else { stored::<T>(array, &header) })
}

/// What the decoder makes of a stream; the harmonic `field` need not be decoded if it is given.
fn decoded<T: Element>(stream: &[u8], config: &Config, field: Option<HarmonicField>) -> Result<Vec<T>> {
    let parsed = Stream::read(stream)?;
    let mut out = vec![T::zeroed(); parsed.header.len()];
    let options = DecodeOptions { reference: config.reference.clone(), ..DecodeOptions::default() };
    match field {
        Some(field) => {
            let field = HarmonicField { corrections: decode::corrections_of(&parsed)?, ..field };
            decode::write_planes(&parsed, Some(&field), &mut out, 1)?;
        }
        None => decode::fill(&parsed, &mut out, &options)?,
    }
    Ok(out)
}

fn stored_len(header: &Header, array: &ArrayView<'_>) -> usize {
    Stream::write(header, &[]).len() + 3 + array.bytes().len()
}

/// The elements' bytes as they are.
fn stored<T: Element>(array: &ArrayView<'_>, header: &Header) -> Vec<u8> {
    let mut w = Writer(Vec::with_capacity(array.bytes().len()));
    for v in array.iter::<T>() {
        write_value(&mut w, v);
    }
    Stream::write(&Header { method: Method::Stored, ..header.clone() }, &[(SectionId::Detail, w.0)])
}

#[cfg(test)]
mod kinds_tests;
#[cfg(test)]
mod tests;
