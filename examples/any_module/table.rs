//! The results of all seeds as Markdown, with bootstrap intervals over the tasks.

use std::fmt::Write;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::evaluation::{CAP, Report, StartReport, TaskReport};
use crate::starts::NAMES;
use crate::tasks::Kind;

const RESAMPLES: usize = 4000;
/// The start that the others are compared with: the paper's.
const OURS: &str = "UNet";

/// The table of all tasks, and the accuracies for each kind of task.
pub(crate) fn markdown(reports: &[Report]) -> String {
    let tasks: Vec<&TaskReport> = reports.iter().flat_map(|report| &report.tasks).collect();
    let mut text = String::new();
    let seeds: Vec<String> = reports
        .iter()
        .map(|report| report.seed.to_string())
        .collect();
    let converged = estimate(&tasks, mean_of(|task| task.converged));
    let _ = writeln!(
        text,
        "{} unseen tasks of seeds {}; accuracy after convergence {}.\n",
        tasks.len(),
        seeds.join(", "),
        percent(converged)
    );
    text.push_str("| start | accuracy before training | UNet better by | steps to 95 %, median | mean | at step 0 | learning rates |\n");
    text.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
    for name in NAMES {
        let accuracy = estimate(&tasks, mean_of(|task| of(task, name).accuracy));
        let ahead = mean_of(|task| of(task, OURS).accuracy - of(task, name).accuracy);
        let ahead = if name == OURS {
            "".into()
        } else {
            percent(estimate(&tasks, ahead))
        };
        let steps = |task: &TaskReport| of(task, name).steps.unwrap_or(CAP) as f64;
        let middle = estimate(&tasks, |tasks| median(tasks.iter().map(|task| steps(task))));
        let mean = estimate(&tasks, mean_of(steps));
        let at_once = tasks
            .iter()
            .filter(|task| of(task, name).steps == Some(0))
            .count();
        let rates = reports.iter().filter_map(|report| report.rates.get(name));
        let rates: Vec<String> = rates.map(|rate| rate.to_string()).collect();
        let _ = writeln!(
            text,
            "| {name} | {} | {ahead} | {} | {} | {at_once} of {} | {} |",
            percent(accuracy),
            plain(middle),
            plain(mean),
            tasks.len(),
            rates.join(", ")
        );
    }
    text.push_str("\nAccuracy before training, by what is new about the task:\n\n| start |");
    let kinds = Kind::ALL.map(Kind::name);
    for kind in kinds {
        let _ = write!(text, " {kind} |");
    }
    text.push_str("\n| --- | --- | --- | --- |\n");
    for name in NAMES {
        let _ = write!(text, "| {name} |");
        for kind in kinds {
            let tasks: Vec<_> = tasks
                .iter()
                .copied()
                .filter(|task| task.kind == kind)
                .collect();
            let accuracy = estimate(&tasks, mean_of(|task| of(task, name).accuracy));
            let _ = write!(text, " {} |", percent(accuracy));
        }
        text.push('\n');
    }
    text
}

fn of(task: &TaskReport, name: &str) -> StartReport {
    let missing = StartReport {
        accuracy: f64::NAN,
        steps: None,
    };
    task.starts.get(name).copied().unwrap_or(missing)
}

/// Value and 95 % interval.
type Estimate = [f64; 3];

fn percent([value, low, high]: Estimate) -> String {
    format!(
        "{:.1} % ({:.1} to {:.1})",
        100.0 * value,
        100.0 * low,
        100.0 * high
    )
}

fn plain([value, low, high]: Estimate) -> String {
    format!("{value:.0} ({low:.0} to {high:.0})")
}

fn mean_of(value: impl Fn(&TaskReport) -> f64) -> impl Fn(&[&TaskReport]) -> f64 {
    move |tasks| tasks.iter().map(|task| value(task)).sum::<f64>() / tasks.len() as f64
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2).copied().unwrap_or(f64::NAN);
    let lower = values
        .get(values.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(f64::NAN);
    (lower + upper) / 2.0
}

/// Percentile bootstrap over the tasks (Efron 1979).
fn estimate(tasks: &[&TaskReport], statistic: impl Fn(&[&TaskReport]) -> f64) -> Estimate {
    if tasks.is_empty() {
        return [f64::NAN; 3];
    }
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut values: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn = tasks
                .iter()
                .map(|_| tasks[rng.random_range(0..tasks.len())]);
            statistic(&drawn.collect::<Vec<_>>())
        })
        .collect();
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((RESAMPLES - 1) as f64 * share).round() as usize];
    [statistic(tasks), at(0.025), at(0.975)]
}
