//! The embedded encoder against the reference implementation in tools/distill_static_encoder.py (`fixture`).

use safetensors::SafeTensors;
use text_encoder::{EncodedPrompt, Error, StaticEncoder, TextEncoder, nearest};

const FIXTURE: &[u8] = include_bytes!("../fixtures/static_reference.safetensors");
const TOLERANCE: f32 = 1e-5;

struct Reference {
    prompts: Vec<String>,
    rejected: Vec<String>,
    lengths: Vec<usize>,
    tokens: Vec<f32>,
    pooled: Vec<f32>,
    truncated: Vec<bool>,
}

fn reference() -> Reference {
    let (_, header) = SafeTensors::read_metadata(FIXTURE).unwrap();
    let meta = header.metadata().clone().unwrap();
    let tensors = SafeTensors::deserialize(FIXTURE).unwrap();
    let floats = |name: &str| -> Vec<f32> {
        let bytes = tensors.tensor(name).unwrap();
        bytes
            .data()
            .chunks(4)
            .map(|c| f32::from_le_bytes(c.try_into().unwrap()))
            .collect()
    };
    let lengths = tensors.tensor("lengths").unwrap();
    Reference {
        prompts: serde_json::from_str(&meta["prompts"]).unwrap(),
        rejected: serde_json::from_str(&meta["rejected"]).unwrap(),
        lengths: lengths
            .data()
            .chunks(4)
            .map(|c| u32::from_le_bytes(c.try_into().unwrap()) as usize)
            .collect(),
        tokens: floats("tokens"),
        pooled: floats("pooled"),
        truncated: tensors
            .tensor("truncated")
            .unwrap()
            .data()
            .iter()
            .map(|&b| b != 0)
            .collect(),
    }
}

fn assert_close(ours: &[f32], theirs: &[f32], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() <= TOLERANCE, "{what}[{i}]: {a} against {b}");
    }
}

#[test]
fn one_batch_matches_the_reference() {
    let r = reference();
    assert!(r.prompts.len() >= 20);
    let encoder = StaticEncoder::embedded().unwrap();
    let prompts: Vec<&str> = r.prompts.iter().map(String::as_str).collect();
    let text = encoder.condition(&prompts, &test_device::device()).unwrap();

    let (b, c) = (prompts.len(), encoder.width());
    let l = *r.lengths.iter().max().unwrap();
    assert_eq!(text.tokens.dims(), [b, l, c]);
    assert_eq!(l, encoder.max_tokens());
    let host = encoder.encode(&prompts).unwrap();
    let truncated: Vec<bool> = host.iter().map(|prompt| prompt.truncated).collect();
    assert_eq!(truncated, r.truncated);
    assert!(r.truncated.iter().any(|&t| t) && r.truncated.iter().any(|&t| !t));

    let tokens = text.tokens.into_data().try_to_vec::<f32>().unwrap();
    let mask: Vec<bool> = text.mask.into_data().iter::<bool>().collect();
    let mut at = 0;
    for (i, &n) in r.lengths.iter().enumerate() {
        let ours = &tokens[i * l * c..(i + 1) * l * c];
        assert_close(
            &ours[..n * c],
            &r.tokens[at..at + n * c],
            &format!("tokens of {:?}", prompts[i]),
        );
        assert!(
            ours[n * c..].iter().all(|&v| v == 0.0),
            "padding of {:?}",
            prompts[i]
        );
        let expected: Vec<bool> = (0..l).map(|j| j < n).collect();
        assert_eq!(
            mask[i * l..(i + 1) * l],
            expected,
            "mask of {:?}",
            prompts[i]
        );
        at += n * c;
    }
    assert_eq!(at, r.tokens.len());
    let pooled: Vec<f32> = host.into_iter().flat_map(|prompt| prompt.pooled).collect();
    assert_close(&pooled, &r.pooled, "pooled");
}

#[test]
fn host_pooling_matches_the_reference_prompt_by_prompt() {
    let r = reference();
    let encoder = StaticEncoder::embedded().unwrap();
    for (prompt, theirs) in r.prompts.iter().zip(r.pooled.chunks(encoder.width())) {
        let ours = encoder.encode_pooled(&[prompt]).unwrap();
        assert_close(&ours[0], theirs, prompt);
        let norm = ours[0].iter().map(|v| v * v).sum::<f32>().sqrt();
        assert!((norm - 1.0).abs() < 1e-5, "{prompt}: norm {norm}");
    }
}

