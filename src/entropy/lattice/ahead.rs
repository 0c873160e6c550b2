//! What is known of a row before its first element: all of it that takes no neighbour in the row itself.

use super::past::Past;
use super::{DEEP, NEAR};
use crate::entropy::integer::{Integer, Size};
use crate::entropy::predict::Predictor;
use crate::entropy::rows::{PAD, Row};

/// The element is not coded.
pub(super) const MASKED: u8 = 1;
/// A neighbour is at an end of the values.
pub(super) const END: u8 = 2;
/// All that are looked at are at the same end.
pub(super) const AT_END: u8 = 4;

/// Element by element.
pub(super) struct Ahead<Q: Integer> {
    /// The part of its prediction.
    pub(super) known: Vec<i64>,
    /// The part of its energy: sizes of residuals by weights that were fitted to those of ten fields (least cost as a Laplace distribution).
    pub(super) calm: Vec<Q::Size>,
    /// What sets it apart.
    pub(super) flags: Vec<u8>,
}

impl<Q: Integer> Ahead<Q> {
    pub(super) fn new(width: usize) -> Self {
        Self { known: vec![0; width], calm: vec![Q::Size::default(); width], flags: vec![0; width] }
    }

    /// In the first slice.
    #[inline(always)]
    pub(super) fn within(
        &mut self,
        near: &Predictor<NEAR>,
        [north, north2]: [&Row<Q>; 2],
        top: i64,
        masked: Option<&[u8]>,
    ) {
        let padded = self.known.len() + 2 * PAD;
        let (n1, n2) = (&north.q[..padded], &north2.q[..padded]);
        let taps = [&n1[2..], &n1[4..], &n2[3..], &n1[1..], &n1[5..], &n2[2..], &n2[4..]];
        near.foresee(&n1[PAD..], taps, [1, 2, 4, 5, 6, 7, 8], &mut self.known);
        let n = self.calm.len();
        let [a, b] = [north, north2].map(|row| sizes(row, n));
        for (x, o) in self.calm.iter_mut().enumerate() {
            let north = a[0][x] + a[1][x] + thrice(a[2][x] + a[4][x]) + twice(twice(a[3][x]) + a[5][x] + a[6][x]);
            *o = north + (b[1][x] + b[2][x] + twice(b[3][x]) + b[4][x] + b[5][x]);
        }
        self.flags(n1, [&n2[3..], &n1[1..], &n1[5..]], top, masked);
    }

    /// In a later slice.
    #[inline(always)]
    pub(super) fn between(
        &mut self,
        deep: &Predictor<DEEP>,
        [north, north2]: [&Row<Q>; 2],
        past: &Past<Q>,
        top: i64,
        masked: Option<&[u8]>,
    ) {
        let padded = self.known.len() + 2 * PAD;
        let (n1, n2) = (&north.q[..padded], &north2.q[..padded]);
        let [b0, b1, b2] = past.rows.each_ref().map(|b| &b.q[..padded]);
        let bb = &past.older.q[..padded];
        #[rustfmt::skip]
        let taps = [
            &n1[2..], &n1[4..], &n2[3..], &n1[1..], &n1[5..], &n2[2..], &n2[4..],
            &b1[3..], &b1[2..], &b1[4..], &b0[3..], &b2[3..], &b2[4..], &b2[2..], &b0[2..], &b0[4..],
            &bb[3..], &bb[2..], &bb[4..],
        ];
        let which = [1, 2, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21];
        deep.foresee(&n1[PAD..], taps, which, &mut self.known);
        let n = self.calm.len();
        let [a, b] = [north, north2].map(|row| sizes(row, n));
        let [p, q, r] = past.rows.each_ref().map(|row| sizes(row, n));
        for (x, o) in self.calm.iter_mut().enumerate() {
            let north = a[1][x] + twice(a[2][x] + a[4][x]) + thrice(a[3][x]) + a[5][x] + a[6][x];
            let slice = north + (b[2][x] + b[3][x] + b[4][x]);
            let before =
                p[3][x] + (q[2][x] + thrice(q[3][x]) + q[4][x] + q[5][x]) + (r[2][x] + twice(r[3][x]) + r[4][x]);
            *o = slice + before;
        }
        self.flags(n1, [&n2[3..], &b1[3..], &b1[4..]], top, masked);
    }

    /// `others`: neighbours besides those in the row above, `north`, that may be at an end.
    #[inline(always)]
    fn flags(&mut self, north: &[Q], others: [&[Q]; 3], top: i64, masked: Option<&[u8]>) {
        let n = self.flags.len();
        let [a, b, c] = [&north[2..], &north[3..], &north[4..]].map(|r| &r[..n]);
        self.flags.fill(0);
        if top > 0 {
            let top = Q::wrap(top);
            let end = |v: Q| (v == Q::default()) | (v == top);
            let [d, e, f] = others.map(|r| &r[..n]);
            for (x, o) in self.flags.iter_mut().enumerate() {
                let near = end(a[x]) | end(b[x]) | end(c[x]) | end(d[x]) | end(e[x]) | end(f[x]);
                let same = (a[x] == b[x]) & (c[x] == b[x]) & (d[x] == b[x]) & (e[x] == b[x]) & (f[x] == b[x]);
                *o |= if near { END } else { 0 } | if same & end(b[x]) { AT_END } else { 0 };
            }
        }
        for (o, &m) in self.flags.iter_mut().zip(masked.unwrap_or_default()) {
            *o |= if m != 0 { MASKED } else { 0 };
        }
    }
}

/// Sizes of a row's residuals, from three columns west of each of `n` elements to three east of it.
#[inline(always)]
fn sizes<Q: Integer>(row: &Row<Q>, n: usize) -> [&[Q::Size]; 2 * PAD + 1] {
    std::array::from_fn(|d| &row.size[d..][..n])
}

#[inline(always)]
fn twice<S: Size>(v: S) -> S {
    v + v
}

#[inline(always)]
fn thrice<S: Size>(v: S) -> S {
    v + v + v
}
