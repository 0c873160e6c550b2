//! The lattice coder: integers on a grid, predicted from their neighbours, residuals coded.
//! One model for both directions, fed row by row; all arithmetic wraps, so that any integers survive.

use super::edges::{Edge, Edges, room};
use super::mixer::Prob;
use super::predict::{Predictor, WEIGHT_BITS};
use super::range::Coder;
use super::residual::{Context, Residuals, level, low_bits};
use super::rows::{PAD, Row, rescaled};
use crate::arith::run_wide;
use crate::format::Geometry;

/// Neighbours in the slice, and with those in the slice before.
const NEAR: usize = 10;
const DEEP: usize = 22;
/// Row length of one-dimensional arrays.
const RIBBON: usize = 256;
/// Arrays of fewer rows than this, all of them longer than `WIDE`, count as one-dimensional: what is kept of
/// each column would be more than the array.
const FEW: usize = 32;
const WIDE: usize = 4096;
/// Fraction bits that a prediction keeps.
const PHASE_BITS: u32 = 3;

/// The state of a lattice stream.
pub(crate) struct Lattice {
    width: usize,
    height: usize,
    len: usize,
    /// One-dimensional: each row goes on where the one above ended.
    ribbon: bool,
    periodic: bool,
    shift: u32,
    near: Predictor<NEAR>,
    deep: Option<Predictor<DEEP>>,
    residuals: Residuals,
    flat: [Prob; 16],
    /// Greatest integer of the slice, if all are known to lie in 0..=top; or 0.
    top: i64,
    edges: Edges,
    /// The row that is coded and the two before it.
    rows: [Row; 3],
    /// Rows y - 1, y, y + 1 of the slice before.
    before: [Row; 3],
    /// Row y of the slice before that one; in the second slice, of the first.
    older: Row,
    /// The two slices before, the last one first, and levels of the residuals' sizes in that one. They are
    /// replaced row by row as they fall out of use.
    planes: [Vec<i64>; 2],
    sizes: Vec<u8>,
    slice: usize,
    y: usize,
}

impl Lattice {
    /// `shift` scales differences for learning: those of typical size should be some hundreds or less.
    pub(crate) fn new(geometry: &Geometry, shift: u32) -> Self {
        let ribbon = is_ribbon(geometry);
        let len = geometry.slices() * geometry.plane();
        let width = if ribbon { len.min(RIBBON) } else { geometry.width };
        let height = if ribbon { len.div_ceil(RIBBON) } else { geometry.height };
        let periodic = geometry.periodic && !ribbon;
        let deep = geometry.slices() > 1 && !ribbon;
        // Where nothing is learned: west + north - north-west; or the same in the slice before.
        let mut near = [0.0; NEAR];
        (near[0], near[1]) = if ribbon { (0.0, 0.0) } else { (1.0, -1.0) };
        let mut below = [0.0; DEEP];
        (below[0], below[1]) = (0.5, -0.5);
        (below[NEAR], below[NEAR + 1]) = (0.5, -0.5);
        let plane = if deep { geometry.plane() } else { 0 };
        Self {
            width,
            height,
            len: if ribbon { len } else { width * height },
            ribbon,
            periodic,
            shift: shift.min(63),
            near: Predictor::new(width, periodic, near),
            deep: deep.then(|| Predictor::new(width, periodic, below)),
            residuals: Residuals::new(),
            flat: [Prob::new(2048, 4); 16],
            top: 0,
            edges: Edges::new(),
            rows: std::array::from_fn(|_| Row::new(width)),
            before: std::array::from_fn(|_| Row::new(if deep { width } else { 0 })),
            older: Row::new(if deep { width } else { 0 }),
            planes: [vec![0; plane], vec![0; if geometry.slices() > 2 { plane } else { 0 }]],
            sizes: vec![0; plane],
            slice: 0,
            y: 0,
        }
    }

    /// True when the next row is the first of a slice.
    pub(crate) const fn opens(&self) -> bool {
        self.y == 0
    }

    /// Start a slice, whose integers lie in 0..=top unless `top` is 0. Integers of the slice before are
    /// `change.0 + change.1 * q` in the units of this one.
    pub(crate) fn start(&mut self, top: i64, change: Option<(f64, f64)>) {
        self.top = top;
        if let Some((offset, factor)) = change {
            for q in self.planes.iter_mut().flatten() {
                let v = offset + *q as f64 * factor;
                *q = (if v < 0.0 { v - 0.5 } else { v + 0.5 }) as i64;
            }
            for s in &mut self.sizes {
                *s = rescaled(*s, factor);
            }
        }
    }

    /// Length of the next row; rows follow each other in the array's order.
    pub(crate) fn row_len(&self) -> usize {
        (self.len - self.y * self.width).min(self.width)
    }

