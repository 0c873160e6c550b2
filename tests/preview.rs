//! Previews: like means over the cells, from the front of the stream alone.

use hiha::{Array, ArrayView, Axis, Bound, CellMeans, Coder, Config, DecodeOptions, Element, Error, Preview, preview};

fn config(bound: Bound, coder: Coder) -> Config {
    Config { coder, periodic: true, ..Config::new(bound) }
}

/// Waves of several lengths; the last two of `shape` are a map.
fn field(shape: &[usize]) -> Vec<f32> {
    let (h, w) = (shape[shape.len() - 2], shape[shape.len() - 1]);
    (0..shape.iter().product::<usize>())
        .map(|i| {
            let (x, y, t) = (i % w, i / w % h, (i / w / h) as f32);
            let (x, y) = (x as f32 / w as f32 * std::f32::consts::TAU, y as f32 / h as f32);
            280.0 - 60.0 * y * y + 6.0 * (3.0 * x + 2.0 * y + 0.1 * t).sin() + 0.5 * (17.0 * x).cos() * (30.0 * y).sin()
        })
        .collect()
}

fn look(stream: &[u8], scale: usize) -> Preview {
    preview(stream, scale, &DecodeOptions::default()).unwrap()
}

/// Root mean square difference between a preview and the means of the values over its cells.
fn difference(p: &Preview, values: &[f32], shape: &[usize]) -> f64 {
    let unit: Vec<Vec<f64>> = shape.iter().map(|&n| (0..=n).map(|i| i as f64).collect()).collect();
    let mut means = CellMeans::new(p.cells.clone());
    means.add(&unit, |i| values[i].into());
    assert_eq!(means.shape(), p.array.shape());
    let means = means.finish();
    let small = p.array.as_slice::<f32>().unwrap();
    (means.iter().zip(small).map(|(m, &v)| (m - f64::from(v)).powi(2)).sum::<f64>() / means.len() as f64).sqrt()
}

#[test]
fn every_scale_is_close_to_means() {
    for shape in [&[181, 360][..], &[3, 181, 360], &[2, 3, 60, 100], &[200, 17]] {
        let values = field(shape);
        let view = ArrayView::new(&values, shape).unwrap();
        let stream = hiha::encode(&view, &config(Bound::Nrmse(1e-4), Coder::Harmonic)).unwrap();
        assert_eq!(hiha::inspect(&stream).unwrap().method, "harmonic");
        let mut last = usize::MAX;
        for scale in [1, 3, 9, 27] {
            let p = look(&stream, scale);
            assert!(p.scale() <= 1.125 * scale as f64, "{} for {scale}", p.scale());
            assert!(p.bytes_read <= last);
            last = p.bytes_read;
            let d = difference(&p, &values, shape);
            // Of 80 K; waves near the limit of the coarse image differ from means most.
            println!("{shape:?} 1/{scale}: {d} of {}", p.bytes_read);
            assert!(d < 1.5, "{shape:?} 1/{scale}: {d}");
        }
        let whole = look(&stream, 1);
        assert_eq!(whole.array, hiha::decode(&stream).unwrap());
    }
}

#[test]
fn the_front_is_enough() {
    let shape = [4, 181, 360];
    let mut values = field(&shape);
    for (i, v) in values.iter_mut().enumerate() {
        *v += (i as u32).wrapping_mul(0x9e37_79b9).wrapping_mul(i as u32 | 1) as f32 * 1e-10;
    }
    let view = ArrayView::new(&values, &shape).unwrap();
    let stream = hiha::encode(&view, &config(Bound::MaxAbs(0.01), Coder::Harmonic)).unwrap();
    for (scale, part) in [(3, 0.6), (9, 0.3), (30, 0.1)] {
        let p = look(&stream, scale);
        let read = p.bytes_read as f64 / stream.len() as f64;
        assert!(read < part, "1/{scale}: {} of {}", p.bytes_read, stream.len());
        assert_eq!(look(&stream[..p.bytes_read], scale), p);
        // Not a byte more than it says, and no word less: the coder reads words of four bytes.
        let mut damaged = stream.clone();
        damaged[p.bytes_read..].fill(0xa5);
        assert_eq!(look(&damaged, scale), p);
        for cut in [p.bytes_read - 1, p.bytes_read / 2, 20] {
            let error = preview(&stream[..cut], scale, &DecodeOptions::default()).unwrap_err();
            assert!(matches!(error, Error::Truncated { .. }), "{cut}: {error}");
        }
    }
    assert!(matches!(preview(&stream, 0, &DecodeOptions::default()), Err(Error::InvalidArgument(_))));
    let tight = DecodeOptions { max_bytes: 1000, ..DecodeOptions::default() };
    assert!(matches!(preview(&stream, 3, &tight), Err(Error::Limit { .. })));
    assert!(preview(&stream, 1000, &DecodeOptions { max_bytes: 10_000, ..tight }).is_ok());
}

