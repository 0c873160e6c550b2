//! Sparse integers in compressed rows, simply coded: for each row how many, the columns as gaps, the values.

use super::prob::{Prob, exp_golomb};
use super::range::Coder;

/// Largest magnitude: whole numbers up to it are exact in f32.
pub(crate) const LARGEST: u32 = (1 << 24) - 1;

/// The models.
pub(crate) struct Sparse {
    counts: [Prob; 40],
    gaps: [Prob; 40],
    magnitudes: [Prob; 40],
}

impl Sparse {
    pub(crate) const fn new() -> Self {
        Self { counts: [Prob::HALF; 40], gaps: [Prob::HALF; 40], magnitudes: [Prob::HALF; 40] }
    }

    /// Code the next row of `width`: its columns, ascending, with values that are not 0. What a decoder makes of damaged
    /// bytes is held to the row.
    pub(crate) fn row<C: Coder>(&mut self, coder: &mut C, width: usize, entries: &mut Vec<(u32, i32)>) {
        let count = exp_golomb(coder, &mut self.counts, entries.len() as u64).min(width as u64) as usize;
        if !C::ENCODES {
            entries.clear();
        }
        let mut next = 0u64;
        for k in 0..count {
            let (column, value) = entries.get(k).copied().unwrap_or((0, 1));
            let gap = exp_golomb(coder, &mut self.gaps, u64::from(column).saturating_sub(next));
            let magnitude = exp_golomb(coder, &mut self.magnitudes, u64::from(value.unsigned_abs().max(1) - 1));
            let negative = coder.raw(u64::from(value < 0), 1) == 1;
            let column = next.saturating_add(gap);
            if !C::ENCODES {
                if column >= width as u64 {
                    return;
                }
                let magnitude = (magnitude.min(u64::from(LARGEST) - 1) + 1) as i32;
                entries.push((column as u32, if negative { -magnitude } else { magnitude }));
            }
            next = column + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::range::{Decoder, Encoder};

    #[test]
    fn rows_come_back() {
        let largest = LARGEST as i32;
        let rows = [vec![], vec![(0, 1), (1, -1), (99, 7)], vec![(50, largest)], vec![], vec![(98, -largest), (99, 2)]];
        let (mut encoder, mut model) = (Encoder::new(), Sparse::new());
        rows.iter().for_each(|r| model.row(&mut encoder, 100, &mut r.clone()));
        let bytes = encoder.finish();
        let (mut decoder, mut model) = (Decoder::new(&bytes), Sparse::new());
        for row in &rows {
            let mut back = vec![(3, 3)];
            model.row(&mut decoder, 100, &mut back);
            assert_eq!(back, *row);
        }
    }

    #[test]
    fn noise_stays_in_its_row() {
        for byte in [0, 0x12, 0x7f, 0xff] {
            let noise = vec![byte; 500];
            let (mut decoder, mut model) = (Decoder::new(&noise), Sparse::new());
            let mut row = Vec::new();
            for _ in 0..50 {
                model.row(&mut decoder, 10, &mut row);
                assert!(row.len() <= 10 && row.windows(2).all(|w| w[0].0 < w[1].0));
                assert!(row.iter().all(|&(x, v)| x < 10 && v != 0 && v.unsigned_abs() <= LARGEST));
            }
        }
    }
}
