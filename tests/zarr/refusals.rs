//! What must fail, and what the error says.

use crate::{codec, field, store};
use hiha::zarr::HihaCodec;
use hiha::{Axis, Bound, Config};
use std::sync::Arc;
use zarrs::array::{Array, ArrayBuilder, ArrayBytes, data_type};

/// The error of opening an array whose only codec has this configuration.
fn open_error(configuration: &str) -> String {
    let (folder, store) = store();
    let configuration =
        if configuration.is_empty() { String::new() } else { format!(r#","configuration":{configuration}"#) };
    let json = format!(
        r#"{{"zarr_format":3,"node_type":"array","shape":[8],"data_type":"float32","fill_value":0.0,
            "chunk_grid":{{"name":"regular","configuration":{{"chunk_shape":[8]}}}},
            "chunk_key_encoding":{{"name":"default"}},"codecs":[{{"name":"hiha"{configuration}}}]}}"#
    );
    std::fs::write(folder.path().join("zarr.json"), json).unwrap();
    Array::open(store, "/").map(|_| ()).expect_err(&configuration).to_string()
}

#[test]
fn wrong_configurations_are_refused_at_open() {
    for (configuration, message) in [
        (r#"{"max_abs":0.1,"colour":3}"#, "unknown field `colour`"),
        (r#"{"max_abs":-0.1}"#, "bound max_abs must be a positive finite number"),
        (r#"{"max_abs":0.1,"psnr":60}"#, "exactly one bound is needed"),
        (r#"{"max_abs":0.1,"effort":10}"#, "effort must be 1 to 9, got 10"),
        (r#"{"max_abs":0.1,"axes":["north"]}"#, "unknown variant `north`"),
        (r#"{"max_abs":"0.1"}"#, "invalid type: string"),
        (r#"{}"#, "exactly one bound is needed"),
        ("", "exactly one bound is needed"),
    ] {
        let error = open_error(configuration);
        assert!(error.contains("codec hiha: ") && error.contains(message), "{configuration}: {error}");
    }
    assert!(HihaCodec::new(Config::new(Bound::MaxAbs(f64::NAN))).is_err());
}

#[test]
fn unsupported_data_types_are_refused() {
    let (_folder, store) = store();
    let bytes = |n: usize| ArrayBytes::new_flen(vec![1u8; n]);
    for (dtype, fill, bytes) in [
        (data_type::bool(), vec![0u8], bytes(4)),
        (data_type::complex64(), vec![0; 8], bytes(32)),
        (data_type::float8_e4m3(), vec![0], bytes(4)),
        (
            data_type::string(),
            vec![],
            ArrayBytes::new_vlen(vec![b'x'; 4], vec![0, 1, 2, 3, 4].try_into().unwrap()).unwrap(),
        ),
    ] {
        let result = ArrayBuilder::new(vec![4], vec![4], dtype.clone(), zarrs::array::FillValue::new(fill))
            .array_to_bytes_codec(codec(Bound::Lossless))
            .build(store.clone(), "/a");
        let error = match result {
            Err(error) => error.to_string(),
            Ok(array) => array.store_chunk(&[0], bytes).expect_err(&format!("{dtype:?}")).to_string(),
        };
        assert!(error.contains("Unsupported data type") && error.contains("hiha"), "{dtype:?}: {error}");
    }
}

#[test]
fn axes_must_match_the_dimensions() {
    let (_folder, store) = store();
    let config = Config { axes: vec![Axis::Latitude, Axis::Longitude], ..Config::new(Bound::MaxAbs(1.0)) };
    let array = ArrayBuilder::new(vec![4], vec![4], data_type::float32(), 0f32)
        .array_to_bytes_codec(Arc::new(HihaCodec::new(config).unwrap()))
        .build(store, "/a")
        .unwrap();
    let error = array.store_chunk(&[0], &[1f32, 2.0, 3.0, 4.0]).unwrap_err().to_string();
    assert!(error.contains("2 axes configured for 1 dimensions"), "{error}");
}

#[test]
fn integers_refuse_relative_bounds_only_if_the_core_does() {
    let (_folder, store) = store();
    let data: Vec<i32> = (0..64).map(|i| i * i).collect();
    let array = ArrayBuilder::new(vec![64], vec![64], data_type::int32(), 0i32)
        .array_to_bytes_codec(codec(Bound::Psnr(60.0)))
        .build(store, "/a")
        .unwrap();
    let core = hiha::encode(&hiha::ArrayView::new(&data, &[64]).unwrap(), &Config::new(Bound::Psnr(60.0)));
    match (array.store_chunk(&[0], &data), core) {
        (Ok(()), Ok(_)) => {}
        (Err(adapter), Err(core)) => assert!(adapter.to_string().contains(&core.to_string()), "{adapter}"),
        (adapter, core) => panic!("adapter {adapter:?}, core {core:?}"),
    }
}

#[test]
fn damaged_chunks_give_the_core_s_error() {
    let (folder, store) = store();
    let array = ArrayBuilder::new(vec![16, 16], vec![16, 16], data_type::float32(), 0f32)
        .array_to_bytes_codec(codec(Bound::MaxAbs(0.01)))
        .build(store, "/a")
        .unwrap();
    array.store_chunk(&[0, 0], field(16, 16)).unwrap();
    let path = folder.path().join("a/c/0/0");
    let good = std::fs::read(&path).unwrap();
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        array.retrieve_chunk::<Vec<f32>>(&[0, 0]).map(|_| ()).map_err(|e| e.to_string())
    };
    assert_eq!(read(&good), Ok(()));
    for length in [0, 1, 8, good.len() / 2, good.len() - 1] {
        let error = read(&good[..length]).unwrap_err();
        assert!(error.contains("codec hiha: "), "{length} bytes: {error}");
    }
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 0x10;
    let error = read(&bad).unwrap_err();
    assert!(error.contains("codec hiha: corrupt stream at byte"), "{error}");

    // A sound stream of another shape or type.
    let encode = |view: hiha::ArrayView<'_>| hiha::encode(&view, &Config::new(Bound::Lossless)).unwrap();
    let error = read(&encode(hiha::ArrayView::new(&[1f32; 256], &[256]).unwrap())).unwrap_err();
    assert!(error.contains("the chunk is float32 [16, 16], its bytes hold float32 [256]"), "{error}");
    let error = read(&encode(hiha::ArrayView::new(&[1i32; 256], &[16, 16]).unwrap())).unwrap_err();
    assert!(error.contains("its bytes hold int32 [16, 16]"), "{error}");
}
