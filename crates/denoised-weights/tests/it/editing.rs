//! Editing photos and fine-tuning.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use denoised_weights::pairs::read_pair_set;
use denoised_weights::{Error, PhotoEditor, PromptEncoder, WholeSize, fine_tune, plan_edits};
use finetune::{Zero, image_to_tensor, tensor_to_images, translate};
use image::RgbImage;
use image::imageops::crop_imm;
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
    assert_eq!(editor.edit_folder(&photos, &edited, |_| ()).unwrap(), 1);
    for path in [file, edited.join("wide.png")] {
        assert_eq!(image::open(path).unwrap().to_rgb8(), in_memory);
    }
    let square = image::imageops::crop_imm(&wide, 8, 0, 24, 24).to_image();
    assert_eq!(editor.edit(square).unwrap(), in_memory);
    let error = editor.edit_file(photos.join("wide.png"), dir.path().join("one.txt"));
    assert!(matches!(error, Err(Error::EncodeImage { .. })));
    assert!(editor.edit(image::RgbImage::new(0, 4)).is_err());
}

/// Photos of which two pairs differ only after the first dot, or only in the extension.
fn photos_with_equal_stems(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    std::fs::create_dir_all(dir).unwrap();
    let names = ["cat.v1.jpg", "cat.v2.jpg", "dog.jpg", "dog.png"];
    let save = |(seed, name): (u32, &str)| {
        let path = dir.join(name);
        photo(SIZE as u32, SIZE as u32, seed).save(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        (path, bytes)
    };
    (0..).zip(names).map(save).collect()
}

fn unchanged(photos: &[(PathBuf, Vec<u8>)]) {
    for (path, bytes) in photos {
        assert_eq!(std::fs::read(path).unwrap(), *bytes, "{}", path.display());
    }
}

#[test]
fn photos_with_equal_stems_keep_files_of_their_own() {
    let base = tiny_base();
    let editor = PhotoEditor::new(&base, &base.generator.read_weights().unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let photos = dir.path().join("photos");
    let files = photos_with_equal_stems(&photos);
    // Twice: edits of an earlier run are replaced, and not taken for photos.
    let edited = photos.join("edited");
    for _ in 0..2 {
        assert_eq!(editor.edit_folder(&photos, &edited, |_| ()).unwrap(), 4);
    }
    unchanged(&files);
    let names = ["cat.v1.png", "cat.v2.png", "dog.jpg.png", "dog.png.png"];
    for (name, (path, _)) in names.iter().zip(&files) {
        let expected = editor.edit(concepts::read_photo(path, SIZE).unwrap().image);
        let found = image::open(edited.join(name)).unwrap().to_rgb8();
        assert_eq!(found, expected.unwrap(), "{name}");
    }
    assert_eq!(std::fs::read_dir(&edited).unwrap().count(), 4);

    // One file on systems that do not tell upper case from lower case.
    let shouted = dir.path().join("shouted");
    std::fs::create_dir(&shouted).unwrap();
    std::fs::copy(&files[2].0, shouted.join("Dog.jpg")).unwrap();
    std::fs::copy(&files[3].0, shouted.join("dog.png")).unwrap();
    let plan = plan_edits(&shouted, &edited).unwrap();
    let names: Vec<_> = plan
        .iter()
        .map(|edit| edit.edited.file_name().unwrap())
        .collect();
    assert_eq!(names, ["Dog.jpg.png", "dog.png.png"]);
}

#[test]
fn photos_whose_edits_would_be_one_file_keep_their_extensions_or_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (photos, edited) = (dir.path().join("photos"), dir.path().join("edited"));
    std::fs::create_dir(&photos).unwrap();
    let names = |added: &str| -> Result<Vec<String>, Error> {
        photo(SIZE as u32, SIZE as u32, 1)
            .save(photos.join(added))
            .unwrap();
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let plan = plan_edits(&photos, &edited)?;
        Ok(plan.iter().map(|edit| name(&edit.edited)).collect())
    };
    assert_eq!(names("dog.jpg").unwrap(), ["dog.png"]);
    // The edit of one has the name of the other.
    let two = ["dog.png", "dog.jpg.png"];
    assert_eq!(names("dog.jpg.jpg").unwrap(), two);
    let three = ["dog.jpg.png", "dog.jpg.jpg.png", "dog.png.png"];
    assert_eq!(names("dog.png").unwrap(), three);

    let alone = std::fs::read_dir(&photos).unwrap().count();
    let error = names("Dog.png").map_err(|error| error.to_string());
    // Where case is not told apart, there is no second photo.
    if std::fs::read_dir(&photos).unwrap().count() > alone {
        let error = error.unwrap_err();
        for name in ["Dog.png", "dog.png"] {
            let named = photos.join(name).display().to_string();
            assert!(error.contains(&named), "{error}");
        }
        assert!(error.contains("give them different names"), "{error}");
    }
}

#[test]
fn a_folder_is_edited_in_parts_like_its_photos() {
    let base = tiny_base();
    let editor = PhotoEditor::new(&base, &base.generator.read_weights().unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (photos, edited) = (dir.path().join("photos"), dir.path().join("edited"));
    std::fs::create_dir(&photos).unwrap();
    let own = |i: u32| photo(SIZE as u32, SIZE as u32, i);
    for i in 0..35 {
        own(i).save(photos.join(format!("{i:02}.png"))).unwrap();
    }
    let mut seen = Vec::new();
    let count = editor.edit_folder(&photos, &edited, |done| seen.push(done));
    assert_eq!(count.unwrap(), 35);
    assert!(seen.into_iter().eq(1..=35));
    for i in [0, 31, 32, 34] {
        let found = image::open(edited.join(format!("{i:02}.png"))).unwrap();
        assert_eq!(found.to_rgb8(), editor.edit(own(i)).unwrap(), "{i}");
    }
}

#[test]
fn whole_photos_keep_their_size_and_are_edited_beyond_their_edges() {
    let base = tiny_base();
    let editor = PhotoEditor::new(&base, &base.generator.read_weights().unwrap()).unwrap();
    let square = photo(SIZE as u32, SIZE as u32, 1);
    let whole = editor.edit_whole(square.clone(), WholeSize::Own).unwrap();
    // The middle of what the network makes of the photo with 16 mirrored pixels around it.
    let side = SIZE as i32;
    let fold = |at: u32| {
        let at = (at as i32 - 16).rem_euclid(2 * (side - 1));
        at.min(2 * (side - 1) - at) as u32
    };
    let wider = side as u32 + 32;
    let mirrored = RgbImage::from_fn(wider, wider, |x, y| *square.get_pixel(fold(x), fold(y)));
    let input = image_to_tensor(&mirrored, &Device::flex());
    let edited = tensor_to_images(translate(&base.generator, &input).unwrap()).remove(0);
    let middle = crop_imm(&edited, 16, 16, side as u32, side as u32).to_image();
    // The editor merges its adapter, which rounds.
    let pixels = whole.as_raw().iter().zip(middle.as_raw());
    assert!(pixels.into_iter().all(|(a, b)| a.abs_diff(*b) <= 1));
    assert_ne!(whole, square);
    let wide = photo(61, 40, 2);
    let edited = editor.edit_whole(wide.clone(), WholeSize::Own).unwrap();
    assert_eq!(edited.dimensions(), (61, 40));
    assert_ne!(edited, wide);
    let scaled = editor.edit_whole(wide, WholeSize::ShorterSide(20)).unwrap();
    assert_eq!(scaled.dimensions(), (31, 20));

    let dir = tempfile::tempdir().unwrap();
    let photos = dir.path().join("photos");
    let files = photos_with_equal_stems(&photos);
    photo(48, 32, 5).save(photos.join("wide.png")).unwrap();
    let edited = dir.path().join("edited");
    let (mut seen, size) = (Vec::new(), WholeSize::ShorterSide(16));
    let count = editor.edit_folder_whole(&photos, &edited, size, |number| seen.push(number));
    assert_eq!((count.unwrap(), seen), (5, vec![1, 2, 3, 4, 5]));
    unchanged(&files);
    let size_of = |name: &str| image::image_dimensions(edited.join(name)).unwrap();
    assert_eq!(size_of("wide.png"), (24, 16));
    assert_eq!(size_of("dog.jpg.png"), (16, 16));
}

#[test]
fn photos_are_never_replaced_by_their_edits() {
    let base = tiny_base();
    let editor = PhotoEditor::new(&base, &base.generator.read_weights().unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let photos = dir.path().join("photos");
    let files = photos_with_equal_stems(&photos);
    let linked = dir.path().join("linked");
    std::os::unix::fs::symlink(&photos, &linked).unwrap();
    for edited in [
        photos.clone(),
        photos.join("new/.."),
        linked.clone(),
        linked.join("."),
    ] {
        let error = editor.edit_folder(&photos, &edited, |_| ()).unwrap_err();
        assert!(error.to_string().contains("which is read"), "{error}");
    }
    let dog = &files[3].0;
    for edited in [
        dog.clone(),
        linked.join("dog.png"),
        photos.join("../photos/dog.png"),
    ] {
        let error = editor.edit_file(dog, &edited).unwrap_err();
        assert!(matches!(error, Error::Run(_)), "{error}");
    }
    // A photo that is a link into the folder of the edits.
    let collected = dir.path().join("collected");
    std::fs::create_dir(&collected).unwrap();
    std::os::unix::fs::symlink(dog, collected.join("dog.png")).unwrap();
    assert!(editor.edit_folder(&collected, &photos, |_| ()).is_err());
    unchanged(&files);
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let error = editor
        .edit_folder(&empty, &photos.join("edited"), |_| ())
        .unwrap_err();
    assert!(matches!(error, Error::Concepts(_)), "{error}");
    assert_eq!(std::fs::read_dir(&photos).unwrap().count(), 4);
}

#[test]
fn fine_tuning_learns_from_a_folder_of_pairs_and_repeats() {
    let base = tiny_base();
    let start = Zero::new(base.generator.read_weights().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let folder = pair_folder(dir.path(), "negative", "negative");
    let device = burn::tensor::Device::flex();
    let pairs = read_pair_set(&folder, SIZE, &device).unwrap();
    assert_eq!(pairs.len(), 10);
    let none = fine_tune(&base, &start, &pairs, &tiny_recipe(1), |_| ());
    assert!(matches!(none, Err(Error::UnpromptedBase)), "no prompt");
    let encoder = PromptEncoder::embedded().unwrap();
    let base = encoder.prompted(&base, "negative").unwrap();
    let tune = || {
        let mut losses = Vec::new();
        let observe = |epoch: &finetune::EpochLosses| losses.push(epoch.l1);
        let recipe = tiny_recipe(4);
        let adapter = fine_tune(&base, &start, &pairs, &recipe, observe).unwrap();
        (adapter, losses)
    };
    let (adapter, losses) = tune();
    assert_eq!(losses.len(), 4);
    assert!(losses[3] < losses[0], "{losses:?}");
    assert_eq!(tune(), (adapter.clone(), losses));
    PhotoEditor::new(&base, &adapter).unwrap();
}
