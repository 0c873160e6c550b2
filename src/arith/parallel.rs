//! Work on equal parts of a slice by threads that stay: starting new ones takes as long as a small field does.

use rayon_core::{ThreadPool, ThreadPoolBuilder};
use std::sync::{Arc, RwLock};

/// How many of `threads` threads that many elements are worth.
pub(crate) const fn worthwhile(threads: usize, elements: usize) -> usize {
    if elements < 1 << 17 { 1 } else { threads }
}

/// Call `f(index, part)` for every `size` elements of `data`, on up to `threads` threads, the caller's among them. The parts do
/// not depend on the number of threads, so neither does the result.
pub(crate) fn for_each_part<T: Send>(data: &mut [T], size: usize, threads: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    let parts = data.len().div_ceil(size.max(1));
    let per_thread = parts.div_ceil(threads.clamp(1, parts.max(1)));
    let share = |first: usize, share: &mut [T]| {
        share.chunks_mut(size.max(1)).enumerate().for_each(|(i, part)| f(first + i, part));
    };
    let pool = if per_thread < parts { workers() } else { None };
    let Some(pool) = pool else { return share(0, data) };
    let (own, others) = data.split_at_mut(per_thread * size);
    pool.in_place_scope(|scope| {
        let share = &share;
        for (t, other) in others.chunks_mut(per_thread * size).enumerate() {
            scope.spawn(move |_| share((t + 1) * per_thread, other));
        }
        share(0, own);
    });
}

/// The threads of this process. None where they cannot be had; the caller then works alone.
fn workers() -> Option<Arc<ThreadPool>> {
    static WORKERS: RwLock<Option<(u32, Arc<ThreadPool>)>> = RwLock::new(None);
    // A forked process has none of its parent's threads. It may have a lock that one of them held, so that waiting is no option.
    let process = std::process::id();
    let of_process = |known: &Option<(u32, Arc<ThreadPool>)>| {
        known.as_ref().filter(|(owner, _)| *owner == process).map(|(_, pool)| Arc::clone(pool))
    };
    if let Some(pool) = WORKERS.try_read().ok().and_then(|known| of_process(&known)) {
        return Some(pool);
    }
    let mut known = WORKERS.try_write().ok()?;
    if let Some(pool) = of_process(&known) {
        return Some(pool);
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let builder = ThreadPoolBuilder::new().num_threads(cores.saturating_sub(1).max(1));
    let pool = Arc::new(builder.thread_name(|i| format!("hiha {i}")).build().ok()?);
    if let Some(parents) = known.replace((process, Arc::clone(&pool))) {
        // Ending threads that are not here could wait for them.
        std::mem::forget(parents);
    }
    Some(pool)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_part_once() {
        for threads in [0, 1, 2, 3, 64] {
            let mut data = vec![0; 23];
            super::for_each_part(&mut data, 5, threads, |i, part| part.iter_mut().for_each(|v| *v += 1 + i));
            assert!(data.iter().enumerate().all(|(i, &v)| v == 1 + i / 5), "{threads}: {data:?}");
        }
    }
}
