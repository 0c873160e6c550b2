//! The words (`cd_values`) of the HDF5 filter (`codec-spec/hdf5.md`): the user's, and the complete form that
//! the plugin's `set_local` stores. No HDF5 here; programs that write chunks themselves need the same words.
//!
//! ```text
//! user:     [kind, f64 low, f64 high [, effort [, flags]]]   or   [kind, f32 [, effort [, flags]]]
//!           or   [short]   or   []
//! complete: [MAGIC, n, n user words, descriptor, chunk dimensions ..., [fill low, fill high,] short]
//! ```
//!
//! NCO hands on only the last word of a filter. So the last one, `short`, holds the whole bound.

use crate::array::{ByteOrder, DType, MAX_DIMS};
use crate::config::{Bound, Config};
use crate::error::{Error, Result, invalid};

/// First word of complete `cd_values`: "HIHA", low byte first. No bound kind has this value.
const MAGIC: u32 = u32::from_le_bytes(*b"HIHA");
/// Chunks of fewer elements are kept losslessly.
const MIN_LOSSY_ELEMENTS: usize = 64;
/// Arrays of rank 2 whose last dimension is at most this long are taken for cell bounds.
const MAX_VERTICES: usize = 4;

/// What a chunk of the dataset looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Element type.
    pub dtype: DType,
    /// Byte order in the file.
    pub order: ByteOrder,
    /// Chunk dimensions, 1 to 8.
    pub chunk: Vec<usize>,
    /// Bits of the declared fill value, in the low bytes.
    pub fill: Option<u64>,
    /// True when the elements are no numbers (text, enumerations, structures): bytes, kept losslessly.
    pub opaque: bool,
}

impl Layout {
    /// A layout, with leading dimensions folded into one where there are more than 8.
    ///
    /// # Errors
    /// When a dimension is 0 or the chunk does not stay below 4 GiB.
    pub fn new(dtype: DType, order: ByteOrder, dims: &[u64], fill: Option<u64>) -> Result<Self> {
        let total = dims.iter().try_fold(dtype.size() as u64, |n, &d| n.checked_mul(d));
        if dims.is_empty() || !total.is_some_and(|n| n > 0 && n <= u64::from(u32::MAX)) {
            return invalid(format!("a chunk of {dims:?} {dtype} is empty or not below 4 GiB"));
        }
        let (folded, kept) = dims.split_at(dims.len().saturating_sub(MAX_DIMS - 1));
        let mut chunk = Vec::with_capacity(MAX_DIMS);
        if !folded.is_empty() {
            chunk.push(folded.iter().product::<u64>() as usize);
        }
        chunk.extend(kept.iter().map(|&d| d as usize));
        Ok(Self { dtype, order, chunk, fill, opaque: false })
    }

    /// Bytes of one chunk.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.chunk.iter().product::<usize>() * self.dtype.size()
    }

    /// Must this variable keep every bit? Tools apply one filter to every variable of a file, so
    /// coordinates, cell bounds and tiny arrays come here too.
    fn wants_lossless(&self) -> bool {
        let cell_bounds = self.chunk.len() == 2 && (2..=MAX_VERTICES).contains(&self.chunk[1]);
        self.opaque || self.chunk.len() == 1 || cell_bounds || self.chunk.iter().product::<usize>() < MIN_LOSSY_ELEMENTS
    }

    fn to_words(&self) -> Vec<u32> {
        let big = u32::from(self.order == ByteOrder::Big);
        let flags = big << 8 | u32::from(self.fill.is_some()) << 9 | u32::from(self.opaque) << 10;
        let mut words = vec![self.dtype as u32 | flags | (self.chunk.len() as u32) << 16];
        words.extend(self.chunk.iter().map(|&d| d as u32));
        if let Some(bits) = self.fill {
            words.extend([bits as u32, (bits >> 32) as u32]);
        }
        words
    }

    fn from_words(words: &[u32]) -> Result<Self> {
        let damaged = || Error::InvalidArgument(format!("damaged cd_values: {words:?} does not describe a chunk"));
        let (&descriptor, rest) = words.split_first().ok_or_else(damaged)?;
        let dtype = DType::from_code((descriptor & 0xff) as u8).ok_or_else(damaged)?;
        let order = if descriptor & 0x100 == 0 { ByteOrder::Little } else { ByteOrder::Big };
        let (dims, fill) = rest.split_at_checked((descriptor >> 16) as usize).ok_or_else(damaged)?;
        let fill = match (descriptor & 0x200 != 0, fill) {
            (false, []) => None,
            (true, &[low, high]) => Some(u64::from(low) | u64::from(high) << 32),
            _ => return Err(damaged()),
        };
        if dims.len() > MAX_DIMS || descriptor & 0xf800 != 0 {
            return Err(damaged());
        }
        let dims: Vec<u64> = dims.iter().map(|&d| d.into()).collect();
        Ok(Self { opaque: descriptor & 0x400 != 0, ..Self::new(dtype, order, &dims, fill)? })
    }
}

