//! The whole codec: every type, bound and kind of trouble comes back as promised.

use crate::format::Permutation;
use crate::{ArrayView, Bound, ByteOrder, Coder, Config, Element, Error, decode, decode_into, encode, inspect};

pub(super) fn noise(seed: u64, i: usize) -> f64 {
    let mut x = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed.wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^= x >> 31;
    x = x.wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x >> 11) as f64) / (1u64 << 53) as f64
}

fn smooth<T: Element>(shape: &[usize], scale: f64) -> Vec<T> {
    let width = *shape.last().unwrap();
    (0..shape.iter().product::<usize>())
        .map(|i| {
            let (y, x) = ((i / width) as f64, (i % width) as f64);
            T::from_f64(scale * (0.5 + 0.3 * (x * 0.05).sin() * (y * 0.03).cos() + 0.002 * noise(3, i)))
        })
        .collect()
}

fn round_trip<T: Element>(data: &[T], shape: &[usize], config: &Config) -> (Vec<T>, usize) {
    let stream = encode(&ArrayView::new(data, shape).unwrap(), config).unwrap();
    let array = decode(&stream).unwrap();
    assert_eq!(array.shape(), shape);
    assert!(stream.len() <= super::max_encoded_size(T::DTYPE, shape));
    (array.as_slice::<T>().unwrap().to_vec(), stream.len())
}

pub(super) fn check<T: Element>(data: &[T], shape: &[usize], config: &Config) -> usize {
    let (out, size) = round_trip(data, shape, config);
    let finite = |v: &&T| {
        v.to_f64().is_finite()
            && !config.fill_value.iter().any(|f| f.chunks_exact(size_of::<T>()).any(|f| f == bytemuck::bytes_of(*v)))
    };
    let lo = data.iter().filter(finite).map(|v| v.to_f64()).fold(f64::INFINITY, f64::min);
    let hi = data.iter().filter(finite).map(|v| v.to_f64()).fold(f64::NEG_INFINITY, f64::max);
    let bound = config.bound.resolve(hi - lo);
    let (mut squares, mut n) = (0.0, 0usize);
    for (i, (a, b)) in data.iter().zip(&out).enumerate() {
        if !finite(&a) {
            assert!(a.same(*b) || a.to_f64().is_nan() && b.to_f64().is_nan(), "{i}: {a:?} {b:?}");
            continue;
        }
        assert!(finite(&b), "{i}: {a:?} {b:?}");
        match bound {
            Bound::Lossless => assert!(a.same(*b), "{i}: {a:?} {b:?}"),
            Bound::MaxAbs(e) if T::DTYPE.is_float() => {
                assert!((a.to_f64() - b.to_f64()).abs() <= e, "{i}: {a:?} {b:?} {e}")
            }
            Bound::MaxAbs(e) => {
                assert!(a.to_ordinal().abs_diff(b.to_ordinal()) as f64 <= e.floor(), "{i}: {a:?} {b:?}")
            }
            _ => squares += (a.to_f64() - b.to_f64()).powi(2),
        }
        n += 1;
    }
    if let Bound::Rmse(limit) = bound {
        assert!((squares / n as f64).sqrt() <= limit);
    }
    size
}

fn all_bounds<T: Element>(data: &[T], shape: &[usize]) {
    let bounds = [Bound::Lossless, Bound::MaxAbs(1.0), Bound::MaxAbs(7.6)];
    let more = [Bound::MaxRel(1e-2), Bound::MaxRel(1e-7), Bound::Nrmse(1e-3), Bound::Psnr(50.0), Bound::Rmse(1e-9)];
    for bound in bounds.into_iter().chain(more.into_iter().filter(|_| T::DTYPE.is_float())) {
        check(data, shape, &Config { periodic: true, ..Config::new(bound) });
    }
}

