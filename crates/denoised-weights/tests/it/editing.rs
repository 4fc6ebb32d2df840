//! Editing photos and fine-tuning.

use denoised_weights::pairs::read_pair_set;
use denoised_weights::{Error, PhotoEditor, fine_tune};
use finetune::Zero;
use weight_blocks::WeightSpace;

use crate::common::{SIZE, pair_folder, photo, tiny_base, tiny_recipe};

#[test]
fn files_folders_and_images_are_edited_alike() {
    let base = tiny_base();
    let adapter = base.generator.read_weights().unwrap();
    let editor = PhotoEditor::new(&base, &adapter).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (photos, edited) = (dir.path().join("photos"), dir.path().join("edited"));
    std::fs::create_dir(&photos).unwrap();
    // Wider than high: the centre square counts.
    let wide = photo(40, 24, 3);
    wide.save(photos.join("wide.png")).unwrap();
    let in_memory = editor.edit(wide.clone()).unwrap();
    assert_eq!(in_memory.dimensions(), (SIZE as u32, SIZE as u32));
    let file = dir.path().join("new/one.png");
    editor.edit_file(photos.join("wide.png"), &file).unwrap();
    assert_eq!(editor.edit_folder(&photos, &edited).unwrap(), 1);
    for path in [file, edited.join("wide.png")] {
        assert_eq!(image::open(path).unwrap().to_rgb8(), in_memory);
    }
    let square = image::imageops::crop_imm(&wide, 8, 0, 24, 24).to_image();
    assert_eq!(editor.edit(square).unwrap(), in_memory);
    let error = editor.edit_file(photos.join("wide.png"), dir.path().join("one.txt"));
    assert!(matches!(error, Err(Error::EncodeImage { .. })));
    assert!(editor.edit(image::RgbImage::new(0, 4)).is_err());
}

#[test]
fn fine_tuning_learns_from_a_folder_of_pairs_and_repeats() {
    let base = tiny_base();
    let dir = tempfile::tempdir().unwrap();
    let folder = pair_folder(dir.path(), "negative", "negative");
    let device = burn::tensor::Device::flex();
    let pairs = read_pair_set(&folder, SIZE, &device).unwrap();
    assert_eq!(pairs.len(), 10);
    let start = Zero::new(base.generator.read_weights().unwrap());
    let tune = || {
        let mut losses = Vec::new();
        let observe = |epoch: &finetune::EpochLosses| losses.push(epoch.l1);
        let recipe = tiny_recipe(4);
        let adapter = fine_tune(&base, &start, "negative", &pairs, &recipe, observe).unwrap();
        (adapter, losses)
    };
    let (adapter, losses) = tune();
    assert_eq!(losses.len(), 4);
    assert!(losses[3] < losses[0], "{losses:?}");
    assert_eq!(tune(), (adapter.clone(), losses));
    PhotoEditor::new(&base, &adapter).unwrap();
}
