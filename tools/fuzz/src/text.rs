//! Mutations of texts of lines.

use crate::Mutator;

impl Mutator {
    pub(crate) fn text(&mut self, bytes: &mut Vec<u8>) -> Option<String> {
        let text = std::str::from_utf8(bytes).ok()?.to_owned();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let at = self.below(lines.len());
        let line = lines.get(at)?.clone();
        let how = match self.below(6) {
            0 => {
                lines.remove(at);
                "removed"
            }
            1 => {
                lines.insert(at, line);
                "twice"
            }
            2 => {
                lines[at] = line.repeat(1 + (1 << 18) / line.len().max(16));
                "very long"
            }
            3 => {
                lines[at] = (*self.pick(&[
                    "",
                    " ",
                    "\u{0}",
                    "[PAD]",
                    "##",
                    "a b c",
                    "#version: 0.2",
                    "\u{feff}",
                ]))
                .into();
                "another"
            }
            4 => {
                let room = self.largest / 2 / line.len().max(1);
                lines.extend(std::iter::repeat_n(line, room.min(20_000)));
                "many times"
            }
            _ => {
                let other = self.below(lines.len());
                lines.swap(at, other);
                "elsewhere"
            }
        };
        let end = *self.pick(&["\n", "\n", "\r\n", "\r"]);
        *bytes = lines.join(end).into_bytes();
        Some(format!("line {at} {how}"))
    }
}
