//! Two training concepts in one prompt.

use std::collections::HashSet;

use concepts::Split;
use serde::Serialize;

use crate::normal::{normalise, stems};
use crate::sample::Sample;
use crate::{Category, Error, PromptSet, TextConcept};

/// Two categories whose concepts are combined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairRule {
    /// The category of `{a}`.
    pub a: Category,
    /// The category of `{b}`, another one.
    pub b: Category,
    /// The text of a combination.
    pub template: String,
}

/// How combinations are formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CombineRules {
    /// The pairs of categories. Default: all three, "{a}, {b}" with the character first and the style last.
    pub pairs: Vec<PairRule>,
    /// Pairs of words that exclude each other ("bald", "hair"): no combination has one in `{a}` and the other in `{b}`, in
    /// either order. Compared word by word in normal form.
    pub conflicts: Vec<(String, String)>,
    /// The largest number of words in a combination. Default: 16.
    pub max_words: usize,
    /// The largest number of combinations. If there are more, this many are drawn with the seed. Default: all.
    pub limit: Option<usize>,
    /// The seed of the draw.
    pub seed: u64,
}

impl Default for CombineRules {
    fn default() -> Self {
        use Category::{Art, Character, Facial};
        let rule = |a, b| PairRule {
            a,
            b,
            template: "{a}, {b}".to_owned(),
        };
        Self {
            pairs: vec![
                rule(Character, Art),
                rule(Facial, Art),
                rule(Character, Facial),
            ],
            conflicts: Vec::new(),
            max_words: 16,
            limit: None,
            seed: 0,
        }
    }
}

/// Two training concepts in one prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Combination {
    /// The prompt.
    pub text: String,
    /// The first concept.
    pub a: String,
    /// The second concept.
    pub b: String,
}

/// All combinations of training concepts that the rules allow, one at a time. They take a few bytes of memory each, to
/// detect duplicates.
///
/// Left out are two concepts that share a word ("neon sign", "neon edges": the text would repeat it), conflicts, texts that
/// are too long, and duplicates.
///
/// # Errors
/// Returns [`Error::BadPairRule`] for a rule that combines a category with itself, or whose template lacks `{a}` or `{b}`.
pub fn combine<'a>(
    set: &'a PromptSet,
    rules: &CombineRules,
) -> Result<impl Iterator<Item = Combination> + use<'a>, Error> {
    combine_where(set, rules, &|_| true)
}

/// [`combine`] restricted to the combinations that `keep` allows. The draw is among these, so that the limit is reached if
/// there are enough. With a [`limit`](CombineRules::limit), `keep` is called twice for each candidate, the first time
/// before this function returns.
///
/// Two training concepts may together say what is held out ("astronaut" and "grey hair", with "astronaut with grey hair"
/// held out). A [`LeakCheck`](crate::leak::LeakCheck) in `keep` leaves such combinations out.
///
/// # Errors
/// Returns the errors of [`combine`].
pub fn combine_where<'a>(
    set: &'a PromptSet,
    rules: &CombineRules,
    keep: &'a dyn Fn(&Combination) -> bool,
) -> Result<impl Iterator<Item = Combination> + use<'a>, Error> {
    for rule in &rules.pairs {
        if rule.a == rule.b || !rule.template.contains("{a}") || !rule.template.contains("{b}") {
            return Err(Error::BadPairRule {
                template: rule.template.clone(),
                a: rule.a,
                b: rule.b,
            });
        }
    }
    let all = || candidates(set, rules.clone()).filter(keep);
    let total = match rules.limit {
        Some(_) => all().count(),
        None => 0,
    };
    let limit = rules.limit.unwrap_or(0);
    let mut draw =
        (total > limit && rules.limit.is_some()).then(|| Sample::new(limit, total, rules.seed));
    Ok(all().filter(move |_| draw.as_mut().is_none_or(Sample::take_next)))
}

/// A training concept with the forms that the filters compare.
struct Part<'a> {
    concept: &'a TextConcept,
    normal: String,
    stems: Vec<String>,
}

fn parts(set: &PromptSet, category: Category) -> Vec<Part<'_>> {
    set.of(category, Split::Train)
        .map(|concept| {
            let normal = normalise(&concept.text);
            Part {
                concept,
                stems: stems(&normal),
                normal,
            }
        })
        .collect()
}

fn candidates(set: &PromptSet, rules: CombineRules) -> impl Iterator<Item = Combination> + use<'_> {
    let conflicts: Vec<(String, String)> = rules
        .conflicts
        .iter()
        .map(|(a, b)| (normalise(a), normalise(b)))
        .collect();
    let mut seen: HashSet<u64> = HashSet::new();
    let max_words = rules.max_words;
    rules
        .pairs
        .into_iter()
        .flat_map(move |rule| {
            let (left, right) = (parts(set, rule.a), parts(set, rule.b));
            let count = left.len() * right.len();
            let conflicts = conflicts.clone();
            (0..count).filter_map(move |i| {
                let (a, b) = (&left[i / right.len()], &right[i % right.len()]);
                let shared = a
                    .stems
                    .iter()
                    .any(|stem| b.stems.binary_search(stem).is_ok());
                let clash = |x: &str, y: &str| has_words(&a.normal, x) && has_words(&b.normal, y);
                if shared || conflicts.iter().any(|(x, y)| clash(x, y) || clash(y, x)) {
                    return None;
                }
                Some(Combination {
                    // Both parts are inserted in one pass, because one of them may itself contain "{b}".
                    text: fill(&rule.template, &a.concept.text, &b.concept.text),
                    a: a.concept.text.clone(),
                    b: b.concept.text.clone(),
                })
            })
        })
        .filter(move |combination| {
            let normal = normalise(&combination.text);
            normal.split(' ').count() <= max_words && seen.insert(digest(&normal))
        })
}

/// Whether `normal` contains the words of `part` in a row.
fn has_words(normal: &str, part: &str) -> bool {
    !part.is_empty() && format!(" {normal} ").contains(&format!(" {part} "))
}

fn fill(template: &str, a: &str, b: &str) -> String {
    let mut out = String::with_capacity(template.len() + a.len() + b.len());
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(tail) = rest.strip_prefix("{a}") {
            out.push_str(a);
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix("{b}") {
            out.push_str(b);
            rest = tail;
        } else {
            out.push('{');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

/// 64 bits of a digest are enough to detect duplicates without keeping the texts.
fn digest(text: &str) -> u64 {
    let hash = resumable_runs::sha256_parts(&[text.as_bytes()]);
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    u64::from_le_bytes(first)
}
