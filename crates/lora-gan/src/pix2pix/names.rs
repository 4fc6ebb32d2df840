//! Names of the layers in PyTorch's `nn.Sequential`.

/// (this crate's layer, the original's convolution, the original's norm) of every layer.
///
/// Padding, activations and dropout count as modules of the `nn.Sequential`, whence the numbers.
pub(crate) fn names(blocks: usize, dropout: bool) -> Vec<[String; 3]> {
    let layer =
        |name: String, at: usize| [name, format!("model.{at}"), format!("model.{}", at + 1)];
    let mut names = vec![layer("stem".into(), 1)];
    names.extend((0..2).map(|i| layer(format!("down.{i}"), 4 + 3 * i)));
    let second = if dropout { 6 } else { 5 };
    for i in 0..blocks {
        let at = |j: usize| format!("model.{}.conv_block.{j}", 10 + i);
        names.push([format!("blocks.{i}.conv1"), at(1), at(2)]);
        names.push([format!("blocks.{i}.conv2"), at(second), at(second + 1)]);
    }
    names.extend((0..2).map(|i| layer(format!("up.{i}"), 10 + blocks + 3 * i)));
    names.push(layer("head".into(), 17 + blocks));
    names
}
