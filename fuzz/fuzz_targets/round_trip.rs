//! Any f32 or f64 array under any bound: what comes back keeps the bound.
#![no_main]

use hiha::{ArrayView, Bound, Coder, Config, Element};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input {
    rows: u8,
    planes: u8,
    bound: u8,
    exponent: i8,
    effort: u8,
    coder: u8,
    periodic: bool,
    values: Values,
}

#[derive(Debug, Arbitrary)]
enum Values {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

fuzz_target!(|input: Input| {
    let value = 10f64.powf(f64::from(input.exponent) / 8.0);
    let bound = match input.bound % 6 {
        0 => Bound::MaxAbs(value),
        1 => Bound::MaxRel(value.min(1.0)),
        2 => Bound::Rmse(value),
        3 => Bound::Nrmse(value.min(1.0)),
        4 => Bound::Psnr(f64::from(input.exponent).abs() + 1.0),
        _ => Bound::Lossless,
    };
    let config = Config {
        effort: 1 + input.effort % 9,
        coder: [Coder::Auto, Coder::Harmonic, Coder::Lattice][usize::from(input.coder % 3)],
        periodic: input.periodic,
        ..Config::new(bound)
    };
    match &input.values {
        Values::F32(v) => check(v, &input, &config),
        Values::F64(v) => check(v, &input, &config),
    }
});

fn check<T: Element>(values: &[T], input: &Input, config: &Config) {
    let planes = 1 + usize::from(input.planes % 4);
    let rows = 1 + usize::from(input.rows % 40);
    let columns = values.len() / (planes * rows);
    if columns == 0 {
        return;
    }
    let (shape, values) = ([planes, rows, columns], &values[..planes * rows * columns]);
    let stream = hiha::encode(&ArrayView::new(values, &shape).expect("shape fits"), config).expect("encodes");
    assert!(stream.len() <= hiha::max_encoded_size(T::DTYPE, &shape));
    let array = hiha::decode(&stream).expect("decodes");
    verify(values, array.as_slice::<T>().expect("same type"), config.bound);
}

fn verify<T: Element>(values: &[T], decoded: &[T], bound: Bound) {
    let (mut low, mut high, mut largest, mut errors) = (f64::INFINITY, f64::NEG_INFINITY, 0f64, Vec::new());
    for (&a, &b) in values.iter().zip(decoded) {
        let (x, y) = (a.to_f64(), b.to_f64());
        if x.is_nan() {
            assert!(y.is_nan());
            continue;
        }
        assert!(y == x || x.is_finite() && y.is_finite(), "{x:e} became {y:e}");
        assert!(bound != Bound::Lossless || a.same(b), "{x:e} became {y:e}");
        if x.is_finite() {
            (low, high, largest) = (low.min(x), high.max(x), largest.max((x - y).abs()));
            errors.push((x - y).abs());
        }
    }
    if largest == 0.0 {
        return;
    }
    let mean = errors.iter().map(|e| (e / largest).powi(2)).sum::<f64>() / errors.len() as f64;
    let (rmse, range, slack) = (mean.sqrt() * largest, high - low, 1.0 + 1e-12);
    let (error, limit) = match bound {
        Bound::MaxAbs(v) => (largest, v),
        Bound::MaxRel(v) => (largest, v * range),
        Bound::Rmse(v) => (rmse, v * slack),
        Bound::Nrmse(v) => (rmse, v * range * slack),
        Bound::Psnr(db) => (rmse, 10f64.powf(-db / 20.0) * range * slack),
        Bound::Lossless => (largest, 0.0),
    };
    assert!(error <= limit, "{bound:?}: error {error:e}, allowed {limit:e}");
}
