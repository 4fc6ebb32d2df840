//! The page's requests.

mod body;
mod commands;
mod edit;
mod pairs;
mod take;
mod trainings;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::routing::{get, post, put};

use crate::page;
use crate::refusal::Refusal;
use crate::server::Shared;

pub(crate) use commands::training_command;

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let files = |request: Request| async move { page::file(request.uri().path()) };
    Router::new()
        .route("/api/about", get(edit::about))
        .route("/api/samples/{number}", get(edit::sample))
        .route("/api/photo", post(edit::photo))
        .route("/api/edit", post(edit::edit))
        .route("/api/take/adapter", post(take::adapter))
        .route("/api/take/peft", post(take::peft))
        .route("/api/take/photos", post(take::photos))
        .route("/api/drafts", post(pairs::open))
        .route("/api/drafts/{id}", get(pairs::rows).delete(pairs::close))
        .route("/api/drafts/{id}/files", put(pairs::add))
        .route("/api/drafts/{id}/remove", post(pairs::remove))
        .route("/api/drafts/{id}/{number}/{side}", get(pairs::picture))
        .route("/api/trainings", get(trainings::all).post(trainings::begin))
        .route(
            "/api/trainings/{id}",
            axum::routing::delete(trainings::remove),
        )
        .route("/api/trainings/{id}/events", get(trainings::events))
        .route("/api/trainings/{id}/report", get(trainings::report))
        .route(
            "/api/trainings/{id}/images/{column}/{number}",
            get(trainings::picture),
        )
        .route("/api/trainings/{id}/{action}", post(trainings::ask))
        .fallback(get(files))
        .method_not_allowed_fallback(|| async {
            Refusal::new(axum::http::StatusCode::METHOD_NOT_ALLOWED, "not like this")
        })
        // Handlers read bodies themselves, after they have their turn.
        .layer(DefaultBodyLimit::disable())
        .with_state(shared)
}
