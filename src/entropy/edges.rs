//! Elements at the least or the greatest value: no rain, no cloud, overcast. Where neighbours are there, or the
//! prediction is not far from it, a flag comes before the residual.

use super::prob::Prob;
use super::range::Coder;
use super::residual::level;
use crate::ablation::{Part, unless};

/// What stands around an element, seen from the nearer end of the values.
pub(crate) struct Edge {
    /// The end: 0, or the greatest value.
    pub(crate) at: i64,
    /// Which of eight neighbours are there.
    pub(crate) pattern: usize,
    /// Distance of the prediction, and 32 times the residual that is expected.
    pub(crate) away: u64,
    pub(crate) energy: u64,
}

impl Edge {
    /// `taps`: the neighbours as the predictor knows them, the western one apart.
    #[inline(always)]
    pub(crate) fn new(low: bool, top: i64, predicted: i64, energy: u64, taps: [i64; 7], west: i64) -> Self {
        let at = if low { 0 } else { top };
        let ring = [west, taps[0], taps[1], taps[2], taps[3], taps[4]];
        let mut pattern = ring.iter().enumerate().fold(0, |a, (i, &v)| a | usize::from(v == at) << i);
        // Of the slice before, or two further to the north-west and north-east.
        pattern |= usize::from(taps[5] == at) << 6 | usize::from(taps[6] == at) << 7;
        Self { at, pattern, away: predicted.abs_diff(at), energy }
    }

    /// True when the flag is worth its bits.
    #[inline(always)]
    pub(crate) const fn near(&self) -> bool {
        self.pattern != 0 || self.away <= self.energy / 16
    }
}

/// The models of the flags, at either end: by pattern, and by pattern and distance.
pub(crate) struct Edges {
    patterns: [[Prob; 2]; 256],
    distances: [[[Prob; 2]; 256]; 4],
    /// Amid others at the same end: at either, and by what is expected there.
    amid: [Prob; 2],
    energies: [[Prob; 2]; 64],
    /// The same for whole cells.
    amid_cells: [Prob; 2],
    cell_energies: [[Prob; 2]; 64],
}

impl Edges {
    pub(crate) fn new() -> Self {
        Self {
            patterns: [[Prob::HALF; 2]; 256],
            distances: [[[Prob::HALF; 2]; 256]; 4],
            amid: [Prob::HALF; 2],
            energies: [[Prob::HALF; 2]; 64],
            amid_cells: [Prob::HALF; 2],
            cell_energies: [[Prob::HALF; 2]; 64],
        }
    }

    /// Code whether an element amid others at the same end, the lower one if `low`, is there as well.
    #[inline(always)]
    pub(crate) fn stays<C: Coder>(&mut self, coder: &mut C, there: bool, low: bool, energy: u64) -> bool {
        let side = usize::from(low);
        let (a, b) = (&mut self.amid[side], &mut self.energies[level(energy).min(63)][side]);
        Prob::code_by_two(a, b, coder, there)
    }

    /// Code whether all of a cell is at the same end as what is around it; `energy`: the sum of what is expected of its elements.
    #[inline(always)]
    pub(crate) fn cell_stays<C: Coder>(&mut self, coder: &mut C, there: bool, low: bool, energy: u64) -> bool {
        let side = usize::from(low);
        let (a, b) = (&mut self.amid_cells[side], &mut self.cell_energies[level(energy).min(63)][side]);
        Prob::code_by_two(a, b, coder, there)
    }

    /// Code whether the element is at the edge.
    #[inline(always)]
    pub(crate) fn code<C: Coder>(&mut self, coder: &mut C, there: bool, e: &Edge) -> bool {
        let side = usize::from(e.at == 0);
        let pattern = unless(Part::EdgePattern, e.pattern & 255);
        let distance = unless(Part::EdgeDistance, distance(e.away, e.energy));
        let (a, b) = (&mut self.patterns[pattern][side], &mut self.distances[distance][pattern][side]);
        Prob::code_by_two(a, b, coder, there)
    }
}

/// How much room the residual has on its way to an end of the values: 0 for plenty, else 1 (none) to 3 below, 4 to 6 above.
#[inline(always)]
pub(crate) fn room(away: u64, energy: u64, low: bool) -> usize {
    match distance(away, energy) {
        0 => 0,
        class => class + if low { 0 } else { 3 },
    }
}

/// Class of a distance: 0 for far, else 1 (none) to 3.
#[inline(always)]
fn distance(away: u64, energy: u64) -> usize {
    match away {
        0 => 1,
        a if a <= energy / 64 => 2,
        a if a <= energy / 16 => 3,
        _ => 0,
    }
}
