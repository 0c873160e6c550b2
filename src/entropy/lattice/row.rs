//! Coding of a row, element by element.

use super::Lattice;
use super::ahead::{AT_END, Ahead, END, MASKED};
use crate::ablation::{Part, unless, without};
use crate::arith::{Lanes, SAMPLES, Task};
use crate::entropy::copies::{self, Copies, Holes};
use crate::entropy::edges::{Edge, Edges, room};
use crate::entropy::integer::{Integer, Size};
use crate::entropy::normal::WEIGHT_BITS;
use crate::entropy::range::Coder;
use crate::entropy::residual::{Context, Residuals, low_bits};
use crate::entropy::rows::{KNOWN, PAD, Row, kept};

/// Fraction bits that a prediction keeps.
const PHASE_BITS: u32 = 3;

/// The models of a stream.
pub(super) struct Models {
    residuals: Residuals,
    edges: Edges,
    /// If the form has flags of copies.
    copies: Option<Box<Copies>>,
}

impl Models {
    pub(super) fn new(copies: bool) -> Self {
        let copies = copies.then(|| Box::new(Copies::new()));
        Self { residuals: Residuals::new(), edges: Edges::new(), copies }
    }
}

/// A row to code.
pub(super) struct RowOf<'a, Q: Integer, C> {
    pub(super) lattice: &'a mut Lattice<Q>,
    pub(super) coder: &'a mut C,
    pub(super) row: &'a mut [Q],
    pub(super) masked: Option<&'a [u8]>,
}

impl<Q: Integer, C: Coder> Task for RowOf<'_, Q, C> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Self { lattice, coder, row: q, masked } = self;
        let Lattice { rows: [row, north, north2], past, ahead, models, top, .. } = lattice;
        match lattice.deep.as_ref().filter(|_| lattice.slice > 0 && !without(Part::SliceTaps)) {
            Some(deep) => {
                ahead.between(deep, [north, north2], past, *top, masked);
                let around = Around { ahead, north, north2, before: &past.rows[1], top: *top };
                code_row::<L, C, Q, true>(lanes, coder, q, row, &around, |x| deep.late(x), models);
            }
            None => {
                let near = &lattice.near;
                ahead.within(near, [north, north2], *top, masked);
                let around = Around { ahead, north, north2, before: &past.rows[1], top: *top };
                code_row::<L, C, Q, false>(lanes, coder, q, row, &around, |x| near.late(x), models);
            }
        }
    }
}

/// The rows that a row is coded beside, and what they say of it.
struct Around<'a, Q: Integer> {
    ahead: &'a Ahead<Q>,
    north: &'a Row<Q>,
    north2: &'a Row<Q>,
    before: &'a Row<Q>,
    top: i64,
}

/// What the row itself has before an element: integers and sizes of residuals, the nearest first, and how the last one leans.
#[derive(Clone, Copy)]
struct West<Q> {
    q: [Q; 3],
    size: [u64; 3],
    lean: u8,
}

