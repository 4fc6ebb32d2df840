//! Putting a set of pairs together.

use std::sync::{Arc, PoisonError};

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::body::{in_turn, png, read, read_json};
use crate::limits;
use crate::refusal::{Refusal, Result, json};
use crate::server::Shared;
use crate::slot::{Row, Side};
use crate::uploads::{Draft, decode};

#[derive(Serialize)]
struct Opened {
    id: u64,
}

#[derive(Serialize)]
struct Rows {
    rows: Vec<Row>,
}

/// Does `work` with a draft.
pub(super) fn with_draft<T>(
    shared: &Shared,
    id: u64,
    work: impl FnOnce(&mut Draft) -> Result<T>,
) -> Result<T> {
    let mut drafts = shared.drafts.lock().unwrap_or_else(PoisonError::into_inner);
    work(drafts.get(id)?)
}

pub(super) async fn open(State(shared): State<Arc<Shared>>) -> Response {
    let mut drafts = shared.drafts.lock().unwrap_or_else(PoisonError::into_inner);
    json(&Opened { id: drafts.open() })
}

/// The pairs of a set, or null if the server no longer has it: no error, since a page asks when it is loaded.
pub(super) async fn rows(State(shared): State<Arc<Shared>>, Path(id): Path<u64>) -> Response {
    let rows = with_draft(&shared, id, |draft| Ok(draft.rows()));
    match rows {
        Ok(rows) => json(&Rows { rows }),
        Err(_) => json(&()),
    }
}

pub(super) async fn close(State(shared): State<Arc<Shared>>, Path(id): Path<u64>) -> Response {
    let mut drafts = shared.drafts.lock().unwrap_or_else(PoisonError::into_inner);
    drafts.close(id);
    json(&())
}

#[derive(Deserialize)]
pub(super) struct File {
    side: Side,
    /// With its folders, if the page knows them.
    name: String,
}

pub(super) async fn add(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<u64>,
    Query(file): Query<File>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let place = Arc::clone(&shared.uploading).acquire_owned().await;
    let _place = place.map_err(|_| Refusal::busy())?;
    let bytes = read(&headers, body, limits::UPLOAD_BYTES).await?;
    let rows = in_turn(&shared, &shared.computing, move |shared| {
        let halves = decode(&shared.bench, file.side, &file.name, &bytes);
        let mut drafts = shared.drafts.lock().unwrap_or_else(PoisonError::into_inner);
        drafts.add(&shared.bench, id, (file.side, &file.name), halves)
    });
    Ok(json(&Rows { rows: rows.await? }))
}

#[derive(Deserialize)]
struct Removal {
    numbers: Vec<usize>,
}

pub(super) async fn remove(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let removal: Removal = read_json(&headers, body).await?;
    let rows = with_draft(&shared, id, |draft| {
        draft.remove(&shared.bench, &removal.numbers);
        Ok(draft.rows())
    })?;
    Ok(json(&Rows { rows }))
}

pub(super) async fn picture(
    State(shared): State<Arc<Shared>>,
    Path((id, number, side)): Path<(u64, usize, Side)>,
) -> Result<Response> {
    let picture = with_draft(&shared, id, |draft| Ok(draft.picture(number, side)))?;
    Ok(png(picture.ok_or_else(|| Refusal::unknown("picture"))?))
}
