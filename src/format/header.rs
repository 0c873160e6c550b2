//! The head of a stream: what array it holds, under which promise, in which sections.

use super::permutation::Permutation;
use super::wire::{Reader, Writer};
use crate::array::{ByteOrder, DType, MAX_DIMS};
use crate::config::Bound;
use crate::error::{Error, Result, corrupt};

/// First bytes of every stream.
pub const MAGIC: [u8; 4] = *b"HiHa";
/// Version of the stream format, apart from the crate's. 0 is not frozen yet.
pub const FORMAT_VERSION: u8 = 0;

/// Flags beside the method.
const PERIODIC: u8 = 0x80;
const PERMUTED: u8 = 0x40;

/// How the finite values of the array are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Method {
    /// The elements' bytes as they are, little-endian.
    Stored = 0,
    /// One value for all.
    Constant = 1,
    /// Lapped harmonic pyramid.
    Harmonic = 2,
    /// Integers on a lattice, predicted.
    Lattice = 3,
    /// The points that the base misses, one by one.
    Spatial = 4,
}

impl Method {
    pub(crate) const ALL: [Self; 5] = [Self::Stored, Self::Constant, Self::Harmonic, Self::Lattice, Self::Spatial];
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Constant => "constant",
            Self::Harmonic => "harmonic",
            Self::Lattice => "lattice",
            Self::Spatial => "spatial",
        }
    }
}

/// The parts that a stream may have, each at most once, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum SectionId {
    /// Energy of the chunk below, between and above the cut-offs of the harmonic split.
    Split = 1,
    /// Which elements are NaN, infinite or fill.
    Mask = 2,
    /// Hash of the reference array that the detail is added to.
    Reference = 3,
    /// The network of the low band.
    Low = 4,
    /// Networks on blocks: the middle band.
    Mid = 5,
    /// Low and middle band frame by frame.
    Time = 6,
    /// The method's own data.
    Detail = 7,
    /// Integer corrections of points that missed the bound.
    Corrections = 8,
    /// Points held exactly.
    Exact = 9,
}

impl SectionId {
    pub(crate) const ALL: [Self; 9] = [
        Self::Split,
        Self::Mask,
        Self::Reference,
        Self::Low,
        Self::Mid,
        Self::Time,
        Self::Detail,
        Self::Corrections,
        Self::Exact,
    ];
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Split => "split",
            Self::Mask => "mask",
            Self::Reference => "reference",
            Self::Low => "low",
            Self::Mid => "mid",
            Self::Time => "time",
            Self::Detail => "detail",
            Self::Corrections => "corrections",
            Self::Exact => "exact",
        }
    }
}

/// Bit of the byte of dimensions: the bound is in decimal.
const DECIMAL: u8 = 0x80;

/// Digits and power of ten of a number, where they are shorter than its bits.
fn decimal(v: f64) -> Option<(u64, i8)> {
    let text = format!("{v:e}");
    let (digits, exponent) = text.split_once('e')?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits: u64 = format!("{whole}{fraction}").parse().ok()?;
    let exponent = exponent.parse::<i32>().ok()? - fraction.len() as i32;
    if digits < 1 << 21 { Some((digits, exponent.try_into().ok()?)) } else { None }
}

/// What a stream declares before its sections.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Header {
    pub(crate) dtype: DType,
    pub(crate) order: ByteOrder,
    pub(crate) shape: Vec<usize>,
    /// Order of the axes in the stream, where it is not the array's.
    pub(crate) permutation: Option<Permutation>,
    pub(crate) bound: Bound,
    /// The last axis (of the stream) is longitude and spans the globe.
    pub(crate) periodic: bool,
    pub(crate) method: Method,
}

impl Header {
    /// Elements of the array; the reader has checked that it does not overflow.
    pub(crate) fn len(&self) -> usize {
        self.shape.iter().product()
    }
    pub(crate) fn byte_len(&self) -> usize {
        self.len() * self.dtype.size()
    }

    /// The array as the detail coders see it.
    pub(crate) fn geometry(&self) -> super::Geometry {
        match &self.permutation {
            Some(p) => super::Geometry::new(&p.shape(&self.shape), self.periodic),
            None => super::Geometry::new(&self.shape, self.periodic),
        }
    }

