//! `--climatology FILE:VAR`: an array that encoder and decoder know, and files that need it.

use crate::dataset::{self, Dataset, Model, Values, Variable};
use crate::plan;
use anyhow::{Context, Result, bail, ensure};
use hiha::{DecodeOptions, Reference};
use std::path::Path;

/// Where the climatology is.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ClimatologyArgs {
    /// A mean such as a 30-year climatology, as FILE:VAR. Its dimensions are the variables' last ones (or of length 1).
    /// What is coded with it can only be read with it, and only by this program or the library.
    #[arg(long, value_name = "FILE:VAR")]
    pub(crate) climatology: Option<String>,
}

/// A climatology read whole.
#[derive(Debug, Clone)]
pub(crate) struct Climatology {
    /// As on the command line.
    pub(crate) name: String,
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl ClimatologyArgs {
    /// Read it, if there is one.
    pub(crate) fn load(&self) -> Result<Option<Climatology>> {
        let Some(name) = &self.climatology else { return Ok(None) };
        let load = || -> Result<Climatology> {
            let (file, var) = name.rsplit_once(':').context("expected FILE:VAR")?;
            let input = dataset::open(Path::new(file))?;
            let model = input.model();
            let index = model.find(var).with_context(|| format!("{file} has no variable {var}"))?;
            let var = &model.variables[index];
            let dtype = var.number().with_context(|| format!("type {} is not numeric", var.dtype))?;
            let bytes = input.read_all(index)?.fixed()?;
            let number = |name| {
                let a = var.attribute(name)?;
                let dataset::DataType::Number(d) = a.dtype else { return None };
                plan::to_f64(&a.values.clone().fixed().ok()?, d).first().copied()
            };
            let (scale, offset) = (number("scale_factor").unwrap_or(1.0), number("add_offset").unwrap_or(0.0));
            let fill = plan::fill_value(var);
            let values = plan::to_f64(&bytes, dtype).into_iter().zip(bytes.chunks_exact(dtype.size()));
            let value =
                |(v, e): (f64, &[u8])| if fill.as_deref() == Some(e) { f32::NAN } else { (v * scale + offset) as f32 };
            let first = var.shape.iter().position(|&n| n > 1).unwrap_or(0);
            let shape = var.shape.get(first..).filter(|s| !s.is_empty()).map_or_else(|| vec![1], <[usize]>::to_vec);
            Ok(Climatology { name: name.clone(), shape, values: values.map(value).collect() })
        };
        load().map(Some).with_context(|| format!("--climatology {name}"))
    }
}

impl Climatology {
    /// True for an array whose last dimensions it has.
    pub(crate) fn fits(&self, shape: &[usize]) -> bool {
        let pair = |(&r, &n): (&usize, &usize)| r == n || r == 1;
        self.shape.len() <= shape.len() && self.shape.iter().rev().zip(shape.iter().rev()).all(pair)
    }

    /// What belongs to the chunk at `offset` of an array that it fits, padded like the chunk.
    pub(crate) fn part(&self, offset: &[usize], count: &[usize], chunk: &[usize]) -> Result<Reference> {
        let outer = offset.len() - self.shape.len();
        // Along a dimension of length 1 all chunks share the one value.
        let own = |d: usize, of: &[usize], one: usize| if self.shape[d] == 1 { one } else { of[outer + d] };
        let axes = 0..self.shape.len();
        let start: Vec<usize> = axes.clone().map(|d| own(d, offset, 0)).collect();
        let inside: Vec<usize> = axes.clone().map(|d| own(d, count, 1)).collect();
        let padded: Vec<usize> = axes.map(|d| own(d, chunk, 1)).collect();
        let mut values = Vec::with_capacity(padded.iter().product());
        self.pick(&start, &inside, &padded, 0, &mut values);
        Ok(Reference::new(values, &padded)?)
    }

