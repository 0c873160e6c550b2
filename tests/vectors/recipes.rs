//! The arrays of the test vectors, by the integer recipes of `codec-spec/vectors/README.md`.

use hiha::{Axis, Bound, ByteOrder, Coder, Config, DType, Element, Reference, Stage};

/// One array, how it is encoded, and what the stream must have.
pub(crate) struct Vector {
    pub(crate) name: &'static str,
    pub(crate) dtype: DType,
    pub(crate) order: ByteOrder,
    pub(crate) shape: &'static [usize],
    pub(crate) config: Config,
    pub(crate) method: &'static str,
    pub(crate) stages: &'static [&'static str],
    pub(crate) bytes: Vec<u8>,
}

/// 32 bits that look random.
fn noise(i: u64) -> u64 {
    let h = (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (h ^ (h >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 32
}

/// Parabolic arcs of length `p`.
fn arc(t: u64, p: u64) -> u64 {
    let m = t % p;
    m * (p - m)
}

/// A smooth field plus a little noise; z, y, x are the last three indices.
fn wave(i: u64, shape: &[usize]) -> u64 {
    let width = shape[shape.len() - 1] as u64;
    let height = shape.len().checked_sub(2).map_or(1, |k| shape[k] as u64);
    let (z, y, x) = (i / width / height, i / width % height, i % width);
    12 * arc(x + 5 * z, width) + 28 * arc(y + 2 * z, 30) + 4 * arc(x + y, 14) + noise(i) % 8
}

fn array<T: Element>(shape: &[usize], order: ByteOrder, f: impl Fn(u64) -> T) -> Vec<u8> {
    let swap = order != ByteOrder::NATIVE;
    let value = |i| if swap { f(i).swap() } else { f(i) };
    (0..shape.iter().product::<usize>() as u64).flat_map(|i| bytemuck::bytes_of(&value(i)).to_vec()).collect()
}

struct Recipe {
    name: &'static str,
    shape: &'static [usize],
    order: ByteOrder,
    config: Config,
    method: &'static str,
    stages: &'static [&'static str],
}

impl Recipe {
    fn of<T: Element>(self, f: impl Fn(u64) -> T) -> Vector {
        let Self { name, shape, order, config, method, stages } = self;
        Vector { name, dtype: T::DTYPE, order, shape, config, method, stages, bytes: array(shape, order, f) }
    }
}

fn recipe(name: &'static str, shape: &'static [usize], bound: Bound, coder: Coder, method: &'static str) -> Recipe {
    let config = Config { coder, ..Config::new(bound) };
    Recipe { name, shape, order: ByteOrder::Little, config, method, stages: &["detail"] }
}

/// The reference of `reference_f32`.
fn mean() -> Reference {
    let values: Vec<f32> = (0..600).map(|i| 90.0 * (noise(i) % 8) as f32).collect();
    Reference::new(values, &[20, 30]).unwrap()
}

pub(crate) fn vectors() -> Vec<Vector> {
    use Bound::{Lossless, MaxAbs, Nrmse, Rmse};
    use Coder::{Auto, Harmonic, Lattice, Spatial};
    use Stage::{Off, On};
    let periodic = |r: Recipe| Recipe { config: Config { periodic: true, ..r.config.clone() }, ..r };
    let permuted = |r: Recipe| {
        let axes = vec![Axis::Longitude, Axis::Latitude, Axis::Time];
        Recipe { config: Config { axes, periodic: true, ..r.config.clone() }, ..r }
    };
    let with = |stages, r: Recipe| Recipe { stages, ..r };
    let big = |r: Recipe| Recipe { order: ByteOrder::Big, ..r };
    let networks = |low, mid, time, r: Recipe| {
        let axes = if time == Stage::On { vec![Axis::Time, Axis::Latitude, Axis::Longitude] } else { Vec::new() };
        Recipe { config: Config { low, mid, time, axes, ..r.config.clone() }, ..r }
    };
    let fill = |fill: &[u8], r: Recipe| {
        let fill_value = Some(fill.to_vec());
        Recipe { config: Config { fill_value, ..r.config.clone() }, ..r }
    };
    vec![
        recipe("stored_u64", &[6, 5], Lossless, Auto, "stored").of(|i| noise(i) << 32 | noise(i + 1000)),
        recipe("constant_i16", &[4, 3], Lossless, Auto, "constant").of(|_| -7i16),
        with(&["mask", "detail"], recipe("constant_nan_f32", &[10, 12], MaxAbs(0.5), Auto, "constant"))
            .of(|i| if i % 12 > 4 { f32::NAN } else { 2.5 }),
        recipe("harmonic_f32", &[40, 50], Nrmse(0.00003), Harmonic, "harmonic")
            .of(|i| wave(i, &[40, 50]) as f32 / 32.0),
        periodic(recipe("harmonic_periodic_3d_f32", &[12, 20, 37], Rmse(2.0), Harmonic, "harmonic"))
            .of(|i| wave(i, &[12, 20, 37]) as f32 / 32.0),
        // Bands that mix two patterns, as those of a sensor do.
        recipe("harmonic_bands_f32", &[21, 24, 30], Nrmse(0.001), Harmonic, "harmonic").of(|i| {
            let (x, y, z) = (i % 30, i / 30 % 24, i / 720);
            let mixed = (noise(z) % 64) * arc(x + y, 30) + (noise(z + 100) % 64) * arc(x + 2 * y, 40);
            mixed as f32 / 1024.0
        }),
        // Large enough for levels in parts, of rows of blocks and of slices.
        recipe("harmonic_rows_f32", &[480, 1100], Rmse(4.0), Harmonic, "harmonic")
            .of(|i| (wave(i, &[480, 1100]) / 32 + 3 * (noise(i / 16) % 8)) as f32),
        recipe("harmonic_slices_f32", &[16, 160, 210], Rmse(4.0), Harmonic, "harmonic")
            .of(|i| (wave(i, &[16, 160, 210]) / 32 + 3 * (noise(i / 16) % 8)) as f32),
        with(
            &["detail", "corrections"],
            recipe("harmonic_corrections_f64", &[36, 50], MaxAbs(2.0), Harmonic, "harmonic"),
        )
        .of(|i| wave(i, &[36, 50]) as f64 / 32.0 + if i % 97 == 5 { 40.0 } else { 0.0 }),
        recipe("harmonic_1d_f16", &[700], MaxAbs(1.0), Harmonic, "harmonic")
            .of(|i| half::f16::from_f64(arc(i, 90) as f64 / 16.0)),
        recipe("lattice_f32", &[16, 24], Lossless, Auto, "lattice").of(|i| 1e6 / (wave(i, &[16, 24]) + 1000) as f32),
        big(recipe("lattice_big_f64", &[10, 20], Lossless, Auto, "lattice"))
            .of(|i| 1e6 / (wave(i, &[10, 20]) + 1000) as f64),
        recipe("lattice_packed_f32", &[20, 40], Lossless, Auto, "lattice")
            .of(|i| (250.0 + 0.01 * wave(i, &[20, 40]) as f64) as f32),
        recipe("lattice_nudged_f32", &[20, 40], Lossless, Auto, "lattice")
            .of(|i| 250.0 + 0.01 * (wave(i, &[20, 40]) / 16) as f32),
        recipe("lattice_table_f32", &[40, 60], Lossless, Auto, "lattice").of(|i| 1000.0 / (noise(i) % 40 + 10) as f32),
        with(&["mask", "detail"], recipe("lattice_divided_f64", &[20, 30], Lossless, Auto, "lattice"))
            .of(|i| if i % 9 == 0 { -0.0 } else { ((noise(i) % 2001) as f64 - 1000.0) / 100.0 }),
        recipe("lattice_ribbons_f32", &[2, 4200], MaxAbs(6.0), Lattice, "lattice")
            .of(|i| wave(i, &[2, 4200]) as f32 / 32.0),
        recipe("lattice_3d_i32", &[3, 12, 18], MaxAbs(2.0), Auto, "lattice")
            .of(|i| wave(i % 216, &[12, 18]) as i32 + (noise(i) % 32) as i32 - 5000),
        recipe("lattice_copies_i16", &[2, 20, 30], Lossless, Auto, "lattice")
            .of(|i| (noise(i % 600 / 3 + i / 60 % 10 / 9 * 1000 * (i / 600)) % 5001) as i16 - 2500),
        recipe("lattice_joined_i32", &[4, 20, 30], Lossless, Auto, "lattice").of(|i| wave(i, &[4, 20, 30]) as i32),
        recipe("lattice_ends_i16", &[30, 40], Lossless, Auto, "lattice")
            .of(|i| if (i / 320 + i % 40 / 10) % 2 == 0 { 0 } else { (noise(i) % 101) as i16 + 1 }),
        recipe("lattice_1d_u8", &[600], Lossless, Auto, "lattice").of(|i| (arc(i, 30) + noise(i) % 2) as u8),
        periodic(recipe("lattice_periodic_f32", &[3, 10, 40], MaxAbs(0.25), Lattice, "lattice"))
            .of(|i| (wave(i % 400, &[10, 40]) + noise(i) % 32) as f32 / 32.0),
        big(recipe("lattice_5d_bf16", &[2, 1, 3, 4, 9], MaxAbs(1.0), Lattice, "lattice"))
            .of(|i| half::bf16::from_f64((wave(i, &[3, 4, 9]) / 64) as f64)),
        fill(
            &(-9999.0f32).to_ne_bytes(),
            with(&["mask", "detail"], recipe("mask_f32", &[20, 30], MaxAbs(0.125), Auto, "lattice")),
        )
        .of(|i| match noise(i) % 16 {
            0 => f32::NAN,
            1 => f32::INFINITY,
            2 => f32::NEG_INFINITY,
            _ if i % 30 < 8 => -9999.0,
            _ => wave(i, &[20, 30]) as f32 / 32.0,
        }),
        with(&["mask", "detail"], recipe("mask_3d_f32", &[4, 20, 30], MaxAbs(0.125), Auto, "lattice")).of(|i| {
            let (x, y, z) = (i % 30, i / 30 % 20, i / 600);
            let land = arc(x, 30) + 2 * arc(y, 20) + noise(i) % 32 < 100 + 60 * z;
            if land { f32::NAN } else { wave(i, &[4, 20, 30]) as f32 / 32.0 }
        }),
        fill(
            &[-9999i16, 32767].map(i16::to_ne_bytes).concat(),
            with(&["mask", "detail"], recipe("mask_fills_i16", &[20, 20], Lossless, Auto, "lattice")),
        )
        .of(|i| match i {
            _ if i % 5 == 0 => -9999,
            _ if i % 7 == 0 => 32767,
            _ => (noise(i) % 101) as i16,
        }),
        permuted(recipe("permuted_f32", &[18, 10, 3], MaxAbs(0.25), Auto, "harmonic"))
            .of(|i| wave(i, &[18, 10, 3]) as f32 / 32.0),
        // Small values would be rounded to the fill value: they are held exactly.
        fill(
            &0i16.to_ne_bytes(),
            with(&["mask", "detail", "exact"], recipe("exact_i16", &[20, 20], MaxAbs(2.0), Auto, "lattice")),
        )
        .of(|i| if i % 7 == 0 { 0 } else { (noise(i) % 101) as i16 - 50 }),
        with(
            &["low", "detail"],
            networks(On, Off, Off, recipe("low_3d_f32", &[3, 40, 45], Rmse(40.0), Harmonic, "harmonic")),
        )
        .of(|i| wave(i, &[3, 40, 45]) as f32 / 32.0),
        with(
            &["low", "mid", "detail"],
            networks(On, On, Off, recipe("mid_f32", &[240, 240], Rmse(10.0), Harmonic, "harmonic")),
        )
        .of(|i| wave(i, &[240, 240]) as f32 / 32.0),
        with(
            &["mid", "detail"],
            networks(Off, On, Off, recipe("mid_3d_f32", &[2, 90, 90], Rmse(60.0), Spatial, "spatial")),
        )
        .of(|i| wave(i, &[2, 90, 90]) as f32 / 32.0),
        with(
            &["time", "detail"],
            networks(On, On, On, recipe("time_f32", &[3, 120, 120], Rmse(60.0), Spatial, "spatial")),
        )
        .of(|i| wave(i, &[3, 120, 120]) as f32 / 32.0),
        recipe("spatial_f32", &[20, 30], MaxAbs(30.0), Spatial, "spatial").of(|i| wave(i, &[20, 30]) as f32 / 32.0),
        with(&["reference", "detail"], {
            let r = recipe("reference_f32", &[3, 20, 30], MaxAbs(1.0), Harmonic, "harmonic");
            Recipe { config: Config { reference: Some(mean()), ..r.config.clone() }, ..r }
        })
        .of(|i| (wave(i, &[3, 20, 30]) / 32 + 90 * (noise(i % 600) % 8)) as f32),
    ]
}

/// Hold the decoded bytes to the bound.
pub(crate) fn check(v: &Vector, original: &[u8], decoded: &[u8]) {
    let values = |bytes: &[u8]| -> Vec<f64> {
        bytes
            .chunks_exact(v.dtype.size())
            .map(|b| match v.dtype {
                DType::F16 => half::f16::from_le_bytes(b.try_into().unwrap()).to_f64(),
                DType::BF16 => half::bf16::from_le_bytes(b.try_into().unwrap()).to_f64(),
                DType::F32 => f32::from_le_bytes(b.try_into().unwrap()).into(),
                DType::F64 => f64::from_le_bytes(b.try_into().unwrap()),
                DType::I16 => i16::from_le_bytes(b.try_into().unwrap()).into(),
                DType::I32 => i32::from_le_bytes(b.try_into().unwrap()).into(),
                other => panic!("{other} has no bound among the vectors"),
            })
            .collect()
    };
    let (original, decoded) = (values(original), values(decoded));
    let fill = v.config.fill_value.as_deref().map_or(Vec::new(), values);
    let ordinary = |a: f64| a.is_finite() && !fill.contains(&a);
    let (mut lo, mut hi) = (f64::INFINITY, f64::NEG_INFINITY);
    let (mut squares, mut count) = (0.0, 0.0);
    for (&a, &b) in original.iter().zip(&decoded) {
        if !ordinary(a) {
            assert!(a.to_bits() == b.to_bits(), "{}: {a} became {b}", v.name);
            continue;
        }
        (lo, hi) = (lo.min(a), hi.max(a));
        squares += (a - b) * (a - b);
        count += 1.0;
        if let Bound::MaxAbs(eps) = v.config.bound {
            assert!((a - b).abs() <= eps, "{}: {a} became {b}", v.name);
        }
    }
    let rmse = f64::sqrt(squares / count);
    match v.config.bound {
        Bound::MaxAbs(_) => {}
        Bound::Rmse(limit) => assert!(rmse <= limit, "{}: {rmse}", v.name),
        Bound::Nrmse(limit) => assert!(rmse <= limit * (hi - lo), "{}: {rmse}", v.name),
        other => panic!("{other:?} is not among the vectors"),
    }
}

/// Bytes with their CRC-32 behind them.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// Streams that must be refused. All but the first five have a right checksum.
pub(crate) fn damaged() -> Vec<(&'static str, Vec<u8>)> {
    let data: Vec<i16> = vec![-7; 12];
    let view = hiha::ArrayView::new(&data, &[4, 3]).unwrap();
    let good = hiha::encode(&view, &Config::new(Bound::Lossless)).unwrap();
    let changed = |at: usize, to: u8| {
        let mut bytes = good[..good.len() - 4].to_vec();
        bytes[at] = to;
        bytes
    };
    // A mask with NaN in it, which integers do not have.
    let holes = vectors().into_iter().find(|v| v.name == "constant_nan_f32").unwrap();
    let view = hiha::ArrayView::from_bytes(&holes.bytes, holes.dtype, holes.order, holes.shape).unwrap();
    let holes = hiha::encode(&view, &holes.config).unwrap();
    let stages = hiha::inspect(&holes).unwrap().stages;
    let mask = &holes[stages[0].1 - 4..][..stages[1].1];
    let mut checksum = good.clone();
    *checksum.last_mut().unwrap() ^= 1;
    let head = |shape: &[u8], rest: &[u8]| {
        // Magic, version 0, int16, dimensions and lossless.
        let mut bytes = b"HiHa\0\x0a".to_vec();
        bytes.push(shape.iter().filter(|&&b| b < 0x80).count() as u8);
        bytes.extend_from_slice(shape);
        bytes.extend_from_slice(rest);
        sealed(bytes)
    };
    vec![
        ("x_magic", sealed(changed(3, b'A'))),
        ("x_version", sealed(changed(4, 1))),
        ("x_truncated", good[..good.len() - 5].to_vec()),
        ("x_checksum", checksum),
        ("x_trailing", [good.clone(), vec![0]].concat()),
        // Two sections, detail before mask.
        ("x_section_order", head(&[4, 3], &[1, 2, 7, 2, 2, 1, 0xf9, 0xff, 0])),
        // Axes 0 and 2 of two.
        ("x_axis_order", head(&[4, 3], &[0x41, 0, 2, 1, 7, 2, 0xf9, 0xff])),
        ("x_dimension_zero", head(&[4, 0], &[1, 1, 7, 2, 0xf9, 0xff])),
        // 2^32 elements of two bytes.
        ("x_too_large", head(&[0x80, 0x80, 0x80, 0x80, 0x10], &[1, 1, 7, 2, 0xf9, 0xff])),
        ("x_class", head(&[10, 12], &[&[1, 2, 2, mask.len() as u8, 7, 2][..], mask, &[0xf9, 0xff]].concat())),
    ]
}
