//! Derivatives against an f64 oracle and finite differences; fits of known functions.

use super::adam::Adam;
use super::gauss_newton::{GaussNewton, loss};
use super::head::solve_head;
use super::init::{Frequencies, Random, start};
use super::tape::Tape;
use super::{Fitter, Job, Options, Samples, fit, quantise};
use crate::arith::{Cpu, Evaluator, Isa};
use crate::entropy::range::{Decoder, Encoder};
use crate::entropy::weights;
use crate::format::network::{Network, Quantised, Shape};
use std::f64::consts::TAU;

/// Outputs of a network in f64.
fn oracle(shape: Shape, parameters: &[f64], point: &[f64]) -> Vec<f64> {
    let (mut x, mut at) = (point.to_vec(), 0);
    for l in 0..shape.layers() {
        let (inputs, outputs) = shape.layer(l);
        let biases = &parameters[at + inputs * outputs..][..outputs];
        let z = |j: usize| biases[j] + (0..inputs).map(|i| x[i] * parameters[at + i * outputs + j]).sum::<f64>();
        let z: Vec<f64> = (0..outputs).map(z).collect();
        x = if l < shape.depth() { z.iter().map(|z| (TAU * z).sin()).collect() } else { z };
        at += (inputs + 1) * outputs;
    }
    x
}

struct Case {
    network: Network,
    points: Vec<f32>,
    targets: Vec<f32>,
}

impl Case {
    fn new(shape: Shape, n: usize) -> Self {
        let mut random = Random(3);
        let mut network = start(shape, &Frequencies::Even(3.0), 1.0, 5);
        let head = network.parameters.len() - (shape.width() + 1) * shape.outputs();
        network.parameters[head..].iter_mut().for_each(|w| *w = random.even(0.5));
        let mut draw = |k: usize| (0..k).map(|_| random.even(1.0)).collect();
        Self { network, points: draw(n * shape.inputs()), targets: draw(n * shape.outputs()) }
    }
    fn samples(&self) -> Samples<'_> {
        Samples::new(self.network.shape, &self.points, &self.targets)
    }
    /// `target - output` at sample `p`, by the oracle.
    fn residuals(&self, parameters: &[f64], p: usize) -> Vec<f64> {
        let n = self.samples().len();
        let point: Vec<f64> = self.points.iter().skip(p).step_by(n).map(|&x| x.into()).collect();
        let y = oracle(self.network.shape, parameters, &point);
        y.iter().zip(self.targets.iter().skip(p).step_by(n)).map(|(y, &t)| f64::from(t) - y).collect()
    }
    fn parameters(&self) -> Vec<f64> {
        self.network.parameters.iter().map(|&p| p.into()).collect()
    }
    /// Derivatives of each residual by each parameter: central differences of the oracle.
    fn jacobian(&self) -> Vec<Vec<f64>> {
        let (h, p0) = (1e-5, self.parameters());
        let all = |p: &[f64]| (0..self.samples().len()).flat_map(|s| self.residuals(p, s)).collect::<Vec<_>>();
        let shifted = |k: usize, h: f64| {
            let mut p = p0.clone();
            p[k] += h;
            all(&p)
        };
        let slope = |k| shifted(k, h).iter().zip(shifted(k, -h)).map(|(a, b)| (a - b) / (2.0 * h)).collect();
        (0..p0.len()).map(slope).collect()
    }
}

const SHAPES: [(usize, usize, usize, usize); 4] = [(3, 2, 16, 1), (2, 1, 9, 3), (4, 3, 10, 2), (5, 1, 33, 1)];

