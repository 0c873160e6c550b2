//! Geometry of the lapped pyramid and of the wavelet: how each level cuts an image into blocks and which low
//! coefficients of a block form the next, coarser image.
//!
//! Coefficient `(u, v)` of block `(bi, bj)` stands at row `y.starts[bi] + u * y.stride`, column
//! `x.starts[bj] + v * x.stride` of its level's plane, which has the size of that level's image. A block of the
//! wavelet is a pair of a low and a high coefficient along each axis.

/// An image no larger than this along both axes is the last level.
const LAST: usize = 32;
/// The same for the wavelet: smaller ones are left to the block transform.
const LAST_DYADIC: usize = 16;
/// Wanted block length.
const BLOCK: usize = 24;
/// Low coefficients that a block of a decimated axis hands to the coarser level.
const KEEP: usize = 8;
/// Axes shorter than this are not decimated while the other axis still is.
const SHORTEST: usize = 16;
/// The same for the wavelet.
const SHORTEST_DYADIC: usize = 8;

/// How an image is decomposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Basis {
    /// The lapped pyramid.
    Lapped = 0,
    /// CDF 9/7 wavelet.
    Wavelet = 1,
}

/// Blocks of one axis at one level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AxisBlocks {
    /// Lengths of the blocks: at most two values, one apart, the longer ones last.
    pub(crate) lens: Vec<usize>,
    /// First sample (of the wavelet: first coefficient) of each block.
    pub(crate) starts: Vec<usize>,
    /// Low coefficients that each block hands on; `None` when the axis is not decimated here.
    pub(crate) keep: Option<usize>,
    /// The axis is left untransformed at this level: one block, handed on whole.
    pub(crate) identity: bool,
    /// Distance in the plane from one coefficient of a block to the next.
    pub(crate) stride: usize,
}

impl AxisBlocks {
    /// `n` samples in `count` blocks: `count - n % count` of `n / count` samples, then
    /// `n % count` of one sample more.
    pub(crate) fn cut(n: usize, count: usize, keep: Option<usize>) -> Self {
        let (short, longer) = (n / count, n % count);
        let lens: Vec<usize> = (0..count).map(|i| short + usize::from(i >= count - longer)).collect();
        let starts = (0..count).map(|i| i * short + (i + longer).saturating_sub(count)).collect();
        Self { lens, starts, keep, identity: false, stride: 1 }
    }

    /// The rule of an axis of a wavelet level: blocks of two samples, the last of one where `n` is odd, of which
    /// the first coefficient is kept. The first coefficients of all blocks stand before the second ones.
    fn dyadic(n: usize) -> Self {
        let identity = n < SHORTEST_DYADIC;
        let blocks = if identity { n } else { n.div_ceil(2) };
        let mut lens = vec![if identity { 1 } else { 2 }; blocks];
        if let Some(last) = lens.last_mut().filter(|_| !identity && n % 2 == 1) {
            *last = 1;
        }
        Self { lens, starts: (0..blocks).collect(), keep: Some(1), identity, stride: blocks }
    }

    /// The rule of an axis: `max(1, floor((n + 12) / 24))` blocks.
    fn new(n: usize, last: bool) -> Self {
        if !last && n < SHORTEST {
            return Self { lens: vec![n], starts: vec![0], keep: None, identity: true, stride: 1 };
        }
        Self::cut(n, ((n + BLOCK / 2) / BLOCK).max(1), (!last).then_some(KEEP))
    }

    /// Coefficients that block `i` hands on, on a level that is not the last.
    pub(crate) fn kept(&self, i: usize) -> usize {
        self.keep.unwrap_or(self.lens[i])
    }

    /// Where in this image (a sample covers 1) the coarser image's sample `k` of block `i` begins.
    pub(crate) fn border(&self, i: usize, k: usize) -> f64 {
        if self.stride == 1 {
            return self.starts[i] as f64 + (k * self.lens[i]) as f64 / self.kept(i) as f64;
        }
        // The wavelet's low coefficients lie on every other sample.
        if self.identity || i == 0 { i as f64 } else { 2.0 * i as f64 - 0.5 }
    }

    /// Length of this axis in the coarser image.
    pub(crate) fn coarse_len(&self) -> usize {
        self.keep.map_or(self.lens.iter().sum(), |k| k * self.lens.len())
    }

    /// The coarser image's axis as the blocks of the 8-point transform that makes it.
    pub(crate) fn coarse(&self) -> Self {
        if self.identity { self.clone() } else { Self::cut(self.coarse_len(), self.lens.len(), None) }
    }
}

