//! Arrays as the codec sees them: element types, borrowed views, owned results.

use crate::error::{Result, invalid};
use half::{bf16, f16};
use std::borrow::Cow;

/// Most dimensions an array may have.
pub const MAX_DIMS: usize = 8;

/// Element type of an array. The discriminant is the type's code in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum DType {
    F16 = 1,
    BF16 = 2,
    F32 = 3,
    F64 = 4,
    I8 = 8,
    U8 = 9,
    I16 = 10,
    U16 = 11,
    I32 = 12,
    U32 = 13,
    I64 = 14,
    U64 = 15,
}

impl DType {
    /// All element types.
    pub const ALL: [Self; 12] = [
        Self::F16,
        Self::BF16,
        Self::F32,
        Self::F64,
        Self::I8,
        Self::U8,
        Self::I16,
        Self::U16,
        Self::I32,
        Self::U32,
        Self::I64,
        Self::U64,
    ];

    /// Bytes of one element.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::F16 | Self::BF16 | Self::I16 | Self::U16 => 2,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F64 | Self::I64 | Self::U64 => 8,
        }
    }

    /// True for the four floating point types.
    #[must_use]
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::BF16 | Self::F32 | Self::F64)
    }

    /// The Zarr v3 name, such as `float32`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F16 => "float16",
            Self::BF16 => "bfloat16",
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::I8 => "int8",
            Self::U8 => "uint8",
            Self::I16 => "int16",
            Self::U16 => "uint16",
            Self::I32 => "int32",
            Self::U32 => "uint32",
            Self::I64 => "int64",
            Self::U64 => "uint64",
        }
    }

    /// The type of that Zarr v3 name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|d| d.name() == name)
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|&d| d as u8 == code)
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Byte order of an array's elements in memory or in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    /// The order of this machine.
    pub const NATIVE: Self = if cfg!(target_endian = "little") { Self::Little } else { Self::Big };
}

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that the codec stores as one of its [`DType`]s.
pub trait Element: bytemuck::Pod + PartialEq + PartialOrd + Send + Sync + std::fmt::Debug + sealed::Sealed {
    /// Its element type.
    const DTYPE: DType;
    /// The value as f64: exact for floats and up to 53-bit integers.
    fn to_f64(self) -> f64;
    /// The nearest value of this type (ties to even for floats; integers round half away and saturate).
    fn from_f64(v: f64) -> Self;
    /// Order-preserving bijection onto integers: for integers the value (u64 with its top bit
    /// flipped), for floats the bit pattern made monotone.
    fn to_ordinal(self) -> i64;
    /// Inverse of [`to_ordinal`](Self::to_ordinal).
    fn from_ordinal(v: i64) -> Self;
    /// Swap the bytes.
    fn swap(self) -> Self;
    /// Same bits?
    fn same(self, other: Self) -> bool {
        bytemuck::bytes_of(&self) == bytemuck::bytes_of(&other)
    }
}

macro_rules! int_element {
    ($($t:ty, $d:ident, |$v:ident| $to:expr, |$o:ident| $from:expr;)*) => {$(
        impl sealed::Sealed for $t {}
        impl Element for $t {
            const DTYPE: DType = DType::$d;
            fn to_f64(self) -> f64 { self as f64 }
            fn from_f64(v: f64) -> Self { v.round() as Self }
            fn to_ordinal(self) -> i64 { let $v = self; $to }
            fn from_ordinal($o: i64) -> Self { $from }
            fn swap(self) -> Self { self.swap_bytes() }
        }
    )*};
}
int_element! {
    i8, I8, |v| v.into(), |o| o as Self;
    u8, U8, |v| v.into(), |o| o as Self;
    i16, I16, |v| v.into(), |o| o as Self;
    u16, U16, |v| v.into(), |o| o as Self;
    i32, I32, |v| v.into(), |o| o as Self;
    u32, U32, |v| v.into(), |o| o as Self;
    i64, I64, |v| v, |o| o;
    u64, U64, |v| (v ^ (1 << 63)) as i64, |o| (o as u64) ^ (1 << 63);
}

/// To f32 such that a second rounding, to 16 bits, gives what one rounding would: towards zero, then the
/// last bit set if anything was cut off (Boldo & Melquiond, "Emulation of FMA and correctly rounded sums",
/// 2008). `half`'s own way from f64 depends on the processor.
fn round_to_odd(v: f64) -> f32 {
    let nearest = v as f32;
    let back = f64::from(nearest);
    if back == v || v.is_nan() {
        return nearest;
    }
    let towards_zero = nearest.to_bits() - u32::from(back.abs() > v.abs());
    f32::from_bits(towards_zero | 1)
}