#[test]
fn gradients_are_those_of_the_oracle() {
    for (i, d, w, o) in SHAPES {
        let case = Case::new(Shape::new(i, d, w, o).unwrap(), 300);
        let residuals: Vec<f64> = (0..300).flat_map(|p| case.residuals(&case.parameters(), p)).collect();
        let mean = residuals.iter().map(|r| r * r).sum::<f64>() / residuals.len() as f64;
        let dot =
            |row: &Vec<f64>| 2.0 * row.iter().zip(&residuals).map(|(a, b)| a * b).sum::<f64>() / residuals.len() as f64;
        let want: Vec<f64> = case.jacobian().iter().map(dot).collect();
        let scale = want.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
        let mut seen: Option<Vec<f32>> = None;
        for isa in Isa::ALL.into_iter().filter(|i| i.supported()) {
            let mut tape = Tape::new(case.network.shape, isa);
            let stride = tape.stride;
            let mut adam = Adam::new(&case.network, &tape);
            let starts = (0..300).step_by(stride);
            let (loss, gradient) = adam.gradient(&mut tape, &case.network, &case.samples(), starts);
            assert!((loss - mean).abs() < 1e-5 * mean, "{loss} {mean}");
            for (k, (&g, w)) in gradient.iter().zip(&want).enumerate() {
                assert!((f64::from(g) - w).abs() < 2e-5 * scale, "{isa:?} {k}: {g} {w}");
            }
            let bits = gradient.to_vec();
            assert!(seen.is_none_or(|s| s == bits), "{isa:?} has other bits");
            seen = Some(bits);
        }
    }
}

#[test]
fn normal_equations_are_those_of_the_oracle() {
    for (i, d, w, o) in SHAPES {
        let case = Case::new(Shape::new(i, d, w, o).unwrap(), 90);
        let jacobian = case.jacobian();
        let residuals: Vec<f64> = (0..90).flat_map(|p| case.residuals(&case.parameters(), p)).collect();
        let isa = Isa::detect();
        let mut tape = Tape::new(case.network.shape, isa);
        let mut memory = GaussNewton::new(jacobian.len(), &tape);
        let equations = memory.equations(&mut tape, &case.network, &case.samples(), 0);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let lengths: Vec<f64> = jacobian.iter().map(|r| dot(r, r).sqrt()).collect();
        let size = dot(&residuals, &residuals);
        assert!((equations.loss - size).abs() < 1e-5 * size);
        assert!((loss(&mut tape, &case.network, &case.samples()) - size).abs() < 1e-5 * size);
        for (a, row) in jacobian.iter().enumerate() {
            let right = -dot(row, &residuals);
            assert!((equations.right[a] - right).abs() < 1e-5 * lengths[a] * size.sqrt(), "{a}");
            for (b, other) in jacobian.iter().enumerate().skip(a) {
                let want = dot(row, other);
                let got = equations.matrix[a * jacobian.len() + b];
                assert!((got - want).abs() < 1e-5 * lengths[a] * lengths[b] + 1e-9, "{a} {b}: {got} {want}");
            }
        }
        // Those of the last parameters are the same bits.
        let (n, from) = (jacobian.len(), jacobian.len() / 3);
        let last = memory.equations(&mut tape, &case.network, &case.samples(), from);
        assert_eq!((last.n, last.loss, &last.right[..]), (n - from, equations.loss, &equations.right[from..]));
        for a in 0..n - from {
            assert_eq!(last.matrix[a * (n - from)..][a..n - from], equations.matrix[(from + a) * n..][from + a..n]);
        }
    }
}

#[test]
fn the_head_is_the_best_one() {
    let case = Case::new(Shape::new(3, 2, 12, 2).unwrap(), 500);
    let mut tape = Tape::new(case.network.shape, Isa::detect());
    let mut network = case.network.clone();
    solve_head(&mut tape, &mut network, &case.samples(), Isa::detect());
    let best = loss(&mut tape, &network, &case.samples());
    assert!(best < loss(&mut tape, &case.network, &case.samples()));
    for k in network.parameters.len() - 26..network.parameters.len() {
        for h in [-0.01, 0.01] {
            let mut other = network.clone();
            other.parameters[k] += h;
            assert!(loss(&mut tape, &other, &case.samples()) > best, "{k}");
        }
    }
}

/// A smooth function on the sphere, its grid points as samples.
fn sphere(n: usize) -> (Vec<f32>, Vec<f32>) {
    let mut random = Random(11);
    let mut points = vec![0.0; 3 * n];
    let mut targets = vec![0.0; n];
    for p in 0..n {
        let (z, a) = (f64::from(random.even(1.0)), f64::from(random.even(0.5)) * TAU);
        let r = (1.0 - z * z).sqrt();
        let (x, y) = (r * a.cos(), r * a.sin());
        (points[p], points[n + p], points[2 * n + p]) = (x as f32, y as f32, z as f32);
        targets[p] = (0.5 * (3.0 * x - 2.0 * y * z).sin() + 0.7 * z * z - 0.3 * (4.0 * z + x).cos()) as f32;
    }
    (points, targets)
}

