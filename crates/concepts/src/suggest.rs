//! Similar names for error messages.

/// Names longer than this are compared by their beginning only, so that no input makes an error slow.
const COMPARED: usize = 64;
const SHOWN: usize = 3;
/// How many edits one word in common outweighs.
const WORD: usize = 8;

/// Up to three of `names`, most similar to `wanted` first: few edits between the two, many words in common.
pub(crate) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wanted = wanted.trim().to_lowercase();
    let wanted: Vec<char> = wanted.chars().take(COMPARED).collect();
    let words = words(&wanted);
    let mut ranked: Vec<(usize, &str)> = names
        .map(|name| {
            let other: Vec<char> = name.to_lowercase().chars().take(COMPARED).collect();
            let shared = self::words(&other)
                .iter()
                .filter(|w| words.contains(w))
                .count();
            // WORD * COMPARED keeps the difference above zero.
            let cost = (distance(&wanted, &other) + WORD * COMPARED) - WORD * shared;
            (cost, name)
        })
        .collect();
    ranked.sort_by_key(|&(cost, _)| cost);
    ranked
        .into_iter()
        .take(SHOWN)
        .map(|(_, name)| name.to_owned())
        .collect()
}

fn words(text: &[char]) -> Vec<&[char]> {
    text.split(|c| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect()
}

/// Levenshtein's edit distance.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        row[0] = left;
        for (above, to) in row[1..].iter_mut().zip(b) {
            left = (diagonal + usize::from(from != to))
                .min(left + 1)
                .min(*above + 1);
            diagonal = std::mem::replace(above, left);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance(&chars("kitten"), &chars("sitting")), 3);
        assert_eq!(distance(&chars(""), &chars("abc")), 3);
        assert_eq!(distance(&chars("abc"), &chars("")), 3);
        assert_eq!(distance(&chars("same"), &chars("same")), 0);
    }

    #[test]
    fn swapped_words_and_typos_are_found() {
        let names = ["teal charcoal sketch", "teal fog", "oil painting"];
        assert_eq!(
            nearest("charcoal teal sketch", names.into_iter())[0],
            "teal charcoal sketch"
        );
        assert_eq!(nearest("oil paintng", names.into_iter())[0], "oil painting");
        assert!(nearest("x", std::iter::empty()).is_empty());
    }
}
