//! Arrays coded against a reference that the decoder must have.

use hiha::{ArrayView, Axis, Bound, ByteOrder, Coder, Config, DecodeOptions, Element, Error, Reference, preview};

const SHAPE: [usize; 3] = [3, 60, 90];

/// A rough map that stays, and what is called noise in an LCG's bits.
fn climate(i: usize) -> f32 {
    let x = (i as u32 ^ 0x5bd1).wrapping_mul(0x9e37_79b9);
    let x = (x ^ x >> 15).wrapping_mul(0x85eb_ca6b);
    250.0 + (x >> 8) as f32 * (30.0 / 16_777_216.0)
}

fn map() -> Vec<f32> {
    (0..SHAPE[1] * SHAPE[2]).map(climate).collect()
}

/// The map plus waves that move.
fn field() -> Vec<f32> {
    let plane = SHAPE[1] * SHAPE[2];
    (0..SHAPE[0] * plane)
        .map(|i| {
            let (t, x, y) = ((i / plane) as f32, (i % SHAPE[2]) as f32, (i / SHAPE[2] % SHAPE[1]) as f32);
            climate(i % plane) + 3.0 * (0.1 * x + 0.05 * y + t).sin()
        })
        .collect()
}

fn with(reference: &Reference) -> DecodeOptions {
    DecodeOptions { reference: Some(reference.clone()), ..DecodeOptions::default() }
}

fn check<T: Element>(values: &[T], shape: &[usize], config: &Config) -> (Vec<u8>, Vec<f64>) {
    let stream = hiha::encode(&ArrayView::new(values, shape).unwrap(), config).unwrap();
    let options = DecodeOptions { reference: config.reference.clone(), ..DecodeOptions::default() };
    let array = hiha::decode_with(&stream, &options).unwrap();
    let mut squares = 0.0;
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    let decoded: Vec<f64> = array.as_slice::<T>().unwrap().iter().map(|v| v.to_f64()).collect();
    for (v, d) in values.iter().zip(&decoded) {
        let v = v.to_f64();
        if let Bound::MaxAbs(e) = config.bound {
            assert!((v - d).abs() <= e || v.is_nan() && d.is_nan(), "{v} became {d}");
        }
        squares += (v - d).powi(2);
        (low, high) = (low.min(v), high.max(v));
    }
    if let Bound::Nrmse(e) = config.bound {
        assert!((squares / values.len() as f64).sqrt() <= e * (high - low));
    }
    (stream, decoded)
}

#[test]
fn what_is_known_costs_nothing() {
    let values = field();
    let reference = Reference::new(map(), &SHAPE[1..]).unwrap();
    for bound in [Bound::MaxAbs(0.05), Bound::Nrmse(1e-3)] {
        for coder in [Coder::Auto, Coder::Harmonic] {
            let plain = Config { coder, ..Config::new(bound) };
            let known = Config { reference: Some(reference.clone()), ..plain.clone() };
            let (without, _) = check(&values, &SHAPE, &plain);
            let (stream, decoded) = check(&values, &SHAPE, &known);
            assert!(stream.len() * 8 < without.len(), "{bound:?}: {} and {} bytes", stream.len(), without.len());
            let info = hiha::inspect(&stream).unwrap();
            assert_eq!(info.reference, Some(reference.hash()));
            assert_eq!(hiha::inspect(&without).unwrap().reference, None);
            // The other ways in, and a reference that is not needed.
            let mut out = vec![0; size_of_val(&values[..])];
            hiha::decode_into(&stream, &mut out, ByteOrder::NATIVE, &with(&reference)).unwrap();
            let again: Vec<f64> =
                out.chunks_exact(4).map(|b| f32::from_ne_bytes(b.try_into().unwrap()).into()).collect();
            assert_eq!(again, decoded);
            assert_eq!(hiha::decode_with(&without, &with(&reference)).unwrap(), hiha::decode(&without).unwrap());
        }
    }
    let doubles: Vec<f64> = values.iter().map(|&v| f64::from(v) + 1e-9).collect();
    check(&doubles, &SHAPE, &Config { reference: Some(reference.clone()), ..Config::new(Bound::MaxAbs(1e-4)) });
    let halves: Vec<half::f16> = values.iter().map(|&v| half::f16::from_f32(v)).collect();
    check(&halves, &SHAPE, &Config { reference: Some(reference), ..Config::new(Bound::MaxAbs(0.5)) });
}

