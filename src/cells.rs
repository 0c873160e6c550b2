//! Means over the cells of a coarser grid.

/// Means of values over the cells of a coarser grid, each value weighted by how much of it lies in a cell.
///
/// Borders are given for each dimension, ascending: one more than there are cells along it.
///
/// ```
/// let mut means = hiha::CellMeans::new(vec![vec![0.0, 1.5, 3.0]]);
/// means.add(&[vec![0.0, 1.0, 2.0, 3.0]], |i| [3.0, 6.0, 9.0][i]);
/// assert_eq!(means.finish(), [4.0, 8.0]);
/// ```
#[derive(Debug, Clone)]
pub struct CellMeans {
    borders: Vec<Vec<f64>>,
    sums: Vec<f64>,
    weights: Vec<f64>,
}

/// A fine cell, a coarse cell, and the length that they share.
type Overlap = (usize, usize, f64);

impl CellMeans {
    /// A grid with these borders.
    #[must_use]
    pub fn new(borders: Vec<Vec<f64>>) -> Self {
        let n = cells(&borders);
        Self { borders, sums: vec![0.0; n], weights: vec![0.0; n] }
    }

    /// Cells along each dimension.
    #[must_use]
    pub fn shape(&self) -> Vec<usize> {
        self.borders.iter().map(|b| b.len().saturating_sub(1)).collect()
    }

    /// Add an array whose elements have these borders in the same coordinates; `value(i)` is its element `i` in C
    /// order, NaN where it is missing. What lies outside the grid is left out.
    pub fn add(&mut self, borders: &[Vec<f64>], value: impl Fn(usize) -> f64) {
        let overlaps: Vec<Vec<Overlap>> = borders.iter().zip(&self.borders).map(|(f, c)| overlaps(f, c)).collect();
        let lengths: Vec<(usize, usize)> =
            borders.iter().zip(&self.borders).map(|(f, c)| (f.len().max(1) - 1, c.len().max(1) - 1)).collect();
        self.add_part(&overlaps, &lengths, (0, 0, 1.0), &value);
    }

    /// One dimension after the other: `at` is the fine and the coarse index so far, and the weight.
    fn add_part(
        &mut self,
        overlaps: &[Vec<Overlap>],
        lengths: &[(usize, usize)],
        (fine, coarse, weight): Overlap,
        value: &impl Fn(usize) -> f64,
    ) {
        let (Some((here, deeper)), Some((&(n, m), rest))) = (overlaps.split_first(), lengths.split_first()) else {
            let v = value(fine);
            if let (false, Some(sum), Some(total)) =
                (v.is_nan(), self.sums.get_mut(coarse), self.weights.get_mut(coarse))
            {
                *sum += weight * v;
                *total += weight;
            }
            return;
        };
        for &(f, c, length) in here {
            self.add_part(deeper, rest, (fine * n + f, coarse * m + c, weight * length), value);
        }
    }

    /// The means in C order; NaN for cells of which more than half is missing.
    #[must_use]
    pub fn finish(mut self) -> Vec<f64> {
        let widths: Vec<Vec<f64>> = self.borders.iter().map(|b| b.windows(2).map(|w| w[1] - w[0]).collect()).collect();
        for (i, (sum, &weight)) in self.sums.iter_mut().zip(&self.weights).enumerate() {
            let (mut size, mut rest) = (1.0, i);
            for w in widths.iter().rev() {
                size *= w[rest % w.len()];
                rest /= w.len();
            }
            *sum = if weight > 0.0 && weight >= 0.499_999 * size { *sum / weight } else { f64::NAN };
        }
        self.sums
    }
}

/// Cells of a grid.
fn cells(borders: &[Vec<f64>]) -> usize {
    borders.iter().map(|b| b.len().saturating_sub(1)).product()
}

/// Which cells of two grids along one dimension overlap, and by how much.
fn overlaps(fine: &[f64], coarse: &[f64]) -> Vec<Overlap> {
    let mut out = Vec::with_capacity(fine.len() + coarse.len());
    let mut first = 0;
    for (f, edge) in fine.windows(2).enumerate() {
        while first + 2 < coarse.len() && coarse[first + 1] <= edge[0] {
            first += 1;
        }
        for (c, cell) in coarse.windows(2).enumerate().skip(first) {
            if cell[0] >= edge[1] {
                break;
            }
            let length = cell[1].min(edge[1]) - cell[0].max(edge[0]);
            if length > 0.0 {
                out.push((f, c, length));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(n: usize) -> Vec<f64> {
        (0..=n).map(|i| i as f64).collect()
    }

    #[test]
    fn means_of_a_linear_field_are_its_values_at_the_centres() {
        let coarse = vec![unit(2), vec![0.0, 2.5, 3.75, 7.0], vec![0.0, 1.0 / 3.0, 4.0, 5.0]];
        let mut means = CellMeans::new(coarse.clone());
        assert_eq!(means.shape(), [2, 3, 3]);
        // Constant within an element, so linear means hold where borders are whole; count areas elsewhere.
        means.add(&[unit(2), unit(7), unit(5)], |i| (i / 35) as f64);
        let out = means.finish();
        for (i, v) in out.into_iter().enumerate() {
            assert!((v - (i / 9) as f64).abs() < 1e-12, "{i}: {v}");
        }
        let mut means = CellMeans::new(vec![vec![0.0, 2.5, 5.0]]);
        means.add(&[unit(5)], |i| i as f64);
        assert_eq!(means.finish(), [(0.0 + 1.0 + 0.5 * 2.0) / 2.5, (0.5 * 2.0 + 3.0 + 4.0) / 2.5]);
    }

    #[test]
    fn parts_may_come_one_by_one_and_stick_out() {
        let mut means = CellMeans::new(vec![vec![0.0, 2.0, 4.0]]);
        means.add(&[vec![0.0, 1.0, 2.0, 3.0]], |i| i as f64);
        means.add(&[vec![3.0, 4.0, 5.0, 9.0]], |i| [7.0, 1e9, 1e9][i]);
        assert_eq!(means.finish(), [0.5, 4.5]);
    }

    #[test]
    fn a_cell_that_is_mostly_missing_is_missing() {
        let mut means = CellMeans::new(vec![vec![0.0, 3.0, 6.0]]);
        means.add(&[unit(6)], |i| [1.0, 2.0, f64::NAN, f64::NAN, 5.0, f64::NAN][i]);
        let out = means.finish();
        assert_eq!(out[0], 1.5);
        assert!(out[1].is_nan());
    }
}
