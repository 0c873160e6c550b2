//! Energy of a chunk in the three bands of the harmonic split (paper, section 3.2).

/// Omega and width of the paper's first SIREN.
pub(crate) const FIRST: (f64, f64) = (14.0, 256.0);
/// Those of the SIRENs on blocks, when a block is decomposed again.
pub(crate) const AGAIN: (f64, f64) = (22.0, 128.0);

/// Cut-offs of the split, in cycles along an axis: f1 = Omega sqrt(6 / n) and f2 = 3 f1, the band that
/// a SIREN of width n with first-layer frequency Omega represents from its initialisation.
pub(crate) fn cutoffs((omega, n): (f64, f64)) -> (f64, f64) {
    let f1 = omega * (6.0 / n).sqrt();
    (f1, 3.0 * f1)
}

/// Shares of the variance below f1, between, and above f2; one byte each, in half decibels below the
/// whole. 255 stands for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Split(pub(crate) [u8; 3]);

impl Split {
    pub(crate) fn from_energies(energies: [f64; 3]) -> Self {
        let total: f64 = energies.iter().sum();
        Self(energies.map(|e| {
            let half_decibels = -20.0 * (e / total).log10();
            if half_decibels.is_finite() { half_decibels.round().clamp(0.0, 255.0) as u8 } else { 255 }
        }))
    }

    /// Shares of the whole, low to high.
    pub(crate) fn shares(self) -> [f64; 3] {
        self.0.map(|b| if b == 255 { 0.0 } else { 10f64.powf(-f64::from(b) / 20.0) })
    }
}
