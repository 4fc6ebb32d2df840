//! The chat model and the embeddings against a local server that speaks OpenAI's API, and generation through them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use model_server_client::{Credentials, HttpSettings, ServerError};
use prompt_sets::chat::{ChatClient, ChatModel, ChatReply, ChatRequest, ChatSettings};
use prompt_sets::embed::{EmbeddingClient, TextEmbedder};
use prompt_sets::generate::{
    Budget, Generator, GeneratorSettings, Journal, Price, Stop, Templates,
};
use prompt_sets::{Category, Error, PromptSet};
use serde_json::json;
use test_server::{Reply, Server, client_for, hasty, ok, slow, status};

fn client(server: &Server) -> ChatClient {
    client_with(server, hasty())
}

fn client_with(server: &Server, http: HttpSettings) -> ChatClient {
    let base = format!("{}/v1", server.address);
    ChatClient::new(&base, ChatSettings::new("tiny"), http, Credentials::none()).unwrap()
}

fn request() -> ChatRequest {
    ChatRequest {
        system: "You list.".to_owned(),
        user: "List.".to_owned(),
        max_tokens: 64,
        seed: 5,
    }
}

const WANTED: [(Category, usize); 3] = [
    (Category::Art, 12),
    (Category::Character, 15),
    (Category::Facial, 6),
];

fn generate(server: &Server, journal: &Path, budget: Budget) -> Result<(PromptSet, Stop), Error> {
    let journal = Journal::open(journal)?;
    let (client, templates) = (client(server), Templates::default());
    let settings = GeneratorSettings {
        per_request: 10,
        ..GeneratorSettings::default()
    };
    let generator = Generator::new(&client, &templates, &journal, budget, settings);
    let mut set = PromptSet::default();
    let outcome = generator.concepts(&mut set, &WANTED, &|_| {})?;
    if outcome.stop != Stop::Complete {
        return Ok((set, outcome.stop));
    }
    let wanted = [(Category::Art, 3), (Category::Character, 2)];
    let outcome = generator.paraphrases(&mut set, &wanted, &|_| {})?;
    Ok((set, outcome.stop))
}

#[test]
fn a_question_is_answered() {
    let server = Server::start(|number, request| match number {
        0 => {
            let body = include_str!("../fixtures/http/chat_429.json");
            Reply::Full(429, vec![("Retry-After", "1".to_owned())], body.into())
        }
        _ => {
            assert_eq!(request.path, "/v1/chat/completions");
            test_server::chat::completion("oil painting\nBatik")
        }
    });
    let start = Instant::now();
    let reply = client(&server).complete(&request()).unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(reply.text, "oil painting\nBatik");
    assert_eq!(
        (reply.prompt_tokens, reply.completion_tokens),
        (Some(19), Some(10))
    );
    // A refusal is not charged.
    assert_eq!((reply.cut, reply.unanswered), (false, 0));
    let body = server.requests()[1].json();
    assert_eq!(body["model"], "tiny");
    assert_eq!(body["max_tokens"], 64);
    assert_eq!(body["seed"], 5);
    assert_eq!(
        body["messages"][1],
        json!({ "role": "user", "content": "List." })
    );
}

#[test]
fn faults_are_survived_and_counted() {
    for (fault, unanswered) in [
        (status(500, json!({})), 0),
        (Reply::Drop, 1),
        (Reply::Truncated(vec![b'{'; 100]), 1),
        (slow(), 1),
        (status(429, json!({})), 0),
        (status(504, json!({})), 1),
        (status(524, json!({})), 1),
        (ok("{\"choices\": []}"), 1),
        (ok("{\"error\": {\"message\": \"no slot\"}}"), 1),
        (ok("[[[["), 1),
    ] {
        let once = fault.clone();
        let server = Server::start(move |number, _| match number {
            0 => once.clone(),
            _ => test_server::chat::completion("Batik"),
        });
        let reply = client_with(&server, client_for(&fault))
            .complete(&request())
            .unwrap();
        assert_eq!(
            (reply.text.as_str(), reply.unanswered),
            ("Batik", unanswered),
            "{fault:?}"
        );
    }
    let server = Server::start(|_, _| Reply::Endless);
    let error = client(&server).complete(&request()).unwrap_err();
    let Error::Model {
        source, unanswered, ..
    } = &error
    else {
        panic!("{error}");
    };
    let source = source.downcast_ref();
    assert!(
        matches!(source, Some(ServerError::TooLong { .. })),
        "{error}"
    );
    assert_eq!(*unanswered, 1);
    // Deeply nested JSON is an error and no stack overflow.
    let server = Server::start(|_, _| ok("[".repeat(1_000_000)));
    assert!(client(&server).complete(&request()).is_err());
}

