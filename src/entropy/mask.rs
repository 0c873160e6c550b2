//! Coding of the classes of elements: which are NaN, infinite or the fill value.

use super::logistic::Logistic;
use super::prob::{Prob, Seldom};
use super::range::Coder;
use crate::ablation::{Part, unless, without};
use crate::format::Geometry;

/// Code the classes (0 to 7) of an array row by row; a row like the one above, or like the same row
/// in the slice before, costs one flag.
pub(crate) fn code<C: Coder>(coder: &mut C, classes: &mut [u8], geometry: &Geometry) {
    let (width, height) = (geometry.width, geometry.height);
    let mut copies = [Prob::HALF; 15];
    let mut names = Names::new(coder, classes);
    let (mut plane, mut volume) = (Models::new(1 << 15), Models::new(1 << 13));
    let zeros = vec![0; width];
    let mut history = 0;
    for r in 0..classes.len() / width {
        let y = r % height;
        let (done, rest) = classes.split_at_mut(r * width);
        let row = &mut rest[..width];
        let slice_row = |r: usize| &done[r * width..][..width];
        let above = (y > 0).then(|| slice_row(r - 1));
        let before = r.checked_sub(height).map(slice_row);
        let north = above.or(before).unwrap_or(&zeros);
        let upper = r.checked_sub(height + 1).filter(|_| y > 0).map(slice_row);
        // Flags: like the row above; if not, like the row in the slice before. Both by whether that held one slice or one row before.
        let like = |flag: &mut Prob, coder: &mut C, row: &mut [u8], other: &[u8]| {
            let same = !without(Part::MaskRows) && flag.code(coder, C::ENCODES && *row == *other);
            if same {
                row.copy_from_slice(other);
            }
            same
        };
        let held = upper.map_or(0, |upper| 1 + usize::from(before == Some(upper)));
        if like(&mut copies[3 * held + history], coder, row, north) {
            history = 0;
            continue;
        }
        if let (Some(before), Some(upper)) = (before, upper)
            && like(&mut copies[9 + 3 * usize::from(north == upper) + history], coder, row, before)
        {
            history = 1;
            continue;
        }
        history = 2;
        let near = Near {
            north,
            far: if y > 1 { slice_row(r - 2) } else { north },
            before: before.map_or([north; 3], |same| {
                let below = if y + 1 < height { slice_row(r - height + 1) } else { same };
                [upper.unwrap_or(same), same, below]
            }),
        };
        if before.is_some() && !without(Part::MaskSlice) {
            volume.row::<C, true>(coder, row, &near, &mut names);
        } else {
            plane.row::<C, false>(coder, row, &near, &mut names);
        }
    }
}

/// Rows that a row is coded with.
struct Near<'a> {
    north: &'a [u8],
    /// The row above `north`.
    far: &'a [u8],
    /// Of the slice before: the row above, the same row and the one below.
    before: [&'a [u8]; 3],
}

/// Whether an element differs from the one west of it: is masked and that is not, or is not and that is. Rows with a slice before have
/// models of their own.
struct Models {
    /// Where all that are near are like the one west, by that.
    quiet: [Seldom; 2],
    /// By those that differ from the one west: the nearest of the slice, others, and all.
    nearest: [Prob; 256],
    others: [Prob; 1024],
    all: Vec<Prob>,
    mixed: Logistic<3>,
}

impl Models {
    /// `patterns`: how many there are of all elements that are near.
    fn new(patterns: usize) -> Self {
        Self {
            quiet: [Seldom::NEW; 2],
            nearest: [Prob::HALF; 256],
            others: [Prob::HALF; 1024],
            all: vec![Prob::HALF; patterns],
            mixed: Logistic::new(),
        }
    }

