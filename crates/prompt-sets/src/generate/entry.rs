//! One entry of a chat model's list: `3. **"Batik"** - a dyed cloth,` → `Batik`.

/// Bullets that need no space behind them.
const BULLETS: [char; 16] = [
    '•', '‣', '◦', '▪', '▫', '▸', '►', '●', '○', '■', '□', '·', '→', '➤', '★', '>',
];
/// Bullets that may also begin a word.
const DASHES: [char; 4] = ['-', '+', '–', '—'];
/// Pairs of marks around a name.
const SPANS: [(&str, &str); 12] = [
    ("***", "***"),
    ("**", "**"),
    ("__", "__"),
    ("*", "*"),
    ("_", "_"),
    ("~~", "~~"),
    ("`", "`"),
    ("\"", "\""),
    ("“", "”"),
    ("„", "“"),
    ("«", "»"),
    ("‘", "’"),
];
/// What stands between a name and its explanation.
const DASHED: [&str; 3] = [" - ", " – ", " — "];

/// The name in a line: without list marks, Markdown, quotation marks and an explanation after a dash.
///
/// An explanation behind a colon is left, since only the whole list shows what the colon is for.
pub(super) fn name(line: &str) -> String {
    let mut text = line.trim();
    while let Some(rest) = after_mark(text) {
        text = rest;
    }
    let text = match span(text) {
        Some(name) => name.to_owned(),
        None => plain(text),
    };
    let cut = DASHED.iter().filter_map(|dash| text.find(dash)).min();
    let text = match cut {
        Some(at) if at > 0 => &text[..at],
        _ => &text,
    };
    // A number within the emphasis: `**3. Batik**`.
    let text = after_mark(text).unwrap_or(text);
    // JSON's strings may hold line breaks.
    let words: Vec<&str> = tidy(text).split_whitespace().collect();
    words.join(" ")
}

/// What follows the list mark at the beginning of `line`, if there is one: `-`, `*`, `+`, `•`, `1.`, `1)`, `(1)`, `#1`,
/// `a)`, `[x]`, `##`.
pub(super) fn after_mark(line: &str) -> Option<&str> {
    let rest = bullet(line)
        .or_else(|| heading(line))
        .or_else(|| check_box(line))
        .or_else(|| number(line))?;
    let rest = rest.trim_start();
    (!rest.is_empty()).then_some(rest)
}

/// The text of a Markdown heading.
pub(super) fn heading(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches('#');
    let level = line.len() - rest.len();
    ((1..=6).contains(&level) && rest.starts_with(char::is_whitespace)).then(|| rest.trim())
}

fn bullet(line: &str) -> Option<&str> {
    let first = line.chars().next()?;
    let rest = &line[first.len_utf8()..];
    let next = rest.chars().next()?;
    let is_mark = BULLETS.contains(&first)
        || first == '*' && next.is_whitespace()
        || DASHES.contains(&first) && (next.is_whitespace() || next.is_alphabetic());
    is_mark.then_some(rest)
}

fn check_box(line: &str) -> Option<&str> {
    ["[ ]", "[x]", "[X]"]
        .iter()
        .find_map(|mark| line.strip_prefix(mark))
}

/// What follows `1.`, `1)`, `1.)`, `(1)`, `[1]`, `#1`, `1:`, `1 -`, `a)`, `①`, `1️⃣`, in bold or not.
fn number(line: &str) -> Option<&str> {
    if let Some(inner) = line.strip_prefix("**")
        && let Some((mark, rest)) = inner.split_once("**")
        && number(mark) == Some("")
    {
        return Some(rest);
    }
    if let Some(rest) = line.strip_prefix(|c: char| ('①'..='⑳').contains(&c)) {
        return Some(rest);
    }
    let open = line.chars().next()?;
    let body = line.strip_prefix(['(', '[', '#']).unwrap_or(line);
    let digits = body.bytes().take_while(u8::is_ascii_digit).count();
    let letter = digits == 0 && body.starts_with(|c: char| c.is_ascii_alphabetic());
    let length = if letter { 1 } else { digits };
    if !(1..=3).contains(&length) {
        return None;
    }
    let rest = &body[length..];
    let loose = || {
        let rest = rest.trim_start();
        [": ", "- ", "– ", "— "]
            .iter()
            .find_map(|mark| rest.strip_prefix(mark))
    };
    let after = match open {
        '(' => rest.strip_prefix(')'),
        _ if letter => rest.strip_prefix(')'),
        '[' => rest.strip_prefix(']'),
        '#' => Some(rest.strip_prefix(['.', ')', ':']).unwrap_or(rest)),
        _ => rest
            .strip_prefix(".)")
            .or_else(|| rest.strip_prefix(['.', ')', '、', '．']))
            .or_else(|| rest.strip_prefix("\u{fe0f}\u{20e3}"))
            .or_else(loose),
    }?;
    // `3.5 mm film` and `1:1` are no marks.
    (!after.starts_with(|c: char| c.is_ascii_digit())).then_some(after)
}

