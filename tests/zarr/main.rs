//! The Zarr codec through zarrs: written, reopened, read in part, refused.

mod metadata;
mod refusals;
mod round_trip;
mod schema;

use hiha::zarr::HihaCodec;
use hiha::{Bound, Config};
use std::sync::Arc;
use zarrs::filesystem::FilesystemStore;

/// A store in a fresh folder, removed when the folder is dropped.
fn store() -> (tempfile::TempDir, Arc<FilesystemStore>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(FilesystemStore::new(folder.path()).unwrap());
    (folder, store)
}

fn codec(bound: Bound) -> Arc<HihaCodec> {
    Arc::new(HihaCodec::new(Config::new(bound)).unwrap())
}

/// A smooth field with some texture, `rows` x `columns`.
fn field(rows: usize, columns: usize) -> Vec<f32> {
    (0..rows * columns)
        .map(|i| {
            let (y, x) = ((i / columns) as f32, (i % columns) as f32);
            250.0 + 20.0 * (y * 0.11).cos() + 3.0 * (x * 0.31 + y * 0.05).sin() + 0.1 * ((i * 7919) % 13) as f32
        })
        .collect()
}

fn assert_within(original: &[f32], decoded: &[f32], bound: f64) {
    assert_eq!(original.len(), decoded.len());
    for (i, (a, b)) in original.iter().zip(decoded).enumerate() {
        let error = (f64::from(*a) - f64::from(*b)).abs();
        assert!(error <= bound || a.to_bits() == b.to_bits(), "element {i}: {a} became {b}");
    }
}
