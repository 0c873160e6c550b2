use super::*;
use hiha::{Bound, Config};

fn wave(n: usize) -> Vec<f32> {
    (0..n).map(|i| 280.0 + 20.0 * (i as f32 * 0.01).sin()).collect()
}

fn bytes(values: &[f32], order: ByteOrder) -> Vec<u8> {
    let one = |v: &f32| if order == ByteOrder::Big { v.to_be_bytes() } else { v.to_le_bytes() };
    values.iter().flat_map(one).collect()
}

fn words(bound: Bound, order: ByteOrder, fill: Option<u64>) -> Vec<u32> {
    let layout = Layout::new(DType::F32, order, &[40, 50], fill).unwrap();
    Params { user: Config::new(bound).to_cd_values(), layout: Some(layout) }.to_words()
}

fn round_trip(words: &[u32], chunk: &[u8]) -> Vec<u8> {
    let stream = encode(words, chunk).unwrap();
    let decoder = Decoder::new(&[], &stream).unwrap();
    let mut out = vec![0; decoder.byte_len];
    decoder.decode(&mut out).unwrap();
    out
}

#[test]
fn both_byte_orders_keep_the_bound() {
    let values = wave(2000);
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let out = round_trip(&words(Bound::MaxAbs(0.01), order, None), &bytes(&values, order));
        for (v, b) in values.iter().zip(out.as_chunks::<4>().0) {
            let got = if order == ByteOrder::Big { f32::from_be_bytes(*b) } else { f32::from_le_bytes(*b) };
            assert!((v - got).abs() <= 0.01);
        }
    }
}

#[test]
fn padding_and_fill_come_back_exactly_and_leave_the_range_alone() {
    let netcdf = f32::from_bits(NC_FILL_FLOAT as u32);
    for (pad, declared) in [(0.0, None), (netcdf, None), (netcdf, Some(NC_FILL_FLOAT)), (0.0, Some(NC_FILL_FLOAT))] {
        let mut values = wave(2000);
        for (i, v) in values.iter_mut().enumerate() {
            if i / 50 >= 33 || i % 50 >= 47 {
                *v = pad;
            }
        }
        let words = words(Bound::MaxRel(1e-3), ByteOrder::Little, declared);
        let out = round_trip(&words, &bytes(&values, ByteOrder::Little));
        for (v, b) in values.iter().zip(out.as_chunks::<4>().0) {
            let got = f32::from_le_bytes(*b);
            assert!(if *v == pad { got.to_bits() == pad.to_bits() } else { (v - got).abs() <= 0.04 }, "{v} {got}");
        }
    }
}

#[test]
fn wrong_lengths_and_unknown_layouts_are_refused() {
    let words = words(Bound::MaxAbs(0.01), ByteOrder::Little, None);
    let chunk = bytes(&wave(2000), ByteOrder::Little);
    assert!(encode(&words, &chunk[4..]).is_err());
    assert!(encode(&words[2..7], &chunk).unwrap_err().contains("never completed"));
    let stream = encode(&words, &chunk).unwrap();
    let other = Layout::new(DType::F32, ByteOrder::Little, &[40, 51], None).unwrap();
    let other = Params { user: vec![0], layout: Some(other) }.to_words();
    assert!(Decoder::new(&other, &stream).is_err());
    assert!(Decoder::new(&words, &stream[..stream.len() - 1]).is_err());
    let mut damaged = stream;
    damaged[60] ^= 4;
    assert!(Decoder::new(&words, &damaged).is_err());
}
