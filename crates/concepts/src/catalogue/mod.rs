//! The shipped list: styles, styles in a colour, styles in a degree.

mod colours;
mod degrees;
mod split;
mod styles;

use crate::{Concept, Split};

pub use split::{SPLIT_SEED, TEST_CONCEPTS, VALIDATION_CONCEPTS};

use colours::COLOURS;
use degrees::Manner;
use styles::STYLES;

/// The shipped art concepts, in a fixed order: every style by itself, then styles in each colour ("teal charcoal
/// sketch"), then styles in a degree ("soft oil painting").
///
/// The words of a prompt say what the edit does, and the same word does the same in every style, so that a model can
/// tell an unseen concept from the words of seen ones.
///
/// The split is fixed and was drawn before any model was trained: the list is shuffled with [`SPLIT_SEED`]; the first
/// [`TEST_CONCEPTS`] of it are for test and the next [`VALIDATION_CONCEPTS`] for validation, where a concept is passed
/// over (and stays for training) if it or a concept held out before would be left with a word that no training
/// prompt has.
pub fn art_concepts() -> Vec<Concept> {
    let mut concepts = Vec::new();
    let mut add = |prompt: String, edit| {
        concepts.push(Concept {
            name: slug(&prompt),
            prompt,
            split: Split::Train,
            edit,
        });
    };
    for style in STYLES {
        add(style.prompt.to_owned(), (style.edit)(Manner::PLAIN, None));
    }
    for style in STYLES {
        if let Some(noun) = style.coloured {
            for &colour in COLOURS {
                let edit = (style.edit)(Manner::PLAIN, Some(colour));
                add(format!("{} {noun}", colour.word), edit);
            }
        }
    }
    for style in STYLES {
        for &degree in style.degrees {
            let mut edit = (style.edit)(degree.manner(), None);
            edit.extend(degree.finish());
            add(format!("{} {}", degree.word(), style.prompt), edit);
        }
    }
    split::assign(&mut concepts);
    concepts
}

fn slug(prompt: &str) -> String {
    prompt
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect()
}
