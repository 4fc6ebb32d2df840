//! Endless concepts: prompts and edits composed by a grammar.
//!
//! The shipped list has 360 concepts, the paper's data set 97,000. This grammar composes media (charcoal drawing, oil
//! painting, pixel mosaic), palettes (duotones, split tones, tints, grades), and finishes (fog, glow, vignette, frames),
//! with parameters that the words name: "coarse" has a larger period than "fine", and a named colour is the colour of the
//! ink. The prompt determines the edit, and the number of a concept determines both.
//!
//! ```
//! use concepts::grammar::{Grammar, Region};
//!
//! let grammar = Grammar::new(Region::Training, 7);
//! let drawn = grammar.draw(0);
//! assert_eq!(drawn, grammar.draw(0));
//! println!("{} = {:?}", drawn.concept.prompt, drawn.paraphrases);
//!
//! let photo = image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([4 * x as u8, 4 * y as u8, 128]));
//! assert_ne!(drawn.concept.apply(&photo), photo);
//!
//! // No two concepts of a list share a prompt.
//! assert_eq!(grammar.distinct(1000)?.len(), 1000);
//! # Ok::<(), concepts::Error>(())
//! ```
//!
//! Prompts to test on come from other [`Region`]s, which share no colour word, or no medium, with the training concepts.

mod colours;
mod finishes;
mod media;
mod palettes;
mod wording;

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

use crate::{Concept, Error, Split};
use colours::{Colour, colours};
use finishes::Finish;
use media::{Hand, Kind, Medium, media};
use palettes::{Degree, GRADES, Palette};
use wording::{Wording, below, chance, one_of};

/// The part of the grammar that concepts are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Region {
    /// What models train on.
    Training,
    /// Every prompt names a colour that no training prompt names; the filters are those of the training concepts.
    NewWords,
    /// Every edit uses a filter that no edit of [`Region::Training`] uses: relief, panes, solarisation or a diagonal
    /// screen. The shipped list has some plain concepts with these filters.
    NewEdits,
}

/// A concept of the grammar, with other wordings of its prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrawnConcept {
    /// The concept. Its split is [`Split::Train`] in [`Region::Training`], and [`Split::Test`] in the other regions.
    #[serde(flatten)]
    pub concept: Concept,
    /// Other prompts for the same edit, without repetition; up to [`PARAPHRASES`].
    pub paraphrases: Vec<String>,
}

/// The most paraphrases that a concept has: as many as the paper's art concepts (4,126 for 226).
pub const PARAPHRASES: usize = 18;

/// A source of concepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grammar {
    region: Region,
    seed: u64,
}

impl Grammar {
    /// The concepts of `region` in an order that `seed` decides.
    pub fn new(region: Region, seed: u64) -> Self {
        Self { region, seed }
    }

    /// Concept number `number`. Different numbers may give the same concept, rarely; see [`Grammar::distinct`].
    pub fn draw(&self, number: u64) -> DrawnConcept {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(number);
        let look = Look::draw(self.region, &mut random);
        let prompt = look.say(&mut Wording::usual());
        let mut others = BTreeSet::new();
        let mut paraphrases = Vec::new();
        // A short prompt has few wordings.
        for _ in 0..4 * PARAPHRASES {
            let other = look.say(&mut Wording::any(&mut random));
            if paraphrases.len() < PARAPHRASES && other != prompt && others.insert(other.clone()) {
                paraphrases.push(other);
            }
        }
        let split = match self.region {
            Region::Training => Split::Train,
            Region::NewWords | Region::NewEdits => Split::Test,
        };
        DrawnConcept {
            concept: Concept {
                name: name_of(&prompt),
                prompt,
                split,
                edit: look.edit(),
            },
            paraphrases,
        }
    }

    /// The first `count` concepts with different prompts.
    ///
    /// # Errors
    /// Returns [`Error::GrammarExhausted`] if so many are not found among a hundred times as many numbers.
    pub fn distinct(&self, count: usize) -> Result<Vec<DrawnConcept>, Error> {
        let mut names = BTreeSet::new();
        let drawn: Vec<_> = (0..100 * count as u64)
            .map(|number| self.draw(number))
            .filter(|drawn| names.insert(drawn.concept.name.clone()))
            .take(count)
            .collect();
        if drawn.len() < count {
            return Err(Error::GrammarExhausted {
                wanted: count,
                found: drawn.len(),
            });
        }
        Ok(drawn)
    }
}

/// What a drawn concept consists of.
struct Look {
    /// `None` for a photograph.
    medium: Option<(&'static Medium, Strokes)>,
    palette: Option<Palette>,
    finishes: Vec<Finish>,
}

/// How a medium is used, in words.
#[derive(Clone, Copy)]
struct Strokes {
    /// Index into [`SIZES`].
    size: usize,
    /// Index into [`WEIGHTS`].
    weight: usize,
    ink: Option<Colour>,
    paper: Option<Colour>,
}

/// Words for the size of strokes and patterns, with the factor on radii and periods.
const SIZES: [(&[&str], f32); 4] = [
    (&[""], 1.0),
    (&["fine", "delicate"], 0.6),
    (&["coarse", "rough"], 1.6),
    (&["very coarse", "very rough"], 2.4),
];

/// Words for the strength of lines, with the factor on it.
const WEIGHTS: [(&[&str], f32); 3] = [
    (&[""], 1.0),
    (&["faint", "light-handed"], 0.5),
    (&["bold", "heavy-handed"], 2.0),
];

impl Look {
    fn draw(region: Region, random: &mut ChaCha8Rng) -> Self {
        let palette_of = colours(region);
        // A region that is known by its media needs one; one that is known by its colours needs a colour.
        let photograph = region != Region::NewEdits && chance(random, 25);
        let medium = (!photograph).then(|| one_of(random, media(region)));
        let coloured = medium.is_none_or(|medium| medium.kind == Kind::Coloured);
        let need_colour = region == Region::NewWords;
        let medium =
            medium.map(|medium| (medium, strokes(random, medium, palette_of, need_colour)));
        let palette = if photograph || coloured && (need_colour || chance(random, 40)) {
            Some(palette(random, palette_of, need_colour))
        } else {
            None
        };
        Self {
            medium,
            palette,
            finishes: finishes(random, palette_of),
        }
    }

