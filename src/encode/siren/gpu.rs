//! Fits with Adam on a GPU, all jobs and all their starts at once; heads and Levenberg-Marquardt stay on the processor.

use std::collections::BTreeMap;

use super::adam::Schedule;
use super::gauss_newton::{self, GaussNewton};
use super::head::solve_head;
use super::init::start;
use super::tape::Tape;
use super::{Fit, Fitter, Job, Owned, Samples};
use crate::arith::{Cpu, Isa, for_each_part};
use crate::format::network::{Network, Shape};
use crate::gpu::{self, Accelerator, Descent, GpuError};

impl Fitter for Accelerator {
    fn fit(&self, jobs: &[Job<'_>]) -> Vec<Fit> {
        let descend = |networks: &mut [Network], samples: &[gpu::Samples<'_>], descent: &Descent| {
            gpu::descend(&self.gpu, networks, samples, descent).map(drop)
        };
        fit_all(jobs, &self.cpu, &descend).unwrap_or_else(|error| {
            self.fell_back(error);
            self.cpu.fit(jobs)
        })
    }
}

/// Descent of networks of one shape, each on its samples.
type Descend<'a> = dyn Fn(&mut [Network], &[gpu::Samples<'_>], &Descent) -> Result<(), GpuError> + 'a;

/// What stands between the stages of a fit.
#[derive(Default)]
struct Work {
    /// Few samples, where not all are taken from the start.
    few: Option<Owned>,
    starts: Vec<Network>,
    fit: Option<Fit>,
}

impl Work {
    fn samples<'a>(&'a self, job: &Job<'a>) -> Samples<'a> {
        self.few.as_ref().map_or(job.samples, Owned::view)
    }
}

fn newton(job: &Job<'_>) -> bool {
    job.shape.parameters() <= job.options.most_for_newton
}

/// As the processor's `fit` for each job.
fn fit_all(jobs: &[Job<'_>], cpu: &Cpu, descend: &Descend<'_>) -> Result<Vec<Fit>, GpuError> {
    let mut works: Vec<Work> = jobs.iter().map(|_| Work::default()).collect();
    for_each_part(&mut works, 1, cpu.threads, |i, work| begin(&jobs[i], &mut work[0], cpu.isa));
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (i, job) in jobs.iter().enumerate().filter(|(_, job)| job.samples.len() > 0) {
        groups.entry(format!("{:?} {:?}", job.shape, job.options.adam)).or_default().push(i);
    }
    for group in groups.values() {
        descend_group(group, jobs, &mut works, descend)?;
    }
    for_each_part(&mut works, 1, cpu.threads, |i, work| finish(&jobs[i], &mut work[0], cpu.isa));
    Ok(works.into_iter().filter_map(|w| w.fit).collect())
}

/// Few samples, and the networks to start from.
fn begin(job: &Job<'_>, work: &mut Work, isa: Isa) {
    let (shape, options) = (job.shape, &job.options);
    work.few = newton(job).then(|| job.samples.thinned(options.points_at_start.max(2 * shape.parameters())));
    let mut tape = Tape::new(shape, isa);
    for seed in options.seed..options.seed + options.starts {
        let mut network = start(shape, &options.frequencies, options.gain, seed);
        solve_head(&mut tape, &mut network, &work.samples(job), isa);
        work.starts.push(network);
    }
}

/// All starts of the jobs of a group, which have one shape and one schedule.
fn descend_group(group: &[usize], jobs: &[Job<'_>], works: &mut [Work], descend: &Descend<'_>) -> Result<(), GpuError> {
    let mut networks: Vec<Network> = group.iter().flat_map(|&i| std::mem::take(&mut works[i].starts)).collect();
    let mut samples = Vec::with_capacity(networks.len());
    for &i in group {
        let s = works[i].samples(&jobs[i]);
        samples.extend((0..jobs[i].options.starts).map(|_| gpu::Samples::new(jobs[i].shape, s.points, s.targets)));
    }
    let Some(job) = group.first().map(|&i| &jobs[i]) else { return Ok(()) };
    descend(&mut networks, &samples, &descent(&job.options.adam, job.shape))?;
    let mut rest = networks.into_iter();
    for &i in group {
        works[i].starts = rest.by_ref().take(jobs[i].options.starts as usize).collect();
    }
    Ok(())
}

fn descent(schedule: &Schedule, shape: Shape) -> Descent {
    Descent {
        steps: schedule.steps,
        batch: schedule.batch,
        rates: schedule.rates.clone(),
        seed: schedule.seed,
        looks: schedule.looks,
        least: schedule.least,
        tensor_cores: shape.width() >= 64,
    }
}

/// The best of the starts, then Levenberg-Marquardt where the shape is small enough.
fn finish(job: &Job<'_>, work: &mut Work, isa: Isa) {
    let mut tape = Tape::new(job.shape, isa);
    let few = work.samples(job);
    let mut best = Fit { network: Network::zeros(job.shape), loss: f64::INFINITY };
    for mut network in work.starts.iter().cloned() {
        solve_head(&mut tape, &mut network, &few, isa);
        let loss = gauss_newton::loss(&mut tape, &network, &few);
        if loss < best.loss {
            best = Fit { network, loss };
        }
    }
    if newton(job) {
        let mut memory = GaussNewton::new(job.shape.parameters(), &tape);
        solve_head(&mut tape, &mut best.network, &job.samples, isa);
        best.loss =
            gauss_newton::descend(&mut tape, &mut memory, &mut best.network, &job.samples, 0, job.options.steps, isa);
    }
    work.fit = Some(best);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::siren::{Options, adam};

    /// Waves of a few frequencies at points of a grid.
    fn waves(n: usize, phase: f32) -> (Vec<f32>, Vec<f32>) {
        let x = |p: usize, i: usize| (p * (7 + 4 * i) % n) as f32 / n as f32 * 2.0 - 1.0;
        let points = (0..2).flat_map(|i| (0..n).map(move |p| x(p, i))).collect();
        (points, (0..n).map(|p| (3.0 * x(p, 0) + phase).sin() + (2.0 * x(p, 1)).cos()).collect())
    }

    /// The GPU's part done by the processor, with the batch it would have.
    fn by_cpu(networks: &mut [Network], samples: &[gpu::Samples<'_>], descent: &Descent) -> Result<(), GpuError> {
        for (network, s) in networks.iter_mut().zip(samples) {
            let mut tape = Tape::new(network.shape, Isa::detect());
            let schedule = Schedule {
                steps: descent.steps,
                batch: descent.batch,
                rates: descent.rates.clone(),
                seed: descent.seed,
                looks: descent.looks,
                least: descent.least,
            };
            adam::descend(&mut tape, network, &Samples::new(network.shape, s.points, s.targets), &schedule);
        }
        Ok(())
    }

    #[test]
    fn jobs_of_several_shapes_end_as_on_the_processor() {
        let fields: Vec<_> = (0..3).map(|k| waves(900, k as f32)).collect();
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
        let fits = fit_all(&jobs, &cpu, &by_cpu).unwrap();
        assert_eq!(fits, cpu.fit(&jobs));
        let failure = fit_all(&jobs, &cpu, &|_, _, _| Err(GpuError::OutOfMemory(1)));
        assert_eq!(failure.unwrap_err(), GpuError::OutOfMemory(1));
    }
}
