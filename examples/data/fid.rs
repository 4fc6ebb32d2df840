//! Distances between two folders of images: Fréchet and kernel, precision and recall.
//!
//! ```sh
//! cargo run --release --example fid -- out/made assets/photos
//! cargo run --release --example fid -- out/made assets/photos --weights pt_inception-2015-12-05-6726825d.pth --json out/fid.json
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use burn::tensor::Device;
use clap::{Parser, ValueEnum};
use clean_fid::{EfficientNetLite0Config, Extractor, FeatureNet, FeatureSet, FeatureStatistics, FrechetReference, ImageFolder, InceptionV3Config};
use clean_fid::networks::ResizeFilter;
use clean_fid::images::ResizeMode;
use clean_fid::distances::{StatisticsAccumulator, Subsets, kernel_distance_subsets, manifold_metrics};
use denoised_weights_examples::Result;
use denoised_weights_examples::assets::{AssetArgs, display};
use denoised_weights_examples::cli::{Common, parse, run};
use denoised_weights_examples::progress::Progress;
use serde::Serialize;

/// Measure how far the images of DIR_A are from those of DIR_B. With --weights the values are FID
/// (and KID) on InceptionV3; without, they are on the shipped EfficientNet-Lite0, named after it,
/// and compare only with each other.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    assets: AssetArgs,
    /// Folder of images (png, jpg, webp; folders in it count), or statistics in a .npz file.
    dir_a: PathBuf,
    /// The reference: a folder, or statistics in a .npz file.
    dir_b: PathBuf,
    /// InceptionV3's weights: pytorch-fid's or torch-fidelity's .pth file, or one of safetensors.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// The resize before InceptionV3.
    #[arg(long, value_enum, default_value_t = Mode::Clean, requires = "weights")]
    mode: Mode,
    /// Images at a time.
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    /// Also the kernel distance (KID) over this many seeded subsets of up to 1,000 images.
    #[arg(long, value_name = "SUBSETS")]
    kernel: Option<usize>,
    /// Also precision, recall, density and coverage with this many neighbours.
    #[arg(long, value_name = "NEIGHBOURS")]
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

/// One side as it was given, opened before anything is measured.
enum Input {
    Folder(ImageFolder),
    Statistics(FeatureStatistics),
}

impl Input {
    /// A `.npz` file or a folder. `features` says that statistics will not do.
    fn open(path: &Path, features: bool) -> Result<Self> {
        let is_file = path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("npz"));
        if is_file && features {
            let why = "statistics hold no features; give --kernel and --manifold two folders";
            return Err(format!("{}: {why}", display(path)).into());
        }
        if is_file {
            return Ok(Self::Statistics(FeatureStatistics::load(path)?));
        }
        let folder = ImageFolder::open(path)?;
        if let [only] = folder.files() {
            return Err(format!("{} is the only image there: add images", display(only)).into());
        }
        Ok(Self::Folder(folder))
    }

    /// Statistics come from some network; this one's features have to be as wide.
    fn check_width(&self, path: &Path, network: &dyn FeatureNet) -> Result<()> {
        match self {
            Self::Statistics(statistics) if statistics.width() != network.width() => Err(format!(
                "{} is of features {} wide, those of {} are {} wide: it comes from another network",
                display(path),
                statistics.width(),
                network.name(),
                network.width()
            )
            .into()),
            _ => Ok(()),
        }
    }
}

/// What is known of one side.
struct Side {
    statistics: FeatureStatistics,
    /// Kept only where something asks for them.
    features: Option<FeatureSet>,
}

#[derive(Serialize)]
struct Report {
    network: String,
    images_a: Option<usize>,
    images_b: Option<usize>,
    frechet_name: String,
    frechet: f64,
    /// Whether a covariance has no full rank, for want of images: the value is biased upwards.
    rank_deficient: bool,
    kernel: Option<Kernel>,
    manifold: Option<Manifold>,
    extract_seconds: f64,
    images_per_second: f64,
    total_seconds: f64,
}

#[derive(Serialize)]
struct Kernel {
    name: String,
    mean: f64,
    std: f64,
    subsets: usize,
    size: usize,
    seed: u64,
}

#[derive(Serialize)]
struct Manifold {
    neighbours: usize,
    precision: f64,
    recall: f64,
    density: f64,
    coverage: f64,
}

fn main() -> ExitCode {
    let args = parse::<Args>();
    run(|| fid(&args))
}

