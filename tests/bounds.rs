//! The guarantee: whatever the type, shape, bound and values, what `decode` returns keeps the bound,
//! and non-finite and fill values come back exactly. The checks are written out naively here.

use half::{bf16, f16};
use hiha::{ArrayView, Axis, Bound, Coder, Config, Element};
use proptest::prelude::*;

/// Repeatable values in [0, 1).
struct Noise(u64);
impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A smooth field with noise, spread over `scale`.
fn smooth<T: Element>(n: usize, scale: f64, noise: f64, seed: u64) -> Vec<T> {
    let mut random = Noise(seed);
    (0..n)
        .map(|i| {
            let x = i as f64;
            let wave = (x * 0.031).sin() * 0.5 + (x * 0.0017).cos() * 0.4 + 1.0;
            T::from_f64(scale * (wave + noise * (random.next() - 0.5)))
        })
        .collect()
}

/// Encode, decode and check; `what` names the case.
fn check<T: Element>(data: &[T], shape: &[usize], config: &Config, what: &str) {
    let what = format!("{what}: {} {shape:?} {:?} {:?}", T::DTYPE, config.bound, config.coder);
    let view = ArrayView::new(data, shape).unwrap();
    let stream = hiha::encode(&view, config).unwrap_or_else(|e| panic!("{what}: encode: {e}"));
    assert!(stream.len() <= hiha::max_encoded_size(T::DTYPE, shape), "{what}: {} bytes", stream.len());
    let array = hiha::decode(&stream).unwrap_or_else(|e| panic!("{what}: decode: {e}"));
    assert_eq!((array.shape(), array.dtype()), (shape, T::DTYPE), "{what}");
    verify(data, array.as_slice::<T>().unwrap(), config, &what);
}

fn verify<T: Element>(data: &[T], decoded: &[T], config: &Config, what: &str) {
    let fill: Option<T> = config.fill_value.as_ref().map(|f| bytemuck::pod_read_unaligned(f));
    let (mut lowest, mut highest) = (f64::INFINITY, f64::NEG_INFINITY);
    let (mut largest, mut count) = (0f64, 0f64);
    let mut errors = Vec::new();
    for (i, (&a, &b)) in data.iter().zip(decoded).enumerate() {
        let (x, y) = (a.to_f64(), b.to_f64());
        let is_fill = fill.is_some_and(|f| f.same(a));
        if x.is_nan() {
            assert!(y.is_nan(), "{what}: NaN at {i} became {b:?}");
        } else if x.is_infinite() || is_fill || config.bound == Bound::Lossless {
            assert!(a.same(b), "{what}: {a:?} at {i} became {b:?}");
        }
        if x.is_finite() && !is_fill {
            assert!(y.is_finite(), "{what}: {a:?} at {i} became {b:?}");
            let error = if T::DTYPE.is_float() {
                (x - y).abs()
            } else {
                i128::from(a.to_ordinal()).abs_diff(i128::from(b.to_ordinal())) as f64
            };
            (lowest, highest, largest, count) = (lowest.min(x), highest.max(x), largest.max(error), count + 1.0);
            errors.push(error);
        }
    }
    if count == 0.0 || largest == 0.0 {
        return;
    }
    // Scaled by the largest error, so that squares neither overflow nor vanish.
    let rmse = (errors.iter().map(|e| (e / largest).powi(2)).sum::<f64>() / count).sqrt() * largest;
    let range = highest - lowest;
    let slack = 1.0 + 1e-12;
    let (error, limit) = match config.bound {
        Bound::MaxAbs(v) => (largest, v),
        Bound::MaxRel(v) => (largest, v * range),
        Bound::Rmse(v) => (rmse, v * slack),
        Bound::Nrmse(v) => (rmse, v * range * slack),
        Bound::Psnr(db) => (rmse, 10f64.powf(-db / 20.0) * range * slack),
        Bound::Lossless => (0.0, 0.0),
    };
    assert!(error <= limit, "{what}: error {error:e}, allowed {limit:e}");
}

