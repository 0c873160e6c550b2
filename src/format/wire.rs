//! Little-endian fields and LEB128 integers, read with byte offsets for errors.

use crate::error::{Error, Result, corrupt};

/// `v` without the lower 24 of its bits: 28 significant ones are left.
pub(crate) const fn short(v: f64) -> f64 {
    f64::from_bits(v.to_bits() & !0xff_ffff)
}

/// Writes fields to a byte vector.
#[derive(Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn u8(&mut self, v: u8) {
        self.0.push(v);
    }
    pub(crate) fn u32(&mut self, v: u32) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }
    pub(crate) fn f64(&mut self, v: f64) {
        self.0.extend_from_slice(&v.to_bits().to_le_bytes());
    }
    /// The upper 40 bits of an f64, which [`short`] has left.
    pub(crate) fn f40(&mut self, v: f64) {
        self.0.extend_from_slice(&v.to_bits().to_le_bytes()[3..]);
    }
    /// Unsigned LEB128: seven bits a byte, low first.
    pub(crate) fn varint(&mut self, mut v: u64) {
        while v >= 0x80 {
            self.0.push(v as u8 | 0x80);
            v >>= 7;
        }
        self.0.push(v as u8);
    }
    /// Signed as zigzag LEB128.
    pub(crate) fn svarint(&mut self, v: i64) {
        self.varint(((v << 1) ^ (v >> 63)) as u64);
    }
    pub(crate) fn bytes(&mut self, v: &[u8]) {
        self.0.extend_from_slice(v);
    }
}

/// Reads fields from a slice; `base` is the slice's offset in the whole stream.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    data: &'a [u8],
    pos: usize,
    base: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(data: &'a [u8], base: usize) -> Self {
        Self { data, pos: 0, base }
    }
    /// Offset in the whole stream.
    pub(crate) const fn offset(&self) -> usize {
        self.base + self.pos
    }
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.data.get(self.pos..).unwrap_or_default()
    }
    pub(crate) fn bytes(&mut self, n: usize, what: &'static str) -> Result<&'a [u8]> {
        let available = self.rest().len();
        let part =
            self.rest().get(..n).ok_or(Error::Truncated { offset: self.offset(), what, needed: n, available })?;
        self.pos += n;
        Ok(part)
    }
    /// A reader of the next `n` bytes, or of what there is of them.
    pub(crate) fn front(&mut self, n: usize) -> Self {
        let (n, base) = (n.min(self.rest().len()), self.offset());
        let data = &self.rest()[..n];
        self.pos += n;
        Self { data, base, pos: 0 }
    }
    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.bytes(N, what)?);
        Ok(out)
    }
    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8> {
        Ok(self.array::<1>(what)?[0])
    }
    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }
    pub(crate) fn f64(&mut self, what: &'static str) -> Result<f64> {
        Ok(f64::from_bits(u64::from_le_bytes(self.array(what)?)))
    }
    /// A finite f64.
    pub(crate) fn finite_f64(&mut self, what: &'static str) -> Result<f64> {
        let offset = self.offset();
        let v = self.f64(what)?;
        if v.is_finite() { Ok(v) } else { corrupt(offset, format!("{what} must be finite, found {v}")) }
    }
    /// A finite f64 of 40 bits.
    pub(crate) fn finite_f40(&mut self, what: &'static str) -> Result<f64> {
        let offset = self.offset();
        let mut bytes = [0; 8];
        bytes[3..].copy_from_slice(self.bytes(5, what)?);
        let v = f64::from_le_bytes(bytes);
        if v.is_finite() { Ok(v) } else { corrupt(offset, format!("{what} must be finite, found {v}")) }
    }
    pub(crate) fn finite_f32(&mut self, what: &'static str) -> Result<f32> {
        let offset = self.offset();
        let v = f32::from_bits(self.u32(what)?);
        if v.is_finite() { Ok(v) } else { corrupt(offset, format!("{what} must be finite, found {v}")) }
    }
    pub(crate) fn varint(&mut self, what: &'static str) -> Result<u64> {
        let offset = self.offset();
        let mut v = 0u64;
        for shift in (0..64).step_by(7) {
            let b = self.u8(what)?;
            if shift == 63 && b > 1 {
                break;
            }
            v |= u64::from(b & 0x7f) << shift;
            if b & 0x80 == 0 {
                return Ok(v);
            }
        }
        corrupt(offset, format!("{what}: integer longer than 64 bits"))
    }
    pub(crate) fn svarint(&mut self, what: &'static str) -> Result<i64> {
        let v = self.varint(what)?;
        Ok((v >> 1) as i64 ^ -((v & 1) as i64))
    }
    /// A varint that must fit `usize` and be at most `max`.
    pub(crate) fn count(&mut self, max: usize, what: &'static str) -> Result<usize> {
        let offset = self.offset();
        let v = self.varint(what)?;
        match usize::try_from(v) {
            Ok(n) if n <= max => Ok(n),
            _ => corrupt(offset, format!("{what} must be at most {max}, found {v}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_round_trip() {
        for v in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut w = Writer::default();
            w.varint(v);
            w.svarint(v as i64);
            let mut r = Reader::new(&w.0, 0);
            assert_eq!((r.varint("v").unwrap(), r.svarint("s").unwrap()), (v, v as i64));
            assert!(r.rest().is_empty());
        }
        assert!(Reader::new(&[0xff; 11], 0).varint("v").is_err());
        assert!(matches!(Reader::new(&[0x80], 7).varint("v"), Err(Error::Truncated { offset: 8, .. })));
    }
}
