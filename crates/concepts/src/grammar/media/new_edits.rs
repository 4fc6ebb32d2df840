//! Media whose filters are part of no edit of the training region: relief, panes, solarisation and diagonal screens.

use super::{Kind, Medium, NEITHER, SIZE, WEIGHT, levels, medium, screened};
use crate::ops::{Op, Screen};

pub(super) const NEW_EDITS: &[Medium] = &[
    medium(
        &["stone relief", "carved relief", "relief in stone"],
        Kind::OnPaper,
        WEIGHT,
        |hand| {
            vec![Op::Emboss {
                radius: 0.7,
                gain: 1.2 * hand.weight,
            }]
        },
    ),
    medium(
        &["stained glass", "leaded window", "stained glass window"],
        Kind::Coloured,
        SIZE,
        |hand| {
            vec![
                Op::Saturate { amount: 2.2 },
                levels(0.05, 1.4),
                Op::Panes {
                    period: 7.0 * hand.size,
                    lead: 0.9,
                },
            ]
        },
    ),
    medium(
        &["solarised photograph", "solarisation", "solarised picture"],
        Kind::Coloured,
        NEITHER,
        |_| {
            vec![
                levels(0.1, 1.2),
                Op::Solarise { threshold: 0.5 },
                levels(0.25, 2.0),
            ]
        },
    ),
    medium(
        &[
            "diagonal line print",
            "print in slanted lines",
            "slanted line screen",
        ],
        Kind::OnPaper,
        SIZE,
        |hand| screened(Screen::Diagonals, 5.0 * hand.size, 3.0, 0.8),
    ),
];
