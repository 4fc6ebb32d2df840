//! Normal forms, in which texts that differ only in spelling are equal.

use unicode_normalization::UnicodeNormalization;

/// Leading words without a meaning.
const ARTICLES: [&str; 3] = ["a", "an", "the"];

/// NFKC, lower case, letters and digits only with single spaces between words, no leading article: two texts with the
/// same normal form are one prompt.
///
/// ```
/// use prompt_sets::normalise;
///
/// assert_eq!(normalise("  The “Ukiyo-e”  Print. "), "ukiyo e print");
/// assert_eq!(normalise("A"), "a");
/// ```
pub fn normalise(text: &str) -> String {
    let folded: String = text.nfkc().flat_map(char::to_lowercase).collect();
    let words: Vec<&str> = folded
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let articles = words
        .iter()
        .take(words.len().saturating_sub(1))
        .take_while(|word| ARTICLES.contains(word))
        .count();
    words[articles..].join(" ")
}

/// Words that join others and carry no meaning of their own.
const FUNCTION_WORDS: [&str; 17] = [
    "a", "an", "the", "of", "in", "with", "and", "on", "as", "like", "style", "styled", "by",
    "for", "to", "at", "from",
];

/// The normal form's words as a sorted list of stems, without function words: equal for "sketch in charcoal" and "charcoal
/// sketches". Empty if only function words are left.
pub(crate) fn stems(normal: &str) -> Vec<String> {
    let mut stems: Vec<String> = normal
        .split(' ')
        .filter(|word| !word.is_empty() && !FUNCTION_WORDS.contains(word))
        .map(stem)
        .collect();
    stems.sort_unstable();
    stems.dedup();
    stems
}

/// The normal form with a stem in place of each word, joints included.
pub(crate) fn stemmed(normal: &str) -> String {
    let words: Vec<String> = normal.split(' ').map(stem).collect();
    words.join(" ")
}

/// Plural endings off: enough for lists of nouns, and never two different nouns of such a list in one.
fn stem(word: &str) -> String {
    let cut = |tail: &str, put: &str| word.strip_suffix(tail).map(|head| format!("{head}{put}"));
    if word.chars().count() <= 3
        || word.ends_with("ss")
        || word.ends_with("us")
        || word.ends_with("is")
    {
        return word.to_owned();
    }
    for tail in ["ches", "shes", "sses", "xes", "zes"] {
        if word.ends_with(tail) {
            return word[..word.len() - 2].to_owned();
        }
    }
    cut("ies", "y")
        .or_else(|| cut("s", ""))
        .unwrap_or_else(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_forms() {
        assert_eq!(normalise("Oil-Painting"), normalise("oil  painting!"));
        assert_eq!(normalise("ﬁne art"), "fine art");
        assert_eq!(normalise("the a an"), "an");
        assert_eq!(normalise("…"), "");
        assert_eq!(normalise("浮世絵"), "浮世絵");
    }

    #[test]
    fn stems_ignore_order_and_number() {
        let same = |a: &str, b: &str| assert_eq!(stems(&normalise(a)), stems(&normalise(b)));
        same("sketch in charcoal", "Charcoal sketches");
        same("fairies", "a fairy");
        same("boxes", "box");
        same("painting in the style of Monet", "Monet painting");
        assert_ne!(stems("glass"), stems("glas"));
        assert_ne!(stems("grey hair"), stems("grey beard"));
    }
}
