//! Work on equal parts of a slice by threads that stay: starting new ones takes as long as a small field does.

use rayon_core::{ThreadPool, ThreadPoolBuilder};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Work that takes a thread about a millisecond is worth another one: waking it can take a tenth of that, and more where the system
/// first puts it on the same processor.
pub(crate) const fn worthwhile(threads: usize, work: usize, of_a_millisecond: usize) -> usize {
    if work < of_a_millisecond { 1 } else { threads }
}

/// Something to be done, by any thread.
pub(crate) type Job<'a> = Box<dyn FnOnce() + Send + 'a>;

/// Call `f(index, part)` for every `size` elements of `data`, on up to `threads` threads, the caller's among them. The parts do
/// not depend on the number of threads, so neither does the result.
pub(crate) fn for_each_part<T: Send>(data: &mut [T], size: usize, threads: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    let parts = data.len().div_ceil(size.max(1));
    for_each(data.chunks_mut(size.max(1)).enumerate(), threads.min(parts), |(i, part)| f(i, part));
}

/// Do all jobs on up to `threads` threads: the long ones should come first.
pub(crate) fn run_jobs(jobs: Vec<Job<'_>>, threads: usize) {
    let threads = threads.min(jobs.len());
    for_each(jobs.into_iter(), threads, |job| job());
}

/// Each thread takes the next item when it has done one.
fn for_each<I: Iterator + Send>(items: I, threads: usize, f: impl Fn(I::Item) + Sync) {
    let pool = if threads > 1 { workers() } else { None };
    let Some(pool) = pool else { return items.for_each(f) };
    let items = Mutex::new(items);
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some(item) = next() {
            f(item);
        }
    };
    pool.in_place_scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|_| work());
        }
        work();
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
