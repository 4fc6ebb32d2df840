//! Distances between two folders of images: Fréchet and kernel, precision and recall.
//!
//! ```sh
//! cargo run --release --example fid -- out/made assets/photos
//! cargo run --release --example fid -- out/made assets/photos --weights inception.safetensors --json out/fid.json
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use burn::tensor::Device;
use clap::{Parser, ValueEnum};
use clean_fid::{
    EfficientNetLite0Config, Extractor, FeatureNet, FeatureSet, FeatureStatistics, ImageFolder,
    InceptionV3Config, Resize, ResizeMode, StatisticsAccumulator, Subsets, frechet_distance_of,
    kernel_distance_subsets, manifold_metrics,
};
use denoised_weights_examples::Result;
use denoised_weights_examples::assets::{AssetArgs, display};
use denoised_weights_examples::cli::{Common, run};
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
    /// InceptionV3's weights as safetensors, with pytorch-fid's names.
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
    let args = Args::parse();
    run(|| fid(&args))
}

fn fid(args: &Args) -> Result<()> {
    let device = args.common.device()?;
    let network = network(args, &device)?;
    let extractor = Extractor::new(network.as_ref(), &device).with_batch_size(args.batch_size)?;
    let keep = args.kernel.is_some() || args.manifold.is_some();
    let started = Instant::now();
    let a = side(&extractor, network.width(), &args.dir_a, keep)?;
    let b = side(&extractor, network.width(), &args.dir_b, keep)?;
    let extract_seconds = started.elapsed().as_secs_f64();
    if let Some(path) = &args.save_statistics {
        a.statistics.save(path)?;
    }

    let frechet = frechet_distance_of(&a.statistics, &b.statistics)?;
    let frechet_name = network.metric_name("frechet");
    println!("{frechet_name}: {frechet:.6}");
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
                .with_resize(Resize::Antialiased)
                .load(
                    args.assets
                        .assets
                        .join("efficientnet-lite0/efficientnet-lite0.safetensors"),
                    device,
                )?,
        ),
    })
}

/// Reads a `.npz` file, or runs a folder through the network. Features are kept only if `keep`.
fn side(extractor: &Extractor<'_>, width: usize, path: &Path, keep: bool) -> Result<Side> {
    if path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("npz"))
    {
        if keep {
            let why = "statistics hold no features; give --kernel and --manifold two folders";
            return Err(format!("{}: {why}", display(path)).into());
        }
        return Ok(Side {
            statistics: FeatureStatistics::load(path)?,
            features: None,
        });
    }
    let folder = ImageFolder::open(path)?;
    let mut accumulator = StatisticsAccumulator::new(width)?;
    let mut features: Option<FeatureSet> = None;
    let label = display(path);
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
        .map_err(|error| format!("{}: {error}", display(path)))?;
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
