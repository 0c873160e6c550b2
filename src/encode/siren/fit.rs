//! Fitting a network: starts, coarse to fine.

use super::adam::{self, Schedule};
use super::gauss_newton::{self, GaussNewton, Steps};
use super::head::solve_head;
use super::init::{Frequencies, start};
use super::tape::Tape;
use super::{Options, Samples};
use crate::arith::Isa;
use crate::format::network::{Network, Shape};

/// Fit a network to samples; its sum of squared residuals.
pub(crate) fn fit(samples: &Samples<'_>, shape: Shape, options: &Options, isa: Isa) -> (Network, f64) {
    let mut tape = Tape::new(shape, isa);
    if shape.parameters() > options.most_for_newton {
        let mut network = start(shape, &options.frequencies, options.gain, options.seed);
        solve_head(&mut tape, &mut network, samples, isa);
        adam::descend(&mut tape, &mut network, samples, &options.adam);
        solve_head(&mut tape, &mut network, samples, isa);
        let loss = gauss_newton::loss(&mut tape, &network, samples);
        return (network, loss);
    }
    let mut memory = GaussNewton::new(shape.parameters(), &tape);
    let thinned = samples.thinned(options.points_at_start.max(2 * shape.parameters()));
    let few = thinned.view();
    let mut best: Option<(Network, f64)> = None;
    for seed in 0..options.starts {
        let mut network = start(shape, &options.frequencies, options.gain, options.seed + seed);
        solve_head(&mut tape, &mut network, &few, isa);
        let steps = Steps { most: options.steps_at_start, ..options.steps };
        let loss = gauss_newton::descend(&mut tape, &mut memory, &mut network, &few, 0, steps, isa);
        if best.as_ref().is_none_or(|b| loss < b.1) {
            best = Some((network, loss));
        }
    }
    let mut network = best.map_or_else(|| Network::zeros(shape), |b| b.0);
    solve_head(&mut tape, &mut network, samples, isa);
    let loss = gauss_newton::descend(&mut tape, &mut memory, &mut network, samples, 0, options.steps, isa);
    (network, loss)
}
