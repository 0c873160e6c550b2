//! Looks at an array's values to tell which forms of the lattice coder are worth a try.

use super::mapping::Quantiser;
use super::problem::Problem;
use crate::ablation::{Part, without};
use crate::array::Element;
use crate::entropy::lattice::{is_ribbon, slices};
use crate::entropy::mapping::Mappings;
use crate::format::Geometry;

/// So many rows are looked at, at least, or one in so many.
const LOOKED_AT: usize = 64;
const STRIDE: usize = 15;
/// One copy in so many elements makes them likely.
const SOME: usize = 64;
/// Slices are unlike if those before would leave more than this of what is off without them.
const UNLIKE: f64 = 1.1;

/// Rows that are looked at, of `rows` in planes of `height`; each has one above it.
fn rows(rows: usize, height: usize) -> impl Iterator<Item = usize> {
    (1..rows).step_by((rows / LOOKED_AT).clamp(1, STRIDE)).filter(move |y| y % height > 0)
}

/// Are integers those of a neighbour more often than one beside it? Then steps are few, or values are repeated.
pub(super) fn seems_repeated<T: Element>(problem: &Problem<T>, mappings: &Mappings, dead: bool) -> bool {
    let Geometry { height, width, .. } = problem.geometry;
    if is_ribbon(&problem.geometry) || without(Part::Copies) {
        return false;
    }
    let [mut above, mut row] = [(); 2].map(|()| vec![0i64; width]);
    let (mut seen, mut copies, mut beside) = (0, 0, 0);
    for y in rows(problem.values.len() / width, height) {
        let quantiser = Quantiser::new(mappings.of(y / height)).with_dead_zone(dead);
        let (at, top) = (y * width, mappings.top(y / height));
        quantiser.indices(&problem.values[at - width..at], &mut above);
        quantiser.indices(&problem.values[at..at + width], &mut row);
        for (x, (&north, q)) in above[1..].iter().zip(row.windows(2)).enumerate() {
            let (i, west) = (at + x, q[0]);
            // Those at an end have flags of their own.
            let at_end = top > 0 && west == north && (north == 0 || north == top);
            if !at_end && [i + 1 - width, i, i + 1].into_iter().all(|i| problem.ordinary(i)) {
                seen += 1;
                match q[1].abs_diff(west).min(q[1].abs_diff(north)) {
                    0 => copies += 1,
                    1 => beside += 1,
                    _ => {}
                }
            }
        }
    }
    copies * SOME >= seen.max(1) && 2 * copies >= 3 * beside
}

/// Does a plane through three neighbours foretell more than its mean with the one of the slice before?
pub(super) fn seem_unlike<T: Element>(problem: &Problem<T>) -> bool {
    let Geometry { height, width, .. } = problem.geometry;
    let (_, plane) = slices(&problem.geometry);
    let (mut alone, mut both) = (0.0, 0.0);
    for y in rows(problem.values.len() / width, height).filter(|&y| y > height) {
        for i in y * width + 1..(y + 1) * width {
            if ![i, i - 1, i - width, i - width - 1].into_iter().all(|i| problem.ordinary(i)) {
                continue;
            }
            let v = |i: usize| problem.values[i].to_f64();
            let off = v(i) - v(i - 1);
            let (here, before) = (v(i - width) - v(i - width - 1), v(i - plane) - v(i - plane - 1));
            alone += (off - here).abs();
            both += (off - 0.5 * (here + before)).abs();
        }
    }
    both > UNLIKE * alone
}
