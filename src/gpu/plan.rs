//! How a network is laid over the threads and the shared memory of a block: the defines a kernel is compiled with.
//! The kernels check the sum of bytes when they are compiled, so that the two sides cannot drift apart.

use super::layout::Layout;
use crate::format::network::Shape;

/// Rows of weights staged at once, and the floats between two of them when they are staged as columns.
const STAGE: usize = 16;
const STAGE_STRIDE: usize = STAGE + 8;
/// Floats between two rows of a tile's activations beyond its points.
const SPREAD: usize = 8;
/// Shared memory that the driver takes of every block.
const RESERVED: usize = 1024;
/// Registers a thread may have if several blocks share a multiprocessor, of 65 536 for all.
const REGISTERS: usize = 128;
/// Shared memory of a block on A100.
#[cfg(test)]
pub(crate) const A100_SHARED: usize = 166_912;
/// The same on H100 and H200.
#[cfg(test)]
pub(crate) const H100_SHARED: usize = 232_448;
/// The same on GPUs of compute capability 8.6, 8.9 and 12.0.
#[cfg(test)]
pub(crate) const CONSUMER_SHARED: usize = 101_376;

/// What both kernels are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) layout: Layout,
    /// Points of a tile.
    pub(crate) points: usize,
    /// Threads of a block.
    pub(crate) threads: usize,
    /// Points and outputs of a thread.
    pub(crate) per_thread: (usize, usize),
    /// Hidden weights stay in shared memory.
    pub(crate) weights_shared: bool,
    /// Shared memory of a block.
    pub(crate) shared_bytes: usize,
    /// What training adds; `None` is evaluation.
    pub(crate) training: Option<Training>,
    shared_limit: usize,
}

/// What only training has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Training {
    /// Products on tensor cores, with TF32 operands.
    pub(crate) tf32: bool,
    /// The gradient stays in shared memory: one block a network.
    pub(crate) gradient_shared: bool,
    /// The pre-activations stay in shared memory.
    pub(crate) turns_shared: bool,
}

impl Plan {
    /// Evaluation with `shared_limit` bytes of shared memory a block; `None` if they are too few.
    pub(crate) fn forward(shape: Shape, shared_limit: usize) -> Option<Self> {
        let layout = Layout::new(shape);
        let most = match layout.width {
            ..=64 => 256,
            65..=128 => 128,
            _ => 64,
        };
        let choices = [(true, 8), (false, 8), (true, 4), (false, 4)];
        choices
            .into_iter()
            .map(|(held, points)| Self::new(layout, most / 8 * points, points, 8, held, None))
            .find_map(|p| p.fit(shared_limit))
    }

    /// Training. `many` blocks may work on one network; `tf32` is for widths of 64 and more.
    pub(crate) fn training(shape: Shape, shared_limit: usize, tf32: bool, many: bool) -> Option<Self> {
        let layout = Layout::new(shape);
        let places: [(bool, bool, bool); 4] =
            [(true, true, true), (true, false, true), (true, false, false), (false, false, false)];
        let sizes: &[usize] = match layout.width {
            ..64 => &[128],
            64..=128 => &[128, 64],
            _ => &[128, 64, 32],
        };
        let outputs = if layout.width >= 32 { 8 } else { 4 };
        places.into_iter().filter(|place| !(many && place.1)).find_map(|(weights, gradient_shared, turns_shared)| {
            let training = Training { tf32, gradient_shared, turns_shared };
            // The last resort on GPUs with little shared memory; still too much there beyond a width of 128.
            let smaller = (!weights && layout.width >= 64).then_some(&32);
            sizes.iter().chain(smaller).find_map(|&points| {
                let per_thread = if layout.width / outputs * (points / 4) > 256 { 8 } else { 4 };
                Self::new(layout, points, per_thread, outputs, weights, Some(training)).fit(shared_limit)
            })
        })
    }

    fn new(
        layout: Layout,
        points: usize,
        tp: usize,
        to: usize,
        weights_shared: bool,
        training: Option<Training>,
    ) -> Self {
        let threads = if training.is_some_and(|t| t.tf32) { 256 } else { layout.width / to * (points / tp) };
        let mut plan = Self {
            layout,
            points,
            threads,
            per_thread: (tp, to),
            weights_shared,
            shared_bytes: 0,
            training,
            shared_limit: 0,
        };
        plan.shared_bytes = 4 * plan.shared_floats();
        plan
    }

    fn fit(mut self, shared_limit: usize) -> Option<Self> {
        self.shared_limit = shared_limit;
        (self.shared_bytes <= shared_limit).then_some(self)
    }

