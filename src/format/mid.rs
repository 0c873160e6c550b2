//! The middle band: networks on blocks of the chunk, in an octree (paper, iterative decomposition and the residual
//! networks of the multi-scale stage).

use super::geometry::Geometry;
use super::network::Shape;
use super::wire::{Reader, Writer};
use crate::error::{Result, corrupt};
use std::ops::Range;

/// Most passes of a section.
pub(crate) const MAX_PASSES: usize = 4;
/// Most splits from a root to a leaf.
pub(crate) const MAX_DEPTH: usize = 8;
/// Most roots along an axis.
const MAX_GRID: u8 = 16;
/// Rows and columns shorter than this are not divided.
const SHORTEST: usize = 16;

/// One pass over the chunk: its networks have one shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PassParams {
    pub(crate) shape: Shape,
    /// Equal parts of slices, rows and columns that are the roots of the trees.
    pub(crate) grid: [u8; 3],
    /// Value of an output of 1, in the data's unit.
    pub(crate) amplitude: f32,
}

impl PassParams {
    pub(crate) fn write(&self, w: &mut Writer) {
        self.shape.write(w);
        w.bytes(&self.grid);
        w.bytes(&self.amplitude.to_le_bytes());
    }

    pub(crate) fn read(r: &mut Reader<'_>, geometry: &Geometry) -> Result<Self> {
        let shape = Shape::read_scalar(r, inputs(geometry))?;
        let at = r.offset();
        let mut grid = [0; 3];
        grid.copy_from_slice(r.bytes(3, "grid of blocks")?);
        if grid.iter().any(|g| !(1..=MAX_GRID).contains(g)) {
            return corrupt(at, format!("a grid of blocks has 1 to {MAX_GRID} along each axis, found {grid:?}"));
        }
        Ok(Self { shape, grid, amplitude: r.finite_f32("amplitude")? })
    }
}

/// Read the number of passes and their parameters.
pub(crate) fn read_passes(r: &mut Reader<'_>, geometry: &Geometry) -> Result<Vec<PassParams>> {
    let n = r.count(MAX_PASSES, "passes")?;
    (0..n).map(|_| PassParams::read(r, geometry)).collect()
}

/// Inverse of [`read_passes`].
pub(crate) fn write_passes(w: &mut Writer, passes: &[PassParams]) {
    w.varint(passes.len() as u64);
    passes.iter().for_each(|p| p.write(w));
}

/// Inputs of a block's network: row and column, and slice where there are several.
pub(crate) fn inputs(geometry: &Geometry) -> usize {
    2 + usize::from(geometry.slices() > 1)
}

/// A part of the chunk; no range is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) slices: Range<usize>,
    pub(crate) rows: Range<usize>,
    pub(crate) columns: Range<usize>,
}

impl Block {
    /// Elements.
    pub(crate) fn len(&self) -> usize {
        self.slices.len() * self.rows.len() * self.columns.len()
    }

    /// The roots of a grid, in C order: as many along each axis as asked for, but no more than elements.
    pub(crate) fn roots(geometry: &Geometry, grid: [u8; 3]) -> Vec<Self> {
        let whole = Self { slices: 0..geometry.slices(), rows: 0..geometry.height, columns: 0..geometry.width };
        whole.parts(grid.map(usize::from))
    }

    /// The blocks it is split into, in C order: halves along each axis that is long enough; none if no axis is.
    pub(crate) fn children(&self) -> Vec<Self> {
        let halves = |n: usize, least: usize| if n >= least { 2 } else { 1 };
        let counts =
            [halves(self.slices.len(), 2), halves(self.rows.len(), SHORTEST), halves(self.columns.len(), SHORTEST)];
        // Single slices of small planes would be many: planes first.
        if counts[1] * counts[2] == 1 { Vec::new() } else { self.parts(counts) }
    }

    fn parts(&self, counts: [usize; 3]) -> Vec<Self> {
        let cut = |range: &Range<usize>, count: usize| -> Vec<Range<usize>> {
            let count = count.clamp(1, range.len().max(1));
            let at = |k: usize| range.start + k * range.len() / count;
            (0..count).map(|k| at(k)..at(k + 1)).collect()
        };
        let [slices, rows, columns] =
            [cut(&self.slices, counts[0]), cut(&self.rows, counts[1]), cut(&self.columns, counts[2])];
        let mut parts = Vec::with_capacity(slices.len() * rows.len() * columns.len());
        for s in &slices {
            for r in &rows {
                for c in &columns {
                    parts.push(Self { slices: s.clone(), rows: r.clone(), columns: c.clone() });
                }
            }
        }
        parts
    }
}

/// Input of element `k` of `n` along an axis of a block: -1 at the first, 1 at the last.
pub(crate) fn along(k: usize, n: usize) -> f32 {
    if n > 1 { ((2 * k) as f64 / (n - 1) as f64 - 1.0) as f32 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry(outer: &[usize], height: usize, width: usize) -> Geometry {
        Geometry { outer: outer.to_vec(), height, width, periodic: true }
    }

    #[test]
    fn blocks_cover_their_parent_once() {
        let g = geometry(&[3, 2], 37, 50);
        for grid in [[1, 1, 1], [3, 3, 3], [16, 16, 16], [2, 1, 5]] {
            let mut seen = vec![0; g.slices() * g.plane()];
            let mut todo = Block::roots(&g, grid);
            while let Some(block) = todo.pop() {
                let children = block.children();
                if children.is_empty() {
                    for s in block.slices.clone() {
                        for y in block.rows.clone() {
                            block.columns.clone().for_each(|x| seen[(s * g.height + y) * g.width + x] += 1);
                        }
                    }
                }
                todo.extend(children);
            }
            assert!(seen.iter().all(|&n| n == 1));
        }
        let line = geometry(&[], 1, 40);
        assert_eq!(Block::roots(&line, [1, 1, 1])[0].children().len(), 2);
        assert_eq!([along(0, 5), along(2, 5), along(4, 5), along(0, 1)], [-1.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn parameters_come_back_or_are_refused() {
        let g = geometry(&[4], 20, 30);
        let p = PassParams { shape: Shape::new(3, 2, 8, 1).unwrap(), grid: [1, 2, 3], amplitude: 0.5 };
        let mut w = Writer::default();
        write_passes(&mut w, &[p, p]);
        assert_eq!(read_passes(&mut Reader::new(&w.0, 0), &g).unwrap(), [p, p]);
        assert!(read_passes(&mut Reader::new(&w.0, 0), &geometry(&[], 20, 30)).is_err(), "inputs");
        for (at, byte) in [(0, 5), (5, 0), (6, 17), (11, 0x7f)] {
            let mut bad = w.0.clone();
            bad[at] = byte;
            bad[10] = if at == 11 { 0x80 } else { bad[10] };
            assert!(read_passes(&mut Reader::new(&bad, 0), &g).is_err(), "{at}");
        }
        assert!(read_passes(&mut Reader::new(&w.0[..20], 0), &g).is_err());
    }
}
