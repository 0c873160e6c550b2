//! Work on equal parts of a slice by scoped threads. No pool: a pool would not survive a fork of the host.

/// How many of `threads` threads that many elements are worth.
pub(crate) const fn worthwhile(threads: usize, elements: usize) -> usize {
    if elements < 1 << 17 { 1 } else { threads }
}

/// Call `f(index, part)` for every `size` elements of `data`, on up to `threads` threads. The parts do not
/// depend on the number of threads, so neither does the result.
pub(crate) fn for_each_part<T: Send>(data: &mut [T], size: usize, threads: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    let parts = data.len().div_ceil(size.max(1));
    let per_thread = parts.div_ceil(threads.clamp(1, parts.max(1)));
    if per_thread == parts {
        data.chunks_mut(size.max(1)).enumerate().for_each(|(i, part)| f(i, part));
        return;
    }
    std::thread::scope(|scope| {
        for (t, share) in data.chunks_mut(per_thread * size).enumerate() {
            let f = &f;
            scope.spawn(move || {
                share.chunks_mut(size).enumerate().for_each(|(i, part)| f(t * per_thread + i, part));
            });
        }
    });
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
