//! Distances between two folders of images: Fréchet and kernel distance, precision and recall.
//!
//! ```sh
//! cargo run --release --example fid -- out/made assets/photos
//! cargo run --release --example fid -- out/made assets/photos --weights pt_inception-2015-12-05-6726825d.pth --json out/fid.json
//! ```

mod input;
mod measures;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use burn::tensor::Device;
use clap::{Parser, ValueEnum};
use clean_fid::images::ResizeMode;
use clean_fid::networks::ResizeFilter;
use clean_fid::{
    EfficientNetLite0Config, Extractor, FeatureNet, FrechetReference, InceptionV3Config,
};
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::{Common, display, parse, run};
use denoised_weights_examples::files::{Places, check_writable};
use denoised_weights_examples::options::{AssetsDir, at_least};
use serde::Serialize;

use input::{Input, Side, is_npz};
use measures::{Kernel, Manifold, kernel_of, manifold_of};

/// Measure how far the images of DIR_A are from those of DIR_B. With --weights the values are FID (and
/// KID) on InceptionV3. Without it they are computed on the shipped EfficientNet-Lite0, named after it,
/// and can only be compared with each other.
#[derive(Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    assets: AssetsDir,
    /// Folder of images (png, jpg or webp, including subfolders), or statistics in a .npz file.
    dir_a: PathBuf,
    /// The reference: a folder, or statistics in a .npz file.
    dir_b: PathBuf,
    /// InceptionV3's weights: pytorch-fid's or torch-fidelity's .pth file, or a safetensors file.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// The key of InceptionV3's weights in a checkpoint of several networks (params_ema, model.ema).
    #[arg(long, value_name = "KEY", requires = "weights")]
    weights_key: Option<String>,
    /// How images are resized for InceptionV3.
    #[arg(long, value_enum, default_value_t = Mode::Clean, requires = "weights")]
    mode: Mode,
    /// Number of images in a batch.
    #[arg(
        long,
        default_value_t = 32,
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    batch_size: usize,
    /// Also compute the kernel distance (KID) over this many seeded subsets of up to 1,000 images.
    #[arg(
        long,
        value_name = "SUBSETS",
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    kernel: Option<usize>,
    /// Also compute precision, recall, density and coverage with this many neighbours.
    #[arg(
        long,
        value_name = "NEIGHBOURS",
        value_parser = at_least::<usize>(1),
        allow_negative_numbers = true
    )]
    manifold: Option<usize>,
    /// Write the statistics of DIR_A to this .npz file.
    #[arg(long, value_name = "FILE")]
    save_statistics: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    Clean,
    LegacyPytorch,
    LegacyTensorflow,
}

impl From<Mode> for ResizeMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Clean => Self::Clean,
            Mode::LegacyPytorch => Self::LegacyPytorch,
            Mode::LegacyTensorflow => Self::LegacyTensorflow,
        }
    }
}

#[derive(Serialize)]
struct Report {
    network: String,
    images_a: Option<usize>,
    images_b: Option<usize>,
    frechet_name: String,
    frechet: f64,
    /// Whether a covariance is rank-deficient because there are too few images, which biases the value upwards.
    rank_deficient: bool,
    kernel: Option<Kernel>,
    manifold: Option<Manifold>,
    extract_seconds: f64,
    images_per_second: f64,
    total_seconds: f64,
}

pub(crate) fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| fid(&args))
}

pub(crate) fn fid(args: &Args) -> Result<()> {
    args.check_statistics()?;
    let device = args.common.device()?;
    let keep = args.kernel.is_some() || args.manifold.is_some();
    let paths = [&args.dir_a, &args.dir_b];
    let inputs = [Input::open(paths[0], keep)?, Input::open(paths[1], keep)?];
    for input in &inputs {
        args.check_neighbours(input)?;
    }
    args.check_places(&inputs)?;
    let network = network(args, &device)?;
    for (input, path) in inputs.iter().zip(paths) {
        input.check_width(path, network.as_ref())?;
    }
    let extractor = Extractor::new(network.as_ref(), &device).with_batch_size(args.batch_size)?;
    let started = Instant::now();
    let [a, b] = inputs;
    let a = a.extract(&extractor, network.width(), keep)?;
    let b = b.extract(&extractor, network.width(), keep)?;
    let extract_seconds = started.elapsed().as_secs_f64();
    // If it fails, the distances are printed and written all the same.
    let saved = match &args.save_statistics {
        Some(path) => a.statistics.save(path),
        None => Ok(()),
    };

    let (frechet, rank_deficient) = frechet(&a, &b, network.as_ref())?;
    let (kernel, manifold) = on_features(args, &a, &b, network.as_ref())?;
    let images = [&a, &b]
        .iter()
        .filter_map(|side| side.statistics.images())
        .sum::<usize>();
    args.common.write_json(&Report {
        network: network.name().to_owned(),
        images_a: a.statistics.images(),
        images_b: b.statistics.images(),
        frechet_name: network.metric_name("frechet"),
        frechet,
        rank_deficient,
        kernel,
        manifold,
        extract_seconds,
        images_per_second: images as f64 / extract_seconds,
        total_seconds: started.elapsed().as_secs_f64(),
    })?;
    Ok(saved?)
}

