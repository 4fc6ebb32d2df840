//! Reasoning that models write before their answers, and the tokens of chat formats that servers leave in them.

/// Names of tags around reasoning: `<think>` ... `</think>`.
const TAGS: [&str; 11] = [
    "think",
    "thinking",
    "thought",
    "thoughts",
    "reason",
    "reasoning",
    "reflection",
    "analysis",
    "scratchpad",
    "inner_monologue",
    "seed:think",
];
/// Marks around reasoning in other shapes: Kimi's, Mistral's, OpenThinker's.
const MARKS: [(&str, &str); 3] = [
    ("◁think▷", "◁/think▷"),
    ("[think]", "[/think]"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
];
/// Marks around the answer itself.
const ANSWERS: [(&str, &str); 5] = [
    ("<answer>", "</answer>"),
    ("<final_answer>", "</final_answer>"),
    ("<output>", "</output>"),
    ("<response>", "</response>"),
    ("<|begin_of_solution|>", "<|end_of_solution|>"),
];
/// Tokens that end an answer, or a part of it.
const ENDS: [&str; 9] = [
    "<|im_end|>",
    "<|eot_id|>",
    "<|end|>",
    "<|return|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<end_of_turn>",
    "</s>",
    "[/inst]",
];

/// The answer in `text` without reasoning, finished or not. Empty if `text` is nothing but reasoning.
///
/// A closing tag without an opening one ends reasoning whose beginning the server kept back; an opening one without a
/// closing one begins reasoning that was cut.
pub(crate) fn without_reasoning(text: &str) -> String {
    let mut text = final_channel(text);
    for (open, close) in MARKS {
        text = without_blocks(&text, open, close);
    }
    for tag in TAGS {
        text = without_blocks(&text, &format!("<{tag}>"), &format!("</{tag}>"));
    }
    for (open, close) in ANSWERS {
        let lower = text.to_ascii_lowercase();
        let from = lower.find(open).map_or(0, |at| at + open.len());
        let to = lower[from..].find(close).map_or(text.len(), |at| from + at);
        if from > 0 || to < text.len() {
            text = text[from..to].to_owned();
        }
    }
    for end in ENDS {
        text = without_token(&text, end);
    }
    text.trim().to_owned()
}

/// `text` without what stands between `open` and `close`, both in lower case.
fn without_blocks(text: &str, open: &str, close: &str) -> String {
    // Lower case in ASCII moves no byte.
    let lower = text.to_ascii_lowercase();
    let (mut kept, mut at, mut within) = (String::new(), 0, false);
    loop {
        let next = |mark: &str| lower[at..].find(mark).map(|found| at + found);
        match (next(open), next(close)) {
            (Some(begin), end) if end.is_none_or(|end| begin < end) => {
                if !within {
                    kept.push_str(&text[at..begin]);
                }
                within = true;
                at = begin + open.len();
            }
            (_, Some(end)) => {
                if !within {
                    kept.clear();
                }
                within = false;
                at = end + close.len();
            }
            _ => break,
        }
    }
    if !within {
        kept.push_str(&text[at..]);
    }
    kept
}

/// `text` with a line break in place of every `token`, which is in lower case.
fn without_token(text: &str, token: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let (mut kept, mut at) = (String::new(), 0);
    while let Some(found) = lower[at..].find(token) {
        kept.push_str(&text[at..at + found]);
        kept.push('\n');
        at += found + token.len();
    }
    kept.push_str(&text[at..]);
    kept
}

/// What stands in the final channel of OpenAI's harmony format, or `text` if it is in another one. Some servers remove the
/// format's tokens and leave `analysis...assistantfinal...`.
fn final_channel(text: &str) -> String {
    const CHANNEL: &str = "<|channel|>";
    const MESSAGE: &str = "<|message|>";
    let after = |mark: &str| text.rfind(mark).map(|at| &text[at + mark.len()..]);
    if let Some(rest) = after("<|channel|>final") {
        let answer = rest.split_once(MESSAGE).map_or(rest, |(_, answer)| answer);
        let end = ["<|end|>", "<|return|>", "<|start|>", "<|call|>"]
            .iter()
            .filter_map(|end| answer.find(end))
            .min();
        return answer[..end.unwrap_or(answer.len())].to_owned();
    }
    if let Some((before, _)) = text.split_once(CHANNEL) {
        return before.replace("<|start|>assistant", "");
    }
    if text.trim_start().starts_with("analysis")
        && let Some(answer) = after("assistantfinal")
    {
        return answer.to_owned();
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_is_left() {
        for tag in TAGS {
            for text in [
                format!("<{tag}>\nfoo, bar\n</{tag}>\n\noil\nBatik"),
                format!("<{}>no</{tag}>oil\nBatik", tag.to_uppercase()),
                // The opening tag belongs to the question (DeepSeek's chat template).
                format!("foo\nbar</{tag}>\noil\nBatik"),
                format!("oil\n<{tag}>is that all?</{tag}>Batik"),
                format!("<{tag}>a <{tag}> b</{tag}>oil\nBatik"),
            ] {
                assert_eq!(without_reasoning(&text), "oil\nBatik", "{text}");
            }
            // Cut, or nothing but reasoning.
            for text in [
                format!("<{tag}>oil\nBatik"),
                format!("<{tag}>oil</{tag}>\n"),
                format!("<{tag}>oil</{tag}>\n<{tag}>Batik\nfog"),
            ] {
                assert_eq!(without_reasoning(&text), "", "{text}");
            }
            assert_eq!(
                without_reasoning(&format!("oil\nBatik<{tag}>hm")),
                "oil\nBatik"
            );
        }
        for text in [
            "◁think▷no◁/think▷oil\nBatik",
            "[THINK]no[/THINK]oil\nBatik",
            "<|begin_of_thought|>no<|end_of_thought|>\n<|begin_of_solution|>oil\nBatik<|end_of_solution|>",
            "<think>no</think><answer>oil\nBatik</answer>",
            "<|channel|>analysis<|message|>no<|end|><|start|>assistant<|channel|>final<|message|>oil\nBatik<|return|>",
            "<|channel|>final <|constrain|>json<|message|>oil\nBatik",
            "analysisThe user wants styles.assistantfinaloil\nBatik",
            "oil\nBatik<|im_end|>",
            "oil\nBatik</s>",
            "oil\nBatik",
        ] {
            assert_eq!(without_reasoning(text), "oil\nBatik", "{text}");
        }
        for text in [
            "<|channel|>analysis<|message|>The user wants styles. oil",
            "<|start|>assistant<|channel|>analysis<|message|>oil<|end|>",
            "◁think▷oil",
        ] {
            assert_eq!(without_reasoning(text), "", "{text}");
        }
        // Letters whose lower case has another length move nothing.
        assert_eq!(
            without_reasoning("<think>İİİ</think>İznik tile"),
            "İznik tile"
        );
    }
}