    fn shared_floats(&self) -> usize {
        let (layout, shape) = (self.layout, self.layout.shape());
        let hidden = shape.depth() - 1;
        let (held, staged) = if self.weights_shared {
            (layout.parameters(), 0)
        } else {
            let columns = if self.training.is_some() { layout.width * STAGE_STRIDE } else { 0 };
            let staged = if hidden > 0 { 2 * columns.max(STAGE * layout.row) } else { 0 };
            (layout.first() + hidden * layout.row + layout.head(), staged)
        };
        let row = self.points + SPREAD;
        held + staged
            + match self.training {
                None => (shape.inputs() + layout.width) * row,
                Some(t) => {
                    let gradient = if t.gradient_shared { layout.parameters() } else { 0 };
                    let turns = if t.turns_shared { self.turns() } else { 0 };
                    gradient + (shape.inputs() + shape.outputs() + 2 * layout.width) * row + turns + 32
                }
            }
    }

    /// Floats of a tile's pre-activations.
    pub(crate) fn turns(&self) -> usize {
        self.layout.shape().depth() * self.layout.width * (self.points + SPREAD)
    }

    /// Blocks that shall share a multiprocessor.
    pub(crate) fn blocks(&self) -> usize {
        let registers = 65_536 / (self.threads * REGISTERS);
        registers.min(self.shared_limit / (self.shared_bytes + RESERVED)).clamp(1, 16)
    }

    /// Defines for the compiler, `HIHA_NAME=value`.
    pub(crate) fn defines(&self) -> Vec<String> {
        let shape = self.layout.shape();
        let t = self.training.unwrap_or(Training { tf32: false, gradient_shared: false, turns_shared: false });
        [
            ("INPUTS", shape.inputs()),
            ("DEPTH", shape.depth()),
            ("WIDTH", shape.width()),
            ("OUTPUTS", shape.outputs()),
            ("POINTS", self.points),
            ("THREADS", self.threads),
            ("THREAD_POINTS", self.per_thread.0),
            ("THREAD_OUTPUTS", self.per_thread.1),
            ("BLOCKS", self.blocks()),
            ("SHARED_BYTES", self.shared_bytes),
            ("WEIGHTS_SHARED", self.weights_shared.into()),
            ("TRAINING", self.training.is_some().into()),
            ("TF32", t.tf32.into()),
            ("GRADIENT_SHARED", t.gradient_shared.into()),
            ("TURNS_SHARED", t.turns_shared.into()),
        ]
        .map(|(name, value)| format!("HIHA_{name}={value}"))
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of every width, depth 1 and 5, most and fewest inputs and outputs.
    fn shapes() -> impl Iterator<Item = Shape> {
        (8..=256).flat_map(|w| [(2, 1, 1), (3, 3, 1), (5, 5, 8)].map(|(i, d, o)| Shape::new(i, d, w, o).unwrap()))
    }

    /// The arithmetic of the kernels' thread places: whole warps, and a warp within one row of places.
    fn check(plan: &Plan) {
        let (tp, to) = plan.per_thread;
        assert!(plan.threads.is_multiple_of(32) && (32..=1024).contains(&plan.threads), "{plan:?}");
        if plan.training.is_some_and(|t| t.tf32) {
            return;
        }
        let (outputs, points) = (plan.layout.width / to, plan.points / tp);
        let across = [4, 2, 1].into_iter().find(|n| outputs.is_multiple_of(*n)).unwrap();
        assert!(points.is_multiple_of(32 / across), "{plan:?}");
        assert_eq!(outputs * to, plan.layout.width);
    }

    #[test]
    fn every_shape_has_a_plan() {
        for limit in [A100_SHARED, H100_SHARED] {
            for shape in shapes() {
                check(&Plan::forward(shape, limit).unwrap());
                for many in [false, true] {
                    check(&Plan::training(shape, limit, false, many).unwrap());
                    if shape.width() >= 64 {
                        check(&Plan::training(shape, limit, true, many).unwrap());
                    }
                }
            }
        }
        assert!(shapes().all(|s| Plan::forward(s, CONSUMER_SHARED).is_some()));
        for shape in shapes().filter(|s| s.width() <= 128) {
            for (tf32, many) in [(false, false), (false, true), (true, true)] {
                check(&Plan::training(shape, CONSUMER_SHARED, tf32 && shape.width() >= 64, many).unwrap());
            }
        }
        assert!(shapes().all(|s| Plan::forward(s, 1_000).is_none()));
    }

    #[test]
    fn many_blocks_do_not_keep_the_gradient_to_themselves() {
        for shape in shapes() {
            let plan = Plan::training(shape, H100_SHARED, false, true).unwrap();
            assert!(!plan.training.unwrap().gradient_shared);
        }
    }
}
