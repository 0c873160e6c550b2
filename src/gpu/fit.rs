//! Networks fitted on a GPU by Adam: any number of them at once, each on its own samples.

use std::collections::BTreeMap;
use std::sync::Arc;

use cudarc::driver::CudaStream;

use super::batch::{Batch, Descent};
use super::device::{Gpu, driver_error};
use super::error::GpuError;
use super::evaluate::{upload, zeros};
use super::launch::{Arrays, Kernel, Steps};
use super::nvrtc::guarded;
use super::plan::Plan;
use super::source::Source;
use crate::arith::{Samples, Schedule};
use crate::format::network::{Network, Shape};

/// Bytes of the networks that are fitted at a time.
const WAVE_BYTES: usize = 1 << 30;
/// Most networks of a launch, and most blocks of a network.
const MOST_NETWORKS: usize = 65_535;
const MOST_BLOCKS: usize = 64;
/// Word of a span that says whether the network is still fitted.
const LIVE: usize = 3;

/// Descend from each of `networks`, which have one shape, on its samples, drawn from its seed; the mean squared error of each over the last
/// batches it saw. Not the processor's bits, but the same bits in every run on one model of GPU, and what comes of a network
/// does not depend on the others.
pub(crate) fn descend(
    gpu: &Gpu,
    networks: &mut [Network],
    samples: &[Samples<'_>],
    seeds: &[u64],
    descent: &Descent,
) -> Result<Vec<f64>, GpuError> {
    assert_eq!((networks.len(), networks.len()), (samples.len(), seeds.len()), "samples and a seed for each network");
    guarded(|| {
        let mut losses = vec![f64::INFINITY; networks.len()];
        let Some(shape) = networks.first().map(|n| n.shape).filter(|_| descent.schedule.steps > 0) else {
            return Ok(losses);
        };
        // Networks with as many blocks each go together.
        let mut crews: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (i, s) in samples.iter().enumerate() {
            crews.entry(blocks(gpu, shape, s.len(), descent)?).or_default().push(i);
        }
        for (blocks, members) in crews {
            let crew = Crew::new(gpu, shape, blocks, descent)?;
            let (mut rest, mut most) = (&members[..], crew.networks);
            while !rest.is_empty() {
                let (now, later) = rest.split_at(most.min(rest.len()));
                let mut wave: Vec<Network> = now.iter().map(|&i| networks[i].clone()).collect();
                let with: Vec<Samples<'_>> = now.iter().map(|&i| samples[i]).collect();
                let seeds: Vec<u64> = now.iter().map(|&i| seeds[i]).collect();
                match Fit::new(gpu, &crew, &wave, &with, &seeds, &descent.schedule).and_then(|f| f.run(&mut wave)) {
                    Err(GpuError::OutOfMemory(_)) if now.len() > 1 => {
                        gpu.settle()?;
                        most = now.len() / 2;
                    }
                    Err(error) => return Err(error),
                    Ok(found) => {
                        for ((&i, network), loss) in now.iter().zip(wave).zip(found) {
                            (networks[i], losses[i]) = (network, loss);
                        }
                        rest = later;
                    }
                }
            }
        }
        Ok(losses)
    })
}

fn plan(gpu: &Gpu, shape: Shape, descent: &Descent, many: bool) -> Result<Plan, GpuError> {
    let tensor_cores = descent.tensor_cores && shape.width() >= 64;
    Plan::training(shape, gpu.shared_limit, tensor_cores, many).ok_or(GpuError::TooLarge(gpu.shared_limit))
}

/// Blocks that work on a network of `n` samples. It must not depend on what else there is to do: the sums' order does.
fn blocks(gpu: &Gpu, shape: Shape, n: usize, descent: &Descent) -> Result<usize, GpuError> {
    let tiles = descent.schedule.batch.min(n).div_ceil(plan(gpu, shape, descent, true)?.points);
    Ok(tiles.div_ceil(descent.tiles_a_block.max(1)).clamp(1, MOST_BLOCKS))
}

/// How many blocks and networks work at a time.
struct Crew {
    plan: Plan,
    kernel: Arc<Kernel>,
    blocks: usize,
    networks: usize,
}

impl Crew {
    fn new(gpu: &Gpu, shape: Shape, blocks: usize, descent: &Descent) -> Result<Self, GpuError> {
        let plan = plan(gpu, shape, descent, blocks > 1)?;
        let kernel = gpu.kernel(&Source::new(&plan))?;
        // Blocks of one network wait for one another, so all must run at once.
        let places = gpu.multiprocessors * kernel.resident;
        let blocks = blocks.min(places);
        let networks = if blocks > 1 { places / blocks } else { MOST_NETWORKS };
        let each = 4 * blocks * (4 * plan.layout.parameters() + plan.turns());
        let networks = networks.min((WAVE_BYTES / each).max(gpu.multiprocessors)).max(1);
        Ok(Self { kernel, plan, blocks, networks })
    }
}

/// Everything of a wave that is on the GPU.
struct Fit<'a> {
    stream: Arc<CudaStream>,
    crew: &'a Crew,
    schedule: &'a Schedule,
    batch: Batch,
    arrays: Arrays,
}

