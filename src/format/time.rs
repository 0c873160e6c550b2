//! Low and middle band frame by frame (paper, temporal residual compression).

use super::geometry::Geometry;
use super::low::LowParams;
use super::mid::{PassParams, read_passes, write_passes};
use super::wire::{Reader, Writer};
use crate::error::{Result, corrupt};

/// What stands before the frames.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TimeParams {
    /// Of every frame's low band, if frames have one.
    pub(crate) low: Option<LowParams>,
    /// The middle band of key frames.
    pub(crate) key: Vec<PassParams>,
    /// What is added to the frame before by the others.
    pub(crate) change: Vec<PassParams>,
}

impl TimeParams {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.u8(self.low.is_some().into());
        if let Some(low) = &self.low {
            low.write(w);
        }
        write_passes(w, &self.key);
        write_passes(w, &self.change);
    }

    /// `frame` is the geometry of one frame.
    pub(crate) fn read(r: &mut Reader<'_>, frame: &Geometry) -> Result<Self> {
        let at = r.offset();
        let low = match r.u8("low band of frames")? {
            0 => None,
            1 => Some(LowParams::read(r, frame)?),
            other => return corrupt(at, format!("low band of frames must be 0 or 1, found {other}")),
        };
        Ok(Self { low, key: read_passes(r, frame)?, change: read_passes(r, frame)? })
    }
}

/// The geometry of one element along the first outer axis; `None` where there is no such axis.
pub(crate) fn frame(geometry: &Geometry) -> Option<Geometry> {
    let (_, rest) = geometry.outer.split_first()?;
    Some(Geometry { outer: rest.to_vec(), ..geometry.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::network::Shape;

    #[test]
    fn parameters_come_back_or_are_refused() {
        let g = Geometry { outer: vec![5], height: 20, width: 30, periodic: true };
        let f = frame(&g).unwrap();
        assert!(f.outer.is_empty() && frame(&f).is_none());
        let low = LowParams { shape: Shape::new(3, 2, 8, 1).unwrap(), ratio: 3, offset: 1.0, amplitude: 2.0 };
        let pass = PassParams { shape: Shape::new(2, 1, 8, 1).unwrap(), grid: [1, 2, 2], amplitude: 3.0 };
        for low in [None, Some(low)] {
            let params = TimeParams { low, key: vec![pass; 2], change: vec![pass] };
            let mut w = Writer::default();
            params.write(&mut w);
            assert_eq!(TimeParams::read(&mut Reader::new(&w.0, 0), &f).unwrap(), params);
            w.0[0] = 2;
            assert!(TimeParams::read(&mut Reader::new(&w.0, 0), &f).is_err());
        }
    }
}