    fn row<C: Coder, const BEFORE: bool>(&mut self, coder: &mut C, row: &mut [u8], near: &Near<'_>, names: &mut Names) {
        // Bits of masked elements, the easternmost lowest: of `north` up to four to the east, of `far` and the slice before up to two.
        let start = |row: &[u8], ahead: usize| (0..ahead).fold(repeat(row[0]), |bits, x| bits << 1 | masked(row, x));
        let mut north = start(near.north, 4);
        let mut far = start(near.far, 2);
        let [above, same, below] = near.before;
        let mut before = start(same, 2);
        let mut here = repeat(near.north[0]);
        for x in 0..row.len() {
            north = north << 1 | masked(near.north, x + 4);
            far = far << 1 | masked(near.far, x + 2);
            let west = here & 1;
            let flip = west.wrapping_neg();
            let w = (here >> 1 ^ flip) & 7;
            let n = (north ^ flip) & 255;
            let f = (far ^ flip) & 15;
            before = before << 1 | masked(same, x + 2);
            let b = masked(above, x) << 5 | masked(below, x) << 4 | before & 15;
            let b = if BEFORE { (b ^ flip) & 63 } else { 0 };
            let differs = masked(row, x) != west;
            let differs = if n | f | w | b == 0 {
                self.quiet[west].code(coder, differs)
            } else {
                let nearest = n >> 2 & 31 | (w & 1) << 5 | (f >> 2 & 1) << 6;
                let others = if BEFORE { n >> 3 & 7 | b << 3 } else { n & 63 | (f >> 1 & 1) << 6 };
                let all = if BEFORE { nearest | b << 7 } else { n | f << 8 | w << 12 };
                let [nearest, others, all] =
                    [nearest << 1 | west, others << 1 | west, all].map(|c| unless(Part::MaskNeighbours, c));
                let models = [&mut self.nearest[nearest], &mut self.others[others], &mut self.all[all]];
                self.mixed.code(models, coder, differs)
            };
            here = here << 1 | (west ^ usize::from(differs));
            row[x] = if here & 1 == 0 { 0 } else { names.code(coder, row, x, near) };
        }
    }
}

/// The classes of masked elements.
struct Names {
    /// Bit c: class c is there.
    present: u32,
    /// Whether one is not that of its neighbour, by that; what it is then.
    other: [Seldom; 8],
    tree: [Prob; 8],
}

impl Names {
    /// Classes 1 to 7 that are there.
    fn new<C: Coder>(coder: &mut C, classes: &[u8]) -> Self {
        let present = if C::ENCODES { classes.iter().fold(0, |set, &c| set | 1 << (c & 7)) >> 1 } else { 0 };
        Self { present: (coder.raw(present, 7) as u32) << 1, other: [Seldom::NEW; 8], tree: [Prob::HALF; 8] }
    }

    /// The class of an element; nothing is coded where there is but one.
    fn code<C: Coder>(&mut self, coder: &mut C, row: &[u8], x: usize, near: &Near<'_>) -> u8 {
        if self.present.count_ones() < 2 {
            return self.present.trailing_zeros() as u8 & 7;
        }
        let class = row[x];
        let west = if x > 0 { row[x - 1] } else { 0 };
        if let Some(neighbour) = [west, near.north[x], near.far[x]].into_iter().find(|&c| c > 0)
            && !self.other[usize::from(neighbour & 7)].code(coder, class != neighbour)
        {
            return neighbour;
        }
        let mut symbol = 1;
        for bit in (0..3).rev() {
            symbol = symbol << 1 | usize::from(self.tree[symbol].code(coder, class >> bit & 1 != 0));
        }
        symbol as u8 & 7
    }
}

/// Whether element `x`, or the last one, is masked.
fn masked(row: &[u8], x: usize) -> usize {
    usize::from(row[x.min(row.len() - 1)] != 0)
}

/// Bits of elements that are all like one.
const fn repeat(class: u8) -> usize {
    if class == 0 { 0 } else { usize::MAX }
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
        assert!(size < 60, "{size}");
        let noise: Vec<u8> =
            (0..3 * 90 * 180u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 61) as u8 % 5).collect();
        round_trip(&noise, &g);
        // An ocean that gets narrower with depth, by what is above it.
        let g = Geometry::new(&[10, 90, 180], false);
        let basin = |i: usize| {
            let (z, y, x) = ((i / 16_200) as f64, (i / 180 % 90) as f64, (i % 180) as f64);
            u8::from((y / 7.0).sin() + (x / 9.0).cos() + (x * y / 300.0).sin() * 0.3 > 1.5 - 0.2 * z) * 4
        };
        let oceans: Vec<u8> = (0..10 * 90 * 180).map(basin).collect();
        let size = round_trip(&oceans, &g);
        assert!(size < 1100, "{size}");
        round_trip(&[4], &Geometry::new(&[1], false));
        assert!(round_trip(&[1; 1000], &Geometry::new(&[1000], false)) < 30);
    }
}
