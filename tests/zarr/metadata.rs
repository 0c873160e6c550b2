//! How the codec stands in metadata, v3 and v2.

use crate::{assert_within, codec, field, store};
use hiha::zarr::HihaCodec;
use hiha::{Axis, Bound, Config};
use std::sync::Arc;
use zarrs::array::{Array, ArrayBuilder, ArrayMetadataOptions, data_type};

/// Written once; a change here is a change of what stands in people's stores.
const GOLDEN: &str = r#"{
  "zarr_format": 3,
  "node_type": "array",
  "shape": [
    24,
    721,
    1440
  ],
  "data_type": "float32",
  "chunk_grid": {
    "name": "regular",
    "configuration": {
      "chunk_shape": [
        1,
        721,
        1440
      ]
    }
  },
  "chunk_key_encoding": {
    "name": "default",
    "configuration": {
      "separator": "/"
    }
  },
  "fill_value": "NaN",
  "codecs": [
    {
      "name": "hiha",
      "configuration": {
        "max_abs": 0.01,
        "effort": 7,
        "axes": [
          "time",
          "latitude",
          "longitude"
        ],
        "periodic": true
      }
    }
  ],
  "dimension_names": [
    "time",
    "lat",
    "lon"
  ]
}"#;

#[test]
fn golden_zarr_json() {
    let (_folder, store) = store();
    let config = Config {
        effort: 7,
        axes: vec![Axis::Time, Axis::Latitude, Axis::Longitude],
        periodic: true,
        ..Config::new(Bound::MaxAbs(0.01))
    };
    let array = ArrayBuilder::new(vec![24, 721, 1440], vec![1, 721, 1440], data_type::float32(), f32::NAN)
        .array_to_bytes_codec(Arc::new(HihaCodec::new(config).unwrap()))
        .dimension_names(["time", "lat", "lon"].into())
        .build(store.clone(), "/t")
        .unwrap();
    let options = ArrayMetadataOptions::default().with_include_zarrs_metadata(false);
    let text = serde_json::to_string_pretty(&array.metadata_opt(&options)).unwrap();
    assert_eq!(text, GOLDEN, "{text}");

    array.store_metadata().unwrap();
    let reopened = serde_json::to_value(Array::open(store, "/t").unwrap().metadata()).unwrap();
    let golden: serde_json::Value = serde_json::from_str(GOLDEN).unwrap();
    for key in golden.as_object().unwrap().keys() {
        assert_eq!(reopened[key], golden[key], "{key}");
    }
}

/// A v2 array around the chunks that a v3 array has written, the codec in either place.
#[test]
fn v2_as_compressor_and_as_filter() {
    let (folder, store) = store();
    let data = field(8, 10);
    let array = ArrayBuilder::new(vec![8, 10], vec![4, 5], data_type::float32(), f32::NAN)
        .array_to_bytes_codec(codec(Bound::MaxAbs(0.5)))
        .build(store.clone(), "/v3")
        .unwrap();
    array.store_array_subset(&array.subset_all(), &data).unwrap();
    let id = r#"{"id":"hiha","max_abs":0.5}"#;
    for (name, compressor, filters) in [("c", id, "null"), ("f", "null", &*format!("[{id}]"))] {
        let target = folder.path().join(name);
        std::fs::create_dir(&target).unwrap();
        let zarray = format!(
            r#"{{"zarr_format":2,"shape":[8,10],"chunks":[4,5],"dtype":"<f4","fill_value":"NaN","order":"C",
                "compressor":{compressor},"filters":{filters}}}"#
        );
        std::fs::write(target.join(".zarray"), zarray).unwrap();
        for (i, j) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let chunk = folder.path().join(format!("v3/c/{i}/{j}"));
            std::fs::copy(chunk, target.join(format!("{i}.{j}"))).unwrap();
        }
        let array = Array::open(store.clone(), &format!("/{name}")).unwrap();
        let back: Vec<f32> = array.retrieve_array_subset(&array.subset_all()).unwrap();
        assert_within(&data, &back, 0.5);

        // Written through the v2 metadata as well, then converted.
        let other: Vec<f32> = data.iter().map(|v| v + 7.0).collect();
        array.store_array_subset(&array.subset_all(), &other).unwrap();
        let array = array.to_v3().unwrap();
        let back: Vec<f32> = array.retrieve_array_subset(&array.subset_all()).unwrap();
        assert_within(&other, &back, 0.5);
        // zarrs 0.23 adds a `bytes` codec for every array-to-bytes codec that it does not know by
        // name; without it the converted metadata stands on its own (codec-spec/zarr.md).
        let mut json = serde_json::to_value(array.metadata()).unwrap();
        let codecs = json["codecs"].as_array_mut().unwrap();
        codecs.retain(|c| c["name"] != "bytes");
        assert_eq!(*codecs, [serde_json::json!({"name": "hiha", "configuration": {"max_abs": 0.5}})]);
        std::fs::remove_file(target.join(".zarray")).unwrap();
        std::fs::write(target.join("zarr.json"), json.to_string()).unwrap();
        let array = Array::open(store.clone(), &format!("/{name}")).unwrap();
        let back: Vec<f32> = array.retrieve_array_subset(&array.subset_all()).unwrap();
        assert_within(&other, &back, 0.5);
    }
}
