//! Encoders through the public interface, against the libraries whose models they read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod clip_text;
mod common;
mod embedding_cache;
mod encoder_damage;
#[cfg(feature = "hub")]
mod hub;
#[cfg(feature = "hub")]
mod hub_server;
mod minilm;
mod older_files;
mod open_encoder;
mod sentence_modules;
#[cfg(feature = "embedded")]
mod static_encoder;
mod static_files;
