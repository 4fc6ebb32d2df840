//! Options that several programs share: the files of the models, how to predict, how pairs are laid out.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use clap::{Args, ValueEnum};
use concepts::images::image_files;
use concepts::pairs::{Aligned, PairLayout};
use denoised_weights::{AdapterPredictor, Assets, Preset, PromptEncoder, memory};
use weight_diffusion::{SampleOptions, WeightGenerator};

use crate::Result;
use crate::cli::one_of;
use crate::files::Places;
use crate::limits::available_mib;

/// The base generator, the photos, the zoo and the weight generator.
#[derive(Debug, Clone, Args)]
pub struct AssetArgs {
    /// Folder of the shipped assets; the options below replace parts of it.
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets"))]
    pub assets: PathBuf,
    /// Size of the networks and images, and the models and photographs in ASSETS that are used: 64×64 (compact) or 256×256
    /// (photo, and paper for a GPU, for which no models are shipped).
    #[arg(long, value_parser = one_of::<Preset>(Preset::ALL.map(Preset::name)), default_value_t = Preset::Compact)]
    pub preset: Preset,
    /// Frozen base generator [default: the preset's in ASSETS].
    #[arg(long, value_name = "DIR")]
    pub base: Option<PathBuf>,
    /// Photos [default: the preset's in ASSETS].
    #[arg(long, value_name = "DIR")]
    pub photos: Option<PathBuf>,
    /// Zoo of trained adapters [default: the preset's in ASSETS].
    #[arg(long, value_name = "DIR")]
    pub zoo: Option<PathBuf>,
    /// Weight generator [default: the preset's in ASSETS].
    #[arg(long, value_name = "DIR")]
    pub generator: Option<PathBuf>,
}

impl AssetArgs {
    /// The paths that the options name.
    pub fn paths(&self) -> Assets {
        let shipped = Assets::of_preset(&self.assets, self.preset);
        Assets {
            base: self.base.clone().unwrap_or(shipped.base),
            photos: self.photos.clone().unwrap_or(shipped.photos),
            zoo: self.zoo.clone().unwrap_or(shipped.zoo),
            weight_generator: self.generator.clone().unwrap_or(shipped.weight_generator),
            feature_network: shipped.feature_network,
        }
    }
}

/// `--max-mib`.
#[derive(Debug, Clone, Copy, Args)]
pub struct MemoryArgs {
    /// Refuse a training that needs more memory than this many MiB, as estimated for the CPU [default: warn if the machine has
    /// less to give].
    #[arg(long, value_name = "MIB")]
    max_mib: Option<u64>,
}

impl MemoryArgs {
    /// Checks the memory that a training needs, in MiB, before it begins.
    ///
    /// # Errors
    /// As [`memory::check`], for `--max-mib`.
    pub fn check(self, needed: u64) -> Result<()> {
        match (self.max_mib, available_mib()) {
            (Some(limit), _) => memory::check(needed, limit)?,
            (None, Some(free)) if needed > free => {
                eprintln!("warning: this needs about {needed} MiB of memory, and {free} are free");
            }
            (None, _) => {}
        }
        Ok(())
    }
}

/// `--text-encoder`.
#[derive(Debug, Clone, Args)]
pub struct TextArgs {
    /// Text encoder: static (compiled in), or a folder with a CLIP or sentence-transformers model
    /// (config.json, weights, tokenizer). A base or a weight generator works only with the encoder that it was trained
    /// with.
    #[arg(long, value_name = "static|DIR", default_value = STATIC)]
    pub text_encoder: PathBuf,
}

/// The name of the encoder that is compiled in.
const STATIC: &str = "static";

impl TextArgs {
    /// The encoder's folder; none for the one that is compiled in.
    pub fn folder(&self) -> Option<&Path> {
        (self.text_encoder != Path::new(STATIC)).then_some(self.text_encoder.as_path())
    }

    /// Loads the encoder; one of a folder computes on `device`.
    ///
    /// # Errors
    /// As [`PromptEncoder::embedded`] and [`PromptEncoder::open`].
    pub fn load(&self, device: &Device) -> Result<PromptEncoder, denoised_weights::Error> {
        match self.folder() {
            None => PromptEncoder::embedded(),
            Some(dir) => PromptEncoder::open(dir, device),
        }
    }
}

/// All that a prediction needs: the assets and the text encoder.
#[derive(Debug, Clone, Args)]
pub struct ModelArgs {
    /// The files.
    #[command(flatten)]
    pub assets: AssetArgs,
    /// The text encoder.
    #[command(flatten)]
    pub text: TextArgs,
}

