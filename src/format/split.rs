//! Energy of a chunk in the three bands of the harmonic split, and where they end (paper, section 3.2).

use super::wire::{Reader, Writer};
use crate::error::{Result, invalid};
use serde::{Deserialize, Serialize};

/// Cut-offs of the harmonic split: `f1 = omega sqrt(6 / n)` cycles along an axis and `3 f1`, the band that a SIREN of width `n`
/// with first-layer frequency `omega` represents from its initialisation (paper, section 3.2). One pair for the chunk, and one for
/// blocks that are decomposed again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cutoffs {
    /// Omega for the chunk: 14 unless told.
    pub omega: f32,
    /// Width for the chunk: 256 unless told.
    pub n: u16,
    /// Omega on re-decomposition: 22 unless told.
    pub omega_again: f32,
    /// Width on re-decomposition: 128 unless told.
    pub n_again: u16,
}

impl Default for Cutoffs {
    fn default() -> Self {
        Self::PAPER
    }
}

impl Cutoffs {
    /// The paper's.
    pub const PAPER: Self = Self { omega: 14.0, n: 256, omega_again: 22.0, n_again: 128 };
    /// Largest Omega.
    const LARGEST: f32 = 1e6;

    /// f1 and f2 of the chunk, in cycles along an axis.
    #[must_use]
    pub fn first(&self) -> [f64; 2] {
        frequencies(self.omega, self.n)
    }

    /// f1 and f2 of blocks that are decomposed again.
    #[must_use]
    pub fn again(&self) -> [f64; 2] {
        frequencies(self.omega_again, self.n_again)
    }

    /// # Errors
    /// `InvalidArgument` naming the number that is out of range.
    pub fn validate(&self) -> Result<()> {
        for (name, omega) in [("omega", self.omega), ("omega_again", self.omega_again)] {
            if !(omega > 0.0 && omega <= Self::LARGEST) {
                return invalid(format!("split: {name} must be above 0 and at most {}, got {omega}", Self::LARGEST));
            }
        }
        for (name, n) in [("n", self.n), ("n_again", self.n_again)] {
            if n == 0 {
                return invalid(format!("split: {name} must be 1 to {}, got 0", u16::MAX));
            }
        }
        Ok(())
    }
}

fn frequencies(omega: f32, n: u16) -> [f64; 2] {
    let f1 = f64::from(omega) * (6.0 / f64::from(n)).sqrt();
    [f1, 3.0 * f1]
}

/// Shares of the variance below f1, between, and above f2; one byte each, in half decibels below the
/// whole. 255 stands for nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Split {
    bytes: [u8; 3],
    pub(crate) cutoffs: Cutoffs,
}

impl Split {
    pub(crate) fn from_energies(energies: [f64; 3], cutoffs: Cutoffs) -> Self {
        let total: f64 = energies.iter().sum();
        let bytes = energies.map(|e| {
            let half_decibels = -20.0 * (e / total).log10();
            if half_decibels.is_finite() { half_decibels.round().clamp(0.0, 255.0) as u8 } else { 255 }
        });
        Self { bytes, cutoffs }
    }

    /// Shares of the whole, low to high.
    pub(crate) fn shares(self) -> [f64; 3] {
        self.bytes.map(|b| if b == 255 { 0.0 } else { 10f64.powf(-f64::from(b) / 20.0) })
    }

    /// The section: the cut-offs stand in it where they are not the paper's.
    pub(crate) fn section(self) -> Vec<u8> {
        let mut w = Writer(self.bytes.to_vec());
        let Cutoffs { omega, n, omega_again, n_again } = self.cutoffs;
        if self.cutoffs != Cutoffs::PAPER {
            for (omega, n) in [(omega, n), (omega_again, n_again)] {
                w.bytes(&omega.to_le_bytes());
                w.bytes(&n.to_le_bytes());
            }
        }
        w.0
    }

    /// Inverse of [`section`](Self::section); `None` for what cannot be read: nothing depends on it.
    pub(crate) fn read(section: &[u8]) -> Option<Self> {
        let mut r = Reader::new(section, 0);
        let bytes = r.bytes(3, "shares").ok()?.try_into().ok()?;
        if r.rest().is_empty() {
            return Some(Self { bytes, cutoffs: Cutoffs::PAPER });
        }
        let mut pair = || {
            let omega = r.finite_f32("omega").ok()?;
            Some((omega, u16::from_le_bytes(r.bytes(2, "width").ok()?.try_into().ok()?)))
        };
        let ((omega, n), (omega_again, n_again)) = (pair()?, pair()?);
        let cutoffs = Cutoffs { omega, n, omega_again, n_again };
        (r.rest().is_empty() && cutoffs.validate().is_ok()).then_some(Self { bytes, cutoffs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_cutoffs() {
        let [f1, f2] = Cutoffs::PAPER.first();
        assert!((f1 - 2.143_303).abs() < 1e-5 && (f2 - 6.429_910).abs() < 1e-5, "{f1} {f2}");
        let [f1, f2] = Cutoffs::PAPER.again();
        assert!((f1 - 4.763_139).abs() < 1e-5 && (f2 - 14.289_419).abs() < 1e-5, "{f1} {f2}");
    }

    #[test]
    fn sections_come_back() {
        let plain = Split::from_energies([90.0, 9.0, 1.0], Cutoffs::PAPER);
        let other = Split { cutoffs: Cutoffs { omega: 30.5, n: 64, ..Cutoffs::PAPER }, ..plain };
        for (split, len) in [(plain, 3), (other, 15)] {
            let section = split.section();
            assert_eq!(section.len(), len);
            assert_eq!(Split::read(&section), Some(split));
            for cut in (0..len).filter(|&c| c != 3) {
                assert_eq!(Split::read(&section[..cut]), None, "{cut}");
            }
        }
        let mut bad = other.section();
        bad[7..9].fill(0);
        assert_eq!(Split::read(&bad), None);
        let shares = plain.shares();
        assert!((shares[0] - 0.9).abs() < 0.05 && (shares[2] - 0.01).abs() < 1e-3, "{shares:?}");
    }

    #[test]
    fn cutoffs_out_of_range_are_refused() {
        let paper = Cutoffs::PAPER;
        assert!(paper.validate().is_ok());
        for omega in [0.0, -1.0, f32::NAN, f32::INFINITY, 2e6] {
            assert!(Cutoffs { omega, ..paper }.validate().is_err());
            assert!(Cutoffs { omega_again: omega, ..paper }.validate().is_err());
        }
        assert!(Cutoffs { n: 0, ..paper }.validate().is_err() && Cutoffs { n_again: 0, ..paper }.validate().is_err());
    }
}