#[test]
fn every_type_and_bound() {
    let shape = [3, 20, 37];
    all_bounds(&smooth::<f32>(&shape, 300.0), &shape);
    all_bounds(&smooth::<f64>(&shape, 1e5), &shape);
    all_bounds(&smooth::<half::f16>(&shape, 300.0), &shape);
    all_bounds(&smooth::<half::bf16>(&shape, 300.0), &shape);
    all_bounds(&smooth::<i8>(&shape, 100.0), &shape);
    all_bounds(&smooth::<u8>(&shape, 255.0), &shape);
    all_bounds(&smooth::<i16>(&shape, 30_000.0), &shape);
    all_bounds(&smooth::<u16>(&shape, 60_000.0), &shape);
    all_bounds(&smooth::<i32>(&shape, -1e9), &shape);
    all_bounds(&smooth::<u32>(&shape, 4e9), &shape);
    all_bounds(&smooth::<i64>(&shape, 9e18), &shape);
    all_bounds(&smooth::<u64>(&shape, 1.8e19), &shape);
}

#[test]
fn extremes_of_integers() {
    let data: Vec<i64> =
        (0..600).map(|i| [i64::MIN, i64::MAX, 0, -1, i as i64][(noise(1, i) * 5.0) as usize]).collect();
    all_bounds(&data, &[20, 30]);
    check(&data, &[600], &Config::new(Bound::MaxAbs(1e19)));
    let data: Vec<u64> = data.iter().map(|&v| v as u64).collect();
    all_bounds(&data, &[20, 30]);
    check(&data, &[600], &Config::new(Bound::MaxAbs(1e300)));
}

#[test]
fn every_geometry() {
    for shape in [
        &[1][..],
        &[2],
        &[7],
        &[1000],
        &[5, 1],
        &[1, 5],
        &[2, 1, 3],
        &[1, 1, 1],
        &[2, 2, 2, 2],
        &[13, 3, 1, 2, 33],
        &[4, 2],
        &[3, 257],
    ] {
        all_bounds(&smooth::<f32>(shape, 10.0), shape);
        all_bounds(&smooth::<i16>(shape, 1000.0), shape);
    }
}

#[test]
fn special_values() {
    let shape = [30, 40];
    let mut data = smooth::<f32>(&shape, 5.0);
    for (i, v) in data.iter_mut().enumerate() {
        *v = match (noise(9, i) * 12.0) as u32 {
            0 => f32::NAN,
            1 => f32::INFINITY,
            2 => f32::NEG_INFINITY,
            3 => -0.0,
            4 => 1e-40,
            5 => -9999.0,
            _ => *v,
        };
    }
    all_bounds(&data, &shape);
    for bound in [Bound::Lossless, Bound::MaxAbs(0.01), Bound::MaxAbs(20_000.0), Bound::Nrmse(1e-3), Bound::MaxRel(0.1)]
    {
        for fill in [-9999.0f32, f32::NAN, 0.0] {
            check(&data, &shape, &Config { fill_value: Some(fill.to_ne_bytes().to_vec()), ..Config::new(bound) });
        }
    }
    let wild: Vec<f32> =
        (0..1200).map(|i| 10f32.powf(60.0 * noise(2, i) as f32 - 30.0) * if i % 3 == 0 { -1.0 } else { 1.0 }).collect();
    all_bounds(&wild, &shape);
    let wild: Vec<f64> =
        (0..1200).map(|i| [f64::MAX, f64::MIN, 5e-324, 0.0, 1.0][(noise(4, i) * 5.0) as usize]).collect();
    all_bounds(&wild, &shape);
}

#[test]
fn constant_and_empty_chunks_are_tiny() {
    let size = |data: &[f32], bound| check(data, &[100, 100], &Config::new(bound));
    assert!(size(&[f32::NAN; 10_000], Bound::MaxRel(1e-3)) < 60);
    assert!(size(&[7.25; 10_000], Bound::Lossless) < 60);
    assert!(size(&[-0.0; 10_000], Bound::Nrmse(1e-3)) < 60);
    let mut half = vec![3.0f32; 10_000];
    half[5000..].fill(f32::NAN);
    assert!(size(&half, Bound::MaxAbs(0.1)) < 60);
}

#[test]
fn a_value_never_turns_into_fill() {
    // 0.4 would round to the fill value 0.
    let data: Vec<f32> = (0..900).map(|i| if i % 7 == 0 { 0.0 } else { (noise(5, i) * 10.0) as f32 }).collect();
    check(
        &data,
        &[30, 30],
        &Config { fill_value: Some(0f32.to_ne_bytes().to_vec()), ..Config::new(Bound::MaxAbs(1.0)) },
    );
}

