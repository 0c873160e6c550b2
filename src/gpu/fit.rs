//! Networks fitted on a GPU by Adam: any number of them at once, each on its own samples.

use std::sync::Arc;

use cudarc::driver::{CudaSlice, CudaStream, DevicePtr, DevicePtrMut};

use super::args::TrainArgs;
use super::batch::{Batch, Descent, Samples};
use super::device::{Gpu, driver_error};
use super::error::GpuError;
use super::evaluate::zeros;
use super::launch::Kernel;
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
    x: CudaSlice<f32>,
    y: CudaSlice<f32>,
    spans: CudaSlice<u64>,
    rates: CudaSlice<f32>,
    schedule: CudaSlice<f32>,
    params: CudaSlice<f32>,
    moments: [CudaSlice<f32>; 2],
    gradient: CudaSlice<f32>,
    turns: CudaSlice<f32>,
    loss: CudaSlice<f32>,
    arrived: CudaSlice<u32>,
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
        Ok(Self {
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
            stream,
            crew,
            descent,
            batch,
        })
    }

    /// All steps, a look at the loss after each part of them.
    fn run(mut self, networks: &mut [Network], seed: u64) -> Result<Vec<f64>, GpuError> {
        let mut before = vec![f64::INFINITY; networks.len()];
        let look = self.descent.look();
        for first in (0..self.descent.steps).step_by(look) {
            let steps = look.min(self.descent.steps - first);
            self.stream.memset_zeros(&mut self.arrived).map_err(driver_error)?;
            self.launch(first, steps, seed, networks.len())?;
            let loss: Vec<f32> = self.stream.clone_dtoh(&self.loss).map_err(driver_error)?;
            self.stream.synchronize().map_err(driver_error)?;
            let now = self.batch.mean_losses(&loss, steps, self.crew.blocks);
            let settled = before.iter().zip(&now).all(|(b, n)| b - n < self.descent.least * n);
            before = now;
            if settled {
                break;
            }
        }
        let packed = self.stream.clone_dtoh(&self.params).map_err(driver_error)?;
        self.stream.synchronize().map_err(driver_error)?;
        let layout = self.crew.plan.layout;
        for (network, packed) in networks.iter_mut().zip(packed.chunks_exact(layout.parameters())) {
            *network = layout.unpack(packed);
        }
        Ok(before)
    }

    fn launch(&mut self, first: usize, steps: usize, seed: u64, networks: usize) -> Result<(), GpuError> {
        let stream = &self.stream;
        let [m, v] = &mut self.moments;
        let ((x, _a), (y, _b), (spans, _c)) =
            (self.x.device_ptr(stream), self.y.device_ptr(stream), self.spans.device_ptr(stream));
        let ((layer_rates, _d), (schedule, _e)) = (self.rates.device_ptr(stream), self.schedule.device_ptr(stream));
        let ((params, _f), (first_moment, _g)) = (self.params.device_ptr_mut(stream), m.device_ptr_mut(stream));
        let ((second_moment, _h), (gradient, _i)) = (v.device_ptr_mut(stream), self.gradient.device_ptr_mut(stream));
        let ((turns, _j), (loss, _k)) = (self.turns.device_ptr_mut(stream), self.loss.device_ptr_mut(stream));
        let (arrived, _l) = self.arrived.device_ptr_mut(stream);
        let args = TrainArgs {
            x,
            y,
            weight: 0,
            spans,
            params,
            first_moment,
            second_moment,
            gradient,
            turns,
            layer_rates,
            schedule,
            loss,
            arrived,
            seed,
            batch: self.descent.batch as u32,
            first_step: first as u32,
            steps: steps as u32,
            in_order: self.batch.in_order.into(),
            beta1: Descent::BETA[0],
            beta2: Descent::BETA[1],
            epsilon: Descent::EPSILON,
            gradient_only: 0,
        };
        // SAFETY: the arguments are of `siren_train`, whose arrays `new` made as large as the plan, the blocks and the
        // networks want them; they are freed in the stream's order. Several blocks of a network are launched together.
        unsafe { self.crew.kernel.launch(stream, &args, self.crew.blocks, networks, self.crew.blocks > 1) }
    }
}
