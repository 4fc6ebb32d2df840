//! Lists in a chat model's answer.

/// The entries of an answer: a JSON array of strings, or one entry per line, without bullets, numbers and quotation marks.
/// Thoughts in `<think>`, finished or not, are ignored, and so is the last line of an answer that was cut.
pub(crate) fn entries(text: &str, cut: bool, most: usize) -> Vec<String> {
    let text = match text.rsplit_once("</think>") {
        Some((_, answer)) => answer,
        None => text,
    };
    let text = text
        .split_once("<think>")
        .map_or(text, |(answer, _)| answer);
    if let (Some(from), Some(to)) = (text.find('['), text.rfind(']'))
        && from < to
        && let Ok(list) = serde_json::from_str::<Vec<String>>(&text[from..=to])
    {
        return list.into_iter().take(most).collect();
    }
    let mut lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("```"))
        .collect();
    if cut {
        lines.pop();
    }
    if let [line] = lines[..]
        && line.matches(',').count() >= 2
    {
        return line.split(',').map(bare).take(most).collect();
    }
    lines.into_iter().map(bare).take(most).collect()
}

/// `3. "Batik",` → `Batik`.
fn bare(line: &str) -> String {
    let line = line.trim();
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let line = match line[digits..].chars().next() {
        Some('.' | ')' | ':') if digits > 0 && digits < 4 => &line[digits + 1..],
        _ => line,
    };
    line.trim()
        .trim_start_matches(['-', '*', '•', '–', '>'])
        .trim()
        .trim_matches(['"', '\'', '“', '”', '`', '*', ',', ';'])
        .trim_end_matches('.')
        .trim()
        .to_owned()
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
            "- \"oil painting\",\n- \"Batik\",\n- \"1920s poster\"",
            "```json\n[\"oil painting\", \"Batik\", \"1920s poster\"]\n```",
            "<think>1. no</think>\n* **oil painting**\n\n* Batik.\n* 1920s poster",
            "oil painting, Batik, 1920s poster",
        ] {
            assert_eq!(entries(text, false, 10), wanted, "{text}");
        }
        assert_eq!(entries("oil painting\nBat", true, 10), ["oil painting"]);
        assert_eq!(entries("a\nb\nc", false, 2), ["a", "b"]);
        assert!(entries("", true, 10).is_empty());
        // An answer that was cut within its thoughts has no entries.
        for text in [
            "<think>oil painting\nBatik\n",
            "<think>[\"a\", \"b\"]",
            "<think>a</think>\n<think>b\nc",
        ] {
            assert!(entries(text, true, 10).is_empty(), "{text}");
        }
    }
}
