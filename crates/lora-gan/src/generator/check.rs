//! A forward pass that checks what it is given.

use burn::tensor::Tensor;

use super::hybrid::{Context, HybridGenerator, Mode};
use crate::error::Error;

impl HybridGenerator {
    /// [`HybridGenerator::forward`] that checks the shapes first: `[B, 3, H, W]` with H and W multiples
    /// of 8 of at least 16 (the network is convolutional, `image_size` is the size it was made for),
    /// tokens of `context_width`, a mask that fits them.
    ///
    /// # Errors
    /// [`Error::Input`] naming the tensor, its shape and what is needed.
    pub fn try_forward(
        &self,
        photo: Tensor<4>,
        context: Option<&Context>,
        mode: Mode,
    ) -> Result<Tensor<4>, Error> {
        self.check_input(&photo, context)?;
        Ok(self.forward(photo, context, mode))
    }

    /// The checks of [`HybridGenerator::try_forward`] alone, for the other passes.
    ///
    /// # Errors
    /// As there.
    pub fn check_input(&self, photo: &Tensor<4>, context: Option<&Context>) -> Result<(), Error> {
        let [batch, channels, height, width] = photo.dims();
        let size = self.config().image_size;
        let input = |what, found: &[usize], expected: String| {
            Err(Error::Input {
                what,
                expected,
                found: found.to_vec(),
            })
        };
        if batch == 0 || channels != 3 {
            let expected = format!("[B, 3, {size}, {size}], RGB");
            return input("photo", &photo.dims(), expected);
        }
        if [height, width]
            .iter()
            .any(|edge| *edge < 16 || !edge.is_multiple_of(8))
        {
            let expected = format!(
                "[B, 3, {size}, {size}], or other edges that are multiples of 8 from 16 on, \
                 as three stages halve them: resize or pad it"
            );
            return input("photo", &photo.dims(), expected);
        }
        let Some(context) = context else {
            return Ok(());
        };
        let [texts, len, text_width] = context.tokens.dims();
        let own = self.config().context_width;
        if (texts != 1 && texts != batch) || len == 0 || text_width != own {
            let expected = format!("[1 or {batch}, L, {own}]");
            return input("context tokens", &context.tokens.dims(), expected);
        }
        if context.mask.dims() != [texts, len] {
            let expected = format!("[{texts}, {len}], as the tokens have it,");
            return input("context mask", &context.mask.dims(), expected);
        }
        Ok(())
    }
}