#[test]
fn without_it_or_with_another_decoding_says_so() {
    let values = field();
    let reference = Reference::new(map(), &SHAPE[1..]).unwrap();
    let config = Config { reference: Some(reference.clone()), ..Config::new(Bound::MaxAbs(0.05)) };
    let (stream, _) = check(&values, &SHAPE, &config);
    let error = hiha::decode(&stream).unwrap_err();
    assert_eq!(error, Error::Reference { needed: reference.hash(), given: None });
    assert!(error.to_string().contains(&reference.hash()) && error.to_string().contains("none was given"), "{error}");
    let mut other = map();
    other[77] += 1e-4;
    let other = Reference::new(other, &SHAPE[1..]).unwrap();
    let error = hiha::decode_with(&stream, &with(&other)).unwrap_err();
    assert_eq!(error, Error::Reference { needed: reference.hash(), given: Some(other.hash()) });
    assert!(error.to_string().contains(&other.hash()), "{error}");
    let error = preview(&stream, 3, &DecodeOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Reference { .. }), "{error}");
    // A reference that cannot fit is refused when encoding, even where it would not be used.
    let wrong = Config { reference: Some(Reference::new(vec![0.0; 60], &[60]).unwrap()), ..config };
    let error = hiha::encode(&ArrayView::new(&values, &SHAPE).unwrap(), &wrong).unwrap_err();
    assert!(matches!(&error, Error::InvalidArgument(what) if what.contains("does not fit")), "{error}");
}

#[test]
fn a_reference_that_does_not_help_is_left_out() {
    let values: Vec<f32> = (0..5400).map(|i| 0.01 * (i as f32 * 0.01).sin()).collect();
    let reference = Reference::new(map(), &SHAPE[1..]).unwrap();
    let plain = Config::new(Bound::Nrmse(1e-3));
    let (stream, _) = check(&values, &SHAPE[1..], &Config { reference: Some(reference), ..plain.clone() });
    assert_eq!(stream, check(&values, &SHAPE[1..], &plain).0);
}

#[test]
fn masks_permutations_and_previews() {
    let (plane, mut values) = (SHAPE[1] * SHAPE[2], field());
    let mut known = map();
    for i in 0..plane {
        // Land: neither the field nor the reference knows it.
        if i % SHAPE[2] < 30 && i / SHAPE[2] < 30 {
            known[i] = f32::NAN;
            (0..SHAPE[0]).for_each(|t| values[t * plane + i] = f32::NAN);
        }
    }
    let reference = Reference::new(known.clone(), &SHAPE[1..]).unwrap();
    let config =
        Config { reference: Some(reference.clone()), coder: Coder::Harmonic, ..Config::new(Bound::MaxAbs(0.05)) };
    let (stream, _) = check(&values, &SHAPE, &config);
    assert!(hiha::inspect(&stream).unwrap().reference.is_some());
    let small = preview(&stream, 3, &with(&reference)).unwrap();
    let &[_, rows, columns] = small.array.shape() else { panic!("{:?}", small.array.shape()) };
    let middle = |axis: usize, k: usize| 0.5 * (small.cells[axis][k] + small.cells[axis][k + 1]);
    let unit = |n: usize| (0..=n).map(|i| i as f64).collect::<Vec<f64>>();
    let mut means = hiha::CellMeans::new(small.cells.clone());
    means.add(&SHAPE.map(unit), |i| values[i].into());
    for (i, (v, m)) in small.array.as_slice::<f32>().unwrap().iter().zip(means.finish()).enumerate() {
        let (y, x) = (middle(1, i / columns % rows), middle(2, i % columns));
        let near = |v: f64| (v - 30.0).abs() < 8.0;
        let at_the_coast = near(y) && x < 38.0 || near(x) && y < 38.0;
        assert!(at_the_coast || v.is_nan() == m.is_nan(), "{i}: {v} {m}");
        assert!(at_the_coast || m.is_nan() || (f64::from(*v) - m).abs() < 1.0, "{i}: {v} {m}");
    }
    assert_eq!(preview(&stream[..small.bytes_read], 3, &with(&reference)).unwrap().bytes_read, small.bytes_read);

    // Longitude first: array and reference in the array's order of axes, the stream in its own.
    let turned: Vec<f32> = (0..values.len())
        .map(|i| values[(i / SHAPE[1] % SHAPE[0]) * plane + i % SHAPE[1] * SHAPE[2] + i / SHAPE[1] / SHAPE[0]])
        .collect();
    let turned_map: Vec<f32> = (0..plane).map(|i| known[i % SHAPE[1] * SHAPE[2] + i / SHAPE[1]]).collect();
    let turned_reference = Reference::new(turned_map, &[SHAPE[2], 1, SHAPE[1]]).unwrap();
    let axes = vec![Axis::Longitude, Axis::Time, Axis::Latitude];
    let config = Config { reference: Some(turned_reference), axes, ..config };
    let (other, _) = check(&turned, &[SHAPE[2], SHAPE[0], SHAPE[1]], &config);
    assert!(other.len().abs_diff(stream.len()) < stream.len() / 10, "{} and {}", other.len(), stream.len());
}
