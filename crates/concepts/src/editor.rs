use image::RgbImage;

use crate::{Concept, Error, art_concepts, suggest};

/// Something that edits a photo as a prompt says.
///
/// [`ClassicalEditor`] is this crate's; the crate `image-editors` has diffusion models behind servers. The trait is
/// object-safe, and an editor of your own reports its failures as [`Error::Editor`].
pub trait ImageEditor {
    /// A short name for reports and file names.
    fn name(&self) -> &str;

    /// Edits `photo` [height, width, RGB]; the result has the same dimensions. Editors that draw random numbers draw them
    /// from `seed`; the others ignore it.
    ///
    /// # Errors
    /// Returns an error if the editor does not know the prompt, or fails.
    fn edit(&self, photo: &RgbImage, prompt: &str, seed: u64) -> Result<RgbImage, Error>;

    /// Everything else that decides the result (model, steps, strength, ...), for the record that is kept beside an edit.
    /// An edit whose record has other parameters is made again. No secrets: this is written to files.
    fn parameters(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
}

/// Looks the prompt up in a list of concepts and applies that concept's filters.
///
/// ```
/// use concepts::{ClassicalEditor, ImageEditor};
///
/// let photo = image::RgbImage::from_pixel(64, 64, image::Rgb([200, 120, 40]));
/// let editor: Box<dyn ImageEditor> = Box::new(ClassicalEditor::default());
/// let fog = editor.edit(&photo, "Green fog", 0)?;
/// assert_eq!(fog.dimensions(), (64, 64));
///
/// let error = editor.edit(&photo, "gren fog", 0).unwrap_err();
/// assert!(error.to_string().contains("green fog"));
/// # Ok::<(), concepts::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ClassicalEditor {
    concepts: Vec<Concept>,
}

impl ClassicalEditor {
    /// An editor that knows the prompts of `concepts`. If two are equal, the first one counts.
    pub fn new(concepts: Vec<Concept>) -> Self {
        Self { concepts }
    }
}

impl Default for ClassicalEditor {
    /// An editor that knows [`art_concepts`].
    fn default() -> Self {
        Self::new(art_concepts())
    }
}

impl ImageEditor for ClassicalEditor {
    fn name(&self) -> &str {
        "classical"
    }

    /// The prompt may differ from the concept's in letter case and surrounding space. `seed` is ignored.
    ///
    /// # Errors
    /// Returns [`Error::UnknownPrompt`] with up to three similar prompts.
    fn edit(&self, photo: &RgbImage, prompt: &str, _seed: u64) -> Result<RgbImage, Error> {
        let wanted = prompt.trim().to_lowercase();
        self.concepts
            .iter()
            .find(|concept| concept.prompt.to_lowercase() == wanted)
            .map(|concept| concept.apply(photo))
            .ok_or_else(|| Error::UnknownPrompt {
                prompt: prompt.to_owned(),
                suggestions: suggest::nearest(
                    prompt,
                    self.concepts.iter().map(|concept| concept.prompt.as_str()),
                ),
            })
    }
}
