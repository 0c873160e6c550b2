//! The lattice coder: integers on a grid, predicted from their neighbours, residuals coded.
//! One model for both directions, fed row by row; all arithmetic wraps, so that any integers survive.

mod ahead;
mod form;
mod past;
mod row;

pub(crate) use form::{Form, halves, is_ribbon, slices};

use super::integer::Integer;
use super::normal::Samples;
use super::predict::Predictor;
use super::range::Coder;
use super::rows::{PAD, Row};
use crate::ablation::{Part, unless, without};
use crate::arith::{run_lanes, run_wide};
use crate::format::Geometry;
use ahead::Ahead;
use form::RIBBON;
use past::Past;
use row::{Models, RowOf};

/// Neighbours in the slice, and with those in the slices before.
const NEAR: usize = 10;
const DEEP: usize = 22;

/// The state of a lattice stream.
pub(crate) struct Lattice<Q: Integer> {
    width: usize,
    height: usize,
    /// Elements of a slice.
    len: usize,
    /// One-dimensional slices: each row goes on where the one above ended.
    ribbon: bool,
    periodic: bool,
    shift: u32,
    near: Predictor<NEAR>,
    deep: Option<Predictor<DEEP>>,
    models: Models,
    /// Greatest integer of the slice, if all are known to lie in 0..=top; or 0.
    top: i64,
    /// The row that is coded and the two before it.
    rows: [Row<Q>; 3],
    past: Past<Q>,
    ahead: Ahead<Q>,
    slice: usize,
    y: usize,
}

impl<Q: Integer> Lattice<Q> {
    pub(crate) fn new(geometry: &Geometry, form: Form) -> Self {
        let ribbon = is_ribbon(geometry);
        let (slices, len) = slices(geometry);
        let width = if ribbon { len.min(RIBBON) } else { geometry.width };
        let height = if ribbon { len.div_ceil(RIBBON) } else { geometry.height };
        let periodic = geometry.periodic && !ribbon;
        // Where nothing is learned: west + north - north-west; or the same in the slice before.
        let mut near = [0.0; NEAR];
        (near[0], near[1]) = if ribbon { (0.0, 0.0) } else { (1.0, -1.0) };
        let mut below = [0.0; DEEP];
        (below[0], below[1]) = if ribbon { (0.0, 0.0) } else { (0.5, -0.5) };
        (below[NEAR], below[NEAR + 1]) = (0.5, -0.5);
        Self {
            width,
            height,
            len,
            ribbon,
            periodic,
            shift: form.wide.unwrap_or(0).into(),
            near: Predictor::new(width, periodic, near),
            deep: (slices > 1).then(|| Predictor::new(width, periodic, below)),
            models: Models::new(form.copies),
            top: 0,
            rows: std::array::from_fn(|_| Row::new(width)),
            past: Past::new(width, slices, width * height),
            ahead: Ahead::new(width),
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
        self.top = unless(Part::Edges, top);
        if let Some(change) = change {
            self.past.change(change);
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
        if n < self.width {
            self.rows[0].end(n, self.width);
        }
        run_wide(
            #[inline(always)]
            || {
                self.rows[0].scale(self.shift);
                self.rows[0].weigh(self.shift);
            },
        );
        if n == self.width && !without(Part::LatticeLearning) {
            self.learn();
        }
        run_wide(
            #[inline(always)]
            || {
                self.rows[0].close(self.width, self.periodic);
                self.past.keep(self.y, self.width, &self.rows[0]);
            },
        );
        self.rows.rotate_right(1);
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
            let (place, second) = ((self.y, self.height), self.slice == 1);
            run_wide(
                #[inline(always)]
                || {
                    self.past.open(
                        place,
                        width,
                        second,
                        #[inline(always)]
                        |row| {
                            row.scale(shift);
                            row.close(width, periodic);
                        },
                    );
                },
            );
            if self.y == 0 {
                // Above the first row: the first row of the slice before.
                self.rows[1] = self.past.rows[1].clone();
                self.rows[2] = self.past.rows[1].clone();
            }
        }
        let [row, north, _] = &mut self.rows;
        // A ribbon goes on where the row above ended.
        row.lead(north, if self.ribbon && self.y > 0 { width } else { 0 });
    }

    /// Fit the weights to the row just coded.
    fn learn(&mut self) {
        let [row, n, m] = &self.rows;
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
        // Differences of 0 are never learned from.
        let west = samples.west;
        let near =
            if without(Part::FarTaps) { std::array::from_fn(|i| if i < 5 { near[i] } else { west }) } else { near };
        match &mut self.deep {
            Some(deep) if self.slice > 0 && !without(Part::SliceTaps) => {
                let [b0, b1, b2] = &self.past.rows;
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
                    &self.past.older.small[PAD..],
                    &self.past.older.small[PAD - 1..],
                    &self.past.older.small[PAD + 1..],
                ];
                let out = |i: usize| {
                    (5..9).contains(&i) && without(Part::SliceCornerTaps) || i > 8 && without(Part::OlderTaps)
                };
                let below: [_; DEEP - NEAR] = std::array::from_fn(|i| if out(i) { west } else { below[i] });
                deep.learn(std::array::from_fn(|i| if i < NEAR { near[i] } else { below[i - NEAR] }), &samples);
            }
            _ => self.near.learn(near, &samples),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::range::{Decoder, Encoder};

    /// A dry field with a shower in every 64th row and column.
    #[test]
    fn what_stays_at_an_end_costs_next_to_nothing() {
        let geometry = Geometry { outer: Vec::new(), height: 512, width: 1024, periodic: false };
        let form = Form { wide: None, halved: false, copies: false, joined: false };
        let value = |i: usize| if i / 1024 % 64 == 30 && i % 64 == 30 { 1000 } else { 0 };
        let values: Vec<i32> = (0..512 * 1024).map(value).collect();
        let (mut encoder, mut lattice) = (Encoder::new(), Lattice::new(&geometry, form));
        lattice.start(1000, None);
        values.chunks(1024).for_each(|row| lattice.row(&mut encoder, &mut row.to_vec(), None));
        let bytes = encoder.finish();
        // 949 bytes with flags of single elements only.
        assert!(bytes.len() < 800, "{} bytes", bytes.len());
        let (mut decoder, mut lattice) = (Decoder::new(&bytes), Lattice::new(&geometry, form));
        lattice.start(1000, None);
        for row in values.chunks(1024) {
            let mut decoded = vec![0; 1024];
            lattice.row(&mut decoder, &mut decoded, None);
            assert_eq!(decoded, row);
        }
    }
}
