//! Threads change no bit, may be asked for by many callers at once, and are there again in a forked process.

use hiha::{Array, ArrayView, Bound, Coder, Config, DecodeOptions};

/// A plane that is worth threads: 8 waves and noise.
fn plane(rows: usize, columns: usize) -> Vec<f32> {
    let mut noise = 1u32;
    (0..rows * columns)
        .map(|i| {
            let (y, x) = ((i / columns) as f32 / rows as f32, (i % columns) as f32 / columns as f32);
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            280.0 + (50.0 * x).sin() * (31.0 * y).cos() + (noise >> 8) as f32 / (1 << 24) as f32
        })
        .collect()
}

fn decode(stream: &[u8], threads: usize) -> Array {
    hiha::decode_with(stream, &DecodeOptions { threads, ..Default::default() }).unwrap()
}

/// Of a plane that is decoded in parts.
fn stream() -> Vec<u8> {
    let data = plane(721, 1440);
    let config = Config { threads: 4, coder: Coder::Harmonic, ..Config::new(Bound::MaxRel(1e-3)) };
    hiha::encode(&ArrayView::new(&data, &[721, 1440]).unwrap(), &config).unwrap()
}

#[test]
fn threads_change_no_bit() {
    let data = plane(900, 720);
    for shape in [vec![900, 720], vec![6, 150, 720]] {
        let view = ArrayView::new(&data, &shape).unwrap();
        for (bound, coder) in [
            (Bound::Nrmse(1e-2), Coder::Harmonic),
            (Bound::MaxRel(1e-3), Coder::Harmonic),
            (Bound::MaxRel(1e-3), Coder::Lattice),
            (Bound::Lossless, Coder::Auto),
        ] {
            let one = Config { coder, ..Config::new(bound) };
            let stream = hiha::encode(&view, &one).unwrap();
            for threads in [2, 4] {
                let more = hiha::encode(&view, &Config { threads, ..one.clone() }).unwrap();
                assert_eq!(stream, more, "{shape:?} {bound:?} {coder:?}: {threads} threads");
                assert_eq!(
                    decode(&stream, 1),
                    decode(&stream, threads),
                    "{shape:?} {bound:?} {coder:?}: {threads} threads"
                );
            }
        }
    }
    #[cfg(target_os = "linux")]
    assert!(workers() > 0, "too little work for the test");
}

#[test]
fn many_callers_share_them() {
    let stream = stream();
    let alone = decode(&stream, 1);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| assert_eq!(decode(&stream, 4), alone));
        }
    });
    #[cfg(target_os = "linux")]
    assert!(workers() > 0, "too little work for the test");
}

/// Threads of ours in this process.
#[cfg(target_os = "linux")]
fn workers() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
    tasks.map(|task| name(task.unwrap())).filter(|name| name.starts_with("hiha ")).count()
}

/// What `multiprocessing` does by default: the child has a copy of everything but the threads.
#[cfg(target_os = "linux")]
#[test]
fn a_forked_process_has_its_own() {
    let stream = stream();
    let alone = decode(&stream, 4);
    assert!(workers() > 0, "too little work for the test");
    // SAFETY: the child calls nothing but the decoder, which no other thread of this process is in, and `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let none = workers() == 0;
        let same = std::panic::catch_unwind(|| decode(&stream, 4) == alone).unwrap_or(false);
        // SAFETY: ends the child at once, without the parent's destructors.
        unsafe { libc::_exit(if none && same && workers() > 0 { 0 } else { 1 }) };
    }
    assert!(child > 0, "fork: {}", std::io::Error::last_os_error());
    let mut status = -1;
    for _ in 0..300 {
        // SAFETY: `status` is a valid place for the answer about our own child.
        if unsafe { libc::waitpid(child, &mut status, libc::WNOHANG) } == child {
            assert_eq!(status, 0, "the child ended with status {status}");
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    // SAFETY: our own child, which was not waited for.
    unsafe { libc::kill(child, libc::SIGKILL) };
    panic!("the child waits for ever");
}
