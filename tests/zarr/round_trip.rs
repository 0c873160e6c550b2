//! What is written comes back within the bound.

use crate::{assert_within, codec, field, store};
use hiha::zarr::HihaCodec;
use hiha::{Axis, Bound, Config};
use std::sync::Arc;
use zarrs::array::codec::array_to_bytes::sharding::ShardingCodecBuilder;
use zarrs::array::{Array, ArrayBuilder, ArraySubset, DataType, Element, ElementOwned, FillValue, data_type};

const ROWS: usize = 50;
const COLUMNS: usize = 70;

#[test]
fn plain_and_in_part() {
    let (_folder, store) = store();
    let data = field(ROWS, COLUMNS);
    let array = ArrayBuilder::new(vec![50, 70], vec![16, 32], data_type::float32(), f32::NAN)
        .array_to_bytes_codec(codec(Bound::MaxAbs(0.01)))
        .build(store.clone(), "/t")
        .unwrap();
    array.store_metadata().unwrap();
    array.store_array_subset(&array.subset_all(), &data).unwrap();

    let array = Array::open(store, "/t").unwrap();
    let all: Vec<f32> = array.retrieve_array_subset(&array.subset_all()).unwrap();
    assert_within(&data, &all, 0.01);
    // Across chunk borders, and into the padded edge chunks.
    for (rows, columns) in [(3..47, 10..70), (0..1, 0..1), (49..50, 60..70), (15..17, 31..33)] {
        let ranges = [rows.start as u64..rows.end as u64, columns.start as u64..columns.end as u64];
        let part: Vec<f32> = array.retrieve_array_subset(&ArraySubset::new_with_ranges(&ranges)).unwrap();
        let expected: Vec<f32> =
            rows.flat_map(|r| columns.clone().map(move |c| r * COLUMNS + c)).map(|i| all[i]).collect();
        assert_eq!(part, expected);
    }
}

#[test]
fn sharded_and_in_part() {
    let (_folder, store) = store();
    let data = field(ROWS, COLUMNS);
    let inner = vec![8.try_into().unwrap(), 16.try_into().unwrap()];
    let mut sharding = ShardingCodecBuilder::new(inner, &data_type::float32());
    sharding.array_to_bytes_codec(codec(Bound::MaxRel(1e-3)));
    let array = ArrayBuilder::new(vec![50, 70], vec![32, 32], data_type::float32(), f32::NAN)
        .array_to_bytes_codec(Arc::new(sharding.build()))
        .build(store.clone(), "/s")
        .unwrap();
    array.store_metadata().unwrap();
    array.store_array_subset(&array.subset_all(), &data).unwrap();

    let array = Array::open(store, "/s").unwrap();
    let all: Vec<f32> = array.retrieve_array_subset(&array.subset_all()).unwrap();
    assert_within(&data, &all, 0.06);
    let part: Vec<f32> = array.retrieve_array_subset(&ArraySubset::new_with_ranges(&[5..41, 30..35])).unwrap();
    let expected: Vec<f32> = (5..41).flat_map(|r| (30..35).map(move |c| r * COLUMNS + c)).map(|i| all[i]).collect();
    assert_eq!(part, expected);
    // A partial write decodes and encodes the shards that it touches, so their errors add up; the rest keeps its bits.
    array.store_array_subset(&ArraySubset::new_with_ranges(&[0..2, 0..2]), &[1.0f32, 2.0, 3.0, 4.0]).unwrap();
    let after: Vec<f32> = array.retrieve_array_subset(&array.subset_all()).unwrap();
    for (i, (&new, &old)) in after.iter().zip(&all).enumerate().skip(8 * COLUMNS) {
        let same_shard = i / COLUMNS < 32 && i % COLUMNS < 32;
        assert!(if same_shard { (new - old).abs() <= 0.06 } else { new == old }, "{i}: {old} became {new}");
    }
    assert!((after[COLUMNS + 1] - 4.0).abs() < 0.5);
}