fn bounds_for<T: Element>(range: f64) -> Vec<Bound> {
    if !T::DTYPE.is_float() {
        return vec![Bound::Lossless, Bound::MaxAbs(1.0), Bound::MaxAbs(0.4), Bound::MaxAbs(range * 0.01 + 1.0)];
    }
    vec![
        Bound::Lossless,
        Bound::MaxAbs(range * 1e-3),
        Bound::MaxRel(1e-1),
        Bound::MaxRel(1e-2),
        Bound::MaxRel(1e-4),
        Bound::MaxRel(1e-7),
        Bound::Rmse(range * 1e-3),
        Bound::Nrmse(1e-2),
        Bound::Nrmse(1e-4),
        Bound::Psnr(40.0),
        Bound::Psnr(90.0),
    ]
}

/// 1, primes, more dimensions than axes of a map, and a global grid at coarse resolution.
const SHAPES: &[&[usize]] = &[
    &[1],
    &[2],
    &[7],
    &[997],
    &[1, 1],
    &[1, 211],
    &[211, 1],
    &[13, 17],
    &[91, 180],
    &[3, 37, 41],
    &[5, 1, 23],
    &[24, 19, 36],
    &[2, 3, 11, 13],
    &[2, 1, 3, 5, 7],
    &[2, 2, 2, 2, 3, 5],
    &[1, 2, 1, 2, 1, 2, 9],
    &[1, 2, 3, 1, 2, 2, 5, 3],
];

fn all_shapes<T: Element>() {
    let scale = match T::DTYPE.size() {
        1 => 40.0,
        2 => 900.0,
        _ => 3e4,
    };
    for (s, shape) in SHAPES.iter().enumerate() {
        let data = smooth::<T>(shape.iter().product(), scale, 0.02, s as u64);
        for bound in bounds_for::<T>(scale) {
            check(&data, shape, &Config::new(bound), "smooth");
        }
    }
}

macro_rules! per_type {
    ($($name:ident $t:ty),*) => {$(
        #[test]
        fn $name() {
            all_shapes::<$t>();
        }
    )*};
}
per_type!(
    shapes_f16 f16, shapes_bf16 bf16, shapes_f32 f32, shapes_f64 f64, shapes_i8 i8, shapes_u8 u8, shapes_i16 i16,
    shapes_u16 u16, shapes_i32 i32, shapes_u32 u32, shapes_i64 i64, shapes_u64 u64
);

#[test]
fn a_global_grid_of_odd_size() {
    let data = smooth::<f32>(361 * 720, 300.0, 0.001, 5);
    for bound in [Bound::Nrmse(1e-3), Bound::MaxRel(1e-4), Bound::Psnr(50.0)] {
        for coder in [Coder::Auto, Coder::Harmonic, Coder::Lattice] {
            check(&data, &[361, 720], &Config { periodic: true, coder, ..Config::new(bound) }, "global");
        }
    }
}

#[test]
fn every_coder_effort_and_axis() {
    let data = smooth::<f64>(4 * 3 * 25 * 26, 10.0, 0.1, 6);
    let axes = [Axis::Time, Axis::Level, Axis::Latitude, Axis::Longitude];
    for effort in 1..=9 {
        for coder in [Coder::Auto, Coder::Harmonic, Coder::Lattice] {
            for periodic in [false, true] {
                let config =
                    Config { effort, coder, periodic, axes: axes.to_vec(), ..Config::new(Bound::MaxRel(1e-3)) };
                check(&data, &[4, 3, 25, 26], &config, "axes");
            }
        }
    }
    for turn in 0..4 {
        let mut turned = axes;
        turned.rotate_left(turn);
        let config = Config { axes: turned.to_vec(), ..Config::new(Bound::Nrmse(1e-3)) };
        check(&data, &[4, 3, 25, 26], &config, "turned axes");
    }
}

