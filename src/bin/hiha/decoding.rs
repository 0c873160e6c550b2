//! Files whose HiHa chunks this program decodes itself: with a climatology, or on a GPU.

use crate::args::usable;
use crate::climatology::Climatology;
use crate::dataset::{self, Dataset, Model, Values, Variable};
use crate::plan;
use anyhow::{Context, Result, ensure};
use hiha::{DecodeOptions, Device};
use std::path::Path;

/// Open a file whose HiHa chunks may need a climatology, and whose networks are to be evaluated on `device`.
///
/// # Errors
/// Also if the device cannot be used.
pub(crate) fn open(path: &Path, climatology: Option<&Climatology>, device: Device) -> Result<Box<dyn Dataset>> {
    let device = usable(device)?;
    // Shards are read by zarrs, which calls the codec.
    hiha::zarr::decode_on(device)?;
    let file = dataset::open(path)?;
    Ok(match (climatology, device) {
        (None, Device::Cpu) => file,
        _ => Box::new(Decoding { file, climatology: climatology.cloned(), device }),
    })
}

/// A file whose chunks are decoded here and not by the file's library, which knows neither climatology nor device.
struct Decoding {
    file: Box<dyn Dataset>,
    climatology: Option<Climatology>,
    device: Device,
}

impl Decoding {
    /// Elements of a chunk, native byte order; `None` for a chunk that was never written.
    fn chunk(&self, variable: usize, var: &Variable, offset: &[usize], chunk: &[usize]) -> Result<Option<Vec<u8>>> {
        let Some(stream) = self.file.raw_chunk(variable, offset)? else { return Ok(None) };
        let part = |c: &Climatology| c.part(offset, &plan::counts(&var.shape, chunk, offset), chunk);
        let climatology = self.climatology.as_ref().filter(|c| c.fits(&var.shape));
        let options = DecodeOptions {
            reference: climatology.map(part).transpose()?,
            device: self.device,
            ..DecodeOptions::default()
        };
        let array =
            hiha::decode_with(&stream, &options).with_context(|| format!("{}: chunk at {offset:?}", var.path))?;
        let same = Some(array.dtype()) == var.number() && array.len() == chunk.iter().product::<usize>();
        ensure!(same, "{}: chunk at {offset:?} holds {} {:?}", var.path, array.dtype(), array.shape());
        Ok(Some(array.bytes().to_vec()))
    }
}

impl Dataset for Decoding {
    fn model(&self) -> &Model {
        self.file.model()
    }

    fn read(&self, variable: usize, start: &[usize], count: &[usize]) -> Result<Values> {
        let var = &self.model().variables[variable];
        let (Some(chunk), Some(dtype), true) = (&var.chunks, var.number(), var.is_hiha()) else {
            return self.file.read(variable, start, count);
        };
        let needed = self.climatology.as_ref().is_some_and(|c| c.fits(&var.shape)) || self.device != Device::Cpu;
        if !needed || count.contains(&0) {
            return self.file.read(variable, start, count);
        }
        let fill = var.fill.clone().unwrap_or_else(|| vec![0; dtype.size()]);
        let mut out = fill.repeat(count.iter().product());
        // Chunks from the one that holds the first element to the one that holds the last.
        let first: Vec<usize> = start.iter().zip(chunk).map(|(s, c)| s / c * c).collect();
        let span: Vec<usize> = start.iter().zip(count).zip(&first).map(|((s, n), f)| s + n - f).collect();
        for step in plan::offsets(&span, chunk) {
            let offset: Vec<usize> = first.iter().zip(&step).map(|(f, s)| f + s).collect();
            if let Some(bytes) = self.chunk(variable, var, &offset, chunk)? {
                let (from, to) = (Block { offset: &offset, shape: chunk }, Block { offset: start, shape: count });
                copy(&bytes, &from, &mut out, &to, dtype.size());
            }
        }
        Ok(Values::Fixed(out))
    }

    fn stored_bytes(&self, variable: usize) -> Result<u64> {
        self.file.stored_bytes(variable)
    }
    fn raw_chunk(&self, variable: usize, offset: &[usize]) -> Result<Option<Vec<u8>>> {
        self.file.raw_chunk(variable, offset)
    }
    fn chunk_front(&self, variable: usize, offset: &[usize], bytes: u64) -> Result<Option<(Vec<u8>, u64)>> {
        self.file.chunk_front(variable, offset, bytes)
    }
}

/// A block of an array.
struct Block<'a> {
    offset: &'a [usize],
    shape: &'a [usize],
}

/// Copy what two blocks share.
fn copy(from: &[u8], source: &Block<'_>, to: &mut [u8], target: &Block<'_>, size: usize) {
    let rank = source.shape.len();
    let low: Vec<usize> = (0..rank).map(|d| source.offset[d].max(target.offset[d])).collect();
    let end = |b: &Block<'_>, d: usize| b.offset[d] + b.shape[d];
    let high: Vec<usize> = (0..rank).map(|d| end(source, d).min(end(target, d))).collect();
    let place =
        |b: &Block<'_>, index: &[usize]| (0..rank).fold(0, |at, d| at * b.shape[d] + index[d] - b.offset[d]) * size;
    let Some(last) = rank.checked_sub(1) else { return };
    if low.iter().zip(&high).any(|(l, h)| l >= h) {
        return;
    }
    let bytes = (high[last] - low[last]) * size;
    let rows: Vec<usize> = (0..last).map(|d| high[d] - low[d]).collect();
    for row in plan::offsets(&rows, &vec![1; last]) {
        let mut index = low.clone();
        index.iter_mut().zip(&row).for_each(|(i, r)| *i += r);
        let (a, b) = (place(source, &index), place(target, &index));
        to[b..b + bytes].copy_from_slice(&from[a..a + bytes]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_share_what_overlaps() {
        let mut out = vec![0; 6];
        let source = Block { offset: &[2, 2], shape: &[2, 2] };
        let target = Block { offset: &[1, 3], shape: &[2, 3] };
        copy(&[1, 2, 3, 4], &source, &mut out, &target, 1);
        assert_eq!(out, [0, 0, 0, 2, 0, 0]);
    }
}
