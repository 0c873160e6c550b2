//! The Zarr array-to-bytes codec `hiha` for [zarrs](https://docs.rs/zarrs) (`codec-spec/zarr.md`).
//!
//! Linking this crate with the feature `zarr` registers the codec: arrays whose metadata names it
//! open like any other. To write, hand a [`HihaCodec`] to the array builder or to the sharding codec builder.
//! An encoded chunk is exactly what [`encode()`](crate::encode()) returns, with the array's fill value declared.

use crate::{ArrayView, ByteOrder, Config, DType, DecodeOptions, Device, Error};
use std::sync::{Arc, Mutex, PoisonError};
use std::{any::Any, borrow::Cow, num::NonZeroU64};
use zarrs_codec::{
    ArrayBytes, ArrayBytesRaw, ArrayCodecTraits, ArrayToBytesCodecTraits, BytesRepresentation, Codec, CodecError,
    CodecMetadataOptions, CodecOptions, CodecPluginV2, CodecPluginV3, CodecTraits, CodecTraitsV2, CodecTraitsV3,
    PartialDecoderCapability, PartialEncoderCapability, RecommendedConcurrency,
};
use zarrs_data_type::{DataType, FillValue};
use zarrs_metadata::{Configuration, v2::MetadataV2, v3::MetadataV3};
use zarrs_plugin::{PluginCreateError, ZarrVersion};

/// Name of the codec in Zarr metadata, v3 and v2.
pub const NAME: &str = "hiha";

static DECODE_ON: Mutex<Device> = Mutex::new(Device::Cpu);

/// Evaluate the networks of all chunks that this process reads from now on on `device`. Metadata, from which readers make
/// their codecs, has no place for it: what is read does not depend on it.
///
/// # Errors
/// If the device cannot be used; nothing changes then.
pub fn decode_on(device: Device) -> crate::Result<()> {
    device.check()?;
    *DECODE_ON.lock().unwrap_or_else(PoisonError::into_inner) = device;
    Ok(())
}

/// The codec, ready for `ArrayBuilder::array_to_bytes_codec` or `ShardingCodecBuilder::array_to_bytes_codec`.
#[derive(Debug, Clone, PartialEq)]
pub struct HihaCodec {
    config: Config,
}

zarrs_plugin::impl_extension_aliases!(HihaCodec, v3: "hiha", [], v2: "hiha");

inventory::submit! { CodecPluginV3::new::<HihaCodec>() }
inventory::submit! { CodecPluginV2::new::<HihaCodec>() }

impl HihaCodec {
    /// A codec with this configuration. Its fill value and threads are not used: the array's fill
    /// value and zarrs' concurrency target take their place. Nor is its reference: readers would not have it.
    ///
    /// # Errors
    /// `InvalidArgument` naming the field that is out of range.
    pub fn new(config: Config) -> crate::Result<Self> {
        config.validate()?;
        Ok(Self { config })
    }

    /// The configuration, as it stands in the metadata.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    fn from_configuration(config: Result<Config, impl std::fmt::Display>) -> Result<Codec, PluginCreateError> {
        let config = config.map_err(|e| PluginCreateError::Other(format!("codec {NAME}: {e}")))?;
        Ok(Codec::ArrayToBytes(Arc::new(Self { config })))
    }

    /// Type and shape of a chunk in the core's terms, checked against the configuration.
    fn chunk(&self, shape: &[NonZeroU64], data_type: &DataType) -> Result<(DType, Vec<usize>), CodecError> {
        let name = data_type.name(ZarrVersion::V3).unwrap_or_default();
        let dtype = DType::from_name(&name)
            .ok_or_else(|| CodecError::UnsupportedDataType(data_type.clone(), NAME.to_owned()))?;
        let axes = self.config.axes.len();
        if axes != 0 && axes != shape.len() {
            return Err(failed(format!("{axes} axes configured for {} dimensions", shape.len())));
        }
        // A scalar is an array of one element.
        let mut dims = Vec::with_capacity(shape.len().max(1));
        for d in shape {
            dims.push(usize::try_from(d.get()).map_err(|e| failed(format!("chunk dimension {d}: {e}")))?);
        }
        if dims.is_empty() {
            dims.push(1);
        }
        if dims.len() > crate::MAX_DIMS {
            return Err(failed(format!("an array needs at most {} dimensions, not {}", crate::MAX_DIMS, dims.len())));
        }
        if dims.iter().try_fold(dtype.size(), |n, &d| n.checked_mul(d)).is_none() {
            return Err(failed(format!("chunk shape {shape:?} overflows")));
        }
        Ok((dtype, dims))
    }
}

