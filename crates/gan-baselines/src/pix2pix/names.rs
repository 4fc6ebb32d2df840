//! Names of the layers in PyTorch's `nn.Sequential`.

use lora_gan::state_dict::LayerNames;

/// The names of every layer of a generator of `blocks` residual blocks.
///
/// Padding, activations and dropout count as modules of the `nn.Sequential`, which is why the numbers
/// skip some.
pub(crate) fn names(blocks: usize, dropout: bool) -> Vec<LayerNames> {
    let layer = |name: String, prefix: &str, at: usize| LayerNames {
        layer: name,
        conv: format!("{prefix}.{at}"),
        norm: format!("{prefix}.{}", at + 1),
    };
    let mut names = vec![layer("stem".into(), "model", 1)];
    names.extend((0..2).map(|i| layer(format!("down.{i}"), "model", 4 + 3 * i)));
    let second = if dropout { 6 } else { 5 };
    for i in 0..blocks {
        let prefix = format!("model.{}.conv_block", 10 + i);
        names.push(layer(format!("blocks.{i}.conv1"), &prefix, 1));
        names.push(layer(format!("blocks.{i}.conv2"), &prefix, second));
    }
    names.extend((0..2).map(|i| layer(format!("up.{i}"), "model", 10 + blocks + 3 * i)));
    names.push(layer("head".into(), "model", 17 + blocks));
    names
}
