//! The generator's forward pass.

use burn::module::Param;
use burn::tensor::activation::tanh;
use burn::tensor::{Bool, Tensor, TensorData};
use encoded_text::{EncodedPrompt, TextCondition};

use super::config::NoiseInput;
use super::hybrid::{HybridGenerator, ResBlock};
use crate::error::Error;
use crate::layers::{Run, Weights};
use crate::pass::Pass;

impl HybridGenerator {
    /// Translates photos `[B, 3, H, W]` in −1..1 by the base and its adapter; the output has the same shape and range.
    ///
    /// H and W are multiples of 8 of at least 16; the network is convolutional, and `image_size` is the size that it
    /// was made for. Without a text, the tokens of [`HybridGenerator::with_prompt`], else the learned null tokens (or, if
    /// there are none, a zero token) take its place.
    ///
    /// The base's running statistics are constants, folded into the convolutions. [`Pass::Train`] draws the
    /// configuration's noise z and, on an autodiff device, LoRA's dropout; [`Pass::Eval`] uses neither.
    ///
    /// # Errors
    /// Returns [`Error::Input`] if the photo's shape or the text's does not fit.
    pub fn forward(
        &self,
        photo: Tensor<4>,
        text: Option<&TextCondition>,
        pass: Pass,
    ) -> Result<Tensor<4>, Error> {
        self.check_input(&photo, text)?;
        Ok(self.run(photo, text, &mut Run::new(Weights::Adapted, pass)))
    }

    /// Translates photos like [`HybridGenerator::forward`], but by the base alone, without its adapter.
    ///
    /// [`Pass::Train`] is a pass of pretraining: on an autodiff device the batch norms use the batch's statistics and
    /// update the running ones. [`Pass::Eval`] uses the running ones.
    ///
    /// # Errors
    /// Those of [`HybridGenerator::forward`].
    pub fn forward_base(
        &self,
        photo: Tensor<4>,
        text: Option<&TextCondition>,
        pass: Pass,
    ) -> Result<Tensor<4>, Error> {
        self.check_input(&photo, text)?;
        Ok(self.run(photo, text, &mut Run::new(Weights::Base, pass)))
    }

    /// The network for one prompt T: a pass without a text reads its tokens, as G(x, z, T) of the paper's Eq. 4 does. They
    /// are constants of the network in place of the null tokens, or of an earlier prompt's; an empty prompt leaves the
    /// tokens as they are.
    ///
    /// # Errors
    /// Returns [`Error::Input`] if the tokens are not as wide as the configuration's context.
    pub fn with_prompt(mut self, prompt: &EncodedPrompt) -> Result<Self, Error> {
        let width = self.config().context_width;
        if prompt.check_width(width).is_err() {
            return Err(Error::Input {
                what: "prompt",
                expected: format!("{} tokens that are {width} wide", prompt.len),
                found: vec![prompt.len, prompt.tokens.len() / prompt.len.max(1)],
            });
        }
        if prompt.len == 0 {
            return Ok(self);
        }
        let tokens = TensorData::new(prompt.tokens.clone(), [prompt.len, width]);
        let device = self.stem.weight.val().device();
        let tokens = Param::from_tensor(Tensor::from_data(tokens, &device));
        self.null_context = Some(tokens.set_require_grad(false));
        self.config_mut().null_tokens = prompt.len;
        Ok(self)
    }

    fn run(&self, photo: Tensor<4>, text: Option<&TextCondition>, run: &mut Run) -> Tensor<4> {
        let (tokens, mask) = self.text(text, &photo);
        let (photo, dropout) = self.with_noise(photo, run);
        let x = self.stem.forward(photo, run);
        let x = self.down1.forward(x, run);
        let x = self.down2.forward(x, run);
        let x = self.res1.forward(x, dropout, run);
        let x = self.res2.forward(x, dropout, run);
        let y = self.down3.forward(x.clone(), run);
        let y = self.transformer.forward(y, tokens, mask, run);
        let y = self.up3.forward(y, run);
        let x = if self.config().bottleneck_skip {
            x + y
        } else {
            y
        };
        let x = self.res3.forward(x, dropout, run);
        let x = self.up2.forward(x, run);
        let x = self.up1.forward(x, run);
        tanh(self.head.forward(x, run))
    }

    /// The tokens that the cross-attention reads.
    fn text(
        &self,
        text: Option<&TextCondition>,
        photo: &Tensor<4>,
    ) -> (Tensor<3>, Option<Tensor<2, Bool>>) {
        match (text, &self.null_context) {
            (Some(text), _) => (text.tokens.clone(), Some(text.mask.clone())),
            (None, Some(null)) => (null.val().unsqueeze(), None),
            (None, None) => {
                let shape = [1, 1, self.config().context_width];
                (Tensor::zeros(shape, &photo.device()), None)
            }
        }
    }

    /// The stem's input, and the dropout in the ResBlocks.
    fn with_noise(&self, photo: Tensor<4>, run: &mut Run) -> (Tensor<4>, f64) {
        match self.config().noise {
            NoiseInput::None => (photo, 0.0),
            NoiseInput::Dropout { p } => (photo, p),
            NoiseInput::Channel => {
                let [batch, _, height, width] = photo.dims();
                let z = run.noise_channel([batch, 1, height, width], &photo.device());
                (Tensor::cat(vec![photo, z], 1), 0.0)
            }
        }
    }

    /// Checks that a pass takes these photos, and this text with them.
    ///
    /// # Errors
    /// Returns [`Error::Input`] if the photo's shape or the text's does not fit.
    pub fn check_input(
        &self,
        photo: &Tensor<4>,
        text: Option<&TextCondition>,
    ) -> Result<(), Error> {
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
            let expected = format!("[B, 3, {size}, {size}] (RGB)");
            return input("photo", &photo.dims(), expected);
        }
        let fits = |edge: usize| edge >= 16 && edge.is_multiple_of(8);
        if !fits(height) || !fits(width) {
            let expected = format!(
                "[B, 3, {size}, {size}], or another height and width that are multiples of 8 and at least 16; resize \
                 or pad it"
            );
            return input("photo", &photo.dims(), expected);
        }
        let Some(text) = text else {
            return Ok(());
        };
        let [texts, len, text_width] = text.tokens.dims();
        let own = self.config().context_width;
        if (texts != 1 && texts != batch) || len == 0 || text_width != own {
            let expected = format!("[1 or {batch}, L, {own}]");
            return input("text tokens", &text.tokens.dims(), expected);
        }
        if text.mask.dims() != [texts, len] {
            let expected = format!("[{texts}, {len}], like the tokens");
            return input("text mask", &text.mask.dims(), expected);
        }
        Ok(())
    }
}

impl ResBlock {
    fn forward(&self, x: Tensor<4>, dropout: f64, run: &mut Run) -> Tensor<4> {
        let y = self.conv1.forward(x.clone(), run);
        let y = run.drop(&y, dropout).unwrap_or(y);
        x + self.conv2.forward(y, run)
    }
}
