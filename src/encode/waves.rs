//! The strongest waves of a block, from which the first layer of its network starts: the harmonic initialisation.

use crate::arith::cos_pi;

/// Wave vectors of the strongest waves of `values` on a grid of slices, rows and columns, by a cosine transform along each axis:
/// at most `count`, each of fewer than `limit` half cycles along each axis. In radians a unit of coordinates from -1 to 1; row, column,
/// and slice where there are several; strongest first.
pub(crate) fn strongest(values: &[f32], dims: [usize; 3], limit: usize, count: usize) -> Vec<f32> {
    let kept = dims.map(|n| n.min(limit.max(1)));
    let field = values.iter().map(|&v| f64::from(v)).collect();
    let field = cosines(field, dims[2], 1, kept[2]);
    let field = cosines(field, dims[1], kept[2], kept[1]);
    let field = cosines(field, dims[0], kept[1] * kept[2], kept[0]);
    let place = |i: usize| [i / (kept[1] * kept[2]), i / kept[2] % kept[1], i % kept[2]];
    // The mean of the square of a cosine is 1/2, that of a constant is 1.
    let energy = |i: usize| field[i] * field[i] * 2f64.powi(place(i).iter().filter(|&&k| k > 0).count() as i32);
    // The first is the mean.
    let mut order: Vec<usize> = (1..field.len()).collect();
    order.sort_by(|&a, &b| energy(b).total_cmp(&energy(a)));
    let mut waves = Vec::with_capacity(3 * count);
    for (rank, &i) in order.iter().take(count).enumerate() {
        let [slice, row, column] = place(i).map(|k| k as f32 * std::f32::consts::FRAC_PI_2);
        // A product of cosines is a sum of two waves, one for each sign.
        waves.extend([if rank % 2 == 0 { row } else { -row }, column]);
        if dims[0] > 1 {
            waves.push(slice);
        }
    }
    waves
}

/// The first `most` coefficients along an axis of `n`, whose elements are `inner` apart.
fn cosines(field: Vec<f64>, n: usize, inner: usize, most: usize) -> Vec<f64> {
    let table: Vec<f64> = (0..most * n).map(|i| cos_pi((i / n * (2 * (i % n) + 1)) as u64, 2 * n as u64)).collect();
    let mut out = vec![0.0; field.len() / n * most];
    for (part, out) in field.chunks_exact(n * inner).zip(out.chunks_exact_mut(most * inner)) {
        for (row, out) in table.chunks_exact(n).zip(out.chunks_exact_mut(inner)) {
            for (&c, line) in row.iter().zip(part.chunks_exact(inner)) {
                out.iter_mut().zip(line).for_each(|(o, v)| *o += c * v);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f32::consts::{FRAC_PI_2, PI};

    #[test]
    fn the_strongest_waves_come_first() {
        let dims = [4, 20, 30];
        let cosine = |k: usize, i: usize, n: usize| (PI * k as f32 * (i as f32 + 0.5) / n as f32).cos();
        let value = |i: usize| {
            let (s, y, x) = (i / 600, i / 30 % 20, i % 30);
            5.0 + 3.0 * cosine(2, y, 20) * cosine(3, x, 30) + 2.0 * cosine(1, s, 4) + 0.1 * cosine(12, x, 30)
        };
        let values: Vec<f32> = (0..2400).map(value).collect();
        let waves = strongest(&values, dims, 10, 2);
        let wanted = [2.0, 3.0, 0.0, -0.0, 0.0, 1.0].map(|k: f32| k * FRAC_PI_2);
        // Energies: 9 / 4 and 4 / 2.
        assert_eq!(waves, wanted);
        let plane = strongest(&values[..600], [1, 20, 30], 16, 2);
        assert_eq!(plane, [2.0, 3.0, -0.0, 12.0].map(|k: f32| k * FRAC_PI_2));
        assert!(strongest(&[1.0], [1, 1, 1], 9, 5).is_empty());
    }
}