#[test]
fn a_chunk_is_the_plain_stream() {
    let (folder, store) = store();
    let data = field(16, 32);
    let array = ArrayBuilder::new(vec![16, 32], vec![16, 32], data_type::float32(), -999.0f32)
        .array_to_bytes_codec(codec(Bound::MaxAbs(0.5)))
        .build(store, "/t")
        .unwrap();
    array.store_array_subset(&array.subset_all(), &data).unwrap();
    let fill_value = Some((-999.0f32).to_ne_bytes().to_vec());
    let config = Config { fill_value, ..Config::new(Bound::MaxAbs(0.5)) };
    let stream = hiha::encode(&hiha::ArrayView::new(&data, &[16, 32]).unwrap(), &config).unwrap();
    assert_eq!(std::fs::read(folder.path().join("t/c/0/0")).unwrap(), stream);
}

/// Write `data` losslessly as a 5 x 7 array in chunks of 3 x 4 and read it back.
fn lossless<T: Element + ElementOwned + PartialEq + std::fmt::Debug>(
    dtype: DataType,
    fill: impl Into<FillValue>,
    data: &[T],
) {
    let (_folder, store) = store();
    let array = ArrayBuilder::new(vec![5, 7], vec![3, 4], dtype.clone(), fill.into())
        .array_to_bytes_codec(codec(Bound::Lossless))
        .build(store.clone(), "/a")
        .unwrap();
    array.store_metadata().unwrap();
    array.store_array_subset(&array.subset_all(), data).unwrap();
    let array = Array::open(store, "/a").unwrap();
    let back: Vec<T> = array.retrieve_array_subset(&array.subset_all()).unwrap();
    assert_eq!(back, data, "{dtype:?}");
}

#[test]
fn every_data_type() {
    let n = 35;
    lossless(data_type::int8(), 0i8, &Vec::from_iter((0..n).map(|i| (i * 37) as i8)));
    lossless(data_type::uint8(), 0u8, &Vec::from_iter((0..n).map(|i| (i * 37) as u8)));
    lossless(data_type::int16(), -1i16, &Vec::from_iter((0..n).map(|i| (i * 3001) as i16)));
    lossless(data_type::uint16(), 9u16, &Vec::from_iter((0..n).map(|i| (i * 3001) as u16)));
    lossless(data_type::int32(), 0i32, &Vec::from_iter((0..n).map(|i: i32| i.wrapping_mul(0x7654_3211))));
    lossless(data_type::uint32(), 0u32, &Vec::from_iter((0..n as u32).map(|i| i.wrapping_mul(0x9654_3211))));
    lossless(data_type::int64(), i64::MIN, &Vec::from_iter((0..n as i64).map(|i| i64::MAX - i * i)));
    lossless(data_type::uint64(), u64::MAX, &Vec::from_iter((0..n as u64).map(|i| u64::MAX - i * i)));
    let halves = Vec::from_iter((0..n).map(|i| half::f16::from_f32(i as f32 * 0.3)));
    lossless(data_type::float16(), half::f16::ONE, &halves);
    let brains = Vec::from_iter((0..n).map(|i| half::bf16::from_f32(i as f32 * 0.3)));
    lossless(data_type::bfloat16(), half::bf16::ONE, &brains);
    lossless(data_type::float32(), 0f32, &Vec::from_iter((0..n).map(|i| (i as f32 * 0.7).sin())));
    lossless(data_type::float64(), 0f64, &Vec::from_iter((0..n).map(|i| f64::from(i).exp())));
}

