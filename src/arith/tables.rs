//! Tables of the block transforms and overlap windows, made once a process and kept.

use super::MAX_BLOCK;
use super::trig::{cos_pi, window_pair};
use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Columns of a table are padded with zeros to a multiple of this.
const PAD: usize = 32;

/// Which matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// DCT-IV, its own inverse.
    Four,
    /// DCT-II: samples to coefficients.
    Two,
    /// Transposed DCT-II: coefficients to samples.
    TwoInverse,
}

/// The matrix of a block transform.
#[derive(Debug)]
pub(crate) struct Dct {
    /// Length of the block: outputs.
    pub(crate) len: usize,
    /// Distance between the rows of `table`, a multiple of 32.
    pub(crate) stride: usize,
    /// Factor of input `i` in output `o` at `i * stride + o`; inputs that have no row here count as 0.
    pub(crate) table: Box<[f32]>,
}

impl Dct {
    /// `entry(i, o)` is the factor of input `i` in output `o`.
    pub(super) fn new(inputs: usize, len: usize, entry: impl Fn(usize, usize) -> f64) -> Self {
        let stride = len.next_multiple_of(PAD);
        let mut table = vec![0.0; inputs * stride];
        for (i, row) in table.chunks_exact_mut(stride).enumerate() {
            for (o, value) in row[..len].iter_mut().enumerate() {
                *value = entry(i, o) as f32;
            }
        }
        Self { len, stride, table: table.into() }
    }
}

fn entry(kind: Kind, len: usize, input: usize, output: usize) -> f64 {
    let (n, input, output) = (len as u64, input as u64, output as u64);
    let (frequency, sample) = if kind == Kind::TwoInverse { (input, output) } else { (output, input) };
    let (power, cosine) = match kind {
        Kind::Four => (2.0, cos_pi((2 * frequency + 1) * (2 * sample + 1), 4 * n)),
        _ => (if frequency == 0 { 1.0 } else { 2.0 }, cos_pi(frequency * (2 * sample + 1), 2 * n)),
    };
    (power / n as f64).sqrt() * cosine
}

/// The matrix of a block of `len` samples, 1 to [`MAX_BLOCK`].
pub(crate) fn dct(kind: Kind, len: usize) -> &'static Dct {
    static TABLES: [[OnceLock<Dct>; MAX_BLOCK + 1]; 3] = [const { [const { OnceLock::new() }; MAX_BLOCK + 1] }; 3];
    TABLES[kind as usize][len].get_or_init(|| Dct::new(len, len, |i, o| entry(kind, len, i, o)))
}

/// A block whose low coefficients form a coarser image: all that its matrix depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Decimated {
    /// Length of the block: outputs.
    pub(crate) len: usize,
    /// Half overlaps at its two borders; 0 where the axis ends.
    pub(crate) overlaps: (usize, usize),
    /// The last block of an axis that is not periodic: DCT-II.
    pub(crate) last: bool,
    /// Low coefficients that are handed on.
    pub(crate) kept: usize,
    /// Length of the block in the middle of the axis.
    pub(crate) typical: usize,
}

impl Decimated {
    /// What the block transform makes of a signal that is `value` everywhere.
    fn constant(&self, value: f64) -> Vec<f64> {
        let mut folded = vec![value; self.len];
        for (j, v) in folded.iter_mut().take(self.overlaps.0).enumerate() {
            let (s, c) = window_pair(j as u64, self.overlaps.0 as u64);
            *v = value * (s + c);
        }
        for (j, v) in folded.iter_mut().rev().take(self.overlaps.1).enumerate() {
            let (s, c) = window_pair(j as u64, self.overlaps.1 as u64);
            *v = value * (s - c);
        }
        let kind = if self.last { Kind::Two } else { Kind::Four };
        (0..self.len).map(|o| dot(folded.iter().enumerate().map(|(i, &v)| (v, entry(kind, self.len, i, o))))).collect()
    }

    /// `(low, v)`: the kept coefficients of a constant 1, and what to take from the coefficients of
    /// an image for each unit of the constant in it, so that the coarser image of a constant is constant and the
    /// fine coefficients vanish.
    fn leakage(&self) -> (Vec<f64>, Vec<f64>) {
        let mut v = self.constant(1.0);
        let overlap = |m: usize| if m == 0 { 0 } else { self.kept / 2 };
        let coarse = Self { len: self.kept, overlaps: (overlap(self.overlaps.0), overlap(self.overlaps.1)), ..*self };
        let low = v[..self.kept].to_vec();
        let wanted = coarse.constant((self.typical as f64 / self.kept as f64).sqrt());
        for (v, t) in v.iter_mut().zip(wanted) {
            *v -= t;
        }
        (low, v)
    }

    /// The matrices, samples to coefficients and back. A lapped transform of a constant has small fine
    /// coefficients, which the strong constant part of a smooth field makes large. Here they are taken
    /// out by a product of one column and one row, merged with the matrix:
    /// `(I - v p) D` and `D^-1 (I + v q)`, with `p = low / (low . low)`, `q = p / (1 - p . v)`.
    fn matrices(&self) -> [Dct; 2] {
        let (to, from) = if self.last { (Kind::Two, Kind::TwoInverse) } else { (Kind::Four, Kind::Four) };
        let (low, v) = self.leakage();
        let n = self.len;
        let power = dot(low.iter().map(|&l| (l, l)));
        let left = power - dot(low.iter().zip(&v).map(|(&l, &v)| (l, v)));
        let amount: Vec<f64> =
            (0..n).map(|i| dot(low.iter().enumerate().map(|(k, &l)| (l, entry(to, n, i, k)))) / power).collect();
        let shape: Vec<f64> =
            (0..n).map(|o| dot(v.iter().enumerate().map(|(k, &v)| (v, entry(from, n, k, o))))).collect();
        [
            Dct::new(n, n, |i, o| entry(to, n, i, o) - v[o] * amount[i]),
            Dct::new(n, n, |i, o| entry(from, n, i, o) + low.get(i).map_or(0.0, |l| shape[o] * (l / left))),
        ]
    }
}

/// Sum of products, from the first to the last, each operation rounded.
fn dot(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    pairs.fold(0.0, |sum, (a, b)| sum + a * b)
}

/// The matrices of a block of a decimated axis, there and back.
pub(crate) fn decimated(block: Decimated) -> &'static [Dct; 2] {
    // There are few: lengths of 16 to 36, and the neighbours' are one apart at most.
    static TABLES: Mutex<BTreeMap<Decimated, &'static [Dct; 2]>> = Mutex::new(BTreeMap::new());
    let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
    tables.entry(block).or_insert_with(|| Box::leak(Box::new(block.matrices())))
}

/// Sine and cosine parts of a window.
pub(crate) type Window = (Box<[f32]>, Box<[f32]>);

/// The window by distance 0.. from the border, for a half overlap of `m`
/// samples, at most half of [`MAX_BLOCK`].
pub(crate) fn window(m: usize) -> &'static Window {
    static WINDOWS: [OnceLock<Window>; MAX_BLOCK / 2 + 1] = [const { OnceLock::new() }; MAX_BLOCK / 2 + 1];
    WINDOWS[m].get_or_init(|| {
        let pairs = || (0..m).map(|k| window_pair(k as u64, m as u64));
        (pairs().map(|p| p.0 as f32).collect(), pairs().map(|p| p.1 as f32).collect())
    })
}
