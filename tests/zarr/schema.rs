//! The JSON Schema accepts what the codec accepts, and nothing else.

use hiha::Config;
use serde_json::{Value, json};

fn validator() -> jsonschema::Validator {
    let text = include_str!("../../codec-spec/zarr.schema.json");
    jsonschema::draft202012::new(&serde_json::from_str(text).unwrap()).unwrap()
}

/// Configurations, right and wrong.
fn configurations() -> Vec<Value> {
    let mut all = vec![json!({}), json!([]), json!(null), json!(5), json!("max_abs")];
    let numbers = [
        json!(0.01),
        json!(5),
        json!(0),
        json!(0.0),
        json!(-0.0),
        json!(-1),
        json!(1e-300),
        json!(5e-324),
        json!(1e300),
        json!("0.1"),
        json!(null),
        json!(true),
        json!([1]),
    ];
    let kinds = ["max_abs", "max_rel", "rmse", "nrmse", "psnr", "lossless"];
    for kind in kinds {
        all.extend(numbers.iter().map(|n| json!({ kind: n })));
        all.push(json!({ kind: false }));
        all.extend(kinds.iter().flat_map(|k| {
            [
                json!({ kind: 1, *k: 1 }),
                json!({ kind: 1, *k: true }),
                json!({ kind: 1, *k: false }),
                json!({ kind: 1, *k: null }),
            ]
        }));
    }
    for effort in [json!(0), json!(1), json!(9), json!(10), json!(-1), json!(256), json!(2.5), json!("5"), json!(null)]
    {
        all.push(json!({"max_abs": 1, "effort": effort}));
    }
    for axes in [
        json!([]),
        json!(["time", "level", "latitude", "longitude", "channel", "other"]),
        json!(["time", "time"]),
        json!(["Time"]),
        json!("time"),
        json!([1]),
        json!(null),
        json!(vec!["other"; 8]),
        json!(vec!["other"; 9]),
    ] {
        all.push(json!({"nrmse": 1e-3, "axes": axes}));
    }
    for periodic in [json!(true), json!(false), json!(1), json!(null)] {
        all.push(json!({"lossless": true, "periodic": periodic}));
    }
    for coder in [json!("auto"), json!("harmonic"), json!("lattice"), json!("Auto"), json!(null), json!(0)] {
        all.push(json!({"psnr": 60.0, "coder": coder}));
    }
    for split in [
        json!({}),
        json!({"omega": 14, "n": 256, "omega_again": 22.5, "n_again": 65535}),
        json!({"omega": 1e6}),
        json!({"omega": 1.1e6}),
        json!({"omega_again": 0}),
        json!({"n": 0}),
        json!({"n_again": 65536}),
        json!({"n": 2.5}),
        json!({"n": null}),
        json!({"width": 256}),
        json!([14, 256]),
        json!(14),
        json!(null),
    ] {
        all.push(json!({"nrmse": 1e-3, "split": split}));
    }
    for field in ["fill_value", "threads", "bound", "max_abs_error", "id"] {
        all.push(json!({"max_abs": 1, field: 1}));
    }
    all
}

#[test]
fn schema_and_codec_agree() {
    let validator = validator();
    let (mut accepted, mut refused) = (0, 0);
    for configuration in configurations() {
        let codec = serde_json::from_value::<Config>(configuration.clone()).is_ok();
        let schema = validator.is_valid(&json!({"name": "hiha", "configuration": configuration}));
        assert_eq!(schema, codec, "{configuration}: schema {schema}, codec {codec}");
        if codec { accepted += 1 } else { refused += 1 }
    }
    assert!(accepted > 30 && refused > 100, "{accepted} accepted, {refused} refused");
}

#[test]
fn only_this_codec_s_object() {
    let validator = validator();
    let configuration = json!({"max_abs": 1});
    assert!(validator.is_valid(&json!({"name": "hiha", "configuration": configuration})));
    for wrong in [
        json!({"name": "zfp", "configuration": configuration}),
        json!({"configuration": configuration}),
        json!({"name": "hiha"}),
        json!("hiha"),
        json!({"name": "hiha", "configuration": configuration, "level": 3}),
    ] {
        assert!(!validator.is_valid(&wrong), "{wrong}");
    }
}

/// The examples in the text are taken from it, not copied.
#[test]
fn examples_in_the_text_are_valid() {
    let text = include_str!("../../codec-spec/zarr.md");
    let validator = validator();
    let blocks: Vec<&str> = text.split("```json").skip(1).map(|b| b.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 3);
    for block in blocks {
        let value: Value = serde_json::from_str(block).expect(block);
        // A codec on its own, or an array's metadata around it, or its v2 form.
        if let Some(object) = value.get("compressor") {
            let mut configuration = object.as_object().unwrap().clone();
            let id = configuration.remove("id").unwrap();
            assert!(validator.is_valid(&json!({"name": id, "configuration": configuration})), "{block}");
            continue;
        }
        for codec in value.get("codecs").and_then(Value::as_array).unwrap_or(&vec![value.clone()]) {
            let inner = &codec["configuration"]["codecs"][0];
            assert!(validator.is_valid(if inner.is_null() { codec } else { inner }), "{block}");
        }
    }
}
