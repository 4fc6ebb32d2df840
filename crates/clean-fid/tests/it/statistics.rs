//! Mean and covariance: against numpy and clean-fid, in batches, and in files.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use crate::common::{Fixture, assert_relative, fixture_path};
use clean_fid::distances::{StatisticsAccumulator, frechet_distance_of};
use clean_fid::{Error, FeatureSet, FeatureStatistics, FrechetReference, frechet_distance};

fn batches(set: &FeatureSet, sizes: &[usize]) -> FeatureStatistics {
    let rows: Vec<&[f32]> = set.rows().collect();
    let mut accumulator = StatisticsAccumulator::new(set.width()).unwrap();
    let mut start = 0;
    for size in sizes.iter().cycle() {
        let end = (start + size).min(rows.len());
        let part = FeatureSet::from_rows(rows[start..end].concat(), set.width()).unwrap();
        accumulator.add(&part).unwrap();
        start = end;
        if start == rows.len() {
            break;
        }
    }
    assert_eq!(accumulator.images(), rows.len());
    accumulator.finish().unwrap()
}

fn assert_near(ours: &[f64], theirs: &[f64], bound: f64) {
    assert_eq!(ours.len(), theirs.len());
    for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() <= bound, "{i}: {a} against {b}");
    }
}

#[test]
fn batches_of_any_size_equal_numpy() {
    let set = Fixture::open("statistics.safetensors").set("wide_x");
    let numpy = FeatureStatistics::load(fixture_path("statistics_compressed.npz")).unwrap();
    for sizes in [&[150][..], &[1], &[7, 1, 20], &[149, 1]] {
        let ours = batches(&set, sizes);
        assert_eq!(ours.images(), Some(150));
        assert_near(ours.mean(), numpy.mean(), 1e-13);
        assert_near(ours.covariance(), numpy.covariance(), 1e-13);
    }
}

/// A mean far above the spread, for which sums of squares would lose all digits.
#[test]
fn large_means_leave_small_variances_accurate() {
    let rows: Vec<f32> = (0..200).map(|i| 1e6 + (i % 5) as f32).collect();
    let set = FeatureSet::from_rows(rows, 1).unwrap();
    let statistics = batches(&set, &[3, 8]);
    assert_relative(statistics.mean()[0], 1e6 + 2.0, 1e-15, "mean");
    assert_relative(
        statistics.covariance()[0],
        2.0 * 200.0 / 199.0,
        1e-9,
        "variance",
    );
}

#[test]
fn distances_equal_clean_fid() {
    let fixture = Fixture::open("statistics.safetensors");
    // More rows than dimensions on both sides, and fewer on one.
    for (name, deficient) in [("wide", false), ("narrow", true)] {
        let (x, y) = (
            fixture.set(&format!("{name}_x")),
            fixture.set(&format!("{name}_y")),
        );
        let values = fixture.doubles(&format!("{name}_frechet"));
        let (p, q) = (batches(&x, &[4]), FeatureStatistics::of(&y).unwrap());
        let ours = frechet_distance_of(&p, &q).unwrap();
        assert_relative(ours, values[0], 1e-6, name);
        assert_relative(ours, values[1], 1e-9, name);
        assert_relative(ours, frechet_distance(&x, &y).unwrap(), 1e-9, name);
        assert_relative(frechet_distance_of(&q, &p).unwrap(), ours, 1e-9, name);
        let reference = FrechetReference::from_statistics(&p).unwrap();
        assert_eq!(reference.is_rank_deficient(), deficient);
        assert_eq!(reference.images(), Some(x.len()));
        assert_relative(reference.distance(&y).unwrap(), ours, 1e-9, name);
    }
}

#[test]
fn files_are_exchanged_with_the_python_packages() {
    let fixture = Fixture::open("statistics.safetensors");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.npz");
    let (x, y) = (fixture.set("wide_x"), fixture.set("wide_y"));
    let own = FeatureStatistics::of(&x).unwrap();
    own.save(&path).unwrap();
    let read = FeatureStatistics::load(&path).unwrap();
    assert_eq!(read.mean(), own.mean());
    assert_eq!(read.covariance(), own.covariance());
    assert_eq!(read.images(), None);
    // An existing file is replaced.
    own.save(&path).unwrap();

    // numpy's: compressed, stored, and in 32 bits with sigma column by column.
    let compressed = FeatureStatistics::load(fixture_path("statistics_compressed.npz")).unwrap();
    let stored = FeatureStatistics::load(fixture_path("statistics_stored.npz")).unwrap();
    let expected = frechet_distance(&x, &y).unwrap();
    let filed = frechet_distance_of(&compressed, &stored).unwrap();
    assert_relative(filed, expected, 1e-9, "files");
    let single = FeatureStatistics::load(fixture_path("statistics_single.npz")).unwrap();
    assert_near(single.covariance(), compressed.covariance(), 1e-6);
    let filed = frechet_distance_of(&single, &stored).unwrap();
    assert_relative(filed, expected, 1e-4, "32 bits");

    // Features of clean-fid's KID.
    let features = FeatureSet::load(fixture_path("features_kid.npz")).unwrap();
    assert_eq!(features, x);
    y.save(&path).unwrap();
    assert_eq!(FeatureSet::load(&path).unwrap(), y);
    let no_folder = y.save(folder.path().join("none/y.npz"));
    assert!(matches!(no_folder, Err(Error::Io { .. })));
}