#[inline(always)]
fn code_row<'w, L: Lanes, C: Coder, Q: Integer, const BEFORE: bool>(
    lanes: L,
    coder: &mut C,
    q: &mut [Q],
    row: &mut Row<Q>,
    around: &Around<'_, Q>,
    late: impl Fn(usize) -> &'w [i32; 3],
    models: &mut Models,
) {
    let Around { ahead, north, top, .. } = *around;
    let mut west = West {
        q: [row.q[PAD - 1], row.q[PAD - 2], row.q[PAD - 3]],
        size: [row.size[PAD - 1], row.size[PAD - 2], row.size[PAD - 3]].map(Into::into),
        lean: row.lean[PAD - 1],
    };
    for (cell, q) in q.chunks_mut(SAMPLES).enumerate() {
        let (first, len) = (cell * SAMPLES, q.len());
        let weights = late(first);
        let padded = PAD + first..PAD + first + len;
        let (known, calm) = (&ahead.known[first..][..len], &ahead.calm[first..][..len]);
        let flags = &ahead.flags[first..][..len];
        let n = &north.q[padded.clone()][..len];
        let lean_n = &north.lean[padded.clone()][..len];
        let (out, sizes) = (&mut row.q[padded.clone()][..len], &mut row.size[padded.clone()][..len]);
        let (leans, energies) = (&mut row.lean[padded.clone()][..len], &mut row.energy[padded][..len]);
        let end = n[0];
        let amid = || flags.iter().fold(true, |all, &f| all & (f == END | AT_END)) && west.q[..2] == [end; 2];
        if 2 * len >= SAMPLES && amid() {
            let around = calm.iter().fold(0, |sum, &c| sum + c.into());
            let there = q.iter().fold(true, |all, &v| all & (v == end));
            if models.edges.cell_stays(coder, there, end == Q::default(), around) {
                q.fill(end);
                out.fill(end);
                sizes.fill(Q::Size::default());
                leans.fill(0);
                energies.fill(KNOWN);
                west = West { q: [end; 3], size: [0; 3], lean: 0 };
                continue;
            }
        }
        for x in 0..len {
            let mut value = q[x];
            let (mut size, mut lean, mut expected) = (west.size[0], 0, KNOWN);
            'coded: {
                if flags[x] & MASKED != 0 {
                    value = Q::wrap(west.q[0].wide().wrapping_add(n[x].minus(west.q[0]).wide() >> 1));
                    break 'coded;
                }
                let [one, two, three] = west.size;
                // With those that `Ahead` counts, 32 sizes.
                let energy =
                    calm[x].into() + if BEFORE { 4 * one + 3 * two + three } else { 5 * one + 3 * two + 2 * three };
                expected = energy;
                let amid = flags[x] & AT_END != 0 && west.q[0] == n[x] && west.q[1] == n[x];
                if amid && models.edges.stays(coder, value == n[x], n[x] == Q::default(), energy) {
                    (value, size) = (n[x], 0);
                    break 'coded;
                }
                let copies = models.copies.as_mut().filter(|_| !amid);
                let repeats = copies.is_some();
                if let Some(copies) = copies {
                    let around = around.copies::<BEFORE>(first + x + PAD, &west);
                    if let Some(copy) = copies.code(coder, value, [west.q[0], n[x]], &around) {
                        (value, expected) = (copy, KNOWN);
                        break 'coded;
                    }
                }
                let sum = known[x]
                    .wrapping_add(n[x].minus(west.q[0]).times(weights[0]))
                    .wrapping_add(west.q[1].minus(west.q[0]).times(weights[1]))
                    .wrapping_add(west.q[2].minus(west.q[0]).times(weights[2]));
                let eighths = sum >> (WEIGHT_BITS - PHASE_BITS);
                let half = if low_bits(energy) == 0 { 4 } else { 8 };
                let step = eighths.wrapping_add(half) >> PHASE_BITS;
                let mut predicted = Q::wrap(west.q[0].wide().wrapping_add(step)).wide();
                let mut class = 0;
                if top > 0 {
                    predicted = predicted.clamp(0, top);
                    let end = |v: Q| (v == Q::default()) | (v.wide() == top);
                    let close = predicted.min(top - predicted) as u64 <= energy / 4;
                    if (flags[x] & END != 0) | end(west.q[0]) | end(west.q[1]) | close {
                        let low = if amid { n[x] == Q::default() } else { predicted <= top / 2 };
                        let edge = around.edge::<BEFORE>(first + x + PAD, &west, low, predicted, energy);
                        let mut limits = (0, top);
                        if edge.near() {
                            if !amid && models.edges.code(coder, value.wide() == edge.at, &edge) {
                                value = Q::wrap(edge.at);
                                (size, lean) = kept::<Q::Size>(edge.at - predicted, energy);
                                break 'coded;
                            }
                            limits = if low { (1, top) } else { (0, top - 1) };
                            predicted = predicted.clamp(limits.0, limits.1);
                        }
                        let away = if low { predicted - limits.0 } else { limits.1 - predicted };
                        class = room(away as u64, energy, low);
                    }
                }
                let context = Context {
                    energy,
                    leans: [west.lean, lean_n[x]].map(usize::from),
                    phase: unless(Part::Phase, (eighths & 7) as usize),
                    room: unless(Part::Room, class),
                };
                let holes = Holes::new([west.q[0].wide(), n[x].wide()], predicted);
                let coded = if repeats { holes.close(value.wide()) } else { value.wide() };
                let r = models.residuals.code(lanes, coder, coded.wrapping_sub(predicted), &context);
                let coded = predicted.wrapping_add(r);
                value = Q::wrap(if repeats { holes.open(coded) } else { coded });
                let r = value.wide().wrapping_sub(predicted);
                (size, lean) = kept::<Q::Size>(r, energy);
            }
            (q[x], out[x], sizes[x], leans[x], energies[x]) = (value, value, Q::Size::of(size), lean, expected);
            west = West { q: [value, west.q[0], west.q[1]], size: [size, west.size[0], west.size[1]], lean };
        }
    }
}

impl<Q: Integer> Around<'_, Q> {
    /// What is the same around an element, in the padded row at `p`.
    #[inline(always)]
    fn copies<const BEFORE: bool>(&self, p: usize, west: &West<Q>) -> copies::Around {
        let (n1, n2, b) = (&self.north.q, &self.north2.q, &self.before.q);
        let (north, north2) = ([-2, -1, 0, 1, 2].map(|d| n1[p.wrapping_add_signed(d)]), [n2[p - 1], n2[p], n2[p + 1]]);
        copies::Around::new(west.q, north, north2, if BEFORE { Some([b[p - 1], b[p]]) } else { None })
    }

    /// What is around an element that may be at an end.
    #[inline(always)]
    fn edge<const BEFORE: bool>(&self, p: usize, west: &West<Q>, low: bool, predicted: i64, energy: u64) -> Edge {
        let (n1, n2, b) = (&self.north.q, &self.north2.q, &self.before.q);
        let (far, further) = if BEFORE { (b[p], b[p + 1]) } else { (n1[p - 2], n1[p + 2]) };
        let taps = [n1[p], n1[p - 1], n1[p + 1], west.q[1], n2[p], far, further].map(Q::wide);
        Edge::new(low, self.top, predicted, energy, taps, west.q[0].wide())
    }
}
