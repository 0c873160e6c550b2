//! Trees of blocks and their networks.

use super::prob::Prob;
use super::range::Coder;
use super::weights;
use crate::error::Result;
use crate::format::Budget;
use crate::format::mid::{Block, MAX_DEPTH};
use crate::format::network::{Quantised, Shape};

/// A node of a tree, as an encoder has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) block: Block,
    pub(crate) network: Option<Quantised>,
    /// Its children follow it, depth first.
    pub(crate) split: bool,
}

/// Code the trees with these roots, whose networks have one shape. An encoder gives the nodes in the order of this walk (a
/// block, then the trees of its children), a decoder none. `offset` is where the trees stand in the stream; each network is
/// shown to `found`.
pub(crate) fn code<C: Coder>(
    coder: &mut C,
    roots: Vec<Block>,
    shape: Shape,
    nodes: &[Node],
    budget: &mut Budget,
    offset: usize,
    mut found: impl FnMut(&Block, &Quantised),
) -> Result<()> {
    let mut models = [[Prob::HALF; 2]; MAX_DEPTH + 1];
    let mut todo: Vec<(Block, usize)> = roots.into_iter().rev().map(|b| (b, 0)).collect();
    let mut nodes = nodes.iter();
    while let Some((block, depth)) = todo.pop() {
        let node = nodes.next();
        let given = node.and_then(|n| n.network.as_ref());
        let [has_network, is_split] = &mut models[depth];
        if has_network.code(coder, given.is_some()) {
            budget.charge(shape.parameters(), block.len(), offset)?;
            let mut network = given.cloned().unwrap_or_else(|| Quantised::zeros(shape));
            weights::code(coder, &mut network);
            found(&block, &network);
        }
        let children = if depth < MAX_DEPTH { block.children() } else { Vec::new() };
        if !children.is_empty() && is_split.code(coder, node.is_some_and(|n| n.split)) {
            todo.extend(children.into_iter().rev().map(|b| (b, depth + 1)));
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
        code(&mut encoder, roots.clone(), shape, &nodes, &mut Budget::new(9999), 0, |_, _| ()).unwrap();
        let bytes = encoder.finish();
        let decode = |bytes: &[u8], back: &mut Vec<_>| {
            let found = |b: &Block, n: &Quantised| back.push((b.clone(), n.clone()));
            code(&mut Decoder::new(bytes), roots.clone(), shape, &[], &mut Budget::new(9999), 0, found)
        };
        let mut back = Vec::new();
        decode(&bytes, &mut back).unwrap();
        let given: Vec<_> = nodes.into_iter().filter_map(|n| Some((n.block, n.network?))).collect();
        assert_eq!(back, given);
        // Whatever the bytes, decoding ends: at the leaves or at the budget.
        for noise in [vec![], vec![0xff; 400], vec![0x5a; 77]] {
            let mut back = Vec::new();
            let _ = decode(&noise, &mut back);
            assert!(back.len() < 3 * 40 * 64 / 16);
        }
    }
}
