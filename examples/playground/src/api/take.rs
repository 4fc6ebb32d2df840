//! What one takes away: adapters, photographs, the commands that do the same.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};
use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use concepts::images::encode_png;
use denoised_weights::export::export_peft;
use denoised_weights::run::same_place;
use denoised_weights::{Assets, Preset};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::body::{Job, download, in_turn, read_json};
use crate::refusal::{Refusal, Result, failed, json};
use crate::server::Shared;
use crate::training::Run;
use crate::workbench::{Recipe, SHOWN_SIZE};

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

/// The beginning of the command that runs an example program with the models of a preset.
fn command(example: &str, preset: &str) -> String {
    let mut command = format!("cargo run --release --example {example} --");
    if preset != Preset::Compact.name() {
        let _ = write!(command, " --preset {preset}");
    }
    command
}

/// The folders of the models, unless they are the shipped ones of the preset.
fn own_models(preset: Preset, paths: &Assets) -> String {
    const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets");
    let shipped = Assets::of_preset(SHIPPED, preset);
    let mut options = String::new();
    for (option, own, shipped) in [
        ("base", &paths.base, shipped.base),
        (
            "generator",
            &paths.weight_generator,
            shipped.weight_generator,
        ),
    ] {
        if !same_place(own, &shipped) {
            let own = quoted(&own.display().to_string());
            let _ = write!(options, " --{option} {own}");
        }
    }
    options
}

/// The command that predicts the same adapter and edits the photos of the folder DIR with it, at the size of the page.
pub(super) fn prompt_command(
    recipe: &Recipe,
    strength: f32,
    preset: Preset,
    paths: &Assets,
) -> String {
    let mut command = command("generate", preset.name()) + &own_models(preset, paths);
    match recipe {
        Recipe::Trained(adapter) => {
            let path = quoted(&adapter.display().to_string());
            let _ = write!(command, " --adapter {path}");
        }
        Recipe::Prompt(prompt, second) => {
            let _ = write!(command, " --prompt {}", quoted(prompt));
            if let Some((other, share)) = second {
                let _ = write!(command, " --mix {} --share {share}", quoted(other));
            }
        }
    }
    if strength != 1.0 {
        let _ = write!(command, " --strength {strength}");
    }
    let _ = write!(
        command,
        " --out out/adapter.safetensors --apply DIR --images out/edited --shorter-side {SHOWN_SIZE}"
    );
    command
}

/// The command that trains the same.
pub(crate) fn training_command(run: &Run) -> String {
    let spec = run.spec();
    format!(
        "{} --prompt {} --pairs {} --epochs {}",
        command("your_style", &spec.preset),
        quoted(&spec.prompt),
        quoted(&run.dir().join("pairs").display().to_string()),
        spec.epochs
    )
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_quote_what_the_user_typed() {
        let recipe = Recipe::Prompt("cat's $(rm) \"x\"".into(), Some(("b".into(), 0.25)));
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets");
        let mut paths = Assets::of_preset(shipped, Preset::Photo);
        let command = prompt_command(&recipe, 0.5, Preset::Photo, &paths);
        assert!(
            command.contains("generate -- --preset photo --prompt"),
            "{command}"
        );
        assert!(
            command.contains(r#"--prompt 'cat'\''s $(rm) "x"'"#),
            "{command}"
        );
        assert!(
            command.contains("--mix 'b' --share 0.25 --strength 0.5"),
            "{command}"
        );
        let edits = "--apply DIR --images out/edited --shorter-side 256";
        assert!(command.ends_with(edits), "{command}");
        paths.base = "my base".into();
        let command = prompt_command(&recipe, 1.0, Preset::Photo, &paths);
        let model = "--preset photo --base 'my base' --prompt";
        assert!(command.contains(model), "{command}");
        assert!(super::command("your_style", "photo").ends_with("your_style -- --preset photo"));
        assert!(super::command("your_style", "compact").ends_with("your_style --"));
    }
}
