//! Sparse integers, mostly zero: the corrections of points that missed the bound.

use super::mixer::Prob;
use super::range::Coder;

/// Elements that share one "all zero" flag.
const GROUP: usize = 16;
/// Length of the adaptive unary part of a magnitude.
const UNARY: usize = 24;

/// Code rows of `width` integers; zero is the usual value.
pub(crate) fn code<C: Coder>(coder: &mut C, values: &mut [i32], width: usize) {
    let groups = width.div_ceil(GROUP);
    let mut group_zero = [Prob::new(1 << 12, 1); 9];
    let mut nonzero = [Prob::new(1 << 13, 1); 9];
    let mut larger = [Prob::new(1 << 12, 1); UNARY];
    let mut sign = [Prob::HALF; 3];
    let mut above_groups = vec![0u8; groups];
    let mut above = vec![0i32; width];
    for row in values.chunks_mut(width) {
        let mut west_group = 0;
        for (g, part) in row.chunks_mut(GROUP).enumerate() {
            let east = above_groups.get(g + 1).copied().unwrap_or(0);
            let context = 3 * west_group + above_groups[g] + east.min(1);
            let any = C::ENCODES && part.iter().any(|&v| v != 0);
            let any = group_zero[usize::from(context.min(8))].code(coder, any);
            west_group = u8::from(any);
            above_groups[g] = u8::from(any);
            let above = &mut above[g * GROUP..][..part.len()];
            if !any {
                above.fill(0);
                continue;
            }
            let mut west = 0i32;
            for (v, north) in part.iter_mut().zip(above) {
                let context = 3 * usize::from(west != 0) + usize::from(*north != 0);
                if nonzero[context].code(coder, *v != 0) {
                    let expected = (west.signum() + north.signum()).signum();
                    let negative = sign[(expected + 1) as usize].code(coder, *v < 0);
                    let magnitude = v.unsigned_abs();
                    let mut m = 1;
                    while (m as usize) < UNARY && larger[m as usize].code(coder, magnitude > m) {
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
}

#[cfg(test)]
mod tests {
    use crate::entropy::range::{Decoder, Encoder};

    #[test]
    fn sparse_integers_come_back() {
        let mut values = vec![0i32; 37 * 53];
        for (i, v) in values.iter_mut().enumerate().filter(|(i, _)| i * i % 71 == 3) {
            *v = [1, -1, 2, -40, 1_000_000][i % 5];
        }
        let original = values.clone();
        let mut e = Encoder::new();
        super::code(&mut e, &mut values, 53);
        let bytes = e.finish();
        let mut back = vec![0; values.len()];
        super::code(&mut Decoder::new(&bytes), &mut back, 53);
        assert_eq!(back, original);
    }
}
