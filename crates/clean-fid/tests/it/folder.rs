//! Folders of images: what counts, in which order, and what is refused.

use std::fs;
use std::path::Path;

use crate::common::{Fixture, asset};
use burn::tensor::Tensor;
use clean_fid::distances::{generated_frechet, generated_statistics};
use clean_fid::networks::ResizeFilter;
use clean_fid::{
    EfficientNetLite0Config, Error, Extractor, FeatureNet, FeatureSet, FeatureStatistics,
    ImageFolder, Picture,
};

fn write(path: &Path) {
    let (bytes, _) = Fixture::open("decode.safetensors").bytes("rgb.png/file");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn images_are_found_as_clean_fid_finds_them() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    for name in ["b.png", "a/z.JPG", "a/deep/c.webp", "b.jpeg"] {
        write(&at(name));
    }
    for name in [
        ".hidden.png",
        ".folder/x.png",
        ".ipynb_checkpoints/b.png",
        "__MACOSX/a/b.png",
        "a/@eaDir/z.JPG/SYNOPHOTO_THUMB_M.jpg",
        "readme.md",
        "png",
    ] {
        write(&at(name));
    }
    let folder = ImageFolder::open(root.path()).unwrap();
    let expected = ["a/deep/c.webp", "a/z.JPG", "b.jpeg", "b.png"].map(at);
    assert_eq!(folder.files(), expected);
    assert!(folder.skipped().is_empty());
    // Not counted, but not silently.
    for name in ["animated.gif", "a/phone.HEIC", "web.jfif"] {
        write(&at(name));
    }
    let folder = ImageFolder::open(root.path()).unwrap();
    assert_eq!(folder.files(), expected);
    let skipped = ["a/phone.HEIC", "animated.gif", "web.jfif"].map(at);
    assert_eq!(folder.skipped(), skipped);

    write(&at("a/scan.TIF"));
    let error = ImageFolder::open(root.path()).unwrap_err();
    assert!(matches!(error, Error::UnreadableImage { .. }));
    assert!(error.to_string().contains("scan.TIF"), "{error}");
    assert!(error.to_string().contains("1 tif"), "{error}");
    let error = ImageFolder::open(at("nowhere")).unwrap_err();
    assert!(matches!(error, Error::Folder(_)));
    assert!(error.to_string().contains("nowhere"), "{error}");
    fs::create_dir(at("empty")).unwrap();
    let error = ImageFolder::open(at("empty")).unwrap_err();
    assert!(matches!(error, Error::EmptyFolder { .. }), "{error}");
}

/// As `find -L`, and as Python's `glob`, which goes round a loop forty times.
#[cfg(unix)]
#[test]
fn links_to_folders_are_followed_once_around() {
    use std::os::unix::fs::symlink;
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    for name in ["set/a.png", "elsewhere/b.png", "elsewhere/deep/c.png"] {
        write(&at(name));
    }
    symlink(at("elsewhere"), at("set/more")).unwrap();
    symlink(at("set"), at("elsewhere/deep/back")).unwrap();
    let folder = ImageFolder::open(at("set")).unwrap();
    let expected = ["set/a.png", "set/more/b.png", "set/more/deep/c.png"].map(at);
    assert_eq!(folder.files(), expected);
}

/// The mean over each channel, which shows which images came, and in which order.
struct Means {
    nan_from_width: usize,
}

impl FeatureNet for Means {
    fn name(&self) -> &str {
        "means"
    }

    fn width(&self) -> usize {
        3
    }

    fn features(&self, images: Tensor<4>) -> Result<Tensor<2>, Error> {
        let [_, _, _, width] = images.dims();
        let means = images.flatten::<3>(2, 3).mean_dim(2).squeeze_dim::<2>(2);
        if width >= self.nan_from_width {
            return Ok(means * f32::NAN);
        }
        Ok(means)
    }
}

/// Pictures of sizes that change between and within batches.
fn mixed(root: &Path) -> ImageFolder {
    let fixture = Fixture::open("decode.safetensors");
    let (large, _) = fixture.bytes("rgb.png/file");
    let inception = Fixture::open("inception.safetensors");
    for i in 0..7 {
        let bytes = if i % 3 == 0 {
            large.clone()
        } else {
            inception.bytes(&format!("a/{i}.png")).0
        };
        fs::write(root.join(format!("{i}.png")), bytes).unwrap();
    }
    ImageFolder::open(root).unwrap()
}

#[test]
fn images_of_any_size_keep_their_order() {
    let root = tempfile::tempdir().unwrap();
    let folder = mixed(root.path());
    let device = test_device::device();
    let network = Means {
        nan_from_width: usize::MAX,
    };
    for batch_size in [1, 3, 100] {
        let extractor = Extractor::new(&network, &device)
            .with_batch_size(batch_size)
            .unwrap();
        let features = extractor.features(&folder, |_| ()).unwrap();
        assert_eq!(features.len(), 7);
        for (file, row) in folder.files().iter().zip(features.rows()) {
            let picture = Picture::open(file).unwrap();
            let area = picture.width() * picture.height();
            for (plane, mean) in picture.planes().chunks_exact(area).zip(row) {
                let expected = plane.iter().sum::<f32>() / area as f32 / 255.0;
                assert!((mean - expected).abs() < 1e-5, "{mean} against {expected}");
            }
        }
        let mut seen = Vec::new();
        let streamed = extractor
            .statistics(&folder, |done| seen.push(done))
            .unwrap();
        assert_eq!(seen.last(), Some(&7));
        let whole = FeatureStatistics::of(&features).unwrap();
        for (a, b) in streamed.covariance().iter().zip(whole.covariance()) {
            assert!((a - b).abs() < 1e-12, "{a} against {b}");
        }
    }
    let none = Extractor::new(&network, &device).with_batch_size(0);
    assert!(matches!(none, Err(Error::ZeroBatchSize)));
}

