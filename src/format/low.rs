//! The low band: one small network for the whole chunk (paper, multi-scale implicit neural representation).

use super::geometry::Geometry;
use super::network::Shape;
use super::wire::{Reader, Writer};
use crate::error::{Result, corrupt};

/// Largest ratio of the coarse grid.
const MAX_RATIO: u8 = 16;
/// Outer axes that are inputs of their own; axes before them count as one with the first.
const MAX_OUTER: usize = 2;

/// What stands before the network's integers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LowParams {
    pub(crate) shape: Shape,
    /// Spacing of the coarse grid on which the network is evaluated, in rows and columns.
    pub(crate) ratio: u8,
    /// Value of an output of 0, and of 1 more, in the data's unit.
    pub(crate) offset: f32,
    pub(crate) amplitude: f32,
}

impl LowParams {
    pub(crate) fn write(&self, w: &mut Writer) {
        self.shape.write(w);
        w.u8(self.ratio);
        w.bytes(&self.offset.to_le_bytes());
        w.bytes(&self.amplitude.to_le_bytes());
    }

    pub(crate) fn read(r: &mut Reader<'_>, geometry: &Geometry) -> Result<Self> {
        let shape = Shape::read_scalar(r, inputs(geometry))?;
        let at = r.offset();
        let ratio = r.u8("ratio of the coarse grid")?;
        if !(1..=MAX_RATIO).contains(&ratio) {
            return corrupt(at, format!("ratio of the coarse grid must be 1 to {MAX_RATIO}, found {ratio}"));
        }
        Ok(Self { shape, ratio, offset: r.finite_f32("offset")?, amplitude: r.finite_f32("amplitude")? })
    }
}

/// The plane lies on a sphere: its columns go round the globe and its rows from pole to pole.
pub(crate) const fn on_sphere(geometry: &Geometry) -> bool {
    geometry.periodic && geometry.height > 1
}

/// Inputs of a network for this geometry: x, y, z on the unit sphere, or row and column; then one for each outer axis, two at most.
pub(crate) fn inputs(geometry: &Geometry) -> usize {
    2 + usize::from(on_sphere(geometry)) + geometry.outer.len().min(MAX_OUTER)
}

/// Lengths of the outer axes as they are inputs, outermost first.
pub(crate) fn outer_lengths(geometry: &Geometry) -> Vec<usize> {
    let (first, last) = geometry.outer.split_at(geometry.outer.len().saturating_sub(MAX_OUTER - 1));
    let together: usize = first.iter().product();
    if first.is_empty() { last.to_vec() } else { [&[together], last].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_follow_the_geometry() {
        let geometry = |outer: &[usize], periodic| Geometry { outer: outer.to_vec(), height: 9, width: 20, periodic };
        for (outer, periodic, wanted, lengths) in [
            (&[][..], false, 2, &[][..]),
            (&[], true, 3, &[]),
            (&[7], true, 4, &[7]),
            (&[4, 7], false, 4, &[4, 7]),
            (&[2, 4, 7], true, 5, &[8, 7]),
        ] {
            let g = geometry(outer, periodic);
            assert_eq!((inputs(&g), outer_lengths(&g)), (wanted, lengths.to_vec()));
        }
    }

    #[test]
    fn parameters_come_back_or_are_refused() {
        let g = Geometry { outer: vec![], height: 9, width: 20, periodic: true };
        let p = LowParams { shape: Shape::new(3, 2, 16, 1).unwrap(), ratio: 3, offset: 1.5, amplitude: -2.0 };
        let mut w = Writer::default();
        p.write(&mut w);
        assert_eq!(LowParams::read(&mut Reader::new(&w.0, 0), &g).unwrap(), p);
        let flat = Geometry { periodic: false, ..g.clone() };
        assert!(LowParams::read(&mut Reader::new(&w.0, 0), &flat).is_err());
        for (at, byte) in [(4, 0), (4, 17), (8, 0x7f)] {
            let mut bad = w.0.clone();
            bad[at] = byte;
            bad[7] = if at == 8 { 0xff } else { bad[7] };
            assert!(LowParams::read(&mut Reader::new(&bad, 0), &g).is_err(), "{at}");
        }
    }
}