impl Args {
    /// Refuses a file of --save-statistics that cannot be written, or that this program would not take for statistics.
    fn check_statistics(&self) -> Result<()> {
        let Some(path) = &self.save_statistics else {
            return Ok(());
        };
        let refuse = |why: &str| Err(format!("--save-statistics {}: {why}", path.display()).into());
        if !is_npz(path) {
            return refuse("statistics are a .npz file; name it NAME.npz");
        }
        if path.is_dir() {
            return refuse("this is a folder; name a file");
        }
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        if !folder.is_dir() {
            return refuse("there is no such folder; create it, or name a file in another one");
        }
        Ok(check_writable(folder)?)
    }

    /// Refuses a folder with too few images for --manifold.
    fn check_neighbours(&self, input: &Input) -> Result<()> {
        match (self.manifold, input) {
            (Some(neighbours), Input::Folder(folder)) if neighbours >= folder.files().len() => {
                Err(format!(
                    "{}: --manifold {neighbours} needs more images than neighbours, and there are {}; ask for fewer neighbours",
                    display(folder.root()),
                    folder.files().len()
                )
                .into())
            }
            _ => Ok(()),
        }
    }

    /// Refuses outputs that would replace images, statistics, weights or one another.
    fn check_places(&self, inputs: &[Input]) -> Result<()> {
        let places = inputs
            .iter()
            .fold(Places::new(), |places, input| match input {
                Input::Folder(folder) => places.reads_all(folder.files()),
                Input::Statistics(_) => places,
            });
        let statistics = [&self.dir_a, &self.dir_b].into_iter();
        let places = places
            .reads_all(statistics.filter(|path| !path.is_dir()))
            .reads_all(&self.weights)
            .writes_all(&self.save_statistics);
        self.common.check_places(places)
    }
}

fn network(args: &Args, device: &Device) -> Result<Box<dyn FeatureNet>> {
    Ok(match &args.weights {
        Some(path) => Box::new(
            InceptionV3Config::new()
                .with_mode(args.mode.into())
                .with_part(args.weights_key.clone())
                .load(path, device)?,
        ),
        None => Box::new(
            EfficientNetLite0Config::new()
                .with_resize(ResizeFilter::Antialiased)
                .load(&args.assets.paths().feature_network, device)?,
        ),
    })
}

/// The Fréchet distance, and whether a covariance is rank-deficient.
fn frechet(a: &Side, b: &Side, network: &dyn FeatureNet) -> Result<(f64, bool)> {
    let left = FrechetReference::from_statistics(&a.statistics)?;
    let right = FrechetReference::from_statistics(&b.statistics)?;
    let frechet = left.distance_to(&right)?;
    let rank_deficient = left.is_rank_deficient() || right.is_rank_deficient();
    println!("{}: {frechet:.6}", network.metric_name("frechet"));
    if rank_deficient {
        println!(
            "fewer images than features ({}): compare only with values of as many images",
            network.width()
        );
    }
    Ok((frechet, rank_deficient))
}

/// The measures that --kernel and --manifold ask for.
fn on_features(
    args: &Args,
    a: &Side,
    b: &Side,
    network: &dyn FeatureNet,
) -> Result<(Option<Kernel>, Option<Manifold>)> {
    let (Some(left), Some(right)) = (&a.features, &b.features) else {
        return Ok((None, None));
    };
    let mut kernel = None;
    if let Some(count) = args.kernel {
        let found = kernel_of(left, right, count, args.common.seed, network)?;
        println!("{}: {:.8} ± {:.8}", found.name, found.mean, found.std);
        kernel = Some(found);
    }
    let mut manifold = None;
    if let Some(neighbours) = args.manifold {
        let found = manifold_of(left, right, neighbours)?;
        println!(
            "precision {:.4}, recall {:.4}, density {:.4}, coverage {:.4} ({neighbours} neighbours)",
            found.precision, found.recall, found.density, found.coverage
        );
        manifold = Some(found);
    }
    Ok((kernel, manifold))
}