#[test]
fn generation_is_the_same_under_faults() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(|_, request| test_server::chat::serve(request));
    let (expected, stop) =
        generate(&server, &dir.path().join("a.jsonl"), Budget::default()).unwrap();
    assert_eq!(stop, Stop::Complete);
    for (category, count) in WANTED {
        assert_eq!(
            expected
                .concepts
                .iter()
                .filter(|c| c.category == category)
                .count(),
            count
        );
    }
    let asked = server.requests().len();

    // Every question fails up to twice.
    let tries = Mutex::new(HashMap::new());
    let server = Server::start(move |_, request| {
        let mut tries = tries.lock().unwrap();
        let faults = tries.len() % 3;
        let left = tries.entry(request.body.clone()).or_insert(faults);
        if *left == 0 {
            return test_server::chat::serve(request);
        }
        *left -= 1;
        match (faults + *left) % 3 {
            0 => status(500, json!({})),
            1 => Reply::Drop,
            _ => Reply::Truncated(vec![b'{'; 50]),
        }
    });
    let path = dir.path().join("b.jsonl");
    let (set, _) = generate(&server, &path, Budget::default()).unwrap();
    assert_eq!(set, expected);
    let lines = std::fs::read_to_string(&path).unwrap();
    assert_eq!(lines.lines().count(), asked);

    // A second run asks nothing.
    let before = server.requests().len();
    assert_eq!(
        generate(&server, &path, Budget::default()).unwrap().0,
        expected
    );
    assert_eq!(server.requests().len(), before);
}

#[test]
fn a_torn_line_is_asked_again_and_a_broken_one_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    let server = Server::start(|_, request| test_server::chat::serve(request));
    let (expected, _) = generate(&server, &path, Budget::default()).unwrap();
    let asked = server.requests().len();
    let whole = std::fs::read(&path).unwrap();

    std::fs::write(&path, &whole[..whole.len() - 20]).unwrap();
    assert_eq!(
        generate(&server, &path, Budget::default()).unwrap().0,
        expected
    );
    assert_eq!(server.requests().len(), asked + 1);
    assert_eq!(std::fs::read(&path).unwrap().len(), whole.len());

    let text = String::from_utf8(whole).unwrap();
    std::fs::write(&path, text.replacen("\"key\"", "key", 1)).unwrap();
    let error = generate(&server, &path, Budget::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("line 1 ") && error.contains("a.jsonl"),
        "{error}"
    );
}

#[test]
fn the_budget_holds_over_runs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    let server = Server::start(|_, request| test_server::chat::serve(request));
    let budget = |requests| Budget {
        max_requests: Some(requests),
        ..Budget::default()
    };
    for _ in 0..3 {
        let (_, stop) = generate(&server, &path, budget(2)).unwrap();
        assert_eq!(stop, Stop::Budget);
        assert_eq!(server.requests().len(), 2);
    }
    let (_, stop) = generate(&server, &path, budget(1000)).unwrap();
    assert_eq!(stop, Stop::Complete);

    // No request is sent whose longest answer would exceed the budget.
    let server = Server::start(|_, request| test_server::chat::serve(request));
    let budget = Budget {
        price: Price {
            prompt: 0.0,
            completion: 10.0,
        },
        max_cost: Some(0.0103),
        ..Budget::default()
    };
    // An answer of 1024 tokens costs 0.01024, and one of 10 tokens 0.0001: one fits, not two.
    let (_, stop) = generate(&server, &dir.path().join("b.jsonl"), budget).unwrap();
    assert_eq!((stop, server.requests().len()), (Stop::Budget, 1));
}

#[test]
fn failed_requests_count_as_spent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    // The server does the work, but its answers get lost.
    let server = Server::start(|_, _| Reply::Drop);
    let budget = Budget {
        price: Price {
            prompt: 0.0,
            completion: 10.0,
        },
        max_cost: Some(0.08),
        ..Budget::default()
    };
    // Each attempt may have cost 0.01024: after two requests of four attempts nothing is left.
    for _ in 0..2 {
        let error = generate(&server, &path, budget.clone()).unwrap_err();
        assert!(error.to_string().contains("4 attempts"), "{error}");
    }
    for _ in 0..3 {
        let (_, stop) = generate(&server, &path, budget.clone()).unwrap();
        assert_eq!((stop, server.requests().len()), (Stop::Budget, 8));
    }
    let journal = Journal::open(&path).unwrap();
    assert_eq!(journal.len(), 0);
    assert_eq!(
        (journal.spent().requests, journal.spent().completion_tokens),
        (2, 8 * 1024)
    );
    drop(journal);

    // A refusal costs nothing, and what was lost before it counts all the same.
    for (last, lost) in [
        (status(404, json!({})), 1),
        (
            Reply::Full(
                429,
                vec![("Retry-After", "3600".to_owned())],
                b"{}".to_vec(),
            ),
            1,
        ),
    ] {
        let server = Server::start(move |number, _| match number {
            0 => Reply::Drop,
            _ => last.clone(),
        });
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        generate(&server, &path, Budget::default()).unwrap_err();
        let spent = Journal::open(&path).unwrap().spent();
        assert_eq!(spent.completion_tokens, lost * 1024);
    }
}

