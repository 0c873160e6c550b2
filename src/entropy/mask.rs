//! Coding of the classes of elements: which are NaN, infinite or the fill value.

use super::prob::Prob;
use super::range::Coder;
use crate::ablation::{Part, unless, without};
use crate::format::Geometry;

/// Code the classes (0 to 7) of an array row by row; a row like the one above, or like the same row
/// in the slice before, costs one flag.
pub(crate) fn code<C: Coder>(coder: &mut C, classes: &mut [u8], geometry: &Geometry) {
    let (width, height) = (geometry.width, geometry.height);
    let mut copies = [Prob::HALF; 9];
    let mut west_models = [Prob::HALF; 64];
    let mut north_models = [Prob::HALF; 8];
    let mut symbols = [Prob::HALF; 8];
    let zeros = vec![0; width];
    let mut history = 0;
    for r in 0..classes.len() / width {
        let (done, rest) = classes.split_at_mut(r * width);
        let row = &mut rest[..width];
        let above = r.checked_sub(1).map(|a| &done[a * width..]).filter(|_| r % height > 0);
        let before = r.checked_sub(height).map(|b| &done[b * width..][..width]);
        let north = above.or(before).unwrap_or(&zeros);
        // Flags: like the row above; if not, like the row in the slice before.
        let like = |flag: &mut Prob, coder: &mut C, row: &mut [u8], other: &[u8]| {
            let same = !without(Part::MaskRows) && flag.code(coder, C::ENCODES && *row == *other);
            if same {
                row.copy_from_slice(other);
            }
            same
        };
        if like(&mut copies[history], coder, row, north) {
            history = 0;
            continue;
        }
        if let Some(before) = before.filter(|_| above.is_some())
            && like(&mut copies[3 + history], coder, row, before)
        {
            history = 1;
            continue;
        }
        history = 2;
        let before = before.unwrap_or(north);
        for x in 0..width {
            let west = if x > 0 { row[x - 1] } else { north[0] };
            let east = (x + 1).min(width - 1);
            let context = usize::from(north[x] == west)
                | usize::from(x > 0 && north[x - 1] == west) << 1
                | usize::from(north[east] == west) << 2
                | usize::from(before[x] == west) << 3
                | usize::from(before[east] == west) << 4
                | usize::from(x > 1 && row[x - 2] == west) << 5;
            row[x] = if west_models[unless(Part::MaskNeighbours, context)].code(coder, row[x] == west) {
                west
            } else if north[x] != west && north_models[usize::from(west & 7)].code(coder, row[x] == north[x]) {
                north[x]
            } else {
                let mut symbol = 1usize;
                for bit in (0..3).rev() {
                    symbol = symbol << 1 | usize::from(symbols[symbol].code(coder, row[x] >> bit & 1 != 0));
                }
                symbol as u8 & 7
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::range::{Decoder, Encoder};

    fn round_trip(classes: &[u8], geometry: &Geometry) -> usize {
        let mut e = Encoder::new();
        code(&mut e, &mut classes.to_vec(), geometry);
        let bytes = e.finish();
        let mut out = vec![7; classes.len()];
        code(&mut Decoder::new(&bytes), &mut out, geometry);
        assert_eq!(out, classes);
        bytes.len()
    }

    #[test]
    fn masks_come_back_small() {
        let g = Geometry::new(&[3, 90, 180], true);
        let disc = |i: usize| {
            let (y, x) = ((i / 180 % 90) as i32 - 40, (i % 180) as i32 - 70);
            u8::from(x * x + y * y < 900)
        };
        let land: Vec<u8> = (0..3 * 90 * 180).map(disc).collect();
        let size = round_trip(&land, &g);
        assert!(size < 120, "{size}");
        let noise: Vec<u8> =
            (0..3 * 90 * 180u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 61) as u8 % 5).collect();
        round_trip(&noise, &g);
        round_trip(&[4], &Geometry::new(&[1], false));
        assert!(round_trip(&[1; 1000], &Geometry::new(&[1000], false)) < 30);
    }
}
