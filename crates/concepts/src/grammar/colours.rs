//! The colour words of the grammar.

use super::Region;

pub(super) type Rgb = [u8; 3];

pub(super) const BLACK: Rgb = [0, 0, 0];
pub(super) const WHITE: Rgb = [255, 255, 255];

/// A colour with its names, the usual one first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Colour {
    pub(super) words: &'static [&'static str],
    pub(super) rgb: Rgb,
}

impl Colour {
    /// The colour as ink: no lighter than it can be read on paper.
    pub(super) fn ink(self) -> Rgb {
        let brightness = luma(self.rgb);
        if brightness <= 120.0 {
            self.rgb
        } else {
            self.rgb
                .map(|v| (f32::from(v) * 120.0 / brightness).round() as u8)
        }
    }

    /// The paper that goes with a coloured ink: a pale shade of it.
    pub(super) fn pale(self) -> Rgb {
        between(self.rgb, WHITE, 0.78)
    }

    /// A dark shade of the colour.
    pub(super) fn deep(self) -> Rgb {
        between(BLACK, self.rgb, 0.3)
    }

    /// The colour as light in the dark.
    pub(super) fn light(self) -> Rgb {
        let brightness = luma(self.rgb);
        if brightness >= 150.0 {
            self.rgb
        } else {
            between(self.rgb, WHITE, (150.0 - brightness) / (255.0 - brightness))
        }
    }
}

fn luma([red, green, blue]: Rgb) -> f32 {
    0.299 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue)
}

/// The colour `share` (0..1) of the way from one to another.
pub(super) fn between(from: Rgb, to: Rgb, share: f32) -> Rgb {
    std::array::from_fn(|i| {
        let (from, to) = (f32::from(from[i]), f32::from(to[i]));
        (from + (to - from) * share).round() as u8
    })
}

/// The colours that prompts of `region` name.
pub(super) fn colours(region: Region) -> &'static [Colour] {
    match region {
        Region::NewWords => NEW,
        Region::Training | Region::NewEdits => COLOURS,
    }
}

const fn colour(words: &'static [&'static str], rgb: Rgb) -> Colour {
    Colour { words, rgb }
}

const COLOURS: &[Colour] = &[
    colour(&["red", "bright red"], [214, 24, 28]),
    colour(&["crimson", "deep red"], [160, 12, 44]),
    colour(&["rust", "rust red"], [168, 68, 24]),
    colour(&["orange", "tangerine"], [240, 124, 12]),
    colour(&["amber", "honey"], [236, 168, 28]),
    colour(&["golden", "gold"], [208, 172, 40]),
    colour(&["yellow", "lemon yellow"], [244, 224, 44]),
    colour(&["olive", "olive green"], [112, 116, 28]),
    colour(&["lime", "lime green"], [148, 212, 32]),
    colour(&["green", "leaf green"], [44, 148, 44]),
    colour(&["forest green", "dark green"], [20, 84, 40]),
    colour(&["emerald", "emerald green"], [16, 160, 104]),
    colour(&["mint", "mint green"], [140, 224, 184]),
    colour(&["turquoise", "blue-green"], [32, 196, 188]),
    colour(&["teal", "dark cyan"], [0, 116, 124]),
    colour(&["sky blue", "light blue"], [108, 184, 240]),
    colour(&["blue", "bright blue"], [24, 84, 220]),
    colour(&["navy", "dark blue"], [16, 28, 96]),
    colour(&["indigo", "blue-violet"], [60, 28, 140]),
    colour(&["purple", "deep purple"], [112, 32, 160]),
    colour(&["lavender", "pale purple"], [184, 160, 228]),
    colour(&["magenta", "fuchsia"], [212, 24, 160]),
    colour(&["pink", "rose pink"], [240, 128, 172]),
    colour(&["maroon", "wine red"], [100, 12, 32]),
    colour(&["brown", "chestnut"], [116, 68, 32]),
    colour(&["chocolate", "dark brown"], [68, 36, 16]),
    colour(&["cream", "ivory"], [244, 232, 196]),
    colour(&["grey", "silver"], [140, 144, 148]),
];

/// Words that no training prompt contains.
const NEW: &[Colour] = &[
    colour(&["coral", "living coral"], [252, 124, 96]),
    colour(&["plum", "damson"], [124, 52, 108]),
    colour(&["ochre", "earthen ochre"], [196, 132, 44]),
    colour(&["chartreuse", "acid yellow"], [196, 236, 16]),
    colour(&["burgundy", "claret"], [124, 8, 48]),
    colour(&["petrol", "petrol blue"], [8, 84, 108]),
    colour(&["cobalt", "cobalt blue"], [12, 64, 172]),
    colour(&["salmon", "salmon-coloured"], [248, 148, 128]),
    colour(&["khaki", "khaki drab"], [148, 140, 92]),
    colour(&["lilac", "pale mauve"], [204, 164, 216]),
];