#[test]
fn byte_orders_agree() {
    let data = smooth::<f32>(&[20, 30], 3.0);
    let swapped: Vec<u8> = data.iter().flat_map(|v| v.to_be_bytes()).collect();
    let view = ArrayView::from_bytes(&swapped, crate::DType::F32, ByteOrder::Big, &[20, 30]).unwrap();
    let stream = encode(&view, &Config::new(Bound::Lossless)).unwrap();
    assert_eq!(decode(&stream).unwrap().as_slice::<f32>().unwrap(), data);
    let mut out = vec![0; swapped.len()];
    decode_into(&stream, &mut out, ByteOrder::Big, &crate::DecodeOptions::default()).unwrap();
    assert_eq!(out, swapped);
}

#[test]
fn impossible_requests_are_refused() {
    let data = [1i32, 2, 3, 4];
    let err = encode(&ArrayView::new(&data, &[4]).unwrap(), &Config::new(Bound::Nrmse(0.1))).unwrap_err();
    assert!(matches!(&err, Error::InvalidArgument(m) if m.contains("nrmse") && m.contains("int32")), "{err}");
}

#[test]
fn damaged_payloads_never_panic() {
    // The checksum is made right again, so that the damage reaches the coders.
    let with = |coder, bound| Config { coder, ..Config::new(bound) };
    let rough = || (0..1920).map(|i| if noise(8, i) < 0.3 { f32::NAN } else { 1e9 * noise(6, i) as f32 }).collect();
    for (data, config) in [
        (smooth::<f32>(&[3, 16, 40], 5.0), with(Coder::Lattice, Bound::MaxAbs(1e-3))),
        (smooth::<f32>(&[3, 16, 40], 5.0), with(Coder::Harmonic, Bound::MaxAbs(1e-2))),
        (rough(), with(Coder::Harmonic, Bound::MaxRel(1e-2))),
        (rough(), with(Coder::Auto, Bound::Lossless)),
    ] {
        let stream = encode(&ArrayView::new(&data, &[3, 16, 40]).unwrap(), &config).unwrap();
        let method = if config.coder == Coder::Harmonic { "harmonic" } else { "lattice" };
        assert_eq!(inspect(&stream).unwrap().method, method);
        for seed in 0..300 {
            let mut bad = stream.clone();
            let end = bad.len() - 4;
            for k in 0..1 + seed as usize % 5 {
                let i = (noise(seed, k) * end as f64) as usize;
                bad[i] = (noise(seed, k + 100) * 256.0) as u8;
            }
            let crc = crc32fast::hash(&bad[..end]);
            bad[end..].copy_from_slice(&crc.to_le_bytes());
            let options = crate::DecodeOptions { max_bytes: 1 << 20, ..Default::default() };
            let _ = crate::decode_with(&bad, &options);
        }
    }
}

/// Efforts 4 and 5 differ by the search for a step under a bound on single values.
#[test]
fn better_steps_are_found() {
    let (mut firsts, mut founds) = (0, 0);
    for (grain, bound) in [(0.0, 1e-2), (0.002, 1e-3), (0.002, 1e-2), (0.005, 1e-2), (0.02, 5e-2)] {
        let smooth: Vec<f32> = smooth(&[150, 200], 1.0);
        let data: Vec<f32> = smooth.iter().enumerate().map(|(i, v)| v + (grain * noise(8, i)) as f32).collect();
        let size = |effort| {
            let config = Config { effort, coder: Coder::Harmonic, ..Config::new(Bound::MaxRel(bound)) };
            check(&data, &[150, 200], &config)
        };
        let (first, found) = (size(4), size(5));
        assert!(found <= first + first / 50, "grain {grain}, bound {bound}: {found} bytes, {first} at the first step");
        (firsts, founds) = (firsts + first, founds + found);
    }
    assert!(founds < firsts - firsts / 50, "{founds} bytes, {firsts} at the first steps");
}

