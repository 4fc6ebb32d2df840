//! The pause that a server asks for, which all requests to it keep.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::ServerError;
use crate::backoff::LONGEST;
use crate::settings::HttpSettings;

/// The gates in use, by host and port. All clients of a server share one, whatever their API and credentials.
static GATES: LazyLock<Mutex<HashMap<String, Weak<HostGate>>>> = LazyLock::new(Mutex::default);

/// The instant before which nothing is sent to a server.
#[derive(Debug, Default)]
pub(crate) struct HostGate {
    not_before: Mutex<Option<Instant>>,
}

impl HostGate {
    /// The gate of `host`. It exists as long as one of its clients.
    pub(crate) fn of(host: &str) -> Arc<Self> {
        let mut gates = lock(&GATES);
        if let Some(gate) = gates.get(host).and_then(Weak::upgrade) {
            return gate;
        }
        gates.retain(|_, gate| gate.strong_count() > 0);
        let gate = Arc::new(Self::default());
        gates.insert(host.to_owned(), Arc::downgrade(&gate));
        gate
    }

    /// Holds back every request for `wait` from now on, at most a day. A hold that ends later stays in force.
    pub(crate) fn hold(&self, wait: Duration) {
        let until = Instant::now().checked_add(wait.min(LONGEST));
        let mut not_before = lock(&self.not_before);
        *not_before = (*not_before).max(until);
    }

    /// Waits until requests may be sent.
    ///
    /// # Errors
    /// Returns [`ServerError::LongWait`] at once if that wait is longer than a single one may be, or if repeated holds add
    /// up to more than all attempts of a request may wait.
    pub(crate) fn pass(&self, settings: &HttpSettings) -> Result<(), ServerError> {
        let start = Instant::now();
        let patience = settings.max_wait.saturating_mul(settings.attempts);
        loop {
            let left = self.left();
            if left.is_zero() {
                return Ok(());
            }
            let asked = start.elapsed().saturating_add(left);
            for (asked, allowed) in [(left, settings.max_wait), (asked, patience)] {
                if asked > allowed {
                    return Err(ServerError::LongWait { asked, allowed });
                }
            }
            std::thread::sleep(left);
        }
    }

    /// The time until requests may be sent.
    fn left(&self) -> Duration {
        let not_before = *lock(&self.not_before);
        not_before.map_or(Duration::ZERO, |until| {
            until.saturating_duration_since(Instant::now())
        })
    }
}

/// The guard, even if another thread panicked while it held it: these values are consistent at all times.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patient(max_wait: u64, attempts: u32) -> HttpSettings {
        HttpSettings {
            max_wait: Duration::from_millis(max_wait),
            attempts,
            ..HttpSettings::default()
        }
    }

    #[test]
    fn a_host_has_one_gate_while_it_has_clients() {
        let (a, b) = (HostGate::of("gate.test:1"), HostGate::of("gate.test:1"));
        assert!(Arc::ptr_eq(&a, &b) && !Arc::ptr_eq(&a, &HostGate::of("gate.test:2")));
        a.hold(Duration::from_secs(60));
        assert!(b.left() > Duration::from_secs(50));
        drop((a, b));
        assert!(HostGate::of("gate.test:1").left().is_zero());
    }

    #[test]
    fn the_longer_hold_counts_and_none_is_endless() {
        let gate = HostGate::default();
        gate.pass(&patient(0, 1)).unwrap();
        gate.hold(Duration::from_millis(80));
        gate.hold(Duration::from_millis(1));
        let start = Instant::now();
        gate.pass(&patient(1000, 1)).unwrap();
        assert!(start.elapsed() >= Duration::from_millis(75));
        gate.hold(Duration::MAX);
        assert!(gate.left() <= LONGEST && gate.left() > LONGEST / 2);
        let error = gate.pass(&patient(1000, 1)).unwrap_err();
        assert!(matches!(error, ServerError::LongWait { .. }), "{error}");
    }

    #[test]
    fn hold_after_hold_ends_with_patience() {
        let gate = HostGate::default();
        gate.hold(Duration::from_millis(40));
        let error = std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..40 {
                    std::thread::sleep(Duration::from_millis(10));
                    gate.hold(Duration::from_millis(40));
                }
            });
            gate.pass(&patient(50, 3)).unwrap_err()
        });
        assert!(
            matches!(error, ServerError::LongWait { allowed, .. } if allowed.as_millis() == 150),
            "{error}"
        );
    }
}
