//! The colours of charts.

use plotters::style::RGBColor;

use crate::Line;

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

/// For other lines beside lines of the series.
const OTHERS: [RGBColor; 4] = [
    RGBColor(125, 90, 190),
    RGBColor(190, 50, 90),
    RGBColor(110, 130, 30),
    RGBColor(60, 140, 140),
];

/// The colours of a chart's lines: those in `series` by their place in it, the others in order.
pub(crate) fn colours(lines: &[Line], series: &[&str]) -> Vec<RGBColor> {
    let place = |line: &Line| series.iter().position(|name| *name == line.name);
    if !lines.iter().any(|line| place(line).is_some()) {
        return COLOURS.iter().copied().cycle().take(lines.len()).collect();
    }
    let mut others = OTHERS.iter().copied().cycle();
    let own = |line: &Line| Some(COLOURS[place(line)? % COLOURS.len()]);
    let colours = lines.iter().map(|line| own(line).or_else(|| others.next()));
    colours.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_keeps_its_colours_and_no_two_lines_share_one() {
        let line = |name: &&str| Line {
            name: (*name).to_owned(),
            points: Vec::new(),
            bold: false,
        };
        let series = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let of = |names: &[&str]| colours(&names.iter().map(line).collect::<Vec<_>>(), &series);
        assert_eq!(of(&["b"]), of(&["a", "b"])[1..]);
        let all = [&series[..], &["b:30", "b:100"]].concat();
        let found = of(&all);
        for (i, colour) in found.iter().enumerate() {
            assert!(!found[..i].contains(colour), "{}", all[i]);
        }
        assert_eq!(of(&["training", "held-out concepts"]), COLOURS[..2]);
    }
}
