//! Values to lattice payload: which integers, then code them.

use super::mapping::{Quantiser, choose, exact, fixed, with_tops};
use super::problem::{PART, Problem};
use crate::array::Element;
use crate::entropy::fixed::Rest;
use crate::entropy::integer::Integer;
use crate::entropy::lattice::{Form, Lattice, band_rows, slices};
use crate::entropy::mapping::{Mapping, Mappings, code_rest};
use crate::entropy::range::{Coder, Counter, Encoder};
use crate::format::{Geometry, Writer};
use std::ops::Range;

/// How a problem becomes integers.
pub(crate) struct Plan {
    mappings: Mappings,
    /// With a dead zone at the least value.
    dead: bool,
    form: Form,
}

/// Fewest elements that are coded in two halves, and fewest bytes: below, learning twice costs more than a small part. So it
/// does in arrays of several slices, each of which begins and ends in both halves.
const HALVED_ELEMENTS: usize = 1 << 18;
const HALVED_BYTES: usize = 1 << 18;

impl Plan {
    pub(crate) fn new<T: Element>(problem: &Problem<T>) -> Self {
        let plan = |(each, dead): (Vec<Mapping>, bool)| {
            let (mappings, narrow) = with_tops(problem, each);
            let shift = learning_shift(problem, &Quantiser::new(mappings.of(0)));
            let halved = problem.values.len() >= HALVED_ELEMENTS && problem.geometry.slices() == 1;
            Self { form: Form { shift, narrow, halved }, mappings, dead }
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
        if self.form.narrow { self.encode_as::<T, i32>(problem) } else { self.encode_as::<T, i64>(problem) }
    }

    fn encode_as<T: Element, Q: Integer>(&self, problem: &Problem<T>) -> Vec<u8> {
        let (geometry, shift) = (&problem.geometry, self.form.shift);
        let (mut coder, mut state) = (Encoder::new(), State::<Q>::new(geometry, shift));
        let half = band_rows(geometry).filter(|_| self.form.halved).map_or(geometry.height, |[first, _]| first);
        self.rows(problem, 0..half, &mut state, &mut coder);
        let mut second = None;
        if half < geometry.height && coder.len() >= HALVED_BYTES / 2 {
            let rest = Geometry { height: geometry.height - half, ..geometry.clone() };
            let (mut coder, mut state) = (Encoder::new(), State::<Q>::new(&rest, shift));
            self.rows(problem, half..geometry.height, &mut state, &mut coder);
            second = Some(coder.finish());
        } else if half < geometry.height {
            // As if nothing had been halved.
            self.rows(problem, half..geometry.height, &mut state, &mut coder);
        }
        let first = coder.finish();
        let mut w = Writer::default();
        self.mappings.write(&mut w);
        w.u8(Form { halved: second.is_some(), ..self.form }.byte());
        if let Some(second) = second {
            w.varint(first.len() as u64);
            w.bytes(&first);
            w.bytes(&second);
        } else {
            w.bytes(&first);
        }
        w.0
    }

    /// Code some rows of all slices.
    fn rows<T: Element, Q: Integer>(
        &self,
        problem: &Problem<T>,
        rows: Range<usize>,
        state: &mut State<Q>,
        coder: &mut Encoder,
    ) {
        let (slices, plane) = slices(&problem.geometry);
        let width = problem.geometry.width;
        // All of an array that is coded as one dimension, whatever its rows.
        let len = if rows.len() == problem.geometry.height { plane } else { rows.len() * width };
        for slice in 0..slices {
            let start = slice * plane + rows.start * width;
            let mut done = 0;
            while done < len {
                if state.lattice.opens() {
                    state.lattice.start(self.mappings.top(slice), self.mappings.change(slice));
                }
                let part = start + done..start + done + state.lattice.row_len();
                done += part.len();
                self.row(problem, slice, part, state, coder);
            }
        }
    }

    /// What the decoder makes of the integers; of those that are not coded anything.
    pub(crate) fn values<T: Element>(&self, problem: &Problem<T>) -> Vec<T> {
        let mut out = problem.values.clone();
        let (_, plane) = slices(&problem.geometry);
        for (slice, out) in out.chunks_mut(plane).enumerate() {
            let mapping = self.mappings.of(slice);
            // The rest brings back every digit.
            if matches!(mapping, Mapping::Fixed { .. }) {
                continue;
            }
            let quantiser = Quantiser::new(mapping).with_dead_zone(self.dead);
            for out in out.chunks_mut(PART) {
                if self.form.narrow {
                    let mut q = [0i32; PART];
                    quantiser.indices(out, &mut q[..out.len()]);
                    mapping.values(&q, out);
                } else {
                    let mut q = [0i64; PART];
                    quantiser.indices(out, &mut q[..out.len()]);
                    mapping.values(&q, out);
                }
            }
        }
        out
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
        if self.form.narrow { self.sample_as::<T, i32>(problem) } else { self.sample_as::<T, i64>(problem) }
    }

    fn sample_as<T: Element, Q: Integer>(&self, problem: &Problem<T>) -> usize {
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
            let mut state = State::<Q>::new(&geometry, self.form.shift);
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
    fn row<T: Element, Q: Integer, C: Coder>(
        &self,
        problem: &Problem<T>,
        slice: usize,
        part: Range<usize>,
        state: &mut State<Q>,
        coder: &mut C,
    ) {
        let mapping = self.mappings.of(slice);
        let quantiser = Quantiser::new(mapping).with_dead_zone(self.dead);
        let q = &mut state.q[..part.len()];
        quantiser.indices(&problem.values[part.clone()], q);
        let masked = problem.classes.as_ref().map(|c| &c[part.clone()]);
        state.lattice.row(coder, q, masked);
        if matches!(mapping, Mapping::Fixed { .. }) {
            code_rest(coder, &mut state.rest, mapping, q, masked, &mut problem.values[part].to_vec());
        }
    }
}

/// What a run over the rows carries along.
struct State<Q> {
    lattice: Lattice<Q>,
    rest: Rest,
    /// The integers of a row.
    q: Vec<Q>,
}

impl<Q: Integer> State<Q> {
    fn new(geometry: &Geometry, shift: u8) -> Self {
        let lattice = Lattice::new(geometry, shift.into());
        Self { q: vec![Q::default(); lattice.row_len()], lattice, rest: Rest::new() }
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
