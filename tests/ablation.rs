//! Every part that can be left out: streams come back without it, keep their bound, and are not the same as with it.
//! `cargo nextest run --features ablation --test ablation`.

use hiha::ablation::{Part, leave_out};
use hiha::{ArrayView, Bound, Coder, Config};

struct Case {
    name: &'static str,
    shape: Vec<usize>,
    values: Vec<f32>,
    config: Config,
}

fn noise(i: usize) -> f32 {
    let h = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((h ^ h >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f32 / (1 << 24) as f32 - 0.5
}

/// Waves that drift, storms, a coast, and weak noise.
fn waves(slices: usize, height: usize, width: usize) -> Vec<f32> {
    (0..slices * height * width)
        .map(|i| {
            let (t, y, x) = (i / (height * width), i / width % height, i % width);
            let (t, y, x) =
                (t as f32 * 0.3, y as f32 / height as f32 * 3.0, x as f32 / width as f32 * std::f32::consts::TAU);
            let storm = (-9.0 * ((y - 1.0).powi(2) + (x - 2.0 - t).powi(2))).exp() * (11.0 * x + 5.0 * y).sin();
            let coast = f32::from(u8::from((2.0 * x).sin() + y > 1.7));
            260.0 + 20.0 * (y + 0.2 * (3.0 * x - t).cos()).sin() + 8.0 * storm + 5.0 * coast + 0.05 * noise(i)
        })
        .collect()
}

fn cases() -> Vec<Case> {
    let case = |name, shape: &[usize], values, config| Case { name, shape: shape.to_vec(), values, config };
    let config = |bound, coder| Config { coder, ..Config::new(bound) };
    let (plane, volume) = (waves(1, 144, 288), waves(6, 72, 96));
    let hard = |v: &[f32], coast: f32| v.iter().map(|&v| if v > 265.0 { v + coast } else { v }).collect::<Vec<f32>>();
    // Small multiples of a step that is no power of two; other steps from slice to slice.
    let packed = |v: &[f32], steps: &[f64]| -> Vec<f32> {
        let part = v.len() / steps.len();
        v.iter()
            .enumerate()
            .map(|(i, &v)| (173.1 + (f64::from(v) / steps[i / part]).round() * steps[i / part]) as f32)
            .collect()
    };
    // Offset in f32: no offset and step reproduce these to the bit.
    let nudged = plane.iter().map(|&v| ((v - 230.0) * 50.0).round() * 0.020_31_f32 + 230.017_f32).collect();
    let mut sorted = plane.clone();
    sorted.sort_by(f32::total_cmp);
    let dry = sorted[sorted.len() * 7 / 10];
    let rain: Vec<f32> = plane.iter().enumerate().map(|(i, &v)| (v - dry + noise(i)).max(0.0)).collect();
    let native = plane.iter().enumerate().map(|(i, &v)| (v - 260.0) * (1.0 + 0.01 * noise(i))).collect();
    let mut masked = plane.clone();
    masked.iter_mut().zip(&plane).filter(|(_, v)| **v > 272.0).for_each(|(m, _)| *m = f32::NAN);
    // Land of one value, which is no fill value.
    let land = plane.iter().enumerate().map(|(i, &v)| if (i / 288 + i % 288) % 100 < 30 { 251.123 } else { v });
    let land = land.collect();
    // An edge that moves little from slice to slice; values of a grid three times as coarse.
    let ice = volume.iter().enumerate().map(|(i, &v)| {
        let (t, y, x) = (i / (72 * 96), i / 96 % 72, i % 96);
        if 3 * y + (x * x / 7 + 5 * x) % 31 < 60 + t { f32::NAN } else { v }
    });
    let ice = ice.collect();
    let held = (0..144 * 288).map(|i| (100.0 * noise(i / 3)).round()).collect();
    // Mixtures of two patterns.
    let patterns = waves(2, 72, 96);
    let levels = (0..12 * 72 * 96).map(|i| {
        let (k, x) = (i / (72 * 96), i % (72 * 96));
        patterns[x] * noise(k * 31 + 7) + patterns[72 * 96 + x] * noise(k * 17 + 901) + 0.05 * noise(i)
    });
    let levels = levels.collect();
    // Waves in time at few points.
    let series = (0..600 * 20).map(|i| 9.0 * noise(i % 20) * ((i / 20) as f32 * 0.03).sin() + noise(i) * 0.1).collect();
    let rough: Vec<f32> = plane.iter().enumerate().map(|(i, &v)| v + 3.0 * noise(i)).collect();
    let big = waves(1, 720, 736).iter().enumerate().map(|(i, &v)| v + noise(i)).collect();
    // Shares, most of them none or all; a sensor's counts through a curve; floats whose last bits are 0.
    let cloud = plane.iter().enumerate().map(|(i, &v)| ((v - 262.0) * 0.1 + noise(i)).clamp(0.0, 1.0)).collect();
    let counts = plane.iter().map(|&v| ((v - 220.0).round() * 3.7).powf(1.7)).collect();
    let short = plane
        .iter()
        .enumerate()
        .map(|(i, &v)| f32::from_bits((v * 0.25 + 40.0 * noise(i)).exp2().to_bits() & !0xff))
        .collect();
    let unlike = (0..6 * 40 * 50).map(|i| {
        let (k, y, x) = (i / 2000, (i / 50 % 40) as f32, (i % 50) as f32);
        let phase = (3 + k) as f32 * (0.02 * y + k as f32) + (4.0 - k as f32) * 0.03 * x;
        (3e4 * phase.sin() + 8.0 * noise(i)).round() + (k % 2 * 8_000_000) as f32
    });
    let unlike = unlike.collect();
    use Coder::{Auto, Harmonic, Lattice};
    vec![
        case("plane", &[144, 288], plane.clone(), config(Bound::Nrmse(1e-3), Harmonic)),
        case("plane, few bytes", &[144, 288], hard(&plane, 3.0), config(Bound::Nrmse(2e-2), Harmonic)),
        case("plane, many bytes", &[144, 288], rough, config(Bound::Nrmse(1e-4), Harmonic)),
        case("volume", &[6, 72, 96], volume.clone(), config(Bound::Nrmse(1e-3), Harmonic)),
        case("levels", &[12, 72, 96], levels, config(Bound::Nrmse(1e-3), Harmonic)),
        case("volume, most", &[6, 72, 96], volume.clone(), config(Bound::MaxRel(1e-2), Auto)),
        case("storms, most", &[144, 288], hard(&plane, 3.0), config(Bound::MaxRel(1e-2), Harmonic)),
        case("held from slice to slice", &[6, 72, 96], ice, config(Bound::MaxRel(1e-3), Lattice)),
        case("held along rows", &[144, 288], held, config(Bound::Lossless, Lattice)),
        case("coast, most", &[144, 288], hard(&plane, 20.0), config(Bound::MaxRel(1e-2), Harmonic)),
        case("integers", &[144, 288], plane.clone(), config(Bound::MaxRel(1e-4), Lattice)),
        case("integers of a volume", &[6, 72, 96], volume.clone(), config(Bound::MaxRel(1e-3), Lattice)),
        case("packed", &[144, 288], packed(&plane, &[0.003_17]), config(Bound::Lossless, Auto)),
        case(
            "packed by slice",
            &[6, 72, 96],
            packed(&volume, &[0.010_13, 0.021_7, 0.013_31]),
            config(Bound::Lossless, Auto),
        ),
        case("packed otherwise", &[144, 288], nudged, config(Bound::Lossless, Auto)),
        case("rain", &[144, 288], rain.clone(), config(Bound::MaxRel(1e-3), Lattice)),
        case("rain, mean", &[144, 288], rain, config(Bound::Nrmse(1e-2), Lattice)),
        case("native", &[144, 288], native, config(Bound::Lossless, Auto)),
        case("cloud", &[144, 288], cloud, config(Bound::Nrmse(1e-2), Lattice)),
        case("counts", &[144, 288], counts, config(Bound::Lossless, Auto)),
        case("short floats", &[144, 288], short, config(Bound::Lossless, Auto)),
        case("masked", &[144, 288], masked.clone(), config(Bound::MaxRel(1e-3), Lattice)),
        case("masked, few bytes", &[144, 288], masked, config(Bound::MaxRel(1e-2), Harmonic)),
        case("land", &[144, 288], land, config(Bound::Nrmse(1e-3), Auto)),
        case("series", &[600, 4, 5], series, config(Bound::MaxRel(1e-3), Auto)),
        case("unlike slices", &[6, 40, 50], unlike, config(Bound::Lossless, Lattice)),
        case("large", &[720, 736], big, config(Bound::Nrmse(1e-3), Harmonic)),
        case("large, integers", &[512, 520], waves(1, 512, 520), config(Bound::MaxRel(1e-6), Lattice)),
    ]
}

/// Encode, decode, and check the bound.
fn stream(case: &Case) -> Vec<u8> {
    let stream = hiha::encode(&ArrayView::new(&case.values, &case.shape).unwrap(), &case.config).unwrap();
    let decoded = hiha::decode(&stream).unwrap();
    let decoded = decoded.as_slice::<f32>().unwrap();
    let range = case.values.iter().fold((f32::MAX, f32::MIN), |(lo, hi), &v| (lo.min(v), hi.max(v)));
    let range = f64::from(range.1) - f64::from(range.0);
    let pairs = || case.values.iter().zip(decoded).filter(|(a, _)| !a.is_nan());
    let error = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).abs();
    assert!(case.values.iter().zip(decoded).all(|(a, b)| a.is_nan() == b.is_nan()), "{}", case.name);
    match case.config.bound {
        Bound::MaxRel(e) => assert!(pairs().all(|p| error(p) <= e * range), "{}", case.name),
        Bound::Nrmse(e) => {
            let squares: f64 = pairs().map(|p| error(p).powi(2)).sum();
            assert!((squares / case.values.len() as f64).sqrt() <= e * range, "{}", case.name);
        }
        _ => assert!(pairs().all(|(a, b)| a.to_bits() == b.to_bits()), "{}", case.name),
    }
    stream
}

/// One test: what is left out is left out everywhere.
#[test]
fn streams_come_back_without_any_part() {
    let cases = cases();
    leave_out(&[]);
    let whole: Vec<Vec<u8>> = cases.iter().map(stream).collect();
    let mut same = Vec::new();
    // Two only spare or spend time: they change bytes where an estimate is wrong.
    for part in Part::ALL.iter().filter(|p| !matches!(p, Part::Glance | Part::CodingBoth)) {
        leave_out(&[*part]);
        let changed = cases.iter().zip(&whole).filter(|(case, whole)| stream(case) != **whole).count();
        if changed == 0 {
            same.push(part.name());
        }
    }
    assert!(same.is_empty(), "these change no stream: {same:?}");
    leave_out(&[]);
    assert!(cases.iter().zip(&whole).all(|(case, whole)| stream(case) == *whole), "parts come back");
}

/// What the table leaves out is what there is.
#[test]
fn the_table_has_every_part() {
    let table = include_str!("../benches/ablation.py");
    for part in Part::ALL {
        assert!(table.contains(&format!("\"{}\"", part.name())), "benches/ablation.py lacks {}", part.name());
    }
}
