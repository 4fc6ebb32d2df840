//! Lists in a chat model's answer.

use serde_json::Value;

use super::entry::{after_mark, heading, name};
use crate::normalise;
use crate::reasoning::without_reasoning;

/// The fields in which models put an entry's name if they answer with JSON objects.
const NAMES: [&str; 8] = [
    "name", "title", "text", "style", "concept", "prompt", "label", "value",
];

/// The entries of an answer: a JSON array of strings or of objects with a name, or one entry per line, without list marks,
/// Markdown, quotation marks and explanations. Reasoning, finished or not, is ignored, and so is the last entry of an answer
/// that was cut.
///
/// Explanations are what follows a dash between spaces, a name in bold or in quotation marks, or a colon, the latter if at
/// least two entries, and half of them, have one: `Watercolour: soft edges` alone is a prompt.
pub(crate) fn entries(text: &str, cut: bool, most: usize) -> Vec<String> {
    let text = without_reasoning(text);
    let names: Vec<String> = match json_list(&text, cut) {
        Some(list) => list.iter().map(|entry| name(entry)).collect(),
        None => lines(&text, cut).into_iter().map(name).collect(),
    };
    let names: Vec<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
    without_colons(names).into_iter().take(most).collect()
}

/// The strings of the JSON array in `text`. Of one that was cut, those before the last.
fn json_list(text: &str, cut: bool) -> Option<Vec<String>> {
    let from = text.find('[')?;
    let whole = text.rfind(']').filter(|to| from < *to);
    let parse = |json: &str| serde_json::from_str::<Vec<Value>>(json).ok();
    let repaired = || {
        ["},", "\","].iter().find_map(|end| {
            let end = from + text[from..].rfind(end).filter(|_| cut)?;
            parse(&format!("{}]", &text[from..=end]))
        })
    };
    let list = whole
        .and_then(|to| parse(&text[from..=to]))
        .or_else(repaired)
        .filter(|list| !list.is_empty())?;
    list.iter().map(string).collect()
}

/// A string, or the name in an object.
fn string(value: &Value) -> Option<String> {
    let text = match value {
        Value::Object(map) => {
            let named = NAMES.iter().find_map(|key| map.get(*key));
            let only = map.values().next().filter(|_| map.len() == 1);
            named.or(only)?.as_str()?
        }
        other => other.as_str()?,
    };
    Some(text.to_owned())
}

/// The lines that hold an entry, or the parts of a single line with commas.
fn lines(text: &str, cut: bool) -> Vec<&str> {
    let all = text.lines().map(str::trim_end);
    let mut lines: Vec<&str> = all
        .filter(|line| {
            line.contains(char::is_alphanumeric) && !line.trim_start().starts_with("```")
        })
        .collect();
    if let [line] = lines[..]
        && line.matches(',').count() >= 2
    {
        lines = line.split(',').collect();
    }
    if cut {
        lines.pop();
    }
    without_headings(without_notes(lines))
}

/// `lines` without what is indented below the entries of a list: sub-items and explanations.
fn without_notes(mut lines: Vec<&str>) -> Vec<&str> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let is_item = |line: &&&str| !is_heading(line) && after_mark(line.trim_start()).is_some();
    if let Some(first) = lines.iter().find(is_item) {
        let deepest = indent(first) + 1;
        lines.retain(|line| indent(line) <= deepest);
    }
    lines
}

/// `lines` without headings, unless the headings are the list: all of the lines, or numbered.
fn without_headings(mut lines: Vec<&str>) -> Vec<&str> {
    let numbered =
        |line: &&str| heading(line.trim_start()).is_some_and(|title| after_mark(title).is_some());
    if lines.iter().filter(|line| numbered(line)).count() >= 2 {
        lines.retain(numbered);
    } else if !lines.iter().all(|line| is_heading(line)) {
        lines.retain(|line| !is_heading(line));
    }
    lines
}

fn is_heading(line: &str) -> bool {
    heading(line.trim_start()).is_some()
}

