//! The base of a field: an array in the data's unit, in the stream's order of axes, to which the decoded detail is added.

use super::{DecodeOptions, low, mid, time};
use crate::arith::{Cpu, Isa};
use crate::error::{Error, Result, corrupt};
use crate::format::{Budget, Header, Permutation, Reader, SectionId, Stream};
use crate::reference::{HASH_BYTES, Hash, Reference, to_hex};
use crate::worker::Worker;
use std::sync::Arc;

/// One value for each element. Cloning is cheap.
pub(crate) type Base = Arc<[f32]>;

/// The base that a stream was coded against: the reference and the networks' bands; `None` when there is none.
pub(crate) fn of_stream(stream: &Stream<'_>, options: &DecodeOptions) -> Result<Option<Base>> {
    let reference = match whole(stream, SectionId::Reference)? {
        None => None,
        Some(reader) => Some(reference(reader, &stream.header, options)?),
    };
    Ok(match bands(stream, options)? {
        None => reference,
        Some(bands) => Some(join(reference.as_ref(), bands)),
    })
}

/// The sum of the networks' bands.
fn bands(stream: &Stream<'_>, options: &DecodeOptions) -> Result<Option<Vec<f32>>> {
    let [low, mid, time] = [SectionId::Low, SectionId::Mid, SectionId::Time].map(|id| whole(stream, id));
    let (low, mid, time) = (low?, mid?, time?);
    if low.is_none() && mid.is_none() && time.is_none() {
        return Ok(None);
    }
    let geometry = stream.header.geometry();
    let worker = Worker::open(options.device, Cpu { isa: Isa::detect(), threads: options.threads })?;
    let mut budget = Budget::new(stream.header.len());
    let mut values = match low {
        None => vec![0.0; stream.header.len()],
        Some(reader) => {
            let (params, network) = low::read(reader, &geometry, &mut budget)?;
            low::evaluate(&params, &network, &geometry, &worker)
        }
    };
    if let Some(reader) = mid {
        mid::add(reader, &geometry, &worker, &mut budget, &mut values)?;
    }
    if let Some(reader) = time {
        time::add(reader, &geometry, &worker, &mut budget, &mut values)?;
    }
    worker.check()?;
    Ok(Some(values))
}

/// The sum of a base, if there is one, and another.
pub(crate) fn join(below: Option<&Base>, mut values: Vec<f32>) -> Base {
    if let Some(below) = below {
        values.iter_mut().zip(&below[..]).for_each(|(v, b)| *v += b);
    }
    values.into()
}

/// A section that is there must be there as a whole.
pub(super) fn whole<'a>(stream: &Stream<'a>, id: SectionId) -> Result<Option<Reader<'a>>> {
    let Some(section) = stream.section(id) else { return Ok(None) };
    let (offset, needed, available) = (section.offset, section.len, section.payload.len());
    if available < needed {
        return Err(Error::Truncated { offset, what: id.name(), needed, available });
    }
    Ok(Some(Reader::new(section.payload, offset)))
}

/// The reference that the hash in the section names.
fn reference(section: Reader<'_>, header: &Header, options: &DecodeOptions) -> Result<Base> {
    let Ok(needed) = Hash::try_from(section.rest()) else {
        let found = section.rest().len();
        return corrupt(section.offset(), format!("a reference's hash has {HASH_BYTES} bytes, found {found}"));
    };
    match &options.reference {
        Some(given) if given.hash_bytes() == needed => from_reference(given, header),
        given => Err(Error::Reference { needed: to_hex(needed), given: given.as_ref().map(Reference::hash) }),
    }
}

/// A reference spread over an array.
pub(crate) fn from_reference(reference: &Reference, header: &Header) -> Result<Base> {
    let mut values = Vec::with_capacity(header.len());
    reference.for_each(&header.shape, |v| values.push(v))?;
    Ok(match &header.permutation {
        None => values.into(),
        Some(p) => in_stream(p, &header.shape, &values).into(),
    })
}

fn in_stream(permutation: &Permutation, shape: &[usize], values: &[f32]) -> Vec<f32> {
    let mut out = vec![0.0; values.len()];
    permutation.for_each(shape, |to, from| {
        if let (Some(o), Some(&v)) = (out.get_mut(to), values.get(from)) {
            *o = v;
        }
    });
    out
}
