//! The colours of charts.

use plotters::style::RGBColor;

use super::Line;

/// Colours that colour-blind people can tell apart (Okabe and Ito).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(128, 128, 128),
    RGBColor(178, 140, 110),
];

/// The methods that have these colours in every chart.
const METHODS: [&str; 8] = [
    "zero",
    "denoised",
    "mean",
    "nearest",
    "wrong_prompt",
    "comod",
    "pix2pix",
    "denoised_l1",
];

/// For lines of no method beside lines of methods.
const OTHERS: [RGBColor; 4] = [
    RGBColor(125, 90, 190),
    RGBColor(190, 50, 90),
    RGBColor(110, 130, 30),
    RGBColor(60, 140, 140),
];

/// The colours of a chart's lines.
pub(super) fn colours(lines: &[Line]) -> Vec<RGBColor> {
    let known = |line: &Line| METHODS.iter().position(|method| *method == line.name);
    if !lines.iter().any(|line| known(line).is_some()) {
        return COLOURS.iter().copied().cycle().take(lines.len()).collect();
    }
    let mut others = OTHERS.iter().copied().cycle();
    let own = |line: &Line| Some(COLOURS[known(line)?]);
    let colours = lines.iter().map(|line| own(line).or_else(|| others.next()));
    colours.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_keep_their_colours_and_no_two_lines_share_one() {
        let line = |name: &&str| Line {
            name: (*name).to_owned(),
            points: Vec::new(),
            bold: false,
        };
        let of = |names: &[&str]| colours(&names.iter().map(line).collect::<Vec<_>>());
        assert_eq!(of(&["denoised"]), of(&["zero", "denoised"])[1..]);
        let all: Vec<&str> = METHODS
            .iter()
            .copied()
            .chain(["denoised:30", "denoised:100"])
            .collect();
        let found = of(&all);
        for (i, colour) in found.iter().enumerate() {
            assert!(!found[..i].contains(colour), "{}", all[i]);
        }
        assert_eq!(of(&["training", "held-out concepts"]), COLOURS[..2]);
    }
}
