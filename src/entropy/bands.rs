//! The coefficient coder of the harmonic pyramid: models for quantised coefficients, written once
//! for both directions (`codec-spec/format.md`, "Harmonic detail").
//!
//! The coefficients of one frequency (u, v) of all blocks of a level form a *band*: a small image with
//! one coefficient per block. Bands are coded from low to high frequency, so that a coefficient sees its
//! lower neighbours in frequency in all surrounding blocks, its own frequency in the blocks
//! before it, the same place in the previous slice and the activity of the coarser level.

use super::activity::Activity;
use super::band::Band;
use super::coefficient::{Context, Magnitudes};
use super::context::{CLASSES, Classes, FAINT, Neighbours, Rows, Surroundings};
use super::part::{Part, PlaneRows};
use super::prob::Prob;
use super::range::Coder;
use crate::ablation::{Part as Ablated, without};
use crate::arith::{Job, run_jobs, run_wide};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::ops::Range;

/// Blocks that share one "all zero" flag.
pub(super) const GROUP: usize = 16;

/// The levels of a field, to be coded one after the other, coarse ones first. Only the `cuts` finest ones may be in several parts: the
/// first coder codes all others and the first part of the next level; each part after that has a coder of its own.
pub(crate) struct Levels<'a, C> {
    coders: &'a mut [C],
    /// The coder of the next part.
    next: usize,
    /// Levels to come, and those that are finer than the last of these.
    left: usize,
    finer: usize,
    cuts: usize,
    models: Vec<Models>,
    /// Of the level before, slice by slice.
    coarser: Vec<Activity>,
}

impl<'a, C: Coder + Send> Levels<'a, C> {
    /// So many levels, of a stream that has `finer` ones as well.
    pub(crate) fn new(coders: &'a mut [C], levels: usize, finer: usize, cuts: usize) -> Self {
        Self { coders, next: 0, left: levels, finer, cuts, models: vec![Models::new()], coarser: Vec::new() }
    }

