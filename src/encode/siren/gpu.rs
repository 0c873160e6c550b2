//! Fits on a GPU: all starts of all jobs at once, and all jobs that host threads bring at the same time. The stages are
//! those of `fit`; networks too large for Levenberg-Marquardt have their heads solved on the processor.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::adam::Schedule;
use super::gauss_newton::{self, FLOOR, Steps, TRIES};
use super::head::{RIDGE, solve_head};
use super::init::start;
use super::tape::Tape;
use super::{Fit, Fitter, Job, Options, Owned, Samples};
use crate::arith::{Cpu, Isa, for_each_part};
use crate::format::network::{Network, Shape};
use crate::gpu::{self, Accelerator, Descent, Gpu, GpuError, Joint, Newton};

impl Fitter for Accelerator {
    fn fit(&self, jobs: &[Job<'_>]) -> Vec<Fit> {
        let nothing = |job: &Job<'_>| Fit { network: Network::zeros(job.shape), loss: f64::INFINITY };
        if self.lost() {
            return jobs.iter().map(nothing).collect();
        }
        let owned = jobs.iter().map(OwnedJob::new).collect();
        let together = |jobs: &[OwnedJob]| {
            let jobs: Vec<Job<'_>> = jobs.iter().map(OwnedJob::view).collect();
            fit_all(&jobs, &self.cpu, &*self.gpu)
        };
        match joint(&self.gpu).run(owned, self.company(), together) {
            Ok(fits) => fits,
            Err(error) if self.failed(&error) => self.cpu.fit(jobs),
            Err(_) => jobs.iter().map(nothing).collect(),
        }
    }
}

/// Where the jobs for a GPU meet.
fn joint(gpu: &Gpu) -> Arc<Joint<OwnedJob, Fit>> {
    static OF_GPUS: Mutex<BTreeMap<u32, Arc<Joint<OwnedJob, Fit>>>> = Mutex::new(BTreeMap::new());
    let mut joints = OF_GPUS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(joints.entry(gpu.number).or_insert_with(|| Arc::new(Joint::new())))
}

/// A job that another thread can do.
struct OwnedJob {
    samples: Owned,
    shape: Shape,
    options: Options,
}

impl OwnedJob {
    fn new(job: &Job<'_>) -> Self {
        let Samples { points, targets, n } = job.samples;
        let samples = Owned { points: points.to_vec(), targets: targets.to_vec(), n };
        Self { samples, shape: job.shape, options: job.options.clone() }
    }

    fn view(&self) -> Job<'_> {
        Job { samples: self.samples.view(), shape: self.shape, options: self.options.clone() }
    }
}

