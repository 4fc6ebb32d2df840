//! Counts the objects that a pickle makes, without making them.

use std::io::{BufRead, Read, Result};

/// Pickles that follow one another in the files of PyTorch before 1.6: three of the header, the content, the names of the
/// storages.
const PICKLES: usize = 5;

/// The argument that follows an operation.
enum Argument {
    /// That many bytes.
    Bytes(u64),
    /// A length of that many bytes, then as many bytes as it says.
    Counted(usize),
    /// That many lines of text.
    Lines(usize),
    /// None: the pickle ends.
    Stop,
}

fn argument(operation: u8) -> Argument {
    use Argument::{Bytes, Counted, Lines, Stop};
    match operation {
        b'.' => Stop,
        b'K' | b'q' | b'h' | 0x80 | 0x82 => Bytes(1),
        b'M' | 0x83 => Bytes(2),
        b'J' | b'r' | b'j' | 0x84 => Bytes(4),
        b'G' | 0x95 => Bytes(8),
        b'U' | b'C' | 0x8a | 0x8c => Counted(1),
        b'T' | b'X' | b'B' | 0x8b => Counted(4),
        0x8d | 0x8e | 0x96 => Counted(8),
        b'F' | b'I' | b'L' | b'S' | b'V' | b'P' | b'p' | b'g' => Lines(1),
        b'c' | b'i' => Lines(2),
        _ => Bytes(0),
    }
}

/// Counts the operations of the pickles that the reader begins with, to the end of the file or until there are more than
/// `limit`.
pub(super) fn count(mut reader: impl BufRead, limit: u64) -> Result<u64> {
    let mut operations = 0u64;
    let mut pickles = 0;
    let mut byte = [0];
    while pickles < PICKLES && operations <= limit && reader.read(&mut byte)? == 1 {
        operations += 1;
        match argument(byte[0]) {
            Argument::Bytes(count) => skip(&mut reader, count)?,
            Argument::Counted(width) => {
                let mut length = [0; 8];
                let mut read = 0;
                while read < width {
                    match reader.read(&mut length[read..width])? {
                        0 => return Ok(operations),
                        more => read += more,
                    }
                }
                skip(&mut reader, u64::from_le_bytes(length))?;
            }
            Argument::Lines(lines) => {
                for _ in 0..lines {
                    reader.skip_until(b'\n')?;
                }
            }
            Argument::Stop => pickles += 1,
        }
    }
    Ok(operations)
}

fn skip(reader: &mut impl BufRead, count: u64) -> Result<()> {
    std::io::copy(&mut reader.take(count), &mut std::io::sink()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_not_counted_as_operations() {
        // {"a.b": 5, "b": (1.5, None)} by pickle.dumps of protocols 2, 4 and 0; counts by pickletools.genops.
        let second = b"\x80\x02}q\x00(X\x03\x00\x00\x00a.bq\x01K\x05X\x01\x00\x00\x00bq\x02G?\xf8\x00\x00\x00\x00\x00\x00N\x86q\x03u.";
        let fourth = b"\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x03a.b\x94K\x05\x8c\x01b\x94G?\xf8\x00\x00\x00\x00\x00\x00N\x86\x94u.";
        let first = b"(dp0\nVa.b\np1\nI5\nsVb\np2\n(F1.5\nNtp3\ns.";
        assert_eq!(count(&second[..], 1000).unwrap(), 15);
        assert_eq!(count(&fourth[..], 1000).unwrap(), 16);
        assert_eq!(count(&first[..], 1000).unwrap(), 16);
        // Five pickles, and no byte beyond them.
        assert_eq!(count(&second.repeat(7)[..], 1000).unwrap(), 75);
    }

    #[test]
    fn counting_stops_at_the_end_of_the_file_and_at_the_limit() {
        assert_eq!(count(&b""[..], 10).unwrap(), 0);
        assert_eq!(count(&b"X\xff\xff"[..], 10).unwrap(), 1);
        assert_eq!(
            count(&b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff))"[..], 10).unwrap(),
            1
        );
        assert_eq!(count(&[b')'; 1000][..], 10).unwrap(), 11);
    }
}
