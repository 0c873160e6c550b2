use super::forward;
use crate::arith::{Isa, Kind, transform_outer};
use crate::decode::ops::pyramid::{inverse, views};
use crate::format::pyramid::{AxisBlocks, Basis, Level, levels};
use std::f64::consts::PI;

const SHAPES: [(usize, usize); 15] = [
    (1, 1),
    (1, 7),
    (7, 1),
    (1, 1000),
    (1000, 1),
    (15, 33),
    (33, 15),
    (16, 40),
    (35, 35),
    (32, 32),
    (36, 37),
    (5, 97),
    (97, 101),
    (211, 64),
    (91, 181),
];

/// Smooth waves and noise.
fn field(h: usize, w: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state as f32 / u32::MAX as f32 - 0.5
    };
    (0..h * w).map(|i| ((i / w) as f32 * 0.05).sin() * 9.0 + ((i % w) as f32 * 0.11).cos() * 4.0 + noise()).collect()
}

fn energy(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v).powi(2)).sum()
}

fn close(got: &[f32], want: &[f32]) -> bool {
    let top = want.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
    got.len() == want.len() && got.iter().zip(want).all(|(a, b)| (a - b).abs() <= 1e-5 * top)
}

fn bits(planes: &[Vec<f32>]) -> Vec<u32> {
    planes.iter().flatten().map(|v| v.to_bits()).collect()
}

/// The oracle: a whole axis in f64 with the standard library's functions; `back` inverts.
fn naive_axis(x: &mut [f64], b: &AxisBlocks, periodic: bool, back: bool) {
    let fold = |x: &mut [f64]| {
        for i in usize::from(!periodic)..b.lens.len() {
            let m = b.lens[i].min(b.lens[(i + b.lens.len() - 1) % b.lens.len()]) / 2;
            for k in 0..m {
                let t = (PI / 4.0 + PI * (k as f64 + 0.5) / (4 * m) as f64).sin().powi(2) * PI / 2.0;
                let (hi, lo) = (b.starts[i] + k, (b.starts[i] + x.len() - 1 - k) % x.len());
                let (r, l, c) = (x[hi], x[lo], if back { -t.cos() } else { t.cos() });
                (x[hi], x[lo]) = (t.sin() * r + c * l, t.sin() * l - c * r);
            }
        }
    };
    if !back {
        fold(x);
    }
    for (i, (&s, &n)) in b.starts.iter().zip(&b.lens).enumerate() {
        let two = !periodic && i + 1 == b.lens.len();
        let basis = |k: usize, j: usize| {
            let f = if two { k as f64 } else { k as f64 + 0.5 };
            let scale = if two && k == 0 { 1.0 } else { 2.0 };
            (scale / n as f64).sqrt() * (PI * f * (j as f64 + 0.5) / n as f64).cos()
        };
        let input = x[s..s + n].to_vec();
        for o in 0..n {
            x[s + o] = (0..n).map(|j| input[j] * if back { basis(j, o) } else { basis(o, j) }).sum();
        }
    }
    if back {
        fold(x);
    }
}

/// As [`naive_axis`] forward, and without what a constant leaks: the coefficients of a constant become those
/// of a constant in the coarser image alone.
fn naive_decimated(x: &mut [f64], b: &AxisBlocks, periodic: bool) {
    naive_axis(x, b, periodic, false);
    let Some(kept) = b.keep else { return };
    let mut ones = vec![1.0; x.len()];
    naive_axis(&mut ones, b, periodic, false);
    let mut coarse = vec![(b.lens[b.lens.len() / 2] as f64 / kept as f64).sqrt(); b.coarse_len()];
    naive_axis(&mut coarse, &b.coarse(), periodic, false);
    for ((&s, &n), wanted) in b.starts.iter().zip(&b.lens).zip(coarse.chunks(kept)) {
        let one = &ones[s..s + n];
        let amount = (0..kept).map(|k| one[k] * x[s + k]).sum::<f64>() / one[..kept].iter().map(|v| v * v).sum::<f64>();
        for k in 0..n {
            x[s + k] -= amount * (one[k] - wanted.get(k).unwrap_or(&0.0));
        }
    }
}

fn naive_image(y: &AxisBlocks, x: &AxisBlocks, periodic: bool, back: bool, image: &mut [f64]) {
    let w = x.lens.iter().sum::<usize>();
    let axis = |v: &mut [f64], b: &AxisBlocks, periodic| match back {
        true => naive_axis(v, b, periodic, true),
        false => naive_decimated(v, b, periodic),
    };
    if !x.identity {
        image.chunks_mut(w).for_each(|row| axis(row, x, periodic));
    }
    for j in (0..w).filter(|_| !y.identity) {
        let mut column: Vec<f64> = image.iter().skip(j).step_by(w).copied().collect();
        axis(&mut column, y, false);
        image.iter_mut().skip(j).step_by(w).zip(column).for_each(|(a, b)| *a = b);
    }
}