/// What is done of a fit with networks of one shape, each on its samples.
pub(super) trait Machine {
    /// A seed for each.
    fn descend(
        &self,
        networks: &mut [Network],
        on: &[Samples<'_>],
        seeds: &[u64],
        descent: &Descent,
    ) -> Result<(), GpuError>;
    /// The losses.
    fn newton(&self, networks: &mut [Network], on: &[Samples<'_>], how: &Newton) -> Result<Vec<f64>, GpuError>;
}

impl Machine for Gpu {
    fn descend(
        &self,
        networks: &mut [Network],
        on: &[Samples<'_>],
        seeds: &[u64],
        descent: &Descent,
    ) -> Result<(), GpuError> {
        gpu::descend(self, networks, on, seeds, descent).map(drop)
    }
    fn newton(&self, networks: &mut [Network], on: &[Samples<'_>], how: &Newton) -> Result<Vec<f64>, GpuError> {
        gpu::newton(self, networks, on, how)
    }
}

/// A network on its way.
struct Task<'a> {
    /// Index of its job.
    job: usize,
    /// Which of the job's starts it is.
    start: u64,
    network: Network,
    on: Samples<'a>,
    loss: f64,
}

fn newton(job: &Job<'_>) -> bool {
    job.shape.parameters() <= job.options.most_for_newton
}

/// Some of a job's samples, or all.
fn view<'a>(job: &Job<'a>, some: Option<&'a Owned>) -> Samples<'a> {
    some.map_or(job.samples, Owned::view)
}

/// As the processor's `fit` for each job.
fn fit_all(jobs: &[Job<'_>], cpu: &Cpu, machine: &dyn Machine) -> Result<Vec<Fit>, GpuError> {
    let thin = |job: &Job<'_>, n: usize| (newton(job) && n < job.samples.len()).then(|| job.samples.thinned(n));
    let few: Vec<Option<Owned>> =
        jobs.iter().map(|j| thin(j, j.options.points_at_start.max(2 * j.shape.parameters()))).collect();
    let mut starts = Vec::new();
    for (i, job) in jobs.iter().enumerate().filter(|(_, job)| job.samples.len() > 0) {
        let (shape, options) = (job.shape, &job.options);
        for k in 0..options.starts {
            let network = start(shape, &options.frequencies, options.gain, options.seed + k);
            starts.push(Task { job: i, start: k, network, on: view(job, few[i].as_ref()), loss: f64::INFINITY });
        }
    }
    let heads = |options: &Options| Steps { most: 0, ..options.steps };
    let between = |options: &Options| Steps { most: options.steps_between, ..options.steps };
    solve(jobs, &mut starts, heads, cpu, machine)?;
    descend(jobs, &mut starts, machine)?;
    solve(jobs, &mut starts, heads, cpu, machine)?;
    let mut best: Vec<Fit> =
        jobs.iter().map(|j| Fit { network: Network::zeros(j.shape), loss: f64::INFINITY }).collect();
    for task in starts {
        let best = &mut best[task.job];
        if task.loss < best.loss {
            *best = Fit { network: task.network, loss: task.loss };
        }
    }
    let middle: Vec<Option<Owned>> =
        jobs.iter().map(|j| thin(j, j.options.points_between * j.shape.parameters())).collect();
    let task = |i: usize, fit: &Fit, on| Task { job: i, start: 0, network: fit.network.clone(), on, loss: fit.loss };
    let some = |i: usize| newton(&jobs[i]) && jobs[i].samples.len() > 0;
    let on_middle = (0..jobs.len()).filter(|&i| some(i) && middle[i].is_some());
    let mut tasks: Vec<Task<'_>> = on_middle.map(|i| task(i, &best[i], view(&jobs[i], middle[i].as_ref()))).collect();
    solve(jobs, &mut tasks, between, cpu, machine)?;
    tasks.into_iter().for_each(|t| best[t.job].network = t.network);
    let on_all = (0..jobs.len()).filter(|&i| some(i));
    let mut tasks: Vec<Task<'_>> = on_all.map(|i| task(i, &best[i], jobs[i].samples)).collect();
    solve(jobs, &mut tasks, |options| options.steps, cpu, machine)?;
    tasks.into_iter().for_each(|t| best[t.job] = Fit { network: t.network, loss: t.loss });
    Ok(best)
}

/// Tasks by what `key` says of their jobs.
fn groups<'t, 'a>(
    tasks: impl Iterator<Item = &'t mut Task<'a>>,
    key: impl Fn(usize) -> String,
) -> impl Iterator<Item = Vec<&'t mut Task<'a>>>
where
    'a: 't,
{
    let mut groups: BTreeMap<String, Vec<&'t mut Task<'a>>> = BTreeMap::new();
    tasks.for_each(|t| groups.entry(key(t.job)).or_default().push(t));
    groups.into_values()
}

/// Heads, and the steps of Levenberg-Marquardt that `steps` wants: for those too large for it the head alone.
fn solve(
    jobs: &[Job<'_>],
    tasks: &mut [Task<'_>],
    steps: impl Fn(&Options) -> Steps,
    cpu: &Cpu,
    machine: &dyn Machine,
) -> Result<(), GpuError> {
    let (small, mut large): (Vec<_>, Vec<_>) = tasks.iter_mut().partition(|t| newton(&jobs[t.job]));
    for_each_part(&mut large, 1, cpu.threads, |_, task| head_here(task[0], cpu.isa));
    let key = |i: usize| format!("{:?} {:?}", jobs[i].shape, steps(&jobs[i].options));
    for mut group in groups(small.into_iter(), key) {
        let Some(options) = group.first().map(|t| &jobs[t.job].options) else { continue };
        let mut networks: Vec<Network> = group.iter().map(|t| t.network.clone()).collect();
        let samples: Vec<Samples<'_>> = group.iter().map(|t| t.on).collect();
        let losses = machine.newton(&mut networks, &samples, &newton_of(steps(options)))?;
        for ((task, network), loss) in group.iter_mut().zip(networks).zip(losses) {
            (task.network, task.loss) = (network, loss);
        }
    }
    Ok(())
}

/// For the GPU.
pub(super) fn newton_of(steps: Steps) -> Newton {
    let Steps { most, patience, least, damping } = steps;
    Newton { steps: most, tries: TRIES, patience, least, damping, ridge: RIDGE, floor: FLOOR }
}

fn head_here(task: &mut Task<'_>, isa: Isa) {
    let mut tape = Tape::new(task.network.shape, isa);
    solve_head(&mut tape, &mut task.network, &task.on, isa);
    task.loss = gauss_newton::loss(&mut tape, &task.network, &task.on);
}

/// Adam.
fn descend(jobs: &[Job<'_>], tasks: &mut [Task<'_>], machine: &dyn Machine) -> Result<(), GpuError> {
    for mut group in groups(tasks.iter_mut(), |i| format!("{:?} {:?}", jobs[i].shape, jobs[i].options.adam)) {
        let Some(job) = group.first().map(|t| &jobs[t.job]) else { continue };
        let mut networks: Vec<Network> = group.iter().map(|t| t.network.clone()).collect();
        let samples: Vec<Samples<'_>> = group.iter().map(|t| t.on).collect();
        let seeds: Vec<u64> = group.iter().map(|t| job.options.adam.seed.wrapping_add(t.start)).collect();
        machine.descend(&mut networks, &samples, &seeds, &descent(&job.options.adam, job.shape))?;
        group.iter_mut().zip(networks).for_each(|(task, network)| task.network = network);
    }
    Ok(())
}

/// Tiles of a step that a block takes alone: a network that is fitted to few points has one block, so that many go at once.
const TILES_A_BLOCK: usize = 8;

fn descent(schedule: &Schedule, shape: Shape) -> Descent {
    Descent { schedule: schedule.clone(), tensor_cores: shape.width() >= 64, tiles_a_block: TILES_A_BLOCK }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::encode::siren::adam;
    use crate::encode::siren::gauss_newton::GaussNewton;

    /// Waves of a few frequencies at points of a grid.
    fn waves(n: usize, phase: f32) -> (Vec<f32>, Vec<f32>) {
        let x = |p: usize, i: usize| (p * (7 + 4 * i) % n) as f32 / n as f32 * 2.0 - 1.0;
        let points = (0..2).flat_map(|i| (0..n).map(move |p| x(p, i))).collect();
        (points, (0..n).map(|p| (3.0 * x(p, 0) + phase).sin() + (2.0 * x(p, 1)).cos()).collect())
    }

    /// The GPU's part done by the processor, with the batch it would have.
    pub(in crate::encode::siren) struct Processor(pub(in crate::encode::siren) Isa);

    impl Machine for Processor {
        fn descend(
            &self,
            networks: &mut [Network],
            on: &[Samples<'_>],
            _seeds: &[u64],
            descent: &Descent,
        ) -> Result<(), GpuError> {
            for (network, s) in networks.iter_mut().zip(on) {
                let mut tape = Tape::new(network.shape, self.0);
                adam::descend(&mut tape, network, s, &descent.schedule);
            }
            Ok(())
        }

        fn newton(&self, networks: &mut [Network], on: &[Samples<'_>], how: &Newton) -> Result<Vec<f64>, GpuError> {
            let fit = |(network, samples): (&mut Network, &Samples<'_>)| {
                let mut tape = Tape::new(network.shape, self.0);
                let mut memory = GaussNewton::new(network.parameters.len(), &tape);
                let steps = Steps { most: how.steps, patience: how.patience, least: how.least, damping: how.damping };
                solve_head(&mut tape, network, samples, self.0);
                gauss_newton::descend(&mut tape, &mut memory, network, samples, 0, steps, self.0)
            };
            Ok(networks.iter_mut().zip(on).map(fit).collect())
        }
    }

    struct Broken;

    impl Machine for Broken {
        fn descend(&self, _: &mut [Network], _: &[Samples<'_>], _: &[u64], _: &Descent) -> Result<(), GpuError> {
            Err(GpuError::OutOfMemory(None))
        }
        fn newton(&self, networks: &mut [Network], _: &[Samples<'_>], _: &Newton) -> Result<Vec<f64>, GpuError> {
            Ok(vec![0.0; networks.len()])
        }
    }

    #[test]
    fn jobs_of_several_shapes_end_as_on_the_processor() {
        // The second is too large for Levenberg-Marquardt; only the third has samples for a step between.
        let fields: Vec<_> = [900, 900, 2500].iter().enumerate().map(|(k, &n)| waves(n, k as f32)).collect();
        let shapes = [(2, 16), (1, 12), (2, 16)].map(|(d, w)| Shape::new(2, d, w, 1).unwrap());
        let jobs: Vec<Job<'_>> = (shapes.iter().zip(&fields))
            .map(|(&shape, (points, targets))| {
                let mut options = Options::new(shape);
                options.adam.steps = 100;
                options.most_for_newton = if shape.depth() == 2 { 1000 } else { 0 };
                Job { samples: Samples::new(shape, points, targets), shape, options }
            })
            .collect();
        let cpu = Cpu { isa: Isa::detect(), threads: 2 };
        assert_eq!(fit_all(&jobs, &cpu, &Processor(cpu.isa)).unwrap(), cpu.fit(&jobs));
        assert_eq!(fit_all(&jobs, &cpu, &Broken).unwrap_err(), GpuError::OutOfMemory(None));
    }
}
