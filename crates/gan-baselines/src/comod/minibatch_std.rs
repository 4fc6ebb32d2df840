//! The minibatch's deviation as a feature (Karras et al., 2018, §3).

use burn::tensor::Tensor;

use crate::penalties::Dual;

/// `[B, C, H, W]` → `[B, C + 1, H, W]`: the added map holds one number per group of `group` images
/// (all, if there are fewer), the deviation over the group averaged over channels and pixels.
///
/// As in StyleGAN2, image i belongs to group i mod (B / group). `None` if B is neither below
/// `group` nor a multiple of it.
pub(crate) fn minibatch_std(x: Tensor<4>, group: usize) -> Option<Tensor<4>> {
    let groups = Groups::new(&x, group)?;
    let y = groups.centre(x.clone());
    let map = groups.spread(groups.deviation(y).mean_dim(2));
    Some(Tensor::cat(vec![x, map], 1))
}

/// [`minibatch_std`] and its derivative.
pub(crate) fn minibatch_std_dual(x: Dual<4>, group: usize) -> Option<Dual<4>> {
    let groups = Groups::new(&x.value, group)?;
    let y = groups.centre(x.value.clone());
    let along = groups.centre(x.tangent.clone());
    let deviation = groups.deviation(y.clone());
    let slope = (y * along).mean_dim(0) / deviation.clone();
    let map = |t: Tensor<3>| groups.spread(t.mean_dim(2));
    Some(Dual {
        value: Tensor::cat(vec![x.value, map(deviation)], 1),
        tangent: Tensor::cat(vec![x.tangent, map(slope)], 1),
    })
}

/// Whether a batch falls into whole groups, or is a single smaller one.
pub(super) fn fits(batch: usize, group: usize) -> bool {
    let size = group.min(batch);
    size > 0 && batch.is_multiple_of(size)
}

/// How a batch falls into groups.
struct Groups {
    size: usize,
    number: usize,
    shape: [usize; 4],
}

impl Groups {
    fn new(x: &Tensor<4>, group: usize) -> Option<Self> {
        let shape = x.dims();
        let batch = shape[0];
        fits(batch, group).then(|| Self {
            size: group.min(batch),
            number: batch / group.min(batch),
            shape,
        })
    }

    /// `[size, number, C·H·W]`, without the group's mean.
    fn centre(&self, x: Tensor<4>) -> Tensor<3> {
        let [_, c, h, w] = self.shape;
        let y = x.reshape([self.size, self.number, c * h * w]);
        y.clone() - y.mean_dim(0)
    }

    /// `[1, number, C·H·W]`.
    fn deviation(&self, centred: Tensor<3>) -> Tensor<3> {
        centred.square().mean_dim(0).add_scalar(1e-8).sqrt()
    }

    /// A number per group, `[1, number, 1]` → the added map `[B, 1, H, W]`.
    fn spread(&self, numbers: Tensor<3>) -> Tensor<4> {
        let [batch, _, h, w] = self.shape;
        numbers
            .reshape([1, self.number, 1, 1])
            .expand([self.size, self.number, h, w])
            .reshape([batch, 1, h, w])
    }
}