    /// Code the next row. Elements that `masked` are not coded.
    pub(crate) fn row<C: Coder>(&mut self, coder: &mut C, q: &mut [i64], masked: Option<&[u8]>) {
        self.open();
        let n = q.len().min(self.width);
        let row = &mut q[..n];
        run_wide(
            #[inline(always)]
            || match self.slice {
                0 => self.code_row::<C, false>(coder, row, masked),
                _ => self.code_row::<C, true>(coder, row, masked),
            },
        );
        if n == self.width {
            self.learn();
        }
        self.keep();
        self.y += 1;
        if self.y == self.height {
            self.y = 0;
            self.slice += 1;
        }
    }

    /// Bring the rows above and the rows of the slice before in place.
    fn open(&mut self) {
        let (width, periodic, shift) = (self.width, self.periodic, self.shift);
        if self.slice > 0 {
            if self.y > 0 {
                self.before.rotate_left(1);
            }
            let [last, older] = &self.planes;
            let part = |y: usize| y * width..(y + 1) * width;
            let load = |row: &mut Row, y: usize| {
                row.load(&last[part(y)], &self.sizes[part(y)]);
                row.close(width, periodic, shift);
            };
            if self.y == 0 {
                load(&mut self.before[1], 0);
                self.before[0] = self.before[1].clone();
            }
            load(&mut self.before[2], (self.y + 1).min(self.height - 1));
            let older = if self.slice > 1 { older } else { last };
            self.older.load(&older[part(self.y)], &[]);
            self.older.close(width, periodic, shift);
            if self.y == 0 {
                // Above the first row: the first row of the slice before.
                self.rows[1] = self.before[1].clone();
                self.rows[2] = self.before[1].clone();
            }
        }
        let [row, north, _] = &mut self.rows;
        // A ribbon goes on where the row above ended.
        row.lead(north, if self.ribbon { width } else { 0 });
    }

    #[inline(always)]
    fn code_row<C: Coder, const BEFORE: bool>(&mut self, coder: &mut C, q: &mut [i64], masked: Option<&[u8]>) {
        let (shift, top) = (self.shift, self.top);
        let [row, north, north2] = &mut self.rows;
        let (n1, n2) = (&north.q[..], &north2.q[..]);
        let [b0, b1, b2] = &self.before;
        let bb = &self.older;
        for (x, value) in q.iter_mut().enumerate() {
            let p = x + PAD;
            let west = row.q[p - 1];
            let (n, nw, ne) = (n1[p], n1[p - 1], n1[p + 1]);
            if masked.is_some_and(|m| m.get(x).is_some_and(|&m| m != 0)) {
                *value = west.wrapping_add(n.wrapping_sub(west) >> 1);
                row.put_known(p, *value, row.size[p - 1]);
                continue;
            }
            let (size1, size2) = (&north.size[..], &north2.size[..]);
            if west == n && n == nw && n == ne {
                let quiet = size1[p] | size1[p + 1] | row.size[p - 1] == 0;
                let mut context = usize::from(quiet) | usize::from(n2[p] == n && n2[p + 1] == n) << 1;
                if BEFORE {
                    context |= 4 | usize::from(b1.q[p] == west && b1.q[p + 1] == west) << 3;
                } else {
                    context |= usize::from(row.q[p - 2] == west && n1[p + 2] == n) << 3;
                }
                if !self.flat[context].code(coder, *value != west) {
                    *value = west;
                    row.put_known(p, west, 0);
                    continue;
                }
            }
            let mut taps = [0i64; DEEP];
            taps[..NEAR].copy_from_slice(&[
                n,
                nw,
                ne,
                row.q[p - 2],
                n2[p],
                n1[p - 2],
                n1[p + 2],
                n2[p - 1],
                n2[p + 1],
                row.q[p - 3],
            ]);
            let mut sum = 0i64;
            if BEFORE {
                taps[NEAR..].copy_from_slice(&[
                    b1.q[p],
                    b1.q[p - 1],
                    b1.q[p + 1],
                    b0.q[p],
                    b2.q[p],
                    b2.q[p + 1],
                    b2.q[p - 1],
                    b0.q[p - 1],
                    b0.q[p + 1],
                    bb.q[p],
                    bb.q[p - 1],
                    bb.q[p + 1],
                ]);
                if let Some(deep) = &self.deep {
                    for (&w, &t) in deep.weights(x).iter().zip(&taps) {
                        sum = sum.wrapping_add(i64::from(w).wrapping_mul(t.wrapping_sub(west)));
                    }
                }
            } else {
                for (&w, &t) in self.near.weights(x).iter().zip(&taps) {
                    sum = sum.wrapping_add(i64::from(w).wrapping_mul(t.wrapping_sub(west)));
                }
            }
            let eighths = sum >> (WEIGHT_BITS - PHASE_BITS);
            let sizes = (row.size[p - 1], size1[p]);
            let diagonal = size1[p - 1] + size1[p + 1];
            let before = if BEFORE { b1.size[p] } else { size2[p] };
            let energy = 2 * sizes.0 + 2 * sizes.1 + diagonal + row.size[p - 2] + before;
            let half = if low_bits(energy) == 0 { 4 } else { 8 };
            let mut predicted = west.wrapping_add(eighths.wrapping_add(half) >> PHASE_BITS);
            let mut class = 0;
            if top > 0 {
                predicted = predicted.clamp(0, top);
                let low = predicted <= top / 2;
                let edge = Edge::new::<BEFORE>(low, top, predicted, energy, &taps, west);
                let mut limits = (0, top);
                if edge.near() {
                    if self.edges.code(coder, *value == edge.at, &edge) {
                        *value = edge.at;
                        row.put(p, edge.at, edge.at - predicted, energy, shift);
                        continue;
                    }
                    limits = if low { (1, top) } else { (0, top - 1) };
                    predicted = predicted.clamp(limits.0, limits.1);
                }
                let away = if low { predicted - limits.0 } else { limits.1 - predicted };
                class = room(away as u64, energy, low);
            }
            let context = Context {
                energy,
                west: sizes.0,
                north: sizes.1,
                diagonal: diagonal / 2,
                before,
                signs: usize::from(row.sign[p - 1]) * 3 + usize::from(north.sign[p]),
                phase: (eighths & 7) as usize,
                room: class,
            };
            let r = self.residuals.code(coder, value.wrapping_sub(predicted), &context);
            *value = predicted.wrapping_add(r);
            row.put(p, *value, r, energy, shift);
        }
    }

