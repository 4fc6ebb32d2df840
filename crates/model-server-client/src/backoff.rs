//! How long to wait before the next attempt.

use std::time::{Duration, SystemTime};

use crate::settings::HttpSettings;

/// No wait is longer than a day.
pub(crate) const LONGEST: Duration = Duration::from_secs(86_400);

/// The wait after attempt `attempt`: doubled each time, then shortened by up to a half depending on `spread`, any number
/// that differs between parallel requests.
pub(crate) fn backoff(settings: &HttpSettings, attempt: u32, spread: u64) -> Duration {
    let doubled = settings
        .first_wait
        .saturating_mul(1 << attempt.saturating_sub(1).min(20));
    // A hash of a counter spreads enough; nothing depends on its value.
    let part = spread.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48;
    doubled
        .min(settings.max_wait)
        .min(LONGEST)
        .mul_f64(1.0 - part as f64 / 65_536.0 / 2.0)
}

/// The wait that a `Retry-After` header asks for, in either of its forms (RFC 9110, section 10.2.3).
pub(crate) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    // Not in the RFC, but some servers send fractions.
    if let Ok(seconds) = value.parse() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_takes_seconds_and_dates() {
        // RFC 9110's examples.
        assert_eq!(
            retry_after("120", SystemTime::now()),
            Some(Duration::from_secs(120))
        );
        let date = "Fri, 31 Dec 1999 23:59:59 GMT";
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(946_684_799 - 30);
        assert_eq!(retry_after(date, now), Some(Duration::from_secs(30)));
        let later = now + Duration::from_secs(60);
        assert_eq!(retry_after(date, later), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-1", now), None);
        let fraction = retry_after("1.5", now);
        assert_eq!(fraction, Some(Duration::from_millis(1500)));
        assert_eq!(retry_after("inf", now), None);
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let settings = HttpSettings::default();
        let wait = |attempt, spread| backoff(&settings, attempt, spread).as_secs_f64();
        assert_eq!((wait(1, 0), wait(2, 0), wait(3, 0)), (1.0, 2.0, 4.0));
        assert_eq!((wait(8, 0), wait(40, 0)), (120.0, 120.0));
        assert!((0.5..1.0).contains(&wait(1, 7)), "{}", wait(1, 7));
    }
}
