//! What the coefficients of a level say about those of the next finer one.

use super::context::Related;
use super::shape::Shape;

/// How busy the highest frequencies of one slice are on one level: 16 times a mean magnitude for each block.
pub(crate) struct Activity {
    rows: usize,
    cols: usize,
    blocks: Vec<u32>,
    /// Magnitudes of the bands of a wavelet level.
    bands: Vec<((usize, usize), Vec<u16>)>,
}

impl Activity {
    /// Of a slice with these magnitudes.
    pub(super) fn new(s: &Shape, magnitudes: &[u16]) -> Self {
        let from = (s.frequencies.0 * 2 / 3, s.frequencies.1 * 2 / 3);
        let mut sum = vec![0u32; s.blocks()];
        let mut bands = 0u32;
        for (u, v) in s.bands().filter(|&(u, v)| u >= from.0 || v >= from.1) {
            for (a, &m) in sum.iter_mut().zip(&magnitudes[s.index(u, v)..]) {
                *a += u32::from(m).min(255);
            }
            bands += 1;
        }
        let bands = bands.max(1);
        sum.iter_mut().for_each(|a| *a = *a * 16 / bands);
        let copy = |(u, v)| ((u, v), magnitudes[s.index(u, v)..][..s.blocks()].to_vec());
        let bands = if s.dyadic { s.bands().map(copy).collect() } else { Vec::new() };
        Self { rows: s.rows, cols: s.cols, blocks: sum, bands }
    }

    /// The band (u, v), if this is a level of the wavelet and has it.
    pub(super) fn band(&self, (u, v): (usize, usize)) -> Option<Related<'_>> {
        let (_, magnitudes) = self.bands.iter().find(|b| b.0 == (u, v))?;
        Some(Related { magnitudes, rows: self.rows, cols: self.cols })
    }

    /// For every block of the finer level, that of the block it lies in.
    pub(super) fn for_level(&self, fine: &Shape) -> Vec<u32> {
        let columns: Vec<usize> = (0..fine.cols).map(|j| j * self.cols / fine.cols).collect();
        let mut out = Vec::with_capacity(fine.blocks());
        for i in fine.first..fine.first + fine.rows {
            let row = &self.blocks[i * self.rows / fine.whole * self.cols..][..self.cols];
            out.extend(columns.iter().map(|&j| row[j]));
        }
        out
    }
}
