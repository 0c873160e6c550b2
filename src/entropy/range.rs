//! Binary range coder: 64-bit state, 16-bit probabilities, 32-bit renormalisation; and bits at even odds that are kept apart from it, at the
//! end of a stream (as the raw bits of Opus, RFC 6716, 4.1.4).
//!
//! Models are written once, generic over [`Coder`]: the encoder passes the value in and gets it
//! back, the decoder ignores what is passed and returns what the stream says.

use super::symbol::{SYMBOLS, interval};
use wide::u16x8;

/// Bits of a probability.
pub(crate) const PROB_BITS: u32 = 16;

/// One side of the range coder.
pub(crate) trait Coder {
    /// True on the encoding side.
    const ENCODES: bool;
    /// Bytes that are still to be read.
    fn ahead(&self) -> usize {
        0
    }
    /// Code one bit; `p1` is the probability of a 1 in 1..65536, of 65536.
    fn bit(&mut self, bit: bool, p1: u32) -> bool;
    /// Code a symbol of 0..8, given 65536 P(symbol > i) in falling lanes; the last is 0.
    fn symbol8(&mut self, symbol: usize, above: &u16x8) -> usize;
    /// Code a bit at even odds if `coded`, else nothing: false.
    fn even(&mut self, bit: bool, coded: bool) -> bool;
    /// Code the low `count` (0 to 64) bits of `value` at even odds, high bits first.
    fn raw(&mut self, value: u64, count: u32) -> u64;
    /// Keep the low `count` (0 to 56) bits of `value`, at even odds, apart from all else: at the end of the stream, where they are
    /// read without arithmetic.
    fn apart(&mut self, value: u64, count: u32) -> u64;
    /// Code a symbol of `N`; `ends[i]`, of 32768, is the probability of symbols up to `i`, more than that of those before. `find` counts the
    /// ends that are at most its argument.
    fn symbol<const N: usize>(&mut self, ends: &[u16; N], symbol: usize, find: impl Fn(u16) -> usize) -> usize;
}

/// Writes bits.
pub(crate) struct Encoder {
    low: u64,
    range: u64,
    out: Vec<u8>,
    apart: Apart,
}

/// Bits kept apart, the first ones lowest: whole words of 32, and fewer bits that are not one yet.
struct Apart {
    bytes: Vec<u8>,
    bits: u64,
    count: u32,
}

impl Apart {
    /// At most 32 bits.
    #[inline(always)]
    fn put(&mut self, value: u64, count: u32) {
        self.bits |= value << self.count;
        self.count += count;
        if self.count >= 32 {
            self.bytes.extend_from_slice(&(self.bits as u32).to_le_bytes());
            self.bits >>= 32;
            self.count -= 32;
        }
    }
}

impl Encoder {
    pub(crate) const fn new() -> Self {
        Self { low: 0, range: u64::MAX, out: Vec::new(), apart: Apart { bytes: Vec::new(), bits: 0, count: 0 } }
    }

    /// Bytes written so far.
    pub(crate) fn len(&self) -> usize {
        self.out.len() + self.apart.bytes.len()
    }

    #[inline]
    fn add(&mut self, delta: u64) {
        let (low, over) = self.low.overflowing_add(delta);
        self.low = low;
        if over {
            carry(&mut self.out);
        }
    }

    #[inline(always)]
    fn renormalise(&mut self) {
        while self.range < 1 << 32 {
            self.out.extend_from_slice(&((self.low >> 32) as u32).to_be_bytes());
            self.low <<= 32;
            self.range <<= 32;
        }
    }

