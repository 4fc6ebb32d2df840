use std::collections::BTreeMap;

use concepts::Pair;
use image::RgbImage;
use serde::Serialize;

use super::record::EditRecord;
use super::sheet;
use super::task::{EditConcept, NamedImage};
use crate::Error;
use crate::quality::QualityScore;

/// An editor's mean score over a concept's photos.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EditorScore {
    /// The editor.
    pub editor: String,
    /// Photos that it edited.
    pub photos: usize,
    /// The mean score.
    pub mean: f64,
}

/// The edits of the best editor for a concept.
#[derive(Debug, Clone)]
pub struct BestEdits {
    /// The concept's name.
    pub concept: String,
    /// The editor that won.
    pub editor: String,
    /// The score's name.
    pub score: String,
    /// All editors, best first.
    pub ranking: Vec<EditorScore>,
    pairs: Vec<Pair>,
    /// For each photo: the photo, then each editor's edit in the order of `ranking`.
    rows: Vec<Vec<Option<RgbImage>>>,
}

impl BestEdits {
    /// The photos with the winner's edits.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// A contact sheet with a row for each of the first `rows` photos: the photo on the left, then the edits in the order of
    /// [`ranking`](Self::ranking), so that the winner's are next to the photos. Tiles have `tile` × `tile` pixels.
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
}

/// An editor's edits with their scores, by the index of the photo.
type Scored = BTreeMap<usize, (RgbImage, f64)>;

/// Chooses among `edits`: (record, index of the photo, pixels).
pub(super) fn choose(
    concept: &EditConcept,
    edits: Vec<(EditRecord, usize, RgbImage)>,
    photos: &[NamedImage],
    score: &dyn QualityScore,
) -> Result<BestEdits, Error> {
    let mut editors = score_edits(concept, edits, photos, score)?;
    let ranking = rank(&editors);
    let winner = ranking
        .first()
        .map(|best| best.editor.clone())
        .unwrap_or_default();
    let rows = rows(photos, &ranking, &editors);
    let pairs = editors
        .remove(&winner)
        .unwrap_or_default()
        .into_iter()
        .map(|(index, (target, _))| Pair {
            name: photos[index].name.clone(),
            input: photos[index].image.clone(),
            target,
        })
        .collect();
    Ok(BestEdits {
        concept: concept.name.clone(),
        editor: winner,
        score: score.name().to_owned(),
        ranking,
        pairs,
        rows,
    })
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

/// The editors, best first.
fn rank(editors: &BTreeMap<String, Scored>) -> Vec<EditorScore> {
    let mut ranking: Vec<EditorScore> = editors
        .iter()
        .map(|(editor, edits)| EditorScore {
            editor: editor.clone(),
            photos: edits.len(),
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

/// The rows of the contact sheet: each photo that has an edit, then its edits in the order of `ranking`.
fn rows(
    photos: &[NamedImage],
    ranking: &[EditorScore],
    editors: &BTreeMap<String, Scored>,
) -> Vec<Vec<Option<RgbImage>>> {
    photos
        .iter()
        .enumerate()
        .filter(|(index, _)| editors.values().any(|edits| edits.contains_key(index)))
        .map(|(index, photo)| {
            let edits = ranking.iter().map(|place| {
                let (edited, _) = editors.get(&place.editor)?.get(&index)?;
                Some(edited.clone())
            });
            std::iter::once(Some(photo.image.clone()))
                .chain(edits)
                .collect()
        })
        .collect()
}
