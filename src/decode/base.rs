//! The base of a field: an array in the data's unit, in the stream's order of axes, to which the decoded detail is added.

use super::DecodeOptions;
use crate::error::{Error, Result, corrupt};
use crate::format::{Header, Permutation, SectionId, Stream};
use crate::reference::{HASH_BYTES, Hash, Reference, to_hex};
use std::sync::Arc;

/// One value for each element. Cloning is cheap.
pub(crate) type Base = Arc<[f32]>;

/// The base that a stream was coded against; `None` when there is none.
pub(crate) fn of_stream(stream: &Stream<'_>, options: &DecodeOptions) -> Result<Option<Base>> {
    let Some(section) = stream.section(SectionId::Reference) else { return Ok(None) };
    let (offset, needed, available) = (section.offset, section.len, section.payload.len());
    if available < needed {
        return Err(Error::Truncated { offset, what: "reference", needed, available });
    }
    let Ok(needed) = Hash::try_from(section.payload) else {
        let found = section.payload.len();
        return corrupt(section.offset, format!("a reference's hash has {HASH_BYTES} bytes, found {found}"));
    };
    match &options.reference {
        Some(given) if given.hash_bytes() == needed => from_reference(given, &stream.header).map(Some),
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
