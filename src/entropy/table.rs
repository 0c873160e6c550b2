//! Coding of a table of values: ordinals, each once, in order.

use super::prob::Prob;
use super::range::Coder;

/// Most values of a table.
pub(crate) const MOST_VALUES: usize = 1 << 14;

/// Bits of a number, and of those below the first as many as have a model.
const SIZES: usize = 65;
const MODELLED: u32 = 3;

/// Code ordinals; the first of them is known. The others are coded by how the distance from one to the next changes.
pub(crate) fn code<C: Coder>(coder: &mut C, ordinals: &mut [i64]) {
    let mut sizes = vec![[Prob::HALF; SIZES]; SIZES];
    let mut digits = vec![[Prob::HALF; 1 << MODELLED]; SIZES];
    let mut minus = Prob::HALF;
    let (mut distance, mut last) = (0i64, 0);
    for i in 1..ordinals.len() {
        let change = ordinals[i].wrapping_sub(ordinals[i - 1]).wrapping_sub(distance);
        let magnitude = change.unsigned_abs();
        let wanted = (64 - magnitude.leading_zeros()) as usize;
        let mut size = 0;
        while size < SIZES - 1 && sizes[last][size].code(coder, wanted > size) {
            size += 1;
        }
        last = size;
        let mut value = u64::from(size > 0);
        for below in (0..size.saturating_sub(1) as u32).rev() {
            let depth = size as u32 - 2 - below;
            let bit = magnitude >> below & 1;
            // The first few digits are their own context.
            let bit = if depth < MODELLED {
                u64::from(digits[size - 1][value as usize].code(coder, bit != 0))
            } else {
                coder.raw(bit, 1)
            };
            value = value << 1 | bit;
        }
        let change =
            if size > 0 && minus.code(coder, change < 0) { (value as i64).wrapping_neg() } else { value as i64 };
        distance = distance.wrapping_add(change);
        ordinals[i] = ordinals[i - 1].wrapping_add(distance);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::range::{Decoder, Encoder};

    fn round_trip(ordinals: &[i64]) -> usize {
        let mut e = Encoder::new();
        code(&mut e, &mut ordinals.to_vec());
        let bytes = e.finish();
        let mut out = vec![0; ordinals.len()];
        out[..1].copy_from_slice(&ordinals[..1]);
        code(&mut Decoder::new(&bytes), &mut out);
        assert_eq!(out, ordinals);
        bytes.len()
    }

    #[test]
    fn tables_come_back() {
        round_trip(&[7]);
        round_trip(&[i64::MIN, -1, 0, i64::MAX]);
        round_trip(&[i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX]);
        let noise: Vec<i64> = (0..300i64).map(|i| i * 1_000_003 + (i * i * 7919) % 65_537).collect();
        round_trip(&noise);
        // Temperatures of a sensor's counts.
        let smooth: Vec<i64> = (0..700).map(|i| (1e6 * (200.0 + f64::from(i)).ln()) as i64).collect();
        let size = round_trip(&smooth);
        assert!(size < 400, "{size}");
    }
}
