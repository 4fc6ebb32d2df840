//! Work spread over threads, with results in order and a pace.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Calls `work` with every index below `count` from up to `workers` threads, and returns the results in order. `None`
/// stands for items that were not begun because an earlier call set `stop`.
pub fn map<R: Send>(
    workers: usize,
    count: usize,
    stop: &AtomicBool,
    work: impl Fn(usize) -> R + Sync,
) -> Vec<Option<R>> {
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<R>>> = (0..count).map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..workers.clamp(1, count.max(1)) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(slot) = results.get(index) else {
                        break;
                    };
                    let result = work(index);
                    *lock(slot) = Some(result);
                }
            });
        }
    });
    results
        .into_iter()
        .map(|slot| {
            slot.into_inner()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        })
        .collect()
}

/// The guard of `mutex`, even if another thread panicked while it held it. For values that are consistent at all times.
pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Lets one thread pass per interval, counting all threads that share it.
#[derive(Debug)]
pub struct Pace {
    interval: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// A pace of one pass per `interval`; a zero interval lets everybody pass at once.
    pub fn new(interval: Duration) -> Self {
        Self {
            interval,
            next: Mutex::new(None),
        }
    }

    /// Sleeps until it is this thread's turn.
    pub fn wait(&self) {
        if self.interval.is_zero() {
            return;
        }
        let turn = {
            let mut next = lock(&self.next);
            let now = Instant::now();
            let turn = next.map_or(now, |next| next.max(now));
            *next = turn.checked_add(self.interval);
            turn
        };
        std::thread::sleep(turn.saturating_duration_since(Instant::now()));
    }
}
