//! Figures as they lie on the disk.

#![allow(clippy::unwrap_used)]

use image::{Rgb, RgbImage};
use result_figures::{Chart, Column, Error, Line, write_chart, write_grid};

#[test]
fn a_grid_shows_each_image_twice_as_large_under_its_caption() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made/grid.png");
    let [red, blue] = [[200, 0, 0], [0, 0, 200]].map(|c| RgbImage::from_pixel(8, 4, Rgb(c)));
    let pairs = [(red.clone(), blue.clone()), (blue, red)];
    write_grid(&path, &Column::of_pairs(&pairs)).unwrap();
    let sheet = image::open(&path).unwrap().to_rgb8();
    assert_eq!(sheet.dimensions(), (6 + 2 * (16 + 6), 30 + 2 * (8 + 6)));
    // The corners of the first photo, the first target and the second photo.
    let at = |x, y| sheet.get_pixel(x, y).0;
    assert_eq!([at(6, 30), at(21, 37)], [[200, 0, 0]; 2]);
    assert_eq!([at(28, 30), at(43, 37), at(6, 44)], [[0, 0, 200]; 3]);
    assert_eq!([at(22, 37), at(6, 38)], [[255; 3]; 2]);
    let dark = (0..30).flat_map(|y| (0..50).map(move |x| (x, y)));
    assert!(dark.filter(|&(x, y)| at(x, y) == [30; 3]).count() > 40);
}

#[test]
fn what_cannot_be_a_grid_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("grid.png");
    let of = |sizes: &[(u32, u32)]| {
        let images = sizes.iter().map(|&(w, h)| RgbImage::new(w, h)).collect();
        write_grid(&path, &[Column::new("photo", images)])
    };
    assert!(matches!(of(&[]), Err(Error::NoImages { .. })));
    let mixed = of(&[(8, 4), (4, 8)]).unwrap_err();
    assert!(
        mixed
            .to_string()
            .contains("4×8 pixels is among images of 8×4")
    );
    assert!(matches!(of(&[(8, 4_000_000)]), Err(Error::TooLarge { .. })));
    assert!(!path.exists());
}

#[test]
fn a_chart_names_its_lines_and_leaves_out_what_its_axes_cannot_show() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("loss.svg");
    let line = |name: &str, points: &[(f64, f64)]| Line {
        name: name.to_owned(),
        points: points.to_vec(),
        bold: false,
    };
    let chart = Chart {
        title: "Loss & time",
        lines: vec![
            line(
                "training",
                &[(0.0, 3.0), (1.0, 2.0), (10.0, f64::NAN), (100.0, 1.0)],
            ),
            line("nothing", &[]),
        ],
        log_x: true,
        ..Chart::default()
    };
    write_chart(&path, &chart).unwrap();
    let svg = std::fs::read_to_string(&path).unwrap();
    for text in ["Loss &amp; time", "training", "nothing"] {
        assert!(svg.contains(text), "{text}");
    }
    // Of the four points, two can be drawn.
    assert_eq!(svg.matches("<circle").count(), 2);
}
