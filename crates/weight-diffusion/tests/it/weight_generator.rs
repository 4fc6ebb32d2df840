//! The artefact on disk, its checks, and its predictions.

use crate::common::{dataset, device, distance, layout, text, text_spec, train, unet, uniform};
use weight_diffusion::encoded_text::{EncodedPrompt, EncoderId};
use weight_diffusion::{
    BlockSource, BlockTrainer, Error, Parameterization, Precision, Prediction, SampleOptions,
    WeightGenerator,
};

fn generator() -> WeightGenerator {
    let data = dataset();
    let unet = unet(Parameterization::Skip);
    let mut trainer = BlockTrainer::new(train(), &unet, data.spec(), 1, &device()).unwrap();
    for _ in 0..5 {
        trainer.step(&data).unwrap();
    }
    let options = SampleOptions::noise_end(&unet.schedule);
    WeightGenerator::new(
        trainer.ema_model(),
        data.layout().clone(),
        data.normalizer().clone(),
        text_spec(),
        data.norm(),
        "base-digest",
        options,
    )
    .unwrap()
}

fn predict(generator: &WeightGenerator, options: &SampleOptions) -> Prediction {
    generator.predict(&text(1, 2), options, &device()).unwrap()
}

#[test]
fn full_precision_round_trips_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let generator = generator();
    generator.save(dir.path(), Precision::Full).unwrap();
    let loaded = WeightGenerator::load(dir.path(), &device()).unwrap();
    let options = generator.defaults();
    assert_eq!(predict(&loaded, &options), predict(&generator, &options));
    assert_eq!(loaded.base_digest(), "base-digest");
    assert_eq!(loaded.encoder(), &text_spec());
    assert_eq!(loaded.layout(), generator.layout());
    assert_eq!(loaded.normalizer(), generator.normalizer());
    assert_eq!(loaded.zoo_norm(), generator.zoo_norm());
    assert_eq!(loaded.defaults(), options);
    assert_eq!(loaded.digest().unwrap(), generator.digest().unwrap());
    // An autodiff device is taken for what it is under the autodiff.
    let tracked = WeightGenerator::load(dir.path(), &device().autodiff()).unwrap();
    assert!(!tracked.unet().device().is_autodiff());
}

#[test]
fn half_precision_halves_the_file_and_stays_close() {
    let dir = tempfile::tempdir().unwrap();
    let generator = generator();
    let size = |precision| {
        generator.save(dir.path(), precision).unwrap();
        std::fs::metadata(dir.path().join(WeightGenerator::WEIGHTS_FILE))
            .unwrap()
            .len() as f64
    };
    let ratio = size(Precision::Half) / size(Precision::Full);
    assert!((0.49..0.56).contains(&ratio), "{ratio}");
    size(Precision::Half);
    let loaded = WeightGenerator::load(dir.path(), &device()).unwrap();
    let file = dir.path().join(WeightGenerator::WEIGHTS_FILE);
    let digest = loaded.digest().unwrap();
    assert_eq!(digest, tensor_file::digest::file_sha256(file).unwrap());
    assert_ne!(digest, generator.digest().unwrap());
    let options = generator.defaults();
    let moved = distance(
        &predict(&loaded, &options).encoded,
        &predict(&generator, &options).encoded,
    );
    assert!(moved < 0.01, "{moved}");
    // Device placement is part of the contract: asking on an autodiff device is the same.
    let tracked = loaded
        .predict(&text(1, 2), &options, &device().autodiff())
        .unwrap();
    assert_eq!(tracked, predict(&loaded, &options));
}

