//! Every stage of the hierarchy, forced on and off: the bound holds, the stages are there, and decoding is the same everywhere.

use hiha::{ArrayView, Axis, Bound, Coder, Config, DecodeOptions, Profile, Stage};

/// Waves of all scales that drift, hour by hour.
fn field(hours: usize, height: usize, width: usize) -> Vec<f32> {
    let noise = |i: usize| ((i as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32 - 0.5;
    (0..hours * height * width)
        .map(|i| {
            let (t, y, x) = (i / (height * width), i / width % height, i % width);
            let (t, y) = (t as f32 * 0.2, std::f32::consts::PI * (y as f32 + 0.5) / height as f32);
            let x = std::f32::consts::TAU * x as f32 / width as f32;
            let planetary = 30.0 * y.sin().powi(2) + 8.0 * y.sin() * (2.0 * x - t).cos();
            let storm = 6.0 * (-30.0 * ((y - 1.0).powi(2) + (x - 2.0 - t).powi(2))).exp() * (9.0 * x).sin();
            250.0 + planetary + storm + 0.1 * noise(i)
        })
        .collect()
}

fn check(shape: &[usize], config: &Config) -> hiha::Info {
    let (slices, plane) = shape.split_at(shape.len() - 2);
    let data = field(slices.iter().product(), plane[0], plane[1]);
    let view = ArrayView::new(&data, shape).unwrap();
    let stream = hiha::encode(&view, config).unwrap();
    let decoded = hiha::decode(&stream).unwrap();
    let values = decoded.as_slice::<f32>().unwrap();
    let errors = || data.iter().zip(values).map(|(a, b)| f64::from(a - b).abs());
    match config.bound {
        Bound::MaxAbs(e) => assert!(errors().all(|d| d <= e)),
        Bound::Rmse(e) => assert!((errors().map(|d| d * d).sum::<f64>() / data.len() as f64).sqrt() <= e),
        _ => unreachable!("not tested here"),
    }
    let options = DecodeOptions { threads: 3, ..DecodeOptions::default() };
    assert_eq!(hiha::decode_with(&stream, &options).unwrap().bytes(), decoded.bytes(), "threads");
    let info = hiha::inspect(&stream).unwrap();
    assert!(info.stages.iter().map(|s| s.1).sum::<usize>() == stream.len());
    info
}

fn has(info: &hiha::Info, stage: &str) -> bool {
    info.stages.iter().any(|s| s.0 == stage)
}

#[test]
fn stages_can_be_forced_on_and_off() {
    for bound in [Bound::MaxAbs(0.2), Bound::Rmse(0.1)] {
        for coder in [Coder::Harmonic, Coder::Spatial] {
            for (low, mid) in [(Stage::Off, Stage::Off), (Stage::Off, Stage::On), (Stage::On, Stage::On)] {
                let config = Config { coder, low, mid, periodic: true, ..Config::new(bound) };
                for shape in [&[96, 144][..], &[2, 96, 144]] {
                    let info = check(shape, &config);
                    assert_eq!(info.method, if coder == Coder::Spatial { "spatial" } else { "harmonic" });
                    assert_eq!(has(&info, "low"), low == Stage::On, "{info:?}");
                    // The low band may leave no block that misses the target.
                    assert!(has(&info, "mid") == (mid == Stage::On) || low == Stage::On, "{info:?}");
                }
            }
        }
    }
}

#[test]
fn frames_can_be_forced_on_and_off() {
    for (time, mid) in [(Stage::On, Stage::Off), (Stage::On, Stage::On), (Stage::Off, Stage::Off)] {
        let axes = vec![Axis::Time, Axis::Latitude, Axis::Longitude];
        let config = Config { time, mid, axes, periodic: true, ..Config::new(Bound::MaxAbs(0.2)) };
        let info = check(&[4, 96, 144], &config);
        assert_eq!(has(&info, "time"), time == Stage::On, "{info:?}");
        assert!(time == Stage::Off || !has(&info, "low") && !has(&info, "mid"));
    }
    // Without an axis of frames the stage cannot be.
    let config = Config { time: Stage::On, ..Config::new(Bound::MaxAbs(0.2)) };
    assert!(!has(&check(&[96, 144], &config), "time"));
}

#[test]
fn the_papers_profile_has_its_stages() {
    let config = Config { profile: Profile::Paper, periodic: true, effort: 1, ..Config::new(Bound::Rmse(0.5)) };
    let info = check(&[120, 240], &config);
    assert_eq!(info.method, "spatial");
    assert!(has(&info, "low"), "{info:?}");
    let without = check(&[120, 240], &Config { low: Stage::Off, mid: Stage::Off, ..config.clone() });
    assert!(!has(&without, "low") && !has(&without, "mid"));
    let harmonic = check(&[120, 240], &Config { coder: Coder::Harmonic, ..config });
    assert_eq!(harmonic.method, "harmonic");
}

#[test]
fn integers_and_lossless_do_without_networks() {
    let values: Vec<i32> = (0..64 * 64).collect();
    let view = ArrayView::new(&values, &[64, 64]).unwrap();
    let config = Config { profile: Profile::Paper, ..Config::new(Bound::Lossless) };
    let stream = hiha::encode(&view, &config).unwrap();
    assert_eq!(hiha::decode(&stream).unwrap().as_slice::<i32>().unwrap(), values);
}
