//! Images as `clean-fid` reads them.
#![no_main]

use clean_fid::Picture;
use coverage_fuzzers::{Decoded, accepted, catching, check_image, mutate};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fn decode(data: &[u8]) -> Option<Decoded> {
    let picture = accepted(Picture::decode(data, "image"))?;
    Some(Decoded {
        width: picture.width(),
        height: picture.height(),
        values: picture.planes().iter().map(|value| *value as u8).collect(),
    })
}

fuzz_target!(|data: &[u8]| {
    catching(|| {
        check_image(data, decode);
    });
});
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed)
});
