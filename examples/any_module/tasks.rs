//! Tasks in words: a question about the digit, what is done to the pictures, and how both are put.

use std::collections::BTreeSet;

use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::digits::Transform;
use crate::words::{Wordings, rules, template, transform};

/// What is new about a task that no adapter was trained for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Question and transform are known, but not together.
    Combination,
    /// The digits asked for are those of no training task.
    Rule,
    /// A new combination in words that no training task uses.
    Wording,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Combination, Self::Rule, Self::Wording];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Combination => "new combination",
            Self::Rule => "new digits",
            Self::Wording => "new wording",
        }
    }
}

/// A yes-or-no question about transformed pictures.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    /// Name in the zoo.
    pub name: String,
    /// The task in words.
    pub prompt: String,
    /// Whether the answer is yes, for each digit.
    pub yes: [bool; 10],
    pub transform: Transform,
    /// What is new about it, if it is not for training.
    pub kind: Option<Kind>,
}

/// The tasks of one seed.
pub(crate) struct Tasks {
    pub train: Vec<Task>,
    /// For choosing settings.
    pub validation: Vec<Task>,
    /// For the results.
    pub test: Vec<Task>,
}

/// A question about a digit.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub name: String,
    pub wordings: Wordings,
    pub yes: [bool; 10],
    /// Whether it is one of many of its form, so that it can be understood without having been trained.
    pub composed: bool,
}

type Pair = ([bool; 10], Transform);

struct Draw {
    rng: ChaCha8Rng,
    rules: Vec<Rule>,
    taken: BTreeSet<Pair>,
    /// Digits that no training task may ask for.
    hidden: BTreeSet<[bool; 10]>,
    /// Digits that a training task asks for.
    asked: BTreeSet<[bool; 10]>,
}

impl Tasks {
    /// Draws the test tasks first, `per_kind` of each kind, then half as many for validation, then `count` for training.
    pub(crate) fn draw(count: usize, per_kind: usize, seed: u64) -> Self {
        let mut draw = Draw {
            rng: ChaCha8Rng::seed_from_u64(seed),
            rules: rules(),
            taken: BTreeSet::new(),
            hidden: BTreeSet::new(),
            asked: BTreeSet::new(),
        };
        let mut unseen = |per_kind: usize, wording: usize| -> Vec<Task> {
            let kinds = Kind::ALL.iter().flat_map(|&kind| vec![kind; per_kind]);
            // Rules are hidden before other tasks can use them.
            let mut kinds: Vec<Kind> = kinds.collect();
            kinds.sort_by_key(|&kind| kind != Kind::Rule);
            (kinds.into_iter())
                .filter_map(|kind| draw.unseen(kind, wording))
                .collect()
        };
        let test = unseen(per_kind, 3);
        let validation = unseen(per_kind.div_ceil(2), 2);
        let train = (0..count).filter_map(|_| draw.train()).collect();
        Self {
            train,
            validation,
            test,
        }
    }
}

impl Draw {
    fn unseen(&mut self, kind: Kind, wording: usize) -> Option<Task> {
        // Digits of another unseen task are not hidden: what is new about that one would change.
        let used: BTreeSet<_> = self.taken.iter().map(|(yes, _)| *yes).collect();
        let new = |rule: &Rule| rule.composed && !used.contains(&rule.yes);
        let (rule, transform) = self.pick(|rule| kind != Kind::Rule || new(rule))?;
        if kind == Kind::Rule {
            self.hidden.insert(rule.yes);
        }
        let words = if kind == Kind::Wording {
            [wording; 3]
        } else {
            known(&mut self.rng)
        };
        Some(task(&rule, transform, words, Some(kind)))
    }

    /// A training task; every question that is not hidden comes once before any comes again.
    fn train(&mut self) -> Option<Task> {
        let asked = self.asked.clone();
        let (rule, transform) =
            (self.pick(|rule| !asked.contains(&rule.yes))).or_else(|| self.pick(|_| true))?;
        self.asked.insert(rule.yes);
        let words = known(&mut self.rng);
        Some(task(&rule, transform, words, None))
    }

    /// A rule and a transform that were not drawn together yet.
    fn pick(&mut self, fits: impl Fn(&Rule) -> bool) -> Option<(Rule, Transform)> {
        let mut free: Vec<(usize, Transform)> = Vec::new();
        for (number, rule) in self.rules.iter().enumerate() {
            let open = fits(rule) && !self.hidden.contains(&rule.yes);
            let transforms = Transform::ALL.into_iter().filter(|_| open);
            free.extend(
                transforms
                    .filter(|&t| !self.taken.contains(&(rule.yes, t)))
                    .map(|t| (number, t)),
            );
        }
        let &(number, transform) = free.choose(&mut self.rng)?;
        let rule = self.rules[number].clone();
        self.taken.insert((rule.yes, transform));
        Some((rule, transform))
    }
}

/// Wordings of training tasks: of the question, the transform and the sentence.
fn known(rng: &mut impl Rng) -> [usize; 3] {
    let mut words = [0, 1, 0, 1, 0, 1];
    words.shuffle(rng);
    [words[0], words[1], words[2]]
}

fn task(rule: &Rule, how: Transform, words: [usize; 3], kind: Option<Kind>) -> Task {
    let (name, asked) = (&rule.name, &rule.wordings[words[0]]);
    let shown = transform(how)[words[1]];
    Task {
        name: format!("{name}.{}", transform(how)[0].replace(' ', "-")),
        prompt: template(words[2])
            .replace("RULE", asked)
            .replace("PICTURES", shown),
        yes: rule.yes,
        transform: how,
        kind,
    }
}