    /// Beyond the array its last values are repeated.
    fn pick(&self, start: &[usize], inside: &[usize], padded: &[usize], at: usize, out: &mut Vec<f32>) {
        let d = self.shape.len() - padded.len();
        let Some((&n, rest)) = padded.split_first() else {
            out.push(self.values[at]);
            return;
        };
        for i in 0..n {
            let index = start[0] + i.min(inside[0] - 1);
            self.pick(&start[1..], &inside[1..], rest, at * self.shape[d] + index, out);
        }
    }
}

/// Open a file whose HiHa chunks may need a climatology.
pub(crate) fn open(path: &Path, climatology: Option<&Climatology>) -> Result<Box<dyn Dataset>> {
    let file = dataset::open(path)?;
    Ok(match climatology {
        None => file,
        Some(climatology) => Box::new(WithClimatology { file, climatology: climatology.clone() }),
    })
}

/// A file whose chunks are decoded here, with the climatology, where the variable has its dimensions.
struct WithClimatology {
    file: Box<dyn Dataset>,
    climatology: Climatology,
}

impl WithClimatology {
    /// Elements of a chunk, native byte order; `None` for a chunk that was never written.
    fn chunk(&self, variable: usize, var: &Variable, offset: &[usize], chunk: &[usize]) -> Result<Option<Vec<u8>>> {
        let Some(stream) = self.file.raw_chunk(variable, offset)? else { return Ok(None) };
        let reference = Some(self.climatology.part(offset, &plan::counts(&var.shape, chunk, offset), chunk)?);
        let array = hiha::decode_with(&stream, &DecodeOptions { reference, ..DecodeOptions::default() })
            .with_context(|| format!("{}: chunk at {offset:?}", var.path))?;
        let same = Some(array.dtype()) == var.number() && array.len() == chunk.iter().product::<usize>();
        ensure!(same, "{}: chunk at {offset:?} holds {} {:?}", var.path, array.dtype(), array.shape());
        Ok(Some(array.bytes().to_vec()))
    }
}

impl Dataset for WithClimatology {
    fn model(&self) -> &Model {
        self.file.model()
    }

    fn read(&self, variable: usize, start: &[usize], count: &[usize]) -> Result<Values> {
        let var = &self.model().variables[variable];
        let (Some(chunk), Some(dtype), true) = (&var.chunks, var.number(), var.is_hiha()) else {
            return self.file.read(variable, start, count);
        };
        if !self.climatology.fits(&var.shape) || count.contains(&0) {
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

/// Refuse a climatology that no variable to be coded with loss has room for.
pub(crate) fn check_use(climatology: &Climatology, model: &Model, lossy: impl Fn(usize) -> bool) -> Result<()> {
    let used = |(i, v): (usize, &Variable)| lossy(i) && climatology.fits(&v.shape);
    if !model.variables.iter().enumerate().any(used) {
        bail!("--climatology {}: its shape {:?} fits no lossy variable", climatology.name, climatology.shape);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_cut_and_padded() {
        let c = Climatology { name: "c".into(), shape: vec![2, 3], values: (0..6).map(|i| i as f32).collect() };
        assert!(c.fits(&[5, 2, 3]) && c.fits(&[2, 3]) && !c.fits(&[3]) && !c.fits(&[3, 2]));
        let part = c.part(&[4, 0, 2], &[1, 2, 1], &[2, 2, 2]).unwrap();
        assert_eq!(part, Reference::new(vec![2.0, 2.0, 5.0, 5.0], &[2, 2]).unwrap());
        let row = Climatology { name: "r".into(), shape: vec![2, 1], values: vec![7.0, 8.0] };
        let part = row.part(&[1, 2], &[1, 1], &[1, 2]).unwrap();
        assert_eq!(part, Reference::new(vec![8.0], &[1, 1]).unwrap());
    }

    #[test]
    fn blocks_share_what_overlaps() {
        let mut out = vec![0; 6];
        let source = Block { offset: &[2, 2], shape: &[2, 2] };
        let target = Block { offset: &[1, 3], shape: &[2, 3] };
        copy(&[1, 2, 3, 4], &source, &mut out, &target, 1);
        assert_eq!(out, [0, 0, 0, 2, 0, 0]);
    }
}
