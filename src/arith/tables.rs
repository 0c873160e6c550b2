//! Tables of the block transforms and overlap windows, made once a process and kept.

use super::MAX_BLOCK;
use super::trig::{cos_pi, window_pair};
use std::sync::OnceLock;

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

/// An orthonormal matrix of a block transform.
#[derive(Debug)]
pub(crate) struct Dct {
    /// Length of the block.
    pub(crate) len: usize,
    /// Distance between the rows of `table`, a multiple of 32.
    pub(crate) stride: usize,
    /// Factor of input `i` in output `o` at `i * stride + o`.
    pub(crate) table: Box<[f32]>,
}

impl Dct {
    fn new(kind: Kind, len: usize) -> Self {
        let stride = len.next_multiple_of(PAD);
        let mut table = vec![0.0; len * stride];
        for (i, row) in table.chunks_exact_mut(stride).enumerate() {
            for (o, value) in row[..len].iter_mut().enumerate() {
                *value = entry(kind, len as u64, i as u64, o as u64);
            }
        }
        Self { len, stride, table: table.into() }
    }
}

fn entry(kind: Kind, n: u64, input: u64, output: u64) -> f32 {
    let (frequency, sample) = if kind == Kind::TwoInverse { (input, output) } else { (output, input) };
    let (power, cosine) = match kind {
        Kind::Four => (2.0, cos_pi((2 * frequency + 1) * (2 * sample + 1), 4 * n)),
        _ => (if frequency == 0 { 1.0 } else { 2.0 }, cos_pi(frequency * (2 * sample + 1), 2 * n)),
    };
    ((power / n as f64).sqrt() * cosine) as f32
}

/// The matrix of a block of `len` samples, 1 to [`MAX_BLOCK`].
pub(crate) fn dct(kind: Kind, len: usize) -> &'static Dct {
    static TABLES: [[OnceLock<Dct>; MAX_BLOCK + 1]; 3] = [const { [const { OnceLock::new() }; MAX_BLOCK + 1] }; 3];
    TABLES[kind as usize][len].get_or_init(|| Dct::new(kind, len))
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
