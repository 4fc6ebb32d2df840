//! Image files against PIL.

use crate::common::Fixture;
use crate::common::formula::Formula;
use clean_fid::images::ResizeMode;
use clean_fid::{Error, Picture};
use tensor_file::digest::{hex, sha256_hex};

#[test]
fn files_are_read_as_pil_reads_them() {
    let fixture = Fixture::open("decode.safetensors");
    let names = fixture.names("/file");
    assert_eq!(names.len(), 14);
    for name in names {
        let (file, _) = fixture.bytes(&format!("{name}/file"));
        let (rgb, shape) = fixture.bytes(&format!("{name}/rgb"));
        let ours = Picture::decode(&file, &name).unwrap();
        let theirs = Picture::from_rgb8(&rgb, shape[1], shape[0]).unwrap();
        assert_eq!(
            [ours.width(), ours.height()],
            [theirs.width(), theirs.height()]
        );
        let different = ours
            .planes()
            .iter()
            .zip(theirs.planes())
            .filter(|(a, b)| a != b)
            .count();
        assert_eq!(different, 0, "{name}: values that differ from PIL's");

        // Down on one axis and up on the other.
        let (resized, shape) = fixture.floats(&format!("{name}/resized"));
        assert_eq!(shape, [3, 13, 57]);
        let ours = ResizeMode::Clean.resize(&ours, 13, 57).unwrap();
        for (a, b) in ours.planes().iter().zip(&resized) {
            assert!((a - b).abs() <= 1e-4, "{name}: {a} against {b}");
        }
    }
}

/// Photographs at six qualities and three samplings, sequential, progressive and with restarts; grey, colours without
/// transform, CMYK and YCCK.
#[test]
fn jpegs_decode_to_the_bytes_of_pil() {
    let fixture = Fixture::open("jpeg.safetensors");
    let names = fixture.names("/file");
    assert_eq!(names.len(), 74);
    for name in names {
        let (file, _) = fixture.bytes(&format!("{name}/file"));
        let (digest, _) = fixture.bytes(&format!("{name}/sha256"));
        let (size, _) = fixture.floats(&format!("{name}/size"));
        let ours = Picture::decode(&file, &name).unwrap();
        assert_eq!([ours.height() as f32, ours.width() as f32], size[..]);
        let planes: Vec<&[f32]> = ours
            .planes()
            .chunks_exact(ours.width() * ours.height())
            .collect();
        let pixels: Vec<u8> = (0..planes[0].len())
            .flat_map(|at| [0, 1, 2].map(|channel| planes[channel][at] as u8))
            .collect();
        assert_eq!(sha256_hex(&pixels), hex(&digest), "{name}");
    }
}

#[test]
fn damaged_jpegs_are_refused_or_decoded() {
    let fixture = Fixture::open("jpeg.safetensors");
    for name in fixture.names("/file") {
        let (file, _) = fixture.bytes(&format!("{name}/file"));
        // Without its end marker (two bytes) and the padding before it, a file may still hold every pixel.
        for length in (0..file.len() - 8).step_by(1 + file.len() / 40) {
            let error = Picture::decode(&file[..length], "cut.jpg").unwrap_err();
            assert!(matches!(error, Error::Image { .. }), "{name}: {error}");
        }
        let noise = Formula::new(&name);
        let frame = file
            .windows(2)
            .position(|m| m == [0xff, 0xc0] || m == [0xff, 0xc2])
            .unwrap();
        for round in 0..60 {
            let mut bytes = file.clone();
            for flip in 0..1 + round % 3 {
                let [place, value] = [0, 1].map(|i| noise.hash(8 * round + 2 * flip + i) as usize);
                // Alternately anywhere, and in the frame header with its sizes and samplings.
                let at = match round % 2 {
                    0 => place % bytes.len(),
                    _ => frame + 4 + place % 16,
                };
                bytes[at] = (value >> 8) as u8;
            }
            if let Err(error) = Picture::decode(&bytes, "flipped.jpg") {
                assert!(error.to_string().contains("flipped.jpg"), "{error}");
                assert!(
                    !error.to_string().contains("decoder failed"),
                    "{name}, {round}"
                );
            }
        }
    }

    // A header that claims 65,000 × 65,000 pixels.
    let (mut file, _) = fixture.bytes("444-60-progressive/file");
    let frame = file.windows(2).position(|m| m == [0xff, 0xc2]).unwrap();
    file[frame + 5..frame + 9].copy_from_slice(&[0xfd, 0xe8, 0xfd, 0xe8]);
    let error = Picture::decode(&file, "huge.jpg").unwrap_err();
    assert!(error.to_string().contains("limit"), "{error}");
    // 10,000 × 10,000 would be 300 MB.
    file[frame + 5..frame + 9].copy_from_slice(&[0x27, 0x10, 0x27, 0x10]);
    let error = Picture::decode(&file, "large.jpg").unwrap_err();
    assert!(error.to_string().contains("can hold"), "{error}");
}

