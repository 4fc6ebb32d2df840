//! Single stages: literal values and invariants.

use concepts::ops::{Op, Screen, Texture};
use image::{Rgb, RgbImage};

/// What the stage makes of an image of one colour.
fn pixel(op: &Op, colour: [u8; 3]) -> [u8; 3] {
    let image = op.apply(&RgbImage::from_pixel(8, 8, Rgb(colour)));
    let first = image.get_pixel(0, 0).0;
    assert!(image.pixels().all(|p| p.0 == first), "{op:?} of one colour");
    first
}

fn step_edge(side: u32) -> RgbImage {
    RgbImage::from_fn(side, side, |x, _| {
        Rgb([if x < side / 2 { 40 } else { 210 }; 3])
    })
}

#[test]
fn tones_have_literal_values() {
    let orange = [200, 100, 50];
    // 0.393 * 200 + 0.769 * 100 + 0.189 * 50 = 164.95, and so on.
    assert_eq!(pixel(&Op::Sepia, orange), [165, 147, 114]);
    // 0.299 * 200 + 0.587 * 100 + 0.114 * 50 = 124.2
    assert_eq!(
        pixel(&Op::Saturate { amount: 0.0 }, orange),
        [124, 124, 124]
    );
    assert_eq!(pixel(&Op::Saturate { amount: 1.0 }, orange), orange);
    assert_eq!(pixel(&Op::Invert, orange), [55, 155, 205]);
    // Thirds: 200 lies nearest 170, 100 nearest 85, 50 nearest 85.
    assert_eq!(pixel(&Op::Posterise { levels: 4 }, orange), [170, 85, 85]);
    assert_eq!(pixel(&Op::Posterise { levels: 2 }, orange), [255, 0, 0]);
    assert_eq!(
        pixel(&Op::Solarise { threshold: 0.5 }, orange),
        [55, 100, 50]
    );
    let multiply = Op::Multiply {
        colour: [255, 51, 0],
    };
    assert_eq!(pixel(&multiply, orange), [200, 20, 0]);
    let blend = Op::Blend {
        colour: [0, 0, 250],
        amount: 0.5,
    };
    assert_eq!(pixel(&blend, orange), [100, 50, 150]);
    let levels = Op::Levels {
        brightness: 0.0,
        contrast: 2.0,
    };
    assert_eq!(pixel(&levels, orange), [255, 73, 0]);
    let gamma = Op::Gamma {
        gamma: [2.0, 1.0, 0.5],
    };
    assert_eq!(pixel(&gamma, orange), [157, 100, 113]);
    let swap = Op::Mix {
        rows: [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
    };
    assert_eq!(pixel(&swap, orange), [50, 100, 200]);
}

#[test]
fn gradient_map_meets_its_stops() {
    let stops = vec![[10, 20, 30], [100, 0, 0], [250, 240, 230]];
    let map = Op::GradientMap { stops, amount: 1.0 };
    assert_eq!(pixel(&map, [0; 3]), [10, 20, 30]);
    assert_eq!(pixel(&map, [255; 3]), [250, 240, 230]);
    // 51 / 255 = 0.2 of the line is 0.4 of the way from the first stop to the second.
    assert_eq!(pixel(&map, [51; 3]), [46, 12, 18]);
    let empty = Op::GradientMap {
        stops: vec![],
        amount: 1.0,
    };
    assert_eq!(pixel(&empty, [1, 2, 3]), [1, 2, 3]);
}

#[test]
fn surfaces_without_detail_stay_as_they_are() {
    let colour = [190, 120, 60];
    for op in [
        Op::Blur { radius: 3.0 },
        Op::Sharpen {
            radius: 2.0,
            amount: 3.0,
        },
        Op::Kuwahara { radius: 3.0 },
        Op::Mosaic { period: 4.0 },
        Op::Outline {
            radius: 1.0,
            gain: 4.0,
        },
    ] {
        assert_eq!(pixel(&op, colour), colour, "{op:?}");
    }
}

#[test]
fn lines_are_drawn_at_edges_only() {
    let xdog = Op::Xdog {
        radius: 1.0,
        edges: 10.0,
        threshold: 0.3,
        steepness: 10.0,
    };
    assert_eq!(pixel(&xdog, [190; 3]), [255; 3]);
    assert_eq!(
        pixel(
            &Op::Dodge {
                radius: 2.0,
                pressure: 3.0
            },
            [190; 3]
        ),
        [255; 3]
    );
    assert_eq!(
        pixel(
            &Op::Edges {
                radius: 1.0,
                gain: 9.0
            },
            [190; 3]
        ),
        [0; 3]
    );
    assert_eq!(
        pixel(
            &Op::ColourEdges {
                radius: 1.0,
                gain: 9.0
            },
            [190; 3]
        ),
        [0; 3]
    );
    let relief = Op::Emboss {
        radius: 1.0,
        gain: 2.0,
    };
    // Flat ground is 127.5, which rounds either way.
    assert!(matches!(pixel(&relief, [190; 3]), [127 | 128, ..]));

    let edge = step_edge(64);
    let edges = Op::Edges {
        radius: 0.0,
        gain: 1.0,
    }
    .apply(&edge);
    // Both pixels beside the step have its height, 170; those further off have none.
    let row: Vec<u8> = (30..34).map(|x| edges.get_pixel(x, 20).0[0]).collect();
    assert_eq!(row, [0, 170, 170, 0]);
    let drawn = xdog.apply(&edge);
    assert_eq!(drawn.get_pixel(63, 20).0, [255; 3]);
    assert!(drawn.get_pixel(31, 20).0[0] < 20);
}

#[test]
fn kuwahara_keeps_a_step_that_blur_softens() {
    let edge = step_edge(64);
    assert_eq!(Op::Kuwahara { radius: 3.0 }.apply(&edge), edge);
    assert_ne!(Op::Blur { radius: 3.0 }.apply(&edge), edge);
}

#[test]
fn blur_keeps_the_mean_of_what_lies_inside() {
    let mut dot = RgbImage::new(64, 64);
    for (x, y) in [(31, 31), (32, 31), (31, 32), (32, 32)] {
        dot.put_pixel(x, y, Rgb([255; 3]));
    }
    let blurred = Op::Blur { radius: 1.0 }.apply(&dot);
    let sum: u64 = blurred.pixels().map(|p| u64::from(p.0[0])).sum();
    assert!(sum.abs_diff(4 * 255) < 20, "{sum}");
    assert_eq!(blurred.get_pixel(30, 31), blurred.get_pixel(33, 31));
}

#[test]
fn mosaic_cells_hold_their_mean_and_grow_with_the_side() {
    let ramp = |side: u32| RgbImage::from_fn(side, side, |x, _| Rgb([x as u8; 3]));
    let op = Op::Mosaic { period: 4.0 };
    let small = op.apply(&ramp(64));
    let row: Vec<u8> = (0..9).map(|x| small.get_pixel(x, 0).0[0]).collect();
    // The mean of 0..4 is 1.5.
    assert_eq!(row, [2, 2, 2, 2, 6, 6, 6, 6, 10]);
    let large = op.apply(&ramp(128));
    assert!((0..8).all(|x| large.get_pixel(x, 7).0[0] == 4));
    assert_eq!(large.get_pixel(8, 0).0[0], 12);
}

#[test]
fn screens_have_their_period_and_keep_black_and_white() {
    for screen in [
        Screen::Dots,
        Screen::Diagonals,
        Screen::Rows,
        Screen::Hatching,
    ] {
        let op = Op::Halftone {
            screen,
            period: 8.0,
            steepness: 8.0,
        };
        let grey = op.apply(&RgbImage::from_pixel(64, 64, Rgb([110; 3])));
        let values: std::collections::BTreeSet<u8> = grey.pixels().map(|p| p.0[0]).collect();
        assert!(
            values.contains(&0) && values.contains(&255),
            "{screen:?}: {values:?}"
        );
        for (x, y, p) in grey.enumerate_pixels() {
            assert_eq!(p, grey.get_pixel(x % 8, y % 8), "{screen:?}");
        }
        let mean = |v: u8| {
            let image = op.apply(&RgbImage::from_pixel(64, 64, Rgb([v; 3])));
            image.pixels().map(|p| f64::from(p.0[0])).sum::<f64>() / 4096.0
        };
        assert!(mean(0) < 30.0 && mean(255) > 225.0, "{screen:?}");
        assert!(mean(60) < mean(110) && mean(110) < mean(180), "{screen:?}");
    }
}

#[test]
fn textures_have_their_period_and_darken() {
    for texture in [Texture::Scanlines, Texture::Weave, Texture::Stitches] {
        let op = Op::Texture {
            texture,
            period: 4.0,
            depth: 0.5,
        };
        let white = op.apply(&RgbImage::from_pixel(64, 64, Rgb([255; 3])));
        let values: Vec<u8> = white.pixels().map(|p| p.0[0]).collect();
        assert!(values.iter().all(|&v| v >= 127), "{texture:?}");
        assert!(
            values.iter().any(|&v| v < 160) && values.iter().any(|&v| v > 220),
            "{texture:?}"
        );
        for (x, y, p) in white.enumerate_pixels() {
            assert_eq!(p, white.get_pixel(x % 8, y % 8), "{texture:?}");
        }
    }
}

#[test]
fn a_vignette_darkens_the_corners_and_spares_the_centre() {
    let white = RgbImage::from_pixel(64, 64, Rgb([200; 3]));
    let dark = Op::Vignette { amount: 1.0 }.apply(&white);
    let at = |x, y| dark.get_pixel(x, y).0[0];
    assert_eq!((at(31, 31), at(32, 32)), (200, 200));
    assert!(at(0, 0) < 10 && at(63, 0) == at(0, 0) && at(0, 63) == at(0, 0));
    // Half of the squared distance of a corner, in the middle of an edge.
    assert!((95..110).contains(&at(0, 31)), "{}", at(0, 31));
}

#[test]
fn a_frame_covers_the_border_and_nothing_else() {
    let white = RgbImage::from_pixel(64, 64, Rgb([200; 3]));
    let colour = [10, 20, 30];
    let framed = Op::Frame { width: 4.0, colour }.apply(&white);
    for (x, y, pixel) in framed.enumerate_pixels() {
        let inside = (4..60).contains(&x) && (4..60).contains(&y);
        assert_eq!(pixel.0, if inside { [200; 3] } else { colour }, "{x}, {y}");
    }
}

#[test]
fn panes_have_bars_between_them() {
    let white = RgbImage::from_pixel(64, 64, Rgb([200; 3]));
    let glass = Op::Panes {
        period: 8.0,
        lead: 1.0,
    }
    .apply(&white);
    let column: Vec<u8> = (0..9).map(|y| glass.get_pixel(3, y).0[0]).collect();
    assert_eq!(column, [0, 200, 200, 200, 200, 200, 200, 200, 0]);
    // Every other row of panes is shifted by half a pane.
    assert_eq!(glass.get_pixel(8, 3).0[0], 0);
    assert_eq!(glass.get_pixel(8, 11).0[0], 200);
    assert_eq!(glass.get_pixel(4, 11).0[0], 0);
}

#[test]
fn invalid_parameters_do_not_panic() {
    let image = RgbImage::from_fn(9, 5, |x, y| Rgb([x as u8 * 20, y as u8 * 40, 7]));
    for v in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -3.0, 0.0, 1e30] {
        let colour = [1, 2, 3];
        let mut ops = vec![
            Op::Saturate { amount: v },
            Op::Levels {
                brightness: v,
                contrast: v,
            },
            Op::Gamma { gamma: [v; 3] },
            Op::Mix { rows: [[v; 3]; 3] },
            Op::Blend { colour, amount: v },
            Op::GradientMap {
                stops: vec![colour],
                amount: v,
            },
            Op::Posterise { levels: 0 },
            Op::Posterise { levels: u32::MAX },
            Op::Solarise { threshold: v },
            Op::Blur { radius: v },
            Op::Sharpen {
                radius: v,
                amount: v,
            },
            Op::Glow {
                radius: v,
                amount: v,
            },
            Op::Kuwahara { radius: v },
            Op::Dodge {
                radius: v,
                pressure: v,
            },
            Op::Xdog {
                radius: v,
                edges: v,
                threshold: v,
                steepness: v,
            },
            Op::Edges { radius: v, gain: v },
            Op::ColourEdges { radius: v, gain: v },
            Op::Outline { radius: v, gain: v },
            Op::Emboss { radius: v, gain: v },
            Op::Mosaic { period: v },
            Op::Panes { period: v, lead: v },
            Op::Vignette { amount: v },
            Op::Frame { width: v, colour },
        ];
        for screen in [
            Screen::Dots,
            Screen::Diagonals,
            Screen::Rows,
            Screen::Hatching,
        ] {
            ops.push(Op::Halftone {
                screen,
                period: v,
                steepness: v,
            });
        }
        for texture in [Texture::Scanlines, Texture::Weave, Texture::Stitches] {
            ops.push(Op::Texture {
                texture,
                period: v,
                depth: v,
            });
        }
        for op in ops {
            assert_eq!(op.apply(&image).dimensions(), (9, 5), "{op:?}");
        }
    }
}
