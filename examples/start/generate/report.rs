//! What --json writes and the terminal shows.

use std::path::PathBuf;

use denoised_weights_examples::cli::display;
use serde::Serialize;
use weight_diffusion::WeightGenerator;

use super::args::Args;

#[derive(Serialize)]
pub(crate) struct Report {
    prompt: Option<String>,
    adapter: Option<PathBuf>,
    mix: Option<String>,
    share: Option<f32>,
    strength: f32,
    out: PathBuf,
    load_seconds: f64,
    predict_seconds: f64,
    norm: f64,
    zoo_norm_mean: f64,
    zoo_norm_std: f64,
    warnings: Vec<String>,
}

impl Report {
    pub(crate) fn new(
        args: &Args,
        generator: &WeightGenerator,
        norm: f64,
        warnings: Vec<String>,
        [load_seconds, predict_seconds]: [f64; 2],
    ) -> Self {
        Self {
            prompt: args.prompt.clone(),
            adapter: args.adapter.clone(),
            mix: args.mix.clone(),
            share: args.mix.is_some().then_some(args.share),
            strength: args.strength,
            out: args.out.clone(),
            load_seconds,
            predict_seconds,
            norm,
            zoo_norm_mean: generator.zoo_norm().mean,
            zoo_norm_std: generator.zoo_norm().std,
            warnings,
        }
    }

    pub(crate) fn print(&self, blocks: usize) {
        println!(
            "{}: {blocks} blocks in {:.3} s (loading took {:.3} s); norm {:.2}, the zoo's {:.2} ± {:.2}",
            display(&self.out),
            self.predict_seconds,
            self.load_seconds,
            self.norm,
            self.zoo_norm_mean,
            self.zoo_norm_std
        );
    }
}
