//! Work that several host threads bring at about the same time, done together by one of them.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::GpuError;

/// How long a thread waits for company.
const GATHER: Duration = Duration::from_millis(5);

/// Jobs `J` in, results `R` out, one for each. While one thread works, what others bring waits and is then done at once, by
/// one of them: with a single thread nothing waits.
#[derive(Debug)]
pub(crate) struct Joint<J, R> {
    state: Mutex<State<J, R>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<J, R> {
    tickets: u64,
    /// A thread works.
    busy: bool,
    waiting: Vec<(u64, Vec<J>)>,
    done: BTreeMap<u64, Result<Vec<R>, GpuError>>,
}

impl<J, R> Joint<J, R> {
    pub(crate) const fn new() -> Self {
        let state = State { tickets: 0, busy: false, waiting: Vec::new(), done: BTreeMap::new() };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State<J, R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The results of `jobs`. `work` is called with these or those of several threads, or not at all. `company` is how many
    /// threads may bring something soon.
    pub(crate) fn run(
        &self,
        jobs: Vec<J>,
        company: usize,
        work: impl Fn(&[J]) -> Result<Vec<R>, GpuError>,
    ) -> Result<Vec<R>, GpuError> {
        let mut state = self.state();
        let ticket = state.tickets;
        state.tickets += 1;
        state.waiting.push((ticket, jobs));
        self.changed.notify_all();
        while state.busy {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            if let Some(result) = state.done.remove(&ticket) {
                return result;
            }
        }
        state.busy = true;
        let alone = |s: &mut State<J, R>| s.waiting.len() < company;
        let gathered = self.changed.wait_timeout_while(state, GATHER, alone);
        let mut state = gathered.unwrap_or_else(PoisonError::into_inner).0;
        let taken = std::mem::take(&mut state.waiting);
        drop(state);
        let mut results = together(taken, work);
        let mut state = self.state();
        state.busy = false;
        let own = results.remove(&ticket);
        state.done.extend(results);
        self.changed.notify_all();
        own.unwrap_or_else(|| Err(lost()))
    }
}

fn lost() -> GpuError {
    GpuError::Driver("the work of another thread was lost".into())
}

/// Do all at once. If that fails, each thread's part by itself: none shall suffer from another's.
fn together<J, R>(
    taken: Vec<(u64, Vec<J>)>,
    work: impl Fn(&[J]) -> Result<Vec<R>, GpuError>,
) -> BTreeMap<u64, Result<Vec<R>, GpuError>> {
    let whole = |jobs: &[J]| {
        // A panic here must not leave the others waiting.
        let panicked = |_| Err(GpuError::Driver("a panic".into()));
        let results = catch_unwind(AssertUnwindSafe(|| work(jobs))).unwrap_or_else(panicked)?;
        if results.len() == jobs.len() { Ok(results) } else { Err(lost()) }
    };
    let parts: Vec<(u64, usize)> = taken.iter().map(|(ticket, jobs)| (*ticket, jobs.len())).collect();
    let jobs: Vec<J> = taken.into_iter().flat_map(|(_, jobs)| jobs).collect();
    let mut at = 0;
    match whole(&jobs) {
        Ok(results) => {
            let mut rest = results.into_iter();
            parts.into_iter().map(|(ticket, n)| (ticket, Ok(rest.by_ref().take(n).collect()))).collect()
        }
        Err(error) if parts.len() == 1 => parts.into_iter().map(|(ticket, _)| (ticket, Err(error.clone()))).collect(),
        Err(_) => {
            let each = parts.into_iter().map(|(ticket, n)| {
                at += n;
                (ticket, whole(&jobs[at - n..at]))
            });
            each.collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn one_thread_works_at_once() {
        let joint = Joint::new();
        let twice = |jobs: &[u32]| Ok(jobs.iter().map(|j| 2 * j).collect());
        assert_eq!(joint.run(vec![1, 2], 1, twice).unwrap(), [2, 4]);
        assert!(joint.run(vec![], 1, twice).unwrap().is_empty());
        assert_eq!(joint.run(vec![3], 1, |_| panic!("work")), Err::<Vec<u32>, _>(GpuError::Driver("a panic".into())));
        assert_eq!(joint.run(vec![4], 1, twice).unwrap(), [8], "it goes on");
    }

    #[test]
    fn threads_go_together_and_get_their_own() {
        let (joint, start) = (Joint::new(), Barrier::new(12));
        std::thread::scope(|scope| {
            for k in 0..12_u32 {
                let (joint, start) = (&joint, &start);
                scope.spawn(move || {
                    for round in 0..20 {
                        start.wait();
                        let result = joint.run(vec![k, 100 + round], 12, |jobs: &[u32]| {
                            std::thread::sleep(Duration::from_millis(1));
                            // One thread's work fails, with whomever it comes.
                            if jobs.contains(&7) {
                                return Err(GpuError::TooLarge(7));
                            }
                            Ok(jobs.iter().map(|j| j + 1).collect())
                        });
                        if k == 7 {
                            assert_eq!(result, Err(GpuError::TooLarge(7)));
                        } else {
                            assert_eq!(result.unwrap(), [k + 1, 101 + round]);
                        }
                    }
                });
            }
        });
        let state = joint.state();
        assert!(!state.busy && state.waiting.is_empty() && state.done.is_empty());
    }

    #[test]
    fn what_waits_is_done_in_one_call() {
        let (joint, largest) = (Joint::new(), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    joint.run(vec![0_u8], 1, |jobs| {
                        largest.fetch_max(jobs.len(), Ordering::Relaxed);
                        std::thread::sleep(Duration::from_millis(200));
                        Ok(jobs.to_vec())
                    })
                });
            }
        });
        assert!(largest.into_inner() > 1, "while the first works, others gather");
    }
}
