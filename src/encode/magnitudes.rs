//! How large numbers are: a histogram, so that what depends on a quantiser's step needs no further look at them.

/// Bits of the mantissa that tell bins apart: four an octave.
const FINE: u32 = 2;
pub(super) const BINS: usize = 1 << (8 + FINE);

/// Counts of magnitudes by their logarithm.
pub(super) struct Magnitudes(Vec<f64>);

/// The bin of a magnitude.
pub(super) fn bin(c: f32) -> usize {
    (c.abs().to_bits() >> (23 - FINE)) as usize & (BINS - 1)
}

/// The magnitude that stands for a bin.
pub(super) fn middle(bin: usize) -> f64 {
    f32::from_bits((bin as u32) << (23 - FINE) | 1 << (22 - FINE)).into()
}

impl Magnitudes {
    pub(super) fn new() -> Self {
        Self(vec![0.0; BINS])
    }

    /// Each of the values counts `weight` times.
    pub(super) fn add(&mut self, values: &[f32], weight: f64) {
        values.iter().for_each(|&c| self.0[bin(c)] += weight);
    }

    /// Bins that are not empty, in order: their number, magnitude and count.
    pub(super) fn bins(&self) -> impl Iterator<Item = (usize, f64, f64)> {
        self.0.iter().enumerate().filter(|(_, n)| **n > 0.0).map(|(k, &n)| (k, middle(k), n))
    }
}
