//! Kinds of data that were once coded badly, or not at all: each comes back as promised, and in few bytes.

use super::tests::{check, noise};
use crate::{Bound, Config};

#[test]
fn two_values_that_stand_for_missing_ones() {
    let mut data: Vec<f32> = (0..6000).map(|i| 280.0 + noise(1, i) as f32).collect();
    data[600..900].fill(1e20);
    data[3000..3100].fill(-999.0);
    let fills: Vec<u8> = [1e20f32, -999.0].iter().flat_map(|v| v.to_ne_bytes()).collect();
    for bound in [Bound::MaxAbs(1e30), Bound::MaxAbs(0.01), Bound::Nrmse(1e-3), Bound::MaxRel(1e-2), Bound::Lossless] {
        check(&data, &[60, 100], &Config { fill_value: Some(fills.clone()), ..Config::new(bound) });
    }
    let bad = |bytes: usize| Config { fill_value: Some(vec![0; bytes]), ..Config::new(Bound::Lossless) };
    let view = crate::ArrayView::new(&data, &[60, 100]).unwrap();
    for bytes in [0, 3, 7, 20] {
        assert!(crate::encode(&view, &bad(bytes)).is_err(), "{bytes} bytes");
    }
}

#[test]
fn decimals_with_zeros_of_both_signs() {
    // As programs print and read them: rounded to four digits, small negative ones to -0.0.
    let decimal = |i: usize| (2e4 * (noise(2, i) - 0.5)).round().clamp(-9e3, 9e3) / 1e4;
    let data: Vec<f64> = (0..20_000).map(|i| if i % 9 == 0 { decimal(i).signum() * 0.0 } else { decimal(i) }).collect();
    assert!(data.iter().any(|v| v.to_bits() == 0) && data.iter().any(|v| v.to_bits() == 1 << 63));
    let size = check(&data, &[100, 200], &Config::new(Bound::Lossless));
    assert!(size < 20_000 * 2, "{size}: 15 bits an element are enough");
    let single: Vec<f32> = data.iter().map(|&v| v as f32).collect();
    assert!(check(&single, &[100, 200], &Config::new(Bound::Lossless)) < 20_000 * 2);
}

#[test]
fn values_of_a_table() {
    // Temperatures by a sensor's counts.
    let value = |count: usize| (2000.0 / (1.0 + 500.0 / (100.0 + count as f64)).ln()) as f32;
    let data: Vec<f32> = (0..20_000).map(|i| value((noise(3, i) * 300.0) as usize)).collect();
    for bound in [Bound::Lossless, Bound::MaxRel(1e-6), Bound::Nrmse(1e-6)] {
        let size = check(&data, &[100, 200], &Config::new(bound));
        assert!(size < 20_000 * 9 / 8, "{bound:?}: {size}, 8.3 bits an element are enough");
    }
}

#[test]
fn values_near_those_of_a_table() {
    // Means of three to seven packed values each: thirds to sevenths of a step, many of them close to each other.
    let share = |i: usize| 3.0 + (noise(5, i) * 5.0).floor();
    let mean = |i: usize| (noise(6, i) * 40.0 * share(i)).floor() / share(i);
    let data: Vec<f32> = (0..20_000).map(|i| (0.004 * mean(i) * (1.0 + 1e-7 * noise(7, i))) as f32).collect();
    let sizes = [0.0, 1e-4, 1e-2].map(|eps| {
        let bound = if eps > 0.0 { Bound::MaxRel(eps) } else { Bound::Lossless };
        check(&data, &[100, 200], &Config::new(bound))
    });
    assert!(sizes[1] < 20_000 * 11 / 8 && sizes[2] < sizes[1] && sizes[1] < sizes[0], "{sizes:?}");
}

#[test]
fn steps_common_to_all() {
    let tens: Vec<i32> = (0..20_000).map(|i| 1000 * (noise(4, i) * 64.0) as i32 - 7).collect();
    assert!(check(&tens, &[100, 200], &Config::new(Bound::Lossless)) < 20_000 * 7 / 8);
    let cut: Vec<f32> = (0..20_000).map(|i| f32::from_bits((1.0 + noise(5, i) as f32).to_bits() & !0xfff)).collect();
    assert!(check(&cut, &[100, 200], &Config::new(Bound::Lossless)) < 20_000 * 12 / 8);
}

#[test]
fn a_lattice_holds_what_is_frequent() {
    // A fraction: mostly 0 and 1.
    let data: Vec<f32> = (0..40_000)
        .map(|i| match noise(6, i / 7) {
            v if v < 0.45 => 0.0,
            v if v > 0.55 => 1.0,
            _ => noise(7, i) as f32,
        })
        .collect();
    let size = |data: &[f32]| {
        check(data, &[200, 200], &Config { coder: crate::Coder::Lattice, ..Config::new(Bound::Rmse(1e-2)) })
    };
    let least = size(&data);
    assert!(least < 5200, "{least}");
    // As far from each other, but not on one lattice with the least value.
    let shifted: Vec<f32> = data.iter().enumerate().map(|(i, v)| if i == 0 { -0.4987 } else { *v }).collect();
    size(&shifted);
}