#[test]
fn axes_in_any_order() {
    use crate::Axis::{Latitude, Longitude, Time};
    // The same field as maps in time and as time series: the roles bring both to nearly the same size.
    let (t, h, w) = (12, 40, 60);
    let maps: Vec<f32> = smooth(&[t, h, w], 5.0);
    let series: Vec<f32> = (0..maps.len()).map(|i| maps[(i % t) * h * w + i / t]).collect();
    for bound in [Bound::Nrmse(1e-3), Bound::MaxAbs(0.01), Bound::Lossless] {
        let config = |axes: &[_]| Config { axes: axes.to_vec(), ..Config::new(bound) };
        let usual = encode(&ArrayView::new(&maps, &[t, h, w]).unwrap(), &config(&[Time, Latitude, Longitude])).unwrap();
        let turned =
            encode(&ArrayView::new(&series, &[h, w, t]).unwrap(), &config(&[Latitude, Longitude, Time])).unwrap();
        assert_eq!(turned.len(), usual.len() + 3, "{bound:?}");
        let (a, b) = (decode(&usual).unwrap(), decode(&turned).unwrap());
        assert_eq!(b.shape(), [h, w, t]);
        let (a, b) = (a.as_slice::<f32>().unwrap(), b.as_slice::<f32>().unwrap());
        assert!(b.iter().enumerate().all(|(i, v)| v.to_bits() == a[(i % t) * h * w + i / t].to_bits()), "{bound:?}");
        let mut into = vec![0; 4 * series.len() + 1];
        decode_into(&turned, &mut into[1..], ByteOrder::NATIVE, &Default::default()).unwrap();
        assert_eq!(into[1..], *bytemuck::cast_slice::<f32, u8>(b));
    }
}

/// Long series at few points are turned, all of them or by what a part of them tells.
#[test]
fn series_come_last() {
    let order = |stream: &[u8]| {
        let header = crate::format::Stream::read(stream).unwrap().header;
        (header.permutation, header.periodic)
    };
    for (t, effort) in [(400, 5), (400, 9), (4000, 1), (4000, 5)] {
        let shape = [t, 4, 5];
        let value = |i: usize| {
            let (day, point) = ((i / 20) as f64, i % 20);
            let season = (day * std::f64::consts::TAU / 365.25).cos();
            let value = 280.0 + 9.0 * season * noise(8, point) + 6.0 * noise(9, point) + 0.05 * noise(7, i);
            (value * 64.0).round() / 64.0
        };
        let missing = |i: usize| i % 20 == 7 || i == 1234;
        let mut values: Vec<f32> = (0..20 * t).map(|i| if missing(i) { f32::NAN } else { value(i) as f32 }).collect();
        // A day with a value beyond all others, where no part is looked at: bounds are parts of the range of all.
        values[20] = 400.0;
        for bound in [Bound::MaxRel(1e-3), Bound::Nrmse(1e-3)] {
            let config = Config { effort, periodic: true, ..Config::new(bound) };
            check(&values, &shape, &config);
            let stream = encode(&ArrayView::new(&values, &shape).unwrap(), &config).unwrap();
            assert_eq!(order(&stream), (Permutation::longest_last(&shape), false), "{t}, effort {effort}, {bound:?}");
        }
        let maps: Vec<f32> = smooth(&[20, 40, 60], 5.0);
        let config = Config { effort, periodic: true, ..Config::new(Bound::MaxAbs(0.1)) };
        let stream = encode(&ArrayView::new(&maps, &[20, 40, 60]).unwrap(), &config).unwrap();
        assert_eq!(order(&stream), (None, true));
    }
}

/// What a lattice stream of integers says of its coder.
fn lattice_form(stream: &[u8], n: usize) -> crate::entropy::lattice::Form {
    let parsed = crate::format::Stream::read(stream).unwrap();
    let detail = parsed.section(crate::format::SectionId::Detail).unwrap();
    let mut r = crate::format::Reader::new(detail.payload, detail.offset);
    crate::entropy::mapping::Mappings::read::<i32>(&mut r, 1, n, 2 * n).unwrap();
    crate::entropy::lattice::Form::read(&mut r).unwrap()
}

#[test]
fn smooth_floats_are_foretold_to_their_last_bits() {
    // Neighbours are thousands of lattice steps apart, what is left is one: weights come from differences that are not rounded.
    let v = |i: usize| 1.5 + 0.3 * ((i % 256) as f64 / 40.0).sin() * ((i / 256) as f64 / 30.0).cos();
    let values: Vec<f32> = (0..256 * 256).map(|i| v(i) as f32).collect();
    let (_, bytes) = round_trip(&values, &[256, 256], &Config::new(Bound::Lossless));
    assert!(bytes < 26_000, "{bytes} bytes");
}

