//! The stages one by one, for benches only (features `bench` and `cuda`). Not part of the API.

#[cfg(feature = "cuda")]
pub mod gpu;
#[cfg(feature = "bench")]
pub mod paper;
#[cfg(feature = "bench")]
pub mod siren;

use crate::arith::Isa;
use crate::config::Config;
use crate::decode::harmonic as decoder;
use crate::encode::aim::Aim;
use crate::encode::effort::Effort;
use crate::encode::harmonic::Analysis;
use crate::encode::split::split;
use crate::format::{Cutoffs, Geometry, Reader, short};

/// A float32 field and its layout.
pub struct Field<'a> {
    data: &'a [f32],
    geometry: Geometry,
}

/// The transformed field.
pub struct Harmonic(Analysis);

impl<'a> Field<'a> {
    /// C order, all values finite; the shape must fit.
    #[must_use]
    pub fn new(data: &'a [f32], shape: &[usize], periodic: bool) -> Self {
        Self { data, geometry: Geometry::new(shape, periodic) }
    }
    /// Energies of the harmonic split.
    #[must_use]
    pub fn split(&self) -> Option<[f64; 3]> {
        let (lo, hi) = self.data.iter().fold((f32::MAX, f32::MIN), |(lo, hi), &v| (lo.min(v), hi.max(v)));
        let split = split(self.data, f64::from(hi - lo), &self.geometry, Cutoffs::PAPER);
        split.map(crate::format::Split::shares)
    }
    /// Pyramid and outer axes.
    #[must_use]
    pub fn analyse(&self, rmse: f64) -> Harmonic {
        let effort = Effort::new(Config::DEFAULT_EFFORT);
        Harmonic(
            Analysis::candidates(self.data.into(), None, &self.geometry, Aim::all(rmse), effort, Isa::detect())
                .swap_remove(0),
        )
    }
    /// Decode a harmonic payload, in steps.
    ///
    /// # Errors
    /// As [`decode`](crate::decode()).
    pub fn decode(&self, payload: &[u8]) -> crate::Result<Vec<f32>> {
        decoder::decode(Reader::new(payload, 0), &self.geometry, 0, None, Isa::detect(), 1).map(|(f, _)| f.field)
    }
}

impl Harmonic {
    /// The quantiser step for a root mean square error.
    #[must_use]
    pub fn step(&self, rmse: f64) -> f64 {
        self.0.step_for_rmse(rmse).size
    }
    /// Quantise and transform back; the first value.
    #[must_use]
    pub fn reconstruct(&self, step: f64) -> f32 {
        self.0.field(&self.0.quantised(&self.0.step(short(step)))).field[0]
    }
    /// Quantise and code.
    #[must_use]
    pub fn encode(&self, step: f64) -> Vec<u8> {
        self.0.code(self.0.quantised(&self.0.step(short(step))))
    }
}
