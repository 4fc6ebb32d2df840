//! [`ClipScore`] against `transformers`, and what it refuses.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use concepts::ImageEditor;
use image::RgbImage;
use image_editors::quality::{ClipError, ClipScore, NoReference, QualityScore};
use image_editors::run::{Choice, EditConcept, EditRun, EditSettings, NamedImage};
use serde_json::Value;

const FILES: [&str; 4] = [
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
];

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/clip")
}

fn open(dir: &Path) -> Result<ClipScore, ClipError> {
    ClipScore::open(dir, "a photo", &Device::flex())
}

fn reference() -> Value {
    serde_json::from_slice(&std::fs::read(fixture().join("reference.json")).unwrap()).unwrap()
}

/// The photos of tools/editor_fixtures_clip.py.
fn photo(number: u32) -> RgbImage {
    RgbImage::from_fn(32, 32, |x, y| {
        image::Rgb([
            ((x * 7 + 40 * number) % 200) as u8,
            ((y * 5 + 30 * number) % 200) as u8,
            (((x ^ y) * 3 + 20) % 200) as u8,
        ])
    })
}

struct Tint(&'static str, usize);

impl ImageEditor for Tint {
    fn name(&self) -> &str {
        self.0
    }

    fn edit(&self, photo: &RgbImage, _: &str, _: u64) -> Result<RgbImage, concepts::Error> {
        let mut edited = photo.clone();
        edited.pixels_mut().for_each(|p| p.0[self.1] += 50);
        Ok(edited)
    }
}

#[test]
fn scores_are_those_of_transformers() {
    let (score, reference) = (open(&fixture()).unwrap(), reference());
    for (name, prompt) in reference["prompts"].as_object().unwrap() {
        for editor in [Tint("red", 0), Tint("blue", 2)] {
            for number in 0..3 {
                let photo = photo(number);
                let edited = editor.edit(&photo, "", 0).unwrap();
                let ours = score
                    .score(&photo, &edited, prompt.as_str().unwrap())
                    .unwrap();
                let theirs = reference["scores"][name][editor.0][number as usize]
                    .as_f64()
                    .unwrap();
                assert!((ours - theirs).abs() < 1e-3, "{ours} against {theirs}");
            }
        }
    }
}

#[test]
fn the_editor_whose_direction_fits_is_chosen() {
    let dir = tempfile::tempdir().unwrap();
    let concepts: Vec<EditConcept> = reference()["prompts"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, prompt)| EditConcept {
            name: name.clone(),
            prompt: prompt.as_str().unwrap().to_owned(),
        })
        .collect();
    let photos: Vec<NamedImage> = (0..3)
        .map(|number| NamedImage {
            name: format!("photo-{number}"),
            image: photo(number),
        })
        .collect();
    let (red, blue) = (Tint("red", 0), Tint("blue", 2));
    let editors: [&(dyn ImageEditor + Sync); 2] = [&red, &blue];
    let settings = EditSettings::default();
    let run = EditRun::new(dir.path(), &concepts, &photos, &editors, settings).unwrap();
    run.run(&|_| {}).unwrap();
    let score = open(&fixture()).unwrap();
    let mut blind = Vec::new();
    for concept in &concepts {
        let best = run.choose(concept, &score, Choice::PerImage).unwrap();
        assert_eq!(best.chosen.len(), 3);
        assert!(best.chosen.iter().all(|edit| edit.editor == concept.name));
        assert_eq!(best.score, "clip-direction");
        assert!(best.ranking[0].mean > best.ranking[1].mean + 0.2);
        let best = run.choose(concept, &NoReference, Choice::PerConcept);
        blind.push(best.unwrap().chosen[0].editor.clone());
    }
    // Without CLIP the prompt makes no difference.
    assert_eq!(blind[0], blind[1]);
}

fn copy_without(missing: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in FILES.iter().filter(|name| **name != missing) {
        std::fs::copy(fixture().join(name), dir.path().join(name)).unwrap();
    }
    dir
}

fn refused(dir: &Path) -> String {
    match open(dir) {
        Ok(_) => panic!("{} was taken", dir.display()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_missing_is_named() {
    assert!(refused(Path::new("no/such/folder")).contains("no/such/folder"));
    for name in &FILES[..3] {
        let dir = copy_without(name);
        let error = refused(dir.path());
        assert!(error.contains(name.split('.').next().unwrap()), "{error}");
        assert!(error.contains(dir.path().to_str().unwrap()), "{error}");
    }
    let dir = copy_without("");
    let path = dir.path().join("config.json");
    let whole: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for (change, word) in [
        (
            Box::new(|config: &mut Value| {
                config.as_object_mut().unwrap().remove("vision_config");
            }) as Box<dyn Fn(&mut Value)>,
            "whole CLIP model",
        ),
        (
            Box::new(|config| config["vision_config"]["hidden_act"] = "gelu".into()),
            "quick_gelu",
        ),
        (
            Box::new(|config| config["vision_config"]["num_hidden_layers"] = 3.into()),
            "encoder.layers.2",
        ),
        (
            Box::new(|config| config["projection_dim"] = 24.into()),
            "16",
        ),
    ] {
        let mut config = whole.clone();
        change(&mut config);
        std::fs::write(&path, config.to_string()).unwrap();
        let error = refused(dir.path());
        assert!(error.contains(word), "{word}: {error}");
    }
    // A text tower alone, with the whole model's configuration.
    std::fs::write(&path, whole.to_string()).unwrap();
    let text = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../text-encoder/tests/fixtures/clip-legacy/model.safetensors");
    std::fs::copy(text, dir.path().join("model.safetensors")).unwrap();
    let error = refused(dir.path());
    assert!(
        error.contains("image side") && error.contains("model.safetensors"),
        "{error}"
    );
}

#[test]
fn the_digest_covers_weights_and_the_neutral_text() {
    let whole = open(&fixture()).unwrap();
    let dir = copy_without("");
    assert_eq!(open(dir.path()).unwrap().digest(), whole.digest());
    let other = ClipScore::open(&fixture(), "a face", &Device::flex()).unwrap();
    assert_ne!(other.digest(), whole.digest());
    // One bit of the image tower's last weight.
    let path = dir.path().join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_ne!(open(dir.path()).unwrap().digest(), whole.digest());
}