fn naive(levels: &[Level], periodic: bool, image: &[f32]) -> Vec<Vec<f32>> {
    let mut image: Vec<f64> = image.iter().map(|&v| v.into()).collect();
    let mut planes = Vec::new();
    for level in levels {
        if level.dyadic {
            naive_wavelet_image(level, periodic, &mut image);
        } else {
            naive_image(&level.y, &level.x, periodic, false, &mut image);
        }
        let mut coarse = Vec::new();
        for i in (0..level.height * level.width).filter(|_| !level.last) {
            let low = |a: &AxisBlocks, n: usize| a.starts.iter().enumerate().any(|(b, &s)| n >= s && n < s + a.kept(b));
            if low(&level.y, i / level.width) && low(&level.x, i % level.width) {
                coarse.push(std::mem::take(&mut image[i]));
            }
        }
        planes.push(image.iter().map(|&v| v as f32).collect());
        if !level.last && !level.dyadic {
            naive_image(&level.y.coarse(), &level.x.coarse(), periodic, true, &mut coarse);
        }
        image = coarse;
    }
    planes
}

/// Low half, then high half, by lifting with mirrored or wrapped neighbours.
fn naive_wavelet(x: &[f64], periodic: bool) -> Vec<f64> {
    let (n, k) = (x.len() as isize, 2f64.sqrt() / 1.230_174_104_914_001);
    let steps = [-1.586_134_342_059_924, -0.052_980_118_572_961, 0.882_911_075_530_934, 0.443_506_852_043_971];
    let mut x = x.to_vec();
    let place = |i: isize| match i {
        _ if periodic && n % 2 == 0 => i.rem_euclid(n),
        -1 => 1,
        _ if i == n => n - 2,
        _ => i,
    };
    for (step, factor) in steps.into_iter().enumerate() {
        for i in (0..n).filter(|i| i % 2 == 1 - step as isize % 2) {
            x[i as usize] += factor * (x[place(i - 1) as usize] + x[place(i + 1) as usize]);
        }
    }
    let low = x.iter().step_by(2).map(|v| v * k);
    low.chain(x.iter().skip(1).step_by(2).map(|v| v / k)).collect()
}

fn naive_wavelet_image(level: &Level, periodic: bool, image: &mut [f64]) {
    if !level.x.identity {
        image.chunks_mut(level.width).for_each(|row| row.copy_from_slice(&naive_wavelet(row, periodic)));
    }
    for j in (0..level.width).filter(|_| !level.y.identity) {
        let column: Vec<f64> = image.iter().skip(j).step_by(level.width).copied().collect();
        let column = naive_wavelet(&column, false);
        image.iter_mut().skip(j).step_by(level.width).zip(column).for_each(|(a, b)| *a = b);
    }
}

#[test]
fn levels_are_the_naive_ones_and_invert_with_the_same_bits_everywhere() {
    let both = [Basis::Lapped, Basis::Wavelet];
    let cases = both.into_iter().flat_map(|b| SHAPES.into_iter().flat_map(move |s| [(b, s, false), (b, s, true)]));
    for (basis, (h, w), periodic) in cases {
        let (image, levels) = (field(h, w), levels(basis, h, w));
        let mut reference: Option<(Vec<u32>, Vec<u32>)> = None;
        for isa in Isa::ALL.into_iter().filter(|i| i.supported()) {
            let mut planes = forward(&levels, periodic, image.as_slice().into(), isa);
            let coefficients = bits(&planes);
            if reference.is_none() {
                // Orthonormal but for what keeps constants constant in blocks of unequal lengths; the wavelet nearly so.
                let ratio = planes.iter().map(|p| energy(p)).sum::<f64>() / energy(&image);
                let near = if basis == Basis::Lapped { 0.06 } else { 0.2 };
                assert!((ratio - 1.0).abs() < near, "{basis:?} {h}x{w} {periodic}: energy {ratio}");
                let want = naive(&levels, periodic, &image);
                assert!(close(&planes.concat(), &want.concat()), "{basis:?} {h}x{w} {periodic}: coefficients");
            }
            let mut again = planes.clone();
            inverse(&levels, periodic, &mut views(&mut planes), isa, 1);
            assert!(close(&planes[0], &image), "{basis:?} {h}x{w} {periodic} {isa:?}: reconstruction");
            inverse(&levels, periodic, &mut views(&mut again), isa, 3);
            assert_eq!(bits(&again[..1]), bits(&planes[..1]), "{basis:?} {h}x{w} {periodic} {isa:?}: threads");
            let both = (coefficients, bits(&planes[..1]));
            assert_eq!(reference.get_or_insert_with(|| both.clone()), &both, "{basis:?} {h}x{w} {periodic} {isa:?}");
        }
    }
}

