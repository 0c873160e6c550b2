//! Values to lattice payload: which integers, then code them.

use super::effort::Effort;
use super::forms::{seem_unlike, seems_repeated};
use super::glance::Glance;
use super::mapping::{Quantiser, choose, fixed, with_tops};
use super::problem::Problem;
use super::table::table;
use crate::ablation::{Part, without};
use crate::array::Element;
use crate::entropy::fixed::Rest;
use crate::entropy::integer::Integer;
use crate::entropy::lattice::{Form, Lattice, halves, is_ribbon, slices};
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

/// Fewest elements that are coded in two halves, and fewest bytes: below, learning twice costs more than half a percent.
const HALVED_ELEMENTS: usize = 1 << 18;
const HALVED_BYTES: usize = 3 << 16;
/// Share of the bytes that halves may cost where the second one begins with a slice that has none before it, and about what
/// learning twice costs besides.
const HALVED_SHARE: f64 = 0.002;
const LEARNING: f64 = 1100.0;

/// First rows of a band that do not count in an estimate.
const UNCOUNTED: usize = 2;

/// Of fewer elements all are coded, not a part: the models would learn too little of it.
const SMALL: usize = 1 << 17;

/// An estimate takes one row in so many.
const SHARE: usize = 4;
/// About the share of a band's bytes that its rows have in a long run, where nothing is learned anew ..
const LEARNED_ANEW: f64 = 0.95;
/// .. and where a glance cannot tell whether they are easier than others. Where that says they are so unlike, they tell nothing.
const PLAIN: f64 = 0.85;
const ALIKE: Range<f64> = 0.5..2.0;

/// Slices of larger arrays are joined if that takes less than this of a part's bytes: there, fewer weights are learned sooner.
const JOINED: f64 = 0.95;

impl Plan {
    pub(crate) fn new<T: Element>(problem: &Problem<T>, effort: Effort) -> Self {
        let plan = |(each, dead): (Vec<Mapping>, bool)| {
            let (mappings, narrow) = with_tops(problem, each);
            let wide = (!narrow).then(|| learning_shift(problem, &Quantiser::new(mappings.of(0))));
            let halved = problem.values.len() >= HALVED_ELEMENTS && !without(Part::Halves);
            Self { form: Form { wide, halved, copies: false, joined: false }, mappings, dead }
        };
        let chosen = plan(choose(problem, effort));
        let table = table(problem, chosen.mappings.only_top().unwrap_or(i64::MAX)).map(|t| plan((vec![t], false)));
        // Native floats, every bit: in the order of their bit patterns, or of their values.
        let exact = matches!(chosen.mappings.of(0), Mapping::Ordinals { .. }) && !without(Part::FixedPoint);
        let fixed = exact.then(|| fixed(problem)).flatten().map(|each| plan((each, false)));
        let mut plans: Vec<_> = [Some(chosen), table, fixed].into_iter().flatten().collect();
        let repeated = plans.iter().filter(|p| seems_repeated(problem, &p.mappings, p.dead));
        let copies: Vec<_> = repeated.map(|p| p.with(Form { copies: true, ..p.form })).collect();
        plans.extend(copies);
        let (share, joined) = match problem.values.len() {
            _ if effort.quick => (16, JOINED),
            0..SMALL => (1, 1.0),
            _ => (4, JOINED),
        };
        let bytes = |p: &Self| p.sample(problem, share) + p.mappings.len();
        let mut best = plans.remove(0);
        let mut fewest = None;
        // Does a plan take less than a share of the best one's bytes? Then that is the next to beat.
        let mut beats = |plan: &Self, best: &Self, part: f64| {
            let (new, old) = (bytes(plan), *fewest.get_or_insert_with(|| bytes(best)));
            let less = (new as f64) < part * old as f64;
            fewest = Some(if less { new } else { old });
            less
        };
        for plan in plans {
            if beats(&plan, &best, 1.0) {
                best = plan;
            }
        }
        let apart = slices(&problem.geometry).0 > 1 && !is_ribbon(&problem.geometry) && !without(Part::Joined);
        if apart && (share == 1 || seem_unlike(problem)) {
            let plan = best.with(Form { joined: true, ..best.form });
            if beats(&plan, &best, joined) {
                return plan;
            }
        }
        best
    }

    /// The same integers in another form.
    fn with(&self, form: Form) -> Self {
        Self { form, mappings: self.mappings.clone(), dead: self.dead }
    }

