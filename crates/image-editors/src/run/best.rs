use std::collections::BTreeMap;

use concepts::Pair;
use image::RgbImage;

use super::choice::{Choice, ChosenEdit, EditorScore};
use super::record::EditRecord;
use super::sheet;
use super::task::{EditConcept, NamedImage};
use crate::Error;
use crate::quality::QualityScore;

/// The best edits for a concept.
#[derive(Debug, Clone)]
pub struct BestEdits {
    /// The concept's name.
    pub concept: String,
    /// The score's name.
    pub score: String,
    /// All editors, best first: with [`Choice::PerImage`] by the number of photos for which they were chosen.
    pub ranking: Vec<EditorScore>,
    /// Which editor's edit was chosen for each photo, in the order of [`pairs`](Self::pairs).
    pub chosen: Vec<ChosenEdit>,
    pairs: Vec<Pair>,
    /// For each photo: the photo, the chosen edit, then each editor's edit in the order of `ranking`.
    rows: Vec<Vec<Option<RgbImage>>>,
}

impl BestEdits {
    /// The photos with the chosen edits.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// A contact sheet with a row for each of the first `rows` photos: the photo on the left, then the chosen edit, then
    /// all editors' edits in the order of [`ranking`](Self::ranking). Tiles have `tile` × `tile` pixels.
    ///
    /// # Errors
    /// Returns [`Error::SheetSize`] if the sheet would have no pixels, or more than 16,384 a side.
    pub fn sheet(&self, rows: usize, tile: usize) -> Result<RgbImage, Error> {
        let rows: Vec<Vec<Option<&RgbImage>>> = self
            .rows
            .iter()
            .take(rows)
            .map(|row| row.iter().map(Option::as_ref).collect())
            .collect();
        sheet::contact_sheet(&rows, tile)
    }

    /// Adds the photo at `index` with the edit of `winner` and, for the sheet, all its edits.
    fn add(
        &mut self,
        photo: &NamedImage,
        index: usize,
        winner: Option<&String>,
        editors: &BTreeMap<String, Scored>,
    ) {
        let edit = |editor: &str| editors.get(editor)?.get(&index);
        let tiles = self.ranking.iter().map(|place| edit(&place.editor));
        let tiles: Vec<Option<RgbImage>> = tiles.map(|tile| Some(tile?.0.clone())).collect();
        if tiles.iter().all(Option::is_none) {
            return;
        }
        let best = winner.and_then(|editor| Some((editor, edit(editor)?)));
        let target = best.map(|(_, (target, _))| target.clone());
        let first = [Some(photo.image.clone()), target.clone()];
        self.rows.push(first.into_iter().chain(tiles).collect());
        if let (Some((editor, (_, score))), Some(target)) = (best, target) {
            self.chosen.push(ChosenEdit {
                photo: photo.name.clone(),
                editor: editor.clone(),
                score: *score,
            });
            self.pairs.push(Pair {
                name: photo.name.clone(),
                input: photo.image.clone(),
                target,
            });
        }
    }
}

/// An editor's edits with their scores, by the index of the photo.
type Scored = BTreeMap<usize, (RgbImage, f64)>;

/// Chooses among `edits`: (record, index of the photo, pixels).
pub(super) fn choose(
    concept: &EditConcept,
    edits: Vec<(EditRecord, usize, RgbImage)>,
    photos: &[NamedImage],
    score: &dyn QualityScore,
    choice: Choice,
) -> Result<BestEdits, Error> {
    let editors = score_edits(concept, edits, photos, score)?;
    let mut ranking = rank(&editors);
    let winners = winners(&editors, &ranking, photos.len(), choice);
    for place in &mut ranking {
        place.chosen = winners.values().filter(|won| **won == place.editor).count();
    }
    if choice == Choice::PerImage {
        // Stable: equal numbers stay in the order of their means.
        ranking.sort_by_key(|place| std::cmp::Reverse(place.chosen));
    }
    let mut best = BestEdits {
        concept: concept.name.clone(),
        score: score.name().to_owned(),
        ranking,
        chosen: Vec::new(),
        pairs: Vec::new(),
        rows: Vec::new(),
    };
    for (index, photo) in photos.iter().enumerate() {
        best.add(photo, index, winners.get(&index), &editors);
    }
    Ok(best)
}

fn score_edits(
    concept: &EditConcept,
    edits: Vec<(EditRecord, usize, RgbImage)>,
    photos: &[NamedImage],
    score: &dyn QualityScore,
) -> Result<BTreeMap<String, Scored>, Error> {
    let mut editors: BTreeMap<String, Scored> = BTreeMap::new();
    for (record, photo, edited) in edits {
        let value = score.score(&photos[photo].image, &edited, &concept.prompt)?;
        if !value.is_finite() {
            return Err(Error::NonFiniteScore {
                score: score.name().to_owned(),
                value,
                photo: record.photo,
            });
        }
        editors
            .entry(record.editor)
            .or_default()
            .insert(photo, (edited, value));
    }
    Ok(editors)
}

/// The editors by their mean scores, best first.
fn rank(editors: &BTreeMap<String, Scored>) -> Vec<EditorScore> {
    let mut ranking: Vec<EditorScore> = editors
        .iter()
        .map(|(editor, edits)| EditorScore {
            editor: editor.clone(),
            photos: edits.len(),
            chosen: 0,
            mean: edits.values().map(|(_, value)| value).sum::<f64>() / edits.len() as f64,
        })
        .collect();
    // An editor that failed for some photos would leave the concept short of pairs, and may have been spared the hard
    // ones: it ranks below those that edited more.
    ranking.sort_by(|a, b| {
        b.photos
            .cmp(&a.photos)
            .then(b.mean.total_cmp(&a.mean))
            .then(a.editor.cmp(&b.editor))
    });
    ranking
}

/// The editor whose edit is chosen, by the index of the photo. Of equal scores, that of the editor with the better mean.
fn winners(
    editors: &BTreeMap<String, Scored>,
    ranking: &[EditorScore],
    photos: usize,
    choice: Choice,
) -> BTreeMap<usize, String> {
    let candidates = match choice {
        Choice::PerImage => ranking,
        Choice::PerConcept => &ranking[..ranking.len().min(1)],
    };
    let score = |place: &EditorScore, photo: usize| {
        let (_, score) = editors.get(&place.editor)?.get(&photo)?;
        Some(*score)
    };
    let winner = |photo: usize| {
        let scored = candidates
            .iter()
            .filter_map(|place| Some((place, score(place, photo)?)));
        let best = scored.reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map(|(place, _)| (photo, place.editor.clone()))
    };
    (0..photos).filter_map(winner).collect()
}