#[test]
fn both_methods_fit_a_smooth_function() {
    let (points, targets) = sphere(2000);
    let shape = Shape::new(3, 2, 16, 1).unwrap();
    let samples = Samples::new(shape, &points, &targets);
    let energy: f64 = targets.iter().map(|&t| f64::from(t).powi(2)).sum();
    let job = Job { samples, shape, options: Options::new(shape) };
    let alone = Job { options: Options { most_for_newton: 0, starts: 1, ..job.options.clone() }, ..job.clone() };
    let fitted = Cpu { isa: Isa::detect(), threads: 2 }.fit(&[job.clone(), alone]);
    assert!(fitted[0].loss < 1e-4 * energy, "{} of {energy}", fitted[0].loss);
    assert!(fitted[1].loss < 1e-2 * energy, "{} of {energy}", fitted[1].loss);
    // The same on every processor; the narrow kernels are slow, so few steps.
    let mut job = job;
    (job.options.adam.steps, job.options.steps.most, job.options.steps_between) = (10, 2, 1);
    let bits = |isa| Cpu { isa, threads: 1 }.fit(std::slice::from_ref(&job));
    for isa in Isa::ALL.into_iter().filter(|i| i.supported()) {
        assert_eq!(bits(isa), bits(Isa::detect()), "{isa:?}");
    }
}

#[test]
fn quantised_networks_cost_little_and_stay_close() {
    let (points, mut targets) = sphere(2000);
    // What the network cannot fit.
    let mut random = Random(4);
    targets.iter_mut().for_each(|t| *t += random.even(0.05));
    let shape = Shape::new(3, 2, 16, 1).unwrap();
    let samples = Samples::new(shape, &points, &targets);
    let fitted = fit(&samples, shape, &Options::new(shape), Isa::detect());
    let mut last = usize::MAX;
    for (exchange, worst, bytes) in [(1000.0, 1.2, 450), (100.0, 2.0, 360), (30.0, 5.0, 300)] {
        let (mut quantised, loss) = quantise(fitted.network.clone(), &samples, exchange, Isa::detect());
        assert!(loss < worst * fitted.loss, "{exchange}: {loss} after {}", fitted.loss);
        let mut encoder = Encoder::new();
        weights::code(&mut encoder, &mut quantised);
        let coded = encoder.finish();
        assert!(coded.len() <= bytes && coded.len() < last, "{exchange}: {} bytes", coded.len());
        last = coded.len();
        // What a decoder evaluates has the loss that was promised.
        let mut out = vec![0.0; targets.len()];
        let mut decoded = Quantised::zeros(shape);
        weights::code(&mut Decoder::new(&coded), &mut decoded);
        Cpu { isa: Isa::detect(), threads: 1 }.evaluate(&decoded.network(), &points, &mut out);
        let sum: f64 = out.iter().zip(&targets).map(|(y, t)| f64::from(t - y).powi(2)).sum();
        assert!((sum - loss).abs() < 1e-9 * loss, "{sum} {loss}");
    }
}

#[test]
fn wide_networks_are_rounded_too() {
    let (points, mut targets) = sphere(2000);
    let mut random = Random(4);
    targets.iter_mut().for_each(|t| *t += random.even(0.05));
    let shape = Shape::new(3, 2, 48, 1).unwrap();
    let samples = Samples::new(shape, &points, &targets);
    let mut options = Options::new(shape);
    (options.adam.steps, options.starts) = (300, 1);
    let fitted = fit(&samples, shape, &options, Isa::detect());
    let (mut quantised, loss) = quantise(fitted.network, &samples, 2000.0, Isa::detect());
    assert!(loss < 1.3 * fitted.loss, "{loss} after {}", fitted.loss);
    let mut encoder = Encoder::new();
    weights::code(&mut encoder, &mut quantised);
    let bytes = encoder.finish().len();
    assert!(bytes < shape.parameters(), "{bytes} bytes for {} parameters", shape.parameters());
}