fn failed(what: impl std::fmt::Display) -> CodecError {
    CodecError::Other(format!("codec {NAME}: {what}"))
}

impl From<Error> for CodecError {
    fn from(e: Error) -> Self {
        failed(e)
    }
}

impl CodecTraitsV3 for HihaCodec {
    fn create(metadata: &MetadataV3) -> Result<Codec, PluginCreateError> {
        Self::from_configuration(metadata.to_typed_configuration())
    }
}

impl CodecTraitsV2 for HihaCodec {
    fn create(metadata: &MetadataV2) -> Result<Codec, PluginCreateError> {
        Self::from_configuration(metadata.to_typed_configuration())
    }
}

impl CodecTraits for HihaCodec {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn configuration(&self, _version: ZarrVersion, _options: &CodecMetadataOptions) -> Option<Configuration> {
        match serde_json::to_value(&self.config) {
            Ok(serde_json::Value::Object(map)) => Some(Configuration::from(map)),
            _ => None,
        }
    }

    fn partial_decoder_capability(&self) -> PartialDecoderCapability {
        PartialDecoderCapability { partial_read: false, partial_decode: false }
    }

    fn partial_encoder_capability(&self) -> PartialEncoderCapability {
        PartialEncoderCapability { partial_encode: false }
    }
}

impl ArrayCodecTraits for HihaCodec {
    /// One thread a chunk: the core works on a chunk with one, so that zarrs must spread its threads over chunks.
    fn recommended_concurrency(
        &self,
        shape: &[NonZeroU64],
        data_type: &DataType,
    ) -> Result<RecommendedConcurrency, CodecError> {
        self.chunk(shape, data_type)?;
        Ok(RecommendedConcurrency::new_maximum(1))
    }
}

impl ArrayToBytesCodecTraits for HihaCodec {
    fn into_dyn(self: Arc<Self>) -> Arc<dyn ArrayToBytesCodecTraits> {
        self
    }

    fn encoded_representation(
        &self,
        shape: &[NonZeroU64],
        data_type: &DataType,
        _fill_value: &FillValue,
    ) -> Result<BytesRepresentation, CodecError> {
        let (dtype, dims) = self.chunk(shape, data_type)?;
        Ok(BytesRepresentation::BoundedSize(crate::max_encoded_size(dtype, &dims) as u64))
    }

    fn encode<'a>(
        &self,
        bytes: ArrayBytes<'a>,
        shape: &[NonZeroU64],
        data_type: &DataType,
        fill_value: &FillValue,
        options: &CodecOptions,
    ) -> Result<ArrayBytesRaw<'a>, CodecError> {
        let (dtype, dims) = self.chunk(shape, data_type)?;
        let bytes = bytes.into_fixed()?;
        let view = ArrayView::from_bytes(&bytes, dtype, ByteOrder::NATIVE, &dims)?;
        let config = Config {
            fill_value: Some(fill_value.as_ne_bytes().to_vec()),
            reference: None,
            threads: options.concurrent_target().max(1),
            ..self.config.clone()
        };
        Ok(Cow::Owned(crate::encode(&view, &config)?))
    }

    /// Decoded straight into the buffer that zarrs gets. `decode_into` is zarrs' own: its target
    /// can only be copied into, so that an override would save nothing.
    fn decode<'a>(
        &self,
        bytes: ArrayBytesRaw<'a>,
        shape: &[NonZeroU64],
        data_type: &DataType,
        _fill_value: &FillValue,
        options: &CodecOptions,
    ) -> Result<ArrayBytes<'a>, CodecError> {
        let (dtype, dims) = self.chunk(shape, data_type)?;
        let info = crate::inspect(&bytes)?;
        if (info.dtype, &info.shape) != (dtype, &dims) {
            return Err(failed(format!(
                "the chunk is {dtype} {dims:?}, its bytes hold {} {:?}",
                info.dtype, info.shape
            )));
        }
        let mut out = vec![0; info.decoded_bytes()];
        let threads = options.concurrent_target().max(1);
        let device = *DECODE_ON.lock().unwrap_or_else(PoisonError::into_inner);
        let options = DecodeOptions { threads, max_bytes: out.len() as u64, device, ..DecodeOptions::default() };
        crate::decode_into(&bytes, &mut out, ByteOrder::NATIVE, &options)?;
        Ok(ArrayBytes::from(out))
    }
}