/// The name at the beginning of `text` if it stands in Markdown's emphasis or in quotation marks, and nothing but
/// punctuation or an explanation follows.
fn span(text: &str) -> Option<&str> {
    SPANS.iter().find_map(|(open, close)| {
        let (name, rest) = text.strip_prefix(open)?.split_once(close)?;
        let rest = rest.trim_start_matches(['*', '_', '`', '"', '”']);
        let explained = rest.trim_start();
        let end = explained.trim_matches([',', ';', '.', ' ']).is_empty();
        let begins = explained.starts_with([':', '-', '–', '—', '(']);
        // `**Art styles:**` with nothing behind it is a heading, whose colon tells.
        let name = if end {
            name
        } else {
            name.trim_end_matches(':')
        };
        let colon = !end && text.contains(&format!(":{close}"));
        (!name.trim().is_empty() && (end || begins || colon)).then_some(name)
    })
}

/// `text` without the marks of Markdown within it.
fn plain(text: &str) -> String {
    text.replace("**", "").replace("__", "").replace(['`'], "")
}

/// `text` without punctuation, quotation marks and symbols around it.
fn tidy(text: &str) -> &str {
    let mut text = text.trim();
    loop {
        let before = text;
        text = text.trim_end_matches([',', ';', '.', '*', '_', ' ']);
        text = text
            .trim_start_matches(|c: char| !c.is_alphanumeric() && !"([{<\"'“‘„«|\\".contains(c));
        for (open, close) in [
            ('"', '"'),
            ('\'', '\''),
            ('“', '”'),
            ('‘', '’'),
            ('„', '“'),
            ('«', '»'),
        ] {
            text = unquoted(text, open, close);
        }
        if text == before {
            return text;
        }
    }
}

/// `text` without a pair of quotation marks around the whole, or one whose partner is missing.
fn unquoted(text: &str, open: char, close: char) -> &str {
    let marks = text.matches([open, close]).count();
    match (text.strip_prefix(open), text.strip_suffix(close)) {
        (Some(_), Some(_)) if marks == 2 => &text[open.len_utf8()..text.len() - close.len_utf8()],
        (Some(rest), None) if marks == 1 => rest,
        // An apostrophe at the end belongs to a word.
        (None, Some(rest)) if marks == 1 && close != '\'' && close != '’' => rest,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_marks_are_stripped() {
        for mark in [
            "- ", "* ", "+ ", "• ", "•", "‣ ", "◦ ", "▪ ", "· ", "– ", "— ", "→ ", "> ", "1. ",
            "1.", "12. ", "1) ", "(1) ", "[1] ", "1.) ", "1: ", "1 - ", "1 – ", "#1 ", "#1: ",
            "a) ", "(b) ", "① ", "1️⃣ ", "1、", "### ", "## 2. ", "- [ ] ", "- [x] ", "* 1. ",
            "**1.** ", "🎨 ", "",
        ] {
            assert_eq!(
                name(&format!("{mark}oil painting")),
                "oil painting",
                "{mark:?}"
            );
            assert_eq!(
                name(&format!("  {mark}**Oil painting**")),
                "Oil painting",
                "{mark:?}"
            );
        }
        for whole in [
            "1920s film noir",
            "3D render",
            "35mm film",
            "1:1 replica",
            "2.5D animation",
            "A Scanner Darkly",
            "80's cartoon",
            "C-print",
        ] {
            assert_eq!(name(whole), whole);
            assert_eq!(name(&format!("+ {whole}")), whole);
            assert_eq!(name(&format!("7. {whole}")), whole);
        }
    }

    #[test]
    fn markdown_and_quotation_marks_are_stripped() {
        for text in [
            "**Batik**",
            "*Batik*",
            "***Batik***",
            "__Batik__",
            "_Batik_",
            "`Batik`",
            "~~Batik~~",
            "\"Batik\"",
            "\"Batik\",",
            "'Batik'",
            "“Batik”",
            "‘Batik’",
            "«Batik»",
            "„Batik“",
            "Batik.",
            "Batik;",
            "**\"Batik\"**",
            "\"**Batik**\"",
            "1. **Batik**.",
            "**1. Batik**",
            "- `Batik`,",
            "\"Batik",
            "Batik**",
            "**Batik",
        ] {
            assert_eq!(name(text), "Batik", "{text}");
        }
        assert_eq!(name("**Oil** painting"), "Oil painting");
        assert_eq!(name("\"Starry Night\" style"), "\"Starry Night\" style");
        assert_eq!(name("the old masters' glaze"), "the old masters' glaze");
        assert_eq!(name("rock 'n' roll"), "rock 'n' roll");
        // What the screening refuses stays to be seen by it.
        assert_eq!(name("[insert style]"), "[insert style]");
        assert_eq!(name("**Art styles:**"), "Art styles:");
    }

    #[test]
    fn explanations_after_a_dash_or_a_marked_name_are_cut() {
        for text in [
            "Watercolor - a style with soft edges",
            "Watercolor – a style with soft edges",
            "Watercolor — a style with soft edges",
            "1. **Watercolor** - a style with soft edges",
            "1. **Watercolor**: a style with soft edges",
            "1. **Watercolor:** a style with soft edges",
            "1. **Watercolor** (soft edges)",
            "**Watercolor**—soft edges",
            "- \"Watercolor\": soft edges",
            "- *Watercolor* – soft",
        ] {
            assert_eq!(name(text), "Watercolor", "{text}");
        }
        assert_eq!(name("Watercolor: soft edges"), "Watercolor: soft edges");
        assert_eq!(name("art-deco poster"), "art-deco poster");
        for nothing in ["", "-", "***", "1.", "##", "• "] {
            assert!(
                !name(nothing).contains(char::is_alphanumeric) || nothing == "1.",
                "{nothing}"
            );
        }
    }
}