#[test]
fn answers_that_no_journal_can_hold_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    struct Long;
    impl ChatModel for Long {
        fn name(&self) -> &str {
            "long"
        }
        fn complete(&self, _: &ChatRequest) -> Result<ChatReply, Error> {
            Ok(ChatReply {
                text: "x".repeat(5 << 20),
                ..ChatReply::default()
            })
        }
    }
    let templates = Templates::default();
    for lines in 1..3 {
        let journal = Journal::open(&path).unwrap();
        let generator = Generator::new(
            &Long,
            &templates,
            &journal,
            Budget::default(),
            GeneratorSettings::default(),
        );
        let error = generator
            .concepts(&mut PromptSet::default(), &WANTED, &|_| {})
            .unwrap_err();
        assert!(error.to_string().contains("fewer tokens"), "{error}");
        // It was paid for, though.
        assert_eq!((journal.len(), journal.spent().requests), (0, lines));
    }
}

#[test]
fn another_temperature_is_another_question() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    let server = Server::start(|_, request| test_server::chat::serve(request));
    let ask = |temperature| {
        let settings = ChatSettings {
            temperature: Some(temperature),
            ..ChatSettings::new("tiny")
        };
        let base = format!("{}/v1", server.address);
        let client = ChatClient::new(&base, settings, hasty(), Credentials::none()).unwrap();
        let (journal, templates) = (Journal::open(&path).unwrap(), Templates::default());
        let generator = Generator::new(
            &client,
            &templates,
            &journal,
            Budget::default(),
            GeneratorSettings::default(),
        );
        generator
            .concepts(&mut PromptSet::default(), &[(Category::Art, 1)], &|_| {})
            .unwrap();
        server.requests().len()
    };
    assert_eq!([ask(0.7), ask(0.7), ask(0.8), ask(0.7)], [1, 1, 2, 2]);
}

#[test]
fn embeddings_come_in_order() {
    let server = Server::start(|_, request| {
        assert_eq!(request.path, "/v1/embeddings");
        assert_eq!(request.json()["input"], json!(["a", "b"]));
        ok(include_str!("../fixtures/http/embeddings.json"))
    });
    let base = format!("{}/v1", server.address);
    let client = EmbeddingClient::new(
        &base,
        "text-embedding-3-small",
        hasty(),
        Credentials::none(),
    )
    .unwrap();
    let vectors = client.embed(&["a", "b"]).unwrap();
    assert_eq!(vectors, [[0.5, 0.5, -0.25], [0.0, 1.0, 0.0]]);

    for bad in [
        "{\"data\": []}",
        "{\"data\": [{\"index\": 0, \"embedding\": [1]}, {\"index\": 0, \"embedding\": [1]}]}",
        "{\"data\": [{\"index\": 0, \"embedding\": [1]}, {\"index\": 7, \"embedding\": [1]}]}",
        "{\"data\": [{\"index\": 0, \"embedding\": [1]}, {\"index\": 1, \"embedding\": [\"x\"]}]}",
        "{\"data\": [{\"index\": 0, \"embedding\": [1]}, {\"index\": 1, \"embedding\": [1, 2]}]}",
        "{\"data\": [{\"index\": 0, \"embedding\": [1e300]}, {\"index\": 1, \"embedding\": [1]}]}",
    ] {
        let server = Server::start(move |_, _| ok(bad));
        let client =
            EmbeddingClient::new(&server.address, "m", hasty(), Credentials::none()).unwrap();
        assert!(client.embed(&["a", "b"]).is_err(), "{bad}");
    }
}

#[test]
fn credentials_in_an_answer_are_not_shown() {
    // Cargo sets this variable for tests; its value stands in for a key.
    let key = std::env::var("CARGO_PKG_NAME").unwrap();
    let shown = key.clone();
    let server = Server::start(move |_, _| {
        ok(json!({ "error": { "message": format!("bad key {shown}") } }).to_string())
    });
    let credentials = Credentials::bearer_from_env("CARGO_PKG_NAME").unwrap();
    let chat = ChatClient::new(
        &server.address,
        ChatSettings::new("m"),
        hasty(),
        credentials,
    )
    .unwrap();
    let error = chat.complete(&request()).unwrap_err().to_string();
    assert!(
        error.contains("bad key ***") && !error.contains(&key),
        "{error}"
    );
}
