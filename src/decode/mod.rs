//! Stream to array. This module and what it uses never panic and never allocate more than the
//! caller's limit, whatever the input.

pub(crate) mod base;
pub(crate) mod corrections;
mod exact;
pub(crate) mod harmonic;
mod lattice;
pub(crate) mod low;
mod mask;
pub(crate) mod mid;
pub(crate) mod ops;
mod preview;
mod spatial;
pub(crate) mod time;

pub(crate) use lattice::NUDGES_PER_ELEMENT;
pub use low::LowBand;
pub use preview::{Preview, preview};

use crate::Device;
use crate::arith::{Isa, Job};
use crate::array::{Array, ByteOrder, Element, with_element};
use crate::error::{Error, Result, corrupt, invalid};
use crate::format::{Method, Reader, SectionId, Stream};
use crate::reference::Reference;
use corrections::Corrections;
use harmonic::HarmonicField;

/// How to decode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeOptions {
    /// Most worker threads to use; the result does not depend on it. The parts of large harmonic streams and the halves of
    /// large lattice streams are decoded side by side; strips along outer axes, block rows and slices are inverted so.
    pub threads: usize,
    /// Largest array to accept, in bytes. 4 GiB by default.
    pub max_bytes: u64,
    /// The reference for streams that were coded against one; others ignore it.
    pub reference: Option<Reference>,
    /// Where networks are evaluated: the result does not depend on it. The processor by default.
    pub device: Device,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self { threads: 1, max_bytes: 1 << 32, reference: None, device: Device::Cpu }
    }
}

/// Decode a stream with the default options.
///
/// # Errors
/// `Truncated`, `Corrupt`, `Unsupported`, `Limit`, `Reference`, or `Device` where the options name one; see [`Error`].
pub fn decode(stream: &[u8]) -> Result<Array> {
    decode_with(stream, &DecodeOptions::default())
}

/// Decode a stream into a new array in native byte order.
///
/// # Errors
/// As [`decode`].
pub fn decode_with(stream: &[u8], options: &DecodeOptions) -> Result<Array> {
    let parsed = Stream::read(stream)?;
    check_limit(&parsed, options)?;
    // Transforming needs memory that is free again when the output is taken.
    let field = harmonic_field(&parsed, options)?;
    let mut out = Array::zeros(parsed.header.dtype, &parsed.header.shape)?;
    with_element!(parsed.header.dtype, T => write::<T>(&parsed, field, bytemuck::cast_slice_mut(out.bytes_mut()), options.threads)?);
    Ok(out)
}

/// Decode a stream into `out`, which must have the array's exact byte length; `order` is the byte
/// order wanted there (the order that was encoded stands in [`Info`](crate::Info)).
///
/// # Errors
/// As [`decode`], and `InvalidArgument` when `out` has the wrong length.
pub fn decode_into(stream: &[u8], out: &mut [u8], order: ByteOrder, options: &DecodeOptions) -> Result<()> {
    let parsed = Stream::read(stream)?;
    if parsed.header.byte_len() != out.len() {
        return invalid(format!(
            "the stream holds {} bytes ({:?} {}), the buffer has {}",
            parsed.header.byte_len(),
            parsed.header.shape,
            parsed.header.dtype,
            out.len()
        ));
    }
    check_limit(&parsed, options)?;
    let field = harmonic_field(&parsed, options)?;
    with_element!(parsed.header.dtype, T => {
        match bytemuck::try_cast_slice_mut::<u8, T>(out) {
            Ok(aligned) => write::<T>(&parsed, field, aligned, options.threads)?,
            Err(_) => {
                let mut tmp = Array::zeros(T::DTYPE, &parsed.header.shape)?;
                write::<T>(&parsed, field, bytemuck::cast_slice_mut(tmp.bytes_mut()), options.threads)?;
                out.copy_from_slice(tmp.bytes());
            }
        }
        if order != ByteOrder::NATIVE {
            for element in out.chunks_exact_mut(size_of::<T>()) {
                element.reverse();
            }
        }
    });
    Ok(())
}

/// Bytes that a process is expected to have.
const MUCH: usize = 1 << 30;

/// Bytes that decoding takes besides its output, at most, but for tables (`codec-spec/format.md`, "Sizes").
fn working_bytes(stream: &Stream<'_>) -> usize {
    let header = &stream.header;
    let (len, geometry) = (header.len(), header.geometry());
    let (each, plane, column) = match header.method {
        Method::Stored | Method::Constant => (1, 0, 0),
        Method::Harmonic => (13, 0, 1),
        Method::Spatial => (5, 0, 1),
        Method::Lattice => (3, 34, 700),
    };
    let part = |count: usize, bytes| count.saturating_mul(bytes);
    let permuted = if header.permutation.is_some() { header.byte_len() } else { 0 };
    // The base, and once more until its axes are in order.
    let reference = if stream.section(SectionId::Reference).is_some() { part(len, 8) } else { 0 };
    // The low band, and the inputs of its grid.
    let has = |id| stream.section(id).is_some();
    let low = if [SectionId::Low, SectionId::Mid, SectionId::Time].into_iter().any(has) {
        part(len, 4).saturating_add(part(geometry.plane(), 24))
    } else {
        0
    };
    // Their parameters, and the middle band of a frame.
    let networks = if [SectionId::Mid, SectionId::Time].into_iter().any(has) { part(len, 12) } else { 0 };
    let base = reference.saturating_add(low).saturating_add(networks);
    [part(len, each), part(geometry.plane(), plane), part(geometry.width, column), permuted, base]
        .into_iter()
        .fold(0, usize::saturating_add)
}

