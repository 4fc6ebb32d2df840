//! Answers of chat servers that are lists in some dress, and answers that are none.

use model_server_client::{Credentials, ServerError};
use prompt_sets::chat::{ChatClient, ChatModel, ChatRequest, ChatSettings};
use prompt_sets::embed::{EmbeddingClient, TextEmbedder};
use prompt_sets::generate::{Budget, Generator, GeneratorSettings, Journal, Stop, Templates};
use prompt_sets::{Category, Error, PromptSet};
use serde_json::{Value, json};
use test_server::{Reply, Server, chat, hasty, ok, status};

const IDEAS: [&str; 12] = [
    "watercolor",
    "charcoal sketch",
    "oil painting",
    "pixel art",
    "linocut print",
    "stained glass",
    "neon poster",
    "comic book",
    "mosaic tiles",
    "sumi ink",
    "pastel drawing",
    "vintage film",
];

fn client(server: &Server) -> ChatClient {
    let base = format!("{}/v1", server.address);
    let settings = ChatSettings::new("tiny");
    ChatClient::new(&base, settings, hasty(), Credentials::none()).unwrap()
}

/// What is generated from a server that always answers `reply`, and the number of requests.
fn generate(reply: Reply) -> (Result<(PromptSet, Stop), Error>, usize, Journal) {
    let server = Server::start(move |_, _| reply.clone());
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(&dir.path().join("answers.jsonl")).unwrap();
    let (client, templates) = (client(&server), Templates::default());
    let settings = GeneratorSettings::default();
    let generator = Generator::new(&client, &templates, &journal, Budget::default(), settings);
    let mut set = PromptSet::default();
    let wanted = [(Category::Art, IDEAS.len())];
    let outcome = generator.concepts(&mut set, &wanted, &|_| {});
    let result = outcome.map(|outcome| (set, outcome.stop));
    (result, server.requests().len(), journal)
}

fn lines(dress: impl Fn(usize, &str) -> String) -> Value {
    let lines: Vec<String> = IDEAS
        .iter()
        .enumerate()
        .map(|(i, s)| dress(i + 1, s))
        .collect();
    json!(lines.join("\n"))
}

#[test]
fn lists_in_every_dress_are_read() {
    let plain = IDEAS.join("\n");
    let objects: Vec<Value> = IDEAS.iter().map(|idea| json!({ "name": idea })).collect();
    let think = |open: &str, close: &str| {
        json!(format!(
            "{open}\nLet me list some art styles here\nmaybe impressionism first\n{close}\n{plain}"
        ))
    };
    for content in [
        json!(plain),
        lines(|_, idea| format!("+ {idea}")),
        lines(|_, idea| format!("* *{idea}*")),
        lines(|i, idea| format!("{i}. **{idea}** - a style with soft edges")),
        lines(|i, idea| format!("{i}) {idea}: uses soft edges")),
        lines(|i, idea| format!("({i}) `{idea}`")),
        lines(|_, idea| format!("• “{idea}”")),
        lines(|i, idea| format!("### {i}. {idea}\nA style with soft edges.\n")),
        think("<think>", "</think>"),
        think("<thinking>", "</thinking>"),
        think("<thought>", "</thought>"),
        think("<reasoning>", "</reasoning>"),
        think("<reflection>", "</reflection>"),
        think("◁think▷", "◁/think▷"),
        think("", "</think>"),
        think(
            "<|channel|>analysis<|message|>",
            "<|end|><|start|>assistant<|channel|>final<|message|>",
        ),
        json!([{ "type": "text", "text": plain }]),
        json!(json!({ "styles": IDEAS }).to_string()),
        json!(json!(objects).to_string()),
    ] {
        let message = json!({ "role": "assistant", "content": content });
        let (result, requests, _) = generate(chat::message(&message, "stop"));
        let (set, stop) = result.unwrap();
        let texts: Vec<&str> = set.concepts.iter().map(|c| c.text.as_str()).collect();
        assert_eq!(
            (texts.as_slice(), stop, requests),
            (&IDEAS[..], Stop::Complete, 1),
            "{content}"
        );
    }
}