#[test]
fn other_methods_are_averaged() {
    let shape = [50, 70];
    let values = field(&shape);
    let view = ArrayView::new(&values, &shape).unwrap();
    for (bound, method) in [(Bound::MaxAbs(0.01), "lattice"), (Bound::Lossless, "lattice")] {
        let stream = hiha::encode(&view, &config(bound, Coder::Lattice)).unwrap();
        assert_eq!(hiha::inspect(&stream).unwrap().method, method);
        let p = look(&stream, 8);
        assert_eq!((p.array.shape(), p.bytes_read), (&[7, 9][..], stream.len()));
        assert!(difference(&p, &values, &shape) < 0.011);
        assert!(preview(&stream[..stream.len() - 1], 8, &DecodeOptions::default()).is_err());
    }
    let constant = hiha::encode(&ArrayView::new(&[7i16; 100], &[10, 10]).unwrap(), &Config::new(Bound::Lossless));
    assert_eq!(look(&constant.unwrap(), 5).array.as_slice::<i16>().unwrap(), [7; 4]);
    let noise: Vec<u64> = (0..64u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
    let stored = hiha::encode(&ArrayView::new(&noise, &[64]).unwrap(), &Config::new(Bound::Lossless)).unwrap();
    assert_eq!(look(&stored, 64).array.len(), 1);
}

#[test]
fn a_masked_cell_is_mostly_masked() {
    let shape = [2, 96, 120];
    let mut values = field(&shape);
    let fill = 9.96921e36f32;
    let is_land = |i: usize| i % 120 < 60 && i / 120 % 96 < 48;
    for (i, v) in values.iter_mut().enumerate() {
        if is_land(i) {
            *v = fill;
        }
    }
    for coder in [Coder::Harmonic, Coder::Lattice] {
        let mut config = config(Bound::MaxAbs(0.01), coder);
        config.fill_value = Some(fill.to_ne_bytes().to_vec());
        let stream = hiha::encode(&ArrayView::new(&values, &shape).unwrap(), &config).unwrap();
        let p = look(&stream, 8);
        let (rows, columns) = (p.array.shape()[1], p.array.shape()[2]);
        let middle = |b: &[f64], i: usize| (b[i] + b[i + 1]) / 2.0;
        for (i, v) in p.array.as_slice::<f32>().unwrap().iter().enumerate() {
            let (y, x) = (middle(&p.cells[1], i / columns % rows), middle(&p.cells[2], i % columns));
            assert_eq!(v.same(fill), y < 48.0 && x < 60.0, "{coder:?} {i}: {v}");
            assert!(v.same(fill) || (200.0..300.0).contains(v), "{coder:?} {i}: {v}");
        }
    }
}

#[test]
fn land_is_part_of_means() {
    let shape = [96, 120];
    let mut values = field(&shape);
    // Not declared as a fill value.
    let land = |i: usize| i / 120 > 30 && (i % 120 + i / 120) % 70 < 31;
    values.iter_mut().enumerate().filter(|(i, _)| land(*i)).for_each(|(_, v)| *v = 251.123);
    for coder in [Coder::Harmonic, Coder::Lattice] {
        let stream =
            hiha::encode(&ArrayView::new(&values, &shape).unwrap(), &config(Bound::MaxAbs(0.01), coder)).unwrap();
        assert!(hiha::inspect(&stream).unwrap().stages.iter().any(|s| s.0 == "mask"), "{coder:?}");
        for scale in [3, 9] {
            let d = difference(&look(&stream, scale), &values, &shape);
            assert!(d < 2.0, "{coder:?} 1/{scale}: {d}");
        }
    }
}

/// The array with its axes turned: the last becomes the first.
fn turned(values: &[f32], shape: [usize; 3]) -> Vec<f32> {
    let mut out = vec![0.0; values.len()];
    for (i, &v) in values.iter().enumerate() {
        let (t, y, x) = (i / shape[1] / shape[2], i / shape[2] % shape[1], i % shape[2]);
        out[(x * shape[0] + t) * shape[1] + y] = v;
    }
    out
}

#[test]
fn axes_keep_their_order() {
    let shape = [3, 90, 180];
    let values = field(&shape);
    let plain = config(Bound::Nrmse(1e-4), Coder::Harmonic);
    let axes = vec![Axis::Longitude, Axis::Time, Axis::Latitude];
    let straight = look(&hiha::encode(&ArrayView::new(&values, &shape).unwrap(), &plain).unwrap(), 3);
    let values = turned(&values, shape);
    let view = ArrayView::new(&values, &[180, 3, 90]).unwrap();
    let p = look(&hiha::encode(&view, &Config { axes, ..plain }).unwrap(), 3);
    assert_eq!([p.cells[1].len(), p.cells[2].len(), p.cells[0].len()], [4, 33, 65]);
    let a: Vec<f32> = straight.array.as_slice().unwrap().to_vec();
    let s = straight.array.shape();
    assert_eq!(turned(&a, [s[0], s[1], s[2]]), p.array.as_slice::<f32>().unwrap());
}

#[test]
fn one_dimension_and_single_elements() {
    let values: Vec<f64> = (0..5000).map(|i| (f64::from(i) * 0.01).sin()).collect();
    let shape = [1, 5000, 1];
    let regional = Config { coder: Coder::Harmonic, ..Config::new(Bound::Nrmse(1e-3)) };
    let stream = hiha::encode(&ArrayView::new(&values, &shape).unwrap(), &regional).unwrap();
    let p = look(&stream, 9);
    assert_eq!((p.array.shape()[0], p.array.shape()[2], p.cells[0].len()), (1, 1, 2));
    for (c, &v) in p.cells[1].windows(2).zip(p.array.as_slice::<f64>().unwrap()) {
        let middle = ((c[0] + c[1] - 1.0) / 2.0 * 0.01).sin();
        // A wavelet's outermost samples lie beside the middle of their cells.
        assert!((v - middle).abs() < 0.03, "{c:?}: {v} {middle}");
    }
    let one: Array =
        look(&hiha::encode(&ArrayView::new(&[3.5f32], &[1, 1]).unwrap(), &Config::new(Bound::Lossless)).unwrap(), 4)
            .array;
    assert_eq!(one.as_slice::<f32>().unwrap(), [3.5]);
}
