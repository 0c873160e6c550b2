//! The lattice coder: integers on a grid, predicted from their neighbours, residuals coded.
//! One model for both directions, fed row by row; all arithmetic wraps, so that any integers survive.

use super::edges::{Edge, Edges, room};
use super::integer::Integer;
use super::mixer::Prob;
use super::normal::Samples;
use super::predict::{Predictor, WEIGHT_BITS};
use super::range::Coder;
use super::residual::{Context, Residuals, level, low_bits};
use super::rows::{PAD, Row, rescaled};
use crate::arith::{Lanes, Task, run_lanes};
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

/// Fewest rows of a slice whose halves may stand by themselves.
const HALVED: usize = 2 * FEW;

/// What a stream says of its coder, in one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// Shift of differences for learning, below 64.
    pub(crate) shift: u8,
    /// Integers have 32 bits.
    pub(crate) narrow: bool,
    /// The upper and the lower rows of all slices are coded by themselves.
    pub(crate) halved: bool,
}

impl Form {
    pub(crate) const fn from_byte(byte: u8) -> Self {
        Self { shift: byte & 63, narrow: byte & 64 != 0, halved: byte & 128 != 0 }
    }

    pub(crate) const fn byte(self) -> u8 {
        self.shift | (self.narrow as u8) << 6 | (self.halved as u8) << 7
    }
}

/// Rows of the two halves of each slice, where it may be halved.
pub(crate) const fn band_rows(geometry: &Geometry) -> Option<[usize; 2]> {
    let first = geometry.height / 2;
    if geometry.height < HALVED { None } else { Some([first, geometry.height - first]) }
}

/// The state of a lattice stream.
pub(crate) struct Lattice<Q> {
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
    rows: [Row<Q>; 3],
    /// Rows y - 1, y, y + 1 of the slice before.
    before: [Row<Q>; 3],
    /// Row y of the slice before that one; in the second slice, of the first.
    older: Row<Q>,
    /// The two slices before, the last one first, and levels of the residuals' sizes in that one. They are
    /// replaced row by row as they fall out of use.
    planes: [Vec<Q>; 2],
    sizes: Vec<u8>,
    slice: usize,
    y: usize,
    /// Of the row that is coded: what is known before, element by element.
    known: Vec<i64>,
    calm: Vec<u64>,
    ends: Vec<bool>,
}

