//! Mutations of pickles.

use crate::Mutator;

/// What a file must not get the reader to do; the harness looks for the folder afterwards.
pub const MARKER: &str = "fuzz-pickle-was-run";

impl Mutator {
    pub(crate) fn pickle(&mut self, bytes: &mut Vec<u8>) -> Option<String> {
        let at = 2 + self.below(bytes.len().saturating_sub(2));
        let at = at.min(bytes.len());
        Some(match self.below(6) {
            0 => {
                let call = format!("cos\nmkdir\n(S'{MARKER}'\ntR0");
                bytes.splice(at..at, call.into_bytes());
                format!("a call at {at}")
            }
            1 => {
                let op = *self.pick(b"}])(N2\x85\x94l0.");
                let times = *self.pick(&[1usize, 50, 5_000, 1 << 20]);
                bytes.splice(at..at, std::iter::repeat_n(op, times));
                format!("{times} times {op:#x} at {at}")
            }
            2 => {
                let token = *self.pick(&[
                    &b"cbuiltins\neval\n"[..],
                    b"ctorch._utils\n_rebuild_tensor_v2\n",
                    b"ccollections\nOrderedDict\n",
                    b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
                    b"J\xff\xff\xff\xff",
                    b"h\x00h\x00",
                    b"q\x00",
                    b"\x8b\xff\xff\xff\x7f",
                    b"X\xff\xff\xff\xff",
                    b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f",
                    b"Q",
                    b"R",
                    b"b",
                    b"\x81",
                ]);
                let token = token.to_vec();
                let how = format!("{token:x?} at {at}");
                bytes.splice(at..at, token);
                how
            }
            _ => {
                // Shapes, strides and offsets are small integers: K, M and J.
                let places: Vec<usize> = (0..bytes.len())
                    .filter(|&i| matches!(bytes[i], b'K' | b'M' | b'J'))
                    .collect();
                let place = *places.get(self.below(places.len()))?;
                let width = match bytes[place] {
                    b'K' => 1,
                    b'M' => 2,
                    _ => 4,
                };
                let value = self.edge(None) as u64;
                let little = value.to_le_bytes();
                if self.below(2) == 0 {
                    // As a long, which holds all of it.
                    let mut long = vec![0x8a, 8];
                    long.extend(little);
                    let end = (place + 1 + width).min(bytes.len());
                    bytes.splice(place..end, long);
                } else {
                    for (to, from) in bytes.iter_mut().skip(place + 1).zip(&little[..width]) {
                        *to = *from;
                    }
                }
                format!("the integer at {place} to {value:#x}")
            }
        })
    }
}
