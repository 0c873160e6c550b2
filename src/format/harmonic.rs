//! Parameters of the harmonic detail, before its range-coded coefficients.

use super::geometry::Geometry;
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

/// How a level is cut into parts, of which each has a range coder.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cut {
    /// So many parts, of nearly equally many rows of blocks.
    Rows(usize),
    /// A part begins before each of these slices: not the first, ascending.
    Slices(Vec<usize>),
}

impl Cut {
    /// Most parts of a level.
    const MOST: usize = 16;

    pub(crate) fn parts(&self) -> usize {
        match self {
            Self::Rows(n) => *n,
            Self::Slices(borders) => borders.len() + 1,
        }
    }

    fn write(&self, w: &mut Writer) {
        match self {
            Self::Rows(n) => w.u8(*n as u8),
            Self::Slices(borders) => {
                w.u8((Self::MOST + self.parts()) as u8);
                borders.iter().for_each(|&slice| w.varint(slice as u64));
            }
        }
    }

    fn read(r: &mut Reader<'_>, slices: usize) -> Result<Self> {
        let at = r.offset();
        let n = usize::from(r.u8("parts of a level")?);
        match n.checked_sub(Self::MOST) {
            None | Some(0) if n > 0 => return Ok(Self::Rows(n)),
            Some(2..=Self::MOST) => {}
            _ => return corrupt(at, format!("a level in parts of kind {n}")),
        }
        let mut borders = Vec::with_capacity(Self::MOST);
        for _ in Self::MOST + 1..n {
            let at = r.offset();
            let slice = usize::try_from(r.varint("first slice of a part")?).unwrap_or(usize::MAX);
            if slice <= borders.last().copied().unwrap_or(0) || slice >= slices {
                return corrupt(at, format!("a part that begins at slice {slice} of {slices}"));
            }
            borders.push(slice);
        }
        Ok(Self::Slices(borders))
    }
}

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
    /// How levels are cut: the finest first, all after these are in one part.
    pub(crate) cuts: Vec<Cut>,
    /// One for each outer axis, outermost first.
    pub(crate) axes: Vec<AxisTransform>,
}

impl HarmonicParams {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.f40(self.mean);
        w.f40(self.step);
        w.u8(self.cuts.len() as u8 * 2 + self.basis as u8);
        self.cuts.iter().for_each(|cut| cut.write(w));
        for &a in &self.axes {
            w.u8(a as u8);
        }
    }

    pub(crate) fn read(r: &mut Reader<'_>, geometry: &Geometry) -> Result<Self> {
        let mean = r.finite_f40("mean")?;
        let step = r.finite_f40("step")?;
        let at = r.offset();
        let (basis, cut) = match r.u8("basis")? {
            b @ 0..=MOST_CUT => (if b & 1 == 0 { Basis::Lapped } else { Basis::Wavelet }, b / 2),
            other => return corrupt(at, format!("unknown basis {other}")),
        };
        let mut cuts = Vec::with_capacity(cut.into());
        for _ in 0..cut {
            cuts.push(Cut::read(r, geometry.slices())?);
        }
        let mut axes = Vec::with_capacity(geometry.outer.len());
        for _ in &geometry.outer {
            let at = r.offset();
            axes.push(match r.u8("axis transform")? {
                0 => AxisTransform::None,
                1 => AxisTransform::Dct,
                2 => AxisTransform::Klt,
                other => return corrupt(at, format!("unknown axis transform {other}")),
            });
        }
        Ok(Self { mean, step, basis, cuts, axes })
    }

    /// Range-coded payloads that all levels but the `finer` finest ones need.
    pub(crate) fn payloads(&self, finer: usize) -> usize {
        self.cuts.iter().skip(finer).map(Cut::parts).sum::<usize>().max(1)
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
            cuts: vec![Cut::Slices(vec![2, 3, 199]), Cut::Rows(16), Cut::Rows(1)],
            axes: vec![AxisTransform::Dct, AxisTransform::None],
        };
        let mut w = Writer::default();
        p.write(&mut w);
        assert_eq!(w.0.len(), 5 + 5 + 1 + (1 + 1 + 1 + 2) + 1 + 1 + 2);
        let geometry = Geometry { outer: vec![2, 100], height: 4, width: 4, periodic: false };
        assert_eq!(HarmonicParams::read(&mut Reader::new(&w.0, 0), &geometry).unwrap(), p);
    }

    #[test]
    fn no_other_cuts() {
        for (bytes, good) in [
            (&[1][..], true),
            (&[16], true),
            (&[18, 1], true),
            (&[19, 1, 4], true),
            (&[0], false),
            (&[17], false),
            (&[33], false),
            (&[18, 0], false),
            (&[18, 5], false),
            (&[19, 2, 2], false),
        ] {
            let mut r = Reader::new(bytes, 0);
            assert_eq!(Cut::read(&mut r, 5).is_ok(), good, "{bytes:?}");
            assert!(!good || r.rest().is_empty());
        }
    }
}