/// `content` is null or empty and the text stands in the reasoning: one paid request, and the error names the way out.
#[test]
fn an_answer_that_went_into_the_reasoning_is_told_and_paid_once() {
    let text = IDEAS.join("\n");
    for (message, finish, place) in [
        (
            json!({ "content": null, "reasoning_content": text }),
            "length",
            "reasoning_content",
        ),
        (
            json!({ "content": "", "reasoning_content": text }),
            "stop",
            "reasoning_content",
        ),
        (
            json!({ "content": null, "reasoning": text }),
            "stop",
            "reasoning",
        ),
        (
            json!({ "content": format!("<think>{text}") }),
            "length",
            "<think>",
        ),
        (
            json!({ "content": format!("<thought>{text}</thought>") }),
            "stop",
            "<think>",
        ),
    ] {
        let (result, requests, journal) = generate(chat::message(&message, finish));
        let error = result.unwrap_err();
        assert!(
            matches!(error, Error::InReasoning { unanswered: 1, .. }),
            "{error}"
        );
        let shown = error.to_string();
        for word in [
            "tiny",
            place,
            "raise max_tokens, which is 1024",
            "reasoning_effort",
        ] {
            assert!(shown.contains(word), "{word}: {shown}");
        }
        assert_eq!(
            (requests, journal.len(), journal.spent().requests),
            (1, 0, 1),
            "{message}"
        );
    }
}

#[test]
fn refusals_are_told_and_not_repeated() {
    for (reply, word) in [
        (
            chat::message(
                &json!({ "content": null, "refusal": "I can't help with that." }),
                "stop",
            ),
            "I can't help with that",
        ),
        (
            chat::message(&json!({ "content": null }), "content_filter"),
            "content filter",
        ),
        // Azure.
        (
            status(
                400,
                json!({ "error": { "code": "content_filter", "status": 400,
                "message": "The response was filtered due to the prompt triggering Azure OpenAI's policy." } }),
            ),
            "content filter",
        ),
        (
            status(
                429,
                json!({ "error": { "code": "insufficient_quota", "message": "You exceeded your quota" } }),
            ),
            "quota is used up",
        ),
        (ok("data: {\"choices\": []}\n\ndata: [DONE]\n\n"), "stream"),
    ] {
        let shown = format!("{reply:?}");
        let (result, requests, _) = generate(reply);
        let error = result.unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
        assert_eq!(requests, 1, "{shown}");
    }
}

#[test]
fn a_list_that_was_cut_is_told_from_a_complete_one() {
    let ask = |finish: &'static str| {
        let message = json!({ "content": "oil painting\nBatik\nsumi in" });
        let server = Server::start(move |_, _| chat::message(&message, finish));
        let request = ChatRequest {
            system: String::new(),
            user: "List.".to_owned(),
            max_tokens: 9,
            seed: 0,
        };
        client(&server).complete(&request).unwrap().cut
    };
    assert!(!ask("stop") && ask("length") && ask("content_filter"));
    let message = json!({ "content": "1. oil painting\n2. Batik\n3. sumi in" });
    let (result, _, _) = generate(chat::message(&message, "length"));
    let (set, stop) = result.unwrap();
    let texts: Vec<&str> = set.concepts.iter().map(|c| c.text.as_str()).collect();
    assert_eq!((texts, stop), (vec!["oil painting", "Batik"], Stop::Dry));
}

#[test]
fn an_embedding_servers_error_is_shown() {
    for (reply, word) in [
        (
            ok("{\"error\": {\"message\": \"model not found\"}}"),
            "model not found",
        ),
        (ok("<html><title>Sign in</title></html>"), "web page"),
    ] {
        let server = Server::start(move |_, _| reply.clone());
        let client = EmbeddingClient::new(&server.address, "m", hasty(), Credentials::none());
        let error = client.unwrap().embed(&["a"]).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        let Error::Embedder { source } = &error else {
            panic!("{error}");
        };
        assert!(source.downcast_ref::<ServerError>().is_some());
    }
}