fn check_limit(stream: &Stream<'_>, options: &DecodeOptions) -> Result<()> {
    let needed = stream.header.byte_len() as u64;
    if needed > options.max_bytes {
        return Err(Error::Limit { what: "output", needed, limit: options.max_bytes });
    }
    // Ask for all that is much at once, so that memory that cannot be had is an error here and not a panic later.
    let all = stream.header.byte_len().saturating_add(working_bytes(stream));
    if all > MUCH && Vec::<u8>::new().try_reserve_exact(all).is_err() {
        return Err(Error::Limit { what: "decoding", needed: all as u64, limit: options.max_bytes });
    }
    Ok(())
}

/// The pipeline, bytes to field in the stream's order of axes.
pub(crate) fn fill<T: Element>(stream: &Stream<'_>, out: &mut [T], options: &DecodeOptions) -> Result<()> {
    let field = harmonic_field(stream, options)?;
    write_planes(stream, field.as_ref(), out, options.threads)
}

/// A section's reader, if it is there.
fn section<'a>(stream: &Stream<'a>, id: SectionId) -> Option<Reader<'a>> {
    stream.section(id).map(|s| Reader::new(s.payload, s.offset))
}

/// The first half of the pipeline: base, the detail added to it and its corrections, if that is the method.
fn harmonic_field(stream: &Stream<'_>, options: &DecodeOptions) -> Result<Option<HarmonicField>> {
    if !matches!(stream.header.method, Method::Harmonic | Method::Spatial) {
        return Ok(None);
    }
    let detail = section(stream, SectionId::Detail).unwrap_or_else(|| Reader::new(&[], 0));
    let base = base::of_stream(stream, options)?;
    let geometry = stream.header.geometry();
    let mut corrections = Ok(Corrections::default());
    let mut correct = || corrections = corrections_of(stream);
    let field = match stream.header.method {
        Method::Spatial => {
            correct();
            spatial::decode(detail, &geometry)?
        }
        _ => {
            let section = stream.section(SectionId::Corrections);
            let beside = section.map(|s| (s.payload.len(), Box::new(correct) as Job<'_>));
            harmonic::decode(detail, &geometry, 0, beside, Isa::detect(), options.threads)?.0
        }
    };
    Ok(Some(HarmonicField { base, corrections: corrections?, ..field }))
}

/// What is added to a harmonic field: nothing where the stream has no such section.
pub(crate) fn corrections_of(stream: &Stream<'_>) -> Result<Corrections> {
    let decode = |r| Corrections::decode(r, stream.header.len(), stream.header.geometry().width);
    section(stream, SectionId::Corrections).map_or_else(|| Ok(Corrections::default()), decode)
}

/// The second half, and the array's own order of axes.
fn write<T: Element>(stream: &Stream<'_>, field: Option<HarmonicField>, out: &mut [T], threads: usize) -> Result<()> {
    let Some(permutation) = &stream.header.permutation else {
        return write_planes(stream, field.as_ref(), out, threads);
    };
    let mut ordered = vec![T::zeroed(); out.len()];
    write_planes(stream, field.as_ref(), &mut ordered, threads)?;
    permutation.for_each(&stream.header.shape, |to, from| {
        if let (Some(o), Some(&v)) = (out.get_mut(from), ordered.get(to)) {
            *o = v;
        }
    });
    Ok(())
}

/// All that is done value by value, in the stream's order of axes.
pub(crate) fn write_planes<T: Element>(
    stream: &Stream<'_>,
    field: Option<&HarmonicField>,
    out: &mut [T],
    threads: usize,
) -> Result<()> {
    let geometry = stream.header.geometry();
    let section = |id| section(stream, id);
    let mask = match section(SectionId::Mask) {
        Some(r) => Some(mask::Mask::<T>::read(r, &geometry, out.len())?),
        None => None,
    };
    let classes = mask.as_ref().map(|m| &m.classes[..]);
    let detail = section(SectionId::Detail).unwrap_or_else(|| Reader::new(&[], 0));
    match stream.header.method {
        Method::Stored => stored(detail, out)?,
        Method::Constant => out.fill(mask::read_value(&mut { detail })?),
        Method::Lattice => lattice::decode(detail, &geometry, classes, out, threads)?,
        Method::Harmonic | Method::Spatial => {
            if let Some(field) = field {
                harmonic::write_values(field, threads, out);
            }
        }
    }
    if let Some(exact) = section(SectionId::Exact) {
        exact::apply(exact, out)?;
    }
    if let Some(mask) = &mask {
        mask.apply(out);
    }
    Ok(())
}

/// The elements' bytes as they are.
fn stored<T: Element>(mut r: Reader<'_>, out: &mut [T]) -> Result<()> {
    if r.rest().len() != size_of_val(out) {
        return corrupt(r.offset(), format!("expected {} stored bytes, found {}", size_of_val(out), r.rest().len()));
    }
    for o in out {
        *o = mask::read_value(&mut r)?;
    }
    Ok(())
}
