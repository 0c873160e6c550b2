//! One chunk: array to stream and back. No HDF5 here.

use crate::report::text;
use hiha::hdf5::{Layout, Params};
use hiha::{ArrayView, ByteOrder, DType, DecodeOptions};

/// netCDF's default fill values for f32 and f64, as bits.
const NC_FILL_FLOAT: u64 = 0x7cf0_0000;
const NC_FILL_DOUBLE: u64 = 0x479e_0000_0000_0000;

/// Encode a chunk as the filter's words say.
pub(crate) fn encode(words: &[u32], chunk: &[u8]) -> Result<Vec<u8>, String> {
    let params = Params::parse(words).map_err(text)?;
    let layout = params.layout.as_ref().ok_or(
        "the chunk's shape and type are unknown: the host's HDF5 functions could not be found (statically linked?), \
         so the filter's parameters were never completed",
    )?;
    let mut config = params.config_for(layout).map_err(text)?;
    config.fill_value = fill(layout, chunk).map(|bits| native_bytes(bits, layout.dtype));
    let array = ArrayView::from_bytes(chunk, layout.dtype, layout.order, &layout.chunk).map_err(text)?;
    hiha::encode(&array, &config).map_err(text)
}

/// What a decoded chunk is: its stream describes it, the words are only checked against it.
pub(crate) struct Decoder<'a> {
    stream: &'a [u8],
    order: ByteOrder,
    /// Bytes of the decoded chunk.
    pub(crate) byte_len: usize,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(words: &[u32], stream: &'a [u8]) -> Result<Self, String> {
        let info = hiha::inspect(stream).map_err(text)?;
        let byte_len = info.decoded_bytes();
        if let Ok(Params { layout: Some(layout), .. }) = Params::parse(words)
            && layout.byte_len() != byte_len
        {
            return Err(format!(
                "the stream holds {:?} {} ({byte_len} bytes), the dataset's chunks are {:?} {} ({} bytes)",
                info.shape,
                info.dtype,
                layout.chunk,
                layout.dtype,
                layout.byte_len()
            ));
        }
        if byte_len as u64 > DecodeOptions::default().max_bytes {
            return Err(format!("the stream holds {byte_len} bytes, HDF5 chunks stay below 4 GiB"));
        }
        Ok(Self { stream, order: info.byte_order, byte_len })
    }

    /// Decode into a buffer of `byte_len` bytes, in the byte order that was encoded.
    pub(crate) fn decode(&self, out: &mut [u8]) -> Result<(), String> {
        hiha::decode_into(self.stream, out, self.order, &DecodeOptions::default()).map_err(text)
    }
}

/// The value to keep out of the codec: the declared fill value, or else what an edge chunk is padded with.
fn fill(layout: &Layout, chunk: &[u8]) -> Option<u64> {
    let occurs = |bits: u64| {
        let element = file_bytes(bits, layout);
        chunk.chunks_exact(element.len()).any(|e| e == element)
    };
    if let Some(declared) = layout.fill
        && occurs(declared)
    {
        return Some(declared);
    }
    let netcdf = match layout.dtype {
        DType::F32 => NC_FILL_FLOAT,
        DType::F64 => NC_FILL_DOUBLE,
        _ => 0,
    };
    [0, netcdf].into_iter().find(|&bits| padded_with(layout, chunk, &file_bytes(bits, layout))).or(layout.fill)
}

/// Do the last entries along some axis hold nothing but this element?
fn padded_with(layout: &Layout, chunk: &[u8], element: &[u8]) -> bool {
    if !layout.dtype.is_float() || !chunk.ends_with(element) {
        return false;
    }
    let mut stride = chunk.len();
    layout.chunk.iter().any(|&n| {
        let outer = stride;
        stride /= n;
        n > 1
            && chunk
                .chunks_exact(outer)
                .all(|block| block[outer - stride..].chunks_exact(element.len()).all(|e| e == element))
    })
}

/// One element in the file's byte order.
fn file_bytes(bits: u64, layout: &Layout) -> Vec<u8> {
    let mut bytes = bits.to_le_bytes()[..layout.dtype.size()].to_vec();
    if layout.order == ByteOrder::Big {
        bytes.reverse();
    }
    bytes
}

fn native_bytes(bits: u64, dtype: DType) -> Vec<u8> {
    let mut bytes = bits.to_le_bytes()[..dtype.size()].to_vec();
    if ByteOrder::NATIVE == ByteOrder::Big {
        bytes.reverse();
    }
    bytes
}

#[cfg(test)]
mod tests;
