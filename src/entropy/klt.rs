//! Coder of the basis of a Karhunen-Loeve transform (`codec-spec/format.md`, "Outer axes"), written once for
//! both directions.

use super::prob::{Prob, exp_golomb};
use super::range::Coder;
use crate::format::klt::{Klt, MAX_KLT, Row};

/// Bins of the unary part of a magnitude.
const UNARY: usize = 12;
/// Largest magnitude: an entry of 1 at the largest exponent.
const LARGEST: u64 = 1 << Row::MAX_EXPONENT;

struct Models {
    lower: Prob,
    /// By the magnitude of the entry before and the place in the unary part.
    larger: [[Prob; UNARY]; 4],
    escape: [Prob; 16],
    /// By the sign of the entry before.
    negative: [Prob; 3],
}

/// Code the basis of an axis of `n` elements, 2 to [`MAX_KLT`].
pub(crate) fn code<C: Coder>(coder: &mut C, klt: &mut Klt, n: usize) {
    let mut models = Models {
        lower: Prob::HALF,
        larger: [[Prob::HALF; UNARY]; 4],
        escape: [Prob::HALF; 16],
        negative: [Prob::HALF; 3],
    };
    let count = coder.raw((klt.rows.len() as u64).wrapping_sub(1), 8) as usize + 1;
    klt.rows.resize(count.min(n).min(MAX_KLT), Row::default());
    let mut exponent = Row::MAX_EXPONENT;
    for row in &mut klt.rows {
        while exponent > 0 && models.lower.code(coder, exponent > row.exponent) {
            exponent -= 1;
        }
        row.exponent = exponent;
        row.q.resize(n, 0);
        models.row(coder, row, n);
    }
}

impl Models {
    fn row<C: Coder>(&mut self, coder: &mut C, row: &mut Row, n: usize) {
        // An entry of an average size, 1 / sqrt(n), has a quotient of 1 to 2.
        let low = u32::from(row.exponent).saturating_sub(n.ilog2().div_ceil(2));
        let mut before = 0i32;
        for q in &mut row.q {
            let magnitude = u64::from(q.unsigned_abs()).min(LARGEST);
            let larger = &mut self.larger[((before.unsigned_abs() >> low) as usize).min(3)];
            let mut quotient = 0;
            while quotient < UNARY && larger[quotient].code(coder, (magnitude >> low) as usize > quotient) {
                quotient += 1;
            }
            let mut decoded = quotient as u64;
            if quotient == UNARY {
                decoded += exp_golomb(coder, &mut self.escape, (magnitude >> low).wrapping_sub(UNARY as u64));
            }
            let bits = coder.raw(magnitude & ((1 << low) - 1), low);
            let magnitude = (decoded.min(LARGEST) << low | bits).min(LARGEST) as i32;
            let sign = &mut self.negative[(before.signum() + 1) as usize];
            *q = if magnitude != 0 && sign.code(coder, *q < 0) { -magnitude } else { magnitude };
            before = *q;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::range::{Decoder, Encoder};

    #[test]
    fn a_basis_comes_back() {
        for n in [2usize, 3, 37, 256] {
            let mut klt = Klt::default();
            for k in 0..n {
                let exponent = 15 - (15 * k / n) as u8;
                let entry = |i: usize| (((i * 7919 + k * 104_729) % 2001) as f64 / 1000.0 - 1.0) / (n as f64).sqrt();
                let q = (0..n).map(|i| (entry(i) * f64::from(1u32 << exponent)).round() as i32).collect();
                klt.rows.push(Row { exponent, q });
            }
            klt.rows[0].q[1] = 1 << 15;
            let mut encoder = Encoder::new();
            code(&mut encoder, &mut klt.clone(), n);
            let bytes = encoder.finish();
            let mut back = Klt::default();
            code(&mut Decoder::new(&bytes), &mut back, n);
            assert_eq!(back, klt);
        }
    }

    #[test]
    fn noise_makes_a_basis_of_bounded_size() {
        let noise: Vec<u8> = (0..4000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for start in 0..50 {
            let mut klt = Klt::default();
            code(&mut Decoder::new(&noise[start..]), &mut klt, 9);
            assert!(klt.rows.len() <= 9 && klt.rows.iter().all(|r| r.q.len() == 9));
            assert!(klt.rows.iter().flat_map(|r| &r.q).all(|q| u64::from(q.unsigned_abs()) <= LARGEST));
        }
    }
}
