//! A server that asks to wait is left alone by everybody, not only by the request that it told.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, Weak};
use std::time::{Duration, Instant};

use super::backoff::LONGEST;
use super::settings::HttpSettings;
use crate::ServerError;
use crate::parallel::lock;

/// The gates in use, by host and port: all clients of a server share one, of whatever API and credentials.
static GATES: LazyLock<Mutex<HashMap<String, Weak<HostGate>>>> = LazyLock::new(Mutex::default);

/// Before which instant nothing is sent to a server.
#[derive(Debug, Default)]
pub(super) struct HostGate {
    not_before: Mutex<Option<Instant>>,
}

impl HostGate {
    /// The gate of `host`; forgotten with its last client.
    pub(super) fn of(host: &str) -> Arc<Self> {
        let mut gates = lock(&GATES);
        if let Some(gate) = gates.get(host).and_then(Weak::upgrade) {
            return gate;
        }
        gates.retain(|_, gate| gate.strong_count() > 0);
        let gate = Arc::new(Self::default());
        gates.insert(host.to_owned(), Arc::downgrade(&gate));
        gate
    }

    /// Holds back every request for `wait` from now on, a day at most; a longer hold stays.
    pub(super) fn hold(&self, wait: Duration) {
        let until = Instant::now().checked_add(wait.min(LONGEST));
        let mut not_before = lock(&self.not_before);
        *not_before = (*not_before).max(until);
    }

    /// Waits until requests may be sent.
    ///
    /// # Errors
    /// [`ServerError::LongWait`], at once, where that is more than one wait may be, or where hold followed hold for
    /// longer than all attempts of a request may wait.
    pub(super) fn pass(&self, settings: &HttpSettings) -> Result<(), ServerError> {
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

    fn left(&self) -> Duration {
        let not_before = *lock(&self.not_before);
        not_before.map_or(Duration::ZERO, |until| {
            until.saturating_duration_since(Instant::now())
        })
    }
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
