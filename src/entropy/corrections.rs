//! Sparse integers, mostly zero: the corrections of points that missed the bound.

use super::prob::Prob;
use super::range::Coder;
use crate::ablation::{Part, unless};

/// Elements that share one "all zero" flag.
const GROUP: usize = 16;
/// Length of the adaptive unary part of a magnitude.
const UNARY: usize = 24;

/// The models, and what the row above held.
pub(crate) struct Corrections {
    group_zero: [Prob; 9],
    nonzero: [Prob; 9],
    larger: [Prob; UNARY],
    sign: [Prob; 3],
    above_groups: Vec<u8>,
    above: Vec<i32>,
}

impl Corrections {
    /// For rows of `width`.
    pub(crate) fn new(width: usize) -> Self {
        Self {
            group_zero: [Prob::new(1 << 12, 1); 9],
            nonzero: [Prob::new(1 << 13, 1); 9],
            larger: [Prob::new(1 << 12, 1); UNARY],
            sign: [Prob::HALF; 3],
            above_groups: vec![0; width.div_ceil(GROUP)],
            above: vec![0; width],
        }
    }

    /// Code the next row; zero is the usual value.
    pub(crate) fn row<C: Coder>(&mut self, coder: &mut C, row: &mut [i32]) {
        let mut west_group = 0;
        for (g, part) in row.chunks_mut(GROUP).enumerate() {
            let east = self.above_groups.get(g + 1).copied().unwrap_or(0);
            let context = unless(Part::CorrectionGroups, 3 * west_group + self.above_groups[g] + east.min(1));
            let any = C::ENCODES && part.iter().any(|&v| v != 0);
            let any = self.group_zero[usize::from(context.min(8))].code(coder, any);
            west_group = u8::from(any);
            self.above_groups[g] = u8::from(any);
            if any {
                self.group(coder, part, g * GROUP);
            } else {
                self.above[g * GROUP..][..part.len()].fill(0);
                part.fill(0);
            }
        }
    }

    /// Code a group that is not all zero, `at` elements into its row.
    fn group<C: Coder>(&mut self, coder: &mut C, part: &mut [i32], at: usize) {
        let mut west = 0i32;
        for (v, north) in part.iter_mut().zip(&mut self.above[at..]) {
            let context = unless(Part::CorrectionNeighbours, 3 * usize::from(west != 0) + usize::from(*north != 0));
            if self.nonzero[context].code(coder, *v != 0) {
                let expected = unless(Part::CorrectionSigns, (west.signum() + north.signum()).signum());
                let negative = self.sign[(expected + 1) as usize].code(coder, *v < 0);
                let magnitude = v.unsigned_abs();
                let mut m = 1;
                while (m as usize) < UNARY && self.larger[m as usize].code(coder, magnitude > m) {
                    m += 1;
                }
                if m as usize == UNARY {
                    m += coder.raw(u64::from(magnitude.wrapping_sub(UNARY as u32)), 30) as u32;
                }
                *v = if negative { -(m as i32) } else { m as i32 };
            } else {
                *v = 0;
            }
            (west, *north) = (*v, *v);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Corrections;
    use crate::entropy::range::{Decoder, Encoder};

    #[test]
    fn sparse_integers_come_back() {
        let mut values = vec![0i32; 37 * 53];
        for (i, v) in values.iter_mut().enumerate().filter(|(i, _)| i * i % 71 == 3) {
            *v = [1, -1, 2, -40, 1_000_000][i % 5];
        }
        let original = values.clone();
        let mut e = Encoder::new();
        let mut model = Corrections::new(53);
        values.chunks_mut(53).for_each(|row| model.row(&mut e, row));
        let bytes = e.finish();
        let mut back = vec![0; values.len()];
        let (mut d, mut model) = (Decoder::new(&bytes), Corrections::new(53));
        back.chunks_mut(53).for_each(|row| model.row(&mut d, row));
        assert_eq!(back, original);
    }
}