/// `names` without explanations behind colons, if at least two, and half of them, have one. If the names were the same
/// (`style: Batik`), the explanations are the entries.
fn without_colons(names: Vec<String>) -> Vec<String> {
    let parts: Vec<(&str, &str)> = names
        .iter()
        .filter_map(|name| name.split_once(": "))
        .collect();
    if parts.len() < 2 || 2 * parts.len() < names.len() {
        return names;
    }
    let label = normalise(parts[0].0);
    let same = parts.iter().all(|(head, _)| normalise(head) == label);
    let part = |text: &String| match text.split_once(": ") {
        Some((_, tail)) if same => name(tail),
        Some((head, _)) => name(head),
        None => text.clone(),
    };
    names.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::entries;

    #[test]
    fn the_usual_shapes() {
        let wanted = ["oil painting", "Batik", "1920s poster"];
        for text in [
            "oil painting\nBatik\n1920s poster",
            "1. oil painting\n2. Batik\n3. 1920s poster",
            "+ oil painting\n+ Batik\n+ 1920s poster",
            "(1) oil painting\n(2) Batik\n(3) 1920s poster",
            "- \"oil painting\",\n- \"Batik\",\n- \"1920s poster\"",
            "```json\n[\"oil painting\", \"Batik\", \"1920s poster\"]\n```",
            "{\"styles\": [\"oil painting\", \"Batik\", \"1920s poster\"]}",
            "[{\"name\": \"oil painting\", \"about\": \"x\"}, {\"name\": \"Batik\"}, {\"name\": \"1920s poster\"}]",
            "<think>1. no</think>\n* **oil painting**\n\n* Batik.\n* 1920s poster",
            "<thought>\nLet me list some\n</thought>\noil painting\nBatik\n1920s poster",
            "oil painting, Batik, 1920s poster",
            "1. **oil painting** - a style with soft edges\n2. **Batik** - wax\n3. **1920s poster** - bold",
            "1. oil painting: with soft edges\n2. Batik: wax on cloth\n3. 1920s poster: bold",
            "Style: oil painting\nStyle: Batik\nStyle: 1920s poster",
            "# Styles\n\n- oil painting\n- Batik\n\n---\n- 1920s poster",
            "### 1. oil painting\nSoft edges.\n\n### 2. Batik\nWax on cloth.\n\n### 3. 1920s poster\nBold.",
            "### oil painting\n### Batik\n### 1920s poster",
            "1. **oil painting**\n   - soft edges\n   - light\n2. **Batik**\n   Wax on cloth.\n3. **1920s poster**",
        ] {
            assert_eq!(entries(text, false, 10), wanted, "{text}");
        }
        assert_eq!(entries("a\nb\nc", false, 2), ["a", "b"]);
        assert!(entries("", true, 10).is_empty());
    }

    #[test]
    fn of_a_cut_answer_the_last_entry_is_left_out() {
        for text in [
            "oil painting\nBatik\nfo",
            "1. oil painting\n2. Batik\n3.",
            "oil painting, Batik, fo",
            "[\"oil painting\", \"Batik\", \"fo",
            "[\n  \"oil painting\",\n  \"Batik\",\n  \"fo",
            "[{\"name\": \"oil painting\"}, {\"name\": \"Batik\"}, {\"na",
        ] {
            assert_eq!(entries(text, true, 10), ["oil painting", "Batik"], "{text}");
        }
        // An answer that was cut within its thoughts has no entries.
        for text in [
            "<think>oil painting\nBatik\n",
            "<think>[\"a\", \"b\"]",
            "<think>a</think>\n<think>b\nc",
        ] {
            assert!(entries(text, true, 10).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_single_colon_belongs_to_its_entry() {
        let text = "oil painting\nWatercolour: soft edges\nBatik";
        assert_eq!(
            entries(text, false, 10),
            ["oil painting", "Watercolour: soft edges", "Batik"]
        );
        let text = "Here are some:\n1. Ukiyo-e: prints\n2. Batik: wax";
        assert_eq!(
            entries(text, false, 10),
            ["Here are some:", "Ukiyo-e", "Batik"]
        );
    }
}