    fn write(&self, w: &mut Writer) {
        w.bytes(&MAGIC);
        w.u8(FORMAT_VERSION);
        w.u8(self.dtype as u8 | if self.order == ByteOrder::Big { 0x80 } else { 0 });
        let decimal = decimal(self.bound.value()).filter(|_| self.bound != Bound::Lossless);
        w.u8(self.shape.len() as u8 | self.bound.code() << 4 | if decimal.is_some() { DECIMAL } else { 0 });
        for &d in &self.shape {
            w.varint(d as u64);
        }
        match decimal {
            _ if self.bound == Bound::Lossless => {}
            Some((digits, exponent)) => {
                w.varint(digits);
                w.u8(exponent as u8);
            }
            None => w.f64(self.bound.value()),
        }
        let flag = |set, bit| if set { bit } else { 0 };
        w.u8(self.method as u8 | flag(self.periodic, PERIODIC) | flag(self.permutation.is_some(), PERMUTED));
        if let Some(p) = &self.permutation {
            p.write(w);
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self> {
        let magic = r.bytes(4, "magic")?;
        if magic != MAGIC {
            return corrupt(0, format!("expected magic {MAGIC:?}, found {magic:?}"));
        }
        let version = r.u8("version")?;
        if version != FORMAT_VERSION {
            return Err(Error::Unsupported(format!(
                "stream format version {version}; this build reads version {FORMAT_VERSION}"
            )));
        }
        let offset = r.offset();
        let type_byte = r.u8("data type")?;
        let Some(dtype) = DType::from_code(type_byte & 0x7f) else {
            return corrupt(offset, format!("unknown data type code {}", type_byte & 0x7f));
        };
        let order = if type_byte & 0x80 == 0 { ByteOrder::Little } else { ByteOrder::Big };
        let offset = r.offset();
        let dims_byte = r.u8("dimensions")?;
        let ndim = usize::from(dims_byte & 15);
        if !(1..=MAX_DIMS).contains(&ndim) {
            return corrupt(offset, format!("expected 1 to {MAX_DIMS} dimensions, found {ndim}"));
        }
        let mut shape = Vec::with_capacity(ndim);
        let mut bytes = dtype.size();
        for _ in 0..ndim {
            let at = r.offset();
            let d = r.count(usize::MAX, "dimension")?;
            bytes = match bytes.checked_mul(d) {
                Some(b) if b > 0 && b <= isize::MAX as usize => b,
                _ => return corrupt(at, format!("dimension {d} is zero or makes the array overflow")),
            };
            shape.push(d);
        }
        let kind = dims_byte >> 4 & 7;
        let value = match kind {
            0 => 0.0,
            _ if dims_byte & DECIMAL != 0 => {
                let (at, digits, exponent) = (r.offset(), r.varint("bound")?, r.u8("bound")? as i8);
                let value = format!("{digits}e{exponent}").parse().unwrap_or(f64::NAN);
                if !f64::is_finite(value) {
                    return corrupt(at, format!("bound {digits}e{exponent} is no number"));
                }
                value
            }
            _ => r.finite_f64("bound")?,
        };
        let Some(bound) = Bound::from_code(kind, value) else {
            return corrupt(offset, format!("unknown bound kind {kind}"));
        };
        let offset = r.offset();
        let code = r.u8("method")?;
        let Some(method) = Method::ALL.into_iter().find(|&m| m as u8 == code & !(PERIODIC | PERMUTED)) else {
            return corrupt(offset, format!("unknown method {}", code & !(PERIODIC | PERMUTED)));
        };
        let permutation = if code & PERMUTED == 0 { None } else { Some(Permutation::read(r, ndim)?) };
        Ok(Self { dtype, order, shape, permutation, bound, periodic: code & PERIODIC != 0, method })
    }
}

/// One section: its id and payload.
pub(crate) struct Section<'a> {
    pub(crate) id: SectionId,
    pub(crate) payload: &'a [u8],
    /// Offset of the payload in the stream.
    pub(crate) offset: usize,
    /// Its length as declared: of the front of a stream the payload may be cut short.
    pub(crate) len: usize,
}

/// A parsed stream: header and sections, checksum verified.
pub(crate) struct Stream<'a> {
    pub(crate) header: Header,
    pub(crate) sections: Vec<Section<'a>>,
}

