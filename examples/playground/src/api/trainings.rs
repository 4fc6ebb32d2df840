//! Training a style, and watching it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::body::{check_prompt, in_turn, png, read_json};
use super::pairs::with_draft;
use super::take;
use crate::limits;
use crate::refusal::{Refusal, Result, json};
use crate::server::Shared;
use crate::training::{Run, Shown, Spec, State as Phase};

#[derive(Serialize)]
struct All {
    trainings: Vec<Shown>,
}

pub(super) async fn all(State(shared): State<Arc<Shared>>) -> Response {
    let runs = shared.trainings.all();
    json(&All {
        trainings: runs.iter().map(|run| run.shown()).collect(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Begin {
    draft: u64,
    prompt: String,
    epochs: usize,
    rival: bool,
}

pub(super) async fn begin(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let begin: Begin = read_json(&headers, body).await?;
    let prompt = check_prompt(&begin.prompt)?;
    if !(1..=limits::EPOCHS).contains(&begin.epochs) {
        let message = format!("train for 1 to {} epochs", limits::EPOCHS);
        return Err(Refusal::impossible(message));
    }
    let run = in_turn(&shared, &shared.computing, move |shared| {
        // A prompt of unknown words is refused now and not when its turn comes.
        shared.bench.predictor().encoder().tokens(&prompt)?;
        let pairs = with_draft(shared, begin.draft, |draft| draft.pairs())?;
        let spec = Spec {
            prompt,
            epochs: begin.epochs,
            rival: begin.rival,
            pairs: pairs.len(),
            seed: shared.bench.seed(),
            preset: shared.bench.preset().name().to_owned(),
            setup: shared.bench.setup().clone(),
        };
        shared.trainings.add(spec, &pairs)
    });
    Ok(json(&run.await?.shown()))
}

pub(super) async fn ask(
    State(shared): State<Arc<Shared>>,
    Path((id, action)): Path<(u32, String)>,
) -> Result<Response> {
    let run = shared.trainings.get(id)?;
    match action.as_str() {
        "pause" => run.ask(Phase::Paused)?,
        "stop" => run.ask(Phase::Stopped)?,
        "resume" => shared.trainings.resume(id)?,
        _ => return Err(Refusal::unknown("action")),
    }
    Ok(json(&run.shown()))
}

pub(super) async fn remove(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<u32>,
) -> Result<Response> {
    shared.trainings.remove(id)?;
    Ok(json(&()))
}

pub(super) async fn report(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<u32>,
) -> Result<Response> {
    let run = shared.trainings.get(id)?;
    take::report(&run)
}

pub(super) async fn picture(
    State(shared): State<Arc<Shared>>,
    Path((id, column, number)): Path<(u32, String, usize)>,
) -> Result<Response> {
    let picture = shared.trainings.get(id)?.picture(&column, number);
    Ok(png(picture.ok_or_else(|| Refusal::unknown("picture"))?))
}

/// The shortest time between two events.
const PAUSE: Duration = Duration::from_millis(100);

/// The training as it is now, and again after each change, until the server ends or the training is removed.
pub(super) async fn events(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<u32>,
) -> Result<Response> {
    let run = shared.trainings.get(id)?;
    let place = Arc::clone(&shared.followers).try_acquire_owned();
    let place = place.map_err(|_| Refusal::busy())?;
    let (sender, receiver) = mpsc::channel(1);
    let mut closing = shared.closing.subscribe();
    tokio::spawn(async move {
        let _place = place;
        tokio::select! {
            () = follow(&run, &sender) => {}
            () = sender.closed() => {}
            _ = closing.wait_for(|closing| *closing) => {}
        }
    });
    let events = Sse::new(Events(receiver));
    Ok(events.keep_alive(KeepAlive::default()).into_response())
}

async fn follow(run: &Run, sender: &mpsc::Sender<String>) {
    let mut versions = run.follow();
    loop {
        if *versions.borrow_and_update() == u64::MAX {
            return;
        }
        let Ok(text) = serde_json::to_string(&run.shown()) else {
            return;
        };
        if sender.send(text).await.is_err() || versions.changed().await.is_err() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

struct Events(mpsc::Receiver<String>);

impl Stream for Events {
    type Item = Result<Event, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let text = self.0.poll_recv(context);
        text.map(|text| text.map(|text| Ok(Event::default().data(text))))
    }
}
