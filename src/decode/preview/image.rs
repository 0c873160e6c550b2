//! The small image: where its cells lie in the array, and what its transform makes of a constant.

use super::Preview;
use crate::array::{Array, Element};
use crate::error::Result;
use crate::format::pyramid::{AxisBlocks, Level};
use crate::format::{Geometry, Stream};

/// The small image's planes, and where they lie in the array's.
pub(super) struct Image {
    pub(super) geometry: Geometry,
    /// Borders of rows and of columns.
    rows: Vec<f64>,
    columns: Vec<f64>,
}

impl Image {
    /// The pyramid's image of this geometry, coarser by `finer` levels.
    pub(super) fn of_pyramid(geometry: Geometry, finer: &[Level]) -> Self {
        let (mut rows, mut columns) = (None, None);
        for level in finer {
            rows = Some(coarse_borders(&level.y, rows.as_deref()));
            columns = Some(coarse_borders(&level.x, columns.as_deref()));
        }
        let (height, width) = (geometry.height, geometry.width);
        Self { geometry, rows: rows.unwrap_or_else(|| unit(height)), columns: columns.unwrap_or_else(|| unit(width)) }
    }

    /// Cells of `scale` elements; the last of a row or column may be smaller.
    pub(super) fn of_equal_cells(geometry: &Geometry, scale: usize) -> Self {
        let axis = |n: usize| (0..n).step_by(scale).chain([n]).map(|i| i as f64).collect::<Vec<_>>();
        let (rows, columns) = (axis(geometry.height), axis(geometry.width));
        let geometry = Geometry { height: rows.len() - 1, width: columns.len() - 1, ..geometry.clone() };
        Self { geometry, rows, columns }
    }

    /// Borders along all axes of the geometry.
    pub(super) fn borders(&self) -> Vec<Vec<f64>> {
        let outer = self.geometry.outer.iter().map(|&n| unit(n));
        outer.chain([self.rows.clone(), self.columns.clone()]).collect()
    }

    /// The preview with these values, in the array's own order of axes.
    pub(super) fn finish<T: Element>(
        self,
        stream: &Stream<'_>,
        value: impl Fn(usize) -> T,
        bytes_read: usize,
    ) -> Result<Preview> {
        let header = &stream.header;
        let in_stream = header.permutation.as_ref().map_or_else(|| header.shape.clone(), |p| p.shape(&header.shape));
        // The geometry's axes are those longer than 1, and one or two more where there are fewer than two.
        let mut borders = self.borders().into_iter().rev();
        let mut cells: Vec<Vec<f64>> = in_stream
            .iter()
            .rev()
            .map(|&n| if n > 1 { borders.next().unwrap_or_else(|| unit(n)) } else { unit(1) })
            .collect();
        cells.reverse();
        let cells = header.permutation.as_ref().map_or_else(|| cells.clone(), |p| p.restore(&cells));
        let shape: Vec<usize> = cells.iter().map(|c| c.len() - 1).collect();
        let mut array = Array::zeros(T::DTYPE, &shape)?;
        let out: &mut [T] = bytemuck::cast_slice_mut(array.bytes_mut());
        match &header.permutation {
            None => out.iter_mut().enumerate().for_each(|(i, o)| *o = value(i)),
            Some(p) => p.for_each(&shape, |to, from| {
                if let Some(o) = out.get_mut(from) {
                    *o = value(to);
                }
            }),
        }
        Ok(Preview { array, cells, bytes_read })
    }
}

/// What becomes of the value 1 in the orthonormal image coarser by `finer` (`codec-spec/arithmetic.md`, "Decimated blocks").
pub(super) fn flat_field(finer: &[Level]) -> f64 {
    let axis = |a: &AxisBlocks| match (a.keep, a.lens.get(a.lens.len() / 2)) {
        (Some(kept), Some(&len)) => len as f64 / kept as f64,
        _ => 1.0,
    };
    finer.iter().map(|l| axis(&l.y) * axis(&l.x)).product::<f64>().sqrt()
}

/// Borders of the coarser image's samples along an axis, from those of the finer image's (none: 0, 1, 2, ..).
fn coarse_borders(axis: &AxisBlocks, fine: Option<&[f64]>) -> Vec<f64> {
    let at = |position: f64| {
        let Some(fine) = fine else { return position };
        let i = position as usize;
        match (fine.get(i), fine.get(i + 1)) {
            (Some(&a), Some(&b)) => a + (position - i as f64) * (b - a),
            _ => fine.last().copied().unwrap_or(position),
        }
    };
    let mut borders = Vec::with_capacity(axis.coarse_len() + 1);
    for i in 0..axis.lens.len() {
        borders.extend((0..axis.kept(i)).map(|k| at(axis.border(i, k))));
    }
    borders.push(at(axis.lens.iter().sum::<usize>() as f64));
    borders
}

/// 0, 1, .. n.
fn unit(n: usize) -> Vec<f64> {
    (0..=n).map(|i| i as f64).collect()
}

/// Borders of an array's own elements.
pub(super) fn unit_borders(geometry: &Geometry) -> Vec<Vec<f64>> {
    geometry.outer.iter().copied().chain([geometry.height, geometry.width]).map(unit).collect()
}