/// `cd_values`, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Params {
    /// The words as the user gave them.
    pub user: Vec<u32>,
    /// The chunk, once `set_local` has completed the words.
    pub layout: Option<Layout>,
}

impl Params {
    /// Read either form.
    ///
    /// # Errors
    /// `InvalidArgument` when the complete form is damaged. The user's words are checked by [`config`](Self::config).
    pub fn parse(words: &[u32]) -> Result<Self> {
        let Some(rest) = words.strip_prefix(&[MAGIC]) else {
            return Ok(Self { user: words.to_vec(), layout: None });
        };
        let split = rest.split_first().and_then(|(&n, rest)| rest.split_at_checked(n as usize));
        let split = split.and_then(|(user, rest)| Some((user, rest.split_last()?.1)));
        let Some((user, layout)) = split else {
            return invalid(format!("damaged cd_values: {words:?} ends early"));
        };
        Ok(Self { user: user.to_vec(), layout: Some(Layout::from_words(layout)?) })
    }

    /// The words to store: complete when there is a layout.
    #[must_use]
    pub fn to_words(&self) -> Vec<u32> {
        let Some(layout) = &self.layout else { return self.user.clone() };
        let mut words = vec![MAGIC, self.user.len() as u32];
        words.extend(&self.user);
        words.extend(layout.to_words());
        words.push(self.config().map_or(0, |config| short(config.bound)));
        words
    }

    /// What the user asked for.
    ///
    /// # Errors
    /// When the user's words mean nothing.
    pub fn config(&self) -> Result<Config> {
        Config::from_cd_values(&widen(&self.user)?)
    }

    /// What this variable gets: [`config`](Self::config), or lossless where its layout or type calls for it.
    ///
    /// # Errors
    /// As [`config`](Self::config).
    pub fn config_for(&self, layout: &Layout) -> Result<Config> {
        let mut config = self.config()?;
        let meant_for_floats = !matches!(config.bound, Bound::MaxAbs(_) | Bound::Lossless);
        if layout.wants_lossless() || (!layout.dtype.is_float() && meant_for_floats) {
            config.bound = Bound::Lossless;
        }
        Ok(config)
    }
}

/// A bound in one word: the kind in the low 3 bits, above them an f32 without its sign and its last
/// two bits, rounded toward the stricter bound. Lossless is 0.
fn short(bound: Bound) -> u32 {
    let (kind, value) = (Config::new(bound).to_cd_values()[0], bound.value());
    if kind == 0 {
        return 0;
    }
    // Keep to normal numbers: a smaller bound is as strict as lossless, a larger one as loose as none.
    let near = (value as f32).clamp(f32::MIN_POSITIVE, f32::MAX);
    let down = near.to_bits() & !3;
    let loose = if matches!(bound, Bound::Psnr(_)) { value > unshort(down) } else { value < unshort(down) };
    let strict = match bound {
        _ if !loose => down,
        Bound::Psnr(_) => down + 4,
        _ => down - 4,
    };
    strict << 1 | kind
}

/// The value of a short word's f32.
fn unshort(bits: u32) -> f64 {
    f64::from(f32::from_bits(bits))
}

/// Tools that know only 32-bit numbers give the bound as one f32 word (nccopy: `0.01f`): make it f64,
/// by way of its shortest decimal, so that `0.1f` means 0.1. As the high word of an f64, 0 to 9 would
/// mean a number below 1e-300; there it is the effort.
fn widen(user: &[u32]) -> Result<Vec<u32>> {
    if let [word] = *user {
        let bits = unshort((word & !7) >> 1).to_bits();
        return Ok(vec![word & 7, bits as u32, (bits >> 32) as u32]);
    }
    let (kind, single, rest) = match *user {
        [kind, single] if kind != 0 => (kind, single, &[][..]),
        [kind, single, effort, ..] if kind != 0 && effort <= 9 => (kind, single, &user[2..]),
        _ => return Ok(user.to_vec()),
    };
    let value = f32::from_bits(single);
    if !value.is_normal() {
        return invalid(format!(
            "cd_values {user:?}: the bound is not a floating point number; write it as two words of an f64 \
             (nccopy: 0.5d) or one of an f32 (nccopy: 0.5f)"
        ));
    }
    let bits = value.to_string().parse::<f64>().unwrap_or(f64::from(value)).to_bits();
    let mut words = vec![kind, bits as u32, (bits >> 32) as u32];
    words.extend(rest);
    Ok(words)
}

#[cfg(test)]
mod tests;
