//! The shipped list: styles, styles in a colour, in a degree, in both, in a scene.

mod colours;
mod degrees;
mod later;
mod split;
mod styles;

use crate::{Concept, Op, Split};

pub use split::{SPLIT_SEED, TEST_CONCEPTS, VALIDATION_CONCEPTS};

use colours::{COLOURS, Colour, LATER_COLOURS};
use degrees::{Degree, Manner};
use later::{COLOURED_DEGREES, FEW_COLOURS, LATER_STYLES, SCENES, STYLES_IN_SCENES};
use styles::{STYLES, Style};

/// The shipped art concepts, in a fixed order: every style by itself, then styles in each colour ("teal charcoal
/// sketch"), then styles in a degree ("soft oil painting"); after these what came to the list later: more styles and
/// colours, styles in a degree and a colour at once ("bold red ink drawing"), and styles in a scene ("oil painting in
/// fog").
///
/// The words of a prompt say what the edit does, and the same word does the same in every style, so that a model can
/// tell an unseen concept from the words of seen ones.
///
/// The split is fixed and was drawn before any model was trained: the list is shuffled with [`SPLIT_SEED`]; its first
/// concepts are for test and the next for validation, where a concept is passed over (and stays for training) if it or
/// a concept held out before would be left with a word that no training prompt has. What came later was drawn from in
/// the same manner, by itself: what had been held out stays so. [`TEST_CONCEPTS`] and [`VALIDATION_CONCEPTS`] count
/// both draws.
pub fn art_concepts() -> Vec<Concept> {
    let mut list = List::default();
    list.styles(STYLES);
    list.colours(STYLES, COLOURS);
    list.degrees(STYLES);
    split::assign(&mut list.0, 0, &split::FIRST_DRAW);

    let first = list.0.len();
    list.styles(LATER_STYLES);
    list.colours(STYLES, LATER_COLOURS);
    list.colours(LATER_STYLES, COLOURS);
    list.colours(LATER_STYLES, LATER_COLOURS);
    list.degrees(LATER_STYLES);
    list.coloured_degrees();
    list.scenes();
    split::assign(&mut list.0, first, &split::SECOND_DRAW);
    list.0
}

#[derive(Default)]
struct List(Vec<Concept>);

impl List {
    fn add(&mut self, prompt: String, edit: Vec<Op>) {
        self.0.push(Concept {
            name: slug(&prompt),
            prompt,
            split: Split::Train,
            edit,
        });
    }

    fn styles(&mut self, styles: &[Style]) {
        for style in styles {
            let edit = (style.edit)(Manner::PLAIN, None);
            self.add(style.prompt.to_owned(), edit);
        }
    }

    fn colours(&mut self, styles: &[Style], colours: &[Colour]) {
        for style in styles {
            let Some(noun) = style.coloured else { continue };
            for &colour in colours {
                let edit = (style.edit)(Manner::PLAIN, Some(colour));
                self.add(format!("{} {noun}", colour.word), edit);
            }
        }
    }

    fn degrees(&mut self, styles: &[Style]) {
        for style in styles {
            for &degree in style.degrees {
                let edit = in_degree(style, degree, None);
                self.add(format!("{} {}", degree.word(), style.prompt), edit);
            }
        }
    }

    fn coloured_degrees(&mut self) {
        for (name, degrees) in COLOURED_DEGREES {
            for style in STYLES.iter().filter(|style| style.prompt == *name) {
                for &degree in *degrees {
                    let few = |colour: &&Colour| FEW_COLOURS.contains(&colour.word);
                    for &colour in COLOURS.iter().filter(few) {
                        let edit = in_degree(style, degree, Some(colour));
                        let (degree, colour) = (degree.word(), colour.word);
                        self.add(format!("{degree} {colour} {name}"), edit);
                    }
                }
            }
        }
    }

    fn scenes(&mut self) {
        for name in STYLES_IN_SCENES {
            let styles = STYLES.iter().chain(LATER_STYLES);
            for style in styles.filter(|style| style.prompt == *name) {
                for scene in SCENES {
                    let mut edit = (style.edit)(Manner::PLAIN, None);
                    edit.extend((scene.edit)());
                    self.add(format!("{name} {}", scene.words), edit);
                }
            }
        }
    }
}

fn in_degree(style: &Style, degree: Degree, colour: Option<Colour>) -> Vec<Op> {
    let mut edit = (style.edit)(degree.manner(), colour);
    edit.extend(degree.finish());
    edit
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
