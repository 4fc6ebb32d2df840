//! The shipped list: styles by themselves, in a colour, in a degree, in both, and in a scene.

mod colours;
mod degrees;
mod later;
mod split;
mod stages;
mod styles;

use crate::{Concept, Op, Split};

use colours::{COLOURS, Colour, LATER_COLOURS};
use degrees::{Degree, Manner};
use later::{COLOURED_DEGREES, FEW_COLOURS, LATER_STYLES, SCENES, STYLES_IN_SCENES};
use styles::{Style, styles};

/// The 360 shipped art concepts, in a fixed order: every style by itself, then styles in each colour ("teal charcoal
/// sketch"), then styles in a degree ("soft oil painting"). Then follow later additions: more styles and colours, styles in
/// a degree and a colour at once ("bold red ink drawing"), and styles in a scene ("oil painting in fog").
///
/// The words of a prompt say what the edit does, and a word does the same in every style, so that a model can infer an
/// unseen concept from the words of seen ones.
///
/// The split is fixed and was drawn before any model was trained: the list is shuffled with a constant seed; its first
/// concepts are for test (20) and the next for validation (12). A concept is skipped, and stays for training, if holding it
/// out would leave a held-out prompt with a word that no training prompt has. The later additions were drawn separately in
/// the same manner (6 and 6), so that what had been held out stays held out.
///
/// | part | concepts |
/// | --- | --- |
/// | plain | pencil sketch, charcoal sketch, ink drawing, woodcut print, copper engraving, halftone print, two-tone stencil, chalk drawing, neon edges, oil painting, watercolour painting, pixel mosaic, foggy morning, duotone poster, black and white photograph, sepia photograph, stained glass window, comic book page, pastel drawing, stone relief, cross-stitch embroidery, pop art poster, linocut print, film noir, cyanotype print, blueprint drawing, thermal camera, night vision camera, television screen, x-ray scan, colour negative, solarised photograph, faded vintage film, cross-processed film, infrared film, golden hour, moonlit night, underwater scene, dreamy glow, winter frost, gouache painting, scratchboard drawing, risograph print, marble relief, bronze relief, newspaper photograph, silk screen poster, woven tapestry, glass mosaic, candlelight photograph, desert dust, old postcard, radar screen |
/// | × colour | red, orange, golden, green, teal, blue, navy, purple, magenta, pink, brown, lime or maroon × pencil sketch, charcoal sketch, ink drawing, engraving, halftone print, chalk drawing, neon edges, oil painting, watercolour painting, pixel mosaic, fog, duotone poster, gouache painting, scratchboard drawing, risograph print |
/// | × degree | soft, bold, dark, pale, coarse, fine or high-contrast × the styles in which the word makes a difference |
/// | × degree × colour | bold, dark, soft, pale or coarse × red, green or blue × pencil sketch, chalk drawing, ink drawing, oil painting |
/// | × scene | charcoal sketch, oil painting, watercolour painting, comic book page, stained glass window, pixel mosaic, woodcut print or gouache painting × in fog, at golden hour, by moonlit night, on a television screen |
pub fn art_concepts() -> Vec<Concept> {
    let mut list = List::default();
    list.styles(styles());
    list.colours(styles(), COLOURS);
    list.degrees(styles());
    split::assign(&mut list.0, 0, &split::FIRST_DRAW);

    let first = list.0.len();
    list.styles(LATER_STYLES);
    list.colours(styles(), LATER_COLOURS);
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

    fn styles(&mut self, styles: impl IntoIterator<Item = &'static Style>) {
        for style in styles {
            let edit = (style.edit)(Manner::PLAIN, None);
            self.add(style.prompt.to_owned(), edit);
        }
    }

    fn colours(&mut self, styles: impl IntoIterator<Item = &'static Style>, colours: &[Colour]) {
        for style in styles {
            let Some(noun) = style.coloured else { continue };
            for &colour in colours {
                let edit = (style.edit)(Manner::PLAIN, Some(colour));
                self.add(format!("{} {noun}", colour.word), edit);
            }
        }
    }

    fn degrees(&mut self, styles: impl IntoIterator<Item = &'static Style>) {
        for style in styles {
            for &degree in style.degrees {
                let edit = in_degree(style, degree, None);
                self.add(format!("{} {}", degree.word(), style.prompt), edit);
            }
        }
    }

    fn coloured_degrees(&mut self) {
        for (name, degrees) in COLOURED_DEGREES {
            for style in styles().filter(|style| style.prompt == *name) {
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
            let styles = styles().chain(LATER_STYLES);
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