impl<'a> Stream<'a> {
    /// Join header and sections; empty payloads are left out.
    pub(crate) fn write(header: &Header, sections: &[(SectionId, Vec<u8>)]) -> Vec<u8> {
        let mut w = Writer::default();
        header.write(&mut w);
        let present = || sections.iter().filter(|(_, p)| !p.is_empty());
        w.u8(present().count() as u8);
        for (id, payload) in present() {
            w.u8(*id as u8);
            w.varint(payload.len() as u64);
        }
        for (_, payload) in present() {
            w.bytes(payload);
        }
        let crc = crc32fast::hash(&w.0);
        w.u32(crc);
        w.0
    }

    /// Parse and verify. Trailing bytes after the checksum are an error.
    pub(crate) fn read(data: &'a [u8]) -> Result<Self> {
        let mut r = Reader::new(data, 0);
        let (header, table) = Self::read_table(&mut r)?;
        let mut sections = Vec::with_capacity(table.len());
        for (id, len) in table {
            let offset = r.offset();
            sections.push(Section { id, payload: r.bytes(len, id.name())?, offset, len });
        }
        let end = r.offset();
        let stored = r.u32("checksum")?;
        if !r.rest().is_empty() {
            return corrupt(r.offset(), format!("{} bytes after the checksum", r.rest().len()));
        }
        let computed = crc32fast::hash(data.get(..end).unwrap_or_default());
        if stored != computed {
            return corrupt(end, format!("checksum is {stored:#010x}, the content has {computed:#010x}"));
        }
        Ok(Self { header, sections })
    }

    /// Parse as much as there is of the front of a stream: payloads may be cut, the checksum is not looked at.
    pub(crate) fn read_front(data: &'a [u8]) -> Result<Self> {
        let mut r = Reader::new(data, 0);
        let (header, table) = Self::read_table(&mut r)?;
        let mut offset = r.offset();
        let mut sections = Vec::with_capacity(table.len());
        for (id, len) in table {
            let end = offset.saturating_add(len);
            let payload = data.get(offset.min(data.len())..end.min(data.len())).unwrap_or_default();
            sections.push(Section { id, payload, offset, len });
            offset = end;
        }
        Ok(Self { header, sections })
    }

    /// The header, and id and length of each section.
    fn read_table(r: &mut Reader<'_>) -> Result<(Header, Vec<(SectionId, usize)>)> {
        let header = Header::read(r)?;
        let n = usize::from(r.u8("section count")?);
        let mut table = Vec::with_capacity(n.min(SectionId::ALL.len()));
        let mut last = 0;
        for _ in 0..n {
            let at = r.offset();
            let code = r.u8("section id")?;
            let id = SectionId::ALL.into_iter().find(|&s| s as u8 == code && code > last);
            let Some(id) = id else {
                return corrupt(at, format!("section id {code} is unknown or out of order after {last}"));
            };
            last = code;
            table.push((id, r.count(usize::MAX, "section length")?));
        }
        Ok((header, table))
    }

    /// Payload and offset of a section, if there.
    pub(crate) fn section(&self, id: SectionId) -> Option<&Section<'a>> {
        self.sections.iter().find(|s| s.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_come_back() {
        let header = |bound| Header {
            dtype: DType::F32,
            order: ByteOrder::Little,
            shape: vec![3],
            permutation: None,
            bound,
            periodic: false,
            method: Method::Stored,
        };
        let all = [1e-3, 0.125, 17.0, 20971.51, 1.0 / 3.0, 2.5e-308, 5e-324, 1.7e308, 97.0e20];
        let bytes = [11, 11, 11, 13, 17, 17, 17, 17, 11];
        for (value, bytes) in all.into_iter().zip(bytes) {
            for bound in [Bound::MaxAbs(value), Bound::Nrmse(value)] {
                let mut w = Writer::default();
                header(bound).write(&mut w);
                assert_eq!(w.0.len(), bytes, "{value:e}");
                assert_eq!(Header::read(&mut Reader::new(&w.0, 0)).unwrap(), header(bound));
            }
        }
        let mut w = Writer::default();
        header(Bound::Lossless).write(&mut w);
        assert_eq!((Header::read(&mut Reader::new(&w.0, 0)).unwrap(), w.0.len()), (header(Bound::Lossless), 9));
    }
}