    fn edit(&self) -> Vec<crate::Op> {
        let mut stages = Vec::new();
        if let Some((medium, strokes)) = self.medium {
            stages.extend(medium.edit(Hand {
                size: SIZES[strokes.size].1,
                weight: WEIGHTS[strokes.weight].1,
                ink: strokes.ink,
                paper: strokes.paper,
            }));
        }
        stages.extend(self.palette.iter().flat_map(|palette| palette.edit()));
        stages.extend(self.finishes.iter().flat_map(|finish| finish.edit()));
        stages
    }

    fn say(&self, wording: &mut Wording) -> String {
        let head = match self.medium {
            Some((medium, strokes)) => say_medium(medium, strokes, wording),
            None => wording
                .choose(&["photograph", "photo", "picture"])
                .to_owned(),
        };
        let mut details: Vec<String> = Vec::new();
        details.extend(self.palette.map(|palette| palette.say(wording)));
        details.extend(self.finishes.iter().map(|finish| finish.say(wording)));
        if details.is_empty() {
            return wording
                .choose(&[
                    "{}",
                    "a {}",
                    "as a {}",
                    "turned into a {}",
                    "the photo as a {}",
                ])
                .replace("{}", &head);
        }
        let details = details.join(", ");
        wording
            .choose(&[
                "{head}, {details}",
                "{details}: {head}",
                "a {head}, {details}",
                "as a {head}, {details}",
                "make it a {head}, {details}",
            ])
            .replace("{head}", &head)
            .replace("{details}", &details)
    }
}

fn say_medium(medium: &Medium, strokes: Strokes, wording: &mut Wording) -> String {
    let size = wording.choose(SIZES[strokes.size].0);
    let weight = wording.choose(WEIGHTS[strokes.weight].0);
    let ink = strokes
        .ink
        .map(|ink| wording.colour(ink))
        .unwrap_or_default();
    let noun = wording.choose(medium.words);
    let mut words: Vec<&str> = [size, weight, ink.as_str(), noun]
        .into_iter()
        .filter(|word| !word.is_empty())
        .collect();
    let paper = strokes.paper.map(|paper| wording.colour(paper));
    let paper = paper.map(|paper| match medium.kind {
        Kind::OnDark => format!("on dark {paper}"),
        _ => format!("on {paper} {}", wording.choose(&["paper", "card"])),
    });
    words.extend(paper.as_deref());
    words.join(" ")
}

fn strokes(
    random: &mut ChaCha8Rng,
    medium: &Medium,
    colours: &'static [Colour],
    need_colour: bool,
) -> Strokes {
    let takes_ink = medium.kind != Kind::Coloured;
    let sized = medium.sized && chance(random, 45);
    let weighted = medium.weighted && chance(random, 35);
    let inked = takes_ink && (need_colour || chance(random, 70));
    let on_paper = inked && chance(random, 35);
    Strokes {
        size: if sized {
            1 + below(random, SIZES.len() - 1)
        } else {
            0
        },
        weight: if weighted {
            1 + below(random, WEIGHTS.len() - 1)
        } else {
            0
        },
        ink: inked.then(|| *one_of(random, colours)),
        paper: on_paper.then(|| *one_of(random, colours)),
    }
}

fn palette(random: &mut ChaCha8Rng, colours: &'static [Colour], need_colour: bool) -> Palette {
    let first = below(random, colours.len());
    // Another colour than the first.
    let second = (first + 1 + below(random, colours.len() - 1)) % colours.len();
    let (first, second) = (colours[first], colours[second]);
    let kinds = if need_colour { 3 } else { 4 };
    match below(random, kinds) {
        0 => Palette::Duotone(first, second),
        1 => Palette::SplitTone(first, second),
        2 => Palette::Tint(first, *one_of(random, &Degree::ALL)),
        _ => Palette::Grade(one_of(random, GRADES)),
    }
}

fn finishes(random: &mut ChaCha8Rng, colours: &'static [Colour]) -> Vec<Finish> {
    let count = [0, 0, 1, 1, 1, 2][below(random, 6)];
    let mut groups = BTreeSet::new();
    let mut finishes = Vec::new();
    while finishes.len() < count {
        let kind = below(random, Finish::KINDS);
        if groups.insert(Finish::group(kind)) {
            let (colour, degree) = (*one_of(random, colours), *one_of(random, &Degree::ALL));
            finishes.push(Finish::of_kind(kind, colour, chance(random, 60), degree));
        }
    }
    finishes
}

/// The prompt with a hyphen for each run of other characters.
fn name_of(prompt: &str) -> String {
    let words = prompt.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    words.join("-")
}
