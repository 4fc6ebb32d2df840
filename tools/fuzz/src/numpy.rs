//! Mutations of NumPy arrays.

use crate::Mutator;

impl Mutator {
    pub(crate) fn numpy(&mut self, bytes: &mut Vec<u8>) -> Option<String> {
        let length = usize::from(u16::from_le_bytes([*bytes.get(8)?, *bytes.get(9)?]));
        let end = 10 + length;
        if self.below(5) == 0 {
            let length = self.edge(Some(length as i128)) as u16;
            bytes[8..10].copy_from_slice(&length.to_le_bytes());
            if self.below(2) == 0 {
                bytes[6] = self.below(5) as u8;
            }
            return Some(format!("version {} and a header of {length}", bytes[6]));
        }
        let mut text = String::from_utf8(bytes.get(10..end)?.to_vec()).ok()?;
        let how = match self.below(4) {
            0 => {
                let kind = *self.pick(&[
                    "<f8",
                    "<f4",
                    ">f8",
                    "<i8",
                    "|O",
                    "<U4096",
                    "|V1000000000",
                    "<c16",
                ]);
                text = text.replace("<f8", kind).replace("<f4", kind);
                format!("of type {kind}")
            }
            1 => {
                text = text.replace("False", "True");
                "in Fortran's order".into()
            }
            2 => {
                let open = text.find('(')?;
                let size = self.edge(None);
                text.insert_str(open + 1, &format!("{size}, "));
                format!("one more dimension of {size}")
            }
            _ => {
                let digits: Vec<usize> = text
                    .match_indices(|c: char| c.is_ascii_digit())
                    .map(|(at, _)| at)
                    .collect();
                let at = *digits.get(self.below(digits.len()))?;
                let size = self.edge(None);
                text.replace_range(at..=at, &size.to_string());
                format!("a digit to {size}")
            }
        };
        let data = bytes.split_off(end);
        bytes.truncate(8);
        bytes.extend((text.len().min(65_535) as u16).to_le_bytes());
        bytes.extend(text.into_bytes());
        bytes.extend(data);
        Some(how)
    }
}