    /// Code the next level, on up to `threads` threads, and do `beside` at the same time: jobs that each have about so many bytes to
    /// decode. Each part fills its rows of a volume, if any are given.
    pub(crate) fn code(
        &mut self,
        parts: &mut [Part],
        rows: Vec<PlaneRows<'_>>,
        beside: Vec<(usize, Job<'_>)>,
        slices: usize,
        threads: usize,
    ) {
        let n = parts.len();
        self.left = self.left.saturating_sub(1);
        let before = std::mem::take(&mut self.models);
        let models: Vec<_> = if before.len() == n {
            before.into_iter().map(Cow::Owned).collect()
        } else {
            (0..n).map(|k| Cow::Borrowed(&before[k * before.len() / n])).collect()
        };
        let mut after: Vec<_> = (0..n).map(|_| None).collect();
        let (coarser, finest) = (&self.coarser, self.left + self.finer == 0);
        let rows = rows.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
        let coders = self.coders.iter_mut().skip(self.next);
        let each = parts.iter_mut().zip(coders).zip(models).zip(&mut after).zip(rows);
        let mut jobs: Vec<(usize, Job<'_>)> = each
            .map(|((((part, coder), models), after), rows)| {
                let ahead = coder.ahead();
                let job = move || {
                    // Copied by the thread that writes to them: two that write to one cache line wait for each other.
                    let mut models = models.into_owned();
                    run_wide(
                        #[inline(always)]
                        || models.part(coder, part, coarser, finest),
                    );
                    *after = Some(models);
                    if let Some(rows) = rows {
                        part.scatter(rows);
                    }
                };
                (ahead, Box::new(job) as Job<'_>)
            })
            .chain(beside)
            .collect();
        jobs.sort_by_key(|&(ahead, _)| Reverse(ahead));
        run_jobs(jobs.into_iter().map(|(_, job)| job).collect(), threads);
        self.models = after.into_iter().flatten().collect();
        if self.left < self.cuts {
            self.next += n;
        }
        if self.left > 0 {
            self.coarser = (0..slices).map(|slice| Activity::new(parts, slice)).collect();
        }
    }
}

/// Adaptive state shared by all levels and slices of a stream.
#[derive(Clone)]
struct Models {
    magnitudes: Magnitudes,
    band_zero: Vec<Prob>,
    /// Whether a group of blocks with nothing around it has anything, by the band's radius and the activity elsewhere.
    group_quiet: Vec<Prob>,
    /// The same with little around it, by the class of that.
    group_faint: [Prob; FAINT],
}

impl Models {
    fn new() -> Self {
        Self {
            magnitudes: Magnitudes::new(),
            band_zero: vec![Prob::HALF; 3 * 3],
            group_quiet: vec![Prob::new(1 << 13, 1); CLASSES * CLASSES],
            group_faint: std::array::from_fn(|c| Prob::new(12_288 + 2048 * c as u16, 1)),
        }
    }

    /// Code a part of a level, slice by slice. This and what it calls are inlined into code for wide vectors.
    #[inline(always)]
    fn part<C: Coder>(&mut self, coder: &mut C, part: &mut Part, coarser: &[Activity], finest: bool) {
        part.make_room();
        let Part { shape, slices, q, occupied } = part;
        let (size, rows) = (shape.all_bands() * shape.blocks(), shape.all_bands() * shape.rows);
        if size == 0 {
            return;
        }
        let bands: Vec<_> = shape.bands().map(|(u, v)| ((u, v), shape.radius(u, v))).collect();
        let mut around = Rows::new(shape.cols);
        for slice in 0..q.len() / size {
            let (before, q) = q.split_at_mut(slice * size);
            let (rows_before, occupied) = occupied.split_at_mut(slice * rows);
            let previous = slice
                .checked_sub(1)
                .filter(|_| !without(Ablated::PreviousSlice))
                .map(|s| (&before[s * size..], &rows_before[s * rows..]));
            let coarser = coarser.get(slices.start + slice).filter(|_| !without(Ablated::CoarserLevel));
            let surroundings = Surroundings::new(shape, coarser, previous, finest);
            self.slice(coder, &surroundings, &bands, &mut around, &mut q[..size], &mut occupied[..rows]);
        }
    }

    #[inline(always)]
    fn slice<C: Coder>(
        &mut self,
        coder: &mut C,
        surroundings: &Surroundings<'_>,
        bands: &[((usize, usize), usize)],
        rows: &mut Rows,
        q: &mut [i32],
        occupied: &mut [bool],
    ) {
        let shape = surroundings.shape;
        for &((u, v), radius) in bands {
            let band = shape.band(u, v);
            let (coded, q) = q.split_at_mut(band * shape.blocks());
            let (coded_rows, occupied) = occupied.split_at_mut(band * shape.rows);
            let (q, occupied) = (&mut q[..shape.blocks()], &mut occupied[..shape.rows]);
            // Is anything at the two nearest lower frequencies, or in the slice before? Then likely here, too: a flag would cost more than it
            // tells. So it would for bands no larger than a group, which has a flag.
            let (mut known, mut flagged) = (0, shape.blocks() > GROUP && !without(Ablated::BandZero));
            for lower in [u.checked_sub(1).map(|u| (u, v)), v.checked_sub(1).map(|v| (u, v))] {
                let Some((u, v)) = lower.filter(|&(u, v)| shape.is_coded(u, v)) else { continue };
                known += 1;
                flagged = flagged && !Band::of((coded, coded_rows), shape, u, v).any();
            }
            let before = surroundings.was_occupied((u, v)).map_or(0, |any| 1 + usize::from(any));
            flagged &= known == 0 || before < 2;
            let zero = flagged && self.band_zero[known * 3 + before].code(coder, !occupied.contains(&true));
            if !zero {
                let neighbours = surroundings.band((coded, coded_rows), (u, v));
                self.band(coder, neighbours, rows, ((u, v), radius), q, occupied);
            }
        }
    }

    #[inline(always)]
    fn band<C: Coder>(
        &mut self,
        coder: &mut C,
        mut neighbours: Neighbours<'_>,
        rows: &mut Rows,
        ((u, v), radius): ((usize, usize), usize),
        q: &mut [i32],
        occupied: &mut [bool],
    ) {
        let (shape, finest) = (neighbours.shape(), neighbours.finest());
        let cols = shape.cols;
        let weights = neighbours.weights();
        rows.begin();
        for i in shape.range.0[u].clone() {
            let above = i > 0 && occupied[i - 1] || i > 1 && occupied[i - 2];
            neighbours.fill(rows, i, above);
            let activity = neighbours.activity(i);
            let mut any = 0;
            let Range { start: mut j, end: last } = shape.range.1[v].clone();
            let q = &mut q[i * cols..][..cols];
            while j < last {
                let end = (j + GROUP).min(last);
                if end - j > 1
                    && rows.current[j..j + 2] == [0, 0]
                    && let Some(class) = neighbours.faintness(rows, j..end)
                    && !without(Ablated::GroupZero)
                {
                    let zero = C::ENCODES && q[j..end].iter().all(|&q| q == 0);
                    let any = match class.checked_sub(1) {
                        None => &mut self.group_quiet[radius * CLASSES + Classes::of(activity[j])],
                        Some(faint) => &mut self.group_faint[faint],
                    };
                    if !any.code(coder, !zero) {
                        j = end;
                        continue;
                    }
                }
                let (mut ww, mut w) = (rows.current[j], rows.current[j + 1]);
                let other = neighbours.other(&rows.other, i);
                let known =
                    rows.known[j..end].iter().zip(&rows.parents[j..end]).zip(&rows.near[j..end]).zip(&other[j..end]);
                let places = q[j..end].iter_mut().zip(&mut rows.current[j + 2..]);
                for (x, ((((&known, &parents), &near), &other), (q, current))) in known.zip(places).enumerate() {
                    let context = Context {
                        west: w,
                        mean: (known + 16 * (weights.west * w + weights.west2 * ww)) >> 8,
                        parents,
                        other,
                        radius,
                        near,
                        learn: x % 2 == 0,
                        finest,
                    };
                    let magnitude = self.magnitudes.code(coder, q.unsigned_abs(), &context);
                    let coded = magnitude.exact > 0;
                    let negative = if finest {
                        coder.apart(u64::from(*q < 0 && coded), coded.into()) == 1
                    } else {
                        coder.even(*q < 0, coded)
                    };
                    *q = if negative { -(magnitude.exact as i32) } else { magnitude.exact as i32 };
                    any |= magnitude.exact;
                    (ww, w) = (w, magnitude.capped);
                    *current = w;
                }
                j = end;
            }
            occupied[i] = any != 0;
            rows.go();
        }
    }
}