macro_rules! float_element {
    ($($t:ty, $d:ident, $bits:ty, $int:ty, |$v:ident| $to:expr, |$f:ident| $from:expr;)*) => {$(
        impl sealed::Sealed for $t {}
        impl Element for $t {
            const DTYPE: DType = DType::$d;
            fn to_f64(self) -> f64 { let $v = self; $to }
            fn from_f64($f: f64) -> Self { $from }
            fn to_ordinal(self) -> i64 {
                let b = self.to_bits() as $int;
                // Negative numbers: flip all but the sign, so that the order is monotone and -0.0 is -1.
                (b ^ (((b >> (<$int>::BITS - 1)) as $bits) >> 1) as $int).into()
            }
            fn from_ordinal(v: i64) -> Self {
                let b = v as $int;
                Self::from_bits((b ^ (((b >> (<$int>::BITS - 1)) as $bits) >> 1) as $int) as $bits)
            }
            fn swap(self) -> Self { Self::from_bits(self.to_bits().swap_bytes()) }
        }
    )*};
}
float_element! {
    f16, F16, u16, i16, |v| v.to_f64(), |f| Self::from_f32(round_to_odd(f));
    bf16, BF16, u16, i16, |v| v.to_f64(), |f| Self::from_f32(round_to_odd(f));
    f32, F32, u32, i32, |v| v.into(), |f| f as Self;
    f64, F64, u64, i64, |v| v, |f| f;
}

/// Run `$body` with `$T` bound to the Rust type of a [`DType`] value.
macro_rules! with_element {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F16 => {
                type $T = half::f16;
                $body
            }
            $crate::DType::BF16 => {
                type $T = half::bf16;
                $body
            }
            $crate::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::DType::F64 => {
                type $T = f64;
                $body
            }
            $crate::DType::I8 => {
                type $T = i8;
                $body
            }
            $crate::DType::U8 => {
                type $T = u8;
                $body
            }
            $crate::DType::I16 => {
                type $T = i16;
                $body
            }
            $crate::DType::U16 => {
                type $T = u16;
                $body
            }
            $crate::DType::I32 => {
                type $T = i32;
                $body
            }
            $crate::DType::U32 => {
                type $T = u32;
                $body
            }
            $crate::DType::I64 => {
                type $T = i64;
                $body
            }
            $crate::DType::U64 => {
                type $T = u64;
                $body
            }
        }
    };
}
pub(crate) use with_element;

/// A borrowed array in C order (last dimension fastest).
#[derive(Debug, Clone, Copy)]
pub struct ArrayView<'a> {
    data: &'a [u8],
    dtype: DType,
    order: ByteOrder,
    shape: &'a [usize],
}

impl<'a> ArrayView<'a> {
    /// View `data` as an array of `shape`, 1 to 8 dimensions, C order, none of length 0.
    ///
    /// # Errors
    /// `InvalidArgument` when the shape does not fit the data.
    pub fn new<T: Element>(data: &'a [T], shape: &'a [usize]) -> Result<Self> {
        Self::from_bytes(bytemuck::cast_slice(data), T::DTYPE, ByteOrder::NATIVE, shape)
    }

    /// View raw bytes of any alignment as an array.
    ///
    /// # Errors
    /// `InvalidArgument` when the shape does not fit the bytes.
    pub fn from_bytes(data: &'a [u8], dtype: DType, order: ByteOrder, shape: &'a [usize]) -> Result<Self> {
        if shape.is_empty() || shape.len() > MAX_DIMS {
            return invalid(format!("an array needs 1 to {MAX_DIMS} dimensions, not {}", shape.len()));
        }
        let bytes = shape
            .iter()
            .try_fold(dtype.size(), |n, &d| n.checked_mul(d))
            .ok_or_else(|| crate::Error::InvalidArgument(format!("shape {shape:?} overflows")))?;
        if bytes == 0 || bytes != data.len() {
            return invalid(format!(
                "shape {shape:?} of {dtype} needs {bytes} bytes (and at least one element), got {}",
                data.len()
            ));
        }
        Ok(Self { data, dtype, order, shape })
    }

    /// Element type.
    #[must_use]
    pub const fn dtype(&self) -> DType {
        self.dtype
    }
    /// Byte order of [`bytes`](Self::bytes).
    #[must_use]
    pub const fn byte_order(&self) -> ByteOrder {
        self.order
    }
    /// Length of each dimension.
    #[must_use]
    pub const fn shape(&self) -> &'a [usize] {
        self.shape
    }
    /// Number of elements.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.data.len() / self.dtype.size()
    }
    /// Never true: an array has at least one element.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.data.is_empty()
    }
    /// The raw bytes.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.data
    }

    /// The elements in native byte order, in place where they are in that order and aligned. `T` must be the view's element type.
    pub(crate) fn elements<T: Element>(&self) -> Cow<'a, [T]> {
        match bytemuck::try_cast_slice(self.data) {
            Ok(values) if self.order == ByteOrder::NATIVE => Cow::Borrowed(values),
            _ => self.iter().collect(),
        }
    }
    /// Elements as native values. `T` must be the view's element type.
    pub(crate) fn iter<T: Element>(&self) -> impl ExactSizeIterator<Item = T> + Clone + 'a {
        debug_assert_eq!(T::DTYPE, self.dtype);
        let swap = self.order != ByteOrder::NATIVE;
        self.data.chunks_exact(size_of::<T>()).map(move |b| {
            let v: T = bytemuck::pod_read_unaligned(b);
            if swap { v.swap() } else { v }
        })
    }
}

