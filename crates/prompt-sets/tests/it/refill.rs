//! What filters remove is replaced: in a bounded number of rounds, resumably, within the budget.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use prompt_sets::chat::{ChatModel, ChatReply, ChatRequest};
use prompt_sets::generate::{
    Budget, Generator, GeneratorSettings, Journal, Price, Refill, Stop, Templates,
};
use prompt_sets::screen::{Dropped, Reason};
use prompt_sets::{Category, Error, PromptSet};

const WORDS: [&str; 24] = [
    "etching",
    "mosaic",
    "lantern",
    "fresco",
    "tapestry",
    "engraving",
    "wizard",
    "sailor",
    "knight",
    "robot",
    "dancer",
    "pirate",
    "baker",
    "miller",
    "tailor",
    "potter",
    "weaver",
    "hunter",
    "farmer",
    "miner",
    "singer",
    "runner",
    "rider",
    "painter",
];

/// Answers with words that the question does not name, each in `ways` wordings of the same meaning.
struct Model {
    ways: usize,
    words: usize,
    asked: Mutex<Vec<ChatRequest>>,
    /// The number of requests after which it fails.
    lives: AtomicUsize,
}

impl Model {
    fn new(words: usize, ways: usize) -> Self {
        Self {
            ways,
            words,
            asked: Mutex::default(),
            lives: AtomicUsize::new(usize::MAX),
        }
    }

    fn requests(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl ChatModel for Model {
    fn name(&self) -> &str {
        "wordy"
    }

    fn complete(&self, request: &ChatRequest) -> Result<ChatReply, Error> {
        if self.requests() >= self.lives.load(Ordering::Relaxed) {
            return Err(Error::Model {
                model: "wordy".to_owned(),
                unanswered: 0,
                source: "it is gone".into(),
            });
        }
        self.asked.lock().unwrap().push(request.clone());
        let ways = ["plain", "simple", "mere", "bare"];
        let fresh = WORDS[..self.words]
            .iter()
            .flat_map(|word| {
                ways[..self.ways]
                    .iter()
                    .map(move |way| format!("{way} {word}"))
            })
            .filter(|text| !request.user.contains(text.as_str()))
            .take(6);
        Ok(ChatReply {
            text: fresh.collect::<Vec<_>>().join("\n"),
            prompt_tokens: Some(10),
            completion_tokens: Some(10),
            ..ChatReply::default()
        })
    }
}

/// The last word is the meaning.
fn near(set: &mut PromptSet) -> Result<Vec<Dropped>, Error> {
    let embed = |texts: &[&str]| {
        let vector = |text: &&str| {
            let word = text.split(' ').next_back().unwrap();
            let index = WORDS.iter().position(|w| *w == word).unwrap();
            (0..WORDS.len()).map(|i| f32::from(i == index)).collect()
        };
        Ok(texts.iter().map(vector).collect())
    };
    set.drop_near(&embed, 0.95)
}

struct Run {
    set: PromptSet,
    refill: Refill,
    stop: Stop,
    dropped: Vec<Dropped>,
}

fn run(
    model: &Model,
    path: &Path,
    count: usize,
    rounds: usize,
    budget: Budget,
) -> Result<Run, Error> {
    let (journal, templates) = (Journal::open(path)?, Templates::default());
    let generator = Generator::new(
        model,
        &templates,
        &journal,
        budget,
        GeneratorSettings::default(),
    );
    let (mut set, mut refill) = (PromptSet::default(), Refill::new(rounds));
    let wanted = [(Category::Character, count)];
    let outcome = generator.concepts_until(&mut set, &wanted, &mut refill, &mut near, &|_| {})?;
    assert_eq!(outcome.added, set.concepts.len());
    Ok(Run {
        set,
        refill,
        stop: outcome.stop,
        dropped: outcome.dropped,
    })
}

fn distinct(set: &PromptSet) -> usize {
    let words: HashSet<&str> = set
        .concepts
        .iter()
        .map(|c| c.text.split(' ').next_back().unwrap())
        .collect();
    words.len()
}

#[test]
fn removed_concepts_are_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let model = Model::new(24, 2);
    let done = run(&model, &dir.path().join("a"), 12, 5, Budget::default()).unwrap();
    assert_eq!((done.stop, done.set.concepts.len()), (Stop::Complete, 12));
    assert_eq!(distinct(&done.set), 12, "no meaning twice");
    assert!((1..=5).contains(&done.refill.rounds()));
    let near = done
        .dropped
        .iter()
        .filter(|d| d.reason == Reason::NearDuplicate);
    assert!(near.count() >= 6);
    let asked = model.asked.lock().unwrap();
    let questions: HashSet<String> = asked
        .iter()
        .map(|r| format!("{}{}", r.user, r.seed))
        .collect();
    assert_eq!(questions.len(), asked.len(), "no question twice");
    // The later questions name what was refused.
    assert!(asked.last().unwrap().user.contains("simple etching"));
}

#[test]
fn rounds_are_bounded_and_the_shortfall_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = [(Category::Character, 20)];
    let mut have = Vec::new();
    for rounds in 0..3 {
        let model = Model::new(24, 4);
        let path = dir.path().join(rounds.to_string());
        let done = run(&model, &path, 20, rounds, Budget::default()).unwrap();
        assert_eq!((done.stop, done.refill.rounds()), (Stop::Rounds, rounds));
        let short = &done.refill.shortfalls(&done.set, &wanted)[0];
        assert_eq!(
            (short.have, short.stop),
            (done.set.concepts.len(), Stop::Rounds)
        );
        let text = short.to_string();
        let missing = format!(
            "character: {} of 20 concepts, {} missing",
            short.have,
            20 - short.have
        );
        assert!(text.starts_with(&missing), "{text}");
        assert!(text.contains(&format!("in {rounds} rounds")), "{text}");
        assert!(text.contains("near-duplicate"), "{text}");
        have.push(short.have);
    }
    assert!(have[0] < have[1] && have[1] < have[2], "{have:?}");
    // With enough rounds it is complete.
    let model = Model::new(24, 4);
    let done = run(
        &model,
        &dir.path().join("enough"),
        20,
        50,
        Budget::default(),
    )
    .unwrap();
    assert_eq!((done.stop, distinct(&done.set)), (Stop::Complete, 20));
    assert!(done.refill.shortfalls(&done.set, &wanted).is_empty());
}