    /// The bytes, as few as decode the same.
    pub(crate) fn finish(self) -> Vec<u8> {
        if self.apart.bytes.is_empty() && self.apart.count == 0 {
            return self.end();
        }
        let Self { low, range, mut out, apart: Apart { bytes: mut apart, bits, count } } = self;
        apart.extend_from_slice(&bits.to_le_bytes()[..count.div_ceil(8) as usize]);
        apart.reverse();
        // The decoder reads on in the bits kept apart: of the numbers in low .. low + range that end as these begin the one that has the
        // fewest bits before them, some of which their first byte has room for.
        let room = count.wrapping_neg() % 8;
        let mut first = [0; 8];
        first.iter_mut().zip(&apart).for_each(|(f, &b)| *f = b);
        let (low, first) = (u128::from(low), u128::from(u64::from_be_bytes(first)));
        for before in 0..=8 {
            let rest = first >> (8 * before);
            let zeros = (64 - 8 * before as u32).saturating_sub(room);
            let number = (low.saturating_sub(rest).div_ceil(1 << zeros) << zeros) + rest;
            if number < low + u128::from(range) {
                if number >> 64 != 0 {
                    carry(&mut out);
                }
                let number = (number as u64).to_be_bytes();
                out.extend_from_slice(&number[..before]);
                if let Some(&shared) = number.get(before) {
                    apart[0] = shared;
                }
                break;
            }
        }
        out.append(&mut apart);
        out
    }

    /// The bytes where nothing follows; the decoder reads zeros past the end.
    fn end(mut self) -> Vec<u8> {
        // Of the numbers in low .. low + range, the one with the most trailing zero bits.
        let keep = self.range.leading_zeros() + 1;
        let mask = u64::MAX.checked_shr(keep).unwrap_or(0);
        let rounded = self.low.checked_add(mask).map(|v| v & !mask);
        match rounded {
            Some(v) => self.low = v,
            None => {
                let delta = self.low.wrapping_neg();
                self.add(delta);
            }
        }
        self.out.extend_from_slice(&self.low.to_be_bytes());
        while self.out.last() == Some(&0) {
            self.out.pop();
        }
        self.out
    }
}

/// Add 1 to what has been written.
fn carry(out: &mut [u8]) {
    for b in out.iter_mut().rev() {
        *b = b.wrapping_add(1);
        if *b != 0 {
            break;
        }
    }
}

impl Coder for Encoder {
    const ENCODES: bool = true;

    #[inline(always)]
    fn bit(&mut self, bit: bool, p1: u32) -> bool {
        debug_assert!(p1 > 0 && p1 < 1 << PROB_BITS);
        let bound = (self.range >> PROB_BITS) * u64::from(p1);
        if bit {
            self.range = bound;
        } else {
            self.add(bound);
            self.range -= bound;
        }
        self.renormalise();
        bit
    }

    #[inline(always)]
    fn symbol8(&mut self, symbol: usize, above: &u16x8) -> usize {
        let unit = self.range >> PROB_BITS;
        let (lower, share) = interval(above, symbol);
        debug_assert!(share > 0 && lower + share <= 1 << PROB_BITS);
        self.add(unit * u64::from(lower));
        self.range = unit * u64::from(share);
        self.renormalise();
        symbol
    }

    #[inline(always)]
    fn even(&mut self, bit: bool, coded: bool) -> bool {
        self.range >>= u32::from(coded);
        self.add(if bit && coded { self.range } else { 0 });
        self.renormalise();
        bit && coded
    }

    #[inline]
    fn raw(&mut self, value: u64, count: u32) -> u64 {
        let mut left = count;
        while left > 0 {
            let n = left.min(16);
            left -= n;
            let part = (value >> left) & ((1 << n) - 1);
            self.range >>= n;
            self.add(self.range * part);
            self.renormalise();
        }
        value
    }

    #[inline(always)]
    fn apart(&mut self, value: u64, count: u32) -> u64 {
        debug_assert!(count <= 56 && value >> count == 0);
        let low = count.min(32);
        self.apart.put(value & ((1 << low) - 1), low);
        if count > 32 {
            self.apart.put(value >> 32, count - 32);
        }
        value
    }

    #[inline(always)]
    fn symbol<const N: usize>(&mut self, ends: &[u16; N], symbol: usize, _: impl Fn(u16) -> usize) -> usize {
        let start = if symbol > 0 { ends[symbol - 1] } else { 0 };
        let unit = self.range >> 15;
        self.add(unit * u64::from(start));
        self.range = unit * u64::from(ends[symbol] - start);
        self.renormalise();
        symbol
    }
}

