//! A reference array that is known to encoder and decoder, such as a climatology.

use crate::array::MAX_DIMS;
use crate::error::{Result, invalid};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Bytes of a reference's hash.
pub(crate) const HASH_BYTES: usize = 16;

/// What a stream holds of a reference.
pub(crate) type Hash = [u8; HASH_BYTES];

/// An array known to encoder and decoder, such as a 30-year mean, that is subtracted before the harmonic detail is
/// coded. A stream coded with one holds its hash and cannot be decoded without it.
///
/// Its dimensions are the array's last ones, each of the array's length or 1; it serves all indices of the rest.
/// Where a value is not finite, the finite one before it in C order takes its place (0 where there is none).
/// Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Reference {
    values: Arc<[f32]>,
    shape: Vec<usize>,
    hash: Hash,
}

impl Reference {
    /// An array in C order, in the unit of the data.
    ///
    /// # Errors
    /// `InvalidArgument` when the shape does not fit the values.
    pub fn new(mut values: Vec<f32>, shape: &[usize]) -> Result<Self> {
        let len = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        if shape.is_empty() || shape.len() > MAX_DIMS || len != Some(values.len()) || values.is_empty() {
            return invalid(format!("a reference of shape {shape:?} cannot have {} values", values.len()));
        }
        let hash = hash(&values, shape);
        let mut last = 0.0;
        for v in &mut values {
            last = if v.is_finite() { *v } else { last };
            *v = last;
        }
        Ok(Self { values: values.into(), shape: shape.to_vec(), hash })
    }

    /// Length of each dimension.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The hash that streams hold, in hexadecimal.
    #[must_use]
    pub fn hash(&self) -> String {
        to_hex(self.hash)
    }

    pub(crate) const fn hash_bytes(&self) -> Hash {
        self.hash
    }

    /// Calls `f` with the value for each element of an array of this shape, in C order.
    ///
    /// # Errors
    /// `InvalidArgument` when the array has other dimensions.
    pub(crate) fn for_each(&self, shape: &[usize], mut f: impl FnMut(f32)) -> Result<()> {
        let fits = |(&r, &n): (&usize, &usize)| r == n || r == 1;
        if self.shape.len() > shape.len() || !self.shape.iter().rev().zip(shape.iter().rev()).all(fits) {
            return invalid(format!("a reference of shape {:?} does not fit an array of shape {shape:?}", self.shape));
        }
        let missing = shape.len() - self.shape.len();
        let mut strides = vec![0; shape.len()];
        let mut stride = 1;
        for (s, &n) in strides[missing..].iter_mut().zip(&self.shape).rev() {
            *s = if n > 1 { stride } else { 0 };
            stride *= n;
        }
        let mut index = vec![0; shape.len()];
        let mut at = 0;
        for _ in 0..shape.iter().product() {
            f(self.values.get(at).copied().unwrap_or(0.0));
            for ((i, &n), &stride) in index.iter_mut().zip(shape).zip(&strides).rev() {
                *i += 1;
                at += stride;
                if *i < n {
                    break;
                }
                at -= n * stride;
                *i = 0;
            }
        }
        Ok(())
    }
}

/// Equal when the hashes are.
impl PartialEq for Reference {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}
impl Eq for Reference {}

/// The front of the SHA-256 of: number of dimensions, dimensions (64-bit integers), values (float32, NaN as
/// `0x7fc00000`), all little-endian.
fn hash(values: &[f32], shape: &[usize]) -> Hash {
    let mut sha = Sha256::new();
    for &n in [shape.len()].iter().chain(shape) {
        sha.update((n as u64).to_le_bytes());
    }
    for part in values.chunks(1024) {
        let mut bytes = [0; 4096];
        for (b, v) in bytes.chunks_exact_mut(4).zip(part) {
            b.copy_from_slice(&if v.is_nan() { 0x7fc0_0000 } else { v.to_bits() }.to_le_bytes());
        }
        sha.update(&bytes[..4 * part.len()]);
    }
    let mut front = Hash::default();
    front.copy_from_slice(&sha.finalize()[..HASH_BYTES]);
    front
}

/// Bytes as hexadecimal.
pub(crate) fn to_hex(hash: Hash) -> String {
    hash.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(r: &Reference, shape: &[usize]) -> Vec<f32> {
        let mut out = Vec::new();
        r.for_each(shape, |v| out.push(v)).unwrap();
        out
    }

    #[test]
    fn last_dimensions_are_shared() {
        let r = Reference::new(vec![1.0, 2.0, 3.0], &[3]).unwrap();
        assert_eq!(spread(&r, &[2, 3]), [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
        let r = Reference::new(vec![1.0, 2.0], &[2, 1]).unwrap();
        assert_eq!(spread(&r, &[2, 2, 3]), [1.0, 1.0, 1.0, 2.0, 2.0, 2.0].repeat(2));
        for shape in [&[3][..], &[3, 3], &[2], &[2, 3, 1]] {
            assert!(r.for_each(shape, |_| ()).is_err(), "{shape:?}");
        }
        assert!(Reference::new(vec![1.0; 5], &[2, 3]).is_err() && Reference::new(vec![], &[0]).is_err());
    }

    #[test]
    fn gaps_are_filled_and_the_hash_is_of_what_was_given() {
        let r = Reference::new(vec![f32::NAN, 2.0, f32::INFINITY, 4.0], &[4]).unwrap();
        assert_eq!(spread(&r, &[4]), [0.0, 2.0, 2.0, 4.0]);
        let other = Reference::new(vec![f32::from_bits(0xffc0_1234), 2.0, f32::INFINITY, 4.0], &[4]).unwrap();
        assert_eq!(r, other);
        assert_ne!(r, Reference::new(vec![0.0, 2.0, 2.0, 4.0], &[4]).unwrap());
        // python3: hashlib.sha256(struct.pack("<QQ4f", 1, 4, 0, 2, 2, 4)).hexdigest()[:32]
        assert_eq!(Reference::new(vec![0.0, 2.0, 2.0, 4.0], &[4]).unwrap().hash(), "9293dfd036e438eaf5ce632509cf6993");
        assert_ne!(
            Reference::new(vec![1.0; 4], &[4]).unwrap().hash(),
            Reference::new(vec![1.0; 4], &[2, 2]).unwrap().hash()
        );
    }
}
