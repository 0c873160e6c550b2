//! What a stream says of itself, without decoding it.

use crate::array::{ByteOrder, DType};
use crate::config::Bound;
use crate::error::Result;
use crate::format::{Cutoffs, FORMAT_VERSION, SectionId, Split, Stream};
use crate::reference::to_hex;

/// A stream's description.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Info {
    /// Version of the stream format.
    pub version: u8,
    /// Element type.
    pub dtype: DType,
    /// Byte order of the array that was encoded.
    pub byte_order: ByteOrder,
    /// Length of each dimension.
    pub shape: Vec<usize>,
    /// The promise under which it was encoded.
    pub bound: Bound,
    /// How the values are held: `stored`, `constant`, `harmonic` or `lattice`.
    pub method: &'static str,
    /// Shares of the variance in the low, middle and high band of the harmonic split, below, between and
    /// above the cut-offs Omega sqrt(6 / n) and three times that (paper, section 3.2).
    pub split: Option<[f64; 3]>,
    /// The cut-offs of that split.
    pub cutoffs: Option<Cutoffs>,
    /// Hash of the [`Reference`](crate::Reference) that decoding needs, if any.
    pub reference: Option<String>,
    /// Bytes of each stage, in stream order; the first, `header`, is everything that is not a stage.
    pub stages: Vec<(&'static str, usize)>,
    /// Bytes of the whole stream.
    pub encoded_bytes: usize,
}

impl Info {
    /// Bytes of the array.
    #[must_use]
    pub fn decoded_bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.size()
    }
    /// Decoded over encoded bytes.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.decoded_bytes() as f64 / self.encoded_bytes as f64
    }
}

/// Describe a stream: header, stages and their bytes. The checksum is verified, nothing is decoded.
///
/// # Errors
/// As [`decode`](crate::decode()) for a damaged or unknown header.
pub fn inspect(stream: &[u8]) -> Result<Info> {
    let parsed = Stream::read(stream)?;
    let payload: usize = parsed.sections.iter().map(|s| s.payload.len()).sum();
    let mut stages = vec![("header", stream.len() - payload)];
    stages.extend(parsed.sections.iter().map(|s| (s.id.name(), s.payload.len())));
    let split = parsed.section(SectionId::Split).and_then(|s| Split::read(s.payload));
    let reference = parsed.section(SectionId::Reference).and_then(|s| s.payload.try_into().ok()).map(to_hex);
    Ok(Info {
        split: split.map(Split::shares),
        cutoffs: split.map(|s| s.cutoffs),
        reference,
        version: FORMAT_VERSION,
        dtype: parsed.header.dtype,
        byte_order: parsed.header.order,
        method: parsed.header.method.name(),
        bound: parsed.header.bound,
        shape: parsed.header.shape,
        stages,
        encoded_bytes: stream.len(),
    })
}
