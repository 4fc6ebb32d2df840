//! A loss on the edits made with predicted weights.

use std::fmt;
use std::thread::ScopedJoinHandle;

use finetune::{AdapterLoss, PairSet};
use weight_blocks::Layout;
use weight_diffusion::NetworkLoss;
use weight_diffusion::encoded_text::TextCondition;
use weight_diffusion::train::LossError;

use crate::error::Result;

/// What the adapter for one text is judged on.
pub struct JudgedOn {
    /// Photos and targets.
    pub pairs: PairSet,
    /// The prompt, if the generator reads it.
    pub text: Option<TextCondition>,
}

/// Without the images and the tokens.
impl fmt::Debug for JudgedOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JudgedOn")
            .field("pairs", &self.pairs.len())
            .field("text", &self.text.is_some())
            .finish_non_exhaustive()
    }
}

/// Draws what the adapter for a text of the step is judged on; must depend on its arguments alone, so that a resumed run
/// repeats.
pub type DrawPairs<'a> = dyn FnMut(u64, usize) -> Result<JudgedOn> + 'a;

/// The loss of the edits made with predicted adapters (Eq. 4 or its L1 term), and its gradient with respect to each adapter
/// weight.
pub struct EditLoss<'a> {
    losses: Vec<AdapterLoss>,
    layout: Layout,
    draw: Box<DrawPairs<'a>>,
}

/// Without the networks.
impl fmt::Debug for EditLoss<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EditLoss")
            .field("losses", &self.losses.len())
            .finish_non_exhaustive()
    }
}

impl<'a> EditLoss<'a> {
    /// One of `losses` for each network of a step, each on a thread of its own; `layout` is the weight generator's.
    pub fn new(
        losses: Vec<AdapterLoss>,
        layout: Layout,
        draw: impl FnMut(u64, usize) -> Result<JudgedOn> + 'a,
    ) -> Self {
        Self {
            losses,
            layout,
            draw: Box::new(draw),
        }
    }
}

impl NetworkLoss for EditLoss<'_> {
    fn values_and_gradients(
        &mut self,
        step: u64,
        texts: &[usize],
        weights: &[Vec<f32>],
    ) -> Result<Vec<(f64, Vec<f32>)>, LossError> {
        if weights.len() > self.losses.len() {
            let (networks, losses) = (weights.len(), self.losses.len());
            return Err(format!("{networks} networks for {losses} losses").into());
        }
        let pairs = texts
            .iter()
            .map(|&text| (self.draw)(step, text))
            .collect::<Result<Vec<_>>>()?;
        let layout = &self.layout;
        std::thread::scope(|scope| {
            let threads: Vec<_> = (self.losses.iter_mut().zip(weights).zip(&pairs))
                .map(|((loss, weights), JudgedOn { pairs, text })| {
                    scope.spawn(move || -> Result<(f64, Vec<f32>), LossError> {
                        let weights = layout.decode(weights)?;
                        let (value, gradient) =
                            loss.value_and_gradient(&weights, text.as_ref(), pairs)?;
                        Ok((value, layout.encode(&gradient)?))
                    })
                })
                .collect();
            threads.into_iter().map(join).collect()
        })
    }
}

fn join<T>(thread: ScopedJoinHandle<'_, Result<T, LossError>>) -> Result<T, LossError> {
    match thread.join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
