//! Fitting a network: Adam from several starts on few points, then Levenberg-Marquardt on all.

use super::adam;
use super::gauss_newton::{self, GaussNewton, Steps};
use super::head::solve_head;
use super::init::start;
use super::tape::Tape;
use super::{Fit, Options, Samples};
use crate::arith::Isa;
use crate::format::network::{Network, Shape};

/// Fit a network to samples.
pub(crate) fn fit(samples: &Samples<'_>, shape: Shape, options: &Options, isa: Isa) -> Fit {
    let mut tape = Tape::new(shape, isa);
    let newton = shape.parameters() <= options.most_for_newton;
    let thinned =
        samples.thinned(if newton { options.points_at_start.max(2 * shape.parameters()) } else { samples.len() });
    let few = thinned.view();
    let mut best: Option<Fit> = None;
    for seed in options.seed..options.seed + options.starts {
        let mut network = start(shape, &options.frequencies, options.gain, seed);
        solve_head(&mut tape, &mut network, &few, isa);
        adam::descend(&mut tape, &mut network, &few, &options.adam);
        solve_head(&mut tape, &mut network, &few, isa);
        let loss = gauss_newton::loss(&mut tape, &network, &few);
        if best.as_ref().is_none_or(|b| loss < b.loss) {
            best = Some(Fit { network, loss });
        }
    }
    let mut best = best.unwrap_or_else(|| Fit { network: Network::zeros(shape), loss: f64::INFINITY });
    if newton {
        let mut memory = GaussNewton::new(shape.parameters(), &tape);
        let middle = samples.thinned(options.points_between * shape.parameters());
        if middle.n < samples.len() {
            let view = middle.view();
            solve_head(&mut tape, &mut best.network, &view, isa);
            let steps = Steps { most: options.steps_between, ..options.steps };
            gauss_newton::descend(&mut tape, &mut memory, &mut best.network, &view, 0, steps, isa);
        }
        solve_head(&mut tape, &mut best.network, samples, isa);
        best.loss = gauss_newton::descend(&mut tape, &mut memory, &mut best.network, samples, 0, options.steps, isa);
    }
    best
}
