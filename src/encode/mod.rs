//! Array to stream.

pub(crate) mod harmonic;
pub(crate) mod ops;
mod split;

use crate::array::{ArrayView, DType, Element, with_element};
use crate::config::Config;
use crate::error::{Result, invalid};
use crate::format::{Header, MAX_OVERHEAD, Method, SectionId, Stream};

/// Most bytes that [`encode`] returns for an array of this type and shape.
#[must_use]
pub fn max_encoded_size(dtype: DType, shape: &[usize]) -> usize {
    shape.iter().product::<usize>() * dtype.size() + shape.len() * 10 + MAX_OVERHEAD
}

/// Encode an array under the configuration's bound. The result has been decoded and verified.
///
/// # Errors
/// `InvalidArgument` for a configuration that does not fit the array.
pub fn encode(array: &ArrayView<'_>, config: &Config) -> Result<Vec<u8>> {
    config.validate()?;
    if !config.axes.is_empty() && config.axes.len() != array.shape().len() {
        return invalid(format!("{} axes configured for {} dimensions", config.axes.len(), array.shape().len()));
    }
    with_element!(array.dtype(), T => encode_typed::<T>(array, config))
}

fn encode_typed<T: Element>(array: &ArrayView<'_>, config: &Config) -> Result<Vec<u8>> {
    let header = Header {
        dtype: T::DTYPE,
        order: array.byte_order(),
        shape: array.shape().to_vec(),
        bound: config.bound,
        periodic: config.periodic,
        method: Method::Stored,
    };
    let mut payload = Vec::with_capacity(array.bytes().len());
    for v in array.iter::<T>() {
        let v = if cfg!(target_endian = "big") { v.swap() } else { v };
        payload.extend_from_slice(bytemuck::bytes_of(&v));
    }
    Ok(Stream::write(&header, &[(SectionId::Detail, payload)]))
}
