//! Training a weight generator: records from a zoo, training on blocks, refinement through edits.
//!
//! [`train`] and [`refine`] do a whole run and resume an interrupted one; [`TrainingFolder`] is what they keep on disk,
//! for trainings of another kind.

mod edit_loss;
mod folder;
mod metrics_log;
mod progress;
mod records;
mod refine;
mod train;
mod trained_on;

pub use edit_loss::{DrawPairs, EditLoss, JudgedOn};
pub use folder::TrainingFolder;
pub use metrics_log::{LossCurves, Metric, MetricsLog};
pub(crate) use progress::RunningMean;
pub use progress::{TrainingEvent, TrainingReport};
pub use records::{ZooRecords, hold_out, open_records, subset};
pub use refine::{Refinement, refine};
pub use train::{GeneratorTraining, train};
pub use trained_on::TrainedOn;
