//! `--climatology FILE:VAR`: an array that encoder and decoder know, and files that need it.

use crate::dataset::{self, Model, Variable};
use crate::plan;
use anyhow::{Context, Result, bail};
use hiha::Reference;
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
            let value = |(v, e): (f64, &[u8])| {
                if plan::is_fill(e, fill.as_deref()) { f32::NAN } else { (v * scale + offset) as f32 }
            };
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
}
