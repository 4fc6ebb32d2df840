//! Settings of clients under test.

use std::time::Duration;

use model_server_client::HttpSettings;

use crate::Reply;

/// Silence for longer than [`impatient`] waits, then the connection ends.
pub fn slow() -> Reply {
    Reply::Slow(Duration::from_secs(2), Box::new(Reply::Drop))
}

/// As [`hasty`], but it does not wait for [`slow`].
pub fn impatient() -> HttpSettings {
    HttpSettings {
        timeout: Duration::from_secs(1),
        ..hasty()
    }
}

/// The settings for a client of a server with this fault.
pub fn client_for(fault: &Reply) -> HttpSettings {
    match fault {
        Reply::Slow(..) => impatient(),
        _ => hasty(),
    }
}

/// Short waits and small limits. The timeout allows for a machine under load.
pub fn hasty() -> HttpSettings {
    HttpSettings {
        timeout: Duration::from_secs(10),
        attempts: 4,
        first_wait: Duration::from_millis(5),
        max_wait: Duration::from_secs(2),
        max_reply: 4 << 20,
    }
}