/// Of every format and kind of JPEG: what is read from a part of a file is the picture of the whole file.
#[test]
fn a_prefix_is_the_same_picture_or_an_error() {
    let mut files = Vec::new();
    let formats = Fixture::open("decode.safetensors");
    for name in ["grey.png", "palette.png", "lossless.webp", "lossy.webp"] {
        files.push((name, formats.bytes(&format!("{name}/file")).0));
    }
    let jpegs = Fixture::open("jpeg.safetensors");
    for name in [
        "420-30-sequential",
        "420-30-progressive",
        "420-30-restarts",
        "grey-85-sequential",
        "ycck-20-progressive",
    ] {
        files.push((name, jpegs.bytes(&format!("{name}/file")).0));
    }
    for (name, file) in files {
        let whole = Picture::decode(&file, name).unwrap();
        let mut refused = 0;
        for length in 0..file.len() {
            match Picture::decode(&file[..length], "cut") {
                Ok(picture) => {
                    assert!(picture == whole, "{name}: other values from {length} bytes")
                }
                Err(error) => {
                    assert!(matches!(error, Error::Image { .. }), "{name}: {error}");
                    refused += 1;
                }
            }
        }
        // A few bytes at the end may hold no pixels.
        assert!(refused + 20 > file.len(), "{name}: {refused} refused");
    }
}

/// PIL's `convert("RGB")` ignores profiles, and so do FIDs that are computed with it.
#[test]
fn colour_profiles_are_ignored_as_pil_ignores_them() {
    use image::ImageEncoder;
    let mut file = Vec::new();
    let mut encoder = image::codecs::png::PngEncoder::new(&mut file);
    encoder
        .set_icc_profile(b"Display P3, say".to_vec())
        .unwrap();
    let kind = image::ExtendedColorType::Rgb8;
    encoder.write_image(&[200, 80, 40], 1, 1, kind).unwrap();
    let picture = Picture::decode(&file, "p3.png").unwrap();
    assert_eq!(picture.planes(), [200.0, 80.0, 40.0]);
}

#[test]
fn damaged_files_are_refused() {
    let fixture = Fixture::open("decode.safetensors");
    let (file, _) = fixture.bytes("rgb.png/file");
    for length in [0, 7, 40, file.len() / 2] {
        let error = Picture::decode(&file[..length], "cut.png").unwrap_err();
        assert!(matches!(error, Error::Image { .. }), "{error}");
        assert!(error.to_string().contains("cut.png"), "{error}");
    }
    let error = Picture::decode(b"GIF89a and so on", "x.gif").unwrap_err();
    assert!(matches!(error, Error::Image { .. }), "{error}");

    // A header that claims 60,000 × 60,000 pixels of colour: refused before memory is allocated for it.
    let mut huge = file.clone();
    huge[16..20].copy_from_slice(&60_000u32.to_be_bytes());
    huge[20..24].copy_from_slice(&60_000u32.to_be_bytes());
    let error = Picture::decode(&huge, "huge.png").unwrap_err();
    assert!(matches!(error, Error::Image { .. }), "{error}");

    // A picture may have 12,000 × 12,000 pixels, but not in a few hundred bytes.
    huge[16..20].copy_from_slice(&12_000u32.to_be_bytes());
    huge[20..24].copy_from_slice(&12_000u32.to_be_bytes());
    let checksum = crc32(&huge[12..29]);
    huge[29..33].copy_from_slice(&checksum.to_be_bytes());
    let error = Picture::decode(&huge, "huge.png").unwrap_err();
    assert!(
        error.to_string().to_lowercase().contains("memory"),
        "{error}"
    );

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("named.jpg");
    // The content decides, not the extension.
    std::fs::write(&path, &file).unwrap();
    assert_eq!(Picture::open(&path).unwrap().width(), 45);
    let missing = Picture::open(folder.path().join("none.png"));
    assert!(matches!(missing, Err(Error::Io { .. })));
}

/// PNG's checksum.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    })
}