/// Reads bits. Past the end of its input it reads zeros; it never fails.
///
/// Two threads that write to one cache line wait for each other, so decoders that lie side by side are kept apart.
#[repr(align(128))]
pub(crate) struct Decoder<'a> {
    /// Distance of the stream's number from the low end of the interval.
    code: u64,
    range: u64,
    input: &'a [u8],
    read: usize,
    /// All of the stream, and how many bits kept apart, at its end, have been read.
    all: &'a [u8],
    apart: usize,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        let mut d = Self { code: 0, range: u64::MAX, input, read: 0, all: input, apart: 0 };
        d.code = d.word() << 32 | d.word();
        d
    }

    /// Bytes asked for so far, those past the end included. What was decoded depends on no byte after them.
    pub(crate) fn read(&self) -> usize {
        // Bits kept apart are at the very end.
        if self.apart > 0 { self.read.max(self.all.len()) } else { self.read }
    }

    #[inline(always)]
    fn word(&mut self) -> u64 {
        self.read = self.read.saturating_add(4);
        if let Some((word, rest)) = self.input.split_first_chunk::<4>() {
            self.input = rest;
            return u32::from_be_bytes(*word).into();
        }
        let mut word = [0; 4];
        for (w, &b) in word.iter_mut().zip(self.input) {
            *w = b;
        }
        self.input = &[];
        u32::from_be_bytes(word).into()
    }

    /// Up to 16 bits at even odds.
    #[inline(always)]
    fn few(&mut self, count: u32) -> u64 {
        self.range >>= count;
        // A damaged stream may hold a number outside the interval: stay inside it.
        let value = (self.code / self.range).min((1 << count) - 1);
        self.code -= self.range * value;
        self.renormalise();
        value
    }

    /// The bits before the last 16 or fewer of so many, and how many those are.
    #[cold]
    fn many(&mut self, count: u32) -> (u64, u32) {
        let (mut value, mut left) = (0, count);
        while left > 16 {
            value = value << 16 | self.few(16);
            left -= 16;
        }
        (value, left)
    }

    /// The first `end` bytes, fewer than 8, the last one lowest.
    #[cold]
    fn first(&self, end: usize) -> u64 {
        self.all[..end].iter().fold(0, |word, &byte| word << 8 | u64::from(byte))
    }

    #[inline(always)]
    fn renormalise(&mut self) {
        while self.range < 1 << 32 {
            self.code = self.code << 32 | self.word();
            self.range <<= 32;
        }
    }
}

impl Coder for Decoder<'_> {
    const ENCODES: bool = false;

    fn ahead(&self) -> usize {
        self.input.len().saturating_sub(self.read)
    }

    #[inline(always)]
    fn bit(&mut self, _: bool, p1: u32) -> bool {
        let bound = (self.range >> PROB_BITS) * u64::from(p1);
        let bit = self.code < bound;
        // Selections, not branches: the bit cannot be foretold.
        self.code -= if bit { 0 } else { bound };
        self.range = if bit { bound } else { self.range - bound };
        self.renormalise();
        bit
    }

    #[inline(always)]
    fn symbol8(&mut self, _: usize, above: &u16x8) -> usize {
        let unit = self.range >> PROB_BITS;
        let slot = u16x8::splat((self.code / unit).min(65_535) as u16);
        // The last lane is 0.
        let not_above = above.saturating_sub(slot).simd_eq(u16x8::ZERO).to_bitmask();
        let symbol = not_above.trailing_zeros() as usize % SYMBOLS;
        let (lower, share) = interval(above, symbol);
        self.code -= unit * u64::from(lower);
        self.range = unit * u64::from(share);
        self.renormalise();
        symbol
    }

    #[inline(always)]
    fn even(&mut self, _: bool, coded: bool) -> bool {
        // No branch: whether there is a bit cannot be foretold.
        self.range >>= u32::from(coded);
        let bit = coded & (self.code >= self.range);
        self.code -= if bit { self.range } else { 0 };
        self.renormalise();
        bit
    }

    #[inline(always)]
    fn raw(&mut self, _: u64, count: u32) -> u64 {
        let mut value = 0;
        let mut left = count;
        if left > 16 {
            (value, left) = self.many(left);
        }
        if left > 0 { value << left | self.few(left) } else { value }
    }

    #[inline(always)]
    fn apart(&mut self, _: u64, count: u32) -> u64 {
        let end = self.all.len().saturating_sub(self.apart / 8);
        let word = self.all[..end].last_chunk().map_or_else(|| self.first(end), |&word| u64::from_be_bytes(word));
        let value = word >> (self.apart % 8) & ((1 << count) - 1);
        self.apart = self.apart.saturating_add(count as usize);
        value
    }

    #[inline(always)]
    fn symbol<const N: usize>(&mut self, ends: &[u16; N], _: usize, find: impl Fn(u16) -> usize) -> usize {
        let unit = self.range >> 15;
        let slot = (self.code / unit).min(32_767) as u16;
        let s = find(slot) % N;
        let start = if s > 0 { ends[s - 1] } else { 0 };
        self.code -= unit * u64::from(start);
        self.range = unit * u64::from(ends[s] - start);
        self.renormalise();
        s
    }
}