#[test]
fn damaged_files_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let load = || WeightGenerator::load(dir.path(), &device()).unwrap_err();
    assert!(matches!(load(), Error::Io { .. }));
    assert!(load().to_string().contains(WeightGenerator::CONFIG_FILE));
    generator().save(dir.path(), Precision::Full).unwrap();
    let (weights, config) = (
        dir.path().join(WeightGenerator::WEIGHTS_FILE),
        dir.path().join(WeightGenerator::CONFIG_FILE),
    );
    let (good, json) = (
        std::fs::read(&weights).unwrap(),
        std::fs::read_to_string(&config).unwrap(),
    );

    std::fs::remove_file(&weights).unwrap();
    assert!(load().to_string().contains(WeightGenerator::WEIGHTS_FILE));
    std::fs::write(&weights, &good[..good.len() - 1]).unwrap();
    assert!(matches!(load(), Error::Digest { .. }));
    assert!(load().to_string().contains(WeightGenerator::WEIGHTS_FILE));
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    std::fs::write(&weights, &flipped).unwrap();
    assert!(load().to_string().contains("SHA-256"));
    std::fs::write(&weights, &good).unwrap();

    std::fs::write(&config, json.replace("\"version\":2", "\"version\":3")).unwrap();
    assert!(matches!(
        load(),
        Error::Version {
            found: 3,
            expected: 2,
            ..
        }
    ));
    std::fs::write(&config, &json[..json.len() / 2]).unwrap();
    assert!(matches!(load(), Error::Json { .. }));
    std::fs::write(
        &config,
        json.replace("\"base_channels\":32", "\"base_channels\":64"),
    )
    .unwrap();
    let error = load();
    assert!(matches!(error, Error::NetworkTooLarge { .. }), "{error}");
    std::fs::write(&config, json.replace("\"t\":999", "\"t\":5000")).unwrap();
    assert!(matches!(load(), Error::Config { field: "t", .. }));
    std::fs::write(&config, &json).unwrap();
    WeightGenerator::load(dir.path(), &device()).unwrap();

    // The normaliser's means are among the weights: too few, and none.
    let tensors = tensor_file::load_safetensors(&weights).unwrap().0;
    let digest = |bytes: &[u8]| tensor_file::digest::sha256_hex(bytes);
    let with = |means: Option<usize>| {
        let mut tensors = tensors.clone();
        let mut all = tensors.remove("normalizer.means").unwrap();
        if let Some(count) = means {
            all.data.truncate(count);
            all.shape = vec![count];
            tensors.insert("normalizer.means".into(), all);
        }
        tensor_file::save_safetensors(&weights, &tensors, &Default::default()).unwrap();
        let found = digest(&std::fs::read(&weights).unwrap());
        std::fs::write(&config, json.replace(&digest(&good), &found)).unwrap();
        load()
    };
    assert!(matches!(with(Some(1)), Error::Blocks(_)));
    assert!(matches!(with(None), Error::MissingTensor { .. }));
}

#[test]
fn another_encoder_or_layout_is_refused() {
    let generator = generator();
    generator.check_encoder(&text_spec()).unwrap();
    let other = EncoderId {
        digest: "fedcba9876543210".into(),
        ..text_spec()
    };
    let error = generator.check_encoder(&other).unwrap_err();
    assert!(matches!(error, Error::TextEncoder { .. }));
    assert!(error.to_string().contains("fedcba987654"), "{error}");
    generator.check_layout(&layout("first")).unwrap();
    let error = generator.check_layout(&layout("second")).unwrap_err();
    assert!(matches!(error, Error::Layout { .. }));
    let wide = EncodedPrompt::new(vec![0.0; 9], 1);
    let error = generator.predict(&wide, &generator.defaults(), &device());
    assert!(matches!(error.err(), Some(Error::Prompt(_))));
}

#[test]
fn predictions_depend_on_seed_and_not_on_batch_size() {
    let generator = generator();
    let options = generator.defaults();
    let base = predict(&generator, &options);
    for batch_size in [1, 2, 100] {
        let other = predict(
            &generator,
            &SampleOptions {
                batch_size,
                ..options
            },
        );
        assert!(
            distance(&other.encoded, &base.encoded) < 1e-5,
            "{batch_size}"
        );
    }
    let seeded = predict(&generator, &SampleOptions { seed: 1, ..options });
    assert_ne!(seeded.encoded, base.encoded);
    let average = predict(
        &generator,
        &SampleOptions {
            noises: 4,
            ..options
        },
    );
    assert!(average.encoded.iter().all(|v| v.is_finite()));
    // Text of no tokens is defined.
    let empty = EncodedPrompt::new(vec![], 0);
    let empty = generator.predict(&empty, &options, &device()).unwrap();
    assert!(empty.norm.is_finite());
}

#[test]
fn the_gradient_of_a_prompt_is_that_of_difference_quotients() {
    let generator = generator();
    let (layout, own) = (generator.layout(), text(1, 2));
    let mut direction = uniform(3, layout.blocks() * layout.block_size());
    direction[layout.values()..].fill(0.0);
    let direction = layout.decode(&direction).unwrap();
    let options = SampleOptions {
        noises: 2,
        batch_size: 3,
        guidance: 1.5,
        ..generator.defaults()
    };
    let product = |tokens: &EncodedPrompt| -> f64 {
        let weights = generator
            .predict(tokens, &options, &device())
            .unwrap()
            .weights;
        let pairs = weights.values().zip(direction.values());
        pairs
            .flat_map(|(w, d)| w.data.iter().zip(&d.data))
            .map(|(w, d)| f64::from(*w) * f64::from(*d))
            .sum()
    };
    let gradient = generator
        .token_gradient(&own, &direction, &options, &device())
        .unwrap();
    assert_eq!(gradient.len(), own.tokens.len());
    let largest = gradient.iter().fold(0.0f32, |most, g| most.max(g.abs()));
    for (i, found) in gradient.iter().enumerate() {
        let moved = |by: f32| {
            let mut tokens = own.clone();
            tokens.tokens[i] += by;
            product(&tokens)
        };
        let expected = (moved(0.01) - moved(-0.01)) / 0.02;
        let apart = (f64::from(*found) - expected).abs();
        assert!(
            apart < 0.03 * f64::from(largest),
            "{i}: {found} for {expected}"
        );
    }
    let other = direction.iter().skip(1);
    let other = other
        .map(|(name, tensor)| (name.clone(), tensor.clone()))
        .collect();
    let error = generator.token_gradient(&own, &other, &options, &device());
    assert!(error.is_err());
}

