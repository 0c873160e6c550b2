//! Hostile input: whatever the bytes, decoding returns an error or an array, and never takes much
//! more memory than the array it declares or the limit it was given.

use hiha::{ArrayView, Bound, Coder, Config, DecodeOptions, Error};
use proptest::prelude::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts live and peak bytes of the thread that allocates.
struct Counting;
thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

fn grew(bytes: usize) {
    // During a thread's end the counters may be gone; nothing is measured then.
    let _ = LIVE.try_with(|live| {
        live.set(live.get().wrapping_add(bytes));
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: every call goes to the system allocator unchanged; only counters are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grew(layout.size());
        // SAFETY: as the caller of this function promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        let _ = LIVE.try_with(|live| live.set(live.get().saturating_sub(layout.size())));
        // SAFETY: as the caller of this function promises.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Run `f` and return the most bytes that it held at once on this thread.
fn peak<R>(f: impl FnOnce() -> R) -> (R, usize) {
    LIVE.set(0);
    PEAK.set(0);
    let result = f();
    (result, PEAK.get())
}

/// Output limit for hostile streams.
const LIMIT: u64 = 1 << 20;
/// Memory that decoding may take besides a multiple of its output and input: tables.
const SLACK: usize = 4 << 20;

/// Decode with a limit and check the memory; the result may be anything but a panic.
fn survive(bytes: &[u8]) -> hiha::Result<hiha::Array> {
    let options = DecodeOptions { max_bytes: LIMIT, ..DecodeOptions::default() };
    let (result, peak) = peak(|| hiha::decode_with(bytes, &options));
    let allowed = 6 * LIMIT as usize + 4 * bytes.len() + SLACK;
    assert!(peak <= allowed, "{peak} bytes held for an input of {} bytes", bytes.len());
    let _ = hiha::inspect(bytes);
    result
}

/// Replace the last four bytes by the checksum of the rest, so that damage gets past it.
fn fix_checksum(bytes: &mut [u8]) {
    if let Some(end) = bytes.len().checked_sub(4) {
        let crc = crc32fast::hash(&bytes[..end]);
        bytes[end..].copy_from_slice(&crc.to_le_bytes());
    }
}

/// Small streams of every kind that the encoder makes.
fn samples() -> Vec<Vec<u8>> {
    let smooth: Vec<f32> = (0..24 * 30).map(|i| (i as f32 * 0.1).sin() * 30.0 + (i / 30) as f32).collect();
    let mut holes = smooth.clone();
    for v in holes.iter_mut().step_by(11) {
        *v = f32::NAN;
    }
    let integers: Vec<i16> = smooth.iter().map(|&v| (v * 50.0) as i16).collect();
    let shape = [24, 30];
    let mut streams = Vec::new();
    for bound in [Bound::Nrmse(1e-3), Bound::MaxAbs(0.01), Bound::Lossless] {
        for coder in [Coder::Auto, Coder::Harmonic, Coder::Lattice] {
            let config = Config { coder, ..Config::new(bound) };
            streams.push(hiha::encode(&ArrayView::new(&smooth, &shape).unwrap(), &config).unwrap());
            streams.push(hiha::encode(&ArrayView::new(&holes, &shape).unwrap(), &config).unwrap());
        }
    }
    streams.push(hiha::encode(&ArrayView::new(&integers, &shape).unwrap(), &Config::new(Bound::Lossless)).unwrap());
    streams.push(
        hiha::encode(&ArrayView::new(&[2.5f64; 720], &shape).unwrap(), &Config::new(Bound::MaxAbs(1.0))).unwrap(),
    );
    streams
}

#[test]
fn every_prefix_is_an_error() {
    for stream in samples() {
        for end in 0..stream.len() {
            let error = survive(&stream[..end]).expect_err("a prefix must not decode");
            assert!(matches!(error, Error::Truncated { .. } | Error::Corrupt { .. }), "{end}: {error}");
        }
        let mut longer = stream.clone();
        longer.push(0);
        assert!(survive(&longer).is_err());
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    for stream in samples() {
        // Every bit of the head, and of every 37th byte behind it.
        for byte in (0..stream.len().min(64)).chain((64..stream.len()).step_by(37)) {
            for bit in 0..8 {
                let mut damaged = stream.clone();
                damaged[byte] ^= 1 << bit;
                assert!(survive(&damaged).is_err(), "byte {byte}, bit {bit}");
            }
        }
    }
}

#[test]
fn flipped_bits_behind_a_right_checksum() {
    for stream in samples() {
        for byte in (0..stream.len().min(200)).chain((200..stream.len()).step_by(41)) {
            for bit in 0..8 {
                let mut damaged = stream.clone();
                damaged[byte] ^= 1 << bit;
                fix_checksum(&mut damaged);
                let _ = survive(&damaged);
            }
        }
    }
}

#[test]
fn sections_cut_short_behind_a_right_checksum() {
    for stream in samples() {
        for cut in 1..stream.len().min(300) {
            let mut shorter = stream[..stream.len() - cut].to_vec();
            fix_checksum(&mut shorter);
            let _ = survive(&shorter);
        }
    }
}

/// Magic, version and type of a real stream, then dimensions as given.
fn head(dimensions: &[u64]) -> Vec<u8> {
    let mut bytes = samples()[0][..6].to_vec();
    bytes.push(dimensions.len() as u8);
    for &d in dimensions {
        let mut v = d;
        while v >= 0x80 {
            bytes.push(v as u8 | 0x80);
            v >>= 7;
        }
        bytes.push(v as u8);
    }
    bytes
}

#[test]
fn headers_that_declare_enormous_arrays() {
    for dimensions in [
        vec![1 << 60],
        vec![1 << 30, 1 << 30],
        vec![1 << 20; 3],
        vec![u64::MAX],
        vec![1 << 32, 1 << 32],
        vec![256; 8],
        vec![1 << 40, 1],
    ] {
        for method in 0..=4 {
            for tail in [&[0u8][..], &[1, 5, 0], &[1, 5, 8, 0, 0, 0, 0, 0, 0, 0, 0]] {
                let mut bytes = head(&dimensions);
                bytes.push(method);
                bytes.extend_from_slice(tail);
                bytes.extend_from_slice(&[0; 4]);
                fix_checksum(&mut bytes);
                assert!(survive(&bytes).is_err(), "{dimensions:?}, method {method}");
                // Also without a limit: such an array cannot be had, and that is an error too.
                if dimensions.iter().map(|d| u128::from(*d)).product::<u128>() >= 1 << 60 {
                    let options = DecodeOptions { max_bytes: u64::MAX, ..DecodeOptions::default() };
                    assert!(hiha::decode_with(&bytes, &options).is_err());
                }
            }
        }
    }
}

#[test]
fn the_limit_is_the_callers() {
    let data = [1.0f32; 100];
    let stream = hiha::encode(&ArrayView::new(&data, &[100]).unwrap(), &Config::new(Bound::Lossless)).unwrap();
    let decode = |max_bytes| hiha::decode_with(&stream, &DecodeOptions { max_bytes, ..DecodeOptions::default() });
    assert!(matches!(decode(399), Err(Error::Limit { needed: 400, limit: 399, .. })));
    assert!(decode(400).is_ok());
    let mut small = [0; 396];
    let into = hiha::decode_into(&stream, &mut small, hiha::ByteOrder::NATIVE, &DecodeOptions::default());
    assert!(matches!(into, Err(Error::InvalidArgument(_))));
}

#[test]
fn memory_of_honest_streams() {
    let shape = [361, 720];
    let data: Vec<f32> = (0..361 * 720).map(|i| ((i % 720) as f32 * 0.02).sin() * 20.0 + (i / 720) as f32).collect();
    let bytes = size_of_val(&data[..]);
    let view = ArrayView::new(&data, &shape).unwrap();
    for bound in [Bound::Nrmse(1e-3), Bound::MaxRel(1e-4), Bound::Lossless] {
        let (stream, encode) = peak(|| hiha::encode(&view, &Config::new(bound)).unwrap());
        let (_, decode) = peak(|| hiha::decode(&stream).unwrap());
        println!(
            "{bound:?}: encode {:.2}, decode {:.2} x the chunk",
            encode as f64 / bytes as f64,
            decode as f64 / bytes as f64
        );
        // Output included, input not: it is the caller's. Models and tables take half a MiB more.
        let bytes = bytes + (512 << 10) / 3;
        assert!(encode <= 7 * bytes, "{bound:?}: encode held {encode} bytes for {bytes}");
        assert!(decode <= 3 * bytes, "{bound:?}: decode held {decode} bytes for {bytes}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(survive(&bytes).is_err());
    }

    #[test]
    fn random_bytes_behind_a_valid_head(
        kind in 0usize..64, keep in 0usize..60, noise in prop::collection::vec(any::<u8>(), 4..400),
    ) {
        let samples = samples();
        let stream = &samples[kind % samples.len()];
        let mut bytes = stream[..keep.min(stream.len())].to_vec();
        bytes.extend_from_slice(&noise);
        fix_checksum(&mut bytes);
        let _ = survive(&bytes);
    }

    #[test]
    fn random_content_under_a_valid_section_table(kind in 0usize..64, seed: u64, from in 20usize..120) {
        let samples = samples();
        let mut bytes = samples[kind % samples.len()].clone();
        let mut state = seed | 1;
        for b in bytes.iter_mut().skip(from) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *b = (state >> 56) as u8;
        }
        fix_checksum(&mut bytes);
        let _ = survive(&bytes);
    }
}
