//! Damaged middle bands, frames and sparse points, behind right checksums: an array or an error, soon, and the same with any
//! number of threads.

use hiha::{ArrayView, Axis, Bound, Coder, Config, DecodeOptions, Error, Stage};

fn varint(out: &mut Vec<u8>, mut v: usize) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

/// A float32 stream of method 4 (spatial) with one section before an empty detail.
fn stream(shape: &[usize], section: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = b"HiHa\0\x03".to_vec();
    out.push(shape.len() as u8);
    shape.iter().for_each(|&d| varint(&mut out, d));
    out.extend([4, 2, section]);
    varint(&mut out, payload.len());
    out.extend([7, 16]);
    out.extend(payload);
    out.extend([0; 16]);
    out.extend(crc32fast::hash(&out).to_le_bytes());
    out
}

/// A pass over roots of a grid; the amplitude is 1.
fn pass(inputs: u8, depth: u8, width: u8, grid: [u8; 3]) -> Vec<u8> {
    [&[inputs, depth, width - 1, 1][..], &grid, &1f32.to_le_bytes()].concat()
}

fn refused(stream: &[u8], why: &str) {
    match hiha::decode(stream) {
        Err(Error::Corrupt { what, .. }) => assert!(what.contains(why), "{what}"),
        other => panic!("expected an error about {why}, got {other:?}"),
    }
}

#[test]
fn networks_keep_to_the_budget() {
    // Bytes past the end are 0, and the range decoder then reads ones: every block has a network and is split.
    let big = pass(2, 5, 255, [1, 16, 16]);
    refused(&stream(&[64, 64], 5, &[&[1][..], &big].concat()), "networks ask for more");
    let small = pass(2, 1, 8, [1, 1, 1]);
    let array = hiha::decode(&stream(&[64, 64], 5, &[&[1][..], &small].concat())).unwrap();
    assert_eq!(array.shape(), [64, 64]);
    // A network on the whole array at every depth: multiplications, not parameters.
    let all = [&[4][..], &pass(2, 5, 200, [1, 1, 1]).repeat(4)].concat();
    refused(&stream(&[300, 400], 5, &all), "networks ask for more");
    // The low band too: rows of two elements have grids of four nodes.
    let low = |ratio: u8, depth: u8, width: u8| {
        let scale = [0f32, 1.0].map(f32::to_le_bytes).concat();
        [&[2, depth, width - 1, 1, ratio][..], &scale].concat()
    };
    let wide = stream(&[50_000, 2], 4, &low(1, 5, 255));
    refused(&wide, "networks ask for more");
    assert!(hiha::LowBand::read(&wide).is_err());
    assert!(hiha::decode(&stream(&[300, 400], 4, &low(3, 2, 16))).is_ok());
    // Frames: every frame with the largest network.
    let frames = [&[0, 1][..], &pass(2, 5, 255, [1, 1, 1]), &[1], &pass(2, 5, 255, [1, 1, 1])].concat();
    refused(&stream(&[100, 20, 30], 6, &frames), "networks ask for more");
    let frames = [&[0, 1][..], &pass(2, 1, 8, [1, 1, 1]), &[0]].concat();
    assert!(hiha::decode(&stream(&[100, 20, 30], 6, &frames)).is_ok());
}

#[test]
fn wrong_parameters_are_refused() {
    refused(&stream(&[64, 64], 6, &[0, 0, 0]), "without outer axes");
    refused(&stream(&[3, 64, 64], 6, &[2, 0, 0]), "must be 0 or 1");
    refused(&stream(&[64, 64], 5, &[5]), "passes");
    refused(&stream(&[64, 64], 5, &[&[1][..], &pass(3, 1, 8, [1, 1, 1])].concat()), "inputs");
    refused(&stream(&[64, 64], 5, &[&[1][..], &pass(2, 1, 8, [1, 17, 1])].concat()), "grid");
    assert!(matches!(hiha::decode(&stream(&[64, 64], 5, &[1, 2, 1])), Err(Error::Truncated { .. })));
}

#[test]
fn damaged_sections_give_arrays_or_errors() {
    let shape = [3, 64, 96];
    let data: Vec<f32> = (0..3 * 64 * 96)
        .map(|i| (i as f32 * 0.013).sin() + ((i / 96) as f32 * 0.11).cos() + (i % 96) as f32 * 0.01)
        .collect();
    let axes = vec![Axis::Time, Axis::Latitude, Axis::Longitude];
    let base = Config { axes, periodic: true, coder: Coder::Spatial, ..Config::new(Bound::MaxAbs(0.05)) };
    let mut seed = 1u64;
    let mut next = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize
    };
    for config in [
        Config { low: Stage::On, mid: Stage::On, ..base.clone() },
        Config { time: Stage::On, mid: Stage::On, ..base.clone() },
        base,
    ] {
        let good = hiha::encode(&ArrayView::new(&data, &shape).unwrap(), &config).unwrap();
        let (mut arrays, mut errors) = (0, 0);
        for _ in 0..60 {
            let mut bad = good.clone();
            let body = 40..bad.len() - 4;
            for _ in 0..=next() % 3 {
                bad[body.start + next() % body.len()] = next() as u8;
            }
            let end = bad.len() - 4;
            let crc = crc32fast::hash(&bad[..end]);
            bad[end..].copy_from_slice(&crc.to_le_bytes());
            match hiha::decode(&bad) {
                Ok(array) => {
                    arrays += 1;
                    let options = DecodeOptions { threads: 3, ..DecodeOptions::default() };
                    assert_eq!(hiha::decode_with(&bad, &options).unwrap().bytes(), array.bytes());
                }
                Err(Error::Corrupt { .. } | Error::Truncated { .. }) => errors += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert!(arrays + errors == 60 && arrays > 20, "{arrays} arrays, {errors} errors");
    }
}
