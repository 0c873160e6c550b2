//! Networks fitted on a GPU by Adam: any number of them at once, each on its own samples.

use std::sync::Arc;

use cudarc::driver::CudaStream;

use super::batch::{Batch, Descent, Samples};
use super::device::{Gpu, driver_error};
use super::error::GpuError;
use super::evaluate::zeros;
use super::launch::{Arrays, Kernel, Steps};
use super::nvrtc::guarded;
use super::plan::Plan;
use super::source::Source;
use crate::format::network::Network;

/// Bytes of the networks that are fitted at a time.
const WAVE_BYTES: usize = 1 << 30;
/// Most networks of a launch, and most blocks of a network.
const MOST_NETWORKS: usize = 65_535;
const MOST_BLOCKS: usize = 64;

/// Descend from each of `networks`, which have one shape, on its samples; the mean squared error of each over the last
/// batches it saw. Not the processor's bits, but the same bits in every run on one model of GPU.
pub(crate) fn descend(
    gpu: &Gpu,
    networks: &mut [Network],
    samples: &[Samples<'_>],
    descent: &Descent,
) -> Result<Vec<f64>, GpuError> {
    assert_eq!(networks.len(), samples.len(), "samples for each network");
    guarded(|| {
        let mut losses = Vec::with_capacity(networks.len());
        let mut rest = (networks, samples);
        while let Some(first) = rest.0.first() {
            let crew = Crew::new(gpu, first, rest.0.len(), samples_at_most(rest.1), descent)?;
            let (now, later) = rest.0.split_at_mut(crew.networks);
            let (with, without) = rest.1.split_at(crew.networks);
            // Networks draw from the seed plus their number.
            let seed = descent.seed.wrapping_add(losses.len() as u64);
            losses.extend(Fit::new(gpu, &crew, now, with, descent)?.run(now, seed)?);
            rest = (later, without);
        }
        Ok(losses)
    })
}

fn samples_at_most(samples: &[Samples<'_>]) -> usize {
    samples.iter().map(Samples::len).max().unwrap_or(0)
}

/// How many blocks and networks work at a time.
struct Crew {
    plan: Plan,
    kernel: Arc<Kernel>,
    blocks: usize,
    networks: usize,
}

impl Crew {
    fn new(gpu: &Gpu, like: &Network, networks: usize, most: usize, descent: &Descent) -> Result<Self, GpuError> {
        let shape = like.shape;
        let plan = |many| {
            Plan::training(shape, gpu.shared_limit, descent.tensor_cores && shape.width() >= 64, many)
                .ok_or(GpuError::TooLarge(gpu.shared_limit))
        };
        let many = plan(true)?;
        let kernel = gpu.kernel(&Source::new(&many))?;
        // Blocks of one network wait for one another, so all must run at once.
        let places = gpu.multiprocessors * kernel.resident;
        let tiles = descent.batch.min(most).div_ceil(many.points);
        let blocks = (places / networks.max(1)).min(tiles).min(MOST_BLOCKS);
        if blocks > 1 {
            return Ok(Self { plan: many, kernel, blocks, networks });
        }
        let plan = plan(false)?;
        let each = 4 * (4 * plan.layout.parameters() + plan.turns());
        let networks = networks.min(MOST_NETWORKS).min((WAVE_BYTES / each).max(gpu.multiprocessors));
        Ok(Self { kernel: gpu.kernel(&Source::new(&plan))?, plan, blocks: 1, networks })
    }
}

/// Everything of a wave that is on the GPU.
struct Fit<'a> {
    stream: Arc<CudaStream>,
    crew: &'a Crew,
    descent: &'a Descent,
    batch: Batch,
    arrays: Arrays,
}

impl<'a> Fit<'a> {
    fn new(
        gpu: &Gpu,
        crew: &'a Crew,
        networks: &[Network],
        samples: &[Samples<'_>],
        descent: &'a Descent,
    ) -> Result<Self, GpuError> {
        let stream = gpu.context.new_stream().map_err(driver_error)?;
        let batch = Batch::new(crew.plan.layout.shape(), samples, descent);
        let (layout, n) = (crew.plan.layout, networks.len());
        let packed = layout.pack_all(networks.iter().map(|n| &n.parameters[..]));
        let up = |data: &[f32]| stream.clone_htod(data).map_err(driver_error);
        let blocks = n * crew.blocks;
        let arrays = Arrays {
            x: up(&batch.x)?,
            y: up(&batch.y)?,
            spans: stream.clone_htod(batch.spans.as_flattened()).map_err(driver_error)?,
            rates: up(&batch.rates)?,
            schedule: up(&batch.schedule)?,
            params: up(&packed)?,
            moments: [zeros(&stream, packed.len())?, zeros(&stream, packed.len())?],
            gradient: zeros(&stream, blocks * layout.parameters())?,
            turns: zeros(&stream, blocks * crew.plan.turns())?,
            loss: zeros(&stream, blocks * descent.look())?,
            arrived: stream.alloc_zeros(n).map_err(driver_error)?,
        };
        Ok(Self { stream, crew, descent, batch, arrays })
    }

    /// All steps, a look at the loss after each part of them.
    fn run(mut self, networks: &mut [Network], seed: u64) -> Result<Vec<f64>, GpuError> {
        let mut before = vec![f64::INFINITY; networks.len()];
        let look = self.descent.look();
        for first in (0..self.descent.steps).step_by(look) {
            let count = look.min(self.descent.steps - first);
            let (batch, in_order) = (self.descent.batch, self.batch.in_order);
            let steps = Steps { first, count, seed, batch, in_order };
            self.stream.memset_zeros(&mut self.arrays.arrived).map_err(driver_error)?;
            let crew = (self.crew.blocks, networks.len());
            self.crew.kernel.train(&self.stream, &self.crew.plan, &mut self.arrays, &steps, crew)?;
            let loss: Vec<f32> = self.stream.clone_dtoh(&self.arrays.loss).map_err(driver_error)?;
            self.stream.synchronize().map_err(driver_error)?;
            let now = self.batch.mean_losses(&loss, count, self.crew.blocks);
            let settled = before.iter().zip(&now).all(|(b, n)| b - n < self.descent.least * n);
            before = now;
            if settled {
                break;
            }
        }
        let packed = self.stream.clone_dtoh(&self.arrays.params).map_err(driver_error)?;
        self.stream.synchronize().map_err(driver_error)?;
        let layout = self.crew.plan.layout;
        for (network, packed) in networks.iter_mut().zip(packed.chunks_exact(layout.parameters())) {
            *network = layout.unpack(packed);
        }
        Ok(before)
    }
}
