//! A base's pretraining, continued after an interruption.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::Device;
use denoised_weights::pairs::{ConceptDraws, TrainingConcepts, training_sources};
use denoised_weights::pretraining::{PretrainProgress, Pretraining, PretrainingData};
use denoised_weights::{Error, PromptEncoder};
use finetune::PretrainConfig;
use image::RgbImage;
use lora_gan::GeneratorConfig;
use text_encoder::{StaticEncoder, TextEncoder};
use weight_diffusion::encoded_text::EncodedPrompt;

use crate::common::{pair_folder, photo, tiny_prompted_base};

/// The embedded encoder under another digest.
struct Other(StaticEncoder);

impl TextEncoder for Other {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn digest(&self) -> &str {
        "other"
    }

    fn width(&self) -> usize {
        self.0.width()
    }

    fn max_tokens(&self) -> usize {
        self.0.max_tokens()
    }

    fn encode(&self, prompts: &[&str]) -> Result<Vec<EncodedPrompt>, text_encoder::Error> {
        self.0.encode(prompts)
    }
}

#[test]
fn an_interrupted_pretraining_goes_on_only_as_it_began() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let run = |network: &GeneratorConfig, data: &PretrainingData<'_>, stop_at: usize| {
        let pretraining = Pretraining {
            dir: at("base"),
            network: network.clone(),
            start: None,
            config: PretrainConfig {
                steps: 3,
                batch_size: 2,
                ..PretrainConfig::compact()
            },
            save_every: 1,
        };
        let observe = |progress: PretrainProgress| {
            assert!(progress.step < stop_at, "killed");
        };
        pretraining.run(data, &Device::flex(), observe)
    };
    let encoder = PromptEncoder::embedded().unwrap();
    let drawn =
        |photos, seed| TrainingConcepts::Drawn(ConceptDraws::endless(Vec::new(), seed), photos);
    let with = |concepts| PretrainingData {
        concepts,
        encoder: &encoder,
    };
    let network = tiny_prompted_base().config;
    let photos = [photo(16, 16, 3), photo(16, 16, 4)];
    let killed = catch_unwind(AssertUnwindSafe(|| {
        run(&network, &with(drawn(&photos, 1)), 2)
    }));
    assert!(killed.is_err());

    let refused = |network: &GeneratorConfig, data: &PretrainingData<'_>, difference: &str| {
        let error = run(network, data, usize::MAX).unwrap_err();
        assert!(matches!(error, Error::OtherRun { .. }), "{error}");
        assert!(error.to_string().contains(difference), "{error}");
    };
    let heads = GeneratorConfig {
        heads: 3,
        ..network.clone()
    };
    refused(&heads, &with(drawn(&photos, 1)), "heads: was 2, now 3");
    refused(&network, &with(drawn(&photos, 2)), "concepts: was");
    let others: [RgbImage; 2] = [photo(16, 16, 3), photo(16, 16, 5)];
    refused(&network, &with(drawn(&others, 1)), "concepts_sha256: was");
    let ink = concepts::art_concepts()
        .into_iter()
        .take(1)
        .collect::<Vec<_>>();
    let left_out = ConceptDraws::endless(Vec::new(), 1);
    let left_out = TrainingConcepts::Drawn(left_out.without(&ink), &photos);
    refused(&network, &with(left_out), "concepts_sha256: was");
    pair_folder(&at("pairs"), "ink", "ink drawing");
    let folders = training_sources(Some(&at("pairs")), &[]).unwrap();
    let folders = TrainingConcepts::sources(folders, &[], 1).unwrap();
    refused(&network, &with(folders), "folders of pairs");
    let other = Other(StaticEncoder::embedded().unwrap());
    let data = PretrainingData {
        concepts: drawn(&photos, 1),
        encoder: &PromptEncoder::new(Box::new(other)),
    };
    refused(&network, &data, "encoder.digest: was");

    // A state of a build that did not write the record.
    let (record, away) = (at("base/training.json"), at("run.json"));
    std::fs::rename(&record, &away).unwrap();
    let error = run(&network, &with(drawn(&photos, 1)), usize::MAX).unwrap_err();
    assert!(
        matches!(&error, Error::NoRunRecord { path, .. } if *path == record),
        "{error}"
    );
    std::fs::rename(&away, &record).unwrap();
    run(&network, &with(drawn(&photos, 1)), usize::MAX).unwrap();
    assert!(!at("base/state").exists());
    // A finished base is not replaced by another one either.
    refused(&network, &with(drawn(&photos, 2)), "concepts: was");
}
