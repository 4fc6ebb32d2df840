//! Inverted residual block.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;

/// Mobile inverted bottleneck (Sandler et al., 2018, section 3.4): widen 1×1, depthwise k×k, narrow 1×1, with ReLU6
/// after the first two, batch norms folded in, and the input added if shapes agree.
#[derive(Module, Debug)]
pub(super) struct MbConv {
    expand: Option<Conv2d>,
    depthwise: Conv2d,
    project: Conv2d,
    residual: bool,
}

impl MbConv {
    pub(super) fn new(
        expand: Option<Conv2d>,
        depthwise: Conv2d,
        project: Conv2d,
        residual: bool,
    ) -> Self {
        Self {
            expand,
            depthwise,
            project,
            residual,
        }
    }

    /// `[B, C, H, W]` to `[B, C', ⌈H/s⌉, ⌈W/s⌉]`.
    pub(super) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let wide = match &self.expand {
            Some(expand) => relu6(expand.forward(input.clone())),
            None => input.clone(),
        };
        let narrow = self.project.forward(relu6(self.depthwise.forward(wide)));
        if self.residual {
            narrow + input
        } else {
            narrow
        }
    }
}

/// `min(max(x, 0), 6)`, in two steps: on flex both compile to vector instructions, and `clamp` does not.
pub(super) fn relu6(x: Tensor<4>) -> Tensor<4> {
    x.clamp_min(0.0).clamp_max(6.0)
}