#[test]
fn few_long_rows() {
    for (rows, columns) in [(3, 5000), (31, 4097), (2, 8192), (4, 4609)] {
        let data: Vec<f32> = (0..rows * columns)
            .map(|i| {
                if noise(8, i % columns / 5) < 0.4 {
                    0.0
                } else {
                    30.0 + (i / columns) as f32 + noise(9, i % columns) as f32
                }
            })
            .collect();
        for bound in [Bound::Lossless, Bound::MaxAbs(0.01), Bound::Nrmse(1e-2)] {
            let config = Config { coder: crate::Coder::Lattice, ..Config::new(bound) };
            let all = check(&data, &[rows, columns], &config);
            let one = check(&data[..columns], &[1, columns], &config);
            assert!(
                bound != Bound::MaxAbs(0.01) || all < one * (rows + 1) / 2,
                "{rows} rows of {columns}: {all}, one {one}"
            );
            check(&data, &[rows, 1, columns], &config);
        }
    }
}

#[test]
fn bounds_far_beyond_the_data() {
    let tiny: Vec<f64> = (0..6400).map(|i| f64::from((noise(10, i) * 100.0) as i32 - 50) * 5e-324).collect();
    for bound in [Bound::Rmse(1e-9), Bound::Rmse(1e300), Bound::MaxAbs(1e308), Bound::Nrmse(1e5)] {
        check(&tiny, &[80, 80], &Config::new(bound));
    }
}

#[test]
fn land_that_nobody_declared() {
    let wave = |i: usize| ((i % 180) as f64 * 0.05).sin() * 6.0 + ((i / 180) as f64 * 0.07).cos() * 9.0;
    let land = |i: usize| (i / 180) % 60 > 20 + (i % 180) / 9 && (i % 180) % 70 < 45;
    // Of hundredths, and 0.0123 on land, which is none of them. A little sea is as high as the land.
    let sea = |i: usize| {
        if i.is_multiple_of(997) { 0.0123 } else { (wave(i) * 100.0 + noise(9, i) * 4.0).round() as f32 / 100.0 }
    };
    let data: Vec<f32> = (0..2 * 120 * 180).map(|i| if land(i) { 0.0123 } else { sea(i) }).collect();
    let declared = Some(0.0123f32.to_ne_bytes().to_vec());
    for effort in [1, 5] {
        for bound in [Bound::Lossless, Bound::MaxAbs(0.02), Bound::Rmse(0.02), Bound::Rmse(0.2)] {
            let config = Config { effort, ..Config::new(bound) };
            let size = check(&data, &[2, 120, 180], &config);
            let best = check(&data, &[2, 120, 180], &Config { fill_value: declared.clone(), ..config });
            assert!(size < best + best / 50, "{bound:?}, effort {effort}: {size}, declared {best}");
        }
    }
}

#[test]
fn two_values_that_share_a_field() {
    let data: Vec<i16> = (0..100 * 100).map(|i| if i / 100 + i % 100 > 110 { 700 } else { -3 }).collect();
    let size = check(&data, &[100, 100], &Config::new(Bound::Lossless));
    assert!(size < 80, "{size}");
}

#[test]
fn slices_that_are_packed_each_in_its_way() {
    // Decimals in f32, from a base that is none: one rounding too many for a lattice; and a slice of native floats.
    let count =
        |i: usize| 40.0 * ((i % 90) as f64 * 0.1).sin() + 30.0 * ((i / 90 % 70) as f64 * 0.08).cos() + noise(11, i);
    let value = |i: usize| match i / (90 * 70) {
        0 => (-10.866 + (count(i) * 10.0).round() * 0.001) as f32 + 0.000_017_3,
        1 => ((count(i) * 10.0).round() * 0.02 - 7.0) as f32 / 3.0,
        2 => (count(i) * 0.377) as f32,
        _ => (0.3 + (count(i) * 4.0).round() * 0.0002) as f32,
    };
    // Lattices a sixtieth of a step apart: all together have one, but slices have few of its points.
    let beside = |i: usize| (60.0 * (count(i) * 10.0).round() + (i / (90 * 70)) as f64) as f32 / 64.0;
    let all = |value: &dyn Fn(usize) -> f32| -> Vec<f32> { (0..5 * 70 * 90).map(value).collect() };
    for data in [all(&value), all(&beside)] {
        let size = check(&data, &[5, 70, 90], &Config::new(Bound::Lossless));
        let slices: Vec<usize> =
            data.chunks(70 * 90).map(|part| check(part, &[70, 90], &Config::new(Bound::Lossless))).collect();
        assert!(size < slices.iter().sum::<usize>() * 6 / 5, "{size}, each by itself {slices:?}");
        for bound in [Bound::MaxRel(1e-3), Bound::MaxRel(1e-5), Bound::Nrmse(1e-5)] {
            check(&data, &[5, 70, 90], &Config::new(bound));
        }
    }
}
