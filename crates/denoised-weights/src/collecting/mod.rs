//! Collecting trained weights into a zoo: of any network ([`collect`]), or adapters of the image translator
//! ([`Collector`]).

mod adapters;
mod queue;

pub use adapters::{CollectOptions, Collector};
pub use queue::{CollectEvent, collect};
