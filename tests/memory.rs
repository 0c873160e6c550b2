//! Peak memory of the library, counted by the allocator: at most 6 chunks of 4 MB to encode (7 with missing values; the stream
//! included, the caller's array not), at most 3 of any size to decode (the decoded array included, the stream not).

use hiha::{ArrayView, Bound, Config};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Counts live bytes and their peak.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn grow(bytes: usize) {
    PEAK.fetch_max(LIVE.fetch_add(bytes, Relaxed) + bytes, Relaxed);
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // Growing may copy, so that both blocks are there at once.
        grow(new_size);
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(memory, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Result of `f`, and the peak of what it allocated.
fn peak<T>(f: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let result = f();
    (result, PEAK.load(Relaxed) - before)
}

/// Large waves, small ones, and noise.
fn field(shape: &[usize]) -> Vec<f32> {
    let (h, w) = (shape[shape.len() - 2], shape[shape.len() - 1]);
    let mut seed = 1u64;
    (0..shape.iter().product::<usize>())
        .map(|i| {
            let (x, y, t) = ((i % w) as f32 / w as f32, (i / w % h) as f32 / h as f32, (i / w / h) as f32);
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let noise = (seed >> 40) as f32 / (1u64 << 24) as f32 - 0.5;
            250.0
                + 50.0 * (3.1 * y).sin()
                + 8.0 * (37.0 * x + 11.0 * y + 0.2 * t).sin()
                + 0.3 * (900.0 * x * y).cos()
                + 0.1 * noise
        })
        .collect()
}

// One test: tests in threads beside it would be counted too.
#[test]
fn peaks_stay_near_a_few_chunks() {
    let mut failed = false;
    let shapes = [&[721, 1440][..], &[24, 181, 240], &[2, 300, 500], &[3, 200, 500], &[2, 200_000]];
    // As they are; missing values; land, which is not declared.
    let kinds = [(None, 5), (Some(f32::NAN), 2), (Some(251.123), 2)];
    for (land, shape) in kinds.iter().flat_map(|&(land, n)| shapes[..n].iter().map(move |&shape| (land, shape))) {
        let mut data = field(shape);
        let w = shape[shape.len() - 1];
        let places = data.iter_mut().enumerate().filter(|(i, _)| (i / w + i % w) % 170 < 60);
        places.for_each(|(_, v)| *v = land.unwrap_or(*v));
        let chunk = size_of_val(&data[..]) as f64;
        for bound in [Bound::Nrmse(1e-3), Bound::Nrmse(1e-5), Bound::MaxRel(1e-3), Bound::Lossless] {
            let view = ArrayView::new(&data, shape).unwrap();
            let (stream, encode) = peak(|| hiha::encode(&view, &Config::new(bound)).unwrap());
            let (array, decode) = peak(|| hiha::decode(&stream).unwrap());
            assert_eq!(array.shape(), shape);
            let (encode, decode) = (encode as f64 / chunk, decode as f64 / chunk);
            let method = hiha::inspect(&stream).unwrap().method;
            println!("{shape:?}, land {land:?}, {bound:?} ({method}): encode {encode:.2} chunks, decode {decode:.2}");
            // What the encoder's models take is much beside a small array.
            let most = if land.is_some() { 7.0 } else { 6.0 };
            failed |= encode > most && data.len() > 1_000_000 || decode > 4.0;
        }
    }
    assert!(!failed, "more than 6 chunks to encode (7 with missing values) or 4 to decode; see the figures above");
}
