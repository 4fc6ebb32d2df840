//! Mutations of bytes of any meaning.

use crate::Mutator;

impl Mutator {
    pub(crate) fn raw(&mut self, bytes: &mut Vec<u8>, other: &[u8]) -> String {
        let len = bytes.len();
        // Structure lies at both ends of most files.
        let at = match self.below(4) {
            0 => self.below(len.min(256)),
            1 => len.saturating_sub(1 + self.below(len.clamp(1, 256))),
            _ => self.below(len),
        };
        match self.below(9) {
            0 => {
                bytes.truncate(at);
                format!("cut at {at}")
            }
            1 if len > 0 => {
                let bit = self.below(8);
                bytes[at] ^= 1 << bit;
                format!("bit {bit} of byte {at}")
            }
            2 if len > 0 => {
                bytes[at] = self.below(256) as u8;
                format!("byte {at}")
            }
            3 => {
                let width = *self.pick(&[1usize, 2, 4, 8]);
                let value = self.edge(None) as u64;
                let little = value.to_le_bytes();
                let mut field = little[..width].to_vec();
                if self.below(3) == 0 {
                    field.reverse();
                }
                for (place, byte) in bytes.iter_mut().skip(at).zip(field) {
                    *place = byte;
                }
                format!("{width} bytes at {at} to {value:#x}")
            }
            4 => {
                let end = (at + 1 + self.below(64)).min(len);
                bytes.drain(at.min(end)..end);
                format!("without {at}..{end}")
            }
            5 => {
                let from = self.below(other.len());
                let part = &other[from..(from + 1 + self.below(512)).min(other.len())];
                let part = part.to_vec();
                let end = if self.below(2) == 0 {
                    at
                } else {
                    (at + part.len()).min(len)
                };
                let inserted = part.len();
                bytes.splice(at..end, part);
                format!("{inserted} bytes of another file for {at}..{end}")
            }
            6 => {
                let end = (at + 1 + self.below(256)).min(len);
                let part = bytes[at.min(end)..end].to_vec();
                let times = *self.pick(&[1usize, 2, 16, 1000]);
                let inserted = part.repeat(times);
                bytes.splice(at.min(end)..at.min(end), inserted);
                format!("{at}..{end} repeated {times} times")
            }
            7 => {
                let end = (at + 1 + self.below(64)).min(len);
                let value = *self.pick(&[0u8, 0xff, 0x7f, b'0', b'[']);
                bytes[at.min(end)..end].fill(value);
                format!("{at}..{end} filled with {value:#x}")
            }
            _ => {
                let more = *self.pick(&[1usize, 7, 4096, 1 << 20]);
                bytes.resize(len + more, 0);
                format!("{more} zeros at the end")
            }
        }
    }
}