#[test]
fn norms_far_from_the_zoo_are_warned_of() {
    let prediction = |norm, std| Prediction {
        weights: Default::default(),
        encoded: vec![],
        norm,
        zoo_norm_mean: 10.0,
        zoo_norm_std: std,
        trained_norm: None,
    };
    assert_eq!(prediction(10.5, 0.2).norm_warning(), None);
    assert!(prediction(11.0, 0.2).norm_warning().is_some());
    assert!(prediction(9.0, 0.2).norm_warning().is_some());
    assert_eq!(prediction(19.0, 5.0).norm_warning(), None);
    assert!(prediction(20.1, 5.0).norm_warning().is_some());
    assert!(prediction(4.9, 5.0).norm_warning().is_some());
    assert!(
        prediction(f64::NAN, 5.0)
            .norm_warning()
            .unwrap()
            .contains("NaN")
    );
}

#[test]
fn a_refined_generator_measures_norms_by_its_own_training_prompts() {
    let dir = tempfile::tempdir().unwrap();
    let plain = generator();
    let texts = [text(1, 2), text(2, 3)];
    let refined = plain.clone().with_trained_norm(&texts, &device()).unwrap();
    let norms = texts.clone().map(|text| {
        let options = plain.defaults();
        plain.predict(&text, &options, &device()).unwrap().norm
    });
    refined.save(dir.path(), Precision::Full).unwrap();
    let loaded = WeightGenerator::load(dir.path(), &device()).unwrap();
    let mut prediction = loaded
        .predict(&texts[0], &loaded.defaults(), &device())
        .unwrap();
    let trained = prediction.trained_norm.unwrap();
    assert!((trained.mean - (norms[0] + norms[1]) / 2.0).abs() < 1e-6);
    assert_eq!(prediction.zoo_norm_mean, plain.zoo_norm().mean);
    // Far from the zoo's, as a refined generator's may be, and where it was trained to be.
    prediction.norm = trained.mean;
    prediction.zoo_norm_mean = 100.0 * trained.mean;
    assert_eq!(prediction.norm_warning(), None);
    prediction.norm = 3.0 * trained.mean;
    let warning = prediction.norm_warning().unwrap();
    assert!(warning.contains("training prompts"), "{warning}");
}

#[test]
fn sizes_out_of_proportion_to_the_file_are_refused_before_anything_is_allocated() {
    let dir = tempfile::tempdir().unwrap();
    generator().save(dir.path(), Precision::Full).unwrap();
    let path = dir.path().join(WeightGenerator::CONFIG_FILE);
    let whole: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let refused = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut manifest = whole.clone();
        change(&mut manifest);
        std::fs::write(&path, manifest.to_string()).unwrap();
        WeightGenerator::load(dir.path(), &device()).unwrap_err()
    };
    // Just under the limit of a tensor, 2^32 values: 16 GB for the first alone.
    let wide = refused(&|m| {
        m["unet"]["base_channels"] = 16_384.into();
        m["unet"]["multipliers"] = serde_json::json!([1, 1, 1]);
    });
    assert!(matches!(wide, Error::NetworkTooLarge { .. }), "{wide}");
    let table = refused(&|m| {
        m["unet"]["block_heads"] = (1 << 20).into();
    });
    assert!(matches!(table, Error::NetworkTooLarge { .. }), "{table}");
    let layout = refused(&|m| {
        m["layout"]["groups"][0]["tensors"][0]["shape"] = serde_json::json!([1u64 << 33]);
    });
    assert!(matches!(layout, Error::LayoutTooLarge { .. }), "{layout}");
}

#[test]
fn a_generator_that_is_cut_off_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let generator = generator();
    generator.save(dir.path(), Precision::Full).unwrap();
    let expected = predict(&generator, &generator.defaults());
    for (file, lengths) in [
        (WeightGenerator::CONFIG_FILE, usize::MAX),
        (WeightGenerator::WEIGHTS_FILE, 50),
    ] {
        let path = dir.path().join(file);
        let whole = std::fs::read(&path).unwrap();
        let step = (whole.len() / lengths).max(1);
        let cut = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        for length in (0..whole.len()).rev().step_by(step) {
            cut.set_len(length as u64).unwrap();
            // Without the line's end it is the same.
            if let Ok(found) = WeightGenerator::load(dir.path(), &device()) {
                assert_eq!(
                    predict(&found, &found.defaults()),
                    expected,
                    "{file} {length}"
                );
            }
        }
        std::fs::write(&path, whole).unwrap();
    }
}
