//! Finds the largest face of every photo, for `prepare_photos --faces`.
//!
//! ```sh
//! cargo run --release -p concepts --example find_faces -- --face-model seeta_fd_frontal_v1.0.bin \
//!     --photos photos --out boxes.json
//! cargo run --release --example prepare_photos -- --photos photos --faces boxes.json --out out/photos
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use concepts::prepare::{FaceBoxes, SeetaDetector};

/// Look for frontal faces with SeetaFace, and write {"NAME.jpg": [x, y, width, height], ...}. The
/// model is model/seeta_fd_frontal_v1.0.bin of the package rustface, which Cargo has in
/// ~/.cargo/registry/src/*/rustface-0.1.7/.
#[derive(Parser)]
struct Args {
    /// The model.
    #[arg(long, value_name = "FILE")]
    face_model: PathBuf,
    /// Folder with photos.
    #[arg(long, value_name = "DIR")]
    photos: PathBuf,
    /// File to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

fn main() -> ExitCode {
    match find(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn find(args: &Args) -> Result<(), concepts::Error> {
    resumable_runs::Places::new()
        .reads(&args.face_model)
        .reads_directly_in(&args.photos)
        .writes(&args.out)
        .check()?;
    let detector = SeetaDetector::open(&args.face_model)?;
    let found = FaceBoxes::detect(&args.photos, &detector, &|done, all, name| {
        println!("{done}/{all} {name}");
    })?;
    found.boxes.write(&args.out)?;
    println!("{}: {} faces", args.out.display(), found.boxes.len());
    if !found.without.is_empty() {
        println!(
            "no face in {} photos; add their boxes by hand, or move them away: {}",
            found.without.len(),
            found.without.join(", ")
        );
    }
    Ok(())
}
