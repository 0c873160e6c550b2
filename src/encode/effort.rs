//! What an effort stands for.

use crate::format::pyramid::Basis;
use std::ops::Range;

/// Bytes of a part of a field that has much in it.
const MUCH: usize = 1 << 15;

/// How far the search for few bytes goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Choices by small samples, and none by coding twice (1 and 2).
    pub(crate) quick: bool,
    /// Moves to better steps under a bound on single values (from 5 on).
    pub(crate) moves: usize,
    /// Nothing is settled by a part of the field (7 and more).
    pub(crate) thorough: bool,
    /// What a part of the field has told.
    pub(crate) told: Option<Told>,
}

/// What a part of the field tells of the transform of all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    /// The basis of the planes.
    pub(crate) basis: Basis,
    /// Root mean square error over what the coefficients foretold of it.
    pub(crate) surplus: f64,
}

impl Told {
    pub(crate) const fn new(basis: Basis) -> Self {
        Self { basis, surplus: 1.0 }
    }
}

impl Effort {
    pub(crate) const fn new(effort: u8) -> Self {
        let moves = match effort {
            0..=4 => 0,
            5..=6 => 3,
            _ => usize::MAX,
        };
        Self { quick: effort <= 2, moves, thorough: effort >= 7, told: None }
    }

    /// Rows of a level for each that tells what the level costs.
    pub(crate) const fn rows(self) -> usize {
        if self.quick { 32 } else { 8 }
    }

    /// Columns of a level that choose the transform along an outer axis.
    pub(crate) const fn columns(self) -> usize {
        if self.quick { 256 } else { 2048 }
    }

    /// Share of the bound on the mean that must be used.
    pub(crate) const fn share(self) -> f64 {
        if self.quick { 0.98 } else { 0.996 }
    }

    /// Bytes that a glance promises the lattice coder over those of the transform, on a part of the field: below, that coder is
    /// tried on the part, above it is out of the question, between both nothing is settled. `None` where a part does not settle anything.
    pub(crate) const fn unclear(self) -> Option<Range<f64>> {
        match self.quick {
            _ if self.thorough => None,
            true => Some(1.6..1.6),
            false => Some(1.2..3.0),
        }
    }

    /// Bytes of the lattice coder over those of the transform, on a part that the transform has in so many bytes, between which
    /// both are tried on all. A part is harder for either, by a tenth or so: for the transform where it has little, as it has more
    /// borders, for the lattice coder where it has much, as its models learn from less.
    pub(crate) const fn clear(self, bytes: usize) -> Range<f64> {
        match bytes {
            _ if !self.quick => 0.9..1.15,
            0..MUCH => 0.97..0.97,
            _ => 1.0..1.08,
        }
    }

    /// Bytes with a value set apart over those without, as foretold by a part of the field, between which both are tried on all.
    /// `None` where a part does not settle anything.
    pub(crate) const fn unclear_apart(self) -> Option<Range<f64>> {
        match self.quick {
            _ if self.thorough => None,
            true => Some(1.0..1.0),
            false => Some(0.85..1.2),
        }
    }

    /// The lattice coder is out of the question where a glance promises so many times the bytes of the transform. Over 19 fields
    /// and 8 bounds it was never smaller above 1.55, and hardly above 1.4.
    pub(crate) const fn doubt(self) -> f64 {
        if self.quick { 1.4 } else { 2.0 }
    }
}