fn fid(args: &Args) -> Result<()> {
    let device = args.common.device()?;
    let keep = args.kernel.is_some() || args.manifold.is_some();
    let paths = [&args.dir_a, &args.dir_b];
    let inputs = [Input::open(paths[0], keep)?, Input::open(paths[1], keep)?];
    let network = network(args, &device)?;
    for (input, path) in inputs.iter().zip(paths) {
        input.check_width(path, network.as_ref())?;
    }
    let extractor = Extractor::new(network.as_ref(), &device).with_batch_size(args.batch_size)?;
    let started = Instant::now();
    let [a, b] = inputs;
    let a = side(&extractor, network.width(), a, keep)?;
    let b = side(&extractor, network.width(), b, keep)?;
    let extract_seconds = started.elapsed().as_secs_f64();
    if let Some(path) = &args.save_statistics {
        a.statistics.save(path)?;
    }

    let left = FrechetReference::from_statistics(&a.statistics)?;
    let right = FrechetReference::from_statistics(&b.statistics)?;
    let frechet = left.distance_to(&right)?;
    let rank_deficient = left.is_rank_deficient() || right.is_rank_deficient();
    let frechet_name = network.metric_name("frechet");
    println!("{frechet_name}: {frechet:.6}");
    if rank_deficient {
        println!(
            "fewer images than features ({}): compare only with values of as many images",
            network.width()
        );
    }
    let mut kernel = None;
    let mut manifold = None;
    if let (Some(left), Some(right)) = (&a.features, &b.features) {
        if let Some(count) = args.kernel {
            let report = kernel_of(left, right, count, args.common.seed, network.as_ref())?;
            println!("{}: {:.8} ± {:.8}", report.name, report.mean, report.std);
            kernel = Some(report);
        }
        if let Some(neighbours) = args.manifold {
            let report = manifold_of(left, right, neighbours)?;
            println!(
                "precision {:.4}, recall {:.4}, density {:.4}, coverage {:.4} ({neighbours} neighbours)",
                report.precision, report.recall, report.density, report.coverage
            );
            manifold = Some(report);
        }
    }
    let images = [&a, &b]
        .iter()
        .filter_map(|side| side.statistics.images())
        .sum::<usize>();
    args.common.write_json(&Report {
        network: network.name().to_owned(),
        images_a: a.statistics.images(),
        images_b: b.statistics.images(),
        frechet_name,
        frechet,
        rank_deficient,
        kernel,
        manifold,
        extract_seconds,
        images_per_second: images as f64 / extract_seconds,
        total_seconds: started.elapsed().as_secs_f64(),
    })
}

fn network(args: &Args, device: &Device) -> Result<Box<dyn FeatureNet>> {
    Ok(match &args.weights {
        Some(path) => Box::new(
            InceptionV3Config::new()
                .with_mode(args.mode.into())
                .load(path, device)?,
        ),
        None => Box::new(
            EfficientNetLite0Config::new()
                .with_resize(ResizeFilter::Antialiased)
                .load(
                    args.assets
                        .assets
                        .join("efficientnet-lite0/efficientnet-lite0.safetensors"),
                    device,
                )?,
        ),
    })
}

/// Runs a folder through the network. Features are kept only if `keep`.
fn side(extractor: &Extractor<'_>, width: usize, input: Input, keep: bool) -> Result<Side> {
    let folder = match input {
        Input::Folder(folder) => folder,
        Input::Statistics(statistics) => {
            return Ok(Side {
                statistics,
                features: None,
            });
        }
    };
    let mut accumulator = StatisticsAccumulator::new(width)?;
    let mut features: Option<FeatureSet> = None;
    let label = display(folder.root());
    let mut progress = Progress::new(&label, folder.files().len() as u64, 0);
    extractor.each_batch(&folder, |batch| {
        accumulator.add(&batch)?;
        progress.set(accumulator.images() as u64, String::new());
        if keep {
            match &mut features {
                Some(all) => all.extend(&batch)?,
                None => features = Some(batch),
            }
        }
        Ok(())
    })?;
    progress.finish();
    let statistics = accumulator
        .finish()
        .map_err(|error| format!("{}: {error}", display(folder.root())))?;
    Ok(Side {
        statistics,
        features,
    })
}

fn kernel_of(
    a: &FeatureSet,
    b: &FeatureSet,
    count: usize,
    seed: u64,
    network: &dyn FeatureNet,
) -> Result<Kernel> {
    let subsets = Subsets {
        count,
        size: Subsets::default().size.min(a.len()).min(b.len()),
        seed,
    };
    let estimate = kernel_distance_subsets(a, b, &subsets)?;
    Ok(Kernel {
        name: network.metric_name("kernel"),
        mean: estimate.mean,
        std: estimate.std,
        subsets: count,
        size: subsets.size,
        seed,
    })
}

fn manifold_of(outputs: &FeatureSet, targets: &FeatureSet, neighbours: usize) -> Result<Manifold> {
    let metrics = manifold_metrics(targets, outputs, neighbours)?;
    Ok(Manifold {
        neighbours,
        precision: metrics.precision,
        recall: metrics.recall,
        density: metrics.density,
        coverage: metrics.coverage,
    })
}