#[test]
fn fill_values_and_what_is_not_finite() {
    let fill = 9.969_21e36f32;
    for fill in [fill, f32::NAN, -999.0] {
        let (_folder, store) = store();
        let mut data = field(40, 40);
        for (i, v) in data.iter_mut().enumerate() {
            match i % 17 {
                3 => *v = fill,
                5 if i % 2 == 0 => *v = f32::INFINITY,
                7 if i % 3 == 0 => *v = f32::NEG_INFINITY,
                11 => *v = f32::NAN,
                _ => {}
            }
        }
        let array = ArrayBuilder::new(vec![40, 40], vec![20, 40], data_type::float32(), fill)
            .array_to_bytes_codec(codec(Bound::MaxAbs(0.25)))
            .build(store, "/a")
            .unwrap();
        array.store_array_subset(&array.subset_all(), &data).unwrap();
        let back: Vec<f32> = array.retrieve_array_subset(&array.subset_all()).unwrap();
        for (i, (a, b)) in data.iter().zip(&back).enumerate() {
            if a.is_nan() {
                assert!(b.is_nan(), "element {i}: NaN became {b}");
            } else if !a.is_finite() || *a == fill {
                assert_eq!(a.to_bits(), b.to_bits(), "element {i}");
            } else {
                assert!((a - b).abs() <= 0.25, "element {i}: {a} became {b}");
            }
        }
    }
}

#[test]
fn scalars_and_single_values() {
    let (_folder, store) = store();
    for (path, shape) in [("/none", vec![]), ("/one", vec![1u64]), ("/eight", vec![1; 8])] {
        let array = ArrayBuilder::new(shape.clone(), shape, data_type::float64(), 0.0f64)
            .array_to_bytes_codec(codec(Bound::MaxAbs(1e-3)))
            .build(store.clone(), path)
            .unwrap();
        array.store_array_subset(&array.subset_all(), &[std::f64::consts::PI]).unwrap();
        let back: Vec<f64> = array.retrieve_array_subset(&array.subset_all()).unwrap();
        assert!((back[0] - std::f64::consts::PI).abs() <= 1e-3, "{path}");
    }
}

#[test]
fn axes_and_every_option() {
    let (_folder, store) = store();
    let config = Config {
        effort: 2,
        axes: vec![Axis::Time, Axis::Latitude, Axis::Longitude],
        periodic: true,
        ..Config::new(Bound::Nrmse(1e-3))
    };
    let array = ArrayBuilder::new(vec![3, 40, 60], vec![3, 40, 60], data_type::float32(), f32::NAN)
        .array_to_bytes_codec(Arc::new(HihaCodec::new(config).unwrap()))
        .build(store.clone(), "/a")
        .unwrap();
    array.store_metadata().unwrap();
    let data = field(120, 60);
    array.store_array_subset(&array.subset_all(), &data).unwrap();
    let array = Array::open(store, "/a").unwrap();
    let back: Vec<f32> = array.retrieve_array_subset(&array.subset_all()).unwrap();
    let range = data.iter().fold(f32::MIN, |m, v| m.max(*v)) - data.iter().fold(f32::MAX, |m, v| m.min(*v));
    let squares: f64 = data.iter().zip(&back).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    let nrmse = (squares / data.len() as f64).sqrt() / f64::from(range);
    assert!(nrmse <= 1e-3, "{nrmse}");
}

const CHILD: &str = "HIHA_TEST_STORE";

/// Runs in the process that `a_fresh_process_reads_it` starts, and there only has something to do.
#[test]
fn child_reads_the_store() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let store = Arc::new(zarrs::filesystem::FilesystemStore::new(path).unwrap());
    let array = Array::open(store, "/t").unwrap();
    let back: Vec<f32> = array.retrieve_array_subset(&array.subset_all()).unwrap();
    assert_within(&field(ROWS, COLUMNS), &back, 0.02);
    println!("child read {} values", back.len());
}

#[test]
fn a_fresh_process_reads_it() {
    let (folder, store) = store();
    let array = ArrayBuilder::new(vec![50, 70], vec![25, 70], data_type::float32(), f32::NAN)
        .array_to_bytes_codec(codec(Bound::MaxAbs(0.02)))
        .build(store, "/t")
        .unwrap();
    array.store_metadata().unwrap();
    array.store_array_subset(&array.subset_all(), field(ROWS, COLUMNS)).unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "round_trip::child_reads_the_store", "--nocapture"])
        .env(CHILD, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("child read 3500 values"), "{text}");
}
