//! From a prompt to edited photographs.

use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use concepts::images::{decode_image, encode_png};
use serde::Serialize;

use super::body::{Job, base64, in_turn, png, read, read_json};
use super::commands::prompt_command;
use crate::limits;
use crate::refusal::{Refusal, Result, json};
use crate::server::Shared;

#[derive(Serialize)]
struct About<'a> {
    size: usize,
    concepts: usize,
    samples: Vec<&'a str>,
    max_photos: usize,
    max_pairs: usize,
    fewest_pairs: usize,
    max_epochs: usize,
    max_strength: f32,
}

pub(super) async fn about(State(shared): State<Arc<Shared>>) -> Response {
    let bench = &shared.bench;
    json(&About {
        size: bench.size(),
        concepts: bench.concepts(),
        samples: bench
            .samples()
            .iter()
            .map(|sample| sample.name.as_str())
            .collect(),
        max_photos: limits::PHOTOS,
        max_pairs: limits::PAIRS,
        fewest_pairs: crate::uploads::FEWEST,
        max_epochs: limits::EPOCHS,
        max_strength: denoised_weights::weights::MAX_STRENGTH,
    })
}

pub(super) async fn sample(
    State(shared): State<Arc<Shared>>,
    Path(number): Path<usize>,
) -> Result<Response> {
    let sample = shared.bench.samples().get(number);
    Ok(png(sample
        .ok_or_else(|| Refusal::unknown("sample"))?
        .png
        .clone()))
}

/// An uploaded file as it is edited and shown, as PNG.
pub(super) async fn photo(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let turns = Arc::clone(&shared.uploading);
    // Before the body is read, so that no more than a few are in memory.
    let place = Arc::clone(&turns).acquire_owned().await;
    let _place = place.map_err(|_| Refusal::busy())?;
    let bytes = read(&headers, body, limits::UPLOAD_BYTES).await?;
    let fitted = in_turn(&shared, &shared.computing, move |shared| {
        let photo = FilePath::new("photo");
        let image = decode_image(&bytes, photo, limits::IMAGE)?;
        Ok(encode_png(&shared.bench.shown(image)?, photo)?)
    });
    Ok(png(fitted.await?))
}

#[derive(Serialize)]
struct Near {
    concept: String,
    prompt: String,
    similarity: f32,
}

#[derive(Serialize)]
struct Edited {
    /// PNG in base64, in the order of the request.
    images: Vec<String>,
    predict_ms: f64,
    edit_ms: f64,
    nearest: Vec<Near>,
    warnings: Vec<String>,
    command: String,
}

pub(super) async fn edit(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let job: Job = read_json(&headers, body).await?;
    let edited = in_turn(&shared, &shared.computing, move |shared| {
        let bench = &shared.bench;
        let recipe = job.recipe(&shared.trainings)?;
        let photos = job.photos(bench)?;
        let made = bench.make(&recipe, job.strength)?;
        let started = Instant::now();
        let images = bench.edit(&made, &photos.iter().collect::<Vec<_>>())?;
        let edit_ms = started.elapsed().as_secs_f64() * 1e3;
        let images = (images.iter())
            .map(|image| Ok(base64(&encode_png(image, FilePath::new("edited"))?)))
            .collect::<Result<_>>()?;
        let nearest = made.neighbours.into_iter().map(|near| Near {
            concept: near.concept,
            prompt: near.prompt,
            similarity: near.similarity,
        });
        Ok(Edited {
            images,
            predict_ms: made.seconds * 1e3,
            edit_ms,
            nearest: nearest.collect(),
            warnings: made.warnings,
            command: prompt_command(&recipe, job.strength, bench.preset(), bench.setup()),
        })
    });
    Ok(json(&edited.await?))
}
