//! What the coefficients of a level say about those of the next finer one.

use super::band::{Band, magnitude};
use super::part::Part;
use super::shape::Shape;

/// How busy the highest frequencies of one slice are on one level: 16 times a mean magnitude for each block.
pub(crate) struct Activity {
    rows: usize,
    cols: usize,
    blocks: Vec<u32>,
    /// The bands of a wavelet level.
    bands: Vec<Whole>,
}

/// A band of all parts.
struct Whole {
    frequency: (usize, usize),
    q: Vec<i32>,
    occupied: Vec<bool>,
}

impl Activity {
    /// Of a slice of a level, all its parts.
    pub(super) fn new(parts: &[Part], slice: usize) -> Self {
        let Some(s) = parts.first().map(|p| &p.shape) else {
            return Self { rows: 1, cols: 1, blocks: vec![0], bands: Vec::new() };
        };
        let from = (s.frequencies.0 * 2 / 3, s.frequencies.1 * 2 / 3);
        let high: Vec<_> = s.bands().filter(|&(u, v)| u >= from.0 || v >= from.1).collect();
        let mut blocks = vec![0u32; s.whole * s.cols];
        let parts = || parts.iter().filter(|part| part.has(slice));
        for part in parts() {
            for &(u, v) in &high {
                let band = part.band(slice, u, v);
                for i in (0..part.shape.rows).filter(|&i| band.is_occupied(i)) {
                    let sum = &mut blocks[(part.shape.first + i) * s.cols..][..s.cols];
                    sum.iter_mut().zip(band.row(i)).for_each(|(a, &q)| *a += magnitude(q).min(255));
                }
            }
        }
        let count = high.len().max(1) as u32;
        blocks.iter_mut().for_each(|a| *a = *a * 16 / count);
        let whole = |(u, v)| {
            let (mut q, mut occupied) = (Vec::with_capacity(s.whole * s.cols), Vec::with_capacity(s.whole));
            for band in parts().map(|part| part.band(slice, u, v)) {
                q.extend_from_slice(band.q);
                occupied.extend_from_slice(band.occupied);
            }
            Whole { frequency: (u, v), q, occupied }
        };
        let bands = if s.dyadic { s.bands().map(whole).collect() } else { Vec::new() };
        Self { rows: s.whole, cols: s.cols, blocks, bands }
    }

    /// The band (u, v), if this is a level of the wavelet and has it.
    pub(super) fn band(&self, (u, v): (usize, usize)) -> Option<Band<'_>> {
        let band = self.bands.iter().find(|b| b.frequency == (u, v))?;
        Some(Band { q: &band.q, occupied: &band.occupied, cols: self.cols })
    }

    /// For every block of a part of the finer level, that of the block it lies in.
    pub(super) fn for_part(&self, fine: &Shape) -> Vec<u32> {
        let columns: Vec<usize> = (0..fine.cols).map(|j| j * self.cols / fine.cols).collect();
        let mut out = Vec::with_capacity(fine.blocks());
        for i in fine.first..fine.first + fine.rows {
            let row = &self.blocks[i * self.rows / fine.whole * self.cols..][..self.cols];
            out.extend(columns.iter().map(|&j| row[j]));
        }
        out
    }
}
