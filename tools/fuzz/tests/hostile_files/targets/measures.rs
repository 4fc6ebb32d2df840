//! What clean-fid reads.

use burn::tensor::Device;
use clean_fid::{
    ClipVisionConfig, FeatureSet, FeatureStatistics, FrechetReference, ImageFolder, Picture,
};
use fuzz_harness::Folder;
use image::{ImageFormat, RgbImage};
use safetensors::SafeTensors;

use super::{of_crate, one, pictures, target, text};
use crate::run::Target;

fn fixture(name: &str) -> std::path::PathBuf {
    of_crate("clean-fid", "tests/fixtures").join(name)
}

pub(super) fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let image = RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([(x * 7) as u8, (y * 11) as u8, (x * y) as u8])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn vision() -> Folder {
    let bytes = std::fs::read(fixture("clip.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors: Vec<_> = file
        .iter()
        .filter_map(|(name, view)| Some((name.strip_prefix("weights.")?.to_owned(), view)))
        .collect();
    let bytes = safetensors::serialize(tensors, None).unwrap();
    Folder::from([("clip.safetensors".to_owned(), bytes)])
}

pub(super) fn targets() -> Vec<Target> {
    let statistics = ["stored", "compressed", "single"]
        .map(|name| one("stats.npz", &fixture(&format!("statistics_{name}.npz"))));
    let statistics = target("fid_statistics", statistics.into(), |dir| {
        let statistics = FeatureStatistics::load(dir.join("stats.npz")).map_err(text)?;
        FrechetReference::from_statistics(&statistics)
            .map(drop)
            .map_err(text)
    });
    let features = one("feats.npz", &fixture("features_kid.npz"));
    let features = target("kid_features", vec![features], |dir| {
        FeatureSet::load(dir.join("feats.npz"))
            .map(drop)
            .map_err(text)
    });
    let tiny = ClipVisionConfig::new()
        .with_size(32)
        .with_patch(8)
        .with_width(32)
        .with_inner(48)
        .with_blocks(2)
        .with_heads(4)
        .with_outputs(24);
    let weights = target("fid_weights", vec![vision()], move |dir| {
        let path = dir.join("clip.safetensors");
        tiny.load(&path, &Device::flex()).map(drop).map_err(text)
    });
    let files = [
        ("a.png", ImageFormat::Png),
        ("a.jpg", ImageFormat::Jpeg),
        ("a.webp", ImageFormat::WebP),
    ]
    .map(|(name, format)| Folder::from([(name.to_owned(), picture(24, 16, format))]));
    let pictures = pictures("fid_pictures", files.into(), |dir| {
        let folder = ImageFolder::open(dir).map_err(text)?;
        folder
            .files()
            .iter()
            .try_for_each(|file| Picture::open(file).map(drop).map_err(text))
    });
    vec![statistics, features, weights, pictures]
}