/// Integers that change in every fourth column only, in all rows and slices; in every second row and column.
#[test]
fn copies_cost_little() {
    let random = |i: usize| (65_536.0 * noise(5, i)) as i32;
    for shape in [&[96, 256][..], &[3, 64, 256]] {
        let n: usize = shape.iter().product();
        let values: Vec<i32> = (0..n).map(|i| random(i / 4)).collect();
        let stream = encode(&ArrayView::new(&values, shape).unwrap(), &Config::new(Bound::Lossless)).unwrap();
        assert!(lattice_form(&stream, n).copies);
        // Two bytes for each that is new.
        assert!(stream.len() < 2 * n / 4 * 11 / 10, "{} for {n}", stream.len());
        assert_eq!(decode(&stream).unwrap().bytes(), bytemuck::cast_slice::<i32, u8>(&values));
        let coarse: Vec<i32> = (0..n).map(|i| random(i / 256 / 2 * 128 + i % 256 / 2)).collect();
        let stream = encode(&ArrayView::new(&coarse, shape).unwrap(), &Config::new(Bound::Lossless)).unwrap();
        assert!(lattice_form(&stream, n).copies);
        assert!(stream.len() < 2 * n / 4 * 11 / 10, "{} for {n}", stream.len());
        assert_eq!(decode(&stream).unwrap().bytes(), bytemuck::cast_slice::<i32, u8>(&coarse));
        let others: Vec<i32> = (0..n).map(random).collect();
        let stream = encode(&ArrayView::new(&others, shape).unwrap(), &Config::new(Bound::Lossless)).unwrap();
        assert!(!lattice_form(&stream, n).copies);
    }
}

/// Slices that have nothing to do with each other, far apart, and slices that are nearly the same.
#[test]
fn unlike_slices_are_joined() {
    for shape in [&[6, 40, 50][..], &[5, 400, 400]] {
        let (n, plane) = (shape.iter().product::<usize>(), shape[1] * shape[2]);
        let field = |unlike: bool| -> Vec<i32> {
            let value = |i: usize| {
                let (k, y, x) = (if unlike { i / plane } else { 0 }, i % plane / shape[2], i % shape[2]);
                let phase = (3 + k) as f64 * (0.02 * y as f64 + k as f64) + (4 - k as i32) as f64 * 0.03 * x as f64;
                (3e4 * phase.sin()) as i32 + (8.0 * noise(9, i)) as i32 + k as i32 % 2 * 20_000_000
            };
            (0..n).map(value).collect()
        };
        for unlike in [true, false] {
            let values = field(unlike);
            let stream = encode(&ArrayView::new(&values, shape).unwrap(), &Config::new(Bound::Lossless)).unwrap();
            let form = lattice_form(&stream, n);
            assert_eq!(form.joined, unlike, "{shape:?}");
            assert!(form.halved || !unlike || n < 1 << 18);
            let options = crate::DecodeOptions { threads: 2, ..crate::DecodeOptions::default() };
            assert_eq!(
                crate::decode_with(&stream, &options).unwrap().bytes(),
                bytemuck::cast_slice::<i32, u8>(&values)
            );
        }
    }
}

#[test]
fn large_lattices_are_decoded_by_two_threads() {
    for shape in [&[520, 520][..], &[10, 230, 250]] {
        let n: usize = shape.iter().product();
        let values: Vec<i32> = (0..n).map(|i| (65_536.0 * noise(3, i)) as i32).collect();
        let view = ArrayView::new(&values, shape).unwrap();
        let stream = encode(&view, &Config::new(Bound::Lossless)).unwrap();
        let form = lattice_form(&stream, values.len());
        assert!(form.halved && form.wide.is_none(), "{shape:?}: {form:?}");
        for threads in [1, 2, 5] {
            let options = crate::DecodeOptions { threads, ..crate::DecodeOptions::default() };
            let decoded = crate::decode_with(&stream, &options).unwrap();
            assert_eq!(decoded.bytes(), bytemuck::cast_slice::<i32, u8>(&values), "{shape:?}, {threads}");
        }
    }
}