#[test]
fn prompts_without_a_known_word_are_named() {
    let encoder = StaticEncoder::embedded().unwrap();
    let r = reference();
    assert!(r.rejected.len() >= 4);
    for rejected in &r.rejected {
        let error = encoder
            .condition(&["fine", rejected], &test_device::device())
            .unwrap_err();
        assert!(
            matches!(error, Error::EmptyPrompt { index: 1, .. }),
            "{rejected:?}: {error}"
        );
    }
    assert!(matches!(
        encoder.condition(&[], &test_device::device()),
        Err(Error::NoPrompts)
    ));
}

#[test]
fn length_follows_the_longest_prompt_and_the_cap() {
    let encoder = StaticEncoder::embedded().unwrap();
    let dims = |e: &StaticEncoder, p: &[&str]| {
        e.condition(p, &test_device::device())
            .unwrap()
            .tokens
            .dims()
    };
    assert_eq!(dims(&encoder, &["sketch"]), [1, 1, 128]);
    assert_eq!(
        dims(&encoder, &["sketch", "pencil sketch on paper"]),
        [2, 4, 128]
    );
    let short = encoder.with_max_tokens(2).unwrap();
    let prompts = ["pencil", "pencil sketch", "pencil sketch on paper"];
    assert_eq!(dims(&short, &prompts), [3, 2, 128]);
    let host = short.encode(&prompts).unwrap();
    let truncated: Vec<bool> = host.iter().map(|prompt| prompt.truncated).collect();
    assert_eq!(truncated, [false, false, true]);
    // The pooled vector describes the tokens kept.
    assert_eq!(
        short.encode_pooled(&["pencil sketch on paper"]).unwrap(),
        short.encode_pooled(&["pencil sketch"]).unwrap()
    );
    assert!(matches!(
        short.with_max_tokens(0),
        Err(Error::ZeroMaxTokens)
    ));
}

#[test]
fn a_prompt_is_the_same_in_any_batch_and_case() {
    let encoder = StaticEncoder::embedded().unwrap();
    let alone = encoder.encode_pooled(&["teal charcoal sketch"]).unwrap();
    let among = encoder
        .encode_pooled(&["fog", "  Teal CHARCOAL sketch\n"])
        .unwrap();
    assert_eq!(alone[0], among[1]);
}

#[test]
fn token_rows_have_unit_variance() {
    let encoder = StaticEncoder::embedded().unwrap();
    let text = encoder
        .condition(
            &["the teal charcoal sketch of daguerreotypes , neon"],
            &test_device::device(),
        )
        .unwrap();
    let tokens = text.tokens.into_data().try_to_vec::<f32>().unwrap();
    for row in tokens.chunks(encoder.width()) {
        let variance = row.iter().map(|v| v * v).sum::<f32>() / row.len() as f32;
        assert!((variance - 1.0).abs() < 0.02, "{variance}");
    }
}

#[test]
fn neighbours_make_sense() {
    let encoder = StaticEncoder::embedded().unwrap();
    let near = |query: &str, list: &[&str]| {
        let q = encoder.encode_pooled(&[query]).unwrap();
        list[nearest(&q[0], &encoder.encode_pooled(list).unwrap())
            .unwrap()
            .0]
            .to_owned()
    };
    let styles = [
        "oil painting",
        "neon glow",
        "graphite sketch",
        "thermal camera",
        "stained glass",
        "foggy morning",
    ];
    assert_eq!(near("pencil drawing", &styles), "graphite sketch");
    assert_eq!(
        near("heat map from an infrared sensor", &styles),
        "thermal camera"
    );
    assert_eq!(near("mist at dawn", &styles), "foggy morning");
}

/// Another encoder that leaves pooling on the host to the trait.
struct Wrapped(StaticEncoder);

impl TextEncoder for Wrapped {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn digest(&self) -> &str {
        self.0.digest()
    }
    fn width(&self) -> usize {
        self.0.width()
    }
    fn max_tokens(&self) -> usize {
        self.0.max_tokens()
    }
    fn encode(&self, prompts: &[&str]) -> Result<Vec<EncodedPrompt>, Error> {
        self.0.encode(prompts)
    }
}

#[test]
fn the_default_pooling_agrees_through_a_trait_object() {
    let encoder: Box<dyn TextEncoder> = Box::new(Wrapped(StaticEncoder::embedded().unwrap()));
    let prompts = ["oil painting", "a face with grey hair"];
    let (ours, host) = (
        encoder.encode_pooled(&prompts).unwrap(),
        StaticEncoder::embedded().unwrap(),
    );
    assert_eq!(ours, host.encode_pooled(&prompts).unwrap());
}
