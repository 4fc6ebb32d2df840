//! Mutations of PNG, JPEG and WebP files.

use crate::Mutator;

impl Mutator {
    pub(crate) fn image(&mut self, bytes: &mut Vec<u8>) -> Option<String> {
        if bytes.starts_with(b"\x89PNG") {
            self.png(bytes)
        } else if bytes.starts_with(b"RIFF") {
            self.webp(bytes)
        } else {
            self.jpeg(bytes)
        }
    }

    /// A chunk's content or length; its checksum is made to fit, most times.
    fn png(&mut self, bytes: &mut Vec<u8>) -> Option<String> {
        let mut chunks = Vec::new();
        let mut at = 8;
        while let Some(head) = bytes.get(at..at + 8) {
            let length = u32::from_be_bytes(*head.first_chunk()?) as usize;
            chunks.push((at, length));
            at = at.checked_add(12)?.checked_add(length)?;
        }
        // The first is the one with the sizes.
        let number = if self.below(2) == 0 {
            0
        } else {
            self.below(chunks.len())
        };
        let &(at, length) = chunks.get(number)?;
        let end = at + 8 + length;
        let how = match self.below(4) {
            0 => {
                let length = self.edge(Some(length as i128)) as u32;
                bytes
                    .get_mut(at..at + 4)?
                    .copy_from_slice(&length.to_be_bytes());
                return Some(format!("chunk {number} of {length} bytes"));
            }
            1 => {
                let chunk = bytes.get(at..end + 4)?.to_vec();
                let times = *self.pick(&[1usize, 2, 500]);
                bytes.splice(at..at, chunk.repeat(times));
                return Some(format!("chunk {number} repeated {times} times"));
            }
            2 if length >= 8 => {
                let place = at + 8 + 4 * self.below(2);
                let side = self.edge(None) as u32;
                bytes
                    .get_mut(place..place + 4)?
                    .copy_from_slice(&side.to_be_bytes());
                format!("a side of {side}")
            }
            _ => {
                let place = at + 8 + self.below(length);
                *bytes.get_mut(place)? = self.below(256) as u8;
                format!("byte {place}")
            }
        };
        if self.below(5) > 0 {
            let sum = crc32(bytes.get(at + 4..end)?);
            bytes
                .get_mut(end..end + 4)?
                .copy_from_slice(&sum.to_be_bytes());
        }
        Some(how)
    }

    /// A segment's length, or a byte in a segment before the data.
    fn jpeg(&mut self, bytes: &mut Vec<u8>) -> Option<String> {
        let mut segments = Vec::new();
        let mut at = 2;
        while let Some(&[0xff, kind, high, low]) = bytes.get(at..at + 4) {
            let length = usize::from(u16::from_be_bytes([high, low]));
            segments.push((at, kind, length));
            if kind == 0xda {
                break;
            }
            at += 2 + length;
        }
        let &(at, kind, length) = segments.get(self.below(segments.len()))?;
        Some(match self.below(4) {
            0 => {
                let length = self.edge(Some(length as i128)) as u16;
                bytes
                    .get_mut(at + 2..at + 4)?
                    .copy_from_slice(&length.to_be_bytes());
                format!("segment {kind:#x} of {length} bytes")
            }
            1 => {
                let frame = segments.iter().find(|s| (0xc0..=0xc2).contains(&s.1))?;
                let place = frame.0 + 5 + 2 * self.below(2);
                let side = self.edge(None) as u16;
                bytes
                    .get_mut(place..place + 2)?
                    .copy_from_slice(&side.to_be_bytes());
                format!("a side of {side}")
            }
            2 => {
                let segment = bytes.get(at..at + 2 + length)?.to_vec();
                let times = *self.pick(&[1usize, 3, 2000]);
                bytes.splice(at..at, segment.repeat(times));
                format!("segment {kind:#x} repeated {times} times")
            }
            _ => {
                let place = at + self.below(length + 2);
                *bytes.get_mut(place)? = self.below(256) as u8;
                format!("byte {place} of segment {kind:#x}")
            }
        })
    }

    /// A length or a size in one of the first fields.
    fn webp(&mut self, bytes: &mut [u8]) -> Option<String> {
        let at = *self.pick(&[4usize, 16, 20, 21, 24, 26, 28, 30]);
        let value = self.edge(None) as u32;
        bytes
            .get_mut(at..at + 4)?
            .copy_from_slice(&value.to_le_bytes());
        Some(format!("4 bytes at {at} to {value:#x}"))
    }
}

/// PNG's checksum.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn checksums_are_pngs() {
        // The CRC-32 of the check string of the catalogues.
        assert_eq!(super::crc32(b"123456789"), 0xcbf4_3926);
    }
}