/// Planes so large that threads share them, of an even and an odd height.
#[test]
fn large_planes_are_the_same_on_threads() {
    for (basis, h) in [(Basis::Lapped, 725), (Basis::Wavelet, 725), (Basis::Wavelet, 726)] {
        let (isa, levels) = (Isa::detect(), levels(basis, h, 730));
        let planes = forward(&levels, true, field(h, 730).into(), isa);
        let on = |threads: usize| {
            let mut planes = planes.clone();
            inverse(&levels, true, &mut views(&mut planes), isa, threads);
            bits(&planes[..1])
        };
        let one = on(1);
        assert!([2, 3, 7].into_iter().all(|threads| on(threads) == one), "{basis:?} {h}");
    }
}

#[test]
fn a_constant_leaves_nothing_in_the_fine_planes() {
    for ((h, w), periodic) in SHAPES.into_iter().flat_map(|s| [(s, false), (s, true)]) {
        let levels = levels(Basis::Lapped, h, w);
        let planes = forward(&levels, periodic, vec![1.0; h * w].into(), Isa::detect());
        let (last, fine) = planes.split_last().unwrap();
        let worst = fine.iter().flatten().fold(0.0_f32, |m, c| m.max(c.abs()));
        assert!(worst < 2e-5 * last[0].abs().max(1.0), "{h}x{w} {periodic}: {worst}");
    }
}

#[test]
fn kept_corners_of_fine_planes_are_not_read() {
    let (image, levels) = (field(50, 70), levels(Basis::Lapped, 50, 70));
    let mut planes = forward(&levels, true, image.as_slice().into(), Isa::detect());
    for bi in &levels[0].y.starts {
        for bj in &levels[0].x.starts {
            planes[0][bi * 70 + bj] = f32::NAN;
        }
    }
    inverse(&levels, true, &mut views(&mut planes), Isa::detect(), 1);
    assert!(close(&planes[0], &image));
}

#[test]
fn axis_transform_inverts_and_keeps_energy() {
    for (outer, n, inner) in [(1, 1, 1), (2, 24, 77), (1, 33, 5), (3, 100, 40), (2, 64, 1), (1, 31, 33)] {
        let volume = field(outer * n, inner);
        let mut reference: Option<Vec<u32>> = None;
        for isa in Isa::ALL.into_iter().filter(|i| i.supported()) {
            let mut v = volume.clone();
            transform_outer(&mut v, n, inner, Kind::Two, isa, 1);
            assert!((energy(&v) / energy(&volume) - 1.0).abs() < 1e-5);
            if n <= 32 {
                let mean = volume.iter().step_by(inner).take(n).sum::<f32>() / (n as f32).sqrt();
                assert!((v[0] - mean).abs() < 1e-3, "{} {mean}", v[0]);
            }
            let mut all = vec![v.clone()];
            transform_outer(&mut v, n, inner, Kind::TwoInverse, isa, 1);
            assert!(close(&v, &volume));
            all.push(v);
            assert_eq!(reference.get_or_insert_with(|| bits(&all)), &bits(&all));
        }
    }
}

/// Some columns each: the last strip is shorter than others, and some are cut within a slice, others hold all of it.
#[test]
fn axis_transform_is_the_same_on_threads() {
    for (outer, n, inner) in [(1, 40, 13_117), (5, 24, 4_400), (800, 33, 20)] {
        let volume = field(outer * n, inner);
        for isa in Isa::ALL.into_iter().filter(|i| i.supported()) {
            let on = |threads: usize| {
                let mut v = volume.clone();
                transform_outer(&mut v, n, inner, Kind::TwoInverse, isa, threads);
                v.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
            };
            let one = on(1);
            assert!(one == on(2) && one == on(5), "{outer} x {n} x {inner}, {isa:?}");
        }
    }
}

#[test]
#[ignore = "measures speed; run with --release --nocapture"]
fn speed() {
    let (h, w) = (721, 1440);
    let image = field(h, w);
    let rate = |seconds: f64| (h * w * 4) as f64 / seconds / 1e6;
    let isas = || Isa::ALL.into_iter().filter(|i| i.supported());
    for (basis, isa) in isas().flat_map(|i| [(Basis::Lapped, i), (Basis::Wavelet, i)]) {
        let levels = levels(basis, h, w);
        let (mut there, mut back, mut axis) = (f64::MAX, f64::MAX, f64::MAX);
        for _ in 0..20 {
            let input = image.clone();
            let start = std::time::Instant::now();
            let mut planes = forward(&levels, true, input.into(), isa);
            there = there.min(start.elapsed().as_secs_f64());
            let start = std::time::Instant::now();
            inverse(&levels, true, &mut views(&mut planes), isa, 1);
            back = back.min(start.elapsed().as_secs_f64());
            let start = std::time::Instant::now();
            transform_outer(&mut planes[0][..720 * w], 24, 30 * w, Kind::TwoInverse, isa, 1);
            axis = axis.min(start.elapsed().as_secs_f64());
        }
        println!(
            "{basis:?} {isa:?}: forward {:.0}, inverse {:.0}, axis {:.0} MB/s",
            rate(there),
            rate(back),
            rate(axis)
        );
        assert!(isa == Isa::Scalar || rate(back) > 400.0);
    }
}