impl<Q: Integer> Lattice<Q> {
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
            planes: [vec![Q::default(); plane], vec![Q::default(); if geometry.slices() > 2 { plane } else { 0 }]],
            sizes: vec![0; plane],
            slice: 0,
            y: 0,
            known: vec![0; width],
            calm: vec![0; width],
            ends: vec![false; width],
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
                *q = Q::nearest(offset + q.wide() as f64 * factor);
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
    pub(crate) fn row<C: Coder>(&mut self, coder: &mut C, q: &mut [Q], masked: Option<&[u8]>) {
        self.open();
        let n = q.len().min(self.width);
        let row = &mut q[..n];
        run_lanes(RowOf { lattice: self, coder, row, masked });
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
            let load = |row: &mut Row<Q>, y: usize| {
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

    /// What the rows above say of the row: of each element the part of its prediction, its energy, and whether a
    /// neighbour is at an end of the values.
    #[inline(always)]
    fn foresee<const BEFORE: bool>(&mut self) {
        let width = self.width;
        let [_, north, north2] = &self.rows;
        let (n1, n2) = (&north.q[..width + 2 * PAD], &north2.q[..width + 2 * PAD]);
        let Some(deep) = self.deep.as_ref().filter(|_| BEFORE) else {
            let taps = [&n1[2..], &n1[4..], &n2[3..], &n1[1..], &n1[5..], &n2[2..], &n2[4..]];
            self.near.foresee(&n1[PAD..], taps, [1, 2, 4, 5, 6, 7, 8], &mut self.known);
            energies(north, &north2.size[PAD..], &mut self.calm);
            if self.top > 0 {
                let ring = [&n1[3..], &n1[2..], &n1[4..], &n2[3..], &n1[1..], &n1[5..]];
                find_ends(ring, Q::wrap(self.top), &mut self.ends);
            }
            return;
        };
        let [b0, b1, b2] = self.before.each_ref().map(|b| &b.q[..width + 2 * PAD]);
        let bb = &self.older.q[..width + 2 * PAD];
        #[rustfmt::skip]
        let taps = [
            &n1[2..], &n1[4..], &n2[3..], &n1[1..], &n1[5..], &n2[2..], &n2[4..],
            &b1[3..], &b1[2..], &b1[4..], &b0[3..], &b2[3..], &b2[4..], &b2[2..], &b0[2..], &b0[4..],
            &bb[3..], &bb[2..], &bb[4..],
        ];
        let which = [1, 2, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21];
        deep.foresee(&n1[PAD..], taps, which, &mut self.known);
        energies(north, &self.before[1].size[PAD..], &mut self.calm);
        if self.top > 0 {
            let ring = [&n1[3..], &n1[2..], &n1[4..], &n2[3..], &b1[3..], &b1[4..]];
            find_ends(ring, Q::wrap(self.top), &mut self.ends);
        }
    }

    #[inline(always)]
    fn code_row<L: Lanes, C: Coder, const BEFORE: bool>(
        &mut self,
        lanes: L,
        coder: &mut C,
        q: &mut [Q],
        masked: Option<&[u8]>,
    ) {
        self.foresee::<BEFORE>();
        let top = self.top;
        let width = self.width;
        let [row, north, north2] = &mut self.rows;
        let (n1, n2) = (&north.q[..width + 2 * PAD], &north2.q[..width + 2 * PAD]);
        let [_, b1, _] = &self.before;
        let (size1, size2) = (&north.size[..width + 2 * PAD], &north2.size[..width + 2 * PAD]);
        let (known, calm, ends) = (&self.known[..width], &self.calm[..width], &self.ends[..width]);
        let (mut west, mut west2, mut west3) = (row.q[PAD - 1], row.q[PAD - 2], row.q[PAD - 3]);
        let (mut size_w, mut size_ww) = (row.size[PAD - 1], row.size[PAD - 2]);
        for x in 0..q.len().min(width) {
            let p = x + PAD;
            let n = n1[p];
            let mut value = q[x];
            'coded: {
                if masked.is_some_and(|m| m.get(x).is_some_and(|&m| m != 0)) {
                    value = Q::wrap(west.wide().wrapping_add(n.minus(west).wide() >> 1));
                    row.put_known(p, value, size_w);
                    break 'coded;
                }
                if west == n && n == n1[p - 1] && n == n1[p + 1] {
                    let quiet = size1[p] | size1[p + 1] | size_w == 0;
                    let mut context = usize::from(quiet) | usize::from(n2[p] == n && n2[p + 1] == n) << 1;
                    if BEFORE {
                        context |= 4 | usize::from(b1.q[p] == west && b1.q[p + 1] == west) << 3;
                    } else {
                        context |= usize::from(west2 == west && n1[p + 2] == n) << 3;
                    }
                    if !self.flat[context].code(coder, value != west) {
                        value = west;
                        row.put_known(p, west, 0);
                        break 'coded;
                    }
                }
                let weights = if BEFORE && let Some(deep) = &self.deep { deep.late(x) } else { self.near.late(x) };
                let sum = known[x]
                    .wrapping_add(n.minus(west).times(weights[0]))
                    .wrapping_add(west2.minus(west).times(weights[1]))
                    .wrapping_add(west3.minus(west).times(weights[2]));
                let eighths = sum >> (WEIGHT_BITS - PHASE_BITS);
                let energy = calm[x] + 2 * size_w + size_ww;
                let half = if low_bits(energy) == 0 { 4 } else { 8 };
                let mut predicted = Q::wrap(west.wide().wrapping_add(eighths.wrapping_add(half) >> PHASE_BITS)).wide();
                let mut class = 0;
                if top > 0 {
                    predicted = predicted.clamp(0, top);
                    let end = |v: Q| v == Q::default() || v.wide() == top;
                    if ends[x] || end(west) || end(west2) || predicted.min(top - predicted) as u64 <= energy {
                        let low = predicted <= top / 2;
                        let at = |i: usize| {
                            (match i {
                                0 => n,
                                1 => n1[p - 1],
                                2 => n1[p + 1],
                                3 => west2,
                                4 => n2[p],
                                5 => {
                                    if BEFORE {
                                        b1.q[p]
                                    } else {
                                        n1[p - 2]
                                    }
                                }
                                _ => {
                                    if BEFORE {
                                        b1.q[p + 1]
                                    } else {
                                        n1[p + 2]
                                    }
                                }
                            })
                            .wide()
                        };
                        let edge = Edge::new(low, top, predicted, energy, std::array::from_fn(at), west.wide());
                        let mut limits = (0, top);
                        if edge.near() {
                            if self.edges.code(coder, value.wide() == edge.at, &edge) {
                                value = Q::wrap(edge.at);
                                row.put(p, value, edge.at - predicted, energy);
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
                    diagonal: (size1[p - 1] + size1[p + 1]) / 2,
                    before: if BEFORE { b1.size[p] } else { size2[p] },
                    signs: usize::from(row.sign[p - 1]) * 3 + usize::from(north.sign[p]),
                    phase: (eighths & 7) as usize,
                    room: class,
                };
                let r = self.residuals.code(lanes, coder, value.wide().wrapping_sub(predicted), &context);
                value = Q::wrap(predicted.wrapping_add(r));
                row.put(p, value, r, energy);
            }
            q[x] = value;
            (west3, west2, west) = (west2, west, value);
            (size_ww, size_w) = (size_w, row.size[p]);
        }
    }

    /// Fit the weights to the row just coded.
    fn learn(&mut self) {
        let [row, n, m] = &mut self.rows;
        row.scale(self.shift);
        row.weigh(self.shift);
        let samples = Samples { target: &row.small[PAD..], west: &row.small[PAD - 1..], weight: &row.weight[PAD..] };
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
                deep.learn(std::array::from_fn(|i| if i < NEAR { near[i] } else { below[i - NEAR] }), &samples);
            }
            _ => self.near.learn(near, &samples),
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

/// A row to code.
struct RowOf<'a, Q, C> {
    lattice: &'a mut Lattice<Q>,
    coder: &'a mut C,
    row: &'a mut [Q],
    masked: Option<&'a [u8]>,
}

impl<Q: Integer, C: Coder> Task for RowOf<'_, Q, C> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        match self.lattice.slice {
            0 => self.lattice.code_row::<L, C, false>(lanes, self.coder, self.row, self.masked),
            _ => self.lattice.code_row::<L, C, true>(lanes, self.coder, self.row, self.masked),
        }
    }
}

/// Energies but for what the row itself adds.
#[inline(always)]
fn energies<Q>(north: &Row<Q>, before: &[u64], calm: &mut [u64]) {
    let n = calm.len();
    let (a, b, c, d) = (&north.size[2..][..n], &north.size[3..][..n], &north.size[4..][..n], &before[..n]);
    for (x, o) in calm.iter_mut().enumerate() {
        *o = a[x] + 2 * b[x] + c[x] + d[x];
    }
}

/// Where a neighbour is at an end of the values.
#[inline(always)]
fn find_ends<Q: Integer>(ring: [&[Q]; 6], top: Q, ends: &mut [bool]) {
    let n = ends.len();
    let [a, b, c, d, e, f] = ring.map(|r| &r[..n]);
    let end = |v: Q| (v == Q::default()) | (v == top);
    for (x, o) in ends.iter_mut().enumerate() {
        *o = end(a[x]) | end(b[x]) | end(c[x]) | end(d[x]) | end(e[x]) | end(f[x]);
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
