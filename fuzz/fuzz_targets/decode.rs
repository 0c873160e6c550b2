//! Any bytes: an error or an array, no panic, within the memory limit.
#![no_main]

use hiha::DecodeOptions;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let options = DecodeOptions { max_bytes: 1 << 22, ..DecodeOptions::default() };
    let _ = hiha::decode_with(data, &options);
    let _ = hiha::inspect(data);
    let _ = hiha::preview(data, 9, &options);
    // The same bytes with the magic and the checksum put right, so that the parsers behind them are reached.
    let mut fixed = data.to_vec();
    if fixed.len() < 12 {
        return;
    }
    fixed[..4].copy_from_slice(&hiha::MAGIC);
    fixed[4] = hiha::FORMAT_VERSION;
    let _ = hiha::preview(&fixed, 3, &options);
    let end = fixed.len() - 4;
    let crc = crc32fast::hash(&fixed[..end]);
    fixed[end..].copy_from_slice(&crc.to_le_bytes());
    if let (Ok(info), Ok(array)) = (hiha::inspect(&fixed), hiha::decode_with(&fixed, &options)) {
        assert_eq!(array.shape(), info.shape);
        let again = hiha::decode_with(&fixed, &DecodeOptions { threads: 3, ..options }).expect("decodes with threads");
        assert_eq!(array.bytes(), again.bytes(), "threads changed the result");
    }
});