/// Counts what coding would cost, in units of 2^-16 bit, and keeps nothing.
#[derive(Default)]
pub(crate) struct Counter(pub(crate) u64);

impl Counter {
    /// Whole bytes counted.
    pub(crate) const fn bytes(&self) -> u64 {
        self.0 >> 19
    }
}

impl Coder for Counter {
    const ENCODES: bool = true;

    #[inline(always)]
    fn bit(&mut self, bit: bool, p1: u32) -> bool {
        let p = if bit { p1 } else { (1 << PROB_BITS) - p1 };
        self.0 += u64::from(super::prob::cost(p));
        bit
    }

    #[inline(always)]
    fn symbol8(&mut self, symbol: usize, above: &u16x8) -> usize {
        self.0 += u64::from(super::prob::cost(interval(above, symbol).1.min(65_535)));
        symbol
    }

    #[inline(always)]
    fn even(&mut self, bit: bool, coded: bool) -> bool {
        self.0 += u64::from(coded) << 16;
        bit && coded
    }

    #[inline]
    fn raw(&mut self, value: u64, count: u32) -> u64 {
        self.0 += u64::from(count) << 16;
        value
    }

    #[inline(always)]
    fn apart(&mut self, value: u64, count: u32) -> u64 {
        self.raw(value, count)
    }

    #[inline(always)]
    fn symbol<const N: usize>(&mut self, ends: &[u16; N], symbol: usize, _: impl Fn(u16) -> usize) -> usize {
        let p = ends[symbol] - if symbol > 0 { ends[symbol - 1] } else { 0 };
        self.0 += u64::from(super::prob::cost(u32::from(p) << 1));
        symbol
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(state: &mut u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *state >> 20
    }

    #[test]
    fn bits_come_back() {
        for seed in 0..200 {
            let mut s = seed;
            let n = random(&mut s) % 300;
            let items: Vec<(bool, u32, u64, u32)> = (0..n)
                .map(|_| {
                    let p = match random(&mut s) % 3 {
                        0 => 1,
                        1 => 65_535,
                        _ => 1 + (random(&mut s) % 65_535) as u32,
                    };
                    let count = (random(&mut s) % 65) as u32;
                    let value = random(&mut s).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    (random(&mut s) % 2 == 1, p, value & u64::MAX.checked_shr(64 - count).unwrap_or(0), count)
                })
                .collect();
            for apart in [false, true] {
                let mut e = Encoder::new();
                for &(b, p, v, c) in &items {
                    e.bit(b, p);
                    e.raw(v, c);
                    if apart {
                        e.apart(v & ((1 << c.min(56)) - 1), c.min(56));
                    }
                }
                let bytes = e.finish();
                let mut d = Decoder::new(&bytes);
                for &(b, p, v, c) in &items {
                    assert_eq!(d.bit(false, p), b);
                    assert_eq!(d.raw(0, c), v);
                    if apart {
                        assert_eq!(d.apart(0, c.min(56)), v & ((1 << c.min(56)) - 1));
                    }
                }
            }
        }
    }

    #[test]
    fn likely_bits_are_almost_free() {
        let mut e = Encoder::new();
        for _ in 0..1_000_000 {
            e.bit(false, 1);
        }
        assert!(e.finish().len() <= 4);
        assert!(Encoder::new().finish().is_empty());
    }
}