impl ModelArgs {
    /// The paths that the options name.
    pub fn paths(&self) -> Assets {
        self.assets.paths()
    }

    /// What a prediction reads: the files of the base and of the weight generator, and the text encoder.
    pub fn places(&self) -> Places {
        let paths = self.paths();
        Places::new()
            .reads_all(paths.base_files())
            .reads_all(paths.weight_generator_files())
            .reads_all(self.text.folder())
    }

    /// Loads the base, the text encoder and the weight generator at the same time.
    ///
    /// # Errors
    /// As [`AdapterPredictor::load_with_encoder`].
    pub fn load_predictor(&self, device: &Device) -> Result<AdapterPredictor> {
        let encoder = || self.text.load(device);
        let predictor = AdapterPredictor::load_with_encoder(&self.paths(), device, encoder);
        Ok(predictor?)
    }

    /// [`ModelArgs::load_predictor`] with a weight generator of any base that has the same layers.
    ///
    /// # Errors
    /// As [`AdapterPredictor::load_for_another_base`].
    pub fn load_for_another_base(&self, device: &Device) -> Result<AdapterPredictor> {
        let encoder = || self.text.load(device);
        let predictor = AdapterPredictor::load_for_another_base(&self.paths(), device, encoder);
        Ok(predictor?)
    }
}

/// `--t`, `--noises`.
#[derive(Debug, Clone, Copy, Args)]
pub struct SampleArgs {
    /// Timestep of the one denoising step [default: the generator's].
    #[arg(long)]
    pub t: Option<usize>,
    /// Number of predictions from different noise that are averaged [default: the generator's].
    #[arg(long)]
    pub noises: Option<usize>,
}

impl SampleArgs {
    /// How to predict; what was not given is as `generator` has it.
    pub fn options(&self, generator: &WeightGenerator, seed: u64) -> SampleOptions {
        let defaults = generator.defaults();
        SampleOptions {
            seed,
            t: self.t.unwrap_or(defaults.t),
            noises: self.noises.unwrap_or(defaults.noises),
            ..defaults
        }
    }
}

/// The files of a zoo.
pub fn zoo_files(dir: &Path) -> [PathBuf; 2] {
    ["zoo.json", "concepts"].map(|name| dir.join(name))
}

/// Adds what [`ConceptPairs::folder`](denoised_weights::pairs::ConceptPairs::folder) reads of a folder of pairs. Results
/// may be written into the folder unless it holds side-by-side files, among which a picture would be taken for one.
///
/// # Errors
/// If the folder cannot be listed.
pub fn reads_pairs(places: Places, dir: &Path) -> Result<Places> {
    let parts = ["input", "target", "train", "val", "test"].map(|part| dir.join(part));
    let in_parts = parts.iter().any(|part| part.is_dir());
    let places = places.reads_all(parts);
    Ok(match in_parts || image_files(dir)?.is_empty() {
        true => places,
        false => places.reads_directly_in(dir),
    })
}

/// `--layout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Layout {
    /// input/ and target/
    Folders,
    /// pix2pix's, photo left
    Aligned,
    /// pix2pix's, edit left
    AlignedReversed,
    /// tar shards
    Webdataset,
}

impl From<Layout> for PairLayout {
    fn from(layout: Layout) -> Self {
        match layout {
            Layout::Folders => Self::Folders,
            Layout::Aligned => Self::Aligned(Aligned::InputLeft),
            Layout::AlignedReversed => Self::Aligned(Aligned::TargetLeft),
            Layout::Webdataset => Self::WebDataset,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn results_lie_beside_pairs_and_not_among_them() {
        let dir = tempfile::tempdir().unwrap();
        let check = |output: &str| {
            let places = reads_pairs(Places::new(), dir.path()).unwrap();
            places.writes(dir.path().join(output)).check()
        };
        std::fs::create_dir(dir.path().join("input")).unwrap();
        let image = image::RgbImage::new(8, 4);
        // The second time, there are the results of the first.
        for _ in 0..2 {
            check("grid.png").unwrap();
            check("result/grid.png").unwrap();
            image.save(dir.path().join("grid.png")).unwrap();
        }
        assert!(check("input/grid.png").is_err());
        assert!(check("train/input/grid.png").is_err());
        // Side-by-side files: grid.png would be one of them.
        std::fs::remove_dir(dir.path().join("input")).unwrap();
        assert!(check("grid.png").is_err());
        check("result/grid.png").unwrap();
    }
}
