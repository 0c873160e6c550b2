//! The test vectors of `codec-spec/vectors`: streams that every decoder must read to the same bits.

#[path = "vectors/recipes.rs"]
mod recipes;

use hiha::{ArrayView, ByteOrder, Error};
use recipes::{Vector, vectors};
use std::fmt::Write;
use std::path::PathBuf;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("codec-spec/vectors").join(name)
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(path(&format!("{name}.hiha"))).unwrap()
}

fn encode(v: &Vector) -> Vec<u8> {
    hiha::encode(&ArrayView::from_bytes(&v.bytes, v.dtype, v.order, v.shape).unwrap(), &v.config).unwrap()
}

/// The decoded elements, little-endian.
fn decode(v: &Vector, stream: &[u8]) -> Vec<u8> {
    let mut out = vec![0; hiha::inspect(stream).unwrap().decoded_bytes()];
    let options = hiha::DecodeOptions { reference: v.config.reference.clone(), ..hiha::DecodeOptions::default() };
    hiha::decode_into(stream, &mut out, ByteOrder::Little, &options).unwrap();
    out
}

/// Line of `checksums.txt`: name, bytes of the stream, its checksum, that of the decoded elements, stages.
fn line(v: &Vector, stream: &[u8]) -> String {
    let name = v.name;
    let info = hiha::inspect(stream).unwrap();
    let mut line = format!(
        "{name} {} {:08x} {:08x} {}",
        stream.len(),
        crc32fast::hash(&stream[..stream.len() - 4]),
        crc32fast::hash(&decode(v, stream)),
        info.method
    );
    for (stage, bytes) in &info.stages[1..] {
        write!(line, " {stage}:{bytes}").unwrap();
    }
    line
}

/// Normative: what the committed streams decode to.
#[test]
fn streams_decode_to_their_checksums() {
    let checksums = std::fs::read_to_string(path("checksums.txt")).unwrap();
    let mut lines = checksums.lines();
    for v in vectors() {
        let stream = read(v.name);
        let most = if IN_PARTS.iter().any(|(name, _)| *name == v.name) { 16384 } else { 4096 };
        assert!(stream.len() < most, "{}: {} bytes", v.name, stream.len());
        assert_eq!(Some(line(&v, &stream).as_str()), lines.next());
        let info = hiha::inspect(&stream).unwrap();
        assert_eq!(
            (info.dtype, info.byte_order, &info.shape[..], info.bound),
            (v.dtype, v.order, v.shape, v.config.bound)
        );
        assert_eq!(info.method, v.method, "{}", v.name);
        for stage in v.stages {
            assert!(info.stages.iter().any(|(s, _)| s == stage), "{} has no {stage}: {:?}", v.name, info.stages);
        }
    }
    assert_eq!(lines.next(), None);
}

/// Large enough to have the finest level in three parts of its rows of blocks, in two of its slices; and how the streams say so.
const IN_PARTS: [(&str, &[u8]); 2] = [("harmonic_rows_f32", &[2, 3]), ("harmonic_slices_f32", &[2, 18, 8])];

#[test]
fn large_ones_are_in_parts() {
    for (name, cut) in IN_PARTS {
        let stream = read(name);
        let info = hiha::inspect(&stream).unwrap();
        let (_, detail) = info.stages[info.stages.len() - 1];
        // Mean and step before it.
        assert!(stream[stream.len() - 4 - detail..][10..].starts_with(cut), "{name}");
    }
}

/// Normative: the recipes, so that a vector is what its name says.
#[test]
fn streams_hold_what_the_recipes_say() {
    for v in vectors() {
        let view = ArrayView::from_bytes(&v.bytes, v.dtype, v.order, v.shape).unwrap();
        let plain = hiha::encode(&view, &hiha::Config::new(hiha::Bound::Lossless)).unwrap();
        let (original, decoded) = (decode(&v, &plain), decode(&v, &read(v.name)));
        if v.config.bound == hiha::Bound::Lossless {
            assert_eq!(original, decoded, "{}", v.name);
        } else {
            recipes::check(&v, &original, &decoded);
        }
    }
}

/// Not normative: another encoder, or a better one, may make other streams. While version 0 is open these are
/// made anew by `cargo test --test vectors -- --ignored`.
#[test]
fn this_encoder_makes_the_same_streams() {
    for v in vectors() {
        assert!(encode(&v) == read(v.name), "{}: other bytes than the committed ones", v.name);
    }
}

/// Streams that must be refused, and how.
#[test]
fn damaged_streams_are_refused() {
    let fails = |name: &str| hiha::decode(&read(name)).unwrap_err();
    assert!(matches!(fails("x_magic"), Error::Corrupt { offset: 0, .. }));
    assert!(matches!(fails("x_version"), Error::Unsupported(_)));
    assert!(matches!(fails("x_truncated"), Error::Truncated { .. }));
    assert!(matches!(fails("x_checksum"), Error::Corrupt { what, .. } if what.contains("checksum")));
    assert!(matches!(fails("x_trailing"), Error::Corrupt { what, .. } if what.contains("after the checksum")));
    assert!(matches!(fails("x_section_order"), Error::Corrupt { what, .. } if what.contains("section id")));
    assert!(matches!(fails("x_axis_order"), Error::Corrupt { what, .. } if what.contains("axis order")));
    assert!(matches!(fails("x_dimension_zero"), Error::Corrupt { what, .. } if what.contains("dimension 0")));
    assert!(matches!(fails("x_too_large"), Error::Limit { .. }));
    // Without its reference, or with another.
    assert!(matches!(fails("reference_f32"), Error::Reference { given: None, .. }));
    let reference = hiha::Reference::new(vec![0.0; 600], &[20, 30]).ok();
    let options = hiha::DecodeOptions { reference, ..hiha::DecodeOptions::default() };
    let error = hiha::decode_with(&read("reference_f32"), &options).unwrap_err();
    assert!(matches!(error, Error::Reference { given: Some(_), .. }), "{error}");
    assert!(matches!(fails("x_class"), Error::Corrupt { what, .. } if what.contains("class")));
}

#[test]
#[ignore = "writes codec-spec/vectors"]
fn write() {
    let mut checksums = String::new();
    for v in vectors() {
        let stream = encode(&v);
        writeln!(checksums, "{}", line(&v, &stream)).unwrap();
        std::fs::write(path(&format!("{}.hiha", v.name)), stream).unwrap();
    }
    std::fs::write(path("checksums.txt"), checksums).unwrap();
    for (name, stream) in recipes::damaged() {
        std::fs::write(path(&format!("{name}.hiha")), stream).unwrap();
    }
}
