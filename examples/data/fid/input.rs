//! The two sides of the comparison.

use std::path::Path;

use clean_fid::distances::StatisticsAccumulator;
use clean_fid::{Extractor, FeatureNet, FeatureSet, FeatureStatistics, ImageFolder};
use concepts::images::count_by_format;
use denoised_weights_examples::Result;
use denoised_weights_examples::cli::display;
use denoised_weights_examples::progress::Progress;

/// A side of the comparison, opened before anything is measured.
pub(crate) enum Input {
    Folder(ImageFolder),
    Statistics(FeatureStatistics),
}

impl Input {
    /// Opens a `.npz` file or a folder; with `features`, statistics are refused.
    pub(crate) fn open(path: &Path, features: bool) -> Result<Self> {
        let is_file = is_npz(path);
        if is_file && features {
            let why = "statistics contain no features; --kernel and --manifold need two folders";
            return Err(format!("{}: {why}", display(path)).into());
        }
        if is_file {
            return Ok(Self::Statistics(FeatureStatistics::load(path)?));
        }
        let folder = ImageFolder::open(path)?;
        if let Some(first) = folder.skipped().first() {
            log::warn!(
                "{}: not counted because of their format, here as in the Python clean-fid: {}, such as {}",
                display(path),
                count_by_format(folder.skipped()),
                display(first)
            );
        }
        if let [only] = folder.files() {
            return Err(format!(
                "{} is the only image in the folder; add images",
                display(only)
            )
            .into());
        }
        Ok(Self::Folder(folder))
    }

    /// Refuses statistics of another network, whose features have another width.
    pub(crate) fn check_width(&self, path: &Path, network: &dyn FeatureNet) -> Result<()> {
        match self {
            Self::Statistics(statistics) if statistics.width() != network.width() => Err(format!(
                "{}: its features have {} values and those of {} have {}, so it comes from another network",
                display(path),
                statistics.width(),
                network.name(),
                network.width()
            )
            .into()),
            _ => Ok(()),
        }
    }

    /// Runs a folder through the network; features are kept only if `keep` is set.
    pub(crate) fn extract(
        self,
        extractor: &Extractor<'_>,
        width: usize,
        keep: bool,
    ) -> Result<Side> {
        let folder = match self {
            Self::Folder(folder) => folder,
            Self::Statistics(statistics) => {
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
}

/// Whether the path is taken for a file of statistics.
pub(crate) fn is_npz(path: &Path) -> bool {
    (path.extension()).is_some_and(|extension| extension.eq_ignore_ascii_case("npz"))
}

/// The features of one side.
pub(crate) struct Side {
    pub statistics: FeatureStatistics,
    /// Kept only if a measure needs them.
    pub features: Option<FeatureSet>,
}
