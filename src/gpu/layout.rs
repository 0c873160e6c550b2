//! Parameters as the kernels hold them. Twin of `kernels/shape.cuh`.

use crate::format::network::{Network, Shape};

/// Rows padded so that reads are aligned and spread over the banks of shared memory; what is added is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    shape: Shape,
    /// Outputs of a sine layer.
    pub(crate) width: usize,
    /// Floats from one row of its weights to the next.
    pub(crate) row: usize,
    /// The same for the head.
    pub(crate) head_row: usize,
}

impl Layout {
    pub(crate) fn new(shape: Shape) -> Self {
        let unit = match shape.width() {
            ..=64 => 8,
            65..=128 => 16,
            129.. => 32,
        };
        let width = shape.width().next_multiple_of(unit);
        let row = width + if width.is_multiple_of(16) { 8 } else { 0 };
        Self { shape, width, row, head_row: if shape.outputs() <= 4 { 4 } else { 8 } }
    }

    pub(crate) const fn shape(&self) -> Shape {
        self.shape
    }

    /// Floats of the first layer.
    pub(crate) const fn first(&self) -> usize {
        (self.shape.inputs() + 1) * self.row
    }

    /// Floats of the head.
    pub(crate) const fn head(&self) -> usize {
        (self.width + 1) * self.head_row
    }

    /// Floats of all layers.
    pub(crate) const fn parameters(&self) -> usize {
        self.first() + (self.shape.depth() - 1) * (self.width + 1) * self.row + self.head()
    }

    /// For each row of each layer, its weights and then its biases: where it stands, and its length.
    fn rows(&self) -> impl Iterator<Item = (usize, usize)> {
        let layout = *self;
        let mut at = 0;
        (0..self.shape.layers()).flat_map(move |l| {
            let (inputs, outputs) = layout.shape.layer(l);
            let row = if l == layout.shape.depth() { layout.head_row } else { layout.row };
            let padded = if l == 0 { inputs } else { layout.width };
            let first = at;
            at += (padded + 1) * row;
            (0..inputs).chain([padded]).map(move |i| (first + i * row, outputs))
        })
    }

    /// Parameters in the order of [`Network::parameters`] into `out`, which has [`Self::parameters`] zeros.
    pub(crate) fn pack(&self, parameters: &[f32], out: &mut [f32]) {
        let mut rest = parameters;
        for (at, n) in self.rows() {
            let (row, after) = rest.split_at(n);
            out[at..at + n].copy_from_slice(row);
            rest = after;
        }
    }

    /// [`Self::pack`] of several networks of this shape, one behind the other.
    pub(crate) fn pack_all<'a>(&self, networks: impl ExactSizeIterator<Item = &'a [f32]>) -> Vec<f32> {
        let mut out = vec![0.0; networks.len() * self.parameters()];
        networks.zip(out.chunks_exact_mut(self.parameters())).for_each(|(n, out)| self.pack(n, out));
        out
    }

    /// The reverse of [`Self::pack`].
    pub(crate) fn unpack(&self, packed: &[f32]) -> Network {
        let parameters = self.rows().flat_map(|(at, n)| &packed[at..at + n]).copied().collect();
        Network { shape: self.shape, parameters }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back() {
        for (i, d, w, o) in [(2, 1, 8, 1), (5, 5, 9, 8), (3, 3, 100, 4), (4, 2, 256, 5)] {
            let layout = Layout::new(Shape::new(i, d, w, o).unwrap());
            let network = Network {
                shape: layout.shape(),
                parameters: (1..=layout.shape().parameters()).map(|p| p as f32).collect(),
            };
            let packed = layout.pack_all([&network.parameters[..]].into_iter());
            assert_eq!(layout.unpack(&packed), network);
            assert_eq!(packed.iter().filter(|&&p| p != 0.0).count(), network.parameters.len(), "the padding is zero");
        }
    }
}
