//! An OpenAI-compatible chat model whose answers are determined by the question.

use serde_json::{Value, json};

use crate::{Reply, Request, ok};

const FIRST: [&str; 12] = [
    "teal", "amber", "woven", "frozen", "burnt", "silver", "mossy", "folded", "misty", "carved",
    "velvet", "rusty",
];
const SECOND: [&str; 12] = [
    "etching",
    "mosaic",
    "lantern",
    "fresco",
    "tapestry",
    "engraving",
    "wizard",
    "sailor",
    "knight",
    "robot",
    "dancer",
    "pirate",
];

/// Ten entries that depend on everything the model is told; some are doubles, some are chatter.
pub fn answer(body: &Value) -> String {
    let text = body["messages"].to_string() + &body["seed"].to_string();
    let mut hash = text.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut out = "Sure! Here are some ideas:\n".to_owned();
    for number in 1..=10 {
        hash = hash
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let pick = |shift: u32| ((hash >> shift) % 12) as usize;
        out.push_str(&format!(
            "{number}. {} {}\n",
            FIRST[pick(20)],
            SECOND[pick(40)]
        ));
    }
    out
}

pub fn serve(request: &Request) -> Reply {
    assert_eq!(request.path, "/v1/chat/completions");
    completion(&answer(&request.json()))
}

pub fn completion(text: &str) -> Reply {
    let quoted = json!(text).to_string();
    let shape = include_str!("../fixtures/chat_completion.json");
    ok(shape.replace("\"TEXT\"", &quoted))
}

/// An answer whose message and reason for its end are these.
pub fn message(message: &Value, finish_reason: &str) -> Reply {
    let mut body: Value =
        serde_json::from_str(include_str!("../fixtures/chat_completion.json")).unwrap();
    body["choices"][0]["message"] = message.clone();
    body["choices"][0]["finish_reason"] = json!(finish_reason);
    ok(body.to_string())
}