/// One level of the pyramid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Level {
    /// Blocks along rows' axis (latitude).
    pub(crate) y: AxisBlocks,
    /// Blocks along columns' axis (longitude).
    pub(crate) x: AxisBlocks,
    /// No coarser level follows: nothing is kept.
    pub(crate) last: bool,
    /// A level of the wavelet, not of the lapped pyramid.
    pub(crate) dyadic: bool,
    /// Rows of this level's image.
    pub(crate) height: usize,
    /// Columns of this level's image.
    pub(crate) width: usize,
}

/// Levels of an image, finest first. Neither length may be 0. The wavelet's last level is a block transform.
///
/// A decimated axis of the pyramid has blocks of 16 samples or more and keeps 8 of each, one of the wavelet is halved,
/// and every level but the last decimates its longer axis, so there are at most 28 levels below 2^31 samples an axis.
pub(crate) fn levels(basis: Basis, height: usize, width: usize) -> Vec<Level> {
    let (mut h, mut w) = (height.max(1), width.max(1));
    let mut out = Vec::new();
    loop {
        let dyadic = basis == Basis::Wavelet && h.max(w) > LAST_DYADIC;
        let last = !dyadic && h.max(w) <= LAST;
        let (y, x) = if dyadic {
            (AxisBlocks::dyadic(h), AxisBlocks::dyadic(w))
        } else {
            (AxisBlocks::new(h, last), AxisBlocks::new(w, last))
        };
        let (ch, cw) = (y.coarse_len(), x.coarse_len());
        out.push(Level { y, x, last, dyadic, height: h, width: w });
        if last {
            return out;
        }
        (h, w) = (ch, cw);
    }
}

#[cfg(test)]
mod tests {
    use super::{AxisBlocks, Basis, levels};
    use crate::arith::MAX_BLOCK;

    #[test]
    fn blocks_tile_their_axis() {
        for n in 1..3000 {
            for last in [false, n <= 32] {
                let a = AxisBlocks::new(n, last);
                let mut at = 0;
                for (&len, &start) in a.lens.iter().zip(&a.starts) {
                    assert_eq!(start, at);
                    assert!((1..=MAX_BLOCK).contains(&len));
                    at += len;
                }
                assert_eq!(at, n);
                assert!(a.lens.is_sorted() && a.lens[a.lens.len() - 1] - a.lens[0] <= 1);
                assert!(a.keep.is_none_or(|k| 2 * k <= a.lens[0]));
            }
        }
        let a = AxisBlocks::new(721, false);
        assert_eq!((a.lens.len(), a.lens[28], a.lens[29]), (30, 24, 25));
    }

    #[test]
    fn levels_shrink() {
        let sizes = |h, w| levels(Basis::Lapped, h, w).iter().map(|l| (l.height, l.width)).collect::<Vec<_>>();
        assert_eq!(sizes(721, 1440), [(721, 1440), (240, 480), (80, 160), (24, 56), (8, 16)]);
        assert_eq!(sizes(5, 100), [(5, 100), (5, 32)]);
        assert_eq!(sizes(1, 1), [(1, 1)]);
        let sizes = |h, w| levels(Basis::Wavelet, h, w).iter().map(|l| (l.height, l.width)).collect::<Vec<_>>();
        assert_eq!(sizes(45, 90), [(45, 90), (23, 45), (12, 23), (6, 12)]);
        assert_eq!(sizes(5, 40), [(5, 40), (5, 20), (5, 10)]);
        for (h, w) in [(1, 1 << 22), (1 << 22, 1), (33, 15), (997, 3), (16, 1009), (33, 33)] {
            for basis in [Basis::Lapped, Basis::Wavelet] {
                let l = levels(basis, h, w);
                assert!(l.len() <= 27);
                assert!(l.windows(2).all(|p| 2 * p[1].height * p[1].width <= p[0].height * p[0].width + h + w));
                assert!(l[l.len() - 1].last && l.iter().filter(|l| l.last).count() == 1);
                assert!(l.iter().all(|l| l.dyadic != (l.last || basis == Basis::Lapped)));
            }
        }
    }

    #[test]
    fn wavelet_blocks_are_pairs() {
        for n in 1..200 {
            let a = AxisBlocks::dyadic(n);
            assert_eq!(a.lens.iter().sum::<usize>(), n);
            assert_eq!(a.coarse_len(), if n < 8 { n } else { n.div_ceil(2) });
            let mut places: Vec<usize> = (0..a.lens.len())
                .flat_map(|i| (0..a.lens[i]).map(move |u| (i, u)))
                .map(|(i, u)| a.starts[i] + u * a.stride)
                .collect();
            places.sort_unstable();
            assert!(places.into_iter().eq(0..n), "{n}");
        }
    }
}