#[test]
fn integers_at_their_limits() {
    for bound in [Bound::Lossless, Bound::MaxAbs(1.0), Bound::MaxAbs(1000.0), Bound::MaxAbs(1e18)] {
        let config = Config::new(bound);
        check(&[i64::MIN, i64::MAX, 0, -1, 1, i64::MIN + 1], &[6], &config, "limits");
        check(&[u64::MAX, 0, 1, u64::MAX - 1, 1 << 63, (1 << 63) - 1], &[2, 3], &config, "limits");
        check(&[i8::MIN, i8::MAX, 0, 1], &[4], &config, "limits");
        check(&[u32::MAX, 0, 1, 2], &[4], &config, "limits");
    }
}

/// Value patterns that codecs get wrong.
fn nasty() -> Vec<(&'static str, Vec<f64>)> {
    let n = 24 * 30;
    let base: Vec<f64> = smooth(n, 280.0, 0.01, 7);
    let with = |f: &dyn Fn(usize, f64) -> f64| base.iter().enumerate().map(|(i, &v)| f(i, v)).collect::<Vec<f64>>();
    let mut random = Noise(9);
    let spread: Vec<f64> =
        (0..n).map(|i| 10f64.powf(60.0 * random.next() - 30.0) * if i % 3 == 0 { -1.0 } else { 1.0 }).collect();
    vec![
        ("scattered NaN", with(&|i, v| if i % 7 == 0 { f64::NAN } else { v })),
        ("a NaN block", with(&|i, v| if i % 30 < 11 { f64::NAN } else { v })),
        ("infinities", with(&|i, v| [v, f64::INFINITY, f64::NEG_INFINITY, v][i % 4])),
        ("all NaN", vec![f64::NAN; n]),
        ("all infinite", vec![f64::NEG_INFINITY; n]),
        ("one finite value", with(&|i, _| if i == 333 { 1.5 } else { f64::NAN })),
        ("constant", vec![273.15; n]),
        ("zeros of both signs", with(&|i, _| if i % 2 == 0 { -0.0 } else { 0.0 })),
        ("negative zero", vec![-0.0; n]),
        ("mostly zero", with(&|i, v| if i % 29 == 0 { v * 1e-4 } else { 0.0 })),
        ("one outlier", with(&|i, v| if i == 100 { 1e30 } else { v })),
        ("1e-30 to 1e30", spread),
        ("fill value", with(&|i, v| if i % 5 == 0 { FILL } else { v })),
        ("all fill", vec![FILL; n]),
        ("two values", with(&|i, _| if i % 13 < 4 { 1.0 } else { 1.0 + 1e-6 })),
        ("white noise", with(&|i, v| (v * 1e6).fract() + i as f64 % 2.0)),
    ]
}
const FILL: f64 = -32768.0;

fn nasty_values<T: Element>() {
    for (what, values) in nasty() {
        let data: Vec<T> = values.iter().map(|&v| T::from_f64(v)).collect();
        let fill = bytemuck::bytes_of(&T::from_f64(FILL)).to_vec();
        for bound in [
            Bound::Lossless,
            Bound::MaxAbs(0.01),
            Bound::MaxAbs(1e-20),
            Bound::MaxRel(1e-3),
            Bound::Nrmse(1e-3),
            Bound::Psnr(70.0),
        ] {
            for coder in [Coder::Auto, Coder::Harmonic, Coder::Lattice] {
                let config = Config { coder, fill_value: Some(fill.clone()), ..Config::new(bound) };
                check(&data, &[24, 30], &config, what);
            }
        }
    }
}

#[test]
fn nasty_f32() {
    nasty_values::<f32>();
}
#[test]
fn nasty_f64() {
    nasty_values::<f64>();
}
#[test]
fn nasty_f16() {
    nasty_values::<f16>();
}
#[test]
fn nasty_bf16() {
    nasty_values::<bf16>();
}

