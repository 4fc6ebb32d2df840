//! Pairs, photos, prompt sets, journals and settings.

use std::collections::BTreeMap;
use std::path::Path;

use concepts::pairs::{Aligned, read_aligned};
use concepts::prepare::{FaceBoxes, Identities, Manifest};
use concepts::{read_pair_splits, read_pairs, read_photos};
use fuzz_harness::Folder;
use image::ImageFormat;
use image_editors::{EditorConfig, Workflow};
use prompt_sets::PromptSet;
use prompt_sets::generate::{Journal, Templates};

use super::measures::picture;
use super::{of_crate, one, pictures, target, text};
use crate::run::Target;

const FORMATS: [(&str, ImageFormat); 3] = [
    ("png", ImageFormat::Png),
    ("jpg", ImageFormat::Jpeg),
    ("webp", ImageFormat::WebP),
];

fn pairs(splits: &[&str]) -> Folder {
    let mut folder = Folder::new();
    for split in splits {
        for (i, (ending, format)) in FORMATS.into_iter().enumerate() {
            for side in ["input", "target"] {
                let name = format!("{split}{side}/p{i}.{ending}");
                folder.insert(name, picture(20, 16, format));
            }
        }
    }
    folder
}

fn images(width: u32) -> Folder {
    let files = FORMATS.into_iter().enumerate();
    files
        .map(|(i, (ending, format))| (format!("p{i}.{ending}"), picture(width, 16, format)))
        .collect()
}

fn json(name: &str, text: &str) -> Folder {
    Folder::from([(name.to_owned(), text.as_bytes().to_vec())])
}

fn prompt_files(dir: &Path) -> Result<(), String> {
    type Read = fn(&Path) -> Result<(), String>;
    let readers: [(&str, Read); 8] = [
        ("set.json", |path| {
            PromptSet::read(path).map(drop).map_err(text)
        }),
        ("answers.jsonl", |path| {
            Journal::open(path).map(drop).map_err(text)
        }),
        ("boxes.json", |path| {
            FaceBoxes::read(path).map(drop).map_err(text)
        }),
        ("people.json", |path| {
            Identities::read(path).map(drop).map_err(text)
        }),
        ("manifest.json", |path| {
            Manifest::read(path).map(drop).map_err(text)
        }),
        ("system.txt", |path| {
            let read = Templates::read(path.parent().unwrap_or(path));
            read.map(drop).map_err(text)
        }),
        ("editors.json", |path| {
            for editor in EditorConfig::read_list(path).map_err(text)? {
                editor.open(&Default::default()).map_err(text)?;
            }
            Ok(())
        }),
        ("workflow.json", |path| {
            let variables = BTreeMap::from([("checkpoint".to_owned(), "x".to_owned())]);
            Workflow::read(path, &variables).map(drop).map_err(text)
        }),
    ];
    let found = readers.iter().find(|(name, _)| dir.join(name).exists());
    let (name, read) = found.ok_or("there is no such file")?;
    read(&dir.join(name))
}

pub(super) fn targets() -> Vec<Target> {
    let folders = pictures("pair_folders", vec![pairs(&[""]), images(32)], |dir| {
        read_pairs(dir, 8).map(drop).map_err(text)
    });
    let splits = target(
        "pair_splits",
        vec![pairs(&["train/", "val/", "test/"])],
        |dir| read_pair_splits(dir, 8).map(drop).map_err(text),
    );
    let photos = pictures("photos", vec![images(20)], |dir| {
        read_photos(dir, 8).map(drop).map_err(text)
    });
    let aligned = pictures("aligned_pairs", vec![images(32)], |dir| {
        read_aligned(dir, 8, Aligned::TargetLeft)
            .map(drop)
            .map_err(text)
    });
    let set = r#"{"concepts":[
        {"category":"art","text":"charcoal sketch","split":"train","paraphrases":["in charcoal"]},
        {"category":"facial","text":"grey hair","split":"test","paraphrases":[]}]}"#;
    let line = |key: &str, text: &str| {
        format!(
            r#"{{"key":"{key}","label":"art","model":"m","text":{text},"cut":false,"prompt_tokens":12,"completion_tokens":3}}"#
        )
    };
    let journal = format!("{}\n{}\n", line("aa", "\"one\\ntwo\""), line("bb", "null"));
    let manifest = r#"{"version":1,"size":64,"crop":"centre",
        "fractions":{"train":0.8,"validation":0.1,"test":0.1},"seed":1,"photos":[
        {"name":"a","split":"train","group":"a","source_file":"a.jpg","source_sha256":"00","crop":[0,0,64],"sha256":"11"}]}"#;
    let editors = r#"[
        {"name":"sd15","address":"http://127.0.0.1:7860","api":{"webui":{"denoising_strength":0.5,
         "control":[{"module":"canny","model":"canny"}]}}},
        {"name":"ip2p","address":"http://127.0.0.1:8188","api":{"comfy":{"workflow":"instruct_pix2pix",
         "template":"turn it into a {prompt}","variables":{"checkpoint":"a.safetensors"}}}}]"#;
    let files = vec![
        json("set.json", set),
        json("answers.jsonl", &journal),
        json("boxes.json", r#"{"a.jpg":[1,2,30,40],"b":[0,0,1.5,2]}"#),
        json("people.json", r#"{"a.jpg":"one","b.jpg":"two"}"#),
        json("manifest.json", manifest),
        json("system.txt", "You write lists.\nOne entry a line.\n"),
        json("editors.json", editors),
        one(
            "workflow.json",
            &of_crate("image-editors", "workflows/instruct_pix2pix.json"),
        ),
    ];
    let lists = target("prompt_lists", files, prompt_files);
    vec![folders, splits, photos, aligned, lists]
}
