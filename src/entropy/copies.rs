//! Copies: integers that a neighbour has as well, where a map was resampled, values are few, or steps are coarse. A flag says
//! whether one is that to the west; if not, and the one to the north is another, a second flag whether it is that.

use super::integer::Integer;
use super::prob::Prob;
use super::range::Coder;

/// Which of the integers around an element are the same.
pub(crate) struct Around {
    west: usize,
    north: usize,
}

impl Around {
    /// `west`: three to the west, the nearest first. `north` and `north2`: five in the row above and three in the one before it, the
    /// third and the second of them north of the element. `before`: in the slice before, the one to the west and the one at its place.
    #[inline(always)]
    pub(crate) fn new<Q: Integer>(
        [w, ww, www]: [Q; 3],
        [nww, nw, n, ne, nee]: [Q; 5],
        [nnw, nn, nne]: [Q; 3],
        before: Option<[Q; 2]>,
    ) -> Self {
        let bits = |same: &[bool]| same.iter().rev().fold(0, |bits, &s| 2 * bits + usize::from(s));
        let both = bits(&[w == ww, n == nw, n == ne, n == nn, w == nw, nw == nww, nn == nnw]);
        let mut west = both | bits(&[w == n, ww == www, ne == nee]) << 7;
        let mut north = both | bits(&[ww == nww, nw == nnw, ne == nne]) << 7;
        if let Some([bw, b]) = before {
            west |= bits(&[bw == b, b == w]) << 10;
            north |= bits(&[n == b, b == w]) << 10;
        }
        Self { west, north }
    }
}

/// The models of the flags.
pub(crate) struct Copies {
    west: [Prob; 4096],
    north: [Prob; 4096],
}

impl Copies {
    pub(crate) fn new() -> Self {
        Self { west: [Prob::HALF; 4096], north: [Prob::HALF; 4096] }
    }

    /// The integer, if it is one of its neighbours.
    #[inline(always)]
    pub(crate) fn code<C: Coder, Q: Integer>(
        &mut self,
        coder: &mut C,
        value: Q,
        [west, north]: [Q; 2],
        around: &Around,
    ) -> Option<Q> {
        if self.west[around.west].code(coder, value == west) {
            return Some(west);
        }
        (north != west && self.north[around.north].code(coder, value == north)).then_some(north)
    }
}

/// Integers that one cannot be, as it is no copy: the two neighbours.
#[derive(Clone, Copy)]
pub(crate) struct Holes {
    least: i64,
    most: i64,
    /// From where integers are counted.
    predicted: i64,
}

impl Holes {
    #[inline(always)]
    pub(crate) fn new([a, b]: [i64; 2], predicted: i64) -> Self {
        Self { least: a.min(b), most: a.max(b), predicted }
    }

    /// The holes that are counted from the prediction on, or below it.
    #[inline(always)]
    fn on(&self, upper: bool) -> [Option<i64>; 2] {
        let side = |hole: i64| (hole >= self.predicted) == upper;
        [Some(self.least).filter(|&h| side(h)), Some(self.most).filter(|&h| side(h) && h != self.least)]
    }

    /// The integer as if there were no holes between it and the prediction.
    #[inline(always)]
    pub(crate) fn close(&self, value: i64) -> i64 {
        let upper = value > self.predicted;
        let passed = |hole: &i64| if upper { *hole < value } else { *hole > value };
        let n = self.on(upper).into_iter().flatten().filter(passed).count() as i64;
        if upper { value - n } else { value + n }
    }

    /// The way back; wraps.
    #[inline(always)]
    pub(crate) fn open(&self, closed: i64) -> i64 {
        let upper = closed >= self.predicted;
        let [least, most] = self.on(upper);
        if upper {
            [least, most].into_iter().flatten().fold(closed, |v, h| v.wrapping_add(i64::from(v >= h)))
        } else {
            [most, least].into_iter().flatten().fold(closed, |v, h| v.wrapping_sub(i64::from(v <= h)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Holes;

    #[test]
    fn holes_close_and_open() {
        for (a, b, predicted) in (-4..5).flat_map(|a| (-4..5).flat_map(move |b| (-4..5).map(move |p| (a, b, p)))) {
            let holes = Holes::new([a, b], predicted);
            let mut closed: Vec<i64> = (-9..10).filter(|v| *v != a && *v != b).map(|v| holes.close(v)).collect();
            let back: Vec<i64> = closed.iter().map(|&c| holes.open(c)).collect();
            assert!(
                back.iter().copied().eq((-9..10).filter(|v| *v != a && *v != b)),
                "{a} {b} {predicted}: {closed:?}"
            );
            closed.dedup();
            assert!(
                closed.is_sorted()
                    && closed.len() == back.len()
                    && closed[closed.len() - 1] - closed[0] < back.len() as i64
            );
        }
        // Far ends, and what only a damaged stream says.
        let holes = Holes::new([i64::MAX, i64::MIN], 0);
        assert_eq!(
            [i64::MAX - 1, i64::MIN + 1, 0].map(|v| holes.open(holes.close(v))),
            [i64::MAX - 1, i64::MIN + 1, 0]
        );
        holes.open(i64::MAX);
        holes.open(i64::MIN);
    }
}
