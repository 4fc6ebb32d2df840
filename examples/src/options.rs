//! Options that several programs share: the files of the models, how to predict, how pairs are laid out.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use clap::builder::TypedValueParser;
use clap::{Args, ValueEnum};
use concepts::images::image_files;
use concepts::pairs::{Aligned, PairLayout};
use concepts::{Concept, Split, read_concepts};
use denoised_weights::pairs::concepts_of;
use denoised_weights::{AdapterPredictor, Assets, Preset, PromptEncoder, memory};
use weight_diffusion::{SampleOptions, WeightGenerator};

use crate::Result;
use crate::cli::one_of;
use crate::files::Places;
use crate::limits::available_mib;

/// `--assets`.
#[derive(Debug, Clone, Args)]
pub struct AssetsDir {
    /// Folder of the shipped models, photographs and the feature network.
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets"))]
    assets: PathBuf,
}

impl AssetsDir {
    /// The paths in the folder, of 64×64 images.
    pub fn paths(&self) -> Assets {
        Assets::new(&self.assets)
    }
}

/// `--assets`, `--preset`.
#[derive(Debug, Clone, Args)]
pub struct AssetArgs {
    #[command(flatten)]
    dir: AssetsDir,
    /// Size of the networks and images, and the models and photographs in ASSETS that are used: 64×64 (compact) or 256×256
    /// (photo, and paper for a GPU, for which no models are shipped).
    #[arg(long, value_parser = one_of::<Preset>(Preset::ALL.map(Preset::name)), default_value_t = Preset::Compact)]
    pub preset: Preset,
}

impl AssetArgs {
    /// The preset's paths in the folder of the assets.
    pub fn paths(&self) -> Assets {
        Assets::of_preset(&self.dir.assets, self.preset)
    }
}

/// Defines the option for one part of the assets, which only the programs that read the part have.
macro_rules! part_of_assets {
    ($arg:ident, $option:ident, $field:ident, $what:literal) => {
        #[doc = concat!("`--", stringify!($option), "`.")]
        #[derive(Debug, Clone, Args)]
        pub struct $arg {
            // Clap reads no `#[doc = concat!(..)]` of an option.
            #[arg(long, value_name = "DIR", help = concat!($what, " [default: the preset's in ASSETS]"))]
            $option: Option<PathBuf>,
        }

        impl $arg {
            /// `assets`, with the path that the option names, if it was given.
            pub fn of(&self, assets: Assets) -> Assets {
                Assets {
                    $field: self.$option.clone().unwrap_or(assets.$field),
                    ..assets
                }
            }
        }
    };
}

part_of_assets!(BaseArg, base, base, "Frozen base generator");
part_of_assets!(PhotosArg, photos, photos, "Photos");
part_of_assets!(ZooArg, zoo, zoo, "Zoo of trained adapters");
/// `--photos`, `--zoo`.
#[derive(Debug, Clone, Args)]
pub struct DataArgs {
    #[command(flatten)]
    photos: PhotosArg,
    #[command(flatten)]
    zoo: ZooArg,
}

impl DataArgs {
    /// `assets`, with the paths that the options name.
    pub fn of(&self, assets: Assets) -> Assets {
        self.zoo.of(self.photos.of(assets))
    }
}

part_of_assets!(
    GeneratorArg,
    generator,
    weight_generator,
    "Weight generator"
);

/// `--leave-out`.
#[derive(Debug, Clone, Args)]
pub struct LeaveOutArgs {
    /// Concepts that are never drawn, beside the validation and test concepts of the list.
    #[arg(long, value_name = "FILE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/data/test_concepts.json"))]
    leave_out: PathBuf,
}

impl LeaveOutArgs {
    /// The held-out concepts of the shipped list and of the file.
    ///
    /// # Errors
    /// As [`read_concepts`].
    pub fn concepts(&self) -> Result<Vec<Concept>> {
        let mut held_out = concepts_of(Split::Validation);
        held_out.extend(concepts_of(Split::Test));
        held_out.extend(read_concepts(&self.leave_out)?);
        Ok(held_out)
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

/// All that a prediction needs: the base, the weight generator and the text encoder.
#[derive(Debug, Clone, Args)]
pub struct ModelArgs {
    /// Where the shipped files are.
    #[command(flatten)]
    pub assets: AssetArgs,
    #[command(flatten)]
    base: BaseArg,
    #[command(flatten)]
    generator: GeneratorArg,
    /// The text encoder.
    #[command(flatten)]
    pub text: TextArgs,
}

impl ModelArgs {
    /// The paths that the options name.
    pub fn paths(&self) -> Assets {
        self.generator.of(self.base.of(self.assets.paths()))
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
    #[arg(long, value_parser = at_least::<usize>(0), allow_negative_numbers = true)]
    pub t: Option<usize>,
    /// Number of predictions from different noise that are averaged [default: the generator's].
    #[arg(long, value_parser = at_least::<usize>(1), allow_negative_numbers = true)]
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

/// Reads a whole number of at least `least`. With `allow_negative_numbers`, this tells what is wrong with `-1`.
pub fn at_least<T>(least: u64) -> impl TypedValueParser<Value = T>
where
    T: TryFrom<u64> + Clone + Send + Sync + 'static,
{
    move |text: &str| {
        let number = text.parse().ok().filter(|&number: &u64| number >= least);
        let number = number.and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| format!("give a whole number, {least} or more"))
    }
}

/// Reads a number in `range`. With `allow_negative_numbers`, this tells what is wrong with `-1`.
pub fn number_in(range: RangeInclusive<f64>) -> impl TypedValueParser<Value = f64> {
    move |text: &str| {
        // NaN is in no range.
        let number = text
            .parse()
            .ok()
            .filter(|number: &f64| range.contains(number));
        number.ok_or_else(|| format!("give a number from {} to {}", range.start(), range.end()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