#[test]
fn a_model_without_new_answers_is_not_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    let model = Model::new(5, 1);
    let done = run(&model, &dir.path().join("a"), 12, 5, Budget::default()).unwrap();
    assert_eq!((done.stop, done.set.concepts.len()), (Stop::Dry, 5));
    // Three questions without a new answer, and no further rounds.
    assert_eq!((model.requests(), done.refill.rounds()), (4, 0));
    let wanted = [(Category::Character, 12)];
    let text = done.refill.shortfalls(&done.set, &wanted)[0].to_string();
    assert!(
        text.contains("7 missing: the model had nothing new to say"),
        "{text}"
    );
}

#[test]
fn interrupted_rounds_resume_and_nothing_is_asked_twice() {
    let dir = tempfile::tempdir().unwrap();
    let whole_model = Model::new(24, 3);
    let whole = run(
        &whole_model,
        &dir.path().join("whole"),
        15,
        20,
        Budget::default(),
    )
    .unwrap();
    assert_eq!(whole.stop, Stop::Complete);
    assert!(whole.refill.rounds() >= 2);

    let (model, path) = (Model::new(24, 3), dir.path().join("broken"));
    for lives in 1..whole_model.requests() {
        model.lives.store(lives, Ordering::Relaxed);
        let Err(error) = run(&model, &path, 15, 20, Budget::default()) else {
            panic!("{lives} requests were enough");
        };
        assert!(error.to_string().contains("is gone"));
    }
    model.lives.store(usize::MAX, Ordering::Relaxed);
    let resumed = run(&model, &path, 15, 20, Budget::default()).unwrap();
    assert_eq!(resumed.set, whole.set);
    assert_eq!(resumed.refill.rounds(), whole.refill.rounds());
    assert_eq!(model.requests(), whole_model.requests());
    assert_eq!(
        *model.asked.lock().unwrap(),
        *whole_model.asked.lock().unwrap()
    );
    // Once more: every answer is in the journal.
    run(&model, &path, 15, 20, Budget::default()).unwrap();
    assert_eq!(model.requests(), whole_model.requests());
}

#[test]
fn the_budget_ends_the_rounds() {
    let dir = tempfile::tempdir().unwrap();
    let (model, path) = (Model::new(24, 4), dir.path().join("a"));
    let most = |max_requests, max_cost| Budget {
        price: Price {
            prompt: 0.0,
            completion: 10.0,
        },
        max_cost,
        max_requests,
        ..Budget::default()
    };
    for _ in 0..2 {
        let done = run(&model, &path, 20, 50, most(Some(3), None)).unwrap();
        assert_eq!((done.stop, model.requests()), (Stop::Budget, 3));
        // The last answer is filtered as well.
        assert_eq!(distinct(&done.set), done.set.concepts.len());
        let wanted = [(Category::Character, 20)];
        let text = done.refill.shortfalls(&done.set, &wanted)[0].to_string();
        assert!(text.contains("budget is used up"), "{text}");
    }
    // An answer may cost 0.01024 and costs 0.0001: one more fits, not two.
    let spent = 3.0 * 0.0001;
    let done = run(&model, &path, 20, 50, most(None, Some(spent + 0.01025))).unwrap();
    assert_eq!((done.stop, model.requests()), (Stop::Budget, 4));
}
