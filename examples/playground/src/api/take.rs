//! What one takes away: adapters, photographs, reports.

use std::io::{Cursor, Write as _};
use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use concepts::images::encode_png;
use denoised_weights::export::export_peft;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::body::{Job, download, in_turn, read_json};
use crate::refusal::{Refusal, Result, failed, json};
use crate::server::Shared;
use crate::training::Run;

const ZIP: &str = "application/zip";

pub(super) async fn adapter(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let job: Job = read_json(&headers, body).await?;
    let file = in_turn(&shared, &shared.computing, move |shared| {
        let made = (shared.bench).make(&job.recipe(&shared.trainings)?, job.strength)?;
        let dir = tempfile::tempdir().map_err(failed("no temporary folder"))?;
        let path = dir.path().join("adapter.safetensors");
        let saved = made.base.save_adapter(&path, &made.adapter);
        saved.map_err(failed("the adapter cannot be written"))?;
        std::fs::read(&path).map_err(failed("the adapter cannot be read"))
    });
    let media = "application/octet-stream";
    Ok(download(media, "adapter.safetensors", file.await?))
}

pub(super) async fn peft(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let job: Job = read_json(&headers, body).await?;
    let file = in_turn(&shared, &shared.computing, move |shared| {
        let made = (shared.bench).make(&job.recipe(&shared.trainings)?, job.strength)?;
        let dir = tempfile::tempdir().map_err(failed("no temporary folder"))?;
        export_peft(&made.base, &made.adapter, dir.path())?;
        zipped(read_folder(dir.path())?)
    });
    Ok(download(ZIP, "peft-adapter.zip", file.await?))
}

pub(super) async fn photos(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let job: Job = read_json(&headers, body).await?;
    let file = in_turn(&shared, &shared.computing, move |shared| {
        let photos = job.photos(&shared.bench)?;
        if photos.is_empty() {
            return Err(Refusal::malformed("there are no photographs"));
        }
        let made = (shared.bench).make(&job.recipe(&shared.trainings)?, job.strength)?;
        let photos: Vec<_> = photos.iter().collect();
        let edited = shared.bench.edit(&made, &photos)?;
        let names = job.photo_names().into_iter();
        let files = names.zip(&edited).map(|(name, image)| {
            let name = format!("{name}.png");
            Ok((name, encode_png(image, Path::new("edited"))?))
        });
        zipped(files.collect::<Result<_>>()?)
    });
    Ok(download(ZIP, "edited-photographs.zip", file.await?))
}

/// The report of a finished training.
pub(super) fn report(run: &Run) -> Result<Response> {
    let none = || Refusal::impossible("the report is written after the last epoch");
    let text = std::fs::read(run.report().ok_or_else(none)?);
    let text = text.map_err(failed("the report cannot be read"))?;
    let report: serde_json::Value =
        serde_json::from_slice(&text).map_err(failed("the report is damaged"))?;
    Ok(json(&report))
}

fn read_folder(dir: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let failed = || failed("the adapter cannot be read");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed())? {
        let path = entry.map_err(failed())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        files.push((name.into_owned(), std::fs::read(&path).map_err(failed())?));
    }
    files.sort();
    Ok(files)
}

/// The files as a ZIP archive. Weights and PNG files do not compress.
fn zipped(files: Vec<(String, Vec<u8>)>) -> Result<Vec<u8>> {
    const WHAT: &str = "the archive cannot be written";
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in files {
        archive.start_file(name, options).map_err(failed(WHAT))?;
        archive.write_all(&bytes).map_err(failed(WHAT))?;
    }
    Ok(archive.finish().map_err(failed(WHAT))?.into_inner())
}
