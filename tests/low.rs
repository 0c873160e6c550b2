//! The low band: a small SIREN below the harmonic coder.

use hiha::{ArrayView, Bound, Config, LowBand, Stage, decode, encode, inspect, preview};
use std::f64::consts::{PI, TAU};

const SHAPE: [usize; 2] = [91, 180];

fn value(row: f64, column: f64) -> f64 {
    let (y, x) = (PI * (row + 0.5) / 91.0, TAU * column / 180.0);
    5500.0 + 400.0 * y.sin() * (x + 0.4).cos() + 250.0 * (3.0 * y).cos() + 3.0 * (9.0 * x).sin() * y.sin().powi(2)
}

fn field() -> Vec<f32> {
    (0..SHAPE[0] * SHAPE[1]).map(|i| value((i / SHAPE[1]) as f64, (i % SHAPE[1]) as f64) as f32).collect()
}

fn stream(low: Stage, bound: Bound, effort: u8) -> Vec<u8> {
    let config = Config { low, effort, periodic: true, coder: hiha::Coder::Harmonic, ..Config::new(bound) };
    encode(&ArrayView::new(&field(), &SHAPE).unwrap(), &config).unwrap()
}

fn low_bytes(stream: &[u8]) -> usize {
    inspect(stream).unwrap().stages.iter().filter(|s| s.0 == "low").map(|s| s.1).sum()
}

#[test]
fn stages_are_forced_or_chosen_by_size() {
    for bound in [Bound::Nrmse(1e-3), Bound::MaxRel(1e-3)] {
        let [on, off, auto] = [Stage::On, Stage::Off, Stage::Auto].map(|s| stream(s, bound, 7));
        assert!(low_bytes(&on) > 100 && low_bytes(&off) == 0, "{bound:?}");
        assert_eq!(auto.len(), on.len().min(off.len()), "{bound:?}");
        for s in [on, off, auto] {
            let decoded = decode(&s).unwrap();
            let errors = decoded
                .as_slice::<f32>()
                .unwrap()
                .iter()
                .zip(&field())
                .map(|(a, b)| f64::from(a - b))
                .collect::<Vec<_>>();
            let (least, most) = field().iter().fold((f32::MAX, f32::MIN), |(a, b), &v| (a.min(v), b.max(v)));
            let range = f64::from(most - least);
            let worst = errors.iter().fold(0.0f64, |m, e| m.max(e.abs()));
            let rmse = (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt();
            match bound {
                Bound::MaxRel(b) => assert!(worst <= b * range),
                _ => assert!(rmse <= 1e-3 * range),
            }
        }
    }
}

#[test]
fn the_band_alone_is_read_from_the_front_and_evaluated_anywhere() {
    let whole = stream(Stage::On, Bound::Nrmse(1e-3), 5);
    let band = LowBand::read(&whole).unwrap().unwrap();
    let front = LowBand::read(&whole[..band.bytes_read()]).unwrap().unwrap();
    assert!(band.bytes_read() < 900 && band.parameters() == 373);
    let (rows, columns) = ([0.0, 17.5, 90.0], [0.0, 33.25, 179.0, 180.0]);
    let values = front.evaluate(0, &rows, &columns);
    assert_eq!(values, band.evaluate(0, &rows, &columns));
    for (k, v) in values.iter().enumerate() {
        let (y, x) = (rows[k / 4], columns[k % 4]);
        assert!((f64::from(*v) - value(y, x)).abs() < 30.0, "{y} {x}: {v} {}", value(y, x));
    }
    // Round the globe.
    assert!((values[0] - values[3]).abs() < 0.1);
    assert!(LowBand::read(&whole[..band.bytes_read() - 1]).is_err());
    assert!(LowBand::read(&stream(Stage::Off, Bound::Nrmse(1e-3), 5)).unwrap().is_none());
}

#[test]
fn previews_have_the_band() {
    let small = preview(&stream(Stage::On, Bound::Nrmse(1e-3), 5), 9, &hiha::DecodeOptions::default()).unwrap();
    let plain = preview(&stream(Stage::Off, Bound::Nrmse(1e-3), 5), 9, &hiha::DecodeOptions::default()).unwrap();
    let (a, b) = (small.array.as_slice::<f32>().unwrap(), plain.array.as_slice::<f32>().unwrap());
    assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 25.0), "{a:?} {b:?}");
}
