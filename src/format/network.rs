//! The network of the SIREN stages: shape, parameters and their order (Sitzmann et al. 2020,
//! "Implicit neural representations with periodic activation functions").
//!
//! All frequencies are folded into the weights: a sine layer's pre-activation counts turns.

use super::wire::{Reader, Writer};
use crate::error::{Result, corrupt, invalid};

/// Inputs, sine layers, their width, and outputs of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    inputs: u8,
    depth: u8,
    width: u16,
    outputs: u8,
}

impl Shape {
    /// 2 to 5 inputs, 1 to 5 layers, width 8 to 256, 1 to 8 outputs.
    pub(crate) fn new(inputs: usize, depth: usize, width: usize, outputs: usize) -> Result<Self> {
        match Self::checked(inputs, depth, width, outputs) {
            Some(shape) => Ok(shape),
            None => invalid(format!(
                "network {inputs}-{width}x{depth}-{outputs}: inputs must be 2 to 5, depth 1 to 5, width 8 to 256, outputs 1 to 8"
            )),
        }
    }

    fn checked(inputs: usize, depth: usize, width: usize, outputs: usize) -> Option<Self> {
        let fits = (2..=5).contains(&inputs)
            && (1..=5).contains(&depth)
            && (8..=256).contains(&width)
            && (1..=8).contains(&outputs);
        fits.then_some(Self { inputs: inputs as u8, depth: depth as u8, width: width as u16, outputs: outputs as u8 })
    }

    pub(crate) fn write(self, w: &mut Writer) {
        w.bytes(&[self.inputs, self.depth, (self.width - 1) as u8, self.outputs]);
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self> {
        let at = r.offset();
        let mut next = || r.u8("network shape").map(usize::from);
        let (inputs, depth, width, outputs) = (next()?, next()?, next()? + 1, next()?);
        Self::checked(inputs, depth, width, outputs)
            .map_or_else(|| corrupt(at, format!("no such network: {inputs}-{width}x{depth}-{outputs}")), Ok)
    }

    /// Read the shape of networks with this many inputs and one output.
    pub(crate) fn read_scalar(r: &mut Reader<'_>, inputs: usize) -> Result<Self> {
        let at = r.offset();
        let shape = Self::read(r)?;
        if shape.inputs() != inputs || shape.outputs() != 1 {
            let (found, outputs) = (shape.inputs(), shape.outputs());
            return corrupt(at, format!("expected {inputs} inputs and 1 output, found {found} and {outputs}"));
        }
        Ok(shape)
    }

    pub(crate) const fn inputs(self) -> usize {
        self.inputs as usize
    }
    /// Number of sine layers.
    pub(crate) const fn depth(self) -> usize {
        self.depth as usize
    }
    /// Outputs of each sine layer.
    pub(crate) const fn width(self) -> usize {
        self.width as usize
    }
    pub(crate) const fn outputs(self) -> usize {
        self.outputs as usize
    }
    /// Number of layers with the linear head.
    pub(crate) const fn layers(self) -> usize {
        self.depth() + 1
    }
    /// Inputs and outputs of layer `l`; the last is the head.
    pub(crate) const fn layer(self, l: usize) -> (usize, usize) {
        let inputs = if l == 0 { self.inputs() } else { self.width() };
        let outputs = if l == self.depth() { self.outputs() } else { self.width() };
        (inputs, outputs)
    }
    /// Number of weights and biases.
    pub(crate) fn parameters(self) -> usize {
        (0..self.layers()).map(|l| self.layer(l)).map(|(i, o)| (i + 1) * o).sum()
    }
}

/// One layer of a network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layer<'a> {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// Weight of input `i` in output `j` at `i * outputs + j`.
    pub(crate) weights: &'a [f32],
    pub(crate) biases: &'a [f32],
}

/// A network: layer by layer the weights, input-major, then the biases.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Network {
    pub(crate) shape: Shape,
    /// `shape.parameters()` of them.
    pub(crate) parameters: Vec<f32>,
}

impl Network {
    /// All parameters 0.
    pub(crate) fn zeros(shape: Shape) -> Self {
        Self { shape, parameters: vec![0.0; shape.parameters()] }
    }

