//! Trees of blocks and their networks.

use super::mixer::Prob;
use super::range::Coder;
use super::weights;
use crate::error::Result;
use crate::format::Budget;
use crate::format::mid::{Block, MAX_DEPTH};
use crate::format::network::{Quantised, Shape};

/// A node of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) block: Block,
    pub(crate) network: Option<Quantised>,
    /// Its children follow it, depth first.
    pub(crate) split: bool,
}

/// Code the trees with these roots, whose networks have one shape. A decoder starts with no nodes; an encoder gives all of
/// them, in the order of this walk: a block, then the trees of its children. `offset` is where the trees stand in the stream.
pub(crate) fn code<C: Coder>(
    coder: &mut C,
    roots: Vec<Block>,
    shape: Shape,
    nodes: &mut Vec<Node>,
    budget: &mut Budget,
    offset: usize,
) -> Result<()> {
    let mut models = [[Prob::HALF; 2]; MAX_DEPTH + 1];
    let mut todo: Vec<(Block, usize)> = roots.into_iter().rev().map(|b| (b, 0)).collect();
    let mut at = 0;
    while let Some((block, depth)) = todo.pop() {
        if !C::ENCODES {
            nodes.push(Node { block: block.clone(), network: None, split: false });
        }
        let node = &mut nodes[at];
        at += 1;
        let [has_network, is_split] = &mut models[depth];
        if has_network.code(coder, node.network.is_some()) {
            budget.charge(shape.parameters(), block.len(), offset)?;
            weights::code(coder, node.network.get_or_insert_with(|| Quantised::zeros(shape)));
        }
        let children = if depth < MAX_DEPTH { block.children() } else { Vec::new() };
        if !children.is_empty() {
            node.split = is_split.code(coder, node.split);
            if node.split {
                todo.extend(children.into_iter().rev().map(|b| (b, depth + 1)));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::range::{Decoder, Encoder};
    use crate::format::Geometry;

    #[test]
    fn trees_come_back() {
        let g = Geometry { outer: vec![3], height: 40, width: 64, periodic: false };
        let shape = Shape::new(3, 1, 8, 1).unwrap();
        let roots = Block::roots(&g, [1, 2, 1]);
        let mut nodes = Vec::new();
        for (k, root) in roots.iter().enumerate() {
            let mut network = Quantised::zeros(shape);
            network.integers[k] = -7;
            nodes.push(Node { block: root.clone(), network: (k == 1).then_some(network.clone()), split: k == 0 });
            if k == 0 {
                let children = root.children();
                nodes.extend(children.into_iter().map(|block| Node {
                    network: (block.slices.start > 0).then_some(network.clone()),
                    block,
                    split: false,
                }));
            }
        }
        let mut encoder = Encoder::new();
        code(&mut encoder, roots.clone(), shape, &mut nodes.clone(), &mut Budget::new(9999), 0).unwrap();
        let bytes = encoder.finish();
        let mut back = Vec::new();
        code(&mut Decoder::new(&bytes), roots.clone(), shape, &mut back, &mut Budget::new(9999), 0).unwrap();
        assert_eq!(back, nodes);
        // Whatever the bytes, decoding ends: at the leaves or at the budget.
        for noise in [vec![], vec![0xff; 400], vec![0x5a; 77]] {
            let mut back = Vec::new();
            let _ = code(&mut Decoder::new(&noise), roots.clone(), shape, &mut back, &mut Budget::new(9999), 0);
            assert!(back.len() < 3 * 40 * 64 / 16);
        }
    }
}
