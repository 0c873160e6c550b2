//! Parameters of the harmonic detail, before its range-coded coefficients.

use super::pyramid::Basis;
use super::wire::{Reader, Writer};
use crate::error::{Result, corrupt};

/// What happens along an outer axis before the planes are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum AxisTransform {
    /// Nothing: planes as they are.
    None = 0,
    /// Orthonormal DCT-II in blocks of at most 32.
    Dct = 1,
    /// Karhunen-Loeve transform; its basis is coded before the coefficients.
    Klt = 2,
}

/// Most parts of a level.
pub(crate) const MOST_PARTS: usize = 16;
/// Largest byte of basis and cut levels: 7 of them.
const MOST_CUT: u8 = 15;

/// Everything but the coefficients.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HarmonicParams {
    /// Subtracted before the transform; this and the step as [`short`](super::wire::short) numbers.
    pub(crate) mean: f64,
    /// Quantiser step in the data's unit.
    pub(crate) step: f64,
    /// How a plane is decomposed.
    pub(crate) basis: Basis,
    /// In how many parts levels are coded, 1 to [`MOST_PARTS`] each: the finest first, all after these in one.
    pub(crate) parts: Vec<usize>,
    /// One for each outer axis, outermost first.
    pub(crate) axes: Vec<AxisTransform>,
}

impl HarmonicParams {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.f40(self.mean);
        w.f40(self.step);
        w.u8(self.parts.len() as u8 * 2 + self.basis as u8);
        self.parts.iter().for_each(|&n| w.u8(n as u8));
        for &a in &self.axes {
            w.u8(a as u8);
        }
    }

    pub(crate) fn read(r: &mut Reader<'_>, outer_axes: usize) -> Result<Self> {
        let mean = r.finite_f40("mean")?;
        let step = r.finite_f40("step")?;
        let at = r.offset();
        let (basis, cut) = match r.u8("basis")? {
            b @ 0..=MOST_CUT => (if b & 1 == 0 { Basis::Lapped } else { Basis::Wavelet }, b / 2),
            other => return corrupt(at, format!("unknown basis {other}")),
        };
        let mut parts = Vec::with_capacity(cut.into());
        for _ in 0..cut {
            let at = r.offset();
            match usize::from(r.u8("parts of a level")?) {
                n @ 1..=MOST_PARTS => parts.push(n),
                n => return corrupt(at, format!("a level in {n} parts")),
            }
        }
        let mut axes = Vec::with_capacity(outer_axes);
        for _ in 0..outer_axes {
            let at = r.offset();
            axes.push(match r.u8("axis transform")? {
                0 => AxisTransform::None,
                1 => AxisTransform::Dct,
                2 => AxisTransform::Klt,
                other => return corrupt(at, format!("unknown axis transform {other}")),
            });
        }
        Ok(Self { mean, step, basis, parts, axes })
    }

    /// Range-coded payloads that all levels but the `finer` finest ones need.
    pub(crate) fn payloads(&self, finer: usize) -> usize {
        self.parts.iter().skip(finer).sum::<usize>().max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_come_back() {
        let p = HarmonicParams {
            mean: 3.5,
            step: 0.125,
            basis: Basis::Wavelet,
            parts: vec![3, 1],
            axes: vec![AxisTransform::Dct, AxisTransform::None],
        };
        let mut w = Writer::default();
        p.write(&mut w);
        assert_eq!(w.0.len(), 5 + 5 + 1 + 2 + 2);
        assert_eq!(HarmonicParams::read(&mut Reader::new(&w.0, 0), 2).unwrap(), p);
    }
}