    /// The layers in order; the last is the linear head.
    pub(crate) fn layers(&self) -> impl Iterator<Item = Layer<'_>> {
        let mut rest = &self.parameters[..];
        (0..self.shape.layers()).map(move |l| {
            let (inputs, outputs) = self.shape.layer(l);
            let (weights, after) = rest.split_at(inputs * outputs);
            let (biases, after) = after.split_at(outputs);
            rest = after;
            Layer { inputs, outputs, weights, biases }
        })
    }
}

/// A network as it stands in the stream: whole numbers, and for each layer a step for its weights and one for its biases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Quantised {
    pub(crate) shape: Shape,
    /// For each layer the codes of the steps of weights and biases; see [`step`].
    pub(crate) steps: Vec<[u8; 2]>,
    /// In the order of [`Network::parameters`].
    pub(crate) integers: Vec<i32>,
}

/// The step that a code stands for: three bits of mantissa, the rest exponent, from 2^-24 to 240.
pub(crate) fn step(code: u8) -> f32 {
    // Both factors and the product are exact.
    f32::from(8 + code % 8) * f32::from_bits((u32::from(code / 8) + 100) << 23)
}

impl Quantised {
    /// All integers 0.
    pub(crate) fn zeros(shape: Shape) -> Self {
        Self { shape, steps: vec![[0; 2]; shape.layers()], integers: vec![0; shape.parameters()] }
    }

    /// The lengths of the groups of parameters that share a step, in order: weights and biases of each layer.
    pub(crate) fn groups(shape: Shape) -> impl Iterator<Item = usize> {
        (0..shape.layers()).map(move |l| shape.layer(l)).flat_map(|(i, o)| [i * o, o])
    }

    /// The network that decoders evaluate: each parameter is `integer as f32 * step`, rounded once.
    pub(crate) fn network(&self) -> Network {
        let mut parameters = Vec::with_capacity(self.integers.len());
        let mut rest = &self.integers[..];
        for (n, &code) in Self::groups(self.shape).zip(self.steps.as_flattened()) {
            let (group, after) = rest.split_at(n);
            parameters.extend(group.iter().map(|&q| q as f32 * step(code)));
            rest = after;
        }
        Network { shape: self.shape, parameters }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let shape = Shape::new(3, 2, 16, 1).unwrap();
        assert_eq!((shape.parameters(), shape.layers()), (353, 3));
        assert_eq!([shape.layer(0), shape.layer(1), shape.layer(2)], [(3, 16), (16, 16), (16, 1)]);
        assert_eq!(Shape::new(5, 5, 256, 8).unwrap().parameters(), 6 * 256 + 4 * 257 * 256 + 257 * 8);
        assert_eq!(Network::zeros(shape).layers().map(|l| l.weights.len() + l.biases.len()).sum::<usize>(), 353);
        for bad in [[1, 1, 8, 1], [6, 1, 8, 1], [2, 0, 8, 1], [2, 6, 8, 1], [2, 1, 7, 1], [2, 1, 257, 1], [2, 1, 8, 9]]
        {
            assert!(Shape::new(bad[0], bad[1], bad[2], bad[3]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn steps_rise_evenly() {
        assert_eq!([step(0), step(8), step(255)], [2.0_f32.powi(-24), 2.0_f32.powi(-23), 240.0]);
        assert!((0..255).all(|c| step(c) < step(c + 1) && step(c + 1) <= 1.125 * step(c)));
        let mut q = Quantised::zeros(Shape::new(2, 1, 8, 1).unwrap());
        q.steps = vec![[192, 193], [194, 195]];
        q.integers[0] = -3;
        q.integers[16] = 5;
        q.integers[24] = 7;
        q.integers[32] = 9;
        let p = q.network().parameters;
        assert_eq!([p[0], p[16], p[24], p[32]], [-3.0, 5.0 * 1.125, 7.0 * 1.25, 9.0 * 1.375]);
    }

    #[test]
    fn a_shape_comes_back() {
        for (i, d, w, o) in [(2, 1, 8, 1), (4, 3, 100, 5), (5, 5, 256, 8)] {
            let shape = Shape::new(i, d, w, o).unwrap();
            let mut writer = Writer::default();
            shape.write(&mut writer);
            assert_eq!(Shape::read(&mut Reader::new(&writer.0, 0)).unwrap(), shape);
        }
        assert!(Shape::read(&mut Reader::new(&[3, 2, 3, 1], 0)).is_err());
        assert!(Shape::read(&mut Reader::new(&[3, 2], 0)).is_err());
    }
}