/// An owned array in C order and native byte order, as [`decode`](crate::decode()) returns it.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Backing store in 8-byte words, so that every element type is aligned.
    words: Vec<u64>,
    dtype: DType,
    shape: Vec<usize>,
}

impl Array {
    /// An array of zeros; the shape must have been checked.
    pub(crate) fn zeros(dtype: DType, shape: &[usize]) -> Result<Self> {
        let bytes = shape.iter().product::<usize>() * dtype.size();
        let mut words = Vec::new();
        words.try_reserve_exact(bytes.div_ceil(8)).map_err(|_| crate::Error::Limit {
            what: "output",
            needed: bytes as u64,
            limit: 0,
        })?;
        words.resize(bytes.div_ceil(8), 0);
        Ok(Self { words, dtype, shape: shape.to_vec() })
    }

    /// Element type.
    #[must_use]
    pub const fn dtype(&self) -> DType {
        self.dtype
    }
    /// Length of each dimension.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }
    /// Never true: an array has at least one element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }
    /// The raw bytes, native order.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.len() * self.dtype.size()]
    }
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        let n = self.len() * self.dtype.size();
        &mut bytemuck::cast_slice_mut(&mut self.words)[..n]
    }
    /// The elements.
    ///
    /// # Errors
    /// `InvalidArgument` when `T` is not the array's element type.
    pub fn as_slice<T: Element>(&self) -> Result<&[T]> {
        if T::DTYPE != self.dtype {
            return invalid(format!("the array holds {}, not {}", self.dtype, T::DTYPE));
        }
        Ok(&bytemuck::cast_slice(&self.words)[..self.len()])
    }
    /// A view of the array.
    #[must_use]
    pub fn view(&self) -> ArrayView<'_> {
        ArrayView { data: self.bytes(), dtype: self.dtype, order: ByteOrder::NATIVE, shape: &self.shape }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordinal_is_monotone<T: Element>(sorted: &[T]) {
        for w in sorted.windows(2) {
            assert!(w[0].to_ordinal() < w[1].to_ordinal(), "{w:?}");
        }
        for &v in sorted {
            assert!(T::from_ordinal(v.to_ordinal()).same(v));
        }
    }

    #[test]
    fn ordinals() {
        ordinal_is_monotone(&[f32::NEG_INFINITY, -1.5, -1e-45, -0.0, 0.0, 1e-45, 2.0, f32::INFINITY]);
        ordinal_is_monotone(&[f64::NEG_INFINITY, -1.5, -5e-324, -0.0, 0.0, 5e-324, 2.0, f64::INFINITY]);
        ordinal_is_monotone(&[-2.0, -1.0, -0.0, 0.0, 1.0, 3.5].map(f16::from_f64));
        ordinal_is_monotone(&[0u64, 1, 1 << 63, u64::MAX]);
        ordinal_is_monotone(&[i64::MIN, -1, 0, 1, i64::MAX]);
        ordinal_is_monotone(&[-128i8, -1, 0, 127]);
    }

    #[test]
    fn sixteen_bit_floats_are_rounded_once() {
        fn check<T: Element>(lower: f64, upper: f64) {
            let middle = (lower + upper) / 2.0;
            let even = if T::from_f64(lower).to_ordinal() % 2 == 0 { lower } else { upper };
            for sign in [1.0, -1.0] {
                let round = |v: f64| sign * T::from_f64(sign * v).to_f64();
                assert_eq!(round(middle.next_down()), lower, "{lower}");
                assert_eq!(round(middle), even, "{lower}");
                assert_eq!(round(middle.next_up()), upper, "{lower}");
            }
        }
        for k in [0u16, 1, 2, 0x3ff, 0x400, 0x3c00, 0x3c01, 0x7bfe] {
            check::<f16>(f16::from_bits(k).to_f64(), f16::from_bits(k + 1).to_f64());
        }
        for k in [0u16, 1, 2, 0x7f, 0x80, 0x3f80, 0x3f81, 0x7f7e] {
            check::<bf16>(bf16::from_bits(k).to_f64(), bf16::from_bits(k + 1).to_f64());
        }
        assert_eq!(
            [65_519.999, 65_520.0, 1e300].map(|v| <f16 as Element>::from_f64(v).to_bits()),
            [0x7bff, 0x7c00, 0x7c00]
        );
        assert!(<f16 as Element>::from_f64(f64::NAN).is_nan() && <bf16 as Element>::from_f64(f64::NAN).is_nan());
    }

    #[test]
    fn views_check_their_shape() {
        assert!(ArrayView::new(&[1.0f32; 6], &[2, 3]).is_ok());
        assert!(ArrayView::new(&[1.0f32; 6], &[2, 4]).is_err());
        assert!(ArrayView::new(&[1.0f32; 6], &[]).is_err());
        assert!(ArrayView::new::<f32>(&[], &[0]).is_err());
        assert!(ArrayView::new(&[1.0f32; 1], &[1; 9]).is_err());
        assert!(ArrayView::new(&[1.0f32; 4], &[usize::MAX, 2]).is_err());
    }
}