/// A singular covariance without a number of images: rank 1 in two dimensions.
#[test]
fn singular_covariances_by_hand() {
    let flat = FeatureStatistics::new(vec![0.0, 0.0], vec![4.0, 0.0, 0.0, 0.0], None).unwrap();
    let round = FeatureStatistics::new(vec![3.0, 0.0], vec![1.0, 0.0, 0.0, 1.0], None).unwrap();
    // 3² + 4 + 2 - 2·√(4·1)
    let ours = frechet_distance_of(&flat, &round).unwrap();
    assert!((ours - 11.0).abs() < 1e-12, "{ours}");
    let point = FeatureStatistics::new(vec![0.0, 1.0], vec![0.0; 4], None).unwrap();
    let ours = frechet_distance_of(&flat, &point).unwrap();
    assert!((ours - 5.0).abs() < 1e-12, "{ours}");
    let reference = FrechetReference::from_statistics(&flat).unwrap();
    assert!(reference.is_rank_deficient());
}

#[test]
fn bad_statistics_are_refused() {
    let new = |mean: &[f64], covariance: &[f64]| {
        FeatureStatistics::new(mean.to_vec(), covariance.to_vec(), None).unwrap_err()
    };
    assert!(matches!(new(&[], &[]), Error::ZeroWidth));
    assert!(matches!(
        new(&[0.0], &[1.0, 2.0]),
        Error::CovarianceSize { .. }
    ));
    assert!(matches!(
        new(&[f64::NAN], &[1.0]),
        Error::StatisticsValue {
            part: "mean",
            index: 0,
            ..
        }
    ));
    assert!(matches!(
        new(&[0.0], &[f64::INFINITY]),
        Error::StatisticsValue {
            part: "covariance",
            ..
        }
    ));
    assert!(matches!(
        new(&[0.0], &[-1.0]),
        Error::NegativeVariance { index: 0, .. }
    ));
    let crooked = new(&[0.0; 2], &[1.0, 0.5, 0.2, 1.0]);
    assert!(matches!(crooked, Error::Asymmetric { row: 1, column: 0 }));
    // Symmetric, but with an eigenvalue of -1.
    let saddle = FeatureStatistics::new(vec![0.0; 2], vec![1.0, 2.0, 2.0, 1.0], None).unwrap();
    let outcome = FrechetReference::from_statistics(&saddle);
    assert!(matches!(outcome, Err(Error::NegativeEigenvalue { .. })));

    let one = FeatureSet::from_rows(vec![1.0, 2.0], 2).unwrap();
    assert!(matches!(
        FeatureStatistics::of(&one),
        Err(Error::TooFewRows {
            found: 1,
            minimum: 2
        })
    ));
    let mut accumulator = StatisticsAccumulator::new(3).unwrap();
    assert!(matches!(
        accumulator.add(&one),
        Err(Error::WidthMismatch { left: 3, right: 2 })
    ));
    assert!(matches!(
        StatisticsAccumulator::new(0),
        Err(Error::ZeroWidth)
    ));
    let line = FeatureStatistics::new(vec![0.0], vec![1.0], None).unwrap();
    assert!(matches!(
        frechet_distance_of(&line, &saddle),
        Err(Error::WidthMismatch { left: 1, right: 2 })
    ));
}

/// One member of a `.npz`: a NumPy header of that text, then bytes.
fn member(text: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    bytes.extend(data);
    bytes
}

