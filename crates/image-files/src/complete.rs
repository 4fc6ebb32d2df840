//! Files that end before their image does.

/// A file that ends before its image does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the file ends before the image does: it was cut short, so copy or download it again, or remove it"
)]
pub struct Cut;

/// Refuses a JPEG file without its end marker, and a WebP file that is shorter than its header says: decoders that read as
/// much as there is would return something else than the image. Formats whose decoders notice themselves (PNG), and what is
/// no image, are accepted here.
///
/// # Errors
/// Returns [`Cut`].
pub fn check_complete(bytes: &[u8]) -> Result<(), Cut> {
    let complete = match bytes {
        [0xff, 0xd8, 0xff, ..] => has_end_marker(bytes),
        [b'R', b'I', b'F', b'F', rest @ ..] => holds_its_riff(rest),
        _ => true,
    };
    if complete { Ok(()) } else { Err(Cut) }
}

/// Whether the first image of a JPEG file reaches its marker EOI. Segments are skipped by their lengths, because their
/// thumbnails have such markers too; entropy-coded data has none but restarts. What follows EOI is of no interest.
fn has_end_marker(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(found) = bytes
        .get(at..)
        .and_then(|rest| rest.iter().position(|&byte| byte == 0xff))
    {
        let marker = at + found + 1;
        match bytes.get(marker) {
            Some(0xd9) => return true,
            // Fill bytes, of which the next may begin a marker.
            Some(0xff) => at = marker,
            // A stuffed 0xff, and markers without a segment: TEM, restarts, SOI.
            Some(0x00 | 0x01 | 0xd0..=0xd8) => at = marker + 1,
            Some(_) => match bytes.get(marker + 1..marker + 3) {
                Some(&[high, low]) => {
                    at = marker + 1 + usize::from(u16::from_be_bytes([high, low])).max(2);
                }
                _ => return false,
            },
            None => return false,
        }
    }
    false
}

/// Whether the bytes after `RIFF` are as many as they say.
fn holds_its_riff(rest: &[u8]) -> bool {
    let Some((size, content)) = rest.split_first_chunk::<4>() else {
        return false;
    };
    u64::from(u32::from_le_bytes(*size)) <= content.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbnails_and_restarts_do_not_end_an_image() {
        // An APP1 segment with a whole image in it, a scan with a restart and a stuffed byte, fill bytes before EOI.
        let app1 = [0xff, 0xe1, 0, 6, 0xff, 0xd8, 0xff, 0xd9];
        let scan = [
            0xff, 0xda, 0, 3, 1, 7, 0xff, 0, 9, 0xff, 0xd3, 5, 0xff, 0xff, 0xd9,
        ];
        let file = [&[0xff, 0xd8][..], &app1, &scan].concat();
        assert_eq!(check_complete(&file), Ok(()));
        for length in 3..file.len() {
            assert_eq!(check_complete(&file[..length]), Err(Cut), "{length}");
        }
        // A second image after the first, as some cameras write.
        assert_eq!(check_complete(&[&file[..], &file[..9]].concat()), Ok(()));
    }
}