#[test]
fn subnormals_and_the_largest_numbers() {
    let tiny: Vec<f32> = (0..600u32).map(|i| f32::from_bits((i * 77) % 4000)).collect();
    let huge: Vec<f64> = (0..600).map(|i| f64::MAX * (f64::from(i) * 0.1).sin()).collect();
    // Their squares are 0.
    let faint: Vec<f64> = (0..600).map(|i| 1e-300 * (f64::from(i) * 0.1).sin()).collect();
    for bound in [Bound::Lossless, Bound::MaxAbs(1e-44), Bound::MaxRel(1e-2), Bound::Nrmse(1e-3)] {
        check(&tiny, &[20, 30], &Config::new(bound), "subnormal");
        check(&faint, &[20, 30], &Config::new(bound), "faint");
        check(&huge, &[20, 30], &Config::new(bound), "huge");
    }
}

#[test]
fn nan_payloads_are_the_only_thing_lossless_may_change() {
    let mut data: Vec<f32> = smooth(200, 5.0, 0.5, 3);
    data[17] = f32::from_bits(0x7fc0_1234);
    data[18] = -0.0;
    check(&data, &[10, 20], &Config::new(Bound::Lossless), "payload");
}

#[test]
fn the_other_byte_order() {
    let data: Vec<f32> = smooth(40 * 50, 280.0, 0.01, 8);
    let big: Vec<u8> = data.iter().flat_map(|v| v.to_be_bytes()).collect();
    let config = Config::new(Bound::MaxAbs(0.01));
    let shape = [40, 50];
    let view = ArrayView::from_bytes(&big, hiha::DType::F32, hiha::ByteOrder::Big, &shape).unwrap();
    let stream = hiha::encode(&view, &config).unwrap();
    let decoded = hiha::decode(&stream).unwrap();
    verify(&data, decoded.as_slice::<f32>().unwrap(), &config, "big endian");
    let mut out = vec![0; big.len()];
    hiha::decode_into(&stream, &mut out, hiha::ByteOrder::Big, &hiha::DecodeOptions::default()).unwrap();
    let back: Vec<f32> = out.chunks_exact(4).map(|b| f32::from_be_bytes(b.try_into().unwrap())).collect();
    assert_eq!(decoded.as_slice::<f32>().unwrap(), back);
}

#[test]
fn encoding_what_was_decoded_keeps_the_bound_to_it() {
    let config = Config::new(Bound::MaxAbs(0.05));
    let mut data: Vec<f32> = smooth(60 * 60, 280.0, 0.01, 4);
    for _ in 0..3 {
        let stream = hiha::encode(&ArrayView::new(&data, &[60, 60]).unwrap(), &config).unwrap();
        let decoded = hiha::decode(&stream).unwrap().as_slice::<f32>().unwrap().to_vec();
        verify(&data, &decoded, &config, "again");
        data = decoded;
    }
}

fn any_bound() -> impl Strategy<Value = Bound> {
    prop_oneof![
        Just(Bound::Lossless),
        (-12.0..6.0f64).prop_map(|e| Bound::MaxAbs(10f64.powf(e))),
        (-9.0..-0.3f64).prop_map(|e| Bound::MaxRel(10f64.powf(e))),
        (-12.0..6.0f64).prop_map(|e| Bound::Rmse(10f64.powf(e))),
        (-9.0..-0.3f64).prop_map(|e| Bound::Nrmse(10f64.powf(e))),
        (5.0..150.0f64).prop_map(Bound::Psnr),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_bits_as_f32(shape in prop::collection::vec(1usize..9, 1..4), seed: u64, bound in any_bound()) {
        let mut random = Noise(seed);
        let data: Vec<f32> = (0..shape.iter().product::<usize>())
            .map(|_| f32::from_bits((random.next() * 4_294_967_296.0) as u32)).collect();
        check(&data, &shape, &Config::new(bound), "bits");
    }

    #[test]
    fn any_smooth_f64(
        shape in prop::collection::vec(1usize..40, 1..4), seed: u64, bound in any_bound(),
        scale in -20.0..20.0f64, noise in 0.0..0.5f64, periodic: bool,
    ) {
        let data: Vec<f64> = smooth(shape.iter().product(), 10f64.powf(scale), noise, seed);
        check(&data, &shape, &Config { periodic, ..Config::new(bound) }, "smooth");
    }
}
