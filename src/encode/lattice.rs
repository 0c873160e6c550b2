//! Values to lattice payload: which integers, then code them.

use super::mapping::{Quantiser, choose, exact, fixed, with_tops};
use super::problem::Problem;
use crate::array::Element;
use crate::entropy::fixed::Rest;
use crate::entropy::lattice::{Lattice, slices};
use crate::entropy::mapping::{Mapping, Mappings, code_rest};
use crate::entropy::range::{Coder, Counter, Encoder};
use crate::format::{Geometry, Writer};
use std::ops::Range;

/// How a problem becomes integers.
pub(crate) struct Plan {
    mappings: Mappings,
    /// With a dead zone at the least value.
    dead: bool,
    /// Shift of differences for learning.
    shift: u8,
}

impl Plan {
    pub(crate) fn new<T: Element>(problem: &Problem<T>) -> Self {
        let plan = |(each, dead): (Vec<Mapping>, bool)| {
            let mappings = with_tops(problem, each);
            Self { shift: learning_shift(problem, &Quantiser::new(mappings.of(0))), mappings, dead }
        };
        let chosen = plan(choose(problem));
        // Native floats, every bit: in the order of their bit patterns, or of their values.
        match fixed(problem).filter(|_| *chosen.mappings.of(0) == exact(problem)).map(|each| plan((each, false))) {
            Some(fixed) if fixed.sample(problem) < chosen.sample(problem) => fixed,
            _ => chosen,
        }
    }

    /// The payload.
    pub(crate) fn encode<T: Element>(&self, problem: &Problem<T>) -> Vec<u8> {
        let mut w = Writer::default();
        self.mappings.write(&mut w);
        w.u8(self.shift);
        let mut coder = Encoder::new();
        let mut state = State::new(&problem.geometry, self.shift);
        let (_, plane) = slices(&problem.geometry);
        let mut done = 0;
        while done < problem.values.len() {
            let slice = done / plane;
            if state.lattice.opens() {
                state.lattice.start(self.mappings.top(slice), self.mappings.change(slice));
            }
            let part = done..done + state.lattice.row_len();
            done = part.end;
            self.row(problem, slice, part, &mut state, &mut coder);
        }
        w.bytes(&coder.finish());
        w.0
    }

    /// About how many bytes [`encode`](Self::encode) would take, or 0 for arrays so small that this says nothing.
    pub(crate) fn estimate<T: Element>(&self, problem: &Problem<T>) -> usize {
        if problem.values.len() / problem.geometry.width < 64 {
            return 0;
        }
        // A band pays for learning anew; a long run does not.
        self.sample(problem) * 17 / 20
    }

    /// About the bytes of all, from a quarter of the rows: bands spread over the array, each by itself and through all slices.
    fn sample<T: Element>(&self, problem: &Problem<T>) -> usize {
        let width = problem.geometry.width;
        let rows = problem.values.len() / width;
        let (slices, plane) = slices(&problem.geometry);
        let height = rows / slices;
        let outer = if slices > 1 { problem.geometry.outer.clone() } else { Vec::new() };
        let band = (height / if slices > 1 { 8 } else { 16 }).max(8).min(height);
        let bands = (height / (4 * band)).max(1);
        let mut counter = Counter::default();
        for b in 0..bands {
            let geometry = Geometry { outer: outer.clone(), height: band, ..problem.geometry.clone() };
            let mut state = State::new(&geometry, self.shift);
            let start = (2 * b + 1) * (height - band) / (2 * bands) * width;
            for slice in 0..slices {
                state.lattice.start(self.mappings.top(slice), self.mappings.change(slice));
                let mut done = 0;
                while done < band * width {
                    let from = slice * plane + start + done;
                    let part = from..from + state.lattice.row_len();
                    done += part.len();
                    self.row(problem, slice, part, &mut state, &mut counter);
                }
            }
        }
        counter.bytes() as usize * height / (bands * band)
    }

    /// Quantise and code one row, a part of a slice.
    fn row<T: Element, C: Coder>(
        &self,
        problem: &Problem<T>,
        slice: usize,
        part: Range<usize>,
        state: &mut State,
        coder: &mut C,
    ) {
        let mapping = self.mappings.of(slice);
        let quantiser = Quantiser::new(mapping).with_dead_zone(self.dead);
        let q = &mut state.q[..part.len()];
        for (q, &v) in q.iter_mut().zip(&problem.values[part.clone()]) {
            *q = quantiser.index(v);
        }
        let masked = problem.classes.as_ref().map(|c| &c[part.clone()]);
        state.lattice.row(coder, q, masked);
        if matches!(mapping, Mapping::Fixed { .. }) {
            code_rest(coder, &mut state.rest, mapping, q, masked, &mut problem.values[part].to_vec());
        }
    }
}

/// What a run over the rows carries along.
struct State {
    lattice: Lattice,
    rest: Rest,
    /// The integers of a row.
    q: Vec<i64>,
}

impl State {
    fn new(geometry: &Geometry, shift: u8) -> Self {
        let lattice = Lattice::new(geometry, shift.into());
        Self { q: vec![0; lattice.row_len()], lattice, rest: Rest::new() }
    }
}

/// Shift that brings the typical difference of neighbours to some hundreds.
fn learning_shift<T: Element>(problem: &Problem<T>, quantiser: &Quantiser<'_>) -> u8 {
    let stride = (problem.values.len() / 65_536).max(1);
    let mut sum = 0u128;
    let mut n = 0u128;
    for pair in problem.values.windows(2).step_by(stride) {
        sum += u128::from(quantiser.index(pair[0]).abs_diff(quantiser.index(pair[1])));
        n += 1;
    }
    let mean = (sum / n.max(1)) as u64;
    (64 - mean.leading_zeros()).saturating_sub(9) as u8
}