    /// Fit the weights to the row just coded.
    fn learn(&mut self) {
        let [row, n, m] = &mut self.rows;
        row.scale(self.shift);
        let target = &row.small[PAD..];
        let west = &row.small[PAD - 1..];
        let near: [&[i32]; NEAR] = [
            &n.small[PAD..],
            &n.small[PAD - 1..],
            &n.small[PAD + 1..],
            &row.small[PAD - 2..],
            &m.small[PAD..],
            &n.small[PAD - 2..],
            &n.small[PAD + 2..],
            &m.small[PAD - 1..],
            &m.small[PAD + 1..],
            &row.small[PAD - 3..],
        ];
        match &mut self.deep {
            Some(deep) if self.slice > 0 => {
                let [b0, b1, b2] = &self.before;
                let below = [
                    &b1.small[PAD..],
                    &b1.small[PAD - 1..],
                    &b1.small[PAD + 1..],
                    &b0.small[PAD..],
                    &b2.small[PAD..],
                    &b2.small[PAD + 1..],
                    &b2.small[PAD - 1..],
                    &b0.small[PAD - 1..],
                    &b0.small[PAD + 1..],
                    &self.older.small[PAD..],
                    &self.older.small[PAD - 1..],
                    &self.older.small[PAD + 1..],
                ];
                deep.learn(
                    std::array::from_fn(|i| if i < NEAR { near[i] } else { below[i - NEAR] }),
                    target,
                    west,
                    &row.weight[PAD..],
                );
            }
            _ => self.near.learn(near, target, west, &row.weight[PAD..]),
        }
    }

    /// Close the row, hand the one above to the slice's memory, and turn the rows round.
    fn keep(&mut self) {
        let (width, periodic, shift) = (self.width, self.periodic, self.shift);
        self.rows[0].close(width, periodic, shift);
        // Row y of the slice before is in `before`; its memory is free.
        let part = self.y * width..(self.y + 1) * width;
        let [last, older] = &mut self.planes;
        if let Some(last) = last.get_mut(part.clone()) {
            if let Some(older) = older.get_mut(part.clone()) {
                older.copy_from_slice(last);
            }
            last.copy_from_slice(&self.rows[0].q[PAD..PAD + width]);
            for (s, &v) in self.sizes[part].iter_mut().zip(&self.rows[0].size[PAD..]) {
                *s = level(v) as u8;
            }
        }
        self.rows.rotate_right(1);
    }
}

/// Slices that the coder sees, and their elements.
pub(crate) fn slices(geometry: &Geometry) -> (usize, usize) {
    let (slices, plane) = (geometry.slices(), geometry.plane());
    if is_ribbon(geometry) { (1, slices * plane) } else { (slices, plane) }
}

/// True for arrays that are coded as if they had one dimension.
fn is_ribbon(geometry: &Geometry) -> bool {
    let rows = geometry.slices() * geometry.height;
    rows == 1 || rows < FEW && geometry.width > WIDE
}
