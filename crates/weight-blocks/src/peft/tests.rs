//! Tests of reading `adapter_config.json`.

use serde_json::json;

use super::*;

/// A plain configuration with some fields changed.
fn parse(changes: Value) -> Result<AdapterConfig, AdapterConfigError> {
    let mut fields = json!({
        "peft_type": "LORA", "r": 4, "lora_alpha": 8, "bias": "none", "target_modules": ["q"],
        "rank_pattern": {"b.q": 2}, "alpha_pattern": {"^a.q": 1.0},
    });
    for (name, value) in changes.as_object().unwrap() {
        fields[name] = value.clone();
    }
    AdapterConfig::parse(fields.to_string().as_bytes())
}

#[test]
fn scales_follow_patterns_and_rank_stabilisation() {
    let config = parse(json!({})).unwrap();
    assert_eq!(config.scale("a.k", 4).unwrap(), 2.0);
    assert_eq!(config.scale("a.q", 4).unwrap(), 0.25);
    assert_eq!(config.scale("b.q", 2).unwrap(), 4.0);
    // A pattern ends at a dot, and `^` begins a whole name.
    assert_eq!(config.scale("x.a.q", 4).unwrap(), 2.0);
    assert_eq!(config.scale("bb.q", 4).unwrap(), 2.0);
    let config = parse(json!({"use_rslora": true})).unwrap();
    assert_eq!(config.scale("a.k", 4).unwrap(), 4.0);
}

#[test]
fn a_rank_that_the_configuration_does_not_state_is_refused() {
    let error = parse(json!({})).unwrap().scale("b.q", 4).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("`b.q`") && text.contains("rank 4"), "{text}");
}

#[test]
fn initialisations_that_change_the_base_are_refused_by_name() {
    for init in [
        "pissa",
        "pissa_niter_16",
        "olora",
        "OLoRA",
        "corda",
        "loftq",
        "lora_ga",
    ] {
        let error = parse(json!({"init_lora_weights": init})).unwrap_err();
        assert!(
            matches!(error, AdapterConfigError::ChangedBase { .. }),
            "{init}: {error}"
        );
        let text = error.to_string();
        assert!(text.contains(&init.to_lowercase()), "{text}");
    }
    for init in [
        json!(true),
        json!(false),
        Value::Null,
        json!("gaussian"),
        json!("eva"),
        json!("orthogonal"),
        json!("mica"),
    ] {
        parse(json!({"init_lora_weights": init})).unwrap();
    }
    for init in [json!("from_the_future"), json!(3), json!(["pissa"])] {
        let error = parse(json!({"init_lora_weights": init})).unwrap_err();
        assert!(
            matches!(error, AdapterConfigError::UnknownInit { .. }),
            "{error}"
        );
    }
}

#[test]
fn variants_of_lora_are_refused_by_their_field() {
    for (field, value) in [
        ("use_qalora", json!(true)),
        ("kasa_config", json!({"beta": 1e-4})),
        ("monteclora_config", json!({"num_samples": 4})),
        ("use_bdlora", json!({"nblocks": 2})),
        ("arrow_config", json!({"arrow_top_k": 3})),
        ("alora_invocation_tokens", json!([1, 2])),
        ("layer_replication", json!([[0, 4], [2, 5]])),
        ("target_parameters", json!(["experts.gate_up_proj"])),
        ("trainable_token_indices", json!([7])),
        ("megatron_config", json!({"tensor_model_parallel_size": 2})),
        ("enable_lora", json!([true, false, true])),
        ("a_field_of_the_future", json!(1)),
    ] {
        match parse(json!({ field: value })) {
            Err(AdapterConfigError::Field { field: found }) => assert_eq!(found, field),
            other => panic!("{field}: {other:?}"),
        }
        // As PEFT writes fields that are not used.
        for unset in [Value::Null, json!(false), json!([]), json!({})] {
            parse(json!({ field: unset })).unwrap();
        }
    }
    for (field, value, part) in [
        ("use_dora", json!(true), "DoRA"),
        ("bias", json!("lora_only"), "bias"),
        ("lora_bias", json!(true), "bias"),
        ("peft_type", json!("LOHA"), "LOHA"),
        ("r", json!("8"), "not a LoRA configuration"),
    ] {
        let text = parse(json!({ field: value })).unwrap_err().to_string();
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn fields_without_effect_are_read_over() {
    // What PEFT 0.21 writes for a linear layer.
    let config = parse(json!({
        "auto_mapping": {"base_model_class": "Net", "parent_library": "__main__"},
        "task_type": "CAUSAL_LM", "peft_version": "0.21.2", "revision": "main", "inference_mode": true,
        "fan_in_fan_out": true, "megatron_core": "megatron.core", "qalora_group_size": 16,
        "modules_to_save": ["norm"], "exclude_modules": ["head"], "layers_to_transform": [0, 1],
        "layers_pattern": "layers", "loftq_config": {}, "eva_config": {"rho": 2.0}, "lora_dropout": 0.1,
        "init_lora_weights": "eva", "ensure_weight_tying": true, "kasa_config": null, "use_qalora": false,
    }))
    .unwrap();
    assert_eq!((config.r, config.alpha, config.dropout), (4, 8.0, 0.1));
}

#[test]
fn patterns_that_are_expressions_or_disagree_are_refused() {
    let config = parse(json!({"alpha_pattern": {".*q": 1.0}})).unwrap();
    let text = config.scale("a.k", 4).unwrap_err().to_string();
    assert!(text.contains("alpha_pattern `.*q`"), "{text}");
    let config = parse(json!({"rank_pattern": {"q": 1, "a.q": 2}})).unwrap();
    let text = config.scale("a.q", 2).unwrap_err().to_string();
    assert!(text.contains("two entries of rank_pattern"), "{text}");
}

#[test]
fn a_field_given_twice_is_refused_by_name() {
    let text = br#"{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "r": 2}"#;
    let error = AdapterConfig::parse(text).unwrap_err().to_string();
    assert!(error.contains("duplicate field `r`"), "{error}");
}

#[test]
fn a_configuration_that_is_cut_off_is_refused() {
    let whole = json!({
        "peft_type": "LORA", "r": 4, "lora_alpha": 8, "use_rslora": true, "alpha_pattern": {"q": 2.0},
    })
    .to_string();
    for length in 0..whole.len() {
        let cut = AdapterConfig::parse(&whole.as_bytes()[..length]);
        assert!(matches!(cut, Err(AdapterConfigError::Json(_))), "{length}");
    }
}