impl<'a> Fit<'a> {
    fn new(
        gpu: &Gpu,
        crew: &'a Crew,
        networks: &[Network],
        samples: &[Samples<'_>],
        seeds: &[u64],
        schedule: &'a Schedule,
    ) -> Result<Self, GpuError> {
        let stream = gpu.context.new_stream().map_err(driver_error)?;
        let batch = Batch::new(crew.plan.layout.shape(), samples, seeds, schedule);
        let (layout, n) = (crew.plan.layout, networks.len());
        let packed = layout.pack_all(networks.iter().map(|n| &n.parameters[..]));
        let blocks = n * crew.blocks;
        let arrays = Arrays {
            x: upload(&stream, &batch.points.x)?,
            y: upload(&stream, &batch.points.y)?,
            spans: upload(&stream, batch.points.spans.as_flattened())?,
            rates: upload(&stream, &batch.rates)?,
            schedule: upload(&stream, &batch.factors)?,
            params: upload(&stream, &packed)?,
            moments: [zeros(&stream, packed.len())?, zeros(&stream, packed.len())?],
            gradient: zeros(&stream, blocks * layout.parameters())?,
            turns: zeros(&stream, blocks * crew.plan.turns())?,
            loss: zeros(&stream, blocks * schedule.look())?,
            arrived: zeros(&stream, n)?,
        };
        Ok(Self { stream, crew, schedule, batch, arrays })
    }

    /// All steps, a look at the loss after each part of them.
    fn run(mut self, networks: &mut [Network]) -> Result<Vec<f64>, GpuError> {
        let mut before = vec![f64::INFINITY; networks.len()];
        let look = self.schedule.look();
        for first in (0..self.schedule.steps).step_by(look) {
            let count = look.min(self.schedule.steps - first);
            let steps = Steps { first, count, batch: self.schedule.batch };
            self.stream.memset_zeros(&mut self.arrays.arrived).map_err(driver_error)?;
            let crew = (self.crew.blocks, networks.len());
            self.crew.kernel.train(&self.stream, &self.crew.plan, &mut self.arrays, &steps, crew)?;
            let loss: Vec<f32> = self.stream.clone_dtoh(&self.arrays.loss).map_err(driver_error)?;
            self.stream.synchronize().map_err(driver_error)?;
            let now = self.batch.mean_losses(&loss, count, self.crew.blocks);
            for ((span, before), now) in self.batch.points.spans.iter_mut().zip(&mut before).zip(now) {
                if span[LIVE] != 0 {
                    span[LIVE] = u64::from(*before - now >= self.schedule.least * now);
                    *before = now;
                }
            }
            let spans = self.batch.points.spans.as_flattened();
            if spans.iter().skip(LIVE).step_by(4).all(|&live| live == 0) {
                break;
            }
            self.stream.memcpy_htod(spans, &mut self.arrays.spans).map_err(driver_error)?;
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