    /// The payload. `values`, the problem's own, become what the decoder makes of it, but for elements that are not coded.
    pub(crate) fn encode<T: Element>(&self, problem: &Problem<T>, values: Option<&mut [T]>) -> Vec<u8> {
        if self.form.wide.is_some() {
            self.encode_as::<T, i64>(problem, values)
        } else {
            self.encode_as::<T, i32>(problem, values)
        }
    }

    fn encode_as<T: Element, Q: Integer>(&self, problem: &Problem<T>, mut values: Option<&mut [T]>) -> Vec<u8> {
        let geometry = &self.form.geometry(&problem.geometry);
        let (mut coder, mut state) = (Encoder::new(), State::<Q>::new(geometry, self.form));
        let (end, mut start, mut second) = (problem.values.len(), 0, None);
        if let Some([upper, lower]) = halves(geometry).filter(|_| self.form.halved) {
            // The first slice has none before it, as the first one of the second half would.
            let alone = if upper.slices() > 1 { upper.plane() } else { 0 };
            self.rows(problem, 0..alone, &mut state, &mut coder, values.as_deref_mut());
            let lone = coder.len();
            start = upper.slices() * upper.plane();
            self.rows(problem, alone..start, &mut state, &mut coder, values.as_deref_mut());
            if worth_halving(coder.len(), lone, [&upper, &lower]) {
                let (mut coder, mut state) = (Encoder::new(), State::<Q>::new(&lower, self.form));
                self.rows(problem, start..end, &mut state, &mut coder, values.as_deref_mut());
                second = Some(coder.finish());
            }
        }
        if second.is_none() {
            // As if nothing had been halved.
            self.rows(problem, start..end, &mut state, &mut coder, values);
        }
        let first = coder.finish();
        let mut w = Writer::default();
        self.mappings.write(&mut w);
        Form { halved: second.is_some(), ..self.form }.write(&mut w);
        if let Some(second) = second {
            w.varint(first.len() as u64);
            w.bytes(&first);
            w.bytes(&second);
        } else {
            w.bytes(&first);
        }
        w.0
    }

    /// Code some elements, whole rows; of all `values` these become what the decoder makes of them.
    fn rows<T: Element, Q: Integer>(
        &self,
        problem: &Problem<T>,
        elements: Range<usize>,
        state: &mut State<Q>,
        coder: &mut Encoder,
        mut values: Option<&mut [T]>,
    ) {
        let (_, plane) = slices(&problem.geometry);
        let mut at = elements.start;
        while at < elements.end {
            let slice = at / plane;
            if state.lattice.opens() || at.is_multiple_of(plane) {
                state.lattice.start(self.mappings.top(slice), self.mappings.change(slice));
            }
            let part = at..at + state.lattice.row_len();
            at = part.end;
            self.row(problem, slice, part.clone(), state, coder);
            let mapping = self.mappings.of(slice);
            // The rest of these brings back every digit.
            if let Some(values) = values.as_deref_mut().filter(|_| !matches!(mapping, Mapping::Fixed { .. })) {
                mapping.values(&state.q, &mut values[part]);
            }
        }
    }

    /// About how many bytes [`encode`](Self::encode) would take; `None` for arrays so small that this says nothing.
    pub(super) fn estimate<T: Element>(
        &self,
        problem: &Problem<T>,
        effort: Effort,
        glance: Option<&Glance>,
    ) -> Option<f64> {
        let small = problem.values.len() < SMALL && !effort.quick;
        if small || problem.values.len() / problem.geometry.width < 64 {
            return None;
        }
        // Rows may be easier than the others: a glance at them and at all tells. Learning anew has its price besides.
        let share = match glance {
            Some(all) => {
                let easier = all.bytes / all.of_rows(problem, &Bands::new(problem, SHARE).counted());
                Some(easier).filter(|e| ALIKE.contains(e))? * LEARNED_ANEW
            }
            None => PLAIN,
        };
        Some(share * self.sample(problem, SHARE) as f64)
    }

    /// About the bytes of all, from one in `share` of the rows: bands spread over the array, each by itself and through all slices. The
    /// first rows of a band, which have none above them, are not counted.
    fn sample<T: Element>(&self, problem: &Problem<T>, share: usize) -> usize {
        if self.form.wide.is_some() {
            self.sample_as::<T, i64>(problem, share)
        } else {
            self.sample_as::<T, i32>(problem, share)
        }
    }