#[test]
fn a_network_with_a_resize_sees_one_size() {
    let root = tempfile::tempdir().unwrap();
    let folder = mixed(root.path());
    let device = test_device::device();
    let network = EfficientNetLite0Config::new()
        .with_input_size(32)
        .with_resize(ResizeFilter::Antialiased)
        .load(asset(), &device)
        .unwrap();
    assert_eq!(network.name(), "efficientnet-lite0-32-antialiased");
    let extractor = Extractor::new(&network, &device);
    let mut batches = 0;
    extractor
        .each_batch(&folder, |batch| {
            batches += 1;
            assert_eq!(batch.len(), 7);
            Ok(())
        })
        .unwrap();
    assert_eq!(batches, 1);

    // The same images as tensors, one by one, resized by the network.
    let all = extractor.features(&folder, |_| ()).unwrap();
    for (file, row) in folder.files().iter().zip(all.rows()) {
        let picture = Picture::open(file).unwrap();
        let (height, width) = (picture.height(), picture.width());
        let values: Vec<f32> = picture.planes().iter().map(|v| v / 255.0).collect();
        let data = burn::tensor::TensorData::new(values, [1, 3, height, width]);
        let own = network.features(Tensor::from_data(data, &device)).unwrap();
        let own = FeatureSet::from_tensor(own).unwrap();
        for (a, b) in own.rows().flatten().zip(row) {
            assert!((a - b).abs() < 1e-4, "{a} against {b}");
        }
    }
}

#[test]
fn generated_images_are_accumulated() {
    let device = test_device::device();
    let network = Means {
        nan_from_width: usize::MAX,
    };
    let batch = |i: usize| Tensor::<4>::full([2, 3, 4, 4], i as f32, &device);
    let made = (0..5).map(|i| Ok::<_, Error>(batch(i)));
    let statistics = generated_statistics(&network, made).unwrap();
    assert_eq!(statistics.images(), Some(10));
    for mean in statistics.mean() {
        assert!((mean - 2.0).abs() < 1e-6, "{mean}");
    }
    // 2 each of 0..5: squares of deviations are 2·(4 + 1 + 0 + 1 + 4) = 20, over 9.
    for value in statistics.covariance() {
        assert!((value - 20.0 / 9.0).abs() < 1e-6, "{value}");
    }
    // Against statistics; a wrong width is found before any image is generated.
    let made = || (0..5).map(|i| Ok::<_, Error>(batch(i)));
    let moved = statistics.mean().iter().map(|mean| mean + 2.0).collect();
    let reference = FeatureStatistics::new(moved, statistics.covariance().to_vec(), None).unwrap();
    let distance = generated_frechet(&network, made(), &reference).unwrap();
    assert!((distance - 12.0).abs() < 1e-4, "{distance}"); // 3 · 2²
    let wide = FeatureStatistics::new(vec![0.0; 4], vec![0.0; 16], None).unwrap();
    let nothing = (0..1).map(|_| -> Result<Tensor<4>, Error> { panic!("it was asked for") });
    let outcome = generated_frechet(&network, nothing, &wide);
    assert!(matches!(
        outcome,
        Err(Error::WidthMismatch { left: 3, right: 4 })
    ));
    let failing = (0..2).map(|i| match i {
        0 => Ok(batch(0)),
        _ => Err(Error::ZeroBatchSize),
    });
    let outcome = generated_statistics(&network, failing);
    assert!(matches!(outcome, Err(Error::ZeroBatchSize)));
    let outcome = generated_statistics::<Error>(&network, []);
    assert!(matches!(outcome, Err(Error::TooFewRows { found: 0, .. })));
}

#[test]
fn errors_name_the_file() {
    let root = tempfile::tempdir().unwrap();
    let folder = mixed(root.path());
    let device = test_device::device();
    // Only the picture of the decode fixture is 45 wide.
    let broken = Means { nan_from_width: 45 };
    let widths = |i: usize| Picture::open(&folder.files()[i]).unwrap().width();
    let first = (0..7).find(|i| widths(*i) >= 45).unwrap();
    let extractor = Extractor::new(&broken, &device);
    let error = extractor.statistics(&folder, |_| ()).unwrap_err();
    assert!(
        matches!(&error, Error::ImageFeature { path, column: 0, .. } if *path == folder.files()[first]),
        "{error}"
    );

    let network = Means {
        nan_from_width: usize::MAX,
    };
    let extractor = Extractor::new(&network, &device);
    let wide = FeatureStatistics::new(vec![0.0; 4], vec![0.0; 16], None).unwrap();
    let outcome = extractor.frechet_to(&folder, &wide);
    assert!(matches!(
        outcome,
        Err(Error::WidthMismatch { left: 3, right: 4 })
    ));

    fs::write(root.path().join("3.png"), b"\x89PNG\r\n\x1a\nand no more").unwrap();
    let error = extractor.statistics(&folder, |_| ()).unwrap_err();
    assert!(matches!(error, Error::Image { .. }), "{error}");
    assert!(error.to_string().contains("3.png"), "{error}");

    let single = tempfile::tempdir().unwrap();
    write(&single.path().join("one.png"));
    let single = ImageFolder::open(single.path()).unwrap();
    let error = extractor.statistics(&single, |_| ()).unwrap_err();
    assert!(
        matches!(
            error,
            Error::FewImages {
                found: 1,
                minimum: 2,
                ..
            }
        ),
        "{error}"
    );
}