fn archive(path: &Path, members: &[(&str, Vec<u8>)]) {
    let mut zip = zip::ZipWriter::new(std::fs::File::create(path).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    for (name, bytes) in members {
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

#[test]
fn malformed_and_hostile_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.npz");
    let reason = |members: &[(&str, Vec<u8>)]| {
        archive(&path, members);
        let error = FeatureStatistics::load(&path).unwrap_err();
        assert!(matches!(error, Error::Npz { .. }), "{error}");
        error.to_string()
    };
    let header = |kind: &str, shape: &str| {
        format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n")
    };
    let mu = member(&header("<f8", "(2,)"), &[0; 16]);

    assert!(reason(&[]).contains("mu"));
    assert!(reason(&[("mu.npy", mu.clone())]).contains("sigma"));
    // Sizes that do not fit together.
    let sigma = member(&header("<f8", "(2, 1)"), &[0; 16]);
    let text = reason(&[("mu.npy", mu.clone()), ("sigma.npy", sigma)]);
    assert!(text.contains("[2, 1]"), "{text}");
    let square = member(&header("<f8", "(1, 2)"), &[0; 16]);
    let text = reason(&[("mu.npy", square)]);
    assert!(text.contains("one dimension"), "{text}");
    // More than the limit, in fact and only in the header.
    let long = member(&header("<f8", "(200000,)"), &vec![0; 1_600_000]);
    assert!(reason(&[("mu.npy", long)]).contains("more than 8192"));
    for shape in ["(4611686018427387904, 4)", "(9000,)", "(8000,)"] {
        let claim = member(&header("<f8", shape), &[0; 16]);
        let text = reason(&[("mu.npy", claim)]);
        assert!(
            text.contains("more than 8192") || text.contains("cut short"),
            "{shape}: {text}"
        );
    }
    // A hundred kilobytes that unpack to a hundred megabytes.
    let shape = format!("({}, 1024)", 25 << 10);
    let mut bomb = member(&header("<f4", &shape), &[]);
    bomb.resize(bomb.len() + (100 << 20), 0);
    archive(&path, &[("feats.npy", bomb)]);
    let text = FeatureSet::load(&path).unwrap_err().to_string();
    assert!(text.contains("unpacks from"), "{text}");
    // Other types, including pickled objects.
    for kind in ["<i8", "|O", "<c16", "<f2"] {
        let other = member(&header(kind, "(2,)"), &[0; 32]);
        let text = reason(&[("mu.npy", other)]);
        assert!(text.contains("mu"), "{kind}: {text}");
    }
    // Headers with a wrong length or deep nesting.
    let mut lying = mu.clone();
    lying[6] = 2;
    lying[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(reason(&[("mu.npy", lying)]).contains("header"));
    let nested = member(&"(".repeat(60_000), &[]);
    assert!(reason(&[("mu.npy", nested)]).contains("NumPy"));
    assert!(reason(&[("mu.npy", b"text".to_vec())]).contains("header"));

    std::fs::write(&path, b"PK and no more").unwrap();
    let error = FeatureStatistics::load(&path).unwrap_err();
    assert!(error.to_string().contains("zip"), "{error}");
    let missing = FeatureStatistics::load(folder.path().join("none.npz"));
    assert!(matches!(missing, Err(Error::Io { .. })));
    // NaN in a well-formed file.
    let nan: Vec<u8> = [f64::NAN, 0.0]
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    archive(
        &path,
        &[
            ("mu.npy", member(&header("<f8", "(2,)"), &nan)),
            ("sigma.npy", member(&header("<f8", "(2, 2)"), &[0; 32])),
        ],
    );
    let outcome = FeatureStatistics::load(&path);
    assert!(matches!(outcome, Err(Error::StatisticsValue { .. })));
}

/// Cut at every length, and each byte changed: the same statistics or an error, as the archive has checksums.
#[test]
fn damaged_files_are_refused_or_read_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.npz");
    for name in ["statistics_stored.npz", "statistics_compressed.npz"] {
        let whole = std::fs::read(fixture_path(name)).unwrap();
        std::fs::write(&path, &whole).unwrap();
        let read = || {
            let found = FeatureStatistics::load(&path)?;
            Ok::<_, Error>((found.mean().to_vec(), found.covariance().to_vec()))
        };
        let expected = read().unwrap();
        // Changed and shortened in place: file systems write a file to the disk when it is emptied first.
        let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        let mut set = |at: usize, byte: u8| {
            file.seek(SeekFrom::Start(at as u64)).unwrap();
            file.write_all(&[byte]).unwrap();
        };
        for at in 0..whole.len() {
            set(at, whole[at] ^ [0x01, 0x80, 0xff][at % 3]);
            if let Ok(found) = read() {
                assert_eq!(found, expected, "{name} changed at {at}");
            }
            set(at, whole[at]);
        }
        for length in (0..whole.len()).rev() {
            file.set_len(length as u64).unwrap();
            if let Ok(found) = read() {
                assert_eq!(found, expected, "{name} cut to {length}");
            }
        }
    }
}