    fn sample_as<T: Element, Q: Integer>(&self, problem: &Problem<T>, share: usize) -> usize {
        let width = problem.geometry.width;
        let (slices, plane) = slices(&problem.geometry);
        let whole = is_ribbon(&problem.geometry);
        let outer = if slices > 1 { problem.geometry.outer.clone() } else { Vec::new() };
        let (mut first, mut counter) = (Counter::default(), Counter::default());
        let bands = Bands::new(problem, share);
        let Bands { height, band, uncounted, .. } = bands;
        for start in bands.starts() {
            let (all, part) = (problem.geometry.clone(), (outer.clone(), band));
            let geometry = if whole { all } else { Geometry { outer: part.0, height: part.1, ..all } };
            let mut state = State::<Q>::new(&self.form.geometry(&geometry), self.form);
            let start = start * width;
            for slice in 0..slices {
                state.lattice.start(self.mappings.top(slice), self.mappings.change(slice));
                let mut done = 0;
                while done < band * width {
                    let from = slice * plane + start + done;
                    let part = from..from + state.lattice.row_len();
                    let counter = if done < uncounted * width { &mut first } else { &mut counter };
                    done += part.len();
                    self.row(problem, slice, part, &mut state, counter);
                }
            }
        }
        counter.bytes() as usize * height / (bands.number * (band - uncounted))
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

/// Do halves pay, the first of which has so many bytes, `lone` of them in its first slice?
fn worth_halving(bytes: usize, lone: usize, [upper, lower]: [&Geometry; 2]) -> bool {
    let (bytes, lone) = (bytes as f64, lone as f64);
    let all = 2.0 * bytes;
    let more = match (upper.slices(), lower.slices()) {
        (1, 1) if upper.outer.is_empty() => return all >= HALVED_BYTES as f64,
        // Nothing is known of a slice that has another before it.
        (1, _) => return false,
        (slices, _) => lone - (bytes - lone) / (slices - 1) as f64,
    };
    all >= HALVED_BYTES as f64 && more + LEARNING < HALVED_SHARE * all
}

/// Bands of rows of each slice, spread over all, that stand for one row in a share.
struct Bands {
    /// Rows of a slice, and of a band.
    height: usize,
    band: usize,
    number: usize,
    /// The first rows of a band, which do not count.
    uncounted: usize,
}

impl Bands {
    fn new<T: Element>(problem: &Problem<T>, share: usize) -> Self {
        let (slices, plane) = slices(&problem.geometry);
        let height = plane / problem.geometry.width;
        let parts = share.max(8) * if slices > 1 { 1 } else { 2 };
        let band = if share == 1 { height } else { (height / parts).max(8).min(height) };
        let number = (height / (share * band)).max(1);
        let uncounted = if band == height { 0 } else { (band / 8).min(UNCOUNTED) };
        Self { height, band, number, uncounted }
    }

    /// The first row of each.
    fn starts(&self) -> impl Iterator<Item = usize> {
        let &Self { height, band, number, .. } = self;
        (0..number).map(move |b| (2 * b + 1) * (height - band) / (2 * number))
    }

    /// The rows of each that count.
    fn counted(&self) -> Vec<Range<usize>> {
        self.starts().map(|start| start + self.uncounted..start + self.band).collect()
    }
}

/// What a run over the rows carries along.
struct State<Q: Integer> {
    lattice: Lattice<Q>,
    rest: Rest,
    /// The integers of a row.
    q: Vec<Q>,
}

impl<Q: Integer> State<Q> {
    fn new(geometry: &Geometry, form: Form) -> Self {
        let lattice = Lattice::new(geometry, form);
        Self { q: vec![Q::default(); lattice.row_len()], lattice, rest: Rest::new() }
    }
}

/// Shift for integers of 64 bits that leaves differences of neighbours 20 bits in the mean, so that hardly any overflows 32.
fn learning_shift<T: Element>(problem: &Problem<T>, quantiser: &Quantiser<'_>) -> u8 {
    let stride = (problem.values.len() / 65_536).max(1);
    let mut sum = 0u128;
    let mut n = 0u128;
    for i in (1..problem.values.len()).step_by(stride).filter(|&i| problem.ordinary(i - 1) && problem.ordinary(i)) {
        let [west, q] = [i - 1, i].map(|i| quantiser.index(problem.values[i]));
        sum += u128::from(west.abs_diff(q));
        n += 1;
    }
    let mean = (sum / n.max(1)) as u64;
    (64 - mean.leading_zeros()).saturating_sub(20) as u8
}
