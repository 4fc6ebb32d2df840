//! Lists of prompts.

use std::collections::HashSet;
use std::path::Path;

use concepts::pairs::{check_name, name_of};

use crate::Result;
use crate::files::read_lines;

/// A prompt and the name of its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPrompt {
    /// The folder's name.
    pub name: String,
    /// The prompt.
    pub prompt: String,
}

/// Reads a list of prompts, one per line. `NAME: PROMPT` names the prompt's folder, which is otherwise named after the
/// prompt ([`name_of`]). Lines that begin with `#` are comments.
///
/// # Errors
/// Names the file and, if one is at fault, the line; a file without prompts is refused, and so are two prompts of one name.
pub fn read(path: &Path) -> Result<Vec<NamedPrompt>> {
    let lines = read_lines(path)?;
    if lines.is_empty() {
        return Err(format!("{}: contains no prompt; write one per line", path.display()).into());
    }
    let mut names = HashSet::new();
    let mut prompts = Vec::new();
    for line in &lines {
        let fail = |why: &str| format!("{}: {line:?}: {why}", path.display());
        let prompt = parse(line).map_err(fail)?;
        if !names.insert(prompt.name.to_lowercase()) {
            let why =
                "another prompt has the same folder; write `NAME: PROMPT` with different names";
            return Err(fail(why).into());
        }
        prompts.push(prompt);
    }
    Ok(prompts)
}

/// Reads one prompt, as in a list.
///
/// # Errors
/// Says what is missing, the prompt or a letter or digit to name a folder after, or why a name cannot be a folder's.
pub fn parse(line: &str) -> Result<NamedPrompt, &'static str> {
    // A name has no spaces, so that a prompt such as `oil portrait, light: soft` is not cut.
    let (name, prompt) = match line.split_once(": ") {
        Some((name, prompt)) if !name.contains(char::is_whitespace) => {
            (Some(name.to_owned()), prompt.trim_start())
        }
        _ => (name_of(line), line),
    };
    if prompt.ends_with(':') && !prompt.contains(char::is_whitespace) {
        return Err("this is a name without a prompt; write `NAME: PROMPT`");
    }
    let none = "there is no letter or digit to name a folder after; write `NAME: PROMPT`";
    let name = name.ok_or(none)?;
    if check_name(&name).is_err() {
        return Err(
            "the name before `: ` is empty, begins with a dot or has a slash, a backslash or a control character in it; write another one",
        );
    }
    let prompt = prompt.to_owned();
    Ok(NamedPrompt { name, prompt })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<(String, String)>> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(&file, text)?;
        let prompts = read(file.path())?.into_iter();
        Ok(prompts.map(|p| (p.name, p.prompt)).collect())
    }

    #[test]
    fn neither_marks_nor_comments_become_prompts() {
        let text = "\u{feff}# my styles\r\nwatercolor\r\n";
        let expected = ("watercolor".to_owned(), "watercolor".to_owned());
        assert_eq!(read_text(text).unwrap(), [expected]);
        assert!(read_text("\u{feff}# nothing\r\n\r\n").is_err());
    }

    #[test]
    fn a_colon_cuts_no_prompt() {
        let long = "oil portrait, light: soft";
        for (line, name, prompt) in [
            ("fog: a red fog", "fog", "a red fog"),
            ("fog: a fog: red", "fog", "a fog: red"),
            (long, "oil-portrait-light-soft", long),
            ("ratio 1:2", "ratio-1-2", "ratio 1:2"),
        ] {
            let expected = (name.to_owned(), prompt.to_owned());
            assert_eq!(read_text(line).unwrap(), [expected]);
        }
        for line in [
            "fog:",
            "???",
            "fog: ",
            "red fog\nRed fog!",
            "A: fog\na: ice",
        ] {
            assert!(read_text(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_name_stays_in_its_folder_and_fits_into_a_file_name() {
        for name in ["../../x", "/x", "a/b", "a\\b", "..", ".x", "a\0", ""] {
            let error = parse(&format!("{name}: fog")).unwrap_err();
            assert!(error.contains("slash"), "{name}: {error}");
        }
        assert_eq!(parse("水彩 in fog").unwrap().name, "水彩-in-fog");
        assert!(parse(&"é".repeat(500)).unwrap().name.len() <= 120);
    }
}
