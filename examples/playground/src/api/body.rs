//! Reading requests, within limits and in turn.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use concepts::images::decode_image;
use image::RgbImage;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use crate::limits;
use crate::refusal::{Refusal, Result, failed};
use crate::server::Shared;
use crate::training::Trainings;
use crate::uploads::stem;
use crate::workbench::{Recipe, Workbench};

/// The body, of at most `limit` bytes, which must arrive in time.
pub(super) async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes> {
    let too_large = || {
        let message = format!(
            "the file is larger than {} MiB; make it smaller",
            limit >> 20
        );
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
    if length > limit {
        return Err(too_large());
    }
    match tokio::time::timeout(limits::ARRIVAL, axum::body::to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        // Longer than announced, or cut off; nobody reads the answer in the second case.
        Ok(Err(_)) => Err(too_large()),
        Err(_) => Err(Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            "the request took too long to arrive; try again",
        )),
    }
}

pub(super) async fn read_json<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T> {
    let bytes = read(headers, body, limits::JSON_BYTES).await?;
    let malformed = |error| Refusal::malformed(format!("the request cannot be read: {error}"));
    serde_json::from_slice(&bytes).map_err(malformed)
}

/// Does `work` on a thread for computing when its turn comes. A client that goes away while it waits gives its place up.
pub(super) async fn in_turn<T: Send + 'static>(
    shared: &Arc<Shared>,
    turns: &Arc<Semaphore>,
    work: impl FnOnce(&Shared) -> Result<T> + Send + 'static,
) -> Result<T> {
    let place = Arc::clone(&shared.waiting).try_acquire_owned();
    let place = place.map_err(|_| Refusal::busy())?;
    let turn = Arc::clone(turns).acquire_owned().await;
    let turn = turn.map_err(|_| Refusal::busy())?;
    let shared = Arc::clone(shared);
    let worked = tokio::task::spawn_blocking(move || {
        let _held = (place, turn);
        work(&shared)
    });
    worked.await.map_err(failed("the computation broke off"))?
}

/// A photograph in a request.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum PhotoSource {
    /// One of the server's samples.
    Sample(usize),
    /// PNG in base64, as the server made it of an uploaded file.
    Png(String),
}

/// What to edit with, and what to edit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Job {
    prompt: Option<String>,
    mix: Option<Mix>,
    /// A trained style in place of a prompt.
    training: Option<u32>,
    #[serde(default = "one")]
    pub(super) strength: f32,
    #[serde(default)]
    pub(super) photos: Vec<PhotoSource>,
    /// The photographs' files, for those that are taken away.
    #[serde(default)]
    names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mix {
    prompt: String,
    share: f32,
}

fn one() -> f32 {
    1.0
}

impl Job {
    /// What the adapter is made from.
    pub(super) fn recipe(&self, trainings: &Trainings) -> Result<Recipe> {
        match (&self.prompt, self.training) {
            (Some(prompt), None) => {
                let second = match &self.mix {
                    Some(mix) => Some((check_prompt(&mix.prompt)?, mix.share)),
                    None => None,
                };
                Ok(Recipe::Prompt(check_prompt(prompt)?, second))
            }
            (None, Some(_)) if self.mix.is_some() => Err(Refusal::malformed(
                "a trained style cannot be mixed with a prompt; leave “mix” out",
            )),
            (None, Some(id)) => {
                let adapter = trainings.get(id)?.adapter();
                let none = "the training has no finished epoch yet";
                Ok(Recipe::Trained(
                    adapter.ok_or_else(|| Refusal::impossible(none))?,
                ))
            }
            _ => Err(Refusal::malformed("give either a prompt or a training")),
        }
    }

    /// The photographs at the base's size.
    pub(super) fn photos(&self, bench: &Workbench) -> Result<Vec<RgbImage>> {
        if self.photos.len() > limits::PHOTOS {
            let message = format!("at most {} photographs at a time", limits::PHOTOS);
            return Err(Refusal::impossible(message));
        }
        self.photos.iter().map(|photo| photo.read(bench)).collect()
    }

    /// The photographs' names without extension, each once; `photo-NN` for one without a name.
    pub(super) fn photo_names(&self) -> Vec<String> {
        let mut taken = BTreeSet::new();
        let names = (0..self.photos.len()).map(|index| {
            let number = index + 1;
            let given = self.names.get(index).and_then(|name| stem(name).ok());
            let mut name = given.unwrap_or_else(|| format!("photo-{number:02}"));
            // Names that differ only in case are one file on many systems.
            while !taken.insert(name.to_lowercase()) {
                let _ = write!(name, "-{number}");
            }
            name
        });
        names.collect()
    }
}

impl PhotoSource {
    fn read(&self, bench: &Workbench) -> Result<RgbImage> {
        match self {
            Self::Sample(number) => {
                let sample = bench.samples().get(*number);
                Ok(sample
                    .ok_or_else(|| Refusal::unknown("sample"))?
                    .image
                    .clone())
            }
            Self::Png(text) => {
                let bytes = STANDARD.decode(text);
                let bytes = bytes.map_err(|error| Refusal::malformed(format!("photo: {error}")))?;
                let image = decode_image(&bytes, Path::new("photo"), limits::IMAGE)?;
                Ok(bench.shown(image)?)
            }
        }
    }
}

pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The prompt without spaces around it.
pub(super) fn check_prompt(prompt: &str) -> Result<String> {
    let prompt = prompt.trim();
    if prompt.is_empty() {
        return Err(Refusal::impossible("describe the style in a few words"));
    }
    if prompt.chars().count() > limits::PROMPT_CHARS || prompt.contains(char::is_control) {
        let message = format!(
            "a prompt is one line of at most {} characters",
            limits::PROMPT_CHARS
        );
        return Err(Refusal::impossible(message));
    }
    Ok(prompt.to_owned())
}

/// An image as the answer.
pub(super) fn png(bytes: Vec<u8>) -> Response {
    ([("content-type", "image/png")], bytes).into_response()
}

/// A file to keep as the answer.
pub(super) fn download(media: &'static str, name: &str, bytes: Vec<u8>) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers = [
        ("content-type", media.to_owned()),
        ("content-disposition", disposition),
    ];
    (headers, bytes).into_response()
}
