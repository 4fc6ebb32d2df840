//! The words of the tasks: two wordings for training, one for validation and one for the results.

use crate::digits::Transform;
use crate::tasks::Rule;

/// The two wordings of training tasks, then that of validation, then that of the results.
pub(crate) type Wordings = [String; 4];

const NUMBERS: [&str; 10] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
];

/// Words for a transform.
pub(crate) fn transform(transform: Transform) -> [&'static str; 4] {
    match transform {
        Transform::Plain => ["plain", "as written", "unchanged", "ordinary"],
        Transform::UpsideDown => [
            "upside down",
            "turned on the head",
            "rotated by half a turn",
            "standing on the head",
        ],
        Transform::Mirrored => [
            "mirrored",
            "left and right swapped",
            "reflected",
            "seen in a mirror",
        ],
        Transform::Inverted => [
            "inverted",
            "ink and paper swapped",
            "negative",
            "with inverted colours",
        ],
        Transform::Thin => [
            "thin strokes",
            "thin lines",
            "fine lines",
            "with a thin pen",
        ],
        Transform::Thick => ["thick strokes", "bold", "fat lines", "with a thick marker"],
        Transform::Left => [
            "shifted left",
            "moved to the left",
            "too far left",
            "pushed left",
        ],
        Transform::Down => [
            "shifted down",
            "moved to the bottom",
            "too low",
            "pushed downwards",
        ],
        Transform::Noisy => ["noisy", "with noise", "grainy", "with random noise"],
        Transform::Rotated => [
            "rotated",
            "turned by a quarter",
            "lying on the side",
            "rotated by ninety degrees",
        ],
        Transform::Faint => ["faint", "pale", "low contrast", "faded"],
    }
}

/// The sentence for a question (RULE) and a transform (PICTURES).
pub(crate) fn template(number: usize) -> &'static str {
    [
        "RULE, PICTURES",
        "PICTURES: RULE",
        "RULE in PICTURES pictures",
        "which PICTURES images show RULE",
    ][number]
}

/// All questions about a digit.
pub(crate) fn rules() -> Vec<Rule> {
    let mut all = named();
    for (n, word) in NUMBERS.iter().enumerate() {
        all.push(rule(
            format!("only-{n}"),
            [
                "only WORD",
                "the digit WORD",
                "just WORD",
                "the number WORD",
            ],
            word,
            |d| d == n,
        ));
        all.push(rule(
            format!("not-{n}"),
            [
                "all but WORD",
                "every digit except WORD",
                "anything but WORD",
                "no WORD",
            ],
            word,
            |d| d != n,
        ));
        if (1..=7).contains(&n) {
            let words = [
                "greater than WORD",
                "more than WORD",
                "above WORD",
                "larger than WORD",
            ];
            all.push(rule(format!("greater-{n}"), words, word, |d| d > n));
        }
        if (2..=8).contains(&n) {
            let words = [
                "less than WORD",
                "smaller than WORD",
                "below WORD",
                "under WORD",
            ];
            all.push(rule(format!("less-{n}"), words, word, |d| d < n));
        }
        for (m, second) in NUMBERS.iter().enumerate().skip(n + 1) {
            let words = [
                "digits WORD",
                "either WORD",
                "WORD together",
                "the numbers WORD",
            ];
            let both = format!("{word} and {second}");
            all.push(rule(format!("pair-{n}-{m}"), words, &both, |d| {
                d == n || d == m
            }));
            // A third digit that depends on the two, so that there are not too many triples.
            let k = (2 * m + n + 1) % 10;
            if k > m {
                let three = format!("{word}, {second} and {}", NUMBERS[k]);
                let name = format!("triple-{n}-{m}-{k}");
                all.push(rule(name, words, &three, |d| [n, m, k].contains(&d)));
            }
        }
    }
    all
}

fn named() -> Vec<Rule> {
    let mut rules = vec![
        rule(
            "odd".into(),
            ["odd digits", "odd against even", "odd ones", "odd numbers"],
            "",
            |d| d % 2 == 1,
        ),
        rule(
            "even".into(),
            [
                "even digits",
                "even against odd",
                "even ones",
                "even numbers",
            ],
            "",
            |d| d % 2 == 0,
        ),
        rule(
            "prime".into(),
            [
                "prime digits",
                "prime against not",
                "primes",
                "prime numbers",
            ],
            "",
            |d| [2, 3, 5, 7].contains(&d),
        ),
        rule(
            "threefold".into(),
            [
                "multiples of three",
                "divisible by three",
                "three times a number",
                "the table of three",
            ],
            "",
            |d| d % 3 == 0,
        ),
        rule(
            "loops".into(),
            [
                "digits with a closed loop",
                "with a hole",
                "closed loops",
                "shapes with a hole",
            ],
            "",
            |d| [0, 6, 8, 9].contains(&d),
        ),
        rule(
            "square".into(),
            [
                "square numbers",
                "perfect squares",
                "squares",
                "the squares",
            ],
            "",
            |d| [0, 1, 4, 9].contains(&d),
        ),
    ];
    for rule in &mut rules {
        rule.composed = false;
    }
    rules
}

fn rule(name: String, words: [&str; 4], word: &str, yes: impl Fn(usize) -> bool) -> Rule {
    Rule {
        name,
        wordings: words.map(|wording| wording.replace("WORD", word)),
        yes: std::array::from_fn(yes),
        composed: true,
    }
}
