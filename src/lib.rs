//! HiHa: error-bounded compression of gridded scientific data.
//!
//! ```text
//! chunk -> [mask] -> detail: harmonic (lapped pyramid or wavelet, sparse) | lattice (integers, predicted) -> [guarantee] -> stream
//! ```
//!
//! [`encode()`] takes an [`ArrayView`] and a [`Config`] with a [`Bound`], decodes its own result, verifies the
//! bound and returns a self-describing stream; [`decode()`] needs nothing but that stream.
//!
//! ```
//! use hiha::{ArrayView, Bound, Config};
//! let data: Vec<f32> = (0..64 * 128).map(|i| ((i % 128) as f32 * 0.05).sin() + (i / 128) as f32).collect();
//! let stream = hiha::encode(&ArrayView::new(&data, &[64, 128])?, &Config::new(Bound::MaxAbs(1e-3)))?;
//! let array = hiha::decode(&stream)?;
//! assert_eq!(array.shape(), [64, 128]);
//! for (a, b) in data.iter().zip(array.as_slice::<f32>()?) {
//!     assert!((a - b).abs() <= 1e-3);
//! }
//! # Ok::<(), hiha::Error>(())
//! ```
#![warn(missing_docs)]

#[cfg(feature = "ablation")]
#[doc(hidden)]
pub mod ablation;
#[cfg(not(feature = "ablation"))]
mod ablation;
mod arith;
mod array;
mod cells;
mod config;
mod decode;
mod device;
mod encode;
mod entropy;
mod error;
mod format;
#[cfg(feature = "cuda")]
mod gpu;
pub mod hdf5;
mod inspect;
mod reference;
#[cfg(any(feature = "bench", feature = "cuda"))]
#[doc(hidden)]
pub mod stages;
mod worker;
#[cfg(feature = "zarr")]
pub mod zarr;

pub use array::{Array, ArrayView, ByteOrder, DType, Element, MAX_DIMS};
pub use cells::CellMeans;
pub use config::{Axis, Bound, Coder, Config, Profile, Stage};
pub use decode::{DecodeOptions, LowBand, Preview, decode, decode_into, decode_with, preview};
pub use device::Device;
pub use encode::{encode, max_encoded_size};
pub use error::{Error, Result};
pub use format::{Cutoffs, FORMAT_VERSION, MAGIC};
pub use inspect::{Info, inspect};
pub use reference::Reference;

/// Id of the HDF5 filter: in the private range until one is registered with The HDF Group.
pub const HDF5_FILTER_ID: u32 = 0x8848;

/// The README's code is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
